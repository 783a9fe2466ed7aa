"""The files between the two sides: one per operator and dtype, JSON before raw bytes. Data only, no code.

A call is a tree of plain values; what JSON has no word for is an object of one tagged entry. Tensors keep their
storage, strides and offset, so that a sample that was a view stays one.
"""
import dataclasses
import json
import mmap
import re
import struct
import zlib
from operator import attrgetter

import numpy as np

#: Part of the cache's path: a new number makes old files be exported anew.
FORMAT = 7
DTYPES = ("float32", "float64", "int64", "bool", "complex64")
_NUMPY = {"bfloat16": np.uint16, "bool": np.bool_}
_CONSTANTS = ("dtype", "layout", "memory_format")


class Unportable(Exception):
    """A value that only PyTorch can hold: sparse tensors, callables, objects of its own."""


class Blob:
    """Bytes beside the JSON: each tensor's compressed on its own, addressed by (start, length)."""

    def __init__(self, data=None, start=0):
        self.parts = []
        self.size = 0
        self.data = data
        self.start = start

    def put(self, raw):
        packed = zlib.compress(raw, 1) if raw else b""
        self.parts.append(packed)
        self.size += len(packed)
        return [self.size - len(packed), len(packed)]

    def get(self, place):
        data = b"".join(self.parts) if self.data is None else self.data
        start = self.start + place[0]
        return zlib.decompress(data[start:start + place[1]]) if place[1] else b""


def write(path, content, blob):
    head = json.dumps(content).encode()
    temporary = path.with_suffix(".part")
    with open(temporary, "wb") as f:
        f.write(struct.pack("<q", len(head)))
        f.write(head)
        f.writelines(blob.parts)
    temporary.rename(path)


def read(path):
    with open(path, "rb") as f:
        data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    (size,) = struct.unpack_from("<q", data)
    return json.loads(data[8:8 + size]), Blob(data, 8 + size)


def file_name(operator, dtype):
    return f"{re.sub(r'[^A-Za-z0-9_.]', '_', operator)}.{dtype}.parity"


