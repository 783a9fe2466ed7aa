"""Zip files whose members are stored and aligned: the one writer and the one reader.

The writer's output is a function of the members' names, sizes and checksums alone, so the reader can derive
every header byte of a file that was written here and compare: together with the members' CRC-32 this covers
each bit of the file. Zip files of other writers are read too, provided that their members follow each other
without gaps and agree with the directory.
"""

import os
import struct
import zlib

from rushlight.io._errors import CorruptFileError

ALIGNMENT = 64
COMMENT = b"rushlight zip 1"
MARKER = ".rushlight"  # a member of this name (in the archive's folder) is the second sign of our own files

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_BIG32 = 0xFFFFFFFF
_BIG16 = 0xFFFF
_DATE = 0x0021  # 1980-01-01: the file does not depend on when it was written
_UTF8 = 0x0800
_HAS_DESCRIPTOR = 0x0008
_PADDING_FIELD = 0x4246
_CHUNK = 1 << 20


class Entry:
    """One member: where it is and what the directory says of it."""

    __slots__ = ("compressed", "crc", "data_offset", "flags", "method", "name", "offset", "size")

    def __init__(self, name, method, flags, crc, compressed, size, offset):
        self.name = name
        self.method = method
        self.flags = flags
        self.crc = crc
        self.compressed = compressed
        self.size = size
        self.offset = offset
        self.data_offset = 0


def _local_header(entry):
    """The bytes before the member's data, padded so that the data is aligned."""
    name = entry.name.encode()
    size, extra = entry.size, b""
    if size >= _BIG32:
        extra = struct.pack("<2H2Q", 1, 16, size, size)
        size = _BIG32
    padding = -(entry.offset + _LOCAL.size + len(name) + len(extra)) % ALIGNMENT
    if padding:
        padding += ALIGNMENT if padding < 4 else 0
        extra += struct.pack("<2H", _PADDING_FIELD, padding - 4) + bytes(padding - 4)
    version = 45 if size == _BIG32 else 20
    return (
        _LOCAL.pack(b"PK\3\4", version, _UTF8, 0, 0, _DATE, entry.crc, size, size, len(name), len(extra))
        + name
        + extra
    )


def _directory(entries, offset):
    """The bytes after the last member: the central directory and the end records."""
    pieces = []
    for entry in entries:
        name = entry.name.encode()
        size, at, big = entry.size, entry.offset, []
        if size >= _BIG32:
            big += [size, size]
            size = _BIG32
        if at >= _BIG32:
            big.append(at)
            at = _BIG32
        extra = struct.pack(f"<2H{len(big)}Q", 1, 8 * len(big), *big) if big else b""
        version = 45 if big else 20
        pieces.append(
            _CENTRAL.pack(
                b"PK\1\2",
                version,
                version,
                _UTF8,
                0,
                0,
                _DATE,
                entry.crc,
                size,
                size,
                len(name),
                len(extra),
                0,
                0,
                0,
                0,
                at,
            )
            + name
            + extra
        )
    directory = b"".join(pieces)
    count, length = len(entries), len(directory)
    if count >= _BIG16 or offset >= _BIG32 or length >= _BIG32:
        end = offset + length
        directory += _END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, count, count, length, offset)
        directory += _LOCATOR64.pack(b"PK\6\7", 0, end, 1)
        count, length, offset = _BIG16, _BIG32, _BIG32
    return directory + _END.pack(b"PK\5\6", 0, 0, count, count, length, offset, len(COMMENT)) + COMMENT


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
        self._entries = []
        self.add(MARKER, b"1")

    def add(self, name, data):
        """Write one member; `data` is any contiguous buffer."""
        view = memoryview(data).cast("B")
        entry = Entry(f"{self._folder}/{name}", 0, _UTF8, checksum(view), len(view), len(view), self._offset)
        header = _local_header(entry)
        self._write(header)
        if len(view):
            self._write(view)
        self._offset += len(header) + len(view)
        self._entries.append(entry)

    def close(self):
        """Write the directory."""
        self._write(_directory(self._entries, self._offset))


