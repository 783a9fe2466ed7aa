"""rl_value_save replaces files whole or not at all: several writers at once, killed writers, links, devices."""
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from capi.interface import FILE, LIB, SIZE, Failed, error, free_all, made, tensor

ARRAYS = [np.full(50_000 + 1000 * n, n, np.float64) for n in range(4)]
SAVER = """
import sys
from capi.interface import LIB, error
from capi.test_saving import ARRAYS, tensor
values = [tensor(array) for array in ARRAYS]
print("ready", flush=True)
while True:
    for value in values:
        assert LIB.rl_value_save(sys.argv[1].encode(), value) == 0, error()
"""


@pytest.fixture(autouse=True)
def handles():
    yield
    free_all()


def is_whole(path):
    """Whether the file is one of those that are written."""
    got = np.load(path)
    return any(np.array_equal(got, array) for array in ARRAYS)


def save(path, array):
    return LIB.rl_value_save(str(path).encode(), tensor(array))


def test_several_threads_write_one_path(tmp_path):
    path, wrong = tmp_path / "a.npy", []
    values = [tensor(array) for array in ARRAYS]

    def work(value):
        for _ in range(10):
            if LIB.rl_value_save(str(path).encode(), value) != 0:
                wrong.append(error())
            if not is_whole(path):
                wrong.append("torn")
    threads = [threading.Thread(target=work, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and os.listdir(tmp_path) == ["a.npy"]


def test_writers_that_are_killed(tmp_path):
    path = tmp_path / "a.npy"
    assert save(path, ARRAYS[0]) == 0
    choose = random.Random(0)
    command = [sys.executable, "-c", SAVER, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(6):
        savers = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(2)]
        for saver in savers:
            assert saver.stdout.readline() == b"ready\n"
        time.sleep(choose.random() * 0.02)
        for saver in savers:
            saver.kill()
        for saver in savers:
            assert saver.wait() == -signal.SIGKILL
            saver.stdout.close()
        assert is_whole(path)
    assert save(path, ARRAYS[1]) == 0                     # clears up after them
    assert os.listdir(tmp_path) == ["a.npy"] and np.array_equal(np.load(path), ARRAYS[1])


def test_links_modes_and_devices(tmp_path):
    path, link = tmp_path / "real.npy", tmp_path / "link.npy"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    assert save(link, ARRAYS[0]) == 0, error()
    assert link.is_symlink() and is_whole(path) and stat.S_IMODE(path.stat().st_mode) == 0o640
    (tmp_path / "null.npy").symlink_to("/dev/null")
    assert save(tmp_path / "null.npy", ARRAYS[0]) == 0 and stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "full.npy").symlink_to("/dev/full")
    assert save(tmp_path / "full.npy", ARRAYS[0]) == FILE and "No space left" in error()
    (tmp_path / "folder.npy").mkdir()
    assert save(tmp_path / "folder.npy", ARRAYS[0]) == FILE and "directory" in error()
    assert save(tmp_path / "none" / "a.npy", ARRAYS[0]) == FILE and "No such file" in error()
    (tmp_path / ("n" * 250 + ".npy")).write_bytes(b"")     # no room for a longer name beside it
    assert save(tmp_path / ("n" * 250 + ".npy"), ARRAYS[0]) == 0, error()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=ARRAYS[0])
    with pytest.raises(Failed, match="expected a tensor with a name"):
        value = made(LIB.rl_from_json, b'{"x": 1}', SIZE(8))
        if LIB.rl_value_save(str(path).encode(), value):
            raise Failed(1)
    assert np.array_equal(np.load(path)["x"], ARRAYS[0]) and os.listdir(tmp_path) == ["a.npz"]
