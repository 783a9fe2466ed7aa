"""Reductions and normalisations of what a mask leaves of a tensor (`torch.masked`).

All take `mask`, which broadcasts to the input: True where an element counts. What does not count is replaced by the
operation's identity: 0 in a sum, -inf in a maximum. `dtype` is the result's; `dim` None or () means all dimensions.
"""
import math

from rushlight.functional._composite import composite
from rushlight.functional._core import core, native

_INFINITY = float("inf")


def _fitting_mask(name, input, mask):
    if mask.dim() > input.dim():
        raise IndexError(f"{name}: mask has shape {tuple(mask.shape)} for input of shape {tuple(input.shape)}; "
                         "expected no more dimensions than the input's")
    return mask.to(core.bool).expand(input.shape)


def _filled(name, input, mask, value):
    if mask is None:
        return input
    # An integer input compares with its own limits.
    if abs(value) == _INFINITY and not (input.is_floating_point() or input.is_complex()):
        value = _limits(input.dtype)[value > 0]
    return input.masked_fill(~_fitting_mask(name, input, mask), value)


def _limits(dtype):
    if dtype == core.bool:
        return False, True
    bits = 8 * core.zeros(0, dtype=dtype).element_size()
    return (-2 ** (bits - 1), 2 ** (bits - 1) - 1) if dtype.is_signed else (0, 2**bits - 1)


def _dims(name, dim, rank):
    if dim is None or dim == ():
        return tuple(range(rank))
    dims = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -max(rank, 1) <= d < max(rank, 1):
            raise IndexError(f"{name}: dim={d} is out of range for input with {rank} dimensions; expected "
                             f"{-max(rank, 1)} <= dim <= {max(rank, 1) - 1}")
        dims.append(d % max(rank, 1))
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"{name}: dim={dim} names a dimension twice; expected different ones")
    return tuple(sorted(dims)) if rank else ()


def _summed_dtype(input, dtype):
    if dtype is not None:
        return dtype
    return input.dtype if input.is_floating_point() or input.is_complex() else core.int64


@composite("masked.sum")
def masked_sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The sum of the elements that count.

    Args:
        input (Tensor): any dtype.
        dim (int or tuple, optional): what to reduce; everything when None.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): of the result; int64 for integers when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.sum(rl.tensor([1, 2, 4]), mask=rl.tensor([True, False, True]))
        tensor(5)
    """
    dtype = _summed_dtype(input, dtype)
    dims = _dims("masked.sum", dim, input.dim())
    return _filled("masked.sum", input, mask, 0).sum(dims, keepdim, dtype=dtype)


@composite("masked.prod")
def masked_prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The product of the elements that count.

    Args:
        input (Tensor): any dtype.
        dim (int or tuple, optional): what to reduce; everything when None.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): of the result; int64 for integers when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.prod(rl.tensor([3, 2, 4]), mask=rl.tensor([True, False, True]))
        tensor(12)
    """
    dtype = _summed_dtype(input, dtype)
    result = _filled("masked.prod", input, mask, 1).to(dtype)
    for d in reversed(_dims("masked.prod", dim, input.dim())):
        result = result.prod(d, keepdim)
    return result


@composite("masked.mean")
def masked_mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The mean of the elements that count; NaN where none does.

    Args:
        input (Tensor): any dtype.
        dim (int or tuple, optional): what to reduce; everything when None.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): what to sum in.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.mean(rl.tensor([1., 2., 4.]), mask=rl.tensor([True, False, True]))
        tensor(2.5000)
    """
    total = masked_sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask)
    return total / _count("masked.mean", input, dim, keepdim, mask)


def _count(name, input, dim, keepdim, mask):
    there = core.ones(input.shape, dtype=core.bool) if mask is None else _fitting_mask(name, input, mask)
    return there.sum(_dims(name, dim, input.dim()), keepdim)


def _extreme(name, find, fill, input, dim, keepdim, dtype, mask):
    values = _filled(name, input, mask, fill)
    return find(values, _dims(name, dim, input.dim()), keepdim).to(input.dtype if dtype is None else dtype)


@composite("masked.amax")
def masked_amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The largest of the elements that count; the dtype's smallest number where none does.

    Args:
        input (Tensor): real.
        dim (int or tuple, optional): what to reduce; everything when None.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): of the result; the input's when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.amax(rl.tensor([1, 9, 4]), mask=rl.tensor([True, False, True]))
        tensor(4)
    """
    return _extreme("masked.amax", core.amax, -_INFINITY, input, dim, keepdim, dtype, mask)


