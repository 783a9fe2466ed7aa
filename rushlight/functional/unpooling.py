"""Max pooling undone, and the remaining older names of pooling and resizing."""
import math

from rushlight.functional._composite import composite
from rushlight.functional._core import core, native


def _each(value, dims):
    return [value] * dims if isinstance(value, int) else list(value)


def _unpooled_size(input, kernel_size, stride, padding, output_size, dims):
    spatial = input.shape[-dims:]
    smallest = [(n - 1) * step - 2 * pad + size for n, step, pad, size in zip(spatial, stride, padding, kernel_size)]
    if output_size is None:
        return smallest
    wanted = list(output_size)
    if len(wanted) > dims:
        wanted = wanted[-dims:]
    if len(wanted) != dims:
        raise ValueError(f"max_unpool{dims}d: output_size={tuple(output_size)}; expected {dims} or {dims + 2} sizes")
    for size, default, step in zip(wanted, smallest, stride):
        if not default - step < size < default + step:
            raise ValueError(f"max_unpool{dims}d: output_size={tuple(wanted)} is not possible; expected sizes less "
                             f"than a stride away from {tuple(smallest)}")
    return wanted


def _unpool(input, indices, kernel_size, stride, padding, output_size, dims):
    if input.shape != indices.shape:
        raise RuntimeError(f"max_unpool{dims}d: indices has shape {tuple(indices.shape)}; expected that of input, "
                           f"{tuple(input.shape)}")
    if input.dim() not in (dims + 1, dims + 2):
        raise RuntimeError(f"max_unpool{dims}d: input has {input.dim()} dimensions; expected {dims + 1} or {dims + 2}")
    kernel_size = _each(kernel_size, dims)
    stride = kernel_size if stride is None or stride == [] else _each(stride, dims)
    size = _unpooled_size(input, kernel_size, stride, _each(padding, dims), output_size, dims)
    places = math.prod(size)
    if indices.numel() and not bool(((indices >= 0) & (indices < places)).all()):
        raise RuntimeError(f"max_unpool{dims}d: an index is out of range for output of size {tuple(size)}")
    flat = core.zeros((*input.shape[:-dims], places), dtype=input.dtype)
    return flat.scatter(-1, indices.flatten(-dims), input.flatten(-dims)).view(*input.shape[:-dims], *size)


@composite("nn.functional.max_unpool1d")
def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Puts maxima back where `max_pool1d` found them, and zeros everywhere else.

    Args:
        input (Tensor): (N, C, L) or (C, L).
        indices (Tensor): their places, from `max_pool1d` with `return_indices`.
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): as of the pooling. Default: 0.
        output_size (tuple, optional): size of the sequence, where several were pooled to the same.

    Raises:
        ValueError: `output_size` is not possible.
        RuntimeError: shapes differ, or a place is out of range.

    Example:
        >>> import rushlight as rl
        >>> x = rl.arange(2.0).view(1, 2)
        >>> pooled, places = rl.nn.functional.max_pool1d(x, 2, return_indices=True)
        >>> rl.nn.functional.max_unpool1d(pooled, places, 2).flatten().tolist()[-2:]
        [0.0, 1.0]
    """
    return _unpool(input, indices, kernel_size, stride, padding, output_size, 1)


@composite("nn.functional.adaptive_max_pool1d_with_indices")
def adaptive_max_pool1d_with_indices(input, output_size, return_indices=False):
    """`adaptive_max_pool1d` with `return_indices`.

    Args:
        input, output_size: the same.
        return_indices (bool): ignored.
    """
    return native.adaptive_max_pool1d(input, output_size, True)


@composite("nn.functional.max_unpool2d", "widen")
def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Puts maxima back where `max_pool2d` found them, and zeros everywhere else.

    Args:
        input (Tensor): (N, C, H, W) or (C, H, W).
        indices (Tensor): their places, from `max_pool2d` with `return_indices`.
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): as of the pooling. Default: 0.
        output_size (tuple, optional): size of the image, where several were pooled to the same.

    Raises:
        ValueError: `output_size` is not possible.
        RuntimeError: shapes differ, or a place is out of range.

    Example:
        >>> import rushlight as rl
        >>> x = rl.arange(4.0).view(1, 2, 2)
        >>> pooled, places = rl.nn.functional.max_pool2d(x, 2, return_indices=True)
        >>> rl.nn.functional.max_unpool2d(pooled, places, 2).flatten().tolist()[-2:]
        [0.0, 3.0]
    """
    return _unpool(input, indices, kernel_size, stride, padding, output_size, 2)


@composite("nn.functional.adaptive_max_pool2d_with_indices")
def adaptive_max_pool2d_with_indices(input, output_size, return_indices=False):
    """`adaptive_max_pool2d` with `return_indices`.

    Args:
        input, output_size: the same.
        return_indices (bool): ignored.
    """
    return native.adaptive_max_pool2d(input, output_size, True)


@composite("nn.functional.max_unpool3d", "widen")
def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Puts maxima back where `max_pool3d` found them, and zeros everywhere else.

    Args:
        input (Tensor): (N, C, D, H, W) or (C, D, H, W).
        indices (Tensor): their places, from `max_pool3d` with `return_indices`.
        kernel_size (int or tuple): size of the window.
        stride (int or tuple, optional): step of the window; its size when None.
        padding (int or tuple): as of the pooling. Default: 0.
        output_size (tuple, optional): size of the volume, where several were pooled to the same.

    Raises:
        ValueError: `output_size` is not possible.
        RuntimeError: shapes differ, or a place is out of range.

    Example:
        >>> import rushlight as rl
        >>> x = rl.arange(8.0).view(1, 2, 2, 2)
        >>> pooled, places = rl.nn.functional.max_pool3d(x, 2, return_indices=True)
        >>> rl.nn.functional.max_unpool3d(pooled, places, 2).flatten().tolist()[-2:]
        [0.0, 7.0]
    """
    return _unpool(input, indices, kernel_size, stride, padding, output_size, 3)


@composite("nn.functional.adaptive_max_pool3d_with_indices")
def adaptive_max_pool3d_with_indices(input, output_size, return_indices=False):
    """`adaptive_max_pool3d` with `return_indices`.

    Args:
        input, output_size: the same.
        return_indices (bool): ignored.
    """
    return native.adaptive_max_pool3d(input, output_size, True)


@composite("nn.functional.upsample_nearest")
def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` with mode "nearest"; an older name.

    Args:
        input, size, scale_factor: the same.
    """
    return native.interpolate(input, size, scale_factor, "nearest")


@composite("nn.functional.upsample_bilinear")
def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` with mode "bilinear" that keeps the corners; an older name.

    Args:
        input, size, scale_factor: the same.
    """
    return native.interpolate(input, size, scale_factor, "bilinear", align_corners=True)
