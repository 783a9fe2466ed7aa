"""Differences, slopes and areas of sampled functions."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core


@composite("trapezoid trapz")
def trapezoid(y, x=None, *, dx=1.0, dim=-1):
    """The area under `y` by the trapezoidal rule, along `dim`, at places `x` or `dx` apart.

    Args:
        y (Tensor): the heights.
        x (Tensor, optional): the places: a vector, or as many dimensions as y.
        dx (float): the distance between two places, without `x`. Default: 1.
        dim (int): the dimension to integrate along. Default: the last.

    Raises:
        RuntimeError: x does not fit y.

    Example:
        >>> import rushlight as rl
        >>> rl.trapezoid(rl.tensor([1.0, 3.0, 2.0]), dx=2.0).item()
        9.0
    """
    heights, widths = _strips("trapezoid", y, x, dx, dim)
    return ((heights[..., 1:] + heights[..., :-1]) * widths).sum(-1) / 2


@composite("cumulative_trapezoid")
def cumulative_trapezoid(y, x=None, *, dx=1.0, dim=-1):
    """The areas under `y` from the first place to each other one, by the trapezoidal rule.

    Args:
        y, x, dx, dim: as in `trapezoid`.

    Raises:
        RuntimeError: x does not fit y.

    Example:
        >>> import rushlight as rl
        >>> rl.cumulative_trapezoid(rl.tensor([1.0, 3.0, 2.0]))
        tensor([2.0000, 4.5000])
    """
    heights, widths = _strips("cumulative_trapezoid", y, x, dx, dim)
    areas = ((heights[..., 1:] + heights[..., :-1]) * widths).cumsum(-1) / 2
    return areas.movedim(-1, dim)


def _strips(name, y, x, dx, dim):
    heights = y.movedim(dim, -1)
    if isinstance(x, Tensor):
        if x.dim() == 0 or y.dim() == 0:
            raise RuntimeError(f"{name}: x has shape {tuple(x.shape)} and y {tuple(y.shape)}; "
                               "expected at least 1 dimension")
        if x.dim() == 1 and x.numel() != y.size(dim):
            raise RuntimeError(f"{name}: x has {x.numel()} elements; expected {y.size(dim)}, as y has along dim={dim}")
        places = x if x.dim() == 1 else x.reshape([1] * (y.dim() - x.dim()) + list(x.shape)).movedim(dim, -1)
        return heights, places[..., 1:] - places[..., :-1]
    if y.dtype is core.bool or isinstance(dx, (complex, bool)):
        raise RuntimeError(f"{name}: y has dtype {y.dtype} and dx={dx}; expected numbers")
    return heights, dx


def _difference(x, n, dim):
    for _ in range(n):
        size = x.size(dim) - 1
        later, earlier = x.narrow(dim, 1, size), x.narrow(dim, 0, size)
        x = core.logical_xor(later, earlier) if x.dtype is core.bool else later - earlier
    return x


@composite("diff Tensor.diff out")
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """The n-th differences of neighbours along `dim`.

    Args:
        input (Tensor): at least one dimension; of bool, the places where neighbours differ.
        n (int): how often to take differences. Default: 1.
        dim (int): Default: the last.
        prepend, append (Tensor, optional): joined to the input along `dim` before.

    Raises:
        RuntimeError: the input has no dimension, or n is negative.

    Example:
        >>> import rushlight as rl
        >>> rl.diff(rl.tensor([1, 3, 8]))
        tensor([2, 5])
    """
    if input.dim() == 0:
        raise RuntimeError("diff: input has shape (); expected at least 1 dimension")
    if n < 0:
        raise RuntimeError(f"diff: n={n}; expected n >= 0")
    for name, end in (("prepend", prepend), ("append", append)):
        if end is not None and end.dim() != input.dim():
            raise RuntimeError(f"diff: {name} has shape {tuple(end.shape)}; expected {input.dim()} dimensions, "
                               "as input has")
    if n == 0:
        return input.clone()
    ends = [t for t in (prepend, input, append) if t is not None]
    x = core.cat(ends, dim) if len(ends) > 1 else input
    return _difference(x, min(n, x.size(dim)), dim)


def _slope_across(x, dim, spacing, edge_order):
    """The slopes along one dimension: central inside, one-sided at both ends."""
    n = x.size(dim)

    def part(start, count):
        return x.narrow(dim, start, count)

    if not isinstance(spacing, Tensor):
        inner = (part(2, n - 2) - part(0, n - 2)) / (2 * spacing)
        if edge_order == 1:
            ends = [(part(1, 1) - part(0, 1)) / spacing, (part(n - 1, 1) - part(n - 2, 1)) / spacing]
        else:
            ends = [(-1.5 * part(0, 1) + 2 * part(1, 1) - 0.5 * part(2, 1)) / spacing,
                    (1.5 * part(n - 1, 1) - 2 * part(n - 2, 1) + 0.5 * part(n - 3, 1)) / spacing]
        return core.cat([ends[0], inner, ends[1]], dim)
    steps = (spacing[1:] - spacing[:-1]).reshape([-1 if d == dim else 1 for d in range(x.dim())])
    left, right = steps.narrow(dim, 0, n - 2), steps.narrow(dim, 1, n - 2)
    inner = (-right / (left * (left + right)) * part(0, n - 2) + (right - left) / (left * right) * part(1, n - 2)
             + left / (right * (left + right)) * part(2, n - 2))
    a, b = steps.narrow(dim, 0, 1), steps.narrow(dim, n - 2, 1)
    if edge_order == 1:
        return core.cat([(part(1, 1) - part(0, 1)) / a, inner, (part(n - 1, 1) - part(n - 2, 1)) / b], dim)
    second, last = steps.narrow(dim, 1, 1), steps.narrow(dim, n - 3, 1)
    first = (-(2 * a + second) / (a * (a + second)) * part(0, 1) + (a + second) / (a * second) * part(1, 1)
             - a / (second * (a + second)) * part(2, 1))
    final = (b / (last * (last + b)) * part(n - 3, 1) - (last + b) / (last * b) * part(n - 2, 1)
             + (2 * b + last) / (b * (last + b)) * part(n - 1, 1))
    return core.cat([first, inner, final], dim)


@composite("gradient")
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """The slopes of a sampled function along dimensions: central differences, one-sided ones at the ends.

    Args:
        input (Tensor): the values.
        spacing (number, list or tuple): the distance between places, of all dimensions or of each; or for each
            a vector of the places. Default: 1.
        dim (int or list of int, optional): Default: None, every dimension.
        edge_order (int): 1 or 2, of the differences at the ends.

    Returns:
        tuple of Tensor: one for each dimension.

    Raises:
        RuntimeError: a dimension has fewer than edge_order + 1 places, or spacing does not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.gradient(rl.tensor([1.0, 2.0, 4.0, 8.0]))
        (tensor([1.0000, 1.5000, 3.0000, 4.0000]),)
    """
    spacing = 1 if spacing is None else spacing
    listed = isinstance(spacing, (list, tuple))
    if dim is not None:
        dims = list(dim) if isinstance(dim, (list, tuple)) else [dim]
    else:
        dims = list(range(input.dim())) if not listed or len(spacing) == input.dim() else list(range(len(spacing)))
    spaces = list(spacing) if listed else [spacing] * len(dims)
    if len(spaces) != len(dims):
        raise RuntimeError(f"gradient: spacing has {len(spaces)} entries; expected {len(dims)}, one for each dimension")
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient: edge_order={edge_order}; expected 1 or 2")
    if input.dtype is core.uint8:
        raise RuntimeError("gradient: input has dtype uint8; expected a signed dtype")
    seen = set()
    for d, space in zip(dims, spaces, strict=True):
        n = input.size(d)
        if d % input.dim() in seen:
            raise RuntimeError(f"gradient: dim={d} names a dimension twice; expected different dims")
        seen.add(d % input.dim())
        if n < edge_order + 1:
            raise RuntimeError(f"gradient: dim={d} has size {n} in input of shape {tuple(input.shape)}; "
                               f"expected at least edge_order + 1 = {edge_order + 1}")
        if isinstance(space, Tensor) and (space.dim() != 1 or space.numel() != n):
            raise RuntimeError(f"gradient: spacing has shape {tuple(space.shape)}; expected ({n},), as long as dim={d}")
    return tuple(_slope_across(input, d % input.dim(), space, edge_order)
                 for d, space in zip(dims, spaces, strict=True))
