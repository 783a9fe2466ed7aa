"""Zip files whose members are stored and aligned, as core/files reads and lays them out.

The writer's output is a function of the members' names, sizes and checksums alone, so the reader derives every byte
around the data of a file that was written here, and compares: with the members' CRC-32 this covers each bit of it.
"""

import os

from rushlight._C import files
from rushlight._files.errors import CorruptFileError

MARKER = ".rushlight"  # a member of this name (in the archive's folder) is the second sign of our own files


class ZipWriter:
    """Writes members one after the other to `write`, a function that takes bytes.

    Args:
        write: called with bytes-like pieces in order; nothing is ever rewritten.
        folder: the folder in the archive that holds all members.
    """

    def __init__(self, write, folder):
        self._write = write
        self._folder = folder
        self._offset = 0
        self._members = []
        self.add(MARKER, b"1")

    def add(self, name, data):
        """Write one member; `data` is any contiguous buffer."""
        view = memoryview(data).cast("B")
        member = files.Member(f"{self._folder}/{name}", files.checksum(view), len(view), self._offset)
        header = files.header_of(member)
        self._write(header)
        if len(view):
            self._write(view)
        self._offset += len(header) + len(view)
        self._members.append(member)

    def close(self):
        """Write the directory."""
        self._write(files.directory_of(self._members, self._offset))


class FileSource:
    """Random access to the bytes of an open binary file, from where it stands to its end."""

    def __init__(self, file):
        self._file = file
        self._base = file.tell()
        self.size = file.seek(0, os.SEEK_END) - self._base
        self._readinto = getattr(file, "readinto", None)

    def read(self, offset, count):
        out = bytearray(count)
        self.read_into(offset, memoryview(out))
        return bytes(out)

    def read_into(self, offset, view):
        self._file.seek(self._base + offset)
        done = 0
        while done < len(view):
            if self._readinto is not None:
                count = self._readinto(view[done:])
            else:
                piece = self._file.read(len(view) - done)
                count = len(piece)
                view[done : done + count] = piece
            if not count:
                raise CorruptFileError("the file became shorter while it was read")
            done += count


class Entry:
    """One member: its number, whether it is stored as it is, where its data begins, and its size."""

    __slots__ = ("data_offset", "index", "size", "stored")

    def __init__(self, index, stored, data_offset, size):
        self.index = index
        self.stored = stored
        self.data_offset = data_offset
        self.size = size


class ZipReader:
    """Reads the members of a zip file, trusting nothing in it.

    Args:
        source: a FileSource.
        where: how errors begin, such as `load: 'w.pth'`.

    Raises:
        CorruptFileError: the directory is missing, cut, inconsistent or disagrees with the members.
    """

    def __init__(self, source, where):
        self._source = source
        self._zip = self._checked(files.Zip, source.size, source.read, where)
        self.entries = {name: Entry(i, *rest) for i, (name, *rest) in enumerate(self._zip.members)}

    @staticmethod
    def _checked(function, *args):
        try:
            return function(*args)
        except RuntimeError as error:
            raise CorruptFileError(str(error)) from None

    def read(self, entry):
        """The bytes of a member, verified. Where members are compressed, all give up to four times the file's size."""
        return self._checked(self._zip.read, entry.index, max(4 * self._source.size, 1 << 16))

    def read_into(self, entry, view):
        """Fill `view` with a stored member's bytes; returns whether the checksum agrees."""
        self._source.read_into(entry.data_offset, view)
        return self.fits(entry, view)

    def fits(self, entry, view):
        """Whether `view` has the checksum of a stored member."""
        return self._zip.fits(entry.index, view)
