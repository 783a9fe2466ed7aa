"""The one door from the Python rooms to the native core.

`core` holds the functions of the top namespace and the types, `native` those of `nn.functional`. Composites join
them as they are defined, so that the rooms above need not know which function is a primitive.
"""
from types import SimpleNamespace

from rushlight import _C
from rushlight._C import Tensor

__all__ = ["Tensor", "core", "native"]

core = SimpleNamespace(**vars(_C))
native = SimpleNamespace(**_C._groups["nn.functional"])
core.linalg = SimpleNamespace(**_C._groups["linalg"])
core.special = SimpleNamespace(**_C._groups["special"])
