"""Reductions and normalisations of what a mask leaves of a tensor: the composites of the `masked` namespace."""
from rushlight._outside import IN_ROOMS as _IN_ROOMS
from rushlight.functional._composite import in_namespace

globals().update(in_namespace("masked") | _IN_ROOMS["masked"])
