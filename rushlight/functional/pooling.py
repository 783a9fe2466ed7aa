"""Pooling made of other operators."""
import math

from rushlight.functional._composite import composite
from rushlight.functional._core import core, native


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


def _window_starts(samples, size, kernel, count):
    # Pseudo-random steps of one of two sizes (Graham, Fractional max-pooling, 2014); the last window ends at the edge.
    last = core.full((*samples.shape, 1), size - kernel)
    if count == 1:
        return last
    alpha = (size - kernel) / (count - 1)
    steps = core.arange(count - 1).to(samples.dtype)
    starts = ((steps + samples.unsqueeze(-1)) * alpha).to(core.int64) - (samples * alpha).to(core.int64).unsqueeze(-1)
    return core.cat([starts, last], -1)


def _fractional(name, rank, input, kernel_size, output_size, output_ratio, samples):
    if input.dim() not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}: input has shape {tuple(input.shape)}; expected {rank + 1} or {rank + 2} "
                           "dimensions")
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name}: takes either output_size or output_ratio")
    spatial = input.shape[-rank:]
    kernel = [kernel_size] * rank if isinstance(kernel_size, int) else list(kernel_size)
    if output_size is None:
        ratios = [output_ratio] * rank if isinstance(output_ratio, float) else list(output_ratio)
        counts = [int(n * r) for n, r in zip(spatial, ratios, strict=True)]
    else:
        counts = [output_size] * rank if isinstance(output_size, int) else list(output_size)
    for d, (n, k, count) in enumerate(zip(spatial, kernel, counts, strict=True)):
        if k < 1 or count < 1 or count + k - 1 > n:
            raise RuntimeError(f"{name}: {count} windows of {k} at spatial dimension {d} of input of shape "
                               f"{tuple(input.shape)}; expected at least one, and windows - 1 + kernel <= {n}")
    x = input if input.dim() == rank + 2 else input.unsqueeze(0)
    if samples is None:
        samples = core.rand(x.shape[0], x.shape[1], rank, dtype=input.dtype)
    if samples.dim() != 3 or samples.shape[0] < x.shape[0] or samples.shape[1:] != (x.shape[1], rank):
        raise RuntimeError(f"{name}: _random_samples has shape {tuple(samples.shape)}; expected "
                           f"{(x.shape[0], x.shape[1], rank)}")
    samples = samples[:x.shape[0]]
    place = core.zeros(*x.shape[:2], *[1] * (2 * rank), dtype=core.int64)
    for d in range(rank):
        # Samples are of the last dimension first where there are two.
        starts = _window_starts(samples[..., 1 - d if rank == 2 else d], spatial[d], kernel[d], counts[d])
        own = starts.unsqueeze(-1) + core.arange(kernel[d])
        shape = [*x.shape[:2], *[1] * (2 * rank)]
        shape[2 + d], shape[2 + rank + d] = counts[d], kernel[d]
        place = place * spatial[d] + own.reshape(shape)
    place = place.reshape(*x.shape[:2], math.prod(counts), math.prod(kernel))
    windows = x.flatten(2).gather(2, place.flatten(2)).reshape(place.shape)
    values, chosen = windows.max(-1)
    indices = place.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
    shape = [*input.shape[:-rank], *counts]
    return values.reshape(shape), indices.reshape(shape)


@composite("nn.functional.fractional_max_pool2d_with_indices", "widen")
def fractional_max_pool2d_with_indices(input, kernel_size, output_size=None, output_ratio=None, return_indices=True,
                                       _random_samples=None):
    """`fractional_max_pool2d` that always returns the indices too.

    Args:
        input, kernel_size, output_size, output_ratio, _random_samples: see there.
        return_indices (bool): no effect.

    Returns:
        tuple: maxima and their flat indices in the image.

    Raises:
        ValueError, RuntimeError: see there.

    Example:
        >>> import rushlight as rl
        >>> x = rl.arange(16.).view(1, 1, 4, 4)
        >>> rl.nn.functional.fractional_max_pool2d_with_indices(x, 2, output_size=2)[1].shape
        rushlight.Size([1, 1, 2, 2])
    """
    return _fractional("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples)


@composite("nn.functional.fractional_max_pool2d", "widen")
def fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False,
                          _random_samples=None):
    """The maxima of windows that are one of two steps apart, by chance (Graham, Fractional max-pooling, 2014).

    Args:
        input (Tensor): floating, (N, C, H, W) or (C, H, W).
        kernel_size (int or tuple): size of the window.
        output_size (int or tuple, optional): how many windows.
        output_ratio (float or tuple, optional): or their number as a part of the input's size.
        return_indices (bool): also the maxima's flat indices in the image. Default: False.
        _random_samples (Tensor, optional): (N, C, 2), between 0 and 1, instead of drawn numbers.

    Raises:
        ValueError: both or none of output_size and output_ratio are given.
        RuntimeError: the windows do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.fractional_max_pool2d(rl.ones(1, 1, 5, 5), 2, output_ratio=0.6).shape
        rushlight.Size([1, 1, 3, 3])
    """
    both = fractional_max_pool2d_with_indices(input, kernel_size, output_size, output_ratio, True, _random_samples)
    return both if return_indices else both[0]


@composite("nn.functional.fractional_max_pool3d_with_indices", "widen")
def fractional_max_pool3d_with_indices(input, kernel_size, output_size=None, output_ratio=None, return_indices=True,
                                       _random_samples=None):
    """`fractional_max_pool3d` that always returns the indices too.

    Args:
        input, kernel_size, output_size, output_ratio, _random_samples: see there.
        return_indices (bool): no effect.

    Returns:
        tuple: maxima and their flat indices in the volume.

    Raises:
        ValueError, RuntimeError: see there.

    Example:
        >>> import rushlight as rl
        >>> x = rl.rand(1, 1, 4, 4, 4)
        >>> rl.nn.functional.fractional_max_pool3d_with_indices(x, 2, output_size=2)[1].shape
        rushlight.Size([1, 1, 2, 2, 2])
    """
    return _fractional("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples)


@composite("nn.functional.fractional_max_pool3d", "widen")
def fractional_max_pool3d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False,
                          _random_samples=None):
    """The maxima of windows that are one of two steps apart, by chance, in volumes.

    Args:
        input (Tensor): floating, (N, C, D, H, W) or (C, D, H, W).
        kernel_size (int or tuple): size of the window.
        output_size (int or tuple, optional): how many windows.
        output_ratio (float or tuple, optional): or their number as a part of the input's size.
        return_indices (bool): also the maxima's flat indices in the volume. Default: False.
        _random_samples (Tensor, optional): (N, C, 3), between 0 and 1, instead of drawn numbers.

    Raises:
        ValueError: both or none of output_size and output_ratio are given.
        RuntimeError: the windows do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.fractional_max_pool3d(rl.ones(1, 1, 5, 5, 5), 2, output_ratio=0.6).shape
        rushlight.Size([1, 1, 3, 3, 3])
    """
    both = fractional_max_pool3d_with_indices(input, kernel_size, output_size, output_ratio, True, _random_samples)
    return both if return_indices else both[0]
