"""Shapes: joining, moving and repeating what is there."""
import rushlight as rl
from rushlight.array_api._dtypes import Tensor, result_type


def tuple_of(axis):
    """An axis or several as a tuple."""
    return (axis,) if isinstance(axis, int) else tuple(axis)


def broadcast_arrays(*arrays):
    """The arrays with their shapes broadcast together: a tuple."""
    return tuple(rl.broadcast_tensors(*arrays))


def broadcast_shapes(*shapes):
    """The shape that the shapes broadcast to.

    Raises:
        ValueError: they don't broadcast.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.broadcast_shapes((2, 1), (3,))
        (2, 3)
    """
    try:
        return tuple(rl.broadcast_shapes(*shapes))
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def broadcast_to(x, /, shape):
    """The array broadcast to a shape."""
    return rl.broadcast_to(x, shape)


def concat(arrays, /, *, axis=0):
    """The arrays one after another along `axis`, or all their elements in one row where it is None.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.concat([xp.asarray([[1, 2]]), xp.asarray([[3]])], axis=None)
        tensor([1, 2, 3])
    """
    common = result_type(*arrays)
    arrays = [x.to(common) for x in arrays]
    if axis is None:
        return rl.cat([x.reshape(-1) for x in arrays])
    return rl.cat(arrays, axis)


def expand_dims(x, /, axis=0):
    """The array with new axes of length 1 that get the places `axis`.

    Args:
        x (Tensor): the array.
        axis (int | tuple): places in the result.

    Raises:
        IndexError: a place is out of range.
        ValueError: two places are the same.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.expand_dims(xp.zeros((2, 3)), axis=(0, -1)).shape
        rushlight.Size([1, 2, 3, 1])
    """
    axes = tuple_of(axis)
    rank = x.ndim + len(axes)
    if any(not -rank <= a < rank for a in axes):
        raise IndexError(f"expand_dims: axis={axis} is out of range for input of shape {tuple(x.shape)}; "
                         f"expected {-rank} <= axis <= {rank - 1}")
    places = sorted(a % rank for a in axes)
    if len(set(places)) < len(places):
        raise ValueError(f"expand_dims: axis={axis} names a place twice; expected different places")
    for place in places:
        x = x.unsqueeze(place)
    return x


def flip(x, /, *, axis=None):
    """The elements in reverse order along the axes, or along all."""
    return rl.flip(x, tuple(range(x.ndim)) if axis is None else tuple_of(axis))


def moveaxis(x, source, destination, /):
    """The array with some axes moved to other places."""
    return rl.moveaxis(x, source, destination)


def permute_dims(x, /, axes):
    """The array with its axes in another order."""
    return rl.permute(x, axes)


def repeat(x, repeats, /, *, axis=None):
    """Each element several times along `axis`, or of all elements in one row where it is None."""
    return rl.repeat_interleave(x, repeats.to(rl.int64) if isinstance(repeats, Tensor) else repeats, dim=axis)


def reshape(x, /, shape, *, copy=None):
    """The elements in another shape.

    Args:
        x (Tensor): the array.
        shape (tuple): the shape; one size may be -1.
        copy (bool, optional): True copies always, False never, None where needed.

    Raises:
        ValueError: copy=False and a copy is needed.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.reshape(xp.asarray([1, 2]), (2, 1))
        tensor([[1],
                [2]])
    """
    if copy:
        x = x.clone()
    out = rl.reshape(x, shape)
    if copy is False and out.numel() and out.untyped_storage().data_ptr() != x.untyped_storage().data_ptr():
        raise ValueError(f"reshape: shape={tuple(shape)} needs a copy of the array of shape {tuple(x.shape)}; "
                         "expected copy=None or copy=True")
    return out


def roll(x, /, shift, *, axis=None):
    """The elements moved along the axes; what leaves at one end comes back at the other."""
    return rl.roll(x, shift, axis)


def squeeze(x, /, axis):
    """The array without some axes of length 1.

    Raises:
        ValueError: an axis is longer.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.squeeze(xp.zeros((1, 2)), axis=0).shape
        rushlight.Size([2])
    """
    for a in tuple_of(axis):
        if x.shape[a] != 1:
            raise ValueError(f"squeeze: axis={a} of input of shape {tuple(x.shape)} has length {x.shape[a]}; "
                             "expected 1")
    return rl.squeeze(x, tuple_of(axis))


def stack(arrays, /, *, axis=0):
    """The arrays side by side along a new axis."""
    common = result_type(*arrays)
    return rl.stack([x.to(common) for x in arrays], axis)


def tile(x, repetitions, /):
    """The array repeated along each axis."""
    return rl.tile(x, repetitions)


def unstack(x, /, *, axis=0):
    """The slices of the array along an axis: a tuple."""
    return tuple(rl.unbind(x, axis))
