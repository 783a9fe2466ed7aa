"""Small helpers of the layers."""
from itertools import repeat


def _ntuple(count):
    def as_tuple(value):
        return tuple(value) if hasattr(value, "__iter__") else tuple(repeat(value, count))
    return as_tuple


_single, _pair, _triple = _ntuple(1), _ntuple(2), _ntuple(3)


def _reverse_repeat_tuple(values, count):
    # (a, b) repeated twice gives (b, b, a, a): the order in which `pad` takes its amounts.
    return tuple(value for value in reversed(values) for _ in range(count))


def factory_kwargs(kwargs):
    """The keywords with which a module makes its tensors: device, dtype and memory_format.

    Args:
        kwargs (dict or None): those keywords, and perhaps more of them in a dict named "factory_kwargs".

    Returns:
        dict: all of them.

    Raises:
        TypeError: there are others, or one is given twice.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.factory_kwargs({"factory_kwargs": {"dtype": rl.float64}})
        {'dtype': rushlight.float64}
    """
    given = dict(kwargs or {})
    result = dict(given.pop("factory_kwargs", {}))
    unknown = given.keys() - {"device", "dtype", "memory_format"}
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}")
    for name, value in given.items():
        if name in result:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        result[name] = value
    return result
