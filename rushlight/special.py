"""Special functions: the operators of the `special` namespace."""
from rushlight import _C
from rushlight.functional._composite import in_namespace

globals().update(_C._groups["special"])
globals().update(in_namespace("special"))
