"""Pooling with optional indices, resizing, unfolding: PyTorch's forms of the core's windowed operators."""
from math import isfinite

from rushlight.functional._composite import composite
from rushlight.functional._core import core, native

ops = core._groups["_ops"]


def _define_max_pool(rank):
    names = ("max_pool", "adaptive_max_pool", "adaptive_avg_pool")
    pool, adaptive_max, adaptive_avg = (ops[f"{name}{rank}d"] for name in names)

    def max_pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        result = pool(input, kernel_size, stride, padding, dilation, ceil_mode)
        return result if return_indices else result[0]

    def max_pool_with_indices(
        input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
    ):
        return pool(input, kernel_size, stride, padding, dilation, ceil_mode)

    def adaptive_max_pool(input, output_size, return_indices=False):
        result = adaptive_max(input, _sizes(f"adaptive_max_pool{rank}d", input, output_size, rank))
        return result if return_indices else result[0]

    def adaptive_avg_pool(input, output_size):
        return adaptive_avg(input, _sizes(f"adaptive_avg_pool{rank}d", input, output_size, rank))

    shape = ", ".join(["1", "4", "4", "4"][: rank + 1])
    _publish(max_pool, f"max_pool{rank}d nn.functional.max_pool{rank}d", f"""The largest element of each window.

    Args:
        input (Tensor): (N, C, spatial) or (C, spatial), real.
        kernel_size, stride, padding, dilation (int or tuple): the windows; stride is kernel_size when None.
        ceil_mode (bool): count windows that begin inside and end outside.
        return_indices (bool): also the flat index of each maximum.

    Raises:
        RuntimeError: a window does not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.max_pool{rank}d(rl.ones({shape}), 2).numel()
        {2 ** rank}
    """)
    _publish(max_pool_with_indices, f"nn.functional.max_pool{rank}d_with_indices",
             f"""The largest element of each window, and its flat index.

    Args:
        input, kernel_size, stride, padding, dilation, ceil_mode: as in max_pool{rank}d.

    Example:
        >>> import rushlight as rl
        >>> len(rl.nn.functional.max_pool{rank}d_with_indices(rl.ones({shape}), 2))
        2
    """)
    _publish(adaptive_max_pool, f"nn.functional.adaptive_max_pool{rank}d",
             f"""The maxima of windows that cover the input evenly.

    Args:
        input (Tensor): (N, C, spatial) or (C, spatial), real.
        output_size (int or tuple): how many windows; None keeps a dimension.
        return_indices (bool): also the flat index of each maximum.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.adaptive_max_pool{rank}d(rl.ones({shape}), 1).numel()
        1
    """)
    _publish(adaptive_avg_pool, f"nn.functional.adaptive_avg_pool{rank}d",
             f"""The means of windows that cover the input evenly.

    Args:
        input (Tensor): (N, C, spatial) or (C, spatial), floating.
        output_size (int or tuple): how many windows; None keeps a dimension.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.adaptive_avg_pool{rank}d(rl.ones({shape}), 1).item()
        1.0
    """)


def _publish(function, paths, doc):
    function.__name__ = function.__qualname__ = paths.split()[0].rpartition(".")[2]
    function.__doc__ = doc
    composite(paths)(function)


def _sizes(name, input, output_size, rank):
    if isinstance(output_size, (tuple, list)) and 1 < len(output_size) >= input.dim():
        raise ValueError(f"{name}: input has shape {tuple(input.shape)}; expected at least {len(output_size) + 1} "
                         f"dimensions for output_size={tuple(output_size)}")
    if isinstance(output_size, (tuple, list)) and None in output_size:
        spatial = input.shape[input.dim() - rank:]
        return [n if wanted is None else wanted for n, wanted in zip(spatial, output_size, strict=True)]
    return output_size


for _rank in (1, 2, 3):
    _define_max_pool(_rank)


@composite("nn.functional.interpolate nn.functional.upsample")
def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """Images of another size.

    Args:
        input (Tensor): (N, C, spatial) with one to three spatial dimensions, floating.
        size (int or tuple, optional): the new spatial size.
        scale_factor (float or tuple, optional): or by how much to multiply it.
        mode (str): nearest, nearest-exact, linear, bilinear, bicubic, trilinear, area or, with `antialias`, lanczos.
        align_corners (bool, optional): whether the corners keep their places (linear modes).
        recompute_scale_factor (bool, optional): take the scale from the rounded size.
        antialias (bool): filters as wide as the step where the result is smaller; of bilinear, bicubic and lanczos.
            Default: False.

    Raises:
        ValueError: both or none of size and scale_factor are given, or they do not fit the input.
        NotImplementedError: an unknown mode.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.interpolate(rl.ones(1, 1, 2, 2), scale_factor=2).shape
        rushlight.Size([1, 1, 4, 4])
    """
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: takes either size or scale_factor")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"interpolate: align_corners is for the linear modes, not mode='{mode}'")
    spatial = input.shape[2:]
    scales = ()
    if size is None:
        factors = [scale_factor] * len(spatial) if isinstance(scale_factor, (int, float)) else list(scale_factor)
        if len(factors) != len(spatial):
            raise ValueError(
                f"interpolate: scale_factor={scale_factor} does not fit input of shape {tuple(input.shape)}; "
                f"expected {len(spatial)} values"
            )
        if not all(isinstance(f, (int, float)) for f in factors):
            raise TypeError(f"interpolate: scale_factor={scale_factor!r}; expected a number or one for each dimension")
        if not all(isfinite(f) for f in factors):
            raise RuntimeError(f"interpolate: scale_factor={scale_factor}; expected finite numbers")
        size = [int(n * f) for n, f in zip(spatial, factors, strict=True)]
        scales = () if recompute_scale_factor else [float(f) for f in factors]
    elif isinstance(size, int):
        size = [size] * len(spatial)
    if mode == "area":
        return getattr(native, f"adaptive_avg_pool{len(spatial)}d")(input, size)
    return ops["resize"](input, size, scales, mode, bool(align_corners), antialias)


@composite("nn.functional.unfold")
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The sliding blocks of images as columns.

    Args:
        input (Tensor): (N, C, H, W) or (C, H, W).
        kernel_size, dilation, padding, stride (int or tuple): the blocks.

    Returns:
        Tensor: (N, C * kernel elements, blocks), or without N.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.unfold(rl.ones(1, 1, 3, 3), 2).shape
        rushlight.Size([1, 4, 4])
    """
    if input.dim() == 3:
        return ops["im2col"](input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    return ops["im2col"](input, kernel_size, dilation, padding, stride)


@composite("nn.functional.fold")
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Columns added up into images: what `unfold` took apart, overlaps summed.

    Args:
        input (Tensor): (N, C * kernel elements, blocks), or without N.
        output_size (int or tuple): height and width.
        kernel_size, dilation, padding, stride (int or tuple): the blocks.

    Returns:
        Tensor: (N, C, H, W), or without N.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.fold(rl.ones(1, 4, 4), 3, 2).tolist()
        [[[[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]]]
    """
    if input.dim() == 2:
        return ops["col2im"](input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    return ops["col2im"](input, output_size, kernel_size, dilation, padding, stride)
