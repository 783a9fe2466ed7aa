"""Numbers about many elements."""
import rushlight as rl
from rushlight.array_api._manipulation import tuple_of

SIGNED = (rl.int8, rl.int16, rl.int32, rl.int64)
UNSIGNED = (rl.uint8, rl.uint16, rl.uint32, rl.uint64)


def total_dtype(x, dtype):
    """The dtype of sums and products: wide enough for integers."""
    if dtype is not None:
        return dtype
    return rl.int64 if x.dtype in SIGNED or x.dtype == rl.bool else rl.uint64 if x.dtype in UNSIGNED else x.dtype


def reduced(function, x, axis, keepdims, **options):
    """`function` along an axis, several, or all; along none it is that of single elements."""
    if axis == ():
        return function(x.unsqueeze(-1), dim=-1, **options)
    return function(x, dim=axis, keepdim=keepdims, **options)


def all(x, /, *, axis=None, keepdims=False):
    """Whether all elements are True, along the axes or altogether."""
    return reduced(rl.all, x != 0, axis, keepdims)


def any(x, /, *, axis=None, keepdims=False):
    """Whether an element is True, along the axes or altogether."""
    return reduced(rl.any, x != 0, axis, keepdims)


def argmax(x, /, *, axis=None, keepdims=False):
    """Where the first of the largest elements stands."""
    return rl.argmax(x, axis, keepdims)


def argmin(x, /, *, axis=None, keepdims=False):
    """Where the first of the smallest elements stands."""
    return rl.argmin(x, axis, keepdims)


def count_nonzero(x, /, *, axis=None, keepdims=False):
    """How many elements are not zero, along the axes or altogether."""
    return reduced(rl.sum, x != 0, axis, keepdims)


def max(x, /, *, axis=None, keepdims=False):
    """The largest element, along the axes or altogether; NaN where there is one."""
    return reduced(rl.amax, x, () if axis is None and x.ndim == 0 else all_axes(x, axis), keepdims)


def min(x, /, *, axis=None, keepdims=False):
    """The smallest element, along the axes or altogether; NaN where there is one."""
    return reduced(rl.amin, x, () if axis is None and x.ndim == 0 else all_axes(x, axis), keepdims)


def all_axes(x, axis):
    """The axes, all of them where None is given."""
    return tuple(range(x.ndim)) if axis is None else axis


def mean(x, /, *, axis=None, keepdims=False):
    """The arithmetic mean, along the axes or of all elements."""
    return reduced(rl.mean, x, axis, keepdims)


def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    """The product, along the axes or of all elements; integers are multiplied as int64 or uint64.

    Args:
        x (Tensor): the array.
        axis (int | tuple, optional): the axes; all by default.
        dtype (dtype, optional): that of the result.
        keepdims (bool): whether the axes stay, with length 1.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.prod(xp.asarray([[1, 2], [3, 4]]), axis=(0, 1))
        tensor(24)
    """
    axes = {a % x.ndim for a in tuple_of(all_axes(x, axis))}
    shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    out = x.movedim(sorted(axes), list(range(x.ndim - len(axes), x.ndim))).flatten(x.ndim - len(axes)) \
        if axes else x.unsqueeze(-1)
    out = rl.prod(out, -1, dtype=total_dtype(x, dtype))
    return out.reshape(shape) if keepdims else out


def std(x, /, *, axis=None, correction=0.0, keepdims=False):
    """The standard deviation, along the axes or of all elements."""
    return reduced(rl.std, x, axis, keepdims, correction=correction)


def sum(x, /, *, axis=None, dtype=None, keepdims=False):
    """The sum, along the axes or of all elements; integers are added as int64 or uint64."""
    return reduced(rl.sum, x, axis, keepdims, dtype=total_dtype(x, dtype))


def var(x, /, *, axis=None, correction=0.0, keepdims=False):
    """The variance, along the axes or of all elements."""
    return reduced(rl.var, x, axis, keepdims, correction=correction)


def _cumulative(name, function, first):
    def wrapped(x, /, *, axis=None, dtype=None, include_initial=False):
        if axis is None and x.ndim != 1:
            raise ValueError(f"{name}: axis=None for input of shape {tuple(x.shape)}; "
                             "expected an axis where there is not exactly one")
        axis = 0 if axis is None else axis
        out = function(x, axis, dtype=total_dtype(x, dtype))
        if not include_initial:
            return out
        shape = list(out.shape)
        shape[axis] = 1
        return rl.cat([rl.full(shape, first, dtype=out.dtype), out], axis)

    wrapped.__name__ = wrapped.__qualname__ = name
    return wrapped


cumulative_prod = _cumulative("cumulative_prod", rl.cumprod, 1)
cumulative_prod.__doc__ = "The products of each element with all before it, with 1 before where wanted."
cumulative_sum = _cumulative("cumulative_sum", rl.cumsum, 0)
cumulative_sum.__doc__ = "The sums of each element and all before it, with 0 before where wanted."


def diff(x, /, *, axis=-1, n=1, prepend=None, append=None):
    """The differences of neighbours along an axis, taken `n` times."""
    return rl.diff(x, n, axis, prepend, append)
