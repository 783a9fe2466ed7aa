"""`Parameter` and `Buffer`: the tensors that a module owns."""
from rushlight.functional._core import Tensor, core

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


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


#: What a tensor without a shape can be asked: where and of which dtype it will be, and to become a tensor.
_WITHOUT_SHAPE = frozenset((
    "data", "dtype", "device", "requires_grad", "requires_grad_", "grad", "grad_fn", "is_leaf", "materialize",
    "cls_to_become", "persistent", "to", "cpu", "cuda", "is_complex", "is_floating_point", "share_memory_"))


class _Uninitialized:
    # A tensor whose shape the first input will tell. It holds no elements, and says so instead of computing with none.

    def __getattribute__(self, name):
        if name == "shape":
            raise RuntimeError(
                "Can't access the shape of an uninitialized parameter or buffer: call `forward` first, which gives it "
                "one. This also happens when an uninitialized parameter is loaded into an initialized one"
            )
        if name not in _WITHOUT_SHAPE and not name.startswith("_") and hasattr(Tensor, name):
            raise ValueError(
                f"Attempted to use an uninitialized parameter in {name}: call the lazy module with a batch first, "
                "which tells the shape of its parameters"
            )
        return super().__getattribute__(name)

    def materialize(self, shape, device=None, dtype=None):
        """Become an ordinary parameter or tensor; its elements are whatever the memory held.

        Args:
            shape (tuple): its shape.
            device (optional): the CPU.
            dtype (dtype, optional): another than the one it was made for.
        """
        self.data = core.empty(shape, device=device, dtype=self.dtype if dtype is None else dtype)
        self.__class__ = self.cls_to_become

    def to(self, *args, **kwargs):
        """What it will be: of another dtype; the arguments are those of `Tensor.to`.

        Args:
            args, kwargs: see there.
        """
        return type(self)(self.requires_grad, self.device, self.data.to(*args, **kwargs).dtype)

    def share_memory_(self):
        """Refuses: there are no elements to share.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("Can't share memory on an uninitialized parameter or buffer: call `forward` first")

    def __repr__(self):
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        return type(self), (self.requires_grad,)


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter whose shape is not known yet.

    Args:
        requires_grad (bool): whether the tape records operations on it. Default: True.
        device, dtype: where and how it will be made.

    Example:
        >>> import rushlight as rl
        >>> weight = rl.nn.UninitializedParameter()
        >>> weight.materialize((2, 3))
        >>> weight.shape == (2, 3)
        True
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return Parameter.__new__(cls, core.empty(0, device=device, dtype=dtype), requires_grad)


class UninitializedBuffer(_Uninitialized, Buffer):
    """A buffer whose shape is not known yet.

    Args:
        requires_grad (bool): Default: False.
        device, dtype: where and how it will be made.
        persistent (bool): whether the buffer is part of the state dict. Default: True.

    Example:
        >>> import rushlight as rl
        >>> mean = rl.nn.UninitializedBuffer()
        >>> mean.materialize((3,))
        >>> mean.shape == (3,)
        True
    """

    cls_to_become = Tensor

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        buffer = Buffer.__new__(cls, core.empty(0, device=device, dtype=dtype), persistent=persistent)
        return buffer.requires_grad_(requires_grad)


def is_lazy(param):
    """Whether a parameter or buffer has no shape yet.

    Args:
        param (object): what to look at.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.parameter.is_lazy(rl.nn.UninitializedParameter())
        True
    """
    return isinstance(param, _Uninitialized)
