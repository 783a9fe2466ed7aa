"""Statistics: quantiles, sums without NaN, the most frequent value, covariance."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core
from rushlight.functional._dims import place_of

_vector_norm = core._groups["linalg"]["vector_norm"]
_aminmax = core._named_results("aminmax", "min", "max")
_mode = core._named_results("mode", "values", "indices")


@composite("aminmax Tensor.aminmax out")
def aminmax(input, *, dim=None, keepdim=False):
    """The smallest and the largest element, of all or along `dim`. NaN wins.

    Args:
        input (Tensor): any real dtype.
        dim (int, optional): the dimension to reduce.
        keepdim (bool): keep the reduced dimension with size 1.

    Returns:
        a named tuple (min, max).

    Raises:
        RuntimeError: there is nothing to compare.

    Example:
        >>> import rushlight as rl
        >>> rl.aminmax(rl.tensor([3, 1, 2])).max
        tensor(3)
    """
    if dim is None and input.numel() == 0:
        raise RuntimeError(f"aminmax: input of shape {tuple(input.shape)} is empty; expected at least one element")
    return _aminmax((core.amin(input, dim, keepdim), core.amax(input, dim, keepdim)))


@composite("nansum Tensor.nansum out")
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum of the elements that are not NaN.

    Args:
        input (Tensor): any real dtype.
        dim (int or tuple of int, optional): dimensions to reduce.
        keepdim (bool): keep the reduced dimensions with size 1.
        dtype (dtype, optional): compute and return in this dtype.

    Example:
        >>> import rushlight as rl
        >>> rl.nansum(rl.tensor([1.0, float("nan"), 2.0]))
        tensor(3.)
    """
    if input.dtype.is_complex:
        raise RuntimeError(f"nansum: input has dtype {input.dtype}; expected a real dtype")
    if input.dtype.is_floating_point:
        input = core.where(core.isnan(input), 0, input)
    return core.sum(input, dim, keepdim, dtype=dtype)


