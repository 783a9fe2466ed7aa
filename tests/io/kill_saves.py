"""Kills saves in full flight and looks at what is left: `python tests/io/kill_saves.py 300`.

A child process saves one value after the other to the same path; after a random while it is killed with
SIGKILL. The file must then load and be one of the values, whole. Prints what it saw; the exit status is 1 if
a file was lost.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import rushlight

CHILD = """
import sys, time
import rushlight
path, count = sys.argv[1], int(sys.argv[2])
step = 0
while True:
    step += 1
    value = {"step": step, "tensors": [rushlight.full((50_000,), float(step)) for _ in range(8)]}
    rushlight.save(value, path)
    if step == 1:
        print("saved", flush=True)
"""


def wait_for_a_save(folder):
    """Return when a save is under way, as its temporary file tells."""
    limit = time.monotonic() + 30
    while len(os.listdir(folder)) < 2 and time.monotonic() < limit:
        pass


def kill_once(path, rnd):
    """Start the child, wait for its first save, kill it a little later; returns how many saves it managed.

    One kill in three comes at any moment, the others in the course of a save.
    """
    child = subprocess.Popen([sys.executable, "-c", CHILD, path, "8"], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"saved\n"
        if rnd.random() < 2 / 3:
            wait_for_a_save(os.path.dirname(path))
        time.sleep(rnd.choice([0.0, rnd.uniform(0, 0.005), rnd.uniform(0, 0.05)]))
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    value = rushlight.load(path)
    for tensor in value["tensors"]:
        assert tensor.numel() == 50_000 and bool((tensor == value["step"]).all())
    return value["step"]


def main(kills, seed=0):
    rnd = random.Random(seed)
    lost, interrupted, saves = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pth")
        for _ in range(kills):
            try:
                saves += kill_once(path, rnd)
            except Exception as error:
                lost += 1
                print(f"lost: {type(error).__name__}: {error}")
            interrupted += len(os.listdir(folder)) > 1
            assert len(os.listdir(folder)) <= 2, "temporary files pile up"
    print(f"{kills} kills after {saves} saves; {interrupted} in the middle of a save; {lost} files lost")
    return lost, interrupted


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)[0] > 0)
