"""Reductions whose meaning depends on the arguments given: max, min, median, var, std, norm."""
from rushlight.functional._composite import composite, write
from rushlight.functional._core import Tensor, core

ops = core._groups["_ops"]
vector_norm = core._groups["linalg"]["vector_norm"]


def _extreme(name, overall, along, pairwise, input, dim, keepdim, other):
    if isinstance(dim, Tensor):
        dim, other = None, dim
    if other is not None:
        return pairwise(input, other)
    if dim is None:
        if keepdim:
            raise TypeError(f"{name}: keepdim needs dim")
        if input.numel() == 0:
            raise RuntimeError(f"{name}: input of shape {tuple(input.shape)} is empty; expected at least one element")
        return overall(input)
    return along(input, dim, keepdim)


@composite("max Tensor.max")
def max(input, dim=None, keepdim=False, *, other=None, out=None):
    """The largest element; along `dim`, the largest elements and their indices; with a tensor, the larger of each pair.

    Args:
        input (Tensor): any real dtype.
        dim (int or Tensor, optional): a dimension, or the tensor to compare with.
        keepdim (bool): keep the reduced dimension with size 1.
        out (tuple of Tensor, optional): where values and indices go.

    Returns:
        Tensor, or a named tuple (values, indices).

    Example:
        >>> import rushlight as rl
        >>> rl.max(rl.tensor([[1.0, 5.0], [7.0, 2.0]]), 1).indices.tolist()
        [1, 0]
    """
    result = _extreme("max", core.amax, ops["max_dim"], core.maximum, input, dim, keepdim, other)
    return result if out is None else write("max", out, result)


@composite("min Tensor.min")
def min(input, dim=None, keepdim=False, *, other=None, out=None):
    """The smallest element; along `dim`, the smallest elements and their indices; with a tensor, the smaller
    of each pair.

    Args:
        input (Tensor): any real dtype.
        dim (int or Tensor, optional): a dimension, or the tensor to compare with.
        keepdim (bool): keep the reduced dimension with size 1.
        out (tuple of Tensor, optional): where values and indices go.

    Returns:
        Tensor, or a named tuple (values, indices).

    Example:
        >>> import rushlight as rl
        >>> rl.min(rl.tensor([3.0, 1.0, 2.0])).item()
        1.0
    """
    result = _extreme("min", core.amin, ops["min_dim"], core.minimum, input, dim, keepdim, other)
    return result if out is None else write("min", out, result)


def _median(along, input, dim, keepdim):
    if dim is None:
        return along(input.reshape(-1), 0)[0]
    return along(input, dim, keepdim)


@composite("median Tensor.median out")
def median(input, dim=None, keepdim=False):
    """The lower median of all elements; along `dim`, the medians and their indices. NaN wins.

    Args:
        input (Tensor): any real dtype.
        dim (int, optional): the dimension to reduce.
        keepdim (bool): keep the reduced dimension with size 1.

    Returns:
        Tensor, or a named tuple (values, indices).

    Example:
        >>> import rushlight as rl
        >>> rl.median(rl.tensor([4.0, 1.0, 3.0, 2.0])).item()
        2.0
    """
    return _median(ops["median_dim"], input, dim, keepdim)


@composite("nanmedian Tensor.nanmedian out")
def nanmedian(input, dim=None, keepdim=False):
    """The lower median of the elements that are not NaN; along `dim`, the medians and their indices.

    Args:
        input (Tensor): any real dtype.
        dim (int, optional): the dimension to reduce.
        keepdim (bool): keep the reduced dimension with size 1.

    Returns:
        Tensor, or a named tuple (values, indices).

    Example:
        >>> import rushlight as rl
        >>> rl.nanmedian(rl.tensor([4.0, float("nan"), 3.0])).item()
        3.0
    """
    return _median(ops["nanmedian_dim"], input, dim, keepdim)


def _spread(op, input, dim, unbiased, keepdim, correction):
    if isinstance(dim, bool):                     # var(input, unbiased), PyTorch's older form
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    elif unbiased is not None:
        raise TypeError("var: takes unbiased or correction, not both")
    return op(input, dim, keepdim, correction=correction)


@composite("var Tensor.var out")
def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The variance of all elements, or along `dim`, with divisor n - correction.

    Args:
        input (Tensor): floating.
        dim (int or tuple of int, optional): dimensions to reduce.
        unbiased (bool, optional): the older way to say correction=1 or 0.
        keepdim (bool): keep the reduced dimensions with size 1.
        correction (float, optional): Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.var(rl.tensor([1.0, 2.0, 3.0])).item()
        1.0
    """
    return _spread(ops["var"], input, dim, unbiased, keepdim, correction)


@composite("std Tensor.std out")
def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The standard deviation of all elements, or along `dim`: the square root of the variance.

    Args:
        input (Tensor): floating.
        dim (int or tuple of int, optional): dimensions to reduce.
        unbiased (bool, optional): the older way to say correction=1 or 0.
        keepdim (bool): keep the reduced dimensions with size 1.
        correction (float, optional): Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.std(rl.tensor([1.0, 2.0, 3.0])).item()
        1.0
    """
    return _spread(ops["std"], input, dim, unbiased, keepdim, correction)


