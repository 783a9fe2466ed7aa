"""Upsampling."""
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Resizes sequences, images or volumes.

    Args:
        size (int or tuple, optional): the new size.
        scale_factor (float or tuple, optional): the factor; exactly one of both is given.
        mode (str): "nearest", "linear", "bilinear", "bicubic", "trilinear" or "nearest-exact". Default:
            "nearest".
        align_corners (bool, optional): keep the values at the corners, in the linear modes.
        recompute_scale_factor (bool, optional): take the factor from the rounded size.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Upsample(scale_factor=2)(rl.tensor([[[1., 2.]]]))
        tensor([[[1., 1., 2., 2.]]])
    """

    __constants__ = ["size", "scale_factor", "mode", "align_corners", "name", "recompute_scale_factor"]

    def __init__(
        self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None
    ):
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input):
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners,
                             recompute_scale_factor=self.recompute_scale_factor)

    def extra_repr(self):
        size = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Resizes images by repeating their nearest pixel.

    Args:
        size (int or tuple, optional): the new size.
        scale_factor (float or tuple, optional): the factor.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.UpsamplingNearest2d(scale_factor=2)(rl.zeros(1, 1, 2, 2)).shape == (1, 1, 4, 4)
        True
    """

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Resizes images by bilinear interpolation that keeps the corners.

    Args:
        size (int or tuple, optional): the new size.
        scale_factor (float or tuple, optional): the factor.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.UpsamplingBilinear2d(scale_factor=2)(rl.zeros(1, 1, 2, 2)).shape == (1, 1, 4, 4)
        True
    """

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
