"""Choosing elements: `where` and `nonzero` in their several forms."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core

_argwhere, _where = core.argwhere, core.where


@composite("nonzero Tensor.nonzero")
def nonzero(input, *, as_tuple=False):
    """The indices of the elements that are not zero.

    Args:
        input (Tensor): any dtype.
        as_tuple (bool): one index tensor for each dimension instead of a matrix with a row for each element.

    Returns:
        Tensor (n, dims), or a tuple of Tensor (n,): int64.

    Example:
        >>> import rushlight as rl
        >>> rl.nonzero(rl.tensor([0, 5, 7])).tolist()
        [[1], [2]]
    """
    if not as_tuple:
        return _argwhere(input)
    return _argwhere(input if input.dim() else input.reshape(1)).unbind(1)


@composite("where")
def where(condition, input=None, other=None, *, out=None):
    """`input` where the condition holds, `other` elsewhere; with the condition alone, the indices where it holds.

    Args:
        condition (Tensor): bool.
        input, other (Tensor or number): the choices; they broadcast.
        out (Tensor, optional): where the result goes.

    Returns:
        Tensor, or a tuple of Tensor.

    Example:
        >>> import rushlight as rl
        >>> rl.where(rl.tensor([True, False]), 1.0, 2.0).tolist()
        [1.0, 2.0]
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return _where(condition, input, other) if out is None else _where(condition, input, other, out=out)


@composite("Tensor.where")
def tensor_where(input, condition, other):
    """The element where the condition holds, `other` elsewhere.

    Args:
        condition (Tensor): bool.
        other (Tensor or number): the alternative.

    Example:
        >>> import rushlight as rl
        >>> x = rl.tensor([-1.0, 2.0])
        >>> x.where(x > 0, 0.0).tolist()
        [0.0, 2.0]
    """
    return _where(condition, input, other)


@composite("Tensor.__contains__")
def contains(input, value):
    """True when an element equals `value`.

    Example:
        >>> import rushlight as rl
        >>> 2 in rl.tensor([1, 2])
        True
    """
    if not isinstance(value, (Tensor, int, float, complex)):
        raise RuntimeError(f"__contains__: takes a Tensor or a number, not {type(value).__name__}")
    return core.any(input == value).item()