@composite("var_mean")
def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The variance and the mean, as `var` and `mean` give them.

    Args:
        input (Tensor): floating.
        dim, unbiased, keepdim, correction: as in `var`.

    Returns:
        tuple of Tensor: variance, mean.

    Example:
        >>> import rushlight as rl
        >>> [t.item() for t in rl.var_mean(rl.tensor([1.0, 2.0, 3.0]))]
        [1.0, 2.0]
    """
    spread = _spread(ops["var"], input, dim, unbiased, keepdim, correction)
    return spread, core.mean(input, None if isinstance(dim, bool) else dim, keepdim)


@composite("std_mean")
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The standard deviation and the mean, as `std` and `mean` give them.

    Args:
        input (Tensor): floating.
        dim, unbiased, keepdim, correction: as in `std`.

    Returns:
        tuple of Tensor: standard deviation, mean.

    Example:
        >>> import rushlight as rl
        >>> [t.item() for t in rl.std_mean(rl.tensor([1.0, 2.0, 3.0]))]
        [1.0, 2.0]
    """
    spread = _spread(ops["std"], input, dim, unbiased, keepdim, correction)
    return spread, core.mean(input, None if isinstance(dim, bool) else dim, keepdim)


@composite("norm Tensor.norm out")
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """The p-norm of the elements, all or along `dim`.

    Args:
        input (Tensor): floating.
        p (float, 'fro' or 'nuc'): the order; 'fro' is 2, 'nuc' the sum of matrices' singular values. May be 0, inf
            and -inf.
        dim (int or tuple of int, optional): dimensions to reduce.
        keepdim (bool): keep the reduced dimensions with size 1.
        dtype (dtype, optional): compute and return in this dtype.

    Raises:
        ValueError: `p` is another string.

    Example:
        >>> import rushlight as rl
        >>> rl.norm(rl.tensor([3.0, 4.0])).item()
        5.0
    """
    if isinstance(p, str):
        if p == "nuc":
            return core.linalg.matrix_norm(input, p, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
        if p != "fro":
            raise ValueError(f"norm: p={p!r} is not supported; expected a number, 'fro' or 'nuc'")
        p = 2
    return vector_norm(input, 2 if p is None else p, dim, keepdim, dtype=dtype)


@composite("equal Tensor.equal")
def equal(input, other):
    """True when both tensors have the same shape and the same elements.

    Args:
        input, other (Tensor): the tensors to compare.

    Returns:
        bool

    Example:
        >>> import rushlight as rl
        >>> rl.equal(rl.tensor([1, 2]), rl.tensor([1, 2]))
        True
    """
    return input.shape == other.shape and core.all(core.eq(input, other)).item()


@composite("isclose Tensor.isclose")
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Where |input - other| <= atol + rtol * |other|.

    Args:
        input, other (Tensor): of one dtype; they broadcast.
        rtol, atol (float): tolerances.
        equal_nan (bool): NaN equals NaN.

    Returns:
        Tensor: bool.

    Raises:
        RuntimeError: the dtypes differ, or a tolerance is negative.

    Example:
        >>> import rushlight as rl
        >>> rl.isclose(rl.tensor([1.0, 2.0]), rl.tensor([1.0, 2.1])).tolist()
        [True, False]
    """
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:
            raise RuntimeError(f"isclose: {name}={value} is negative; expected {name} >= 0")
    for name, value in (("input", input), ("other", other)):
        if not isinstance(value, Tensor):
            raise TypeError(f"isclose: argument '{name}' must be Tensor, not {type(value).__name__}")
    if input.dtype != other.dtype:
        raise RuntimeError(f"isclose: input has dtype {input.dtype} and other {other.dtype}; expected the same dtype")
    close = core.eq(input, other)
    if input.dtype is core.bool:
        input, other = input.to(core.int8), other.to(core.int8)
    if input.dtype.is_floating_point or input.dtype.is_complex:
        finite = core.isfinite(input) & core.isfinite(other)
        close = close | (finite & (core.abs(input - other) <= atol + rtol * core.abs(other)))
        if equal_nan:
            close = close | (core.isnan(input) & core.isnan(other))
    elif rtol or atol:
        close = close | (core.abs(input - other) <= atol + core.abs(rtol * other))
    return close


@composite("allclose Tensor.allclose")
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """True when `isclose` holds for every element.

    Args:
        input, other (Tensor): of one dtype; they broadcast.
        rtol, atol (float): tolerances.
        equal_nan (bool): NaN equals NaN.

    Returns:
        bool

    Example:
        >>> import rushlight as rl
        >>> rl.allclose(rl.tensor([1.0]), rl.tensor([1.0 + 1e-9]))
        True
    """
    return core.all(isclose(input, other, rtol, atol, equal_nan)).item()


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
