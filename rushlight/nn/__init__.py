"""Neural networks: modules, their parameters, and functions."""
from importlib import import_module

from rushlight.nn import attention, functional, init, parallel, parameter, utils
from rushlight.nn.modules import *
from rushlight.nn.modules.utils import factory_kwargs
from rushlight.nn.parallel import DataParallel
from rushlight.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter


def __getattr__(name):
    if name in ("intrinsic", "qat", "quantized"):           # most programs never need them
        value = globals()[name] = import_module("rushlight.nn." + name)
        return value
    raise AttributeError(f"module 'rushlight.nn' has no attribute '{name}'")
