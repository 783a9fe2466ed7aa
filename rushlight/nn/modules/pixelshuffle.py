"""Pixel and channel shuffling."""
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """(..., C * r * r, H, W) to (..., C, H * r, W * r).

    Args:
        upscale_factor (int): r.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.PixelShuffle(2)(rl.zeros(1, 4, 3, 3)).shape == (1, 1, 6, 6)
        True
    """

    __constants__ = ["upscale_factor"]

    def __init__(self, upscale_factor):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input):
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self):
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., C, H * r, W * r) to (..., C * r * r, H, W).

    Args:
        downscale_factor (int): r.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.PixelUnshuffle(2)(rl.zeros(1, 1, 6, 6)).shape == (1, 4, 3, 3)
        True
    """

    __constants__ = ["downscale_factor"]

    def __init__(self, downscale_factor):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input):
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self):
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Interleaves the channels of `groups` groups.

    Args:
        groups (int): divides the channels.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ChannelShuffle(2)(rl.arange(4).view(1, 4, 1)).flatten()
        tensor([0, 2, 1, 3])
    """

    __constants__ = ["groups"]

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, input):
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self):
        return f"groups={self.groups}"
