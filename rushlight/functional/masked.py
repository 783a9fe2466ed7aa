"""Reductions and normalisations of what a mask leaves of a tensor (`torch.masked`).

All take `mask`, which broadcasts to the input: True where an element counts. What does not count is replaced by the
operation's identity: 0 in a sum, -inf in a maximum. `dtype` is the result's; `dim` None or () means all dimensions.
"""
import math

from rushlight.functional._composite import composite
from rushlight.functional._core import core, native
from rushlight.functional._dims import place_of

_INFINITY = float("inf")

_ANY, _REAL = "input (Tensor): any dtype.", "input (Tensor): real."
_FLOATING, _INEXACT = "input (Tensor): floating.", "input (Tensor): floating or complex."
_DIMS = "dim (int or tuple, optional): what to reduce; everything when None."
_DIM = "dim (int): along which."
_PLACE = "dim (int, optional): along which; in the flat input when None."
_KEEPDIM = "keepdim (bool): keep reduced dimensions with size 1. Default: False."
_SUMMED = "dtype (dtype, optional): of the result; int64 for integers when None."
_RESULT = "dtype (dtype, optional): of the result; the input's when None."
_FIRST = "dtype (dtype, optional): to convert to first."
_SPREAD = "dtype (dtype, optional): of the result; the input's, or float32, when None."
_UNBIASED = "unbiased (bool, optional): False for a `correction` of 0."
_CORRECTION = "correction (float, optional): what the number of elements is lessened by. Default: 1."
_DOC = """{about}

    Args:
        {arguments}
        mask (Tensor, optional): True where an element counts.

    Raises:
        IndexError: `dim` is out of range, or the mask has more dimensions than the input.{errors}

    Example:
        >>> import rushlight as rl
        >>> mask = rl.tensor([True, False, True])
        >>> rl.masked.{call}
        {result}
    """


def _publish(about, call, result, *arguments, errors=""):
    """Makes a function a composite whose documentation says this; all speak of `mask` alike."""
    def publish(function):
        function.__doc__ = _DOC.format(about=about, call=call, result=result, errors=errors,
                                       arguments="\n        ".join(arguments))
        return composite(f"masked.{function.__name__.removeprefix('masked_')}")(function)
    return publish


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


def _dims(name, dim, input):
    if dim is None or dim == ():
        return tuple(range(input.dim()))
    named = (dim,) if isinstance(dim, int) else tuple(dim)
    dims = {place_of(name, d, input, scalar=True) for d in named}
    if len(dims) < len(named):
        raise RuntimeError(f"{name}: dim={dim} names a dimension twice; expected different ones")
    return tuple(sorted(dims)) if input.dim() else ()


def _summed_dtype(input, dtype):
    if dtype is not None:
        return dtype
    return input.dtype if input.is_floating_point() or input.is_complex() else core.int64


@_publish("The sum of the elements that count.", "sum(rl.tensor([1, 2, 4]), mask=mask)", "tensor(5)", _ANY, _DIMS,
          _KEEPDIM, _SUMMED)
def masked_sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    dtype = _summed_dtype(input, dtype)
    dims = _dims("masked.sum", dim, input)
    return _filled("masked.sum", input, mask, 0).sum(dims, keepdim, dtype=dtype)


@_publish("The product of the elements that count.", "prod(rl.tensor([3, 2, 4]), mask=mask)", "tensor(12)", _ANY,
          _DIMS, _KEEPDIM, _SUMMED)
def masked_prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    dtype = _summed_dtype(input, dtype)
    result = _filled("masked.prod", input, mask, 1).to(dtype)
    for d in reversed(_dims("masked.prod", dim, input)):
        result = result.prod(d, keepdim)
    return result


@_publish("The mean of the elements that count; NaN where none does.", "mean(rl.tensor([1., 2., 4.]), mask=mask)",
          "tensor(2.5000)", _ANY, _DIMS, _KEEPDIM, "dtype (dtype, optional): what to sum in.")
