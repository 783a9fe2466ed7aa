"""Pooling made of other operators."""
from rushlight.functional._composite import composite
from rushlight.functional._core import native


def _lp_pool(average, count, input, norm_type, kernel_size, stride, ceil_mode):
    out = average(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return (out.sign() * out.abs().relu()).mul(count).pow(1.0 / norm_type)


def _product(kernel_size, dims):
    if isinstance(kernel_size, int):
        return kernel_size**dims
    total = 1
    for size in kernel_size:
        total *= size
    return total


@composite("nn.functional.lp_pool1d")
def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window of a sequence.

    Args:
        input (Tensor): floating, (N, C, L) or (C, L).
        norm_type (float): p.
        kernel_size (int): size of the window.
        stride (int, optional): step of the window; its size when None.
        ceil_mode (bool): keep a window that does not fit. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.lp_pool1d(rl.tensor([[[3., 4.]]]), 2, 2)
        tensor([[[5.]]])
    """
    return _lp_pool(
        native.avg_pool1d, _product(kernel_size, 1), input, norm_type, kernel_size, stride, ceil_mode
    )


@composite("nn.functional.lp_pool2d")
def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window of an image.

    Args:
        input (Tensor): floating, (N, C, H, W) or (C, H, W).
        norm_type (float): p.
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        ceil_mode (bool): keep windows that do not fit. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.lp_pool2d(rl.ones(1, 1, 2, 2), 2, 2)
        tensor([[[[2.]]]])
    """
    return _lp_pool(
        native.avg_pool2d, _product(kernel_size, 2), input, norm_type, kernel_size, stride, ceil_mode
    )


@composite("nn.functional.lp_pool3d")
def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window of a volume.

    Args:
        input (Tensor): floating, (N, C, D, H, W) or (C, D, H, W).
        norm_type (float): p.
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        ceil_mode (bool): keep windows that do not fit. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.lp_pool3d(rl.ones(1, 1, 1, 2, 2), 2, (1, 2, 2))
        tensor([[[[[2.]]]]])
    """
    return _lp_pool(
        native.avg_pool3d, _product(kernel_size, 3), input, norm_type, kernel_size, stride, ceil_mode
    )
