"""Pooling layers."""
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.utils import _ntuple, _single

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPoolNd(Module):
    __constants__ = ["kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode"]

    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False
    ):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input):
        return self._function(input, self.kernel_size, self.stride, self.padding, self.dilation,
                              ceil_mode=self.ceil_mode, return_indices=self.return_indices)

    def extra_repr(self):
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
                f"dilation={self.dilation}, ceil_mode={self.ceil_mode}")


class MaxPool1d(_MaxPoolNd):
    """The largest element of each window of a sequence.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): minus infinity added on both sides. Default: 0.
        dilation (int or tuple): distance between the window's elements. Default: 1.
        return_indices (bool): return the places of the largest elements too. Default: False.
        ceil_mode (bool): keep windows that reach over the end. Default: False.

    Shape:
        (N, C, L) or (C, L), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MaxPool1d(2)(rl.zeros(1, 1, 4)).shape == (1, 1, 2)
        True
    """

    _function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """The largest element of each window of an image.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): minus infinity added on both sides. Default: 0.
        dilation (int or tuple): distance between the window's elements. Default: 1.
        return_indices (bool): return the places of the largest elements too. Default: False.
        ceil_mode (bool): keep windows that reach over the end. Default: False.

    Shape:
        (N, C, H, W) or (C, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MaxPool2d(2)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 2, 2)
        True
    """

    _function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The largest element of each window of a volume.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): minus infinity added on both sides. Default: 0.
        dilation (int or tuple): distance between the window's elements. Default: 1.
        return_indices (bool): return the places of the largest elements too. Default: False.
        ceil_mode (bool): keep windows that reach over the end. Default: False.

    Shape:
        (N, C, D, H, W) or (C, D, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MaxPool3d(2)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 2, 2, 2)
        True
    """

    _function = staticmethod(F.max_pool3d)


class AvgPool1d(Module):
    """The mean of each window of a sequence.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): zeros added on both sides. Default: 0.
        ceil_mode (bool): keep a window that reaches over the end. Default: False.
        count_include_pad (bool): count the zeros. Default: True.

    Shape:
        (N, C, L) or (C, L), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AvgPool1d(2)(rl.tensor([[1., 3., 5., 7.]]))
        tensor([[2., 6.]])
    """

    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"]

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(kernel_size if stride is None else stride)
        self.padding = _single(padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input):
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"]

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
                 divisor_override=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input):
        return self._function(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                              self.count_include_pad, self.divisor_override)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
    """The mean of each window of an image.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): zeros added on both sides. Default: 0.
        ceil_mode (bool): keep windows that reach over the end. Default: False.
        count_include_pad (bool): count the zeros. Default: True.
        divisor_override (int, optional): divide by this instead of the number of elements.

    Shape:
        (N, C, H, W) or (C, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AvgPool2d(2)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 2, 2)
        True
    """

    _function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPoolNd):
    """The mean of each window of a volume.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): zeros added on both sides. Default: 0.
        ceil_mode (bool): keep windows that reach over the end. Default: False.
        count_include_pad (bool): count the zeros. Default: True.
        divisor_override (int, optional): divide by this instead of the number of elements.

    Shape:
        (N, C, D, H, W) or (C, D, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AvgPool3d(2)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 2, 2, 2)
        True
    """

    _function = staticmethod(F.avg_pool3d)


class _LPPoolNd(Module):
    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = (
            norm_type,
            kernel_size,
            stride,
            ceil_mode,
        )

    def forward(self, input):
        return self._function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self):
        return (f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"ceil_mode={self.ceil_mode}")


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of a sequence.

    Args:
        norm_type (float): p.
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        ceil_mode (bool): keep windows that reach over the end. Default: False.

    Shape:
        (N, C, L) or (C, L), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LPPool1d(2, 2)(rl.zeros(1, 1, 4)).shape == (1, 1, 2)
        True
    """

    _function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of an image.

    Args:
        norm_type (float): p.
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        ceil_mode (bool): keep windows that reach over the end. Default: False.

    Shape:
        (N, C, H, W) or (C, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LPPool2d(2, 2)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 2, 2)
        True
    """

    _function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of a volume.

    Args:
        norm_type (float): p.
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        ceil_mode (bool): keep windows that reach over the end. Default: False.

    Shape:
        (N, C, D, H, W) or (C, D, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LPPool3d(2, 2)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 2, 2, 2)
        True
    """

    _function = staticmethod(F.lp_pool3d)


