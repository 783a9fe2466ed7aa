"""PixelCNN, plain and gated: draws digits pixel by pixel, each drawn from a distribution given those before it.

    python examples/pixelcnn.py             both networks, 12 epochs each
    python examples/pixelcnn.py --quick     narrower, 2 epochs each

Scikit-learn's scans have 8x8 pixels of 17 levels, so the network gives 17 logits for every pixel. Masked convolutions
keep it from seeing the pixel itself and what comes later, which the program checks by gradients. It prints which pixels
decide about one of them: the plain network is blind to some that lie above to the right; the gated one, whose vertical
stack looks at all rows above, is not. The score is bits per pixel on held-out scans, beside that of independent pixels.
`PixelCNN()` with its own widths has the 1,425,728 parameters of the network for MNIST. Writes drawings to
demo-output/pixelcnn.png.

Full: plain 1.850 bits, gated 1.840; independent pixels 2.363 (51 s of processor time)
Quick: plain bits <= 2.6, gated bits <= 2.6, causal == 1
"""

import argparse
import math
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm, trange

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LEVELS, SIZE = 17, 8


class MaskedConv2d(nn.Conv2d):
    """A convolution that sees only what comes earlier. Kinds: "A" all pixels before this one, "B" this one too,
    "vertical A" all rows above, "vertical B" this row too. The mask is a buffer: saved, but not trained."""

    def __init__(self, kind, *args, **kwargs):
        super().__init__(*args, **kwargs)
        assert kind in ("A", "B", "vertical A", "vertical B"), kind
        height, width = self.kernel_size
        mask = rl.ones_like(self.weight)
        mask[:, :, height // 2 + 1:] = 0
        if kind == "vertical A":
            mask[:, :, height // 2] = 0
        elif kind in "AB":
            mask[:, :, height // 2, width // 2 + (kind == "B"):] = 0
        self.register_buffer("mask", mask)

    def forward(self, x):
        self.weight.data *= self.mask
        return super().forward(x)


class PixelCNN(nn.Module):
    """Pictures (batch, 1, h, w) in [0, 1] to logits (batch, levels, h, w)."""

    def __init__(self, levels=256, width=64, layers=8, kernel=7):
        super().__init__()
        blocks = []
        for layer in range(layers):
            kind, inputs = ("B", width) if layer else ("A", 1)
            conv = MaskedConv2d(kind, inputs, width, kernel, padding=kernel // 2, bias=False)
            blocks += [conv, nn.BatchNorm2d(width), nn.ReLU(True)]
        self.model = nn.Sequential(*blocks, nn.Conv2d(width, levels, 1))

    def forward(self, x):
        return self.model(x)


def gate(x):
    signal, switch = x.chunk(2, dim=1)
    return rl.tanh(signal) * rl.sigmoid(switch)


class GatedBlock(nn.Module):
    """A vertical stack over the rows above, and a horizontal one over the row's beginning that also reads the first."""

    def __init__(self, inputs, width, kernel):
        super().__init__()
        kind, self.first = ("A", True) if inputs == 1 else ("B", False)
        half = kernel // 2
        self.vertical = MaskedConv2d(f"vertical {kind}", inputs, 2 * width, kernel, padding=half)
        self.horizontal = MaskedConv2d(kind, inputs, 2 * width, (1, kernel), padding=(0, half))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, v, h):
        v = self.vertical(v)
        change = self.out(gate(self.horizontal(h) + self.link(v)))
        return gate(v), change if self.first else h + change


class GatedPixelCNN(nn.Module):
    """As PixelCNN, with gates for ReLU and without a blind spot."""

    def __init__(self, levels=256, width=64, layers=8, kernel=7):
        super().__init__()
        self.blocks = nn.ModuleList(GatedBlock(width if layer else 1, width, kernel) for layer in range(layers))
        self.out = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, levels, 1))

    def forward(self, x):
        v = h = x
        for block in self.blocks:
            v, h = block(v, h)
        return self.out(h)


def influence(model, row, column):
    """Which pixels the logits at (row, column) depend on, found by the gradient."""
    model.eval()
    picture = rl.rand(1, 1, SIZE, SIZE, requires_grad=True)
    model(picture)[0, :, row, column].square().sum().backward()
    return picture.grad[0, 0] != 0


def is_causal(model):
    before = rl.arange(SIZE * SIZE).reshape(SIZE, SIZE)
    return all(not influence(model, row, column)[before >= row * SIZE + column].any()
               for row in range(SIZE) for column in range(SIZE))


def train(model, levels, epochs, name):
    optimizer = rl.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    with tqdm(total=epochs, desc=name, unit="epoch") as progress:
        for _ in range(epochs):
            for batch in rl.randperm(len(levels)).split(32):
                target = levels[batch]
                optimizer.zero_grad()
                loss = F.cross_entropy(model(target.unsqueeze(1) / (LEVELS - 1)), target)
                loss.backward()
                optimizer.step()
            progress.update()
            progress.set_postfix(bits=f"{loss.item() / math.log(2):.3f}", refresh=False)


def bits_per_pixel(model, levels):
    model.eval()
    with rl.no_grad():
        return F.cross_entropy(model(levels.unsqueeze(1) / (LEVELS - 1)), levels).item() / math.log(2)


def independent_bits(training, test):
    """The score of one histogram per pixel."""
    counts = F.one_hot(training, LEVELS).sum(0) + 0.1
    chances = counts / counts.sum(-1, keepdim=True)
    return -chances.log2().gather(-1, test.permute(1, 2, 0)).mean().item()


def generate(model, count, name):
    """Pixels in reading order, each drawn given all before it."""
    model.eval()
    pictures = rl.zeros(count, 1, SIZE, SIZE)
    with rl.no_grad():
        for place in trange(SIZE * SIZE, desc=f"{name} draws", unit="pixel"):
            row, column = divmod(place, SIZE)
            chances = model(pictures)[:, :, row, column].softmax(1)
            pictures[:, 0, row, column] = rl.multinomial(chances, 1)[:, 0] / (LEVELS - 1)
    return pictures


def show_influence(model, row=4, column=3):
    seen = influence(model, row, column).tolist()
    for r in range(SIZE):
        print("    " + " ".join("?" if (r, c) == (row, column) else "#" if seen[r][c] else "." for c in range(SIZE)))


def draw(rows, path):
    figure, axes = plt.subplots(len(rows), 12, figsize=(11, 1.1 * len(rows) + 0.2))
    for line, (name, pictures) in zip(axes, rows.items()):
        line[0].set_ylabel(name)
        for axis, picture in zip(line, pictures):
            axis.imshow(picture.numpy(), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description="Draw digits pixel by pixel.")
    parser.add_argument("--quick", action="store_true", help="narrower networks, fewer epochs")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the picture")
    options = parser.parse_args()
    width, layers, epochs = (12, 3, 2) if options.quick else (32, 5, 12)

    rl.manual_seed(0)
    assert sum(p.numel() for p in PixelCNN().parameters()) == 1_425_728
    levels = rl.from_numpy(load_digits().images.astype(np.int64))
    training, test = levels[:1500], levels[1500:]
    networks = {"plain": PixelCNN, "gated": GatedPixelCNN}
    models = {name: network(LEVELS, width, layers, kernel=3) for name, network in networks.items()}
    rows, reached = {"scans": test.unsqueeze(1)[:, 0] / (LEVELS - 1)}, {}
    causal = all(is_causal(model) for model in models.values())
    for name, model in models.items():
        train(model, training, epochs, name)
        reached[name] = bits_per_pixel(model, test)
        rows[name] = generate(model, 12, name)[:, 0]
        print(f"the {name} network looks at # to decide about ?")
        show_influence(model)
    draw(rows, options.out / "pixelcnn.png")
    print(f"picture: {(options.out / 'pixelcnn.png').resolve()}")
    print(f"result: plain bits {reached['plain']:.3f}, gated bits {reached['gated']:.3f}, "
          f"independent bits {independent_bits(training, test):.3f}, causal {int(causal)}")


if __name__ == "__main__":
    main()
