"""Rearrangements of images."""
import math

from rushlight.functional._composite import composite


@composite("pixel_shuffle nn.functional.pixel_shuffle")
def pixel_shuffle(input, upscale_factor):
    """(..., C * r * r, H, W) to (..., C, H * r, W * r).

    Args:
        input (Tensor): three dimensions or more.
        upscale_factor (int): r.

    Raises:
        RuntimeError: too few dimensions, channels that r * r does not divide, or r < 1.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.pixel_shuffle(rl.arange(4).view(1, 4, 1, 1), 2)
        tensor([[[[0, 1],
                  [2, 3]]]])
    """
    r = upscale_factor
    _check("pixel_shuffle", input, "upscale_factor", r)
    *batch, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            f"pixel_shuffle: input has shape {tuple(input.shape)}; expected its channels to be divisible "
            f"by upscale_factor squared, {r * r}"
        )
    # Sizes are spelled out, so that empty inputs work too.
    channels //= r * r
    count = math.prod(batch)
    parts = input.reshape(count, channels, r, r, height, width).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(*batch, channels, height * r, width * r)


@composite("pixel_unshuffle nn.functional.pixel_unshuffle")
def pixel_unshuffle(input, downscale_factor):
    """(..., C, H * r, W * r) to (..., C * r * r, H, W): the inverse of `pixel_shuffle`.

    Args:
        input (Tensor): three dimensions or more.
        downscale_factor (int): r.

    Raises:
        RuntimeError: too few dimensions, sizes that r does not divide, or r < 1.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.pixel_unshuffle(rl.arange(4).view(1, 1, 2, 2), 2).flatten()
        tensor([0, 1, 2, 3])
    """
    r = downscale_factor
    _check("pixel_unshuffle", input, "downscale_factor", r)
    *batch, channels, height, width = input.shape
    if height % r or width % r:
        raise RuntimeError(
            f"pixel_unshuffle: input has shape {tuple(input.shape)}; expected height and width to be "
            f"divisible by downscale_factor={r}"
        )
    height, width = height // r, width // r
    parts = input.reshape(math.prod(batch), channels, height, r, width, r).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(*batch, channels * r * r, height, width)


@composite("channel_shuffle native_channel_shuffle nn.functional.channel_shuffle "
           "nn.functional.native_channel_shuffle")
def channel_shuffle(input, groups):
    """Interleave the channels of `groups` groups.

    Args:
        input (Tensor): (N, C, ...), three dimensions or more.
        groups (int): divides the channels.

    Raises:
        RuntimeError: too few dimensions, or channels that `groups` does not divide.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.channel_shuffle(rl.arange(4).view(1, 4, 1), 2).flatten()
        tensor([0, 2, 1, 3])
    """
    if input.dim() < 3:
        raise RuntimeError(f"channel_shuffle: input has {input.dim()} dimensions; expected at least 3")
    if groups < 1 or input.shape[1] % groups:
        raise RuntimeError(
            f"channel_shuffle: input has {input.shape[1]} channels; expected a number that groups={groups} "
            "divides"
        )
    batch, channels, *rest = input.shape
    parts = input.reshape(batch, groups, channels // groups, *rest).transpose(1, 2)
    return parts.reshape(input.shape)


def _check(name, input, argument, factor):
    if input.dim() < 3:
        raise RuntimeError(f"{name}: input has {input.dim()} dimensions; expected at least 3")
    if factor < 1:
        raise RuntimeError(f"{name}: {argument}={factor}; expected at least 1")
