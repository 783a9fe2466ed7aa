"""The version, and what was built in: no CUDA, no ROCm."""
from rushlight import _C

__version__ = _C.version
cuda = hip = xpu = None
debug = False