@composite("masked.amin")
def masked_amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The smallest of the elements that count; the dtype's largest number where none does.

    Args:
        input (Tensor): real.
        dim (int or tuple, optional): what to reduce; everything when None.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): of the result; the input's when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.amin(rl.tensor([3, 1, 4]), mask=rl.tensor([True, False, True]))
        tensor(3)
    """
    return _extreme("masked.amin", core.amin, _INFINITY, input, dim, keepdim, dtype, mask)


def _place(name, find, fill, input, dim, keepdim, dtype, mask):
    if dim is not None:
        dim = _dims(name, dim, max(input.dim(), 1))[0]
    found = find(_filled(name, input, mask, fill), dim, bool(keepdim))
    return found.to(input.dtype if dtype is None else dtype)


@composite("masked.argmax")
def masked_argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Where the largest of the elements that count is.

    Args:
        input (Tensor): real.
        dim (int, optional): along which; in the flat input when None.
        keepdim (bool): keep the reduced dimension with size 1. Default: False.
        dtype (dtype, optional): of the result; the input's when None, as in PyTorch.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.argmax(rl.tensor([1, 9, 4]), 0, mask=rl.tensor([True, False, True]))
        tensor(2)
    """
    return _place("masked.argmax", core.argmax, -_INFINITY, input, dim, keepdim, dtype, mask)


