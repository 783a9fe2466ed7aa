"""Replacing a file so that at every moment the old one or the new one is there, whole."""

import contextlib
import fcntl
import os
import stat

_SUFFIX = ".rushlight-tmp"


class AtomicFile:
    """A new file that takes the place of `path` when the block ends without an exception.

    The bytes go to a temporary file beside the target, which is synced and renamed; then the folder is
    synced. The permissions of a replaced file are kept, and a symbolic link keeps pointing to the (new) file.
    Temporary files that a killed process left are removed by the next save to the same target. What is not a
    regular file (a pipe, /dev/null) is written directly.

    Attributes:
        write: takes bytes-like pieces.

    Raises:
        OSError: as `open`, `write` and `rename` raise it; the target is then as before.
    """

    def __init__(self, path):
        self._target = os.path.realpath(os.fspath(path))
        self._shown = path

    def __enter__(self):
        mode = self._mode_of_target()
        self._temporary = None
        if mode is not None and not stat.S_ISREG(mode):
            descriptor = os.open(self._target, os.O_WRONLY)
        else:
            folder, name = os.path.split(self._target)
            # Part of the name only: with all the rest it has to stay under the file system's 255 bytes.
            prefix = "." + os.fsdecode(os.fsencode(name)[:100]) + "."
            _remove_stale(folder, prefix)
            descriptor = self._create(folder, prefix)
        self._file = open(descriptor, "wb", buffering=1 << 18)
        self.write = self._file.write
        try:
            if self._temporary and mode is not None:
                _copy_mode(descriptor, mode)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _mode_of_target(self):
        try:
            mode = os.stat(self._target).st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(f"save: {str(self._shown)!r} is a folder; expected a file")
        if not os.access(self._target, os.W_OK):
            raise PermissionError(f"save: {str(self._shown)!r} may not be written")
        return mode

    def _create(self, folder, prefix):
        while True:
            path = os.path.join(folder, prefix + os.urandom(8).hex() + _SUFFIX)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            # The lock tells other saves that this file is in use; one of them may have removed it before we
            # had the lock. Where there are no locks nobody can take this file for a stale one.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                self._temporary = path
                return descriptor
            os.close(descriptor)

    def __exit__(self, kind, value, traceback):
        try:
            if kind is None:
                self._file.flush()
                if self._temporary:
                    os.fsync(self._file.fileno())
                    os.rename(self._temporary, self._target)
                    self._temporary = None
                    _sync_folder(os.path.dirname(self._target))
        finally:
            if self._temporary:
                with contextlib.suppress(FileNotFoundError):  # an interrupt may come between the renaming and its note
                    os.unlink(self._temporary)
            try:
                self._file.close()
            except OSError:
                if kind is None:
                    raise


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_mode(descriptor, mode):
    wanted = stat.S_IMODE(mode)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != wanted:
        os.fchmod(descriptor, wanted)


def _remove_stale(folder, prefix):
    """Remove the temporary files of this target that no living process holds."""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX):
                with contextlib.suppress(OSError):  # in use by another save, or renamed meanwhile
                    _remove_unlocked(entry.path)


def _remove_unlocked(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(descriptor)
