"""Neural networks: modules, their parameters, and functions."""
from rushlight.nn import attention, functional, init, intrinsic, parallel, parameter, quantized, utils
from rushlight.nn.modules import *
from rushlight.nn.modules.utils import factory_kwargs
from rushlight.nn.parallel import DataParallel
from rushlight.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
