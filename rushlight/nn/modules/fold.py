"""Sliding blocks of images as columns, and back."""
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """The blocks under a window that slides over images, each a column.

    Args:
        kernel_size (int or tuple): size of the window.
        dilation (int or tuple): distance between the window's elements. Default: 1.
        padding (int or tuple): zeros added on both sides. Default: 0.
        stride (int or tuple): step of the window. Default: 1.

    Shape:
        (N, C, H, W) to (N, C * kernel elements, blocks), or the same without N.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Unfold(2)(rl.zeros(1, 3, 4, 4)).shape == (1, 12, 9)
        True
    """

    __constants__ = ["kernel_size", "dilation", "padding", "stride"]

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input):
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
                f"stride={self.stride}")


class Fold(Module):
    """Columns put back where `Unfold` takes them from, and added up where they overlap.

    Args:
        output_size (int or tuple): size of the images.
        kernel_size (int or tuple): size of the window.
        dilation (int or tuple): distance between the window's elements. Default: 1.
        padding (int or tuple): as of `Unfold`. Default: 0.
        stride (int or tuple): step of the window. Default: 1.

    Shape:
        (N, C * kernel elements, blocks) to (N, C, H, W), or the same without N.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Fold(4, 2)(rl.zeros(1, 12, 9)).shape == (1, 3, 4, 4)
        True
    """

    __constants__ = ["output_size", "kernel_size", "dilation", "padding", "stride"]

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input):
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
                f"padding={self.padding}, stride={self.stride}")