def masked_mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    total = masked_sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask)
    return total / _count("masked.mean", input, dim, keepdim, mask)


def _count(name, input, dim, keepdim, mask):
    there = core.ones(input.shape, dtype=core.bool) if mask is None else _fitting_mask(name, input, mask)
    return there.sum(_dims(name, dim, input), keepdim)


def _extreme(name, find, fill, input, dim, keepdim, dtype, mask):
    values = _filled(name, input, mask, fill)
    return find(values, _dims(name, dim, input), keepdim).to(input.dtype if dtype is None else dtype)


@_publish("The largest of the elements that count; the dtype's smallest number where none does.",
          "amax(rl.tensor([1, 9, 4]), mask=mask)", "tensor(4)", _REAL, _DIMS, _KEEPDIM, _RESULT)
def masked_amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    return _extreme("masked.amax", core.amax, -_INFINITY, input, dim, keepdim, dtype, mask)


@_publish("The smallest of the elements that count; the dtype's largest number where none does.",
          "amin(rl.tensor([3, 1, 4]), mask=mask)", "tensor(3)", _REAL, _DIMS, _KEEPDIM, _RESULT)
def masked_amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    return _extreme("masked.amin", core.amin, _INFINITY, input, dim, keepdim, dtype, mask)


def _place(name, find, fill, input, dim, keepdim, dtype, mask):
    if dim is not None:
        dim = place_of(name, dim, input, scalar=True)
    found = find(_filled(name, input, mask, fill), dim, bool(keepdim))
    return found.to(input.dtype if dtype is None else dtype)


@_publish("Where the largest of the elements that count is.", "argmax(rl.tensor([1, 9, 4]), 0, mask=mask)",
          "tensor(2)", _REAL, _PLACE, _KEEPDIM, _RESULT)
def masked_argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    return _place("masked.argmax", core.argmax, -_INFINITY, input, dim, keepdim, dtype, mask)


@_publish("Where the smallest of the elements that count is.", "argmin(rl.tensor([3, 1, 4]), 0, mask=mask)",
          "tensor(0)", _REAL, _PLACE, _KEEPDIM, _RESULT)
def masked_argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    return _place("masked.argmin", core.argmin, _INFINITY, input, dim, keepdim, dtype, mask)


def _along(name, run, fill, input, dim, dtype, mask):
    return run(_filled(name, input, mask, fill), place_of(name, dim, input, scalar=True), dtype=dtype)


@_publish("Running sums of the elements that count.", "cumsum(rl.tensor([1, 2, 4]), 0, mask=mask)",
          "tensor([1, 1, 5])", _ANY, _DIM, _SUMMED)
def masked_cumsum(input, dim, *, dtype=None, mask=None):
    return _along("masked.cumsum", core.cumsum, 0, input, dim, _summed_dtype(input, dtype), mask)


@_publish("Running products of the elements that count.", "cumprod(rl.tensor([3, 2, 4]), 0, mask=mask)",
          "tensor([ 3,  3, 12])", _ANY, _DIM, _SUMMED)
def masked_cumprod(input, dim, *, dtype=None, mask=None):
    return _along("masked.cumprod", core.cumprod, 1, input, dim, _summed_dtype(input, dtype), mask)


@_publish("`softmax` over the elements that count; the others get 0, and NaN where none counts.",
          "softmax(rl.zeros(3), 0, mask=mask)", "tensor([0.5000, 0.0000, 0.5000])", _FLOATING, _DIM, _FIRST)
def masked_softmax(input, dim, *, dtype=None, mask=None):
    return _along("masked.softmax", native.softmax, -_INFINITY, input, dim, dtype, mask)


@_publish("`log_softmax` over the elements that count; the others get -inf, and NaN where none counts.",
          "log_softmax(rl.zeros(3), 0, mask=mask)", "tensor([-0.6931,    -inf, -0.6931])", _FLOATING, _DIM, _FIRST)
