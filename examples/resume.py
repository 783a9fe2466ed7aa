"""A training run that is killed again and again and goes on, to the last bit, as if nothing had happened.

    python examples/resume.py             12 epochs, killed 6 times
    python examples/resume.py --quick     4 epochs, killed 2 times

A child process trains on scikit-learn's digits and saves a `TrainingState` after every few batches: model, optimizer,
schedule, loader, random numbers, and where it is. The parent kills it at random moments (SIGKILL: it has no chance to
tidy up) and starts it again. All losses must equal those of a run that nobody disturbed, and they do.

Full: 6 kills, different losses 0, accuracy 0.909 (19 s of processor time)
Quick: kills == 2, different losses == 0
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.io import TrainingState
from rushlight.utils.data import DataLoader, TensorDataset

SAVE_EVERY = 5


def load_data():
    digits = load_digits()
    images = rl.from_numpy(digits.images.astype(np.float32) / 16).unsqueeze(1)
    return images, rl.from_numpy(digits.target.astype(np.int64))


def train(folder, epochs):
    """The run that may be killed. One line per batch goes to losses.txt, marked by its number."""
    images, labels = load_data()
    rl.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(16 * 16, 10),
    )
    loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=50, shuffle=True)
    optimizer = rl.optim.Adam(model.parameters(), lr=2e-3)
    schedule = rl.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    at = {"epoch": 0, "batch": 0}
    state = TrainingState(folder / "run.pth", model=model, optimizer=optimizer, schedule=schedule, loader=loader, at=at)
    state.resume()
    with open(folder / "losses.txt", "a") as losses:
        while at["epoch"] < epochs:
            for batch_images, batch_labels in loader:                # goes on where the state was saved
                optimizer.zero_grad()
                loss = F.cross_entropy(model(batch_images), batch_labels)
                loss.backward()
                optimizer.step()
                at["batch"] += 1
                print(at["batch"], loss.item().hex(), file=losses, flush=True)
                if at["batch"] % SAVE_EVERY == 0:
                    state.save()
            schedule.step()
            at["epoch"] += 1
            state.save()
    model.eval()
    with rl.no_grad():
        right = model(images[1400:]).argmax(1) == labels[1400:]
    (folder / "accuracy.txt").write_text(f"{right.float().mean().item():.3f}")


def read_losses(folder):
    """Batch numbers and losses, every line: batches that were lost and done again are there twice."""
    path = folder / "losses.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(number), float.fromhex(loss)) for number, loss in (line.split() for line in lines)]


def run_and_kill(folder, epochs, kills):
    """Starts the child; kills it each time when it has gone on for a while; waits for the last one to end."""
    batches = epochs * 28
    moments = sorted(random.Random(0).sample(range(3, batches - 10), kills))
    command = [sys.executable, __file__, "--train", str(folder), "--epochs", str(epochs)]
    with tqdm(total=batches, unit="batch") as progress:
        for killed, moment in enumerate([*moments, None]):
            progress.set_postfix(kills=killed)
            child = subprocess.Popen(command)
            while child.poll() is None:
                done = next((number for number, _ in reversed(read_losses(folder))), 0)
                if done != progress.n:                               # falls back where a child takes up the run
                    progress.n = done
                    progress.refresh()
                if moment is not None and done >= moment:
                    child.kill()
                    child.wait()
                time.sleep(0.01)
            if moment is None and child.returncode:
                raise SystemExit("the training process failed")
        progress.update(batches - progress.n)


def main():
    parser = argparse.ArgumentParser(description="Kill a training run and resume it.")
    parser.add_argument("--quick", action="store_true", help="fewer epochs and kills")
    parser.add_argument("--train", type=Path, help="for the child process: the folder of its run")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.epochs)
        return

    epochs, kills = (4, 2) if options.quick else (options.epochs, 6)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        train(Path(first), epochs)
        run_and_kill(Path(second), epochs, kills)
        undisturbed = dict(read_losses(Path(first)))
        disturbed = read_losses(Path(second))
        accuracy = (Path(second) / "accuracy.txt").read_text()
    different = sum(undisturbed[number] != loss for number, loss in disturbed)
    assert {number for number, _ in disturbed} == undisturbed.keys()
    print(f"{len(undisturbed)} batches; {len(disturbed) - len(undisturbed)} were lost and done again")
    print(f"result: kills {kills}, different losses {different}, accuracy {accuracy}")


if __name__ == "__main__":
    main()
