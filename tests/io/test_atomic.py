"""Saving replaces a file at once: whatever fails, the old file or the new one is there, whole."""

import errno
import fcntl
import io
import os
import stat
import subprocess
import sys

import kill_saves
import pytest

import rushlight


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "w.pth"
    rushlight.save("old", target)
    return target


def assert_only(path, value):
    """The file holds `value`, and nothing else lies beside it."""
    assert rushlight.load(path) == value
    assert os.listdir(path.parent) == [path.name]


def test_a_saved_file_is_replaced(path):
    rushlight.save("new", path)
    assert_only(path, "new")


def test_a_kill_at_any_moment_loses_nothing():
    lost, interrupted = kill_saves.main(20)
    assert lost == 0
    assert interrupted > 0, "no kill hit a save: the test proved nothing"


# Every system call of a save, in the order in which it makes them.
CALLS = ["open", "fchmod", "write", "fsync", "rename", "fsync folder"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failing_call_leaves_the_old_file_or_the_new_one(path, monkeypatch, call, number):
    from rushlight._files import atomic as _atomic

    os.chmod(path, 0o600)  # not what a new file gets: it has to be changed

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    if call == "open":
        real = os.open
        monkeypatch.setattr(
            _atomic.os, "open", lambda p, flags, *a: fail() if flags & os.O_CREAT else real(p, flags, *a)
        )
    elif call == "write":

        def broken(descriptor, *args, **kwargs):
            file = open(descriptor, *args, **kwargs)  # noqa: SIM115
            file.close()
            return open("/dev/full", "wb", buffering=0)

        monkeypatch.setattr(_atomic, "open", broken, raising=False)
    elif call == "fsync folder":
        monkeypatch.setattr(_atomic, "_sync_folder", fail)
    else:
        monkeypatch.setattr(_atomic.os, call, fail)
    with pytest.raises(OSError):
        rushlight.save("new", path)
    monkeypatch.undo()
    assert_only(path, "new" if call == "fsync folder" else "old")


@pytest.mark.parametrize("number", range(12))
def test_each_write_may_fail(path, monkeypatch, number):
    from rushlight._files import atomic as _atomic

    class Failing(io.FileIO):
        left = number

        def write(self, data):
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "no space")
            return super().write(data)

    def broken(descriptor, mode, buffering):
        return io.BufferedWriter(Failing(descriptor, mode), 4096)

    monkeypatch.setattr(_atomic, "open", broken, raising=False)
    with pytest.raises(OSError, match="no space"):
        rushlight.save([rushlight.zeros(5000) for _ in range(12)], path)
    monkeypatch.undo()
    assert_only(path, "old")


def test_a_full_disk_leaves_the_old_file(path):
    program = (
        "import resource, signal, sys, rushlight\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    rushlight.save(rushlight.ones(1_000_000), sys.argv[1])\n"
        "except OSError as error:\n    print(error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == str(errno.EFBIG), done.stderr
    assert_only(path, "old")


def test_what_cannot_be_saved_leaves_the_old_file(path):
    with pytest.raises(Exception, match=r"builtins\.object"):
        rushlight.save([rushlight.ones(3), object()], path)
    assert_only(path, "old")


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o660])
def test_permissions_are_kept(path, mode):
    os.chmod(path, mode)
    rushlight.save("new", path)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_gets_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        rushlight.save(1, tmp_path / "new.pth")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.pth").stat().st_mode) == 0o640


def test_a_link_keeps_pointing_to_its_file(tmp_path, path):
    folder = tmp_path / "links"
    folder.mkdir()
    link = folder / "latest.pth"
    link.symlink_to(path)
    rushlight.save("new", link)
    assert link.is_symlink() and rushlight.load(path) == "new" and os.listdir(folder) == ["latest.pth"]


def test_left_over_files_are_removed_unless_in_use(path):
    stale = path.parent / ".w.pth.0123456789abcdef.rushlight-tmp"
    used = path.parent / ".w.pth.fedcba9876543210.rushlight-tmp"
    other = path.parent / ".other.pth.0123456789abcdef.rushlight-tmp"
    for file in (stale, used, other):
        file.write_bytes(b"half")
    with open(used, "rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        rushlight.save("new", path)
        assert not stale.exists() and used.exists() and other.exists()
    rushlight.save("newer", path)
    assert not used.exists() and other.exists()


def test_what_is_not_a_regular_file_is_written_directly(tmp_path):
    rushlight.save(1, "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OSError):
        rushlight.save(1, "/dev/full")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_file_that_may_not_be_written_stays(path):
    os.chmod(path, 0o444)
    with pytest.raises(PermissionError, match="may not be written"):
        rushlight.save("new", path)
    assert_only(path, "old")


def test_two_savers_at_once_leave_one_whole_file(path):
    program = (
        "import sys, rushlight\n"
        "for _ in range(20):\n    rushlight.save([int(sys.argv[2])] * 1000, sys.argv[1])\n"
    )
    savers = [subprocess.Popen([sys.executable, "-c", program, str(path), str(i)]) for i in range(3)]
    assert [saver.wait(120) for saver in savers] == [0, 0, 0]
    value = rushlight.load(path)
    assert value in ([0] * 1000, [1] * 1000, [2] * 1000)
    assert os.listdir(path.parent) == [path.name]
