"""Linear algebra: the operators of the `linalg` namespace."""
from rushlight import _C
from rushlight._C import LinAlgError  # noqa: F401
from rushlight.functional._composite import in_namespace

globals().update(_C._groups["linalg"])
globals().update(in_namespace("linalg"))
