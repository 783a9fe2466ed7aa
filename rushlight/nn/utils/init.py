"""Modules without first values."""
import inspect

from rushlight.nn.modules.module import Module
from rushlight.random import get_rng_state, set_rng_state

__all__ = ["skip_init"]


def skip_init(module_cls, *args, **kwargs):
    """A module whose parameters and buffers hold whatever the memory held: no time is spent on values that a state dict
    will replace.

    The random stream stays where it is.

    Args:
        module_cls (type): the module's class, which takes `device`.
        args, kwargs: for its constructor.

    Raises:
        RuntimeError: it is no module class, or takes no `device`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.skip_init(rl.nn.Linear, 2, 3).weight.shape == (3, 2)
        True
    """
    if not (inspect.isclass(module_cls) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    state = get_rng_state()
    try:
        # A class whose layer draws nothing; what its children draw is drawn again by whoever comes next.
        bare = type(module_cls.__name__, (module_cls,), {"reset_parameters": lambda self: None})
        module = bare(*args, **kwargs)
    finally:
        set_rng_state(state)
    module.__class__ = module_cls
    return module
