"""Random factories whose arguments take several forms: randint, normal."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core
from rushlight.functional.shapes import broadcast_tensors

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
def randint_like(
    input, *args, low=None, high=None, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None
):
    """Integers of [low, high) with the shape and dtype of `input`: `randint_like(input, high)` or `(input, low, high)`.

    Args:
        input (Tensor): gives the shape and dtype.
        low (int): smallest value. Default: 0.
        high (int): one above the largest.
        dtype (dtype, optional): instead of the input's.
        layout, device, memory_format: as for `zeros_like`.
        requires_grad (bool): Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.randint_like(rl.zeros(2), 5, 6).tolist()
        [5.0, 5.0]
    """
    args = list(args)
    high = args.pop() if high is None else high
    low = (args.pop() if args else 0) if low is None else low
    like = core.empty_like(input, dtype=dtype, layout=layout, device=device, memory_format=memory_format)
    return ops["randint_like"](like, low, high).requires_grad_(requires_grad)


@composite("normal")
def normal(
    mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, out=None
):
    """Normal numbers: of one mean and std with `size`, or element by element from tensors.

    Args:
        mean, std (float or Tensor): parameters.
        size (tuple of int, optional): the shape, when both are numbers.
        generator (Generator, optional): the stream to draw from.
        dtype (dtype, optional): when both are numbers.
        layout, device, requires_grad: as for `zeros`, when both are numbers.
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
        result = core.empty(size, dtype=dtype, layout=layout, device=device).normal_(mean, std, generator=generator)
        result.requires_grad_(requires_grad)
    else:
        one = mean if isinstance(mean, Tensor) else std
        shape = (
            one.shape
            if not isinstance(mean, Tensor) or not isinstance(std, Tensor)
            else broadcast_tensors(mean, std)[0].shape
        )
        result = core.empty(shape, dtype=one.dtype).normal_(generator=generator).mul_(std).add_(mean)
    return result if out is None else out.resize_(result.shape).copy_(result)
