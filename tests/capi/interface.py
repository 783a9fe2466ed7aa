"""rushlight.h through ctypes, as tests use it."""
import ctypes
import os

import numpy as np

from rushlight.cli import directory

OK, ARGUMENT, FILE, CORRUPT, SIGNATURE, RUN = range(6)
TENSOR, LIST, DICT = 5, 6, 8
DTYPES = ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128",
          "bool", None, "uint16", "uint32", "uint64"]
P, I32, I64, SIZE, TEXT = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_size_t, ctypes.c_char_p


class Spec(ctypes.Structure):
    """rl_spec"""

    _fields_ = [("name", TEXT), ("type", TEXT), ("kind", I32), ("dtype", I32), ("rank", I32),
                ("sizes", ctypes.POINTER(I64))]


def library():
    """librushlight with the result types that are not int."""
    lib = ctypes.CDLL(os.environ.get("RUSHLIGHT_LIBRARY") or directory("lib") / "librushlight.so")
    for name in ("version", "last_error", "dtype_name", "signature_name", "graph_text", "model_name", "metadata",
                 "extra_name"):
        getattr(lib, f"rl_{name}").restype = TEXT
    for name in ("dtype_size", "signature_count", "input_count", "output_count", "tensor_count", "extra_count",
                 "tensor_bytes", "item_count"):
        getattr(lib, f"rl_{name}").restype = SIZE
    for name in ("input", "output", "stored_tensor"):
        getattr(lib, f"rl_{name}").restype = ctypes.POINTER(Spec)
    for name in ("item", "key", "tensor_data"):
        getattr(lib, f"rl_{name}").restype = P
    for name in ("model_free", "value_free"):
        getattr(lib, f"rl_{name}").restype = None
    lib.rl_tensor_sizes.restype = ctypes.POINTER(I64)
    return lib


LIB = library()
HELD = {}                                                 # handles of the test that runs, and what gives them back


def error():
    """What the thread's last call complained of."""
    return LIB.rl_last_error().decode(errors="replace")


class Failed(Exception):
    """A call gave a code other than RL_OK."""

    def __init__(self, code):
        super().__init__(error())
        self.code = code


def made(function, *arguments):
    """The handle that a function puts into its last argument."""
    out = P()
    code = function(*arguments, ctypes.byref(out))
    if code:
        raise Failed(code)
    HELD[out.value] = LIB.rl_model_free if "model" in function.__name__ else LIB.rl_value_free
    return out


def keep(values):
    """Notes the values that a run gave."""
    HELD.update(dict.fromkeys(values, LIB.rl_value_free))


def free(handle):
    """Gives a handle back before the test ends."""
    HELD.pop(handle.value)(handle)


def free_all():
    """Gives back what the test still holds."""
    while HELD:
        value, give_back = HELD.popitem()
        give_back(P(value))


def tensor(array, view=False):
    """A handle for an array."""
    sizes = (I64 * array.ndim)(*array.shape)
    make = LIB.rl_tensor_view if view else LIB.rl_tensor_copy
    return made(make, DTYPES.index(array.dtype.name), array.ndim, sizes, P(array.ctypes.data))


def array_of(value):
    """A copy of a tensor's elements."""
    rank = LIB.rl_tensor_rank(value)
    shape = LIB.rl_tensor_sizes(value)[:rank]
    data = ctypes.string_at(LIB.rl_tensor_data(value), LIB.rl_tensor_bytes(value))
    return np.frombuffer(data, DTYPES[LIB.rl_tensor_dtype(value)]).reshape(shape)


def run(model, *inputs, signature=None, outputs=1):
    """The results of a run, as arrays."""
    given, out = (P * len(inputs))(*(v.value for v in inputs)), (P * outputs)()
    code = LIB.rl_run(model, signature, given, SIZE(len(inputs)), out, SIZE(outputs))
    if code:
        raise Failed(code)
    results = [array_of(P(v)) for v in out]
    for v in out:
        LIB.rl_value_free(P(v))
    return results
