"""Reads handwritten digits: trains a small convolutional network on scikit-learn's 1,797 scans and shows its answers.

    python examples/digits.py              trains once, later runs load the saved weights
    python examples/digits.py --retrain    trains again
    python examples/digits.py --quick      trains again, for a quarter of the time

Writes the weights (digits.pth) and a picture of some held-out digits (digits.png) to demo-output/.

Full: accuracy 0.994 (6 s of processor time)
Quick: accuracy >= 0.9
"""

import argparse
import time
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.utils.data import DataLoader, Subset, TensorDataset, random_split

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SEED = 1797
EPOCHS = 12


class DigitNet(nn.Module):
    """Two convolutions, a pooling, a third convolution, two linear layers: 8x8 pixels in, ten scores out."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 4 * 4, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )

    def forward(self, images):
        return self.classifier(self.features(images))


def load_data():
    """The scans as (training set, held-out fifth), the same split each time."""
    digits = load_digits()
    images = rl.from_numpy(digits.images.astype(np.float32) / 16).unsqueeze(1)
    labels = rl.from_numpy(digits.target.astype(np.int64))
    everything = TensorDataset(images, labels)
    held_out = len(everything) // 5
    generator = rl.Generator().manual_seed(SEED)
    return random_split(everything, [len(everything) - held_out, held_out], generator=generator)


def train(model, training: Subset, epochs: int):
    """Fits the model under a progress bar."""
    loader = DataLoader(training, batch_size=32, shuffle=True)
    optimizer = rl.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    scheduler = rl.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    model.train()
    with tqdm(total=epochs * len(loader), unit="batch") as progress:
        for epoch in range(1, epochs + 1):
            progress.set_description(f"epoch {epoch}/{epochs}")
            total = 0.0
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(labels)
                progress.update()
            scheduler.step()
            progress.set_postfix(loss=f"{total / len(training):.4f}")


def classify(model, held_out: Subset):
    """Images, true labels and predicted labels of the held-out digits."""
    images, labels = next(iter(DataLoader(held_out, batch_size=len(held_out))))
    model.eval()
    with rl.no_grad():
        predictions = model(images).argmax(dim=1)
    return images, labels, predictions


def confusion_table(labels, predictions) -> str:
    """Rows are the true digits, columns the answers; a dot stands for none."""
    counts = [[0] * 10 for _ in range(10)]
    for label, prediction in zip(labels.tolist(), predictions.tolist()):
        counts[label][prediction] += 1
    lines = ["true \\ answer " + "".join(f"{digit:4}" for digit in range(10))]
    for digit, row in enumerate(counts):
        cells = "".join(f"{count or '.':>4}" for count in row)
        lines.append(f"{digit:>13} {cells}   {row[digit] / max(sum(row), 1):6.1%}")
    return "\n".join(lines)


def draw(images, labels, predictions, path: Path):
    """A sheet of held-out digits with the answers: every mistake first (framed red), then right ones."""
    wrong = (predictions != labels).tolist()
    order = sorted(range(len(wrong)), key=lambda index: not wrong[index])[:40]
    figure, axes = plt.subplots(5, 8, figsize=(10, 7.4))
    for axis, index in zip(axes.flat, order):
        axis.imshow(images[index, 0].numpy(), cmap="gray_r", interpolation="nearest", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        answer, truth = predictions[index].item(), labels[index].item()
        colour = "crimson" if answer != truth else "black"
        axis.set_title(f"{answer}, is {truth}" if answer != truth else f"{answer}", color=colour, fontsize=12)
        for spine in axis.spines.values():
            spine.set(color=colour if answer != truth else "lightgray", linewidth=3 if answer != truth else 1)
    right = len(wrong) - sum(wrong)
    figure.suptitle(f"{right} of {len(wrong)} held-out digits read correctly; mistakes are framed red")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description="Train and try a digit classifier.")
    parser.add_argument("--retrain", action="store_true", help="train even if saved weights exist")
    parser.add_argument("--quick", action="store_true", help="train anew for a quarter of the epochs")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for weights and picture")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    weights, picture = options.out / "digits.pth", options.out / "digits.png"

    training, held_out = load_data()
    print(f"{len(training)} digits to learn from, {len(held_out)} held out")
    if weights.exists() and not (options.retrain or options.quick):
        print(f"Training skipped: using the weights in {weights} (--retrain trains again)")
    else:
        rl.manual_seed(SEED)
        model = DigitNet()
        begin = time.perf_counter()
        train(model, training, EPOCHS // 4 if options.quick else EPOCHS)
        print(f"Trained in {time.perf_counter() - begin:.1f} s")
        rl.save(model.state_dict(), weights)
        print(f"Weights saved to {weights}")

    reloaded = DigitNet()
    reloaded.load_state_dict(rl.load(weights))
    images, labels, predictions = classify(reloaded, held_out)
    right = (predictions == labels).sum().item()
    print(f"\nAccuracy on the held-out digits: {right / len(held_out):.2%} ({right} of {len(held_out)})\n")
    print(confusion_table(labels, predictions))
    draw(images, labels, predictions, picture)
    print(f"\nPicture: {picture.resolve()}")
    print(f"result: accuracy {right / len(held_out):.4f}")


if __name__ == "__main__":
    main()
