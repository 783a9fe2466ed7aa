"""Numbers rounded as if they were 8-bit integers: what training for quantization computes with."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core


@composite("fake_quantize_per_tensor_affine")
def fake_quantize_per_tensor_affine(input, scale, zero_point, quant_min, quant_max):
    """The numbers that integers from `quant_min` to `quant_max` stand for, nearest to `input`.

    An integer q stands for (q - zero_point) * scale. The gradient passes unchanged where the nearest integer lies in
    the range, and is zero elsewhere.

    Args:
        input (Tensor): floating.
        scale (float | Tensor): positive; a tensor of one element.
        zero_point (int | Tensor): stands for 0; within the range.
        quant_min, quant_max (int): the range.

    Returns:
        Tensor: the shape and dtype of `input`.

    Raises:
        RuntimeError: the range is empty or does not hold `zero_point`.

    Example:
        >>> import rushlight as rl
        >>> rl.fake_quantize_per_tensor_affine(rl.tensor([0.26, 9.0, -0.1]), 0.5, 0, 0, 15)
        tensor([0.5000, 7.5000, 0.0000])
    """
    _check("fake_quantize_per_tensor_affine", input, quant_min, quant_max)
    if not isinstance(zero_point, Tensor) and not quant_min <= zero_point <= quant_max:
        raise RuntimeError(f"fake_quantize_per_tensor_affine: zero_point={zero_point}; expected quant_min <= "
                           f"zero_point <= quant_max, {quant_min} to {quant_max}")
    return _straight_through(input, scale, zero_point, quant_min, quant_max)


@composite("fake_quantize_per_channel_affine")
def fake_quantize_per_channel_affine(input, scale, zero_point, axis, quant_min, quant_max):
    """The same with a scale and a zero point for each slice along `axis`.

    Args:
        input (Tensor): floating.
        scale (Tensor): float32, one for each slice.
        zero_point (Tensor): as many.
        axis (int): the dimension.
        quant_min, quant_max (int): the range.

    Returns:
        Tensor: the shape and dtype of `input`.

    Raises:
        RuntimeError: sizes do not fit, or the range is empty.

    Example:
        >>> import rushlight as rl
        >>> rl.fake_quantize_per_channel_affine(rl.ones(2, 1), rl.tensor([0.4, 0.6]), rl.zeros(2), 0, -8, 7)
        tensor([[0.8000], [1.2000]])
    """
    name = "fake_quantize_per_channel_affine"
    _check(name, input, quant_min, quant_max)
    if not 0 <= axis < input.dim():
        raise IndexError(f"{name}: axis={axis} is out of range for input of shape {tuple(input.shape)}; expected 0 <= "
                         f"axis < {input.dim()}")
    for what, given in (("scale", scale), ("zero_point", zero_point)):
        if tuple(given.shape) != (input.shape[axis],):
            raise RuntimeError(f"{name}: {what} has shape {tuple(given.shape)}; expected ({input.shape[axis]},) for "
                               f"input of shape {tuple(input.shape)} and axis={axis}")
    along = [1] * input.dim()
    along[axis] = -1
    return _straight_through(input, scale.reshape(along), zero_point.reshape(along), quant_min, quant_max)


def _check(name, input, quant_min, quant_max):
    if not input.is_floating_point():
        raise RuntimeError(f"{name}: input has dtype {input.dtype}; expected a floating dtype")
    if quant_min > quant_max:
        raise RuntimeError(f"{name}: quant_min={quant_min} and quant_max={quant_max}; expected quant_min <= quant_max")


def _straight_through(x, scale, zero_point, low, high):
    fixed = x.detach()
    nearest = (fixed * (1.0 / scale)).round() + zero_point
    value = ((nearest.clamp(low, high) - zero_point) * scale).to(x.dtype)
    if not (x.requires_grad and core.is_grad_enabled()):
        return value
    # What lies inside, less itself: zeros whose gradient is one there.
    inside = x.masked_fill((nearest < low) | (nearest > high) | (nearest != nearest), 0.0)
    return value + (inside - inside.detach())
