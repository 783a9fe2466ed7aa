"""Images sampled at the places of a grid (Jaderberg et al., Spatial transformer networks, 2015)."""

from rushlight.functional._composite import composite
from rushlight.functional._core import core
from rushlight.functional._warning import warn

_sample = core._groups["_ops"]["grid_sample"]
_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _default_corners(name, align_corners):
    if align_corners is None:
        warn(f"{name}: align_corners is not given and means False (it was True before PyTorch 1.3)")
    return bool(align_corners)


@composite("nn.functional.grid_sample", "widen")
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Images sampled at the places of a grid.

    Args:
        input (Tensor): floating, (N, C, H, W) or (N, C, D, H, W).
        grid (Tensor): (N, ..., 2) or (N, ..., 3): x, y (and z) of each place, from -1 to 1 over the image.
        mode (str): "bilinear", "nearest" or, of 4 dimensions, "bicubic". Default: "bilinear".
        padding_mode (str): what lies outside: "zeros", "border" or "reflection". Default: "zeros".
        align_corners (bool, optional): -1 and 1 are the centres of the outermost pixels rather than their edges.
            Default: False, with a warning.

    Returns:
        Tensor: (N, C, ...) with the grid's spatial sizes.

    Raises:
        ValueError: unknown mode or padding_mode.
        RuntimeError: shapes or dtypes do not fit.

    Example:
        >>> import rushlight as rl
        >>> image = rl.tensor([[[[1., 2.], [3., 4.]]]])
        >>> rl.nn.functional.grid_sample(image, rl.zeros(1, 1, 1, 2), align_corners=False).item()
        2.5
    """
    return _sample(input, grid, mode, padding_mode, _default_corners("grid_sample", align_corners))


@composite("grid_sampler grid_sampler_2d grid_sampler_3d", "widen")
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """`nn.functional.grid_sample` with its modes as numbers.

    Args:
        input, grid (Tensor): see there.
        interpolation_mode (int): 0 bilinear, 1 nearest, 2 bicubic.
        padding_mode (int): 0 zeros, 1 border, 2 reflection.
        align_corners (bool): see there.

    Raises:
        RuntimeError: unknown numbers, or shapes or dtypes that do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.grid_sampler(rl.ones(1, 1, 2, 2), rl.zeros(1, 1, 1, 2), 0, 0, False).item()
        1.0
    """
    for name, number in (("interpolation_mode", interpolation_mode), ("padding_mode", padding_mode)):
        if number not in (0, 1, 2):
            raise RuntimeError(f"grid_sampler: {name}={number}; expected 0, 1 or 2")
    return _sample(input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners)


@composite("nn.functional.affine_grid")
def affine_grid(theta, size, align_corners=None):
    """The places that an affine map gives the pixels of an image, for `grid_sample`.

    Args:
        theta (Tensor): floating, (N, 2, 3) or (N, 3, 4): from places in the result to places in the input.
        size (tuple): of the result: (N, C, H, W) or (N, C, D, H, W).
        align_corners (bool, optional): see `grid_sample`. Default: False, with a warning.

    Returns:
        Tensor: (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ValueError: theta is not floating, or does not fit `size`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.affine_grid(rl.eye(2, 3).unsqueeze(0), (1, 1, 1, 2), align_corners=True)
        tensor([[[[-1.,  0.],
                  [ 1.,  0.]]]])
    """
    return affine_grid_generator(theta, size, _default_corners("affine_grid", align_corners))


@composite("affine_grid_generator")
def affine_grid_generator(theta, size, align_corners):
    """`nn.functional.affine_grid` with every argument given.

    Args:
        theta (Tensor): see there.
        size (tuple): see there.
        align_corners (bool): see there.

    Raises:
        ValueError: theta is not floating, or does not fit `size`.

    Example:
        >>> import rushlight as rl
        >>> rl.affine_grid_generator(rl.eye(2, 3).unsqueeze(0), (1, 1, 4, 5), False).shape
        rushlight.Size([1, 4, 5, 2])
    """
    rank = len(size) - 2
    if not theta.is_floating_point():
        raise ValueError(f"affine_grid: theta has dtype {theta.dtype}; expected a floating dtype")
    if rank not in (2, 3):
        raise NotImplementedError(f"affine_grid: size={tuple(size)}; expected 4 or 5 sizes")
    if tuple(theta.shape) != (size[0], rank, rank + 1):
        raise ValueError(f"affine_grid: theta has shape {tuple(theta.shape)}; expected {(size[0], rank, rank + 1)} for "
                         f"size={tuple(size)}")
    if min(size) <= 0:
        raise ValueError(f"affine_grid: size={tuple(size)}; expected sizes greater than 0")
    spatial = tuple(size[2:])
    lines = [_line(n, theta.dtype, align_corners).reshape([-1 if i == d else 1 for i in range(rank)])
             for d, n in enumerate(spatial)]
    places = [line.expand(spatial) for line in reversed(lines)]
    places.append(core.ones(spatial, dtype=theta.dtype))
    grid = core.stack(places, -1).reshape(1, -1, rank + 1) @ theta.transpose(1, 2)
    return grid.reshape(size[0], *spatial, rank)


def _line(count, dtype, align_corners):
    if count == 1:
        return core.zeros(1, dtype=dtype)
    line = core.linspace(-1, 1, count, dtype=dtype)
    return line if align_corners else line * ((count - 1) / count)
