"""Factories and joins whose arguments take several forms: randint, normal, meshgrid and their like."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core

ops = core._groups["_ops"]


@composite("randint")
def randint(*args, low=None, high=None, size=None, generator=None, dtype=None, device=None, requires_grad=False):
    """Integers of [low, high): `randint(high, size)` or `randint(low, high, size)`.

    Args:
        low (int): smallest value. Default: 0.
        high (int): one above the largest.
        size (tuple of int): the shape.
        generator (Generator, optional): the stream to draw from.
        dtype (dtype, optional): Default: int64.

    Raises:
        TypeError: high or size is missing.
        RuntimeError: low >= high.

    Example:
        >>> import rushlight as rl
        >>> rl.randint(3, 4, (2,)).tolist()
        [3, 3]
    """
    args = list(args)
    if args and not isinstance(args[-1], int) and size is None:
        size = args.pop()
    if high is None:
        if not args:
            raise TypeError("randint: missing argument 'high'; the signature is randint(low=0, high, size)")
        high = args.pop()
    if low is None:
        low = args.pop() if args else 0
    if args or size is None:
        raise TypeError("randint: takes (high, size) or (low, high, size)")
    result = ops["randint"](low, high, size, generator=generator, dtype=dtype)
    if device is not None:
        result = result.to(device)
    return result.requires_grad_() if requires_grad else result


@composite("randint_like")
def randint_like(input, *args, low=None, high=None, dtype=None):
    """Integers of [low, high) with the shape and dtype of `input`: `randint_like(input, high)` or `(input, low, high)`.

    Args:
        input (Tensor): gives the shape and dtype.
        low (int): smallest value. Default: 0.
        high (int): one above the largest.
        dtype (dtype, optional): instead of the input's.

    Example:
        >>> import rushlight as rl
        >>> rl.randint_like(rl.zeros(2), 5, 6).tolist()
        [5.0, 5.0]
    """
    args = list(args)
    high = args.pop() if high is None else high
    low = (args.pop() if args else 0) if low is None else low
    return ops["randint_like"](input, low, high, dtype=dtype)


@composite("normal")
def normal(mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, out=None):
    """Normal numbers: of one mean and std with `size`, or element by element from tensors.

    Args:
        mean, std (float or Tensor): parameters.
        size (tuple of int, optional): the shape, when both are numbers.
        generator (Generator, optional): the stream to draw from.
        dtype (dtype, optional): when both are numbers.
        out (Tensor, optional): where the numbers go.

    Raises:
        TypeError: both are numbers and size is missing.

    Example:
        >>> import rushlight as rl
        >>> rl.normal(0.0, 1.0, (2, 3)).shape
        rushlight.Size([2, 3])
    """
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal: missing argument 'size'; expected it when mean and std are numbers")
        result = core.empty(size, dtype=dtype).normal_(mean, std, generator=generator)
    else:
        one = mean if isinstance(mean, Tensor) else std
        shape = one.shape if not isinstance(mean, Tensor) or not isinstance(std, Tensor) else core.broadcast_tensors(mean, std)[0].shape
        result = core.empty(shape, dtype=one.dtype).normal_(generator=generator).mul_(std).add_(mean)
    return result if out is None else out.copy_(result)


@composite("broadcast_tensors")
def broadcast_tensors(*tensors):
    """The tensors expanded to the shape they broadcast to.

    Args:
        tensors (Tensor): any number.

    Returns:
        tuple of Tensor: views.

    Example:
        >>> import rushlight as rl
        >>> [t.shape for t in rl.broadcast_tensors(rl.zeros(2, 1), rl.zeros(3))]
        [rushlight.Size([2, 3]), rushlight.Size([2, 3])]
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


@composite("broadcast_shapes")
def broadcast_shapes(*shapes):
    """The shape that all `shapes` broadcast to.

    Args:
        shapes (tuple of int): any number.

    Returns:
        Size

    Raises:
        RuntimeError: two sizes differ and neither is 1.

    Example:
        >>> import rushlight as rl
        >>> rl.broadcast_shapes((2, 1), (3,))
        rushlight.Size([2, 3])
    """
    rank = 0
    for shape in shapes:
        rank = len(shape) if len(shape) > rank else rank
    out = [1] * rank
    for shape in shapes:
        for i, n in enumerate(shape, rank - len(shape)):
            if n != 1 and out[i] not in (1, n):
                raise RuntimeError(f"broadcast_shapes: shapes {', '.join(str(tuple(s)) for s in shapes)} can't be broadcast together; "
                                   f"sizes {out[i]} and {n} differ at dimension {i}")
            if n != 1:
                out[i] = n
    return core.Size(out)


@composite("meshgrid")
def meshgrid(*tensors, indexing="ij"):
    """Coordinate grids of one-dimensional tensors.

    Args:
        tensors (Tensor): vectors or scalars of one dtype.
        indexing ('ij' or 'xy'): the order of the first two dimensions.

    Returns:
        tuple of Tensor: one grid for each tensor.

    Raises:
        RuntimeError: `indexing` is something else, or a tensor has two dimensions or more.

    Example:
        >>> import rushlight as rl
        >>> rl.meshgrid(rl.arange(2), rl.arange(3))[1].tolist()
        [[0, 1, 2], [0, 1, 2]]
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing={indexing!r}; expected 'ij' or 'xy'")
    for t in tensors:
        if t.dim() > 1:
            raise RuntimeError(f"meshgrid: a tensor has shape {tuple(t.shape)}; expected at most one dimension")
    swap = indexing == "xy" and len(tensors) >= 2
    order = (tensors[1], tensors[0], *tensors[2:]) if swap else tensors
    sizes = [t.numel() for t in order]
    grids = [t.reshape([-1 if k == i else 1 for k in range(len(order))]).expand(sizes) for i, t in enumerate(order)]
    if swap:
        grids = [g.transpose(0, 1) for g in grids]
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)