def checksum(view, start=0):
    """CRC-32 of a buffer, in pieces that stay in the cache and let other threads run."""
    for begin in range(0, len(view), _CHUNK):
        start = zlib.crc32(view[begin : begin + _CHUNK], start)
    return start


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
        self._where = where
        self._inflated = 0
        self.entries = {}
        start, directory, comment, end_records = self._read_end()
        ordered = self._parse_directory(directory, start)
        for entry in ordered:
            if entry.name in self.entries:
                self._fail(f"member {entry.name!r} appears twice")
            self.entries[entry.name] = entry
        self._check_locals(sorted(ordered, key=lambda e: e.offset), start)
        self.is_ours = comment == COMMENT or any(name.rpartition("/")[2] == MARKER for name in self.entries)
        if self.is_ours:
            self._check_own_bytes(ordered, start, directory + end_records)
        # PyTorch can be told not to compute checksums; it then writes zeros for all of them.
        self.has_checksums = any(entry.crc for entry in ordered)

    def _fail(self, text):
        raise CorruptFileError(f"{self._where}: {text}")

    def _read_end(self):
        """(offset of the directory, its bytes, the comment, the bytes after the directory)"""
        size = self._source.size
        tail_start = max(0, size - _END.size - _BIG16)
        tail = self._source.read(tail_start, size - tail_start)
        at = len(tail) - _END.size
        while at >= 0:
            at = tail.rfind(b"PK\5\6", 0, at + 4)
            if at < 0 or at + _END.size + struct.unpack_from("<H", tail, at + 20)[0] == len(tail):
                break
            at -= 1
        if at < 0:
            self._fail("truncated, or not a zip file: no end record")
        _, disk, first_disk, here, count, length, start, _ = _END.unpack_from(tail, at)
        end = tail_start + at
        records = end
        if end >= _LOCATOR64.size + _END64.size:
            signature, _, end64, _ = _LOCATOR64.unpack(
                self._source.read(end - _LOCATOR64.size, _LOCATOR64.size)
            )
            if signature == b"PK\6\7":
                if end64 != end - _LOCATOR64.size - _END64.size:
                    self._fail("the zip64 end record is not where the file says")
                signature, _, _, _, disk, first_disk, here, count, length, start = _END64.unpack(
                    self._source.read(end64, _END64.size)
                )
                if signature != b"PK\6\6":
                    self._fail("the zip64 end record is damaged")
                records = end64
        if disk or first_disk or here != count:
            self._fail("the end record is damaged, or the archive has several parts")
        if start + length != records:
            self._fail("the directory does not end where the end record begins")
        if length < count * _CENTRAL.size:
            self._fail(f"the directory of {length} bytes can't hold {count} members")
        self._count = count
        directory = self._source.read(start, length)
        return start, directory, tail[at + _END.size :], self._source.read(records, size - records)

    def _parse_directory(self, directory, start):
        entries = []
        at = 0
        for _ in range(self._count):
            if at + _CENTRAL.size > len(directory):
                self._fail("the directory is cut")
            (
                signature,
                _,
                _,
                flags,
                method,
                _,
                _,
                crc,
                compressed,
                size,
                name_length,
                extra_length,
                comment_length,
                _,
                _,
                _,
                offset,
            ) = _CENTRAL.unpack_from(directory, at)
            at += _CENTRAL.size
            if signature != b"PK\1\2" or at + name_length + extra_length + comment_length > len(directory):
                self._fail("the directory is damaged")
            try:
                name = directory[at : at + name_length].decode()
            except UnicodeDecodeError:
                self._fail("a member's name is not UTF-8")
            extra = directory[at + name_length : at + name_length + extra_length]
            at += name_length + extra_length + comment_length
            size, compressed, offset = self._widen(name, extra, size, compressed, offset)
            if flags & ~(_UTF8 | _HAS_DESCRIPTOR | 0x6) or method not in (0, 8):
                self._fail(
                    f"member {name!r} is encrypted or compressed in an unknown way (flags {flags:#x}, method {method})"
                )
            if method == 0 and size != compressed:
                self._fail(f"member {name!r} is stored, but its two sizes are {compressed} and {size}")
            if offset + _LOCAL.size + compressed > start:
                self._fail(f"member {name!r} reaches beyond the directory")
            entries.append(Entry(name, method, flags, crc, compressed, size, offset))
        if at != len(directory):
            self._fail("the directory is longer than its members")
        return entries

    def _widen(self, name, extra, size, compressed, offset):
        """The sizes and the offset, taken from the zip64 field where they do not fit into 32 bits."""
        wide = [size == _BIG32, compressed == _BIG32, offset == _BIG32]
        if not any(wide):
            return size, compressed, offset
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            if kind == 1 and length >= 8 * sum(wide) and at + 4 + length <= len(extra):
                values = list(struct.unpack_from(f"<{sum(wide)}Q", extra, at + 4))
                return [
                    values.pop(0) if w else old
                    for w, old in zip(wide, (size, compressed, offset), strict=True)
                ]
            at += 4 + length
        raise CorruptFileError(f"{self._where}: member {name!r} lacks its zip64 sizes")

    def _check_locals(self, entries, start):
        """Compare each member's own header with the directory; members must follow each other."""
        expected = 0
        for i, entry in enumerate(entries):
            following = entries[i + 1].offset if i + 1 < len(entries) else start
            if entry.offset != expected:
                self._fail(f"member {entry.name!r} begins at byte {entry.offset}; expected {expected}")
            (signature, _, flags, method, _, _, crc, compressed, size, name_length, extra_length) = (
                _LOCAL.unpack(self._source.read(entry.offset, _LOCAL.size))
            )
            rest = (
                self._source.read(entry.offset + _LOCAL.size, name_length + extra_length)
                if entry.offset + _LOCAL.size + name_length + extra_length <= start
                else b""
            )
            entry.data_offset = entry.offset + _LOCAL.size + name_length + extra_length
            data_end = entry.data_offset + entry.compressed
            later = bool(flags & _HAS_DESCRIPTOR)  # sizes and checksum follow the data
            agrees = (
                signature == b"PK\3\4"
                and flags == entry.flags
                and method == entry.method
                and rest[:name_length] == entry.name.encode()
                and data_end <= following
                and (
                    later
                    or (
                        crc == entry.crc
                        and size in (entry.size, _BIG32)
                        and compressed in (entry.compressed, _BIG32)
                    )
                )
            )
            if not agrees or not 0 <= following - data_end <= (24 if later else 0):
                self._fail(f"the header of member {entry.name!r} disagrees with the directory")
            expected = following
        if expected != start:
            self._fail("there are bytes that belong to no member")

    def _check_own_bytes(self, entries, start, end_bytes):
        """For a file written here: compare every byte around the data with what the writer makes of the directory."""
        if _directory(entries, start) != end_bytes:
            self._fail("the directory is damaged")
        for entry in entries:
            header = _local_header(entry)
            if (
                entry.offset + len(header) != entry.data_offset
                or self._source.read(entry.offset, len(header)) != header
            ):
                self._fail(f"the header of member {entry.name!r} is damaged")

    def read(self, entry, what):
        """The bytes of a member, inflated if need be and verified; `what` names it in errors."""
        data = self._source.read(entry.data_offset, entry.compressed)
        if entry.method == 8:
            data = self._inflate(entry, data, what)
        if self.has_checksums and zlib.crc32(data) != entry.crc:
            self._fail(f"{what}: checksum mismatch")
        return data

    def _inflate(self, entry, data, what):
        # A few bytes can inflate to a thousand times as many: all members together get four times the file's
        # size.
        self._inflated += entry.size
        limit = max(4 * self._source.size, 1 << 16)
        if self._inflated > limit:
            self._fail(f"{what}: the file inflates to more than {limit} bytes")
        machine = zlib.decompressobj(-15)
        try:
            out = machine.decompress(data, entry.size + 1)
        except zlib.error as error:
            self._fail(f"{what}: {error}")
        if len(out) != entry.size or not machine.eof:
            self._fail(
                f"{what}: inflates to another size than the {entry.size} bytes that the directory says"
            )
        return out

    def read_into(self, entry, view):
        """Fill `view` with a stored member's bytes; returns whether the checksum agrees."""
        crc = 0
        for begin in range(0, len(view), _CHUNK):
            piece = view[begin : begin + _CHUNK]
            self._source.read_into(entry.data_offset + begin, piece)
            crc = zlib.crc32(piece, crc)
        return not self.has_checksums or crc == entry.crc

    def verify(self, entry):
        """Whether a stored member's checksum agrees, in little memory."""
        crc = 0
        buffer = memoryview(bytearray(min(_CHUNK, entry.compressed)))
        for begin in range(0, entry.compressed, _CHUNK):
            piece = buffer[: entry.compressed - begin]
            self._source.read_into(entry.data_offset + begin, piece)
            crc = zlib.crc32(piece, crc)
        return not self.has_checksums or crc == entry.crc

    def verify_view(self, entry, view):
        """Whether `view`, a stored member's bytes, has the member's checksum."""
        return not self.has_checksums or checksum(view) == entry.crc