def masked_log_softmax(input, dim, *, dtype=None, mask=None):
    return _along("masked.log_softmax", native.log_softmax, -_INFINITY, input, dim, dtype, mask)


@_publish("`softmin` over the elements that count; the others get 0, and NaN where none counts.",
          "softmin(rl.zeros(3), 0, mask=mask)", "tensor([0.5000, 0.0000, 0.5000])", _FLOATING, _DIM, _FIRST)
def masked_softmin(input, dim, *, dtype=None, mask=None):
    return _along("masked.softmin", native.softmin, _INFINITY, input, dim, dtype, mask)


@_publish("The logarithm of the sum of the exponentials of the elements that count; -inf where none does.",
          "logsumexp(rl.zeros(3), 0, mask=mask)", "tensor(0.6931)", _ANY, _DIMS, _KEEPDIM, _RESULT)
def masked_logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    name = "masked.logsumexp"
    values = _filled(name, input, mask, -_INFINITY)
    if not (input.is_floating_point() or input.is_complex()):
        values = values.to(core.get_default_dtype())
    found = core.logsumexp(values, _dims(name, dim, input), keepdim)
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


@_publish("The median of the elements that count and are not NaN, the lower of two.",
          "median(rl.tensor([7., 9., 4.]), mask=mask)", "tensor(4.)", _REAL, "dim (int): along which. Default: -1.",
          _KEEPDIM,
          "dtype (dtype, optional): of the result; the input's when None. Without effect on floating inputs.",
          errors="\n        ValueError: no element of a row of integers counts.")
def masked_median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    name = "masked.median"
    values = input if input.is_floating_point() else input.to(core.float32)
    found = core.nanmedian(_filled(name, values, mask, math.nan), place_of(name, dim, input, scalar=True), keepdim)[0]
    if input.is_floating_point():
        return found
    if found.isnan().any():
        raise ValueError(f"{name}: mask leaves nothing of a row of {input.dtype}, which has no NaN; expected at least "
                         "one element of each row")
    return found.to(input.dtype if dtype is None else dtype)


@_publish("The vector norm of the elements that count; the others count as 0, and as inf where `ord` is -inf.",
          "norm(rl.tensor([3., 9., 4.]), 2.0, mask=mask)", "tensor(5.)", _INEXACT,
          "ord (float): the norm. Default: 2.", _DIMS, _KEEPDIM, _FIRST)
def masked_norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    name = "masked.norm"
    values = _filled(name, input, mask, _INFINITY if ord == -_INFINITY else 0)
    return core.linalg.vector_norm(values, ord, _dims(name, dim, input), bool(keepdim), dtype=dtype)


@_publish("Vectors along `dim`, divided by the norm of their elements that count; the others get 0.",
          "normalize(rl.tensor([3., 9., 4.]), 2.0, 0, mask=mask)", "tensor([0.6000, 0.0000, 0.8000])", _INEXACT,
          "ord (float): the norm.", _DIM, "eps (float): the smallest norm. Default: 1e-12.", _FIRST)
def masked_normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
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


@_publish("The variance of the elements that count.", "var(rl.tensor([1., 9., 3.]), 0, True, mask=mask)", "tensor(2.)",
          _ANY, _DIMS, _UNBIASED, _CORRECTION, _KEEPDIM, _SPREAD,
          errors="\n        RuntimeError: `unbiased` and `correction` are both given.")
def masked_var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    return _spread("masked.var", input, dim, unbiased, correction, keepdim, dtype, mask)


@_publish("The standard deviation of the elements that count.", "std(rl.tensor([1., 9., 3.]), 0, True, mask=mask)",
          "tensor(1.4142)", _ANY, _DIMS, _UNBIASED, _CORRECTION, _KEEPDIM, _SPREAD,
          errors="\n        RuntimeError: `unbiased` and `correction` are both given.")
def masked_std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    return _spread("masked.std", input, dim, unbiased, correction, keepdim, dtype, mask).sqrt()
