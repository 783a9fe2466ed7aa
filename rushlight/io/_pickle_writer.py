"""Turns tensors and plain containers into the pickle that stands in a `.pth` file: protocol 2, PyTorch's names."""

import collections
import struct
from pickle import PicklingError

from rushlight.io import _tensors
from rushlight.io._arrays import holds_numbers, is_array

_MAX_DEPTH = 1000
_BATCH = 1000  # items between two marks


def _encode_int(value):
    if 0 <= value < 256:
        return b"K" + bytes((value,))
    if 0 <= value < 65536:
        return b"M" + struct.pack("<H", value)
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return (b"\x8a" + bytes((len(raw),)) if len(raw) < 256 else b"\x8b" + struct.pack("<i", len(raw))) + raw


# What has no identity worth keeping becomes bytes at once.
_PLAIN = {
    type(None): lambda value: b"N",
    bool: lambda value: b"\x88" if value else b"\x89",
    int: _encode_int,
    float: lambda value: b"G" + struct.pack(">d", value),
}


class Pickler:
    """Writes one object.

    Args:
        add_storage: `f(tensor, path)` returns the key under which the tensor's storage is stored.
    """

    def __init__(self, add_storage):
        self._add_storage = add_storage
        self._out = []
        self._memo = {}  # id of an object, or ("text", str), or a global's name -> index
        self._kept = []  # keeps alive what `_memo` knows by id
        self._pending = []
        self._writers = {
            complex: self._complex,
            str: self._text,
            bytes: self._bytes,
            bytearray: self._bytearray,
            list: self._list,
            tuple: self._tuple,
            dict: self._dict,
            set: self._set,
            frozenset: self._set,
            collections.OrderedDict: self._ordered_dict,
            collections.defaultdict: self._default_dict,
            collections.Counter: self._counter,
            _tensors.Size: self._size,
            _tensors.dtype: self._dtype,
        }

    def dump(self, root):
        """The pickle of `root` as bytes.

        Raises:
            PicklingError: it holds something that could not be loaded again, or nests deeper than 1,000.
        """
        self._out.append(b"\x80\x02")
        pending = self._pending = [(root, (), 0)]
        while pending:
            task = pending.pop()
            if type(task) is bytes:
                self._out.append(task)
            elif callable(task):
                task()
            else:
                self._write(*task)
        self._out.append(b".")
        return b"".join(self._out)

    # ---- helpers ----

    def _write(self, value, path, depth):
        plain = _PLAIN.get(type(value))
        if plain is not None:
            self._out.append(plain(value))
            return
        if id(value) in self._memo:
            self._recall(id(value))
            return
        if depth > _MAX_DEPTH:
            raise PicklingError(f"save: {_shown(path)} nests deeper than {_MAX_DEPTH}")
        writer = self._writers.get(type(value))
        if writer is not None:
            writer(value, path, depth)
        elif isinstance(value, _tensors.Tensor):
            self._tensor(value, path, depth)
        elif isinstance(value, _tensors.device):
            self._call("torch", "device", [str(value)], path, depth)
        elif (
            type(value).__module__ == "numpy"
            and not is_array(value)
            and getattr(value, "shape", None) == ()
            and hasattr(value, "item")
        ):
            self._write(value.item(), path, depth)  # NumPy's scalars become the Python numbers they stand for
        elif is_array(value) and holds_numbers(value):
            self._array(value, path, depth)
        else:
            self._refuse(value, path)

    def _refuse(self, value, path):
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if hasattr(value, "state_dict"):
            raise PicklingError(
                f"save: {_shown(path)} is a {name}; loading a whole object would run code from the file, so only "
                "its state can be saved: save its state_dict()"
            )
        name += f" of dtype {value.dtype}" if is_array(value) else ""
        raise PicklingError(
            f"save: {_shown(path)} is a {name}; expected tensors, numbers, text, bytes, None, NumPy's arrays of "
            "numbers, and dicts, lists, tuples and sets of them"
        )

    def _remember(self, key):
        index = len(self._memo)
        self._memo[key] = index
        self._out.append(b"q" + bytes((index,)) if index < 256 else b"r" + struct.pack("<I", index))

    def _remember_object(self, value):
        self._kept.append(value)
        self._remember(id(value))

    def _recall(self, key):
        index = self._memo[key]
        self._out.append(b"h" + bytes((index,)) if index < 256 else b"j" + struct.pack("<I", index))

    def _global(self, module, name):
        key = f"c{module}\n{name}\n"
        if key in self._memo:
            self._recall(key)
        else:
            self._out.append(key.encode())
            self._remember(key)

    def _call(self, module, name, arguments, path, depth, then=()):
        """Push `module.name(*arguments)` and do what `then` lists."""
        self._global(module, name)
        self._pending.extend(reversed([b"(", *((a, path, depth + 1) for a in arguments), b"tR", *then]))

    # ---- numbers, text and bytes ----

    def _complex(self, value, path, depth):
        self._call("__builtin__", "complex", [value.real, value.imag], path, depth)

    def _text(self, value, path, depth):
        key = ("text", value)
        if key in self._memo:
            self._recall(key)
            return
        raw = value.encode("utf-8", "surrogatepass")
        if len(raw) >= 1 << 32:
            raise PicklingError(
                f"save: {_shown(path)} is a text of {len(raw)} bytes; expected less than 4 GB"
            )
        self._out.append(b"X" + struct.pack("<I", len(raw)) + raw)
        self._remember(key)

    def _bytes(self, value, path, depth):
        self._call("_codecs", "encode", [value.decode("latin1"), "latin1"], path, depth)

    def _bytearray(self, value, path, depth):
        self._call(
            "__builtin__", "bytearray", [bytes(value)], path, depth, [lambda: self._remember_object(value)]
        )

    # ---- containers ----

    def _list(self, value, path, depth):
        self._out.append(b"]")
        self._remember_object(value)
        self._queue_batches(value, 1, b"e", path, range(len(value)), depth)

    def _queue_batches(self, items, per_key, end, path, keys, depth):
        """Queue `items`, of which `per_key` belong to each of `keys`, between marks and `end`s."""
        tasks, run = [], [b"("]
        count = 0
        for item, key in zip(items, (key for key in keys for _ in range(per_key)), strict=True):
            plain = _PLAIN.get(type(item))
            if plain is not None:
                run.append(plain(item))
            else:
                tasks += [b"".join(run), (item, (path, key), depth + 1)]
                run = []
            count += 1
            if count == per_key * _BATCH:
                run += [end, b"("]
                count = 0
        tasks.append(b"".join([*run, end]))
        if items:
            self._pending.extend(reversed(tasks))

    def _queue_pairs(self, value, path, depth):
        flat = [part for pair in value.items() for part in pair]
        self._queue_batches(flat, 2, b"u", path, value, depth)

    def _dict(self, value, path, depth):
        self._out.append(b"}")
        self._remember_object(value)
        self._queue_pairs(value, path, depth)

    def _tuple(self, value, path, depth):
        if not value:
            self._out.append(b")")
            return

        def finish():
            if id(value) in self._memo:
                raise PicklingError(f"save: {_shown(path)} is a tuple that contains itself")
            self._out.append(b"t")
            self._remember_object(value)

        self._pending.extend(
            reversed([b"(", *((item, (path, i), depth + 1) for i, item in enumerate(value)), finish])
        )

    def _set(self, value, path, depth):
        self._call(
            "__builtin__",
            type(value).__name__,
            [list(value)],
            path,
            depth,
            [lambda: self._remember_object(value)],
        )

    def _filled(self, value, path, depth):
        """What follows the call that made an empty mapping: its memo, its items."""

        def fill():
            self._remember_object(value)
            if getattr(value, "__dict__", None):
                self._pending.append(b"b")
                self._pending.append((dict(value.__dict__), (path, "attributes"), depth + 1))
            self._queue_pairs(value, path, depth)

        return fill

    def _ordered_dict(self, value, path, depth):
        self._call("collections", "OrderedDict", [], path, depth, [self._filled(value, path, depth)])

    def _default_dict(self, value, path, depth):
        factory = value.default_factory
        if factory is not None and factory not in (list, dict, set, int, float, str, bool, tuple):
            raise PicklingError(
                f"save: {_shown(path)} is a defaultdict with the factory {factory!r}; expected list, dict, set, int, "
                "float, str, bool, tuple or None"
            )
        self._global("collections", "defaultdict")
        if factory is None:
            self._out.append(b"N\x85R")
        else:
            self._global("__builtin__", factory.__name__)
            self._out.append(b"\x85R")
        self._pending.append(self._filled(value, path, depth))

    def _counter(self, value, path, depth):
        self._call(
            "collections", "Counter", [dict(value)], path, depth, [lambda: self._remember_object(value)]
        )

    # ---- NumPy's arrays, as NumPy itself pickles them ----

    def _array(self, value, path, depth):
        make, _, (version, shape, dtype, columns_first, data) = value.__reduce__()

        def pickled_dtype():
            self._global("numpy", "dtype")
            text = dtype.str.lstrip("<>|=")
            order = (3, dtype.byteorder.replace("=", "<"), None, None, None, -1, -1, 0)
            self._pending.extend(reversed([b"(", *((a, path, depth + 1) for a in (text, False, True)), b"tR",
                                           (order, path, depth + 1), b"b"]))

        # The empty array, and what fills it.
        self._global(make.__module__, "_reconstruct")
        self._out.append(b"(")
        self._global("numpy", "ndarray")
        self._pending.extend(reversed([
            ((0,), path, depth + 1), (b"b", path, depth + 1), b"tR",
            b"(", _encode_int(version), (shape, path, depth + 1), pickled_dtype, _PLAIN[bool](columns_first),
            (data, path, depth + 1), b"tb", lambda: self._remember_object(value)]))

    # ---- tensors ----

    def _size(self, value, path, depth):
        self._call("torch", "Size", [tuple(value)], path, depth)

    def _dtype(self, value, path, depth):
        self._global("torch", _tensors.dtype_name(value))

    def _tensor(self, value, path, depth):
        # Memory is known by the tensor's id only once it is complete, as with tuples; a tensor can't contain
        # itself.
        finish = [lambda: self._remember_object(value)]
        if isinstance(value, _tensors.Parameter):
            self._global("torch._utils", "_rebuild_parameter")
            self._pending.extend(
                reversed(
                    [
                        b"(",
                        lambda: self._plain_tensor(value.detach(), path),
                        (value.requires_grad, path, depth),
                        (collections.OrderedDict(), path, depth),
                        b"tR",
                        *finish,
                    ]
                )
            )
        else:
            self._plain_tensor(value, path)
            self._pending.extend(finish)

    def _plain_tensor(self, value, path):
        key, count = self._add_storage(value, path)
        dtype = _tensors.dtype_name(value.dtype)
        typed = dtype in _tensors.STORAGE_NAMES
        self._global("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3")
        self._out.append(b"((")
        for text in ("storage", None, key, "cpu"):
            if text is None:
                if typed:
                    self._global("torch", _tensors.STORAGE_NAMES[dtype])
                else:
                    self._global("torch.storage", "UntypedStorage")
            else:
                self._text(text, path, 0)
        self._out.append(_encode_int(count))
        self._out.append(b"tQ")
        self._out.append(_encode_int(value.storage_offset()))
        for numbers in (value.shape, value.stride()):
            self._out.append(b"(")
            for number in numbers:
                self._out.append(_encode_int(number))
            self._out.append(b"t")
        self._out.append(_PLAIN[bool](value.requires_grad))
        self._global("collections", "OrderedDict")
        self._out.append(b")R")
        if not typed:
            self._global("torch", dtype)
        self._out.append(b"tR")


def _shown(path):
    """`value['model'][0]` for the nested pair that a path is."""
    keys = []
    while path:
        path, key = path
        keys.append(f"[{key!r}]")
    return "value" + "".join(reversed(keys))
