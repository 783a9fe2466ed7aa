"""Neural networks: modules, their parameters, and functions."""
from rushlight.nn import attention, functional, init, parameter, utils
from rushlight.nn.modules import *
from rushlight.nn.parameter import Buffer, Parameter
