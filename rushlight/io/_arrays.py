"""NumPy's arrays in saved files: read as data, by functions of our own that check every number.

NumPy pickles an array as a call of `_reconstruct`, which makes an empty one, and a state: version, shape, dtype, order
and bytes. A dtype is a call of `dtype` and a state that says its byte order.
"""
import math
import re

from rushlight._files.errors import expect, is_count

_PLAIN_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)")


class ArrayType:
    """A dtype of numbers, as a file describes it."""

    name = "numpy.dtype"

    def __init__(self, text):
        self.text, self.order = text, "<"

    def set_state(self, state):
        expect(type(state) is tuple and len(state) in (8, 9) and state[1] in ("<", ">", "|", "="),
               "a NumPy dtype's state is not its version, byte order and what follows")
        self.order = state[1]

    def made(self):
        import numpy

        return numpy.dtype(self.order + self.text)


def _dtype(*arguments):
    expect(1 <= len(arguments) <= 3 and type(arguments[0]) is str, "numpy.dtype: expected a name")
    expect(_PLAIN_DTYPE.fullmatch(arguments[0]), f"it holds a NumPy array of dtype {arguments[0]!r}; expected numbers")
    return ArrayType(arguments[0])


def _empty(*arguments):
    expect(len(arguments) == 3 and getattr(arguments[0], "name", None) == "numpy.ndarray",
           "a NumPy array is of another class; expected numpy.ndarray")
    import numpy

    return numpy.empty(0, numpy.int8)


def _scalar(*arguments):
    expect(len(arguments) == 2 and isinstance(arguments[0], ArrayType) and type(arguments[1]) is bytes,
           "a NumPy number is not a dtype and its bytes")
    import numpy

    dtype = arguments[0].made()
    expect(len(arguments[1]) == dtype.itemsize,
           f"a NumPy number has {len(arguments[1])} bytes; expected {dtype.itemsize}")
    return numpy.frombuffer(arguments[1], dtype)[0]


def admitted_calls():
    """From the names in files to functions that check their arguments; None where the name stands for itself."""
    calls = {"numpy.ndarray": None, "numpy.dtype": _dtype}
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        calls |= {f"{module}._reconstruct": _empty, f"{module}.scalar": _scalar}
    return calls


def is_array(value):
    """Whether it is an array of NumPy's; asks for no import."""
    return type(value).__module__ == "numpy" and type(value).__name__ == "ndarray"


def holds_numbers(array):
    """Whether an array's dtype is one that `load` reads."""
    return _PLAIN_DTYPE.fullmatch(array.dtype.str.lstrip("<>|=")) is not None


def fill(array, state):
    """Make an empty array what a state says.

    Args:
        array (numpy.ndarray): one that the file made.
        state (tuple): version, shape, dtype, whether columns come first, bytes.
    """
    expect(type(state) is tuple and len(state) == 5, "a NumPy array's state is not five values")
    _, shape, dtype, columns_first, data = state
    expect(type(shape) is tuple and all(map(is_count, shape)) and isinstance(dtype, ArrayType)
           and type(columns_first) is bool and type(data) is bytes,
           "a NumPy array's state is not its version, shape, dtype, order and bytes")
    made = dtype.made()
    counted = math.prod(max(size, 1) for size in shape) * made.itemsize
    expect(len(data) == math.prod(shape) * made.itemsize and is_count(counted),
           f"a NumPy array of shape {shape} and dtype {made} has {len(data)} bytes")
    array.__setstate__((1, shape, made, columns_first, data))
