"""Calls of every operator that no sane program makes, and what must hold after each.

`python -m tools.fuzz --calls 1000000` is the long run, `--seconds 40` the one that the tests make. A call is made in a
child process, named by operator, seed and number; `--replay OPERATOR SEED NUMBER` makes it again.
"""
