"""Rushlight beside its peers: the same programs, interleaved in one run. See `python -m benchmarks --help`."""