@composite("masked.argmin")
def masked_argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Where the smallest of the elements that count is.

    Args:
        input (Tensor): real.
        dim (int, optional): along which; in the flat input when None.
        keepdim (bool): keep the reduced dimension with size 1. Default: False.
        dtype (dtype, optional): of the result; the input's when None, as in PyTorch.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.argmin(rl.tensor([3, 1, 4]), 0, mask=rl.tensor([True, False, True]))
        tensor(0)
    """
    return _place("masked.argmin", core.argmin, _INFINITY, input, dim, keepdim, dtype, mask)


def _along(name, run, fill, input, dim, dtype, mask):
    return run(_filled(name, input, mask, fill), _dims(name, dim, max(input.dim(), 1))[0], dtype=dtype)


@composite("masked.cumsum")
def masked_cumsum(input, dim, *, dtype=None, mask=None):
    """Running sums of the elements that count.

    Args:
        input (Tensor): any dtype.
        dim (int): along which.
        dtype (dtype, optional): of the result; int64 for integers when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.cumsum(rl.tensor([1, 2, 4]), 0, mask=rl.tensor([True, False, True]))
        tensor([1, 1, 5])
    """
    return _along("masked.cumsum", core.cumsum, 0, input, dim, _summed_dtype(input, dtype), mask)


@composite("masked.cumprod")
def masked_cumprod(input, dim, *, dtype=None, mask=None):
    """Running products of the elements that count.

    Args:
        input (Tensor): any dtype.
        dim (int): along which.
        dtype (dtype, optional): of the result; int64 for integers when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.cumprod(rl.tensor([3, 2, 4]), 0, mask=rl.tensor([True, False, True]))
        tensor([ 3,  3, 12])
    """
    return _along("masked.cumprod", core.cumprod, 1, input, dim, _summed_dtype(input, dtype), mask)


@composite("masked.softmax")
def masked_softmax(input, dim, *, dtype=None, mask=None):
    """`softmax` over the elements that count; the others get 0, and NaN where none counts.

    Args:
        input (Tensor): floating.
        dim (int): along which.
        dtype (dtype, optional): to convert to first.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.softmax(rl.zeros(3), 0, mask=rl.tensor([True, False, True]))
        tensor([0.5000, 0.0000, 0.5000])
    """
    return _along("masked.softmax", native.softmax, -_INFINITY, input, dim, dtype, mask)


@composite("masked.log_softmax")
def masked_log_softmax(input, dim, *, dtype=None, mask=None):
    """`log_softmax` over the elements that count; the others get -inf, and NaN where none counts.

    Args:
        input (Tensor): floating.
        dim (int): along which.
        dtype (dtype, optional): to convert to first.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.log_softmax(rl.zeros(3), 0, mask=rl.tensor([True, False, True]))
        tensor([-0.6931,    -inf, -0.6931])
    """
    return _along("masked.log_softmax", native.log_softmax, -_INFINITY, input, dim, dtype, mask)


@composite("masked.softmin")
def masked_softmin(input, dim, *, dtype=None, mask=None):
    """`softmin` over the elements that count; the others get 0, and NaN where none counts.

    Args:
        input (Tensor): floating.
        dim (int): along which.
        dtype (dtype, optional): to convert to first.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.softmin(rl.zeros(3), 0, mask=rl.tensor([True, False, True]))
        tensor([0.5000, 0.0000, 0.5000])
    """
    return _along("masked.softmin", native.softmin, _INFINITY, input, dim, dtype, mask)


@composite("masked.logsumexp")
def masked_logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The logarithm of the sum of the exponentials of the elements that count; -inf where none does.

    Args:
        input (Tensor): any dtype.
        dim (int or tuple, optional): what to reduce; everything when None.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): of the result; the input's when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.logsumexp(rl.zeros(3), 0, mask=rl.tensor([True, False, True]))
        tensor(0.6931)
    """
    name = "masked.logsumexp"
    values = _filled(name, input, mask, -_INFINITY)
    if not (input.is_floating_point() or input.is_complex()):
        values = values.to(core.get_default_dtype())
    found = core.logsumexp(values, _dims(name, dim, input.dim()), keepdim)
    return found.to(input.dtype if dtype is None else dtype)


@composite("masked.logaddexp")
def masked_logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """log(exp(input) + exp(other)) of the elements that count.

    Args:
        input, other (Tensor): floating.
        dtype (dtype, optional): of the result; the input's when None.
        input_mask, other_mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: a mask has more dimensions than its tensor.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.logaddexp(rl.zeros(2), rl.zeros(2), other_mask=rl.tensor([True, False]))
        tensor([0.6931, 0.0000])
    """
    name = "masked.logaddexp"
    result = core.logaddexp(_filled(name, input, input_mask, -_INFINITY), _filled(name, other, other_mask, -_INFINITY))
    return result.to(input.dtype if dtype is None else dtype)


@composite("masked.median")
def masked_median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """The median of the elements that count and are not NaN, the lower of two.

    Args:
        input (Tensor): real.
        dim (int): along which. Default: -1.
        keepdim (bool): keep the reduced dimension with size 1. Default: False.
        dtype (dtype, optional): of the result; the input's when None. Without effect on floating inputs.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.
        ValueError: no element of a row of integers counts.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.median(rl.tensor([7., 9., 4.]), mask=rl.tensor([True, False, True]))
        tensor(4.)
    """
    name = "masked.median"
    values = input if input.is_floating_point() else input.to(core.float32)
    found = core.nanmedian(_filled(name, values, mask, math.nan), _dims(name, dim, max(input.dim(), 1))[0], keepdim)[0]
    if input.is_floating_point():
        return found
    if found.isnan().any():
        raise ValueError(f"{name}: mask leaves nothing of a row of {input.dtype}, which has no NaN; expected at least "
                         "one element of each row")
    return found.to(input.dtype if dtype is None else dtype)


