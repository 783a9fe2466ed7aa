"""Pooling: the forms that return the maxima's places or not, and pooling made of other operators."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core, native

_ops = core._groups["_ops"]


def _wanted(input, output_size, dims):
    # None keeps the input's size.
    if output_size is None or isinstance(output_size, int):
        output_size = (output_size,) * dims
    sizes = input.shape[-dims:]
    return [size if wanted is None else wanted for size, wanted in zip(sizes, output_size)] \
        if len(output_size) == dims else output_size


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
    return _lp_pool(native.avg_pool1d, _product(kernel_size, 1), input, norm_type, kernel_size, stride, ceil_mode)


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
    return _lp_pool(native.avg_pool2d, _product(kernel_size, 2), input, norm_type, kernel_size, stride, ceil_mode)


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
    return _lp_pool(native.avg_pool3d, _product(kernel_size, 3), input, norm_type, kernel_size, stride, ceil_mode)




@composite("nn.functional.max_pool1d")
def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of a sequence.

    Args:
        input (Tensor): (N, C, L) or (C, L).
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): minus infinity added on both sides. Default: 0.
        dilation (int or tuple): distance between the window's elements. Default: 1.
        ceil_mode (bool): keep windows that reach over the end. Default: False.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Returns:
        Tensor: or two with `return_indices`; places count in the flattened sequence.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.max_pool1d(rl.arange(2.0).view(1, 2), 2)
        tensor([[1.]])
    """
    output, indices = _ops["max_pool1d"](input, kernel_size, stride, padding, dilation, ceil_mode)
    return (output, indices) if return_indices else output


@composite("nn.functional.max_pool1d_with_indices")
def max_pool1d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
                            return_indices=True):
    """`max_pool1d` with `return_indices`.

    Args:
        input, kernel_size, stride, padding, dilation, ceil_mode: the same.
        return_indices (bool): ignored.
    """
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


@composite("nn.functional.adaptive_avg_pool1d")
def adaptive_avg_pool1d(input, output_size):
    """The mean of each of a given number of windows that cover a sequence evenly.

    Args:
        input (Tensor): floating, (N, C, L) or (C, L).
        output_size (int): how many windows.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.adaptive_avg_pool1d(rl.ones(1, 2), 1)
        tensor([[1.]])
    """
    return _ops["adaptive_avg_pool1d"](input, _wanted(input, output_size, 1))


@composite("nn.functional.adaptive_max_pool1d")
def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The largest element of each of a given number of windows that cover a sequence evenly.

    Args:
        input (Tensor): floating, (N, C, L) or (C, L).
        output_size (int): how many windows.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Returns:
        Tensor: or two with `return_indices`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.adaptive_max_pool1d(rl.ones(1, 2), 1)
        tensor([[1.]])
    """
    output, indices = _ops["adaptive_max_pool1d"](input, _wanted(input, output_size, 1))
    return (output, indices) if return_indices else output


@composite("nn.functional.adaptive_max_pool1d_with_indices")
def adaptive_max_pool1d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool1d` with `return_indices`.

    Args:
        input, output_size: the same.
        return_indices (bool): ignored.
    """
    return adaptive_max_pool1d(input, output_size, True)


