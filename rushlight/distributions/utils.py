"""What the distributions share: broadcasting of parameters, probabilities and log-odds, lazy attributes."""
from functools import update_wrapper
from numbers import Number

from rushlight._dtype_info import finfo
from rushlight.autograd import enable_grad
from rushlight.functional._core import Tensor, core, native

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "euler_constant",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060


def broadcast_all(*values):
    """The values as tensors of one shape; numbers take the dtype of the first tensor, or the default one.

    Args:
        values: tensors and numbers.

    Returns:
        A tuple of tensors.

    Raises:
        ValueError: a value is neither.

    Example:
        >>> [x.shape for x in rushlight.distributions.utils.broadcast_all(rushlight.ones(2), 3.0)]
        [rushlight.Size([2]), rushlight.Size([2])]
    """
    for at, value in enumerate(values):
        if not isinstance(value, Tensor | Number):
            raise ValueError(
                f"broadcast_all: values[{at}] is of type {type(value).__name__}; expected a Tensor or a number"
            )
    dtype = next((x.dtype for x in values if isinstance(x, Tensor)), core.get_default_dtype())
    tensors = tuple([x if isinstance(x, Tensor) else core.tensor(x, dtype=dtype) for x in values])
    if all(x.shape == tensors[0].shape for x in tensors):
        return tensors                   # as most are, and much quicker
    return tuple(core.broadcast_tensors(*tensors))


def standard_normal(shape, dtype):
    return core.normal(core.zeros(shape, dtype=dtype), core.ones(shape, dtype=dtype))


def sum_rightmost(value, dims):
    """`value` summed over its last `dims` dimensions."""
    return value if dims == 0 else value.sum(tuple(range(-dims, 0)))


def finite_info(x):
    return finfo(x.dtype)


def logits_to_probs(logits, is_binary=False):
    """Probabilities from log-odds (`is_binary`), or from unnormalised logarithms along the last dimension.

    Args:
        logits (Tensor): floating.
        is_binary (bool): each element stands for itself. Default: False.

    Example:
        >>> rushlight.distributions.utils.logits_to_probs(rushlight.zeros(2))
        tensor([0.5000, 0.5000])
    """
    return core.sigmoid(logits) if is_binary else core.softmax(logits, dim=-1)


def clamp_probs(probs):
    """Probabilities kept an epsilon of their dtype away from 0 and 1.

    Args:
        probs (Tensor): floating.

    Example:
        >>> bool(rushlight.distributions.utils.clamp_probs(rushlight.tensor([1.0])) < 1)
        True
    """
    eps = finite_info(probs).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs, is_binary=False):
    """The inverse of `logits_to_probs`, finite at 0 and 1.

    Args:
        probs (Tensor): floating.
        is_binary (bool): log-odds instead of logarithms. Default: False.

    Example:
        >>> rushlight.distributions.utils.probs_to_logits(rushlight.tensor([0.5]), is_binary=True)
        tensor([0.])
    """
    inside = clamp_probs(probs)
    return core.log(inside) - core.log1p(-inside) if is_binary else core.log(inside)


class lazy_property:
    """A method as an attribute that is computed when first read and kept; its derivatives are always recorded.

    Example:
        >>> class Square:
        ...     @rushlight.distributions.utils.lazy_property
        ...     def area(self):
        ...         return 4
        >>> Square().area
        4
    """

    def __init__(self, wrapped):
        self.wrapped = wrapped
        update_wrapper(self, wrapped)

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def tril_matrix_to_vec(mat, diag=0):
    """The elements of square matrices on and below a diagonal, row by row, along one dimension.

    Args:
        mat (Tensor): of shape (..., D, D).
        diag (int): which diagonal is the last. Default: 0.

    Raises:
        ValueError: there is no such diagonal.

    Example:
        >>> rushlight.distributions.utils.tril_matrix_to_vec(rushlight.tensor([[1, 2], [3, 4]]))
        tensor([1, 3, 4])
    """
    size = mat.shape[-1]
    if not -size <= diag < size:
        raise ValueError(
            f"tril_matrix_to_vec: diag={diag} for matrices of {size} rows; expected {-size} <= diag < {size}"
        )
    rows, columns = core.tril_indices(size, size, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec, diag=0):
    """The inverse of `tril_matrix_to_vec`; the rest of the matrices is zero.

    Args:
        vec (Tensor): of shape (..., N), where N elements fill the triangle of some size.
        diag (int): which diagonal is the last. Default: 0.

    Raises:
        ValueError: no square matrix has so many elements there.

    Example:
        >>> rushlight.distributions.utils.vec_to_tril_matrix(rushlight.tensor([1, 3, 4]))
        tensor([[1, 0],
                [3, 4]])
    """
    count = vec.shape[-1]
    # The positive root of size (size + 1 + 2 diag) / 2 = count.
    exact = (((1 + 2 * diag) ** 2 + 8 * count + 4 * abs(diag) * (diag + 1)) ** 0.5 - (1 + 2 * diag)) / 2
    size = round(exact)
    if abs(exact - size) > 1e-6:
        raise ValueError(
            f"vec_to_tril_matrix: vec has {count} elements along its last dimension; expected as many as a square "
            f"matrix has up to diagonal {diag}"
        )
    rows, columns = core.tril_indices(size, size, diag)
    flat = core.zeros(vec.shape[:-1] + (size * size,), dtype=vec.dtype)
    index = (rows * size + columns).expand(vec.shape)
    return flat.scatter(-1, index, vec).reshape(vec.shape[:-1] + (size, size))


def pad_last(x, before, after, value):
    return native.pad(x, [before, after], value=value)