@composite("masked.norm")
def masked_norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The vector norm of the elements that count; the others count as 0, and as inf where `ord` is -inf.

    Args:
        input (Tensor): floating or complex.
        ord (float): the norm. Default: 2.
        dim (int or tuple, optional): what to reduce; everything when None.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): to convert to first.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.norm(rl.tensor([3., 9., 4.]), 2.0, mask=rl.tensor([True, False, True]))
        tensor(5.)
    """
    name = "masked.norm"
    values = _filled(name, input, mask, _INFINITY if ord == -_INFINITY else 0)
    return core.linalg.vector_norm(values, ord, _dims(name, dim, input.dim()), bool(keepdim), dtype=dtype)


@composite("masked.normalize")
def masked_normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """Vectors along `dim`, divided by the norm of their elements that count; the others get 0.

    Args:
        input (Tensor): floating or complex.
        ord (float): the norm.
        dim (int): along which.
        eps (float): the smallest norm. Default: 1e-12.
        dtype (dtype, optional): to convert to first.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.normalize(rl.tensor([3., 9., 4.]), 2.0, 0, mask=rl.tensor([True, False, True]))
        tensor([0.6000, 0.0000, 0.8000])
    """
    length = masked_norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    length = core.maximum(length, core.full((), eps, dtype=length.dtype))
    return _filled("masked.normalize", input if dtype is None else input.to(dtype), mask, 0) / length


def _spread(name, input, dim, unbiased, correction, keepdim, dtype, mask):
    if unbiased is not None and correction is not None:
        raise RuntimeError(f"{name}: unbiased and correction are both given; expected one of them")
    if correction is None:
        correction = 0 if unbiased is False else 1
    if dtype is None:
        exact = input.is_floating_point() or input.is_complex()
        dtype = input.dtype if exact else core.float32
    values = input.to(dtype)
    count = _count(name, input, dim, True, mask)
    mean = masked_sum(values, dim, keepdim=True, mask=mask) / count
    away = values - mean
    squares = away * away.conj() if away.is_complex() else away * away
    total = masked_sum(squares, dim, keepdim=keepdim, mask=mask)
    return total / (count.reshape(total.shape) - correction).clamp(min=0)


@composite("masked.var")
def masked_var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The variance of the elements that count.

    Args:
        input (Tensor): any dtype.
        dim (int or tuple, optional): what to reduce; everything when None.
        unbiased (bool, optional): False for a `correction` of 0.
        correction (float, optional): what the number of elements is lessened by. Default: 1.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): of the result; the input's, or float32, when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.
        RuntimeError: `unbiased` and `correction` are both given.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.var(rl.tensor([1., 9., 3.]), 0, True, mask=rl.tensor([True, False, True]))
        tensor(2.)
    """
    return _spread("masked.var", input, dim, unbiased, correction, keepdim, dtype, mask)


@composite("masked.std")
def masked_std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The standard deviation of the elements that count.

    Args:
        input (Tensor): any dtype.
        dim (int or tuple, optional): what to reduce; everything when None.
        unbiased (bool, optional): False for a `correction` of 0.
        correction (float, optional): what the number of elements is lessened by. Default: 1.
        keepdim (bool): keep reduced dimensions with size 1. Default: False.
        dtype (dtype, optional): of the result; the input's, or float32, when None.
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.
        RuntimeError: `unbiased` and `correction` are both given.

    Example:
        >>> import rushlight as rl
        >>> rl.masked.std(rl.tensor([1., 9., 3.]), 0, True, mask=rl.tensor([True, False, True]))
        tensor(1.4142)
    """
    return _spread("masked.std", input, dim, unbiased, correction, keepdim, dtype, mask).sqrt()
