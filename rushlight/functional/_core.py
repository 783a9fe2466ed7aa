"""The one door from the Python rooms to the native core.

`core` holds the functions of the top namespace and the types, `native` those of `nn.functional`.
"""
from types import SimpleNamespace

from rushlight import _C as core
from rushlight._C import Tensor

__all__ = ["Tensor", "core", "native"]

native = SimpleNamespace(**core._groups["nn.functional"])
