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
