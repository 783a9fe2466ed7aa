"""Transfer learning: what a network learnt from printed digits helps it to read handwritten ones from three of each.

    python examples/transfer.py
    python examples/transfer.py --quick     fewer epochs

1. A small ResNet learns digits that the program prints in the fonts that matplotlib ships, slanted and stretched.
2. Its last layer is replaced, everything else but the batch norms is frozen, the learning-rate finder names a rate, and
   the new head is trained on 30 of scikit-learn's handwritten scans.
3. The deeper layers are unfrozen, and all of it is trained at a tenth of the rate that suited an untrained head, the
   layers at a third and a ninth of that: what is nearly right already is to move little. At the head's own rate this
   step lowered the accuracy of about every third run.

The same network without the first step is trained beside it. Draws the finder's curve to demo-output/transfer.png.

Full: from scratch 0.579, head only 0.739, fine tuned 0.824 (11 s of processor time)
Quick: fine tuned >= 0.5
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from tqdm import trange

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.utils.data import DataLoader, TensorDataset
from rushlight.utils.inspect import find_lr

matplotlib.use("Agg")

FONTS = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic",
         "STIXGeneral", "cmr10"]
SIZE = 16


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class SmallResNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = Block(16, 16, stride=1)
        self.layer2 = Block(16, 32, stride=2)
        self.layer3 = Block(32, 64, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))


def print_digits(count, seed=0):
    """Digits in all fonts: (count, 1, 16, 16), and what they are."""
    random = np.random.default_rng(seed)
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [ImageFont.truetype(str(folder / f"{name}.ttf"), 44) for name in FONTS]
    pictures, labels = np.zeros((count, 1, SIZE, SIZE), np.float32), np.arange(count) % 10
    for picture, label in zip(pictures, labels):
        image = Image.new("L", (64, 64))
        ImageDraw.Draw(image).text((32, 32), str(label), fill=255, font=random.choice(fonts), anchor="mm")
        slant = np.eye(2) + random.uniform(-0.35, 0.35, (2, 2))
        shift = 32 + random.uniform(-5, 5, 2) - slant @ [32, 32]
        image = image.transform((64, 64), Image.AFFINE, np.column_stack([slant, shift]).ravel(), Image.BILINEAR)
        picture[0] = np.asarray(image.resize((SIZE, SIZE), Image.BOX)) / 255
    return TensorDataset(rl.from_numpy(pictures), rl.from_numpy(labels))


def load_scans(few=3):
    """`few` handwritten scans of each digit to learn from, and 700 others to test on."""
    digits = load_digits()
    images = rl.from_numpy(digits.images.astype(np.float32) / 16).unsqueeze(1)
    images = F.interpolate(images, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    labels = rl.from_numpy(digits.target.astype(np.int64))
    taught = np.concatenate([np.flatnonzero(digits.target == digit)[:few] for digit in range(10)])
    tested = np.setdiff1d(np.arange(len(labels)), taught)[:700]
    return [TensorDataset(images[which], labels[which]) for which in (rl.from_numpy(taught), rl.from_numpy(tested))]


def train(model, dataset, optimizer, epochs, name):
    loader = DataLoader(dataset, batch_size=30, shuffle=True)
    model.train()
    progress = trange(epochs, desc=name, unit="epoch")
    for _ in progress:
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


def accuracy(model, dataset):
    model.eval()
    images, labels = dataset.tensors
    with rl.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


def replace_head(model, classes):
    """Freezes all but the batch norms and puts an untrained classifier on top. `requires_grad` is an attribute of each
    parameter; batch norms are known by their type, because not all have "bn" in their name."""
    for parameter in model.parameters():
        parameter.requires_grad = False
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for parameter in module.parameters():
                parameter.requires_grad = True
    model.fc = nn.Sequential(
        nn.Linear(model.fc.in_features, 50),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(50, classes),
    )


def trainable(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def main():
    parser = argparse.ArgumentParser(description="Transfer learning on digits.")
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the picture")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    epochs = 4 if options.quick else 10
    source, (target, test) = print_digits(600 if options.quick else 1500), load_scans()
    print(f"{len(source)} printed digits; {len(target)} handwritten ones to learn from, {len(test)} to test on")

    rl.manual_seed(0)
    model = SmallResNet(classes=10)
    train(model, target, rl.optim.Adam(model.parameters(), lr=3e-3), 5 * epochs, "from scratch")
    from_scratch = accuracy(model, test)

    model = SmallResNet(classes=10)
    train(model, source, rl.optim.Adam(model.parameters(), lr=2e-3), epochs, "printed digits")

    replace_head(model, classes=10)
    convolution = model.layer2.conv1.weight.clone()
    optimizer = rl.optim.Adam(trainable(model), lr=1e-3)
    loader = DataLoader(target, batch_size=30, shuffle=True)
    found = find_lr(model, F.cross_entropy, optimizer, loader, init_value=1e-5, final_value=1.0, num_steps=60, beta=0.8)
    found.plot(options.out / "transfer.png")
    rate = found.suggestion()
    print(f"learning rate: {rate:.1e}, where the loss falls fastest (picture: {options.out / 'transfer.png'})")

    for group in optimizer.param_groups:
        group["lr"] = rate
    train(model, target, optimizer, 5 * epochs, "head")
    assert rl.equal(convolution, model.layer2.conv1.weight), "a frozen layer has changed"
    head_only = accuracy(model, test)

    rate /= 10
    for layer in (model.layer2, model.layer3):
        layer.requires_grad_(True)
    optimizer = rl.optim.Adam([
        {"params": model.fc.parameters()},                                # without this one the head would stay put
        {"params": model.layer3.parameters(), "lr": rate / 3},
        {"params": model.layer2.parameters(), "lr": rate / 9},
    ], lr=rate)
    train(model, target, optimizer, 5 * epochs, "deeper layers")
    fine_tuned = accuracy(model, test)
    print(f"result: from scratch {from_scratch:.3f}, head only {head_only:.3f}, fine tuned {fine_tuned:.3f}")


if __name__ == "__main__":
    main()
