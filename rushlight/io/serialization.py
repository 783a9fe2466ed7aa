"""`save` and `load`: PyTorch's `.pth` files."""

import mmap
import os
from pickle import PicklingError, UnpicklingError

from rushlight._files.atomic import AtomicFile
from rushlight._files.errors import CorruptFileError, RecordError
from rushlight._files.zip import FileSource, ZipReader, ZipWriter
from rushlight.io import _tensors
from rushlight.io._admitted import LoadedStorage, TensorMaker
from rushlight.io._legacy import LEGACY_START, load_legacy
from rushlight.io._pickle_reader import Unpickler
from rushlight.io._pickle_writer import Pickler


def save(obj, f, pickle_module=None, pickle_protocol=2, _use_new_zipfile_serialization=True):
    """Save tensors, arrays, numbers, text and containers of them in a file that `load` and PyTorch's `load` read.

    Views that share memory share it again when loaded. A path is replaced at once when the new file is
    complete and on the disk: whatever happens in between, the old file or the new one is there.

    Args:
        obj: a state_dict, a tensor, or any nesting of dict, list, tuple, set, OrderedDict, defaultdict,
            Counter, str, bytes, int, float, complex, bool, None, Size, dtype, device, Tensor, Parameter, and
            NumPy's arrays of numbers. A whole Module is refused: save its state_dict().
        f: a path, or an object with `write`.
        pickle_module: accepted for PyTorch's sake and not used.
        pickle_protocol: 2 to 5; protocol 2 is written, the one that every reader takes.

    Raises:
        pickle.PicklingError: `obj` holds something else; the message says where.
        RuntimeError: two tensors share memory under different dtypes, which the format can't say.
        OSError: the file can't be written; an existing one stays.

    Example:
        >>> import io
        >>> import rushlight as rl
        >>> file = io.BytesIO()
        >>> rl.save({"weight": rl.ones(2)}, file)
        >>> _ = file.seek(0)
        >>> rl.load(file)
        {'weight': tensor([1., 1.])}
    """
    if type(pickle_protocol) is not int or not 2 <= pickle_protocol <= 5:
        raise ValueError(f"save: pickle_protocol={pickle_protocol!r}; expected an int from 2 to 5")
    if not _use_new_zipfile_serialization:
        raise ValueError("save: PyTorch's format from before version 1.6 is read but not written")
    storages = _Storages()
    pickle = Pickler(storages.add).dump(obj)
    if isinstance(f, (str, os.PathLike)):
        folder = os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive"
        with AtomicFile(f) as file:
            _write_archive(file.write, folder, pickle, storages)
    elif hasattr(f, "write"):
        _write_archive(f.write, "archive", pickle, storages)
    else:
        raise AttributeError(f"save: f is a {type(f).__name__}; expected a path or an object with write")


class _Storages:
    """The storages of one save, in the order of their first tensor."""

    def __init__(self):
        self._index = {}
        self.views = []
        self._kept = []

    def add(self, tensor, path):
        """(key of the tensor's storage in the file, its number of elements)"""
        identity, view = _tensors.storage_of(tensor)
        key, kind = self._index.setdefault(identity, (str(len(self.views)), tensor.dtype))
        if kind != tensor.dtype:
            raise RuntimeError(
                f"save: tensors of {_tensors.dtype_name(kind)} and {_tensors.dtype_name(tensor.dtype)} share memory, "
                "which the format can't say; save a clone() of one of them"
            )
        if key == str(len(self.views)):
            self.views.append(view)
            self._kept.append(tensor)
        return key, len(view) // _tensors.storage_itemsize(tensor.dtype)