@composite("nn.functional.max_pool2d")
def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of an image.

    Args:
        input (Tensor): (N, C, H, W) or (C, H, W).
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): minus infinity added on both sides. Default: 0.
        dilation (int or tuple): distance between the window's elements. Default: 1.
        ceil_mode (bool): keep windows that reach over the end. Default: False.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Returns:
        Tensor: or two with `return_indices`; places count in the flattened image.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.max_pool2d(rl.arange(4.0).view(1, 2, 2), 2)
        tensor([[[3.]]])
    """
    output, indices = _ops["max_pool2d"](input, kernel_size, stride, padding, dilation, ceil_mode)
    return (output, indices) if return_indices else output


@composite("nn.functional.max_pool2d_with_indices")
def max_pool2d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
                            return_indices=True):
    """`max_pool2d` with `return_indices`.

    Args:
        input, kernel_size, stride, padding, dilation, ceil_mode: the same.
        return_indices (bool): ignored.
    """
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


@composite("nn.functional.adaptive_avg_pool2d")
def adaptive_avg_pool2d(input, output_size):
    """The mean of each of a given number of windows that cover an image evenly.

    Args:
        input (Tensor): floating, (N, C, H, W) or (C, H, W).
        output_size (int or tuple): how many windows; None keeps a size.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.adaptive_avg_pool2d(rl.ones(1, 2, 2), 1)
        tensor([[[1.]]])
    """
    return _ops["adaptive_avg_pool2d"](input, _wanted(input, output_size, 2))


@composite("nn.functional.adaptive_max_pool2d")
def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The largest element of each of a given number of windows that cover an image evenly.

    Args:
        input (Tensor): floating, (N, C, H, W) or (C, H, W).
        output_size (int or tuple): how many windows; None keeps a size.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Returns:
        Tensor: or two with `return_indices`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.adaptive_max_pool2d(rl.ones(1, 2, 2), 1)
        tensor([[[1.]]])
    """
    output, indices = _ops["adaptive_max_pool2d"](input, _wanted(input, output_size, 2))
    return (output, indices) if return_indices else output


@composite("nn.functional.adaptive_max_pool2d_with_indices")
def adaptive_max_pool2d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool2d` with `return_indices`.

    Args:
        input, output_size: the same.
        return_indices (bool): ignored.
    """
    return adaptive_max_pool2d(input, output_size, True)


@composite("nn.functional.max_pool3d")
def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of a volume.

    Args:
        input (Tensor): (N, C, D, H, W) or (C, D, H, W).
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): minus infinity added on both sides. Default: 0.
        dilation (int or tuple): distance between the window's elements. Default: 1.
        ceil_mode (bool): keep windows that reach over the end. Default: False.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Returns:
        Tensor: or two with `return_indices`; places count in the flattened volume.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.max_pool3d(rl.arange(8.0).view(1, 2, 2, 2), 2)
        tensor([[[[7.]]]])
    """
    output, indices = _ops["max_pool3d"](input, kernel_size, stride, padding, dilation, ceil_mode)
    return (output, indices) if return_indices else output


@composite("nn.functional.max_pool3d_with_indices")
def max_pool3d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
                            return_indices=True):
    """`max_pool3d` with `return_indices`.

    Args:
        input, kernel_size, stride, padding, dilation, ceil_mode: the same.
        return_indices (bool): ignored.
    """
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


@composite("nn.functional.adaptive_avg_pool3d")
def adaptive_avg_pool3d(input, output_size):
    """The mean of each of a given number of windows that cover a volume evenly.

    Args:
        input (Tensor): floating, (N, C, D, H, W) or (C, D, H, W).
        output_size (int or tuple): how many windows; None keeps a size.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.adaptive_avg_pool3d(rl.ones(1, 2, 2, 2), 1)
        tensor([[[[1.]]]])
    """
    return _ops["adaptive_avg_pool3d"](input, _wanted(input, output_size, 3))


@composite("nn.functional.adaptive_max_pool3d")
def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The largest element of each of a given number of windows that cover a volume evenly.

    Args:
        input (Tensor): floating, (N, C, D, H, W) or (C, D, H, W).
        output_size (int or tuple): how many windows; None keeps a size.
        return_indices (bool): return the places of the largest elements too. Default: False.

    Returns:
        Tensor: or two with `return_indices`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.adaptive_max_pool3d(rl.ones(1, 2, 2, 2), 1)
        tensor([[[[1.]]]])
    """
    output, indices = _ops["adaptive_max_pool3d"](input, _wanted(input, output_size, 3))
    return (output, indices) if return_indices else output


@composite("nn.functional.adaptive_max_pool3d_with_indices")
def adaptive_max_pool3d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool3d` with `return_indices`.

    Args:
        input, output_size: the same.
        return_indices (bool): ignored.
    """
    return adaptive_max_pool3d(input, output_size, True)