@composite("nanmean Tensor.nanmean out")
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean of the elements that are not NaN; NaN where there are none.

    Args:
        input (Tensor): floating.
        dim (int or tuple of int, optional): dimensions to reduce.
        keepdim (bool): keep the reduced dimensions with size 1.
        dtype (dtype, optional): compute and return in this dtype.

    Raises:
        RuntimeError: the dtype is not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.nanmean(rl.tensor([1.0, float("nan"), 2.0]))
        tensor(1.5000)
    """
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(f"nanmean: input has dtype {input.dtype}; expected a floating or complex dtype")
    count = core.sum(core.eq(input.detach(), input.detach()), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


@composite("mode Tensor.mode out")
def mode(input, dim=-1, keepdim=False):
    """The most frequent value along `dim`, the smallest of several, and where it was last found.

    Args:
        input (Tensor): any real dtype.
        dim (int): the dimension to reduce. Default: the last.
        keepdim (bool): keep the reduced dimension with size 1.

    Returns:
        a named tuple (values, indices).

    Raises:
        IndexError: `dim` is out of range, or has no elements.

    Example:
        >>> import rushlight as rl
        >>> rl.mode(rl.tensor([3, 1, 3, 2])).values
        tensor(3)
    """
    if input.dim() == 0:
        core.amax(input, dim)                                       # judges `dim`
        return _mode((input.clone(), core.zeros((), dtype=core.int64)))
    if input.numel() == 0 and input.size(dim) == 0:
        raise IndexError(f"mode: dim={dim} has size 0 in input of shape {tuple(input.shape)}; expected an element")
    ordered, places = core.sort(input.detach(), dim, stable=True)
    n = ordered.size(dim)
    position = core.arange(n).reshape([-1 if d == dim % input.dim() else 1 for d in range(input.dim())])
    begins = core.ones_like(ordered, dtype=core.bool)
    begins.narrow(dim, 1, n - 1).copy_(core.ne(ordered.narrow(dim, 1, n - 1), ordered.narrow(dim, 0, n - 1)))
    # The run of equal values that ends here has this length; the first of the longest is the smallest value's.
    length = position - core.cummax(core.where(begins, position, 0), dim)[0]
    index = core.gather(places, dim, core.argmax(length, dim, True))
    values = core.gather(input, dim, index)
    return _mode((values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim)))


def _ranks(name, input, q, interpolation):
    """`q` as a tensor, of float64 where it is a number, checked."""
    if not (input.dtype is core.float32 or input.dtype is core.float64):
        raise RuntimeError(f"{name}: input has dtype {input.dtype}; expected float32 or float64")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}: q={q} is out of range; expected 0 <= q <= 1")
        q = core.tensor(float(q), dtype=core.float64)
    elif q.dtype != input.dtype:
        raise RuntimeError(f"{name}: q has dtype {q.dtype}; expected {input.dtype}, the dtype of input")
    if q.dim() > 1:
        raise RuntimeError(f"{name}: q has shape {tuple(q.shape)}; expected a number or a vector")
    if input.numel() == 0:
        raise RuntimeError(f"{name}: input of shape {tuple(input.shape)} is empty; expected at least one element")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(f"{name}: interpolation={interpolation!r}; expected 'linear', 'lower', 'higher', "
                           "'midpoint' or 'nearest'")
    return q


def _quantile(name, input, q, dim, keepdim, interpolation, skip_nan):
    q = _ranks(name, input, q, interpolation)
    rank = input.dim()
    if dim is None:
        shape = [1] * rank if keepdim else []
        flat = input.reshape(1, -1)
    else:
        place_of(name, dim, input, scalar=True)
        moved = input.unsqueeze(-1) if rank == 0 else input.movedim(dim, -1)
        shape = list(moved.shape[:-1])
        if keepdim and rank:
            shape.insert(dim % rank, 1)
        flat = moved.reshape(-1, moved.size(-1))
    ordered = core.sort(flat, 1)[0]
    missing = core.isnan(ordered.detach())
    # Beyond 2^24 float32 skips whole numbers.
    wanted = q.reshape(1, -1).to(input.dtype if ordered.size(1) <= 1 << 24 else core.float64)
    if skip_nan:
        last = core.sum(~missing, 1, True) - 1
        place = core.minimum(wanted * last, last.to(wanted.dtype)).clamp(min=0)
    else:
        last = ordered.size(1) - 1
        place = core.where(core.any(missing, 1, True), last, (wanted * last).clamp(max=last))
    values = _between(ordered, place, interpolation)
    if q.dim() == 0:
        return values.reshape(shape)
    return values.t().reshape([q.numel(), *shape])


def _between(ordered, place, interpolation):
    """The values at places that may lie between two of the ordered ones, row by row."""
    if interpolation == "lower":
        place = core.floor(place)
    elif interpolation == "higher":
        place = core.ceil(place)
    elif interpolation == "nearest":
        place = core.round(place)
    below = place.to(core.int64)
    values = core.gather(ordered, 1, below)
    if interpolation in ("linear", "midpoint"):
        above = core.gather(ordered, 1, core.ceil(place).to(core.int64))
        weight = core.full_like(place, 0.5) if interpolation == "midpoint" else place - below
        values = core.lerp(values, above, weight.to(values.dtype))
    return values


@composite("quantile Tensor.quantile out", "widen")
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The values below which the fractions `q` of the elements lie; NaN where an element is NaN.

    Args:
        input (Tensor): float32 or float64.
        q (float or Tensor): fractions of [0, 1]; a vector of them becomes the first dimension of the result.
        dim (int, optional): the dimension to reduce. Default: None, all elements.
        keepdim (bool): keep the reduced dimension with size 1.
        interpolation (str): 'linear', 'lower', 'higher', 'midpoint' or 'nearest', between two elements.

    Raises:
        RuntimeError: a dtype, `q` or `interpolation` is none of these.
        IndexError: `dim` is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.quantile(rl.tensor([4.0, 1.0, 3.0, 2.0]), 0.5)
        tensor(2.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@composite("nanquantile Tensor.nanquantile out", "widen")
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """`quantile` of the elements that are not NaN.

    Args:
        input, q, dim, keepdim, interpolation: as in `quantile`.

    Raises:
        RuntimeError: as in `quantile`.

    Example:
        >>> import rushlight as rl
        >>> rl.nanquantile(rl.tensor([1.0, float("nan"), 3.0]), 0.5)
        tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def _weights(name, weights, count, integral):
    if weights.dim() > 1:
        raise RuntimeError(f"cov: {name} has shape {tuple(weights.shape)}; expected at most 1 dimension")
    if integral and (weights.dtype.is_floating_point or weights.dtype is core.bool):
        raise RuntimeError(f"cov: {name} has dtype {weights.dtype}; expected an integral dtype")
    if not integral and not weights.dtype.is_floating_point:
        raise RuntimeError(f"cov: {name} has dtype {weights.dtype}; expected a floating dtype")
    if weights.numel() != count:
        raise RuntimeError(f"cov: {name} has {weights.numel()} elements; expected {count}, one for each observation")
    if core.any(weights < 0).item():
        raise RuntimeError(f"cov: {name} holds a negative weight; expected weights >= 0")
    return weights


