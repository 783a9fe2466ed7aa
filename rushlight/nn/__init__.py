"""Neural networks: modules, their parameters, and functions."""
from rushlight.nn import functional, init, parameter, utils  # noqa: F401
from rushlight.nn.modules import *  # noqa: F401, F403
from rushlight.nn.parameter import Buffer, Parameter  # noqa: F401
