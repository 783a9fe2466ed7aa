"""Parity with PyTorch: its own sample inputs, exported once where it is installed and replayed on Rushlight.

`make parity` runs all of it; `python -m tools.parity --help` lists the parts.
"""
