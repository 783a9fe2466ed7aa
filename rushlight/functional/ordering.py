"""Order, membership and histograms."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core

_histogram = core._named_results("histogram", "hist", "bin_edges")
_histogramdd = core._named_results("histogramdd", "hist", "bin_edges")


@composite("argsort Tensor.argsort")
def argsort(input, dim=-1, descending=False, *, stable=False):
    """The indices that sort the elements along `dim`.

    Args:
        input (Tensor): any real dtype.
        dim (int): Default: the last.
        descending (bool): largest first. Default: False.
        stable (bool): equal elements keep their order. Default: False.

    Returns:
        Tensor: int64.

    Example:
        >>> import rushlight as rl
        >>> rl.argsort(rl.tensor([3, 1, 2]))
        tensor([1, 2, 0])
    """
    return core.sort(input, dim=dim, descending=descending, stable=stable)[1]


@composite("msort Tensor.msort out")
def msort(input):
    """The elements sorted along the first dimension.

    Args:
        input (Tensor): any real dtype.

    Example:
        >>> import rushlight as rl
        >>> rl.msort(rl.tensor([[3, 1], [2, 4]]))
        tensor([[2, 1],
                [3, 4]])
    """
    return core.sort(input, 0)[0]


@composite("isin out")
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Is each element one of the test elements?

    Args:
        elements, test_elements (Tensor or number): one at least a tensor.
        assume_unique (bool): accepted; no element need be looked at twice. Default: False.
        invert (bool): ask for those that are not. Default: False.

    Returns:
        Tensor: bool, of the shape of `elements`.

    Raises:
        TypeError: both are numbers.
        RuntimeError: a dtype is complex.

    Example:
        >>> import rushlight as rl
        >>> rl.isin(rl.tensor([1, 2, 3]), rl.tensor([2, 5]))
        tensor([False,  True, False])
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin: elements and test_elements are numbers; expected one Tensor at least")
    common = core.result_type(elements, test_elements)
    if common.is_complex:
        raise RuntimeError(f"isin: the elements have dtype {common}; expected real dtypes")
    if common is core.bool:
        common = core.uint8
    elements, tests = (core.as_tensor(t).detach().to(common) for t in (elements, test_elements))
    tests = tests.reshape(-1)
    if tests.numel() == 0 or elements.numel() == 0:
        return core.full(elements.shape, invert, dtype=core.bool)
    tests = core.sort(tests)[0]
    place = core.searchsorted(tests, elements.contiguous()).clamp(max=tests.numel() - 1)
    found = core.eq(core.take(tests, place), elements)
    return core.logical_not(found) if invert else found


@composite("nonzero_static Tensor.nonzero_static out")
def nonzero_static(input, *, size, fill_value=-1):
    """The indices of the first `size` elements that are not zero, filled up to that many.

    Args:
        input (Tensor): any dtype.
        size (int): how many rows the result has.
        fill_value (int): in the rows that are left. Default: -1.

    Returns:
        Tensor: int64, (size, dimensions).

    Raises:
        RuntimeError: size is negative.

    Example:
        >>> import rushlight as rl
        >>> rl.nonzero_static(rl.tensor([0, 5, 6]), size=3)
        tensor([[ 1],
                [ 2],
                [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: size={size}; expected size >= 0")
    found = core.argwhere(input)[:size]
    result = core.full((size, input.dim()), fill_value, dtype=core.int64)
    result[:found.size(0)] = found
    return result


@composite("unravel_index")
def unravel_index(indices, shape):
    """The coordinates, one tensor for each dimension of `shape`, of places counted in row-major order.

    Args:
        indices (Tensor): integral.
        shape (int or tuple of int): the sizes.

    Returns:
        tuple of Tensor

    Raises:
        ValueError: the indices are no integers, or a size is negative.

    Example:
        >>> import rushlight as rl
        >>> rl.unravel_index(rl.tensor(5), (2, 3))
        (tensor(1), tensor(2))
    """
    if indices.dtype.is_floating_point or indices.dtype.is_complex or indices.dtype is core.bool:
        raise ValueError(f"unravel_index: indices has dtype {indices.dtype}; expected an integral dtype")
    shape = tuple(shape.tolist()) if isinstance(shape, Tensor) else shape
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(size < 0 for size in shape):
        raise ValueError(f"unravel_index: shape={shape} has a negative size")
    found, step = [], 1
    for size in reversed(shape):
        found.append(core.floor_divide(indices, step) % size)
        step *= size
    return tuple(reversed(found))


@composite("index_reduce Tensor.index_reduce Tensor.index_reduce_ out")
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """The input with the slices of `source` folded into those that `index` names along `dim`.

    Args:
        input (Tensor): any real dtype.
        dim (int): the dimension that index counts.
        index (Tensor): a vector, int64 or int32, one place for each slice of source.
        source (Tensor): the slices.
        reduce (str): 'prod', 'mean', 'amax' or 'amin'.
        include_self (bool): the input's own elements count. Default: True.

    Raises:
        RuntimeError: a shape or dtype does not fit, or reduce is none of these.

    Example:
        >>> import rushlight as rl
        >>> rl.index_reduce(rl.ones(2), 0, rl.tensor([0, 0]), rl.tensor([2.0, 3.0]), "prod")
        tensor([6., 1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce: reduce={reduce!r}; expected 'prod', 'mean', 'amax' or 'amin'")
    if index.dim() > 1 or index.dtype not in (core.int64, core.int32):
        raise RuntimeError(f"index_reduce: index has shape {tuple(index.shape)} and dtype {index.dtype}; "
                           "expected a vector of int64 or int32")
    if source.dtype != input.dtype:
        raise RuntimeError(f"index_reduce: source has dtype {source.dtype}; expected {input.dtype}, as input has")
    if index.numel() != (source.size(dim) if source.dim() else 1):
        raise RuntimeError(f"index_reduce: index has {index.numel()} elements and source shape {tuple(source.shape)}; "
                           f"expected one for each slice along dim={dim}")
    if input.dim() == 0:
        rows = index_reduce(input.reshape(1), 0, index, source.reshape(-1), reduce, include_self=include_self)
        return rows.reshape(())
    places = index.to(core.int64).reshape([-1 if d == dim % input.dim() else 1 for d in range(input.dim())])
    return core.scatter_reduce(input, dim, places.expand(source.shape), source, reduce, include_self=include_self)


def _edges(name, values, bins, limits):
    """The edges of the bins along one variable."""
    if isinstance(bins, Tensor):
        if bins.dim() != 1 or bins.numel() < 1:
            raise RuntimeError(f"{name}: bins has shape {tuple(bins.shape)}; expected a vector of edges")
        if bins.dtype != values.dtype:
            raise RuntimeError(f"{name}: bins has dtype {bins.dtype}; expected {values.dtype}, the dtype of input")
        return bins
    if bins < 1:
        raise RuntimeError(f"{name}: bins={bins}; expected bins > 0")
    if limits is not None:
        low, high = limits
    elif values.numel():
        low, high = core.amin(values).item(), core.amax(values).item()
    else:
        low, high = 0.0, 1.0
    if not (low - low == 0 and high - high == 0):
        raise RuntimeError(f"{name}: range ({low}, {high}) is not finite")
    if low > high:
        raise RuntimeError(f"{name}: range ({low}, {high}); expected min <= max")
    if low == high:
        low, high = (low - 0.5, high + 0.5)
    return core.linspace(low, high, bins + 1, dtype=values.dtype)


def _count(name, rows, edges, weight, density):
    """How many rows fall into each cell of the grid of edges."""
    if weight is not None and weight.dtype != rows.dtype:
        raise RuntimeError(f"{name}: weight has dtype {weight.dtype}; expected {rows.dtype}, the dtype of input")
    sizes = [e.numel() - 1 for e in edges]
    cell, inside = core.zeros(rows.size(0), dtype=core.int64), core.ones(rows.size(0), dtype=core.bool)
    for k, edge in enumerate(edges):
        values = rows[:, k].contiguous()
        place = core.searchsorted(edge, values, right=True) - 1
        place = core.where(core.eq(values, edge[-1]), sizes[k] - 1, place)          # the last bin has both its edges
        inside = inside & (values >= edge[0]) & (values <= edge[-1])
        cell = cell * sizes[k] + place
    total = 1
    for size in sizes:
        total *= size
    weight = weight.reshape(-1)[inside].to(core.float64) if weight is not None else None
    hist = core.bincount(cell[inside], weight, minlength=total).to(rows.dtype).reshape(sizes)
    if density:
        hist = hist / core.sum(hist)
        for k, edge in enumerate(edges):
            widths = edge[1:] - edge[:-1]
            hist = hist / widths.reshape([-1 if d == k else 1 for d in range(len(edges))])
    return hist


def _require_samples(name, input):
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"{name}: input has dtype {input.dtype}; expected a floating dtype")


@composite("histogram Tensor.histogram out")
def histogram(input, bins, *, range=None, weight=None, density=False):
    """How many elements fall into each bin. The last bin has both its edges.

    Args:
        input (Tensor): floating.
        bins (int or Tensor): how many bins of equal width, or their edges.
        range (tuple of float, optional): where equal bins begin and end. Default: the smallest and largest element.
        weight (Tensor, optional): what each element counts; of the shape and dtype of input.
        density (bool): scale, so that the area is 1. Default: False.

    Returns:
        a named tuple (hist, bin_edges).

    Raises:
        RuntimeError: bins, range or weight do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.histogram(rl.tensor([1.0, 2.0, 1.0]), 2).hist
        tensor([2., 1.])
    """
    _require_samples("histogram", input)
    if weight is not None and weight.shape != input.shape:
        raise RuntimeError(f"histogram: weight has shape {tuple(weight.shape)}; expected {tuple(input.shape)}, "
                           "the shape of input")
    values = input.detach().reshape(-1)
    edges = _edges("histogram", values, bins, range)
    return _histogram((_count("histogram", values.unsqueeze(1), [edges], weight, density), edges))


@composite("histogramdd")
def histogramdd(input, bins, *, range=None, weight=None, density=False):
    """How many points fall into each cell of a grid.

    Args:
        input (Tensor): (..., N): points of N coordinates, floating.
        bins (int, list of int or list of Tensor): bins along each coordinate, or their edges.
        range (list of float, optional): begin and end for each coordinate, one after the other.
        weight (Tensor, optional): what each point counts.
        density (bool): scale, so that the volume is 1. Default: False.

    Returns:
        a named tuple (hist, bin_edges), the edges a tuple of vectors.

    Raises:
        RuntimeError: bins, range or weight do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.histogramdd(rl.tensor([[0.0, 1.0], [1.0, 0.0]]), 2).hist
        tensor([[0., 1.],
                [1., 0.]])
    """
    _require_samples("histogramdd", input)
    if input.dim() < 2:
        raise RuntimeError(f"histogramdd: input has shape {tuple(input.shape)}; expected at least 2 dimensions")
    n = input.size(-1)
    bins = [bins] * n if isinstance(bins, int) else list(bins)
    if len(bins) != n:
        raise RuntimeError(f"histogramdd: bins has {len(bins)} entries; expected {n}, one for each coordinate")
    if range is not None and len(range) != 2 * n:
        raise RuntimeError(f"histogramdd: range has {len(range)} numbers; expected {2 * n}, two for each coordinate")
    rows = input.detach().reshape(-1, n)
    if weight is not None and weight.numel() != rows.size(0):
        raise RuntimeError(f"histogramdd: weight has shape {tuple(weight.shape)}; expected {tuple(input.shape[:-1])}")
    edges = [_edges("histogramdd", rows[:, k], along, None if range is None else range[2 * k:2 * k + 2])
             for k, along in enumerate(bins)]
    return _histogramdd((_count("histogramdd", rows, edges, weight, density), tuple(edges)))
