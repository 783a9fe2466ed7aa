"""Neural networks: modules, their parameters, and functions."""
from rushlight.nn import attention, functional, init, parallel, parameter, utils
from rushlight.nn.modules import *
from rushlight.nn.modules.utils import factory_kwargs
from rushlight.nn.parallel import DataParallel
from rushlight.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
