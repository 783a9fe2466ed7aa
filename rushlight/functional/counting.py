"""Distinct values: `unique` and `unique_consecutive`."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core
from rushlight.functional._dims import place_of

_values = core._groups["_ops"]["unique_values"]
_rows = core._groups["_ops"]["unique_rows"]


def _distinct(name, input, return_inverse, return_counts, dim, consecutive):
    if dim is None:
        found = _values(input, return_inverse, return_counts, consecutive)
    else:
        found = _distinct_slices(name, input, return_inverse, return_counts, dim, consecutive)
    results = tuple(t for t in found if t is not None)
    return results if len(results) > 1 else results[0]


def _distinct_slices(name, input, return_inverse, return_counts, dim, consecutive):
    place_of(name, dim, input)
    slices = input.detach().movedim(dim, 0)
    n = slices.size(0)
    if slices.numel() == 0 and (n > 0 or 0 in slices.shape[1:]):
        shape = tuple(input.shape)
        raise RuntimeError(f"{name}: input has shape {shape}; expected no empty dimension besides dim={dim}")
    rows = slices.reshape(n, -1) if n else slices.reshape(0, 1)
    first, inverse, counts = _rows(rows, return_inverse, return_counts, consecutive)
    return input.detach().index_select(dim, first), inverse, counts


@composite("unique Tensor.unique")
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements in ascending order, or the distinct slices along `dim`. Each NaN is distinct.

    Args:
        input (Tensor): any real dtype.
        sorted (bool): accepted; the result is always sorted.
        return_inverse (bool): return also where in the result each element is found. Default: False.
        return_counts (bool): return also how often each element of the result occurs. Default: False.
        dim (int, optional): compare the slices along this dimension. Default: None, single elements.

    Returns:
        Tensor, or a tuple (output, inverse_indices, counts) of those that were asked for.

    Raises:
        IndexError: `dim` is out of range.
        RuntimeError: the slices are empty.

    Example:
        >>> import rushlight as rl
        >>> rl.unique(rl.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    return _distinct("unique", input, return_inverse, return_counts, dim, False)


@composite("unique_consecutive Tensor.unique_consecutive")
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The first of each run of equal elements, or of equal slices along `dim`.

    Args:
        input (Tensor): any real dtype.
        return_inverse (bool): return also the run of each element. Default: False.
        return_counts (bool): return also how long each run is. Default: False.
        dim (int, optional): compare the slices along this dimension. Default: None, single elements.

    Returns:
        Tensor, or a tuple (output, inverse_indices, counts) of those that were asked for.

    Raises:
        IndexError: `dim` is out of range.
        RuntimeError: the slices are empty.

    Example:
        >>> import rushlight as rl
        >>> rl.unique_consecutive(rl.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    return _distinct("unique_consecutive", input, return_inverse, return_counts, dim, True)
