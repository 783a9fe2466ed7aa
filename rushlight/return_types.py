"""The named tuples that operators return: `return_types.max`, `return_types.sort`, ..."""
from rushlight import _C

globals().update(_C._return_types)
