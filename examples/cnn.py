"""AlexNet, slimmed to 64x64 pictures: tells discs, rings, squares, triangles and crosses apart.

    python examples/cnn.py             1,500 pictures, 12 epochs
    python examples/cnn.py --quick     1,000 pictures, 10 epochs

The pictures are drawn by the program: any place, size, angle and colour, on a noisy background. `AlexNet()` with its
own widths is the network of the 2012 paper as everybody builds it today; the full run checks its 61,100,840 parameters
and then trains one a quarter as wide. Writes some held-out pictures with the answers to demo-output/cnn.png.

Full: accuracy 0.914 (20 s of processor time)
Quick: accuracy >= 0.5
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from tqdm import tqdm

import rushlight as rl
from rushlight import nn
from rushlight.utils.data import DataLoader, Dataset

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CLASSES = ["disc", "ring", "square", "triangle", "cross"]


class AlexNet(nn.Module):
    """Five convolutions and three linear layers. `AdaptiveAvgPool2d` lets it accept pictures of any size."""

    def __init__(self, classes=1000, width=64, pooled=6, hidden=4096, dropout=0.5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(width, 3 * width, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(3 * width, 6 * width, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(6 * width, 4 * width, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(4 * width, 4 * width, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((pooled, pooled))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * width * pooled * pooled, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, classes),
        )

    def forward(self, images):
        return self.classifier(rl.flatten(self.avgpool(self.features(images)), 1))


class Shapes(Dataset):
    """Pictures of 3x`size`x`size` in [-1, 1], each the same whenever it is asked for."""

    def __init__(self, length, seed, size=64):
        self.length, self.seed, self.size = length, seed, size

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if not 0 <= index < self.length:
            raise IndexError(index)
        random = np.random.default_rng((self.seed, index))
        label = index % len(CLASSES)
        inside = self.outline(CLASSES[label], random)
        background, colour = random.uniform(0, 1, (2, 3, 1, 1))
        if np.abs(background - colour).max() < 0.4:                  # else nobody could see it
            colour = 1 - background
        picture = np.where(inside, colour, background) + random.normal(0, 0.05, (3, self.size, self.size))
        return rl.from_numpy((2 * picture - 1).astype(np.float32)), label

    def outline(self, name, random):
        """Which pixels belong to the shape."""
        centre, radius, angle = random.uniform(-0.25, 0.25, 2), random.uniform(0.5, 0.8), random.uniform(0, 2 * np.pi)
        axis = np.linspace(-1, 1, self.size)
        y, x = np.meshgrid(axis - centre[0], axis - centre[1], indexing="ij")
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        if name == "disc":
            return np.hypot(u, v) < 0.85 * radius
        if name == "ring":
            return np.abs(np.hypot(u, v) - 0.75 * radius) < 0.25 * radius
        if name == "square":
            return np.maximum(np.abs(u), np.abs(v)) < 0.75 * radius
        if name == "triangle":
            return np.maximum(-v, 0.87 * np.abs(u) + 0.5 * v) < 0.5 * radius
        return (np.minimum(np.abs(u), np.abs(v)) < 0.2 * radius) & (np.maximum(np.abs(u), np.abs(v)) < radius)


def train(model, dataset, epochs):
    loader = DataLoader(dataset, batch_size=32, shuffle=True)
    optimizer = rl.optim.Adam(model.parameters(), lr=2e-3)
    schedule = rl.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=epochs * len(loader))
    loss_function = nn.CrossEntropyLoss()
    model.train()
    with tqdm(total=epochs * len(loader), unit="batch") as progress:
        for epoch in range(1, epochs + 1):
            total = 0.0
            for images, labels in loader:
                optimizer.zero_grad()
                loss = loss_function(model(images), labels)
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(labels)
                progress.update()
            progress.set_description(f"epoch {epoch}/{epochs}, loss {total / len(dataset):.3f}")


def predict(model, dataset):
    """True and predicted labels of the whole data set."""
    model.eval()
    with rl.no_grad():
        pairs = [(labels, model(images).argmax(1)) for images, labels in DataLoader(dataset, batch_size=100)]
    labels, answers = zip(*pairs)
    return rl.cat(labels), rl.cat(answers)


def draw(dataset, answers, path):
    """Thirty pictures; wrong answers in red."""
    figure, axes = plt.subplots(3, 10, figsize=(12, 4))
    for index, axis in enumerate(axes.flat):
        image, label = dataset[index]
        axis.imshow(((image + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy())
        axis.set(xticks=[], yticks=[])
        answer = answers[index].item()
        axis.set_title(CLASSES[answer], fontsize=10, color="black" if answer == label else "crimson")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description="Train a small AlexNet on drawn shapes.")
    parser.add_argument("--quick", action="store_true", help="fewer pictures and epochs")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the picture")
    options = parser.parse_args()

    if not options.quick:
        full = sum(p.numel() for p in AlexNet().parameters())
        assert full == 61_100_840, full
        print(f"AlexNet: {full:,} parameters")
    rl.manual_seed(0)
    model = AlexNet(classes=len(CLASSES), width=16, pooled=1, hidden=128, dropout=0.2)
    print(f"this one: {sum(p.numel() for p in model.parameters()):,} parameters")
    train(model, Shapes(1000 if options.quick else 1500, seed=0), epochs=10 if options.quick else 12)

    held_out = Shapes(200 if options.quick else 500, seed=1)
    labels, answers = predict(model, held_out)
    print("\ntrue \\ answer " + "".join(f"{name:>10}" for name in CLASSES))
    for row, name in enumerate(CLASSES):
        counts = [((labels == row) & (answers == column)).sum().item() for column in range(len(CLASSES))]
        print(f"{name:>13} " + "".join(f"{count or '.':>10}" for count in counts))
    draw(held_out, answers, options.out / "cnn.png")
    print(f"\npicture: {(options.out / 'cnn.png').resolve()}")
    print(f"result: accuracy {(labels == answers).float().mean().item():.3f}")


if __name__ == "__main__":
    main()
