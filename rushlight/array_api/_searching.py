"""Searching, sorting and sets."""
from collections import namedtuple

import rushlight as rl
from rushlight.array_api._dtypes import Tensor
from rushlight.array_api._elementwise import operands

UniqueAll = namedtuple("UniqueAll", "values indices inverse_indices counts")
UniqueCounts = namedtuple("UniqueCounts", "values counts")
UniqueInverse = namedtuple("UniqueInverse", "values inverse_indices")


def nonzero(x, /):
    """The places of the elements that are not zero: a tuple with one vector for each axis.

    Raises:
        ValueError: the array has no axis.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.nonzero(xp.asarray([0, 3, 5]))
        (tensor([1, 2]),)
    """
    if x.ndim == 0:
        raise ValueError("nonzero: input has shape (); expected at least one axis")
    return tuple(rl.nonzero(x, as_tuple=True))


def searchsorted(x1, x2, /, *, side="left", sorter=None):
    """Where elements would have to be inserted to keep a vector sorted.

    Args:
        x1 (Tensor): a vector.
        x2 (Tensor | int | float): what to insert.
        side (str): 'left' or 'right' of equal elements.
        sorter (Tensor, optional): the order that sorts `x1`.

    Returns:
        Tensor: int64; shape of `x2`.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.searchsorted(xp.asarray([1, 3, 5]), xp.asarray([3, 4]))
        tensor([1, 2])
    """
    x1, x2 = operands(x1, x2)
    return rl.searchsorted(x1, x2, side=side, sorter=None if sorter is None else sorter.to(rl.int64))


def where(condition, x1, x2, /):
    """The elements of `x1` where the condition holds, those of `x2` elsewhere."""
    if isinstance(x1, Tensor) or isinstance(x2, Tensor):
        x1, x2 = operands(x1, x2)
    return rl.where(condition, x1, x2)


def sort(x, /, *, axis=-1, descending=False, stable=True):
    """The elements in order along an axis."""
    return rl.sort(x, dim=axis, descending=descending, stable=stable).values


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """The places that put the elements in order along an axis."""
    return rl.argsort(x, dim=axis, descending=descending, stable=stable)


def take(x, indices, /, *, axis=None):
    """The elements at some places along an axis.

    Args:
        x (Tensor): the array.
        indices (Tensor): a vector of integers.
        axis (int, optional): may be left out where there is but one.

    Raises:
        ValueError: no axis is given, and the array has several or none.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.take(xp.asarray([5, 6, 7]), xp.asarray([2, 0]))
        tensor([7, 5])
    """
    if axis is None and x.ndim != 1:
        raise ValueError(f"take: axis=None for input of shape {tuple(x.shape)}; "
                         "expected an axis where there is not exactly one")
    axis = 0 if axis is None else axis % x.ndim
    return x[(slice(None),) * axis + (indices.to(rl.int64),)]


def take_along_axis(x, indices, /, *, axis=-1):
    """The elements at places that differ from row to row; negative places count from the end."""
    indices = indices.to(rl.int64)
    return rl.take_along_dim(x, rl.where(indices < 0, indices + x.shape[axis], indices), axis)


def isin(x1, x2, /, *, invert=False):
    """Whether each element of `x1` is among those of `x2`."""
    x1, x2 = operands(x1, x2)
    return rl.isin(x1, x2, invert=invert)


def _unique(x):
    if x.is_complex():                              # by the real parts, and where these are equal by the imaginary ones
        parts = rl.view_as_real(x).reshape(-1, 2)
        parts, inverse, counts = rl.unique(parts, return_inverse=True, return_counts=True, dim=0)
        values = rl.view_as_complex(parts)
    else:
        values, inverse, counts = rl.unique(x, return_inverse=True, return_counts=True)
    return values, inverse.reshape(x.shape), counts


def unique_all(x, /):
    """The different elements, where each stands first, which each element is, and how many of each there are.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.unique_all(xp.asarray([3, 1, 3])).indices
        tensor([1, 0])
    """
    values, inverse, counts = _unique(x)
    first = rl.full(counts.shape, x.numel(), dtype=rl.int64)
    first = first.scatter_reduce(0, inverse.reshape(-1), rl.arange(x.numel()), "amin")
    return UniqueAll(values, first, inverse, counts)


def unique_counts(x, /):
    """The different elements, and how many of each there are."""
    values, _, counts = _unique(x)
    return UniqueCounts(values, counts)


def unique_inverse(x, /):
    """The different elements, and which of them each element is."""
    values, inverse, _ = _unique(x)
    return UniqueInverse(values, inverse)


def unique_values(x, /):
    """The different elements."""
    return _unique(x)[0] if x.is_complex() else rl.unique(x)
