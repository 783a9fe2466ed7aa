"""Wrote the files of this folder: python tests/jit/golden_files/make.py FOLDER VERSION.

What a version of the format wrote is kept for ever and must load for ever; it is not written anew. A new version gets
files of its own.
"""
import sys
import warnings
from pathlib import Path
from typing import List  # noqa: UP035  as programs write it

import numpy as np

import rushlight as rl
from rushlight import nn


class Counting(nn.Module):
    """Keeps a state that each call changes."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", rl.zeros(2))

    def forward(self, x):
        self.count += x.sum(0)
        return x * self.count


class Sentence(nn.Module):
    """Integers in, a dict out, a bool mask by name."""

    def __init__(self):
        super().__init__()
        self.embed, self.rnn, self.out = nn.Embedding(7, 4), nn.GRU(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, tokens, mask=None):
        y, h = self.rnn(self.embed(tokens))
        return {"scores": self.out(y.masked_fill(mask.unsqueeze(-1), 0)), "last": (h,)}


def several(a, b):
    """Views, writes and dtypes."""
    c = a.t().clone()
    c[0] = 1
    return c, (a.to(rl.float64) * 2, b.cumsum(0)), a.abs().sqrt().to(rl.bfloat16).float()


def programs():
    """(name, program, args, kwargs) of each file."""
    rl.manual_seed(0)
    image = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(8, 3), nn.LogSoftmax(-1)).eval()
    strided = nn.Linear(3, 2)
    strided.weight.data = rl.randn(3, 2).t()
    return [("image", image, (rl.randn(2, 1, 6, 6),), {}), ("strided", strided, (rl.randn(2, 3),), {}),
            ("counting", Counting(), (rl.ones(3, 2),), {}),
            ("sentence", Sentence().eval(), (rl.tensor([[1, 2, 6], [0, 3, 3]]),),
             {"mask": rl.tensor([[False, False, True], [False, True, True]])}),
            ("several", several, (rl.randn(2, 3), rl.arange(4)), {})]


class Steps(nn.Module):
    """A loop over steps that may end early, in a function of its own; lists."""

    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.LSTMCell(3, 4), nn.Linear(4, 1)

    def steps(self, xs, limit: float) -> List[rl.Tensor]:  # noqa: UP006
        h = rl.zeros(xs.size(1), 4)
        c = h
        found: List[rl.Tensor] = []  # noqa: UP006
        for t in range(xs.size(0)):
            h, c = self.cell(xs[t], (h, c))
            found.append(self.out(h))
            if t > 1 and found[-1].mean() > limit:
                break
        return found

    def forward(self, xs):
        return rl.stack(self.steps(xs, -10.0))


class Modes(nn.Module):
    """Branches by values and by attributes, one of which counts the calls; writes by a mask."""

    def __init__(self):
        super().__init__()
        self.norm, self.calls, self.table = nn.BatchNorm1d(3), 0, {"a": 2.0}

    def forward(self, x):
        self.calls += 1
        y = self.norm(x) * self.table["a"]
        if y.max() > 1 and not self.training:
            y[y > 1] = 1
        return y + self.calls


def main(folder, version):
    """Writes a file of each program, with inputs and outputs."""
    warnings.simplefilter("ignore")
    if version == 3:                                 # scripted programs came with it
        save_scripted(folder)
        return
    for name, program, args, kwargs in programs():
        traced = rl.jit.trace(program, args, example_kwarg_inputs=kwargs, strict=False)
        if version == 1:
            traced._captures._example = False        # sizes that vary came with version 2
        path = Path(folder) / f"version{version}_{name}.rush"
        traced.save(path, metadata={"program": name})
        with rl.no_grad():
            outputs, _ = rl.jit._structure.flatten(rl.jit.load(path)(*args, **kwargs), name)
        arrays = {f"in.{i}": t.numpy() for i, t in enumerate(args)} | {f"in.{k}": t.numpy() for k, t in kwargs.items()}
        np.savez_compressed(path.with_suffix(".npz"), **arrays,
                            **{f"out.{i}": t.numpy() for i, t in enumerate(outputs)})


def save_packed(folder):
    """The image's program, compressed for transport."""
    plain = Path(folder) / "version2_image"
    path = Path(folder) / "version2_packed.rush"
    rl.jit.load(plain.with_suffix(".rush")).save(path, compress=True)
    path.with_suffix(".npz").write_bytes(plain.with_suffix(".npz").read_bytes())


def save_scripted(folder):
    rl.manual_seed(0)
    for name, module, kwargs in (("steps", Steps().eval(), {"xs": rl.randn(5, 2, 3)}),
                                 ("modes", Modes().eval(), {"x": rl.randn(4, 3)})):
        path = Path(folder) / f"version3_{name}.rush"
        rl.jit.script(module).save(path, metadata={"program": name})
        with rl.no_grad():
            output = rl.jit.load(path)(**kwargs)
        np.savez_compressed(path.with_suffix(".npz"), **{f"in.{k}": t.numpy() for k, t in kwargs.items()},
                            **{"out.0": output.numpy()})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
