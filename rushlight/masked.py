"""Reductions and normalisations of what a mask leaves of a tensor: the composites of the `masked` namespace."""
from rushlight.functional._composite import in_namespace

globals().update(in_namespace("masked"))