@composite("cov Tensor.cov")
def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariance matrix of variables given as rows, observations as columns.

    Args:
        input (Tensor): at most two dimensions, not bool.
        correction (int): the divisor is the number of observations less this. Default: 1.
        fweights (Tensor, optional): how often each observation counts, integral.
        aweights (Tensor, optional): the weight of each observation, floating.

    Raises:
        RuntimeError: a shape or dtype is none of these, or a weight is negative.

    Example:
        >>> import rushlight as rl
        >>> rl.cov(rl.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(f"cov: input has shape {tuple(input.shape)}; expected at most 2 dimensions")
    if input.dtype is core.bool:
        raise RuntimeError("cov: input has dtype bool; expected a numeric dtype")
    if aweights is not None and aweights.dtype is core.float32:    # the weights' sums cancel: in double precision
        wide = core.complex128 if input.dtype.is_complex else core.float64
        return cov(input.to(wide), correction=correction, fweights=fweights, aweights=aweights.to(core.float64)).to(
            core.promote_types(input.dtype, core.float32))
    rows = input.reshape(1, -1) if input.dim() < 2 else input
    count = rows.size(1)
    weights = _weights("fweights", fweights, count, True) if fweights is not None else None
    if aweights is not None:
        second = _weights("aweights", aweights, count, False)
        weights = second if weights is None else second * weights
    total = count if weights is None else core.sum(weights)
    if weights is not None and total.item() == 0:
        raise ZeroDivisionError("cov: the weights sum to 0; expected a positive sum")
    summed = core.sum(rows if weights is None else rows * weights, 1)
    average = summed / total
    if weights is None or aweights is None or correction == 0:
        divisor = total - correction
    else:
        repeats = weights * aweights
        divisor = total - correction * core.sum(repeats) / total
    divisor = divisor.clamp(min=0) if isinstance(divisor, Tensor) else max(divisor, 0)
    centred = rows - average.unsqueeze(1)
    weighted = centred if weights is None else centred * weights
    other = weighted.conj() if weighted.dtype.is_complex else weighted
    return (core.mm(centred, other.t().to(centred.dtype)) / divisor).squeeze()


@composite("corrcoef Tensor.corrcoef")
def corrcoef(input):
    """The matrix of correlation coefficients of variables given as rows, observations as columns.

    Args:
        input (Tensor): at most two dimensions.

    Raises:
        RuntimeError: there are more dimensions.

    Example:
        >>> import rushlight as rl
        >>> rl.corrcoef(rl.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(f"corrcoef: input has shape {tuple(input.shape)}; expected at most 2 dimensions")
    c = cov(input)
    if c.dim() == 0:
        return c / c
    spread = core.sqrt(core.real(core.diagonal(c)))
    c = c / spread.reshape(-1, 1) / spread.reshape(1, -1)
    return c if c.dtype.is_complex else core.clamp(c, -1, 1)


@composite("dist Tensor.dist")
def dist(input, other, p=2):
    """The p-norm of input - other.

    Args:
        input, other (Tensor): floating; they broadcast.
        p (float): the order. Default: 2.

    Example:
        >>> import rushlight as rl
        >>> rl.dist(rl.tensor([3.0, 0.0]), rl.tensor([0.0, 4.0]))
        tensor(5.)
    """
    return _vector_norm(input - other, p)


@composite("renorm Tensor.renorm Tensor.renorm_ out")
def renorm(input, p, dim, maxnorm):
    """The slices along `dim`, those of larger p-norm scaled down to `maxnorm`.

    Args:
        input (Tensor): floating, at least two dimensions.
        p (float): the order of the norm, positive.
        dim (int): the slices are those that this dimension counts.
        maxnorm (float): the largest norm left, not negative.

    Raises:
        RuntimeError: an argument is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.renorm(rl.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    if isinstance(p, complex) or not p > 0:
        raise RuntimeError(f"renorm: p={p}; expected a real p > 0")
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: maxnorm={maxnorm}; expected maxnorm >= 0")
    if input.dim() < 2:
        raise RuntimeError(f"renorm: input has shape {tuple(input.shape)}; expected at least 2 dimensions")
    input.size(dim)                                                  # judges `dim`
    norm = _vector_norm(input, p, [d for d in range(input.dim()) if d != dim % input.dim()], True)
    return input * core.where(norm > maxnorm, maxnorm / (norm + 1e-7), 1)