def _write_archive(write, folder, pickle, storages):
    writer = ZipWriter(write, folder)
    writer.add("data.pkl", pickle)
    writer.add("byteorder", b"little")
    for key, view in enumerate(storages.views):
        writer.add(f"data/{key}", view)
    writer.add("version", b"3\n")
    writer.close()


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args):
    """Load what `save`, or PyTorch's `save`, wrote.

    Nothing in the file is ever run: tensors, NumPy's arrays and numbers, text and plain containers are read, and
    anything else is refused by name, with `weights_only=False` too. Checksums are verified, sizes are checked, and the
    memory used is bounded by the file's size.

    Args:
        f: a path, or a binary file object with `read`, `seek` and `tell`.
        map_location: where storages saved from another device go: "cpu", a device, a dict from location to
            location, or a function of (storage, location) that returns something other than None. Tensors
            always come back on the CPU.
        pickle_module: accepted for PyTorch's sake and not used.
        weights_only: accepted; loading is always restricted so.
        mmap: True leaves tensors in the file (a path), copied page by page when written to.
        encoding: how byte strings of Python 2 become text ("utf-8"); "bytes" leaves them.

    Raises:
        CorruptFileError: (a RuntimeError) the file is truncated, damaged or not of this format.
        pickle.UnpicklingError: it holds something that is not data, or nests deeper than 1,000.
        RuntimeError: a tensor was saved from a device that is not there, and map_location does not say where
            it goes.

    Example:
        >>> import io
        >>> import rushlight as rl
        >>> file = io.BytesIO()
        >>> rl.save([rl.arange(3), "text"], file)
        >>> _ = file.seek(0)
        >>> rl.load(file)
        [tensor([0, 1, 2]), 'text']
    """
    encoding = pickle_load_args.pop("encoding", "utf-8")
    if pickle_load_args:
        raise TypeError(f"load: unknown argument {next(iter(pickle_load_args))!r}")
    if isinstance(f, (str, os.PathLike)):
        where = f"load: {os.fspath(f)!r}"
        with open(f, "rb", buffering=0) as file:
            return _load(file, where, _Location(map_location, where), bool(mmap), encoding)
    if mmap:
        raise ValueError("load: mmap=True needs a path, not a file object")
    if not all(hasattr(f, name) for name in ("read", "seek", "tell")):
        raise AttributeError(
            f"load: f is a {type(f).__name__}; expected a path or a binary file with read, seek and tell"
        )
    name = getattr(f, "name", None)
    where = f"load: {name!r}" if isinstance(name, str) else f"load: the {type(f).__name__}"
    return _load(f, where, _Location(map_location, where), False, encoding)


def _load(file, where, location, mapped, encoding):
    source = FileSource(file)
    start = source.read(0, min(source.size, 512))
    try:
        if start.startswith(b"PK\3\4"):
            archive = _Archive(file, source, where, location, mapped)
            return archive.load(encoding)
        if start.startswith(LEGACY_START):
            return load_legacy(source, where, location, encoding)
    except UnpicklingError as error:
        raise UnpicklingError(f"{where}: {error}") from None
    if not start:
        raise CorruptFileError(f"{where}: the file is empty")
    if start[257:262] == b"ustar":
        raise CorruptFileError(
            f"{where}: this is a tar file of PyTorch before 0.1.10; load and save it again with a PyTorch of the time"
        )
    raise CorruptFileError(
        f"{where}: begins with {start[:4]!r}; expected a zip file as rushlight.save and torch.save write it"
    )


class _Location:
    """Decides whether a storage saved from some device may come to the CPU."""

    def __init__(self, map_location, where):
        if not (
            map_location is None
            or isinstance(map_location, (str, dict, _tensors.device))
            or callable(map_location)
        ):
            raise TypeError(
                f"load: map_location is a {type(map_location).__name__}; expected None, a device, a dict or a function"
            )
        self._map = map_location
        self._where = where

    def check(self, location):
        """RuntimeError when a storage of `location` can't be placed."""
        target = location
        if isinstance(self._map, dict):
            target = str(self._map.get(location, location))
        elif isinstance(self._map, (str, _tensors.device)):
            target = str(self._map)
        elif self._map is not None and self._map(_Opaque(), location) is not None:
            target = "cpu"
        if target.split(":")[0] != "cpu":
            raise RuntimeError(
                f"{self._where}: a tensor was saved from device {location!r} and would go to {target!r}, which is not "
                "available; pass map_location='cpu'"
            )


class _Opaque:
    """What a map_location function gets as its storage."""

    def cpu(self):
        return self


