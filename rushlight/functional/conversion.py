"""Questions about tensors and dtypes, and factories from a tensor."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core


@composite("Tensor.new_tensor")
def new_tensor(input, data, *, dtype=None, device=None, requires_grad=False):
    """A tensor with a copy of `data`, of the dtype of `input` unless told otherwise.

    Args:
        data: as for `tensor`.
        dtype (dtype, optional): Default: the input's.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1, dtype=rl.float64).new_tensor([1, 2]).dtype
        rushlight.float64
    """
    return core.tensor(data, dtype=input.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)


@composite("is_tensor")
def is_tensor(obj):
    """True when `obj` is a Tensor.

    Example:
        >>> import rushlight as rl
        >>> rl.is_tensor(rl.ones(1)), rl.is_tensor(1)
        (True, False)
    """
    return isinstance(obj, Tensor)


@composite("numel")
def numel(input):
    """The number of elements.

    Example:
        >>> import rushlight as rl
        >>> rl.numel(rl.zeros(2, 3))
        6
    """
    return input.numel()


@composite("is_floating_point")
def is_floating_point(input):
    """True for floating dtypes.

    Example:
        >>> import rushlight as rl
        >>> rl.is_floating_point(rl.ones(1))
        True
    """
    return input.dtype.is_floating_point


@composite("is_complex")
def is_complex(input):
    """True for complex dtypes.

    Example:
        >>> import rushlight as rl
        >>> rl.is_complex(rl.ones(1))
        False
    """
    return input.dtype.is_complex


@composite("is_nonzero")
def is_nonzero(input):
    """True when the one element is not zero.

    Raises:
        RuntimeError: there is more or less than one element.

    Example:
        >>> import rushlight as rl
        >>> rl.is_nonzero(rl.tensor([0.0]))
        False
    """
    return bool(input)


@composite("result_type")
def result_type(tensor1, tensor2):
    """The dtype that an operation of the two has: tensors or numbers.

    Args:
        tensor1, tensor2 (Tensor or number): the operands.

    Returns:
        dtype

    Example:
        >>> import rushlight as rl
        >>> rl.result_type(rl.ones(1, dtype=rl.int32), 1.0)
        rushlight.float32
    """
    def sample(value):
        if isinstance(value, Tensor):
            return core.empty((0,) if value.dim() else (), dtype=value.dtype)
        return value
    for param, value in (("tensor1", tensor1), ("tensor2", tensor2)):
        if not isinstance(value, (Tensor, int, float, complex)):
            raise TypeError(f"result_type: argument '{param}' must be Tensor | Number, not {type(value).__name__}")
    a, b = sample(tensor1), sample(tensor2)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = core.tensor(a)
    return core._result_type(a, b)


def _require_dtypes(name, **given):
    for param, value in given.items():
        if not isinstance(value, core.dtype):
            raise TypeError(f"{name}: argument '{param}' must be dtype, not {type(value).__name__}")


@composite("promote_types")
def promote_types(type1, type2):
    """The dtype that holds the values of both.

    Args:
        type1, type2 (dtype): the dtypes.

    Returns:
        dtype

    Example:
        >>> import rushlight as rl
        >>> rl.promote_types(rl.int32, rl.float16)
        rushlight.float16
    """
    _require_dtypes("promote_types", type1=type1, type2=type2)
    return core._promote(type1, type2)


@composite("can_cast")
def can_cast(from_, to):
    """True when an in-place operation may write results of dtype `from_` into a tensor of dtype `to`.

    Args:
        from_, to (dtype): the dtypes.

    Returns:
        bool

    Example:
        >>> import rushlight as rl
        >>> rl.can_cast(rl.float32, rl.int64)
        False
    """
    _require_dtypes("can_cast", from_=from_, to=to)
    return core._can_cast(from_, to)
