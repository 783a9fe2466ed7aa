"""Tells sounds apart from their samples alone: a one-dimensional convolutional network without any spectrogram.

    python examples/audio.py             900 sounds, 12 epochs
    python examples/audio.py --quick     480 sounds, 8 epochs

The sounds are half a second each at 8 kHz, made by the program: tone, rising and falling chirp, chord, tremolo and
clap, at any pitch and loudness, with noise. `AudioNet()` with its own widths suits ESC-50's fifty classes; because it
takes the mean over time at its end, clips of any length will do.

Full: accuracy 0.997 (9 s of processor time)
Quick: accuracy >= 0.8
"""

import argparse

import numpy as np
from tqdm import tqdm

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.utils.data import DataLoader, TensorDataset

RATE, SAMPLES = 8000, 4000
CLASSES = ["tone", "rising", "falling", "chord", "tremolo", "clap"]


class AudioNet(nn.Module):
    """Sounds (batch, samples) to scores (batch, classes). The scores are logits: the loss takes their softmax."""

    def __init__(self, classes=50, width=128):
        super().__init__()
        self.conv1 = nn.Conv1d(1, width, kernel_size=80, stride=4)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3)
        self.bn2 = nn.BatchNorm1d(width)
        self.conv3 = nn.Conv1d(width, 2 * width, 3)
        self.bn3 = nn.BatchNorm1d(2 * width)
        self.conv4 = nn.Conv1d(2 * width, 4 * width, 3)
        self.bn4 = nn.BatchNorm1d(4 * width)
        self.pool = nn.MaxPool1d(4)
        self.fc1 = nn.Linear(4 * width, classes)

    def forward(self, sounds):
        x = sounds.unsqueeze(1)                                      # one channel
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.pool(F.relu(self.bn2(self.conv2(x))))
        x = self.pool(F.relu(self.bn3(self.conv3(x))))
        x = self.pool(F.relu(self.bn4(self.conv4(x))))
        return self.fc1(x.mean(dim=-1))


def make_sound(name, random):
    """One sound as a float array of `SAMPLES` values in about [-1, 1]."""
    time = np.arange(SAMPLES) / RATE
    pitch, phase = random.uniform(250, 1000), random.uniform(0, 2 * np.pi)
    if name in ("rising", "falling"):
        sweep = pitch * random.uniform(1, 3) * (1 if name == "rising" else -1)
        begin = pitch if name == "rising" else pitch - sweep / 2     # both cover the same pitches
        sound = np.sin(2 * np.pi * (begin * time + sweep * time**2 / 2) + phase)
    elif name == "chord":
        sound = sum(np.sin(2 * np.pi * pitch * ratio * time + phase) for ratio in (1, 5 / 4, 3 / 2)) / 2
    elif name == "tremolo":
        loudness = 0.55 + 0.45 * np.sin(2 * np.pi * random.uniform(8, 20) * time)
        sound = loudness * np.sin(2 * np.pi * pitch * time + phase)
    elif name == "clap":
        begin = random.uniform(0, 0.3)
        sound = random.normal(0, 0.7, SAMPLES) * np.exp(-25 * np.maximum(time - begin, 0)) * (time >= begin)
    else:
        sound = np.sin(2 * np.pi * pitch * time + phase)
    return random.uniform(0.2, 1) * sound + random.normal(0, 0.05, SAMPLES)


def make_dataset(length, seed):
    random = np.random.default_rng(seed)
    labels = np.arange(length) % len(CLASSES)
    sounds = np.stack([make_sound(CLASSES[label], random) for label in labels]).astype(np.float32)
    return TensorDataset(rl.from_numpy(sounds), rl.from_numpy(labels.astype(np.int64)))


def train(model, dataset, epochs):
    loader = DataLoader(dataset, batch_size=30, shuffle=True)
    optimizer = rl.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    with tqdm(total=epochs * len(loader), unit="batch") as progress:
        for epoch in range(1, epochs + 1):
            for sounds, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(sounds), labels)
                loss.backward()
                optimizer.step()
                progress.update()
            progress.set_description(f"epoch {epoch}/{epochs}, loss {loss.item():.3f}")


def main():
    parser = argparse.ArgumentParser(description="A convolutional network for sounds.")
    parser.add_argument("--quick", action="store_true", help="fewer sounds and epochs")
    options = parser.parse_args()

    rl.manual_seed(0)
    model = AudioNet(classes=len(CLASSES), width=16)
    train(model, make_dataset(480 if options.quick else 900, seed=0), epochs=8 if options.quick else 12)

    sounds, labels = make_dataset(300, seed=1).tensors
    model.eval()
    with rl.no_grad():
        answers = model(sounds).argmax(1)
    print("true \\ answer " + "".join(f"{name:>9}" for name in CLASSES))
    for row, name in enumerate(CLASSES):
        counts = answers[labels == row].bincount(minlength=len(CLASSES)).tolist()
        print(f"{name:>13} " + "".join(f"{count or '.':>9}" for count in counts))
    print(f"result: accuracy {(answers == labels).float().mean().item():.3f}")


if __name__ == "__main__":
    main()
