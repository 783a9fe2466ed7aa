"""PyTorch's file format from before version 1.6: pickles one after the other, then the bytes of each storage."""

import struct
from pickle import UnpicklingError

from rushlight._files.errors import CorruptFileError, RecordError
from rushlight.io import _tensors
from rushlight.io._admitted import LoadedStorage
from rushlight.io._pickle_reader import Unpickler

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
LEGACY_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the first pickle: the magic number


def load_legacy(source, where, location, encoding):
    """The object in such a file. These files carry no checksums: lengths and types alone are verified."""
    data = source.read(0, source.size)
    storages = {}
    total = 0

    def storage(kind, key, saved_from, count, view):
        nonlocal total
        # An old view of a storage: (its key, offset, size) in elements of the same root.
        if view is not None:
            raise CorruptFileError(
                f"{where}: storage {key!r} is a view of another storage, as PyTorch 0.3 saved them; "
                "load and save the file again with PyTorch"
            )
        location.check(saved_from)
        size = count * kind.itemsize
        if key not in storages:
            total += size
            if total > len(data):
                raise CorruptFileError(
                    f"{where}: truncated: storage {key!r} and those before it have {total} bytes, the file {len(data)}"
                )
            storages[key] = (kind, *_tensors.new_memory(size))
        known, memory, bytes_view = storages[key]
        if len(bytes_view) != size or known.itemsize != kind.itemsize:
            raise RecordError(key, f"storage {key!r} is described twice, differently")
        return LoadedStorage(kind, memory, key)

    try:
        machine = Unpickler(data, storage, encoding=encoding)
        magic, protocol, system = (
            machine.load(),
            machine.load(machine.position),
            machine.load(machine.position),
        )
        if magic != _MAGIC or protocol != _PROTOCOL:
            raise CorruptFileError(
                f"{where}: begins with magic number {magic!r}, protocol {protocol!r}; expected {_MAGIC}, {_PROTOCOL}"
            )
        if type(system) is not dict or system.get("little_endian", True) is not True:
            raise CorruptFileError(f"{where}: was written on a big-endian machine")
        value = machine.load(machine.position)
        keys = machine.load(machine.position)
    except RecordError as error:
        raise CorruptFileError(f"{where}: {error.text}") from None
    if type(keys) is not list or sorted(map(str, keys)) != sorted(storages):
        raise UnpicklingError("the list of storages is not that of the tensors")
    _fill(data, machine.position, [str(key) for key in keys], storages, where)
    return value


def _fill(data, at, keys, storages, where):
    for key in keys:
        kind, _, view = storages[key]
        if at + 8 > len(data):
            raise CorruptFileError(f"{where}: truncated before storage {key!r}")
        (count,) = struct.unpack_from("<q", data, at)
        at += 8
        if count * kind.itemsize != len(view) or at + len(view) > len(data):
            raise CorruptFileError(
                f"{where}: storage {key!r} has {count} elements; expected {len(view) // kind.itemsize}, all in the file"
            )
        view[:] = memoryview(data)[at : at + len(view)]
        at += len(view)
    if at != len(data):
        raise CorruptFileError(f"{where}: {len(data) - at} bytes follow the last storage")
