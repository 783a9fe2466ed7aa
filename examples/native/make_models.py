"""Makes the models that the programs of this folder run: python make_models.py FOLDER."""
import sys
from pathlib import Path

import numpy as np

import rushlight as rl
from rushlight import nn


def classifier():
    """A small convolutional network for images of 8 by 8, with the names of its classes."""
    rl.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(128, 3), nn.Softmax(-1)).eval()


LABELS = ["circle", "cross", "square"]


class Step(nn.Module):
    """One step of a recurrent network over ten tokens."""

    def __init__(self):
        super().__init__()
        self.embed, self.cell, self.score = nn.Embedding(10, 16), nn.GRUCell(16, 32), nn.Linear(32, 10)

    def forward(self, token, state):
        state = self.cell(self.embed(token), state)
        return self.score(state), state


def save_fizbuz(folder):
    """Writes fizbuz.rush: the network of examples/fizbuz.py, trained."""
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    import fizbuz

    rl.manual_seed(0)
    model = fizbuz.FizBuzNet()
    fizbuz.train(model, 600)
    words = ["number", *fizbuz.WORDS[1:]]
    rl.jit.trace(model.eval(), rl.tensor([fizbuz.encode(14)])).save(folder / "fizbuz.rush", metadata={"words": words})


def main(folder):
    """Writes classifier.rush, generator.rush, random.rush, fizbuz.rush and image.npy."""
    folder = Path(folder)
    image = rl.rand(1, 1, 8, 8, generator=rl.Generator().manual_seed(1))
    np.save(folder / "image.npy", image.numpy())
    rl.jit.trace(classifier(), image).save(folder / "classifier.rush", metadata={"labels": LABELS})
    rl.manual_seed(0)
    begin = rl.jit.trace(lambda: rl.zeros(1, 32), ())
    step = rl.jit.trace(Step().eval(), (rl.tensor([3]), rl.zeros(1, 32)))
    rl.jit.save({"begin": begin, "step": step}, folder / "generator.rush")
    rl.jit.trace(lambda: rl.rand(2), (), check_trace=False).save(folder / "random.rush")
    save_fizbuz(folder)


if __name__ == "__main__":
    main(sys.argv[1])
