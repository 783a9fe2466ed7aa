"""Event files: records with checksums, each in the file as soon as it is written."""
import io
import itertools
import os
import socket
import struct
import time

from rushlight import _C
from rushlight.utils.tensorboard import _messages as messages

_numbers = itertools.count()


def _checksum(data):
    sum = _C._crc32c(data)
    return struct.pack("<I", ((sum >> 15 | sum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


class RecordWriter:
    """Appends records to a file, each in one go: a program that is killed leaves whole records.

    Args:
        path (str): the file; made anew.

    Raises:
        ValueError: an address such as `s3://...`: only files of this machine can be written.
    """

    def __init__(self, path):
        path = os.fspath(path)
        if "://" in path:
            raise ValueError(f"SummaryWriter: log_dir={path!r} is no folder of this machine; expected a path")
        self.path = path
        self._file = io.FileIO(path, "w")

    def write(self, data):
        """Appends one record.

        Args:
            data (bytes): what it holds.
        """
        length = struct.pack("<Q", len(data))
        self._file.write(b"".join((length, _checksum(length), data, _checksum(data))))

    def flush(self):
        """Nothing is ever kept back."""

    def close(self):
        """Closes the file."""
        self._file.close()

    @property
    def closed(self):
        return self._file.closed


class EventFileWriter:
    """An event file in a folder, named as TensorBoard expects it.

    Args:
        logdir (str): the folder; made when absent.
        filename_suffix (str): the end of the file's name. Default: "".
    """

    def __init__(self, logdir, filename_suffix=""):
        self._logdir, self._suffix = os.fspath(logdir), filename_suffix
        self._open()

    def _open(self):
        os.makedirs(self._logdir, exist_ok=True)
        name = (f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}."
                f"{next(_numbers)}{self._suffix}")
        self._records = RecordWriter(os.path.join(self._logdir, name))
        self._process = os.getpid()
        source = messages.nested(10, messages.text(1, "rushlight.utils.tensorboard"))
        self._records.write(messages.event(time.time(), 0, messages.text(3, "brain.Event:2") + source))

    def get_logdir(self):
        return self._logdir

    def add_event(self, event):
        """Writes an event.

        Args:
            event: bytes, or an object with `SerializeToString`.
        """
        if self._records.closed or self._process != os.getpid():   # a child of a fork writes a file of its own
            self._open()
        self._records.write(event if isinstance(event, bytes) else event.SerializeToString())

    def flush(self):
        self._records.flush()

    def close(self):
        self._records.close()