def encode(value, lib, blob, seen):
    """`value` as JSON; tensors of `lib` go to `blob`. `seen` keeps one tensor given twice the same tensor."""
    def deeper(v):
        return encode(v, lib, blob, seen)

    if value is None or isinstance(value, (bool, str)) or type(value) in (int, float):
        return value
    if isinstance(value, lib.Tensor):
        return _encode_tensor(value, lib, blob, seen)
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, lib.Size):
        return {"size": list(value)}
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None) or _sequence_fields(value)
        packed = {"packed": True} if type(value).__name__ == "PackedSequence" else {}
        return {"tuple": [deeper(v) for v in value], **({"fields": list(fields)} if fields else {}), **packed}
    if isinstance(value, list):
        return [deeper(v) for v in value]
    if isinstance(value, dict):
        return {"dict": [[deeper(k), deeper(v)] for k, v in value.items()]}
    if isinstance(value, slice):
        return {"slice": [deeper(value.start), deeper(value.stop), deeper(value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, np.generic):
        return {"numpy": [value.dtype.name, value.item()]}
    if isinstance(value, lib.device):
        return {"device": str(value)}
    for kind in _CONSTANTS:
        if isinstance(value, getattr(lib, kind, ())):
            return {kind: str(value).rpartition(".")[2]}
    name = getattr(value, "__name__", "")
    for room, path in ((lib.nn.functional, "nn.functional."), (lib, "")):
        if name and getattr(room, name, None) is value:
            return {"function": path + name}
    if hasattr(value, "made_with"):
        return {"made": [f"nn.{type(value).__name__}", *map(deeper, value.made_with)]}
    if dataclasses.is_dataclass(value):
        return {"made": [f"nn.{type(value).__name__}", deeper(()), deeper(dataclasses.asdict(value))]}
    raise Unportable(type(value).__name__)


def _sequence_fields(value):
    """The field names of PyTorch's own named results, which are no namedtuples."""
    if type(value) is tuple or not hasattr(type(value), "n_sequence_fields"):
        return None
    by_place = {id(getattr(value, name)): name for name in dir(type(value)) if not name.startswith(("_", "n_", "count"))
                and name != "index"}
    fields = [by_place.get(id(v)) for v in value]
    return fields if all(fields) else None


def _encode_tensor(value, lib, blob, seen):
    if getattr(value, "layout", lib.strided) != lib.strided:
        raise Unportable(f"{str(value.layout).removeprefix('torch.')} tensor")
    if getattr(value, "is_quantized", False) or value.device.type != "cpu":
        raise Unportable("tensor of another device or kind")
    if id(value) in seen:
        return {"again": seen[id(value)][0]}
    seen[id(value)] = (len(seen), value)  # holding it keeps its id from being given away
    plain = value.detach()
    for step in ("resolve_conj", "resolve_neg"):
        plain = getattr(plain, step)() if hasattr(plain, step) else plain
    if getattr(plain, "_is_zerotensor", bool)():  # a gradient that PyTorch knows to be zero has no memory
        plain = plain.clone()
    dtype = str(plain.dtype).rpartition(".")[2]
    offset, extent = plain.storage_offset(), 0
    if plain.numel():
        extent = offset + 1 + sum((n - 1) * s for n, s in zip(plain.shape, plain.stride()))
    if extent * plain.element_size() > plain.untyped_storage().nbytes():
        raise Unportable("tensor that overlaps the end of its memory")
    raw = plain.as_strided((extent,), (1,), 0).contiguous().view(lib.uint8).numpy().tobytes() if extent else b""
    return {"tensor": [dtype, list(plain.shape), list(plain.stride()), offset, *blob.put(raw)],
            **({"grad": True} if value.requires_grad else {})}


def decode(tree, lib, blob, seen, views=True):
    """The value that `encode` wrote, in the terms of `lib`. `views=False` gives NumPy arrays for tensors."""
    if isinstance(tree, list):
        return [decode(v, lib, blob, seen, views) for v in tree]
    if not isinstance(tree, dict):
        return tree
    (kind, inner), *_ = tree.items()
    if kind == "tensor":
        value = as_tensor(inner, lib, blob) if views else as_array(inner, blob)
        seen.append(value.requires_grad_(True) if views and tree.get("grad") else value)
        return seen[-1]
    if kind == "again":
        return seen[inner]
    def deeper(v):
        return decode(v, lib, blob, seen, views)

    if kind == "tuple":
        values = tuple(map(deeper, inner))
        return lib.nn.utils.rnn.PackedSequence(*values) if tree.get("packed") and views else values
    if kind == "dict":
        return {deeper(k): deeper(v) for k, v in inner}
    if kind == "slice":
        return slice(*map(deeper, inner))
    if kind == "made":
        return attrgetter(inner[0])(lib)(*deeper(inner[1]), **deeper(inner[2]))
    if kind == "function":
        return attrgetter(inner)(lib)
    if kind in _CONSTANTS:
        return getattr(lib, inner)
    return {"complex": lambda: complex(*inner), "size": lambda: lib.Size(inner), "ellipsis": lambda: Ellipsis,
            "numpy": lambda: np.dtype(inner[0]).type(inner[1]), "device": lambda: lib.device(inner)}[kind]()


def as_tensor(record, lib, blob):
    dtype, shape, strides, offset, *place = record
    raw = blob.get(place)
    if not raw:
        return lib.empty_strided(shape, strides, dtype=getattr(lib, dtype))
    return lib.frombuffer(bytearray(raw), dtype=getattr(lib, dtype)).as_strided(shape, strides, offset)


def as_array(record, blob):
    dtype, shape, strides, offset, *place = record
    kind = np.dtype(_NUMPY.get(dtype, dtype))
    flat = np.frombuffer(blob.get(place), kind)
    if not flat.size:
        return np.zeros(shape, widened(flat, dtype).dtype)
    view = np.lib.stride_tricks.as_strided(flat[offset:], shape, [s * kind.itemsize for s in strides])
    return widened(view, dtype)


def widened(array, dtype):
    """bfloat16 bits as float32, which NumPy can compute with."""
    if dtype != "bfloat16":
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)


def cotangent(shape, is_complex):
    """What both sides weigh a result's elements by when they ask for gradients: no two alike, none zero."""
    places = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)
    weights = np.cos(places * 0.7 + 0.3) + 0.05
    return np.asarray(weights + 1j * np.sin(places * 0.7 + 0.3) if is_complex else weights)


def describe(tree):
    """The call as a person would write it, shapes for tensors."""
    if isinstance(tree, list):
        return "[" + ", ".join(map(describe, tree)) + "]"
    if not isinstance(tree, dict):
        return repr(tree)
    (kind, inner), *_ = tree.items()
    if kind == "tensor":
        dtype, shape, strides, offset, *_ = inner
        dense = _dense(shape)
        return f"{dtype}({', '.join(map(str, shape))})" + ("" if strides == dense or 0 in shape else f"@{strides}") \
            + (f"+{offset}" if offset else "")
    if kind in ("tuple", "size"):
        return "(" + ", ".join(map(describe, inner)) + ")"
    if kind == "dict":
        return ", ".join(f"{k}={describe(v)}" for k, v in inner)
    if kind == "slice":
        return ":".join("" if v is None else describe(v) for v in inner)
    return "..." if kind == "ellipsis" else str(inner if kind != "complex" else complex(*inner))


def _dense(shape):
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return strides[::-1]
