"""`Parameter` and `Buffer`: the tensors that a module owns."""
from rushlight.functional._core import Tensor, core

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that a `Module` registers as trainable when it is assigned as an attribute.

    Args:
        data (Tensor, optional): the values; the parameter shares their storage. An empty tensor when omitted.
        requires_grad (bool): whether the tape records operations on it. Default: True.

    Raises:
        TypeError: `data` is not a tensor.
        RuntimeError: `requires_grad` is true and `data` is neither floating nor complex.

    Example:
        >>> import rushlight as rl
        >>> weight = rl.nn.Parameter(rl.zeros(2))
        >>> weight.requires_grad
        True
    """

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = core.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter: data is a {type(data).__name__}; expected a Tensor")
        parameter = Tensor.__new__(cls, data)
        return parameter.requires_grad_() if requires_grad else parameter

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        copy = type(self)(self.data.clone(), self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol):
        return rebuild_parameter, (self.data, self.requires_grad)


def rebuild_parameter(data, requires_grad):
    """The parameter that a pickle or an archive describes.

    Args:
        data (Tensor): its values.
        requires_grad (bool): whether it is trained.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.parameter.rebuild_parameter(rl.ones(1), False).requires_grad
        False
    """
    return Parameter(data, requires_grad)


class Buffer(Tensor):
    """A tensor that a `Module` registers as a buffer when it is assigned as an attribute.

    Args:
        data (Tensor, optional): the values, whose storage is shared. An empty tensor when omitted.
        persistent (bool): whether the buffer is part of the state dict. Default: True.

    Example:
        >>> import rushlight as rl
        >>> module = rl.nn.Module()
        >>> module.mean = rl.nn.Buffer(rl.zeros(2))
        >>> list(module.state_dict())
        ['mean']
    """

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = core.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Buffer: data is a {type(data).__name__}; expected a Tensor")
        buffer = Tensor.__new__(cls, data)
        buffer.persistent = persistent
        return buffer
