"""Kills a training run at random moments and starts it again: `python tests/io/kill_training.py 50`.

The run uses all that has a state: dropout, momentum averages, a schedule, shuffled data, workers that draw random
numbers. It writes down each loss, as its bits, after the step. However often it is killed, each step must have the same
loss as in a run that was left alone, and each file must load. Prints what it saw; the exit status is 1 otherwise.
"""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

CHILD = """
import random, sys
import rushlight as rl
from rushlight import nn
from rushlight.io import TrainingState
from rushlight.utils.data import DataLoader, Dataset

class Noisy(Dataset):
    def __len__(self):
        return 24
    def __getitem__(self, index):
        return rl.randn(6) + index * 0.1 + random.random(), index % 3

def main(folder, workers, epochs, save_every):
    rl.manual_seed(3)
    random.seed(4)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
    optimizer = rl.optim.Adam(model.parameters(), lr=0.01)
    scheduler = rl.optim.lr_scheduler.StepLR(optimizer, 1, 0.8)
    loader = DataLoader(Noisy(), 4, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    at = {"epoch": 0, "step": 0}
    state = TrainingState(f"{folder}/run.pth", model=model, optimizer=optimizer, scheduler=scheduler, loader=loader,
                          at=at)
    state.resume()
    log = open(f"{folder}/losses", "a")
    print("running", flush=True)
    while at["epoch"] < epochs:
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            at["step"] += 1
            log.write(f"{at['step']} {loss.item().hex()}\\n")
            log.flush()
            if at["step"] % save_every == 0:
                state.save()
        scheduler.step()
        at["epoch"] += 1
    log.write("done\\n")

main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), 2)
"""


def start(folder, workers, epochs):
    """A run in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", CHILD, folder, str(workers), str(epochs)], stdout=subprocess.PIPE)


def losses(folder):
    """What the runs in the folder wrote down: {step: set of losses}, and whether the last came to its end."""
    seen, done = {}, False
    with open(os.path.join(folder, "losses")) as file:
        for line in file:
            done = line == "done\n"
            if not done and line.endswith("\n"):         # a kill may cut a line
                step, loss = line.split()
                seen.setdefault(int(step), set()).add(loss)
    return seen, done


def main(kills, workers=0, seed=0):
    """Returns (kills made, steps whose loss differs)."""
    rnd, epochs = random.Random(seed), 40 + kills * 8
    with tempfile.TemporaryDirectory() as alone, tempfile.TemporaryDirectory() as killed:
        start(alone, workers, epochs).communicate()
        expected, done = losses(alone)
        assert done
        made = 0
        while made < kills:
            child = start(killed, workers, epochs)
            assert child.stdout.readline() == b"running\n"
            time.sleep(rnd.uniform(0, 0.15))
            made += child.poll() is None
            child.send_signal(signal.SIGKILL)
            code = child.wait()
            child.stdout.close()
            if code != -signal.SIGKILL:
                break
        start(killed, workers, epochs).communicate()
        seen, done = losses(killed)
        wrong = [step for step in expected if seen.get(step) != expected[step]]
        return made, wrong if done else sorted(expected)


if __name__ == "__main__":
    made, wrong = main(int(sys.argv[1]), *map(int, sys.argv[2:]))
    print(f"{made} kills, {len(wrong)} steps with another loss")
    sys.exit(bool(wrong) or made < int(sys.argv[1]))
