"""A generative adversarial network of linear layers: draws digits that a judge takes for real ones.

    python examples/gan.py             300 epochs
    python examples/gan.py --quick     40 epochs

The discriminator learns to tell scikit-learn's 8x8 scans from drawings, the generator to be taken for a scanner. The
targets for real pictures are 0.9 rather than 1, dropout is in the discriminator only, and while the discriminator
learns, `detach()` keeps its gradient out of the generator. A classifier trained on the scans afterwards reads the
drawings; what it is sure of counts as recognised, and the classes that it finds show whether the generator draws only
one thing. Writes a sheet of drawings to demo-output/gan.png. With their own widths the networks are those for 28x28
MNIST digits, of 1,486,352 and 1,460,225 parameters.

Full: recognised 0.665, classes 10 (15 s of processor time)
Quick: recognised >= 0.2, classes >= 3
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from tqdm import trange

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class Generator(nn.Module):
    """Noise (batch, noise) to pictures (batch, pixels) in [-1, 1]."""

    def __init__(self, noise=100, widths=(256, 512, 1024), pixels=784):
        super().__init__()
        layers = []
        for inputs, outputs in zip((noise, *widths), widths):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*layers, nn.Linear(widths[-1], pixels), nn.Tanh())
        self.noise = noise

    def forward(self, noise):
        return self.model(noise)


class Discriminator(nn.Module):
    """Pictures (batch, pixels) to the probability that each is real (batch, 1)."""

    def __init__(self, pixels=784, widths=(1024, 512, 256), dropout=0.3):
        super().__init__()
        layers = []
        for inputs, outputs in zip((pixels, *widths), widths):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2), nn.Dropout(dropout)]
        self.model = nn.Sequential(*layers, nn.Linear(widths[-1], 1), nn.Sigmoid())

    def forward(self, pictures):
        return self.model(pictures)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def load_scans():
    digits = load_digits()
    return rl.from_numpy(digits.data.astype(np.float32) / 8 - 1), rl.from_numpy(digits.target.astype(np.int64))


def discriminator_step(discriminator, optimizer, loss_function, real, fake):
    """The gradients of both losses add up before the one step."""
    optimizer.zero_grad()
    real_loss = loss_function(discriminator(real), rl.full((len(real), 1), 0.9))
    real_loss.backward()
    fake_loss = loss_function(discriminator(fake.detach()), rl.zeros(len(fake), 1))
    fake_loss.backward()
    optimizer.step()
    return real_loss.item() + fake_loss.item()


def generator_step(discriminator, optimizer, loss_function, fake):
    """Gradients flow through the discriminator, but only the generator's parameters are in the optimizer."""
    optimizer.zero_grad()
    loss = loss_function(discriminator(fake), rl.ones(len(fake), 1))
    loss.backward()
    optimizer.step()
    return loss.item()


def train(generator, discriminator, pictures, epochs):
    loss_function = nn.BCELoss()
    g_optimizer = rl.optim.Adam(generator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    d_optimizer = rl.optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    progress = trange(epochs, unit="epoch")
    for _ in progress:
        for batch in rl.randperm(len(pictures)).split(64):
            real = pictures[batch]
            fake = generator(rl.randn(len(real), generator.noise))
            d_loss = discriminator_step(discriminator, d_optimizer, loss_function, real, fake)
            g_loss = generator_step(discriminator, g_optimizer, loss_function, fake)
        progress.set_postfix(d=f"{d_loss:.3f}", g=f"{g_loss:.3f}", refresh=False)


def train_judge(pictures, labels):
    """A classifier of the real scans."""
    judge = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = rl.optim.Adam(judge.parameters(), lr=2e-3)
    for _ in range(30):
        for batch in rl.randperm(len(pictures)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(judge(pictures[batch]), labels[batch]).backward()
            optimizer.step()
    return judge


def draw(pictures, answers, path):
    figure, axes = plt.subplots(4, 12, figsize=(10, 4))
    for axis, picture, answer in zip(axes.flat, pictures, answers.tolist()):
        axis.imshow(picture.reshape(8, 8).numpy(), cmap="gray", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.set_title(str(answer), fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description="A GAN that draws digits.")
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the picture")
    options = parser.parse_args()

    rl.manual_seed(0)
    assert (count(Generator()), count(Discriminator())) == (1_486_352, 1_460_225)
    generator = Generator(noise=32, widths=(64, 128, 128), pixels=64)
    discriminator = Discriminator(pixels=64, widths=(128, 128, 64))
    pictures, labels = load_scans()
    train(generator, discriminator, pictures, epochs=40 if options.quick else 300)

    judge = train_judge(pictures, labels)
    generator.eval()
    with rl.no_grad():
        drawings = generator(rl.randn(1000, generator.noise))
        confidence, answers = judge(drawings).softmax(1).max(1)
    sure = confidence > 0.9
    counts = answers[sure].bincount(minlength=10)
    print("the judge is sure of " + ", ".join(f"{n} x {digit}" for digit, n in enumerate(counts.tolist())))
    draw(drawings, answers, options.out / "gan.png")
    print(f"picture: {(options.out / 'gan.png').resolve()}")
    print(f"result: recognised {sure.float().mean().item():.3f}, classes {(counts >= 10).sum().item()}")


if __name__ == "__main__":
    main()