class _Archive:
    """A zip file of PyTorch's format."""

    def __init__(self, file, source, where, location, mapped):
        self._zip = ZipReader(source, where)
        self._where = where
        self._location = location
        pickles = [name for name in self._zip.entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if "program/graph.json" in self._zip.entries:
            raise CorruptFileError(f"{where}: this is a program that rushlight.jit.save wrote; read it with "
                                   "rushlight.jit.load")
        if len(pickles) != 1:
            raise CorruptFileError(
                f"{where}: holds no member <folder>/data.pkl; expected a file as rushlight.save and torch.save "
                "write it" + (" (this one is a TorchScript archive)" if len(pickles) > 1 else "")
            )
        self._folder = pickles[0].partition("/")[0]
        self._loaded = {}
        self._mapping = None
        if mapped:
            self._mapping = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        small = {
            name: self._zip.read(entry)
            for name, entry in self._zip.entries.items()
            if not name.startswith(f"{self._folder}/data/")
        }
        self._pickle = small[pickles[0]]
        if f"{self._folder}/constants.pkl" in small:
            raise CorruptFileError(
                f"{where}: this is a TorchScript archive, a program; expected what torch.save writes of a state_dict"
            )
        if small.get(f"{self._folder}/byteorder", b"little") != b"little":
            raise CorruptFileError(
                f"{where}: was written on a big-endian machine; load and save it again there with byteorder little"
            )

    def load(self, encoding):
        try:
            value = Unpickler(self._pickle, self._storage, encoding=encoding).load()
        except RecordError as error:
            name = _tensor_name(self._pickle, error.key, encoding)
            raise CorruptFileError(f"{self._where}: {name}: {error.text}") from None
        for name, entry in self._zip.entries.items():
            if name.startswith(f"{self._folder}/data/") and name not in self._loaded:
                self._zip.read(entry)                        # verifies it
        return value

    def _storage(self, kind, key, location, count, view):
        name = f"{self._folder}/data/{key}"
        if name not in self._loaded:
            self._location.check(location)
            self._loaded[name] = self._read_storage(name, key)
        size, memory = self._loaded[name]
        if size != count * kind.itemsize:
            raise RecordError(
                key, f"the record has {size} bytes; expected {count} elements of {kind.itemsize}"
            )
        return LoadedStorage(kind, memory, key)

    def _read_storage(self, name, key):
        entry = self._zip.entries.get(name)
        if entry is None:
            raise RecordError(key, f"the record {name!r} is missing")
        if not entry.stored:
            raise RecordError(key, "the record is compressed; expected a stored one")
        if self._mapping is not None and entry.data_offset % 16 == 0:
            view = self._mapping[entry.data_offset : entry.data_offset + entry.size]
            if not self._zip.fits(entry, view):
                raise RecordError(key, "checksum mismatch")
            return entry.size, _tensors.memory_over(view)
        memory, view = _tensors.new_memory(entry.size)
        if not self._zip.read_into(entry, view):
            raise RecordError(key, "checksum mismatch")
        return entry.size, memory


# ---- naming the tensor of a damaged record
# --------------------------------------------------------------------------------


class _Name:
    """Stands for a tensor while its name is looked for."""

    def __init__(self, key):
        self.key = key


class _NameMaker(TensorMaker):
    def tensor(self, storage, dtype, offset, size, stride, requires_grad):
        return _Name(storage.key)

    def parameter(self, tensor, requires_grad):
        return tensor

    def is_tensor(self, value):
        return isinstance(value, _Name)

    def set_state(self, tensor, state):
        pass


def _tensor_name(pickle, key, encoding):
    """`tensor 'fc.weight'` for the first tensor over the storage of that key."""
    try:
        root = Unpickler(
            pickle, lambda kind, k, *rest: LoadedStorage(kind, None, k), _NameMaker(), encoding
        ).load()
    except (UnpicklingError, CorruptFileError):
        return f"the tensor of record {key!r}"
    pending, seen = [(root, ())], set()
    while pending:
        value, path = pending.pop()
        if isinstance(value, _Name):
            if value.key == key:
                return f"tensor {'.'.join(path)!r}" if path else "the tensor"
        elif id(value) not in seen and isinstance(value, (dict, list, tuple)):
            seen.add(id(value))
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            pending.extend((item, (*path, str(k))) for k, item in reversed(list(pairs)))
    return f"the tensor of record {key!r}"


__all__ = ["CorruptFileError", "PicklingError", "UnpicklingError", "load", "save"]
