"""How a list of samples becomes a batch."""
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy

from rushlight.functional._core import Tensor, core

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]


def _is_numpy(value):
    return type(value).__module__ == "numpy" and type(value).__name__ not in ("str_", "string_", "bytes_")


def _is_array(value):
    return _is_numpy(value) and type(value).__name__ in ("ndarray", "memmap")


def _named_tuple(value):
    return isinstance(value, tuple) and hasattr(value, "_fields")


def default_convert(data):
    """NumPy arrays in nested containers as tensors; everything else as it is.

    Args:
        data (object): a sample or a batch.

    Example:
        >>> import numpy as np
        >>> from rushlight.utils.data import default_convert
        >>> default_convert({"x": np.array([1, 2])})
        {'x': tensor([1, 2])}
    """
    if isinstance(data, Tensor):
        return data
    if _is_numpy(data):
        if _is_array(data) and data.dtype.kind in "SUO":
            return data
        return core.as_tensor(data)
    if isinstance(data, Mapping):
        return _same_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if _named_tuple(data):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _same_sequence(data, [default_convert(value) for value in data])
    return data


def _same_mapping(original, values):
    # The original's own kind of mapping, where that can be made.
    try:
        if isinstance(original, MutableMapping):
            clone = copy(original)
            clone.update(values)
            return clone
        return type(original)(values)
    except TypeError:
        return values


def _same_sequence(original, values):
    try:
        if isinstance(original, MutableSequence):
            clone = copy(original)
            for i, value in enumerate(values):
                clone[i] = value
            return clone
        return type(original)(values)
    except TypeError:
        return values


def _collate_tensors(batch, *, collate_fn_map=None):
    return core.stack(batch, 0)


def _collate_arrays(batch, *, collate_fn_map=None):
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_unsupported(batch[0].dtype))
    return collate([core.as_tensor(value) for value in batch], collate_fn_map=collate_fn_map)


def _collate_floats(batch, *, collate_fn_map=None):
    return core.tensor(batch, dtype=core.float64)


def _collate_ints(batch, *, collate_fn_map=None):
    return core.tensor(batch)


def _collate_text(batch, *, collate_fn_map=None):
    return batch


#: What `default_collate` does with each type; programs may add their own.
default_collate_fn_map = {
    Tensor: _collate_tensors, float: _collate_floats, int: _collate_ints, str: _collate_text, bytes:
        _collate_text}


def _unsupported(kind):
    return ("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
            f"found {kind}")


def collate(batch, *, collate_fn_map=None):
    """A list of samples as a batch, by rules that the caller gives.

    Args:
        batch (list): samples of one structure.
        collate_fn_map (dict, optional): from type to a function of the list and the keyword `collate_fn_map`.

    Raises:
        TypeError: no rule fits.
        RuntimeError: samples are sequences of different lengths.

    Example:
        >>> from rushlight.utils.data import collate
        >>> collate([1, 2], collate_fn_map={int: lambda batch, *, collate_fn_map=None: sum(batch)})
        3
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        rule = collate_fn_map.get(kind) or next(
            (rule for known, rule in collate_fn_map.items() if isinstance(first, known)), None)
        if rule is not None:
            return rule(batch, collate_fn_map=collate_fn_map)
        if _is_numpy(first) and Tensor in collate_fn_map:
            return (
                _collate_arrays(batch, collate_fn_map=collate_fn_map)
                if _is_array(first)
                else core.as_tensor(batch)
            )
    if isinstance(first, Mapping):
        values = {
            key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map) for key in first
        }
        return _same_mapping(first, values)
    if _named_tuple(first):
        return kind(*(collate(values, collate_fn_map=collate_fn_map) for values in zip(*batch)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(values, collate_fn_map=collate_fn_map) for values in zip(*batch)]
        return columns if isinstance(first, tuple) else _same_sequence(first, columns)
    raise TypeError(_unsupported(kind))


def default_collate(batch):
    """A list of samples as a batch: tensors, arrays and numbers are stacked, containers keep their structure.

    Args:
        batch (list): samples of one structure.

    Raises:
        TypeError: samples of a type that cannot be stacked.
        RuntimeError: shapes or lengths differ.

    Example:
        >>> from rushlight.utils.data import default_collate
        >>> default_collate([(1, "a"), (2, "b")])
        [tensor([1, 2]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