class _AdaptiveAvgPoolNd(Module):
    __constants__ = ["output_size"]

    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return self._function(input, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(Module):
    __constants__ = ["output_size", "return_indices"]

    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input):
        return self._function(input, self.output_size, self.return_indices)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each of a given number of windows that cover a sequence evenly.

    Args:
        output_size (int): how many windows.

    Shape:
        (N, C, L) or (C, L), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AdaptiveAvgPool1d(2)(rl.zeros(1, 1, 4)).shape == (1, 1, 2)
        True
    """

    _function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of each of a given number of windows that cover an image evenly.

    Args:
        output_size (int, None or tuple): how many windows; None keeps a size.

    Shape:
        (N, C, H, W) or (C, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AdaptiveAvgPool2d(2)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 2, 2)
        True
    """

    _function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of each of a given number of windows that cover a volume evenly.

    Args:
        output_size (int, None or tuple): how many windows; None keeps a size.

    Shape:
        (N, C, D, H, W) or (C, D, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AdaptiveAvgPool3d(2)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 2, 2, 2)
        True
    """

    _function = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest element of each of a given number of windows that cover a sequence evenly.

    Args:
        output_size (int): how many windows.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Shape:
        (N, C, L) or (C, L), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AdaptiveMaxPool1d(2)(rl.zeros(1, 1, 4)).shape == (1, 1, 2)
        True
    """

    _function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest element of each of a given number of windows that cover an image evenly.

    Args:
        output_size (int, None or tuple): how many windows; None keeps a size.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Shape:
        (N, C, H, W) or (C, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AdaptiveMaxPool2d(2)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 2, 2)
        True
    """

    _function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest element of each of a given number of windows that cover a volume evenly.

    Args:
        output_size (int, None or tuple): how many windows; None keeps a size.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Shape:
        (N, C, D, H, W) or (C, D, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AdaptiveMaxPool3d(2)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 2, 2, 2)
        True
    """

    _function = staticmethod(F.adaptive_max_pool3d)


class _MaxUnpoolNd(Module):
    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = self._tuple(kernel_size)
        self.stride = self._tuple(kernel_size if stride is None else stride)
        self.padding = self._tuple(padding)

    def forward(self, input, indices, output_size=None):
        return self._function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts maxima back where `MaxPool1d` found them, and zeros everywhere else.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): as of the pooling. Default: 0.

    Example:
        >>> import rushlight as rl
        >>> pool, unpool = rl.nn.MaxPool1d(2, return_indices=True), rl.nn.MaxUnpool1d(2)
        >>> unpool(*pool(rl.ones(1, 1, 2))).sum().item()
        1.0
    """

    _tuple = staticmethod(_ntuple(1))
    _function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts maxima back where `MaxPool2d` found them, and zeros everywhere else.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): as of the pooling. Default: 0.

    Example:
        >>> import rushlight as rl
        >>> pool, unpool = rl.nn.MaxPool2d(2, return_indices=True), rl.nn.MaxUnpool2d(2)
        >>> unpool(*pool(rl.ones(1, 1, 2, 2))).sum().item()
        1.0
    """

    _tuple = staticmethod(_ntuple(2))
    _function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts maxima back where `MaxPool3d` found them, and zeros everywhere else.

    Args:
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): as of the pooling. Default: 0.

    Example:
        >>> import rushlight as rl
        >>> pool, unpool = rl.nn.MaxPool3d(2, return_indices=True), rl.nn.MaxUnpool3d(2)
        >>> unpool(*pool(rl.ones(1, 1, 2, 2, 2))).sum().item()
        1.0
    """

    _tuple = staticmethod(_ntuple(3))
    _function = staticmethod(F.max_unpool3d)


class _FractionalMaxPoolNd(Module):
    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]

    def __init__(self, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        super().__init__()
        self.kernel_size, self.return_indices = self._tuple(kernel_size), return_indices
        if any(size <= 0 for size in self.kernel_size):
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        self.register_buffer("_random_samples", _random_samples)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{type(self).__name__}: output_size={output_size} and output_ratio={output_ratio}; expected just one")
        self.output_size = None if output_size is None else self._tuple(output_size)
        self.output_ratio = None if output_ratio is None else self._tuple(output_ratio)
        if output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input):
        return self._function(input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
                              _random_samples=self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest elements of windows of an image that are one of two steps apart, by chance (Graham, 2014).

    Args:
        kernel_size (int or tuple): size of the window.
        output_size (int or tuple, optional): how many windows.
        output_ratio (float or tuple, optional): or their number as a part of the input's size.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Raises:
        ValueError: not one of the two is given, or a number is out of range.

    Shape:
        (N, C, H, W) or (C, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.FractionalMaxPool2d(2, output_size=3)(rl.zeros(1, 1, 6, 6)).shape == (1, 1, 3, 3)
        True
    """

    _tuple = staticmethod(_ntuple(2))
    _function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The largest elements of windows of a volume that are one of two steps apart, by chance (Graham, 2014).

    Args:
        kernel_size (int or tuple): size of the window.
        output_size (int or tuple, optional): how many windows.
        output_ratio (float or tuple, optional): or their number as a part of the input's size.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Raises:
        ValueError: not one of the two is given, or a number is out of range.

    Shape:
        (N, C, D, H, W) or (C, D, H, W), the same kind out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.FractionalMaxPool3d(2, output_size=3)(rl.zeros(1, 1, 6, 6, 6)).shape == (1, 1, 3, 3, 3)
        True
    """

    _tuple = staticmethod(_ntuple(3))
    _function = staticmethod(F.fractional_max_pool3d)
