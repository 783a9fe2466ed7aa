"""Digits with 8-bit integers: a network of floats, the same calibrated, trained for it, and saved.

    python examples/quantize.py            trains the float network and quantizes it in three ways
    python examples/quantize.py --quick    fewer epochs

Writes the calibrated network (quantize.rush) to demo-output/.

Quick: calibrated lost <= 0.01, smaller >= 3.5, trained accuracy >= 0.9
"""

import argparse
from pathlib import Path

from sklearn.datasets import load_digits

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn
from rushlight import quantization as Q

TESTED = 400


class DigitNet(nn.Module):
    """A residual block between two convolutions: 8x8 pixels in, ten scores out."""

    def __init__(self):
        super().__init__()
        self.quant, self.dequant = Q.QuantStub(), Q.DeQuantStub()
        self.conv1, self.bn1, self.relu1 = nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()
        self.conv2, self.bn2 = nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.sum, self.pool = nn.quantized.FloatFunctional(), nn.MaxPool2d(2)
        self.hidden, self.relu2, self.scores = nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10)

    def forward(self, images):
        x = self.relu1(self.bn1(self.conv1(self.quant(images))))
        x = self.pool(self.sum.add_relu(self.bn2(self.conv2(x)), x))
        return self.dequant(self.scores(self.relu2(self.hidden(x.flatten(1)))))


GROUPS = [["conv1", "bn1", "relu1"], ["conv2", "bn2"], ["hidden", "relu2"]]


def digits():
    """Images and labels in a random order, the tested ones last."""
    data = load_digits()
    order = rl.randperm(len(data.target))
    return rl.tensor((data.images / 16).astype("float32")).unsqueeze(1)[order], rl.tensor(data.target)[order]


def train(model, images, labels, epochs, rate):
    optimizer = rl.optim.Adam(model.parameters(), lr=rate)
    for _ in range(epochs):
        for batch in rl.randperm(len(labels)).split(64):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def calibrated(model, images):
    model = Q.fuse_modules(model, GROUPS)
    model.qconfig = Q.get_default_qconfig("x86")
    prepared = Q.prepare(model)
    with rl.no_grad():
        prepared(images)
    return Q.convert(prepared)


def trained_for_integers(model, images, labels, epochs):
    model = Q.fuse_modules_qat(model.train(), GROUPS)
    model.qconfig = Q.get_default_qat_qconfig("x86")
    return Q.convert(train(Q.prepare_qat(model), images, labels, epochs, 3e-4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    epochs = 4 if parser.parse_args().quick else 12
    rl.manual_seed(1797)
    images, labels = digits()
    model = train(DigitNet(), images[:-TESTED], labels[:-TESTED], epochs, 3e-3)
    ways = {
        "calibrated": calibrated(model, images[:500]),
        "dynamic": Q.quantize_dynamic(model),
        "trained": trained_for_integers(model, images[:-TESTED], labels[:-TESTED], 1),
    }
    reports = {name: Q.report(model, way, images[-TESTED:], labels[-TESTED:]) for name, way in ways.items()}
    for name, report in reports.items():
        print(f"\n{name}\n{report}")

    folder = Path("demo-output")
    folder.mkdir(exist_ok=True)
    with rl.no_grad():
        rl.jit.save(rl.jit.trace(ways["calibrated"], images[-TESTED:]), folder / "quantize.rush")
        loaded = rl.jit.load(folder / "quantize.rush")
        assert (loaded(images[-TESTED:]) == ways["calibrated"](images[-TESTED:])).all()
    print(f"\nsaved to {folder / 'quantize.rush'}, {(folder / 'quantize.rush').stat().st_size:,} bytes")
    before, after = reports["calibrated"].accuracy
    print(f"result: calibrated lost {before - after:.4f}, smaller {reports['calibrated'].ratio:.2f}, "
          f"trained accuracy {reports['trained'].accuracy[1]:.3f}")


if __name__ == "__main__":
    main()
