"""Fuzzes the readers of files: python -m tools.fuzz.files --program build/.../fuzz_files [--count N] [--seed S].

The program (tests/native/fuzz_files.cpp) changes files and reads them, in one process; here the files to change are
made, and a process that ends is named by the number that makes the same change again. With a program that was built
with the sanitizers, a report of theirs ends it too.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

import rushlight as rl
from rushlight.jit import _files as graph_files

PER_PROCESS = 20000
GOLDEN = Path(__file__).parents[2] / "tests/jit/golden_files"
ARCHIVES = Path(__file__).parents[2] / "tests/io/data"
LOOPED_ON, HUNG = 77, 78                         # exit statuses: a changed program loops for ever, or a reader does


class Layered(rl.nn.Module):
    """A little of everything that files hold: layers, running statistics, views, writes, an index."""

    def __init__(self):
        super().__init__()
        self.conv = rl.nn.Conv2d(1, 2, 3)
        self.norm = rl.nn.BatchNorm2d(2)
        self.register_buffer("picked", rl.tensor([1, 0]))

    def forward(self, x, scale):
        y = self.norm(self.conv(x)).relu()
        z = y.flatten(1)[:, :4].t() * scale
        z = z.clone()
        z[0] = 1
        return {"picked": z[self.picked], "sum": z.sum(0)}, y


SCRIPT = '''graph forward(%x: tensor, %n: int, %names: dict[str, list[int]]) {
  const %w: float32[2] = "w"
  %1: tensor = for %k: int in %n (%acc: tensor = %x) {
    %2: tensor = call step(%acc, %w)
    yield %2
  }
  %3: int = num_add(%n, 1)
  return %1, %3, %names
}
graph step(%x: tensor, %w: tensor) {
  %1: tensor = add(%x, %w, alpha=1)
  %2: tensor = tanh(%1) into %1
  return %2
}
'''


def write_script(path):
    """Writes a program of two graphs, with a loop and with values that are no tensors."""
    takes = ["list", [["list", ["tensor", "value", "value"]], ["dict", []]]]
    signature = {"name": "forward", "graph": SCRIPT, "takes": takes, "gives": ["tuple", ["tensor", "value", "value"]],
                 "tensors": {"w": "w"}}
    content = {"format": graph_files.FORMAT, "version": 1, "name": "f", "module": False, "original_name": "",
               "parameters": [], "buffers": [], "requires_grad": [], "strides": {}, "signatures": [signature]}
    with open(path, "wb") as file:
        graph_files._write(file.write, content, {"w": rl.tensor([0.5, -0.5])}, None)


class Scripted(rl.nn.Module):
    """Control flow on values, a state, and methods that a file holds as signatures."""

    def __init__(self):
        super().__init__()
        self.layer = rl.nn.Linear(2, 2)
        self.steps = 3

    def forward(self, x, scale: float = 2.0):
        total = x
        for i in range(self.steps):
            if float(total.sum()) > scale:
                total = total / 2
            else:
                total = self.layer(total) + i
        return total, [total.size(0), self.steps]


def write_seeds(folder):
    """Writes the files to change; returns their paths."""
    folder = Path(folder)
    rl.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        programs = {
            "linear": (rl.nn.Linear(2, 1).eval(), (rl.ones(1, 2),)),
            "layered": (Layered(), (rl.randn(2, 1, 5, 5), rl.ones(()))),
            "sizes": (rl.nn.Sequential(rl.nn.Linear(3, 2), rl.nn.Softmax(-1)).eval(), (rl.ones(3, 3),)),
            "function": (lambda a, b: (rl.cat([a, b.t()]).cumsum(0), a.argmax()), (rl.ones(2, 2), rl.ones(2, 1))),
        }
        for name, (program, example) in programs.items():
            traced = rl.jit.trace(program, example, strict=False)
            rl.jit.save(traced, folder / f"{name}.rush", _extra_files={"labels": "cat dog"})
        rl.jit.save(traced, folder / "packed.rush", compress=True)
    write_script(folder / "script.rush")
    rl.jit.script(Scripted()).save(folder / "scripted.rush")
    rl.jit.script(Scripted()).save(folder / "scripted_packed.rush", compress=True)
    state = {"model": Layered().state_dict(), "half": rl.ones(5).half(), "view": rl.arange(12).view(3, 4).t()}
    rl.save(state, folder / "state.pth")
    np.savez(folder / "stored.npz", a=np.arange(6.0).reshape(2, 3), b=np.ones((2, 0), np.int8))
    np.savez_compressed(folder / "deflated.npz", a=np.arange(300) % 7, b=np.asfortranarray(np.ones((3, 4), np.float32)))
    np.save(folder / "plain.npy", np.arange(4, dtype=np.complex64))
    for path in [*GOLDEN.glob("*.rush"), *ARCHIVES.glob("*.pth")]:
        shutil.copy(path, folder)
    return sorted(str(path) for path in folder.iterdir())


def fuzz(program, count, seed):
    """Runs `count` changes; returns how many processes ended badly."""
    bad = made = 0
    with tempfile.TemporaryDirectory() as folder:
        seeds = write_seeds(folder)
        progress = Path(folder) / "progress"
        while made < count:
            n = min(PER_PROCESS, count - made)
            command = [program, str(n), str(seed), *seeds, "--from", str(made), "--progress", str(progress)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            if done.returncode == 0:
                made += n
                print(f"{made}: {done.stdout.splitlines()[-1]}", flush=True)
                continue
            number = int(progress.read_text())
            if done.returncode == LOOPED_ON:
                made = number + 1
                continue
            bad += 1
            how = "hung" if done.returncode == HUNG else f"ended with {done.returncode}"
            print(f"number {number} of seed {seed} {how}\n{done.stderr[-4000:]}", flush=True)
            made = number + 1
    return bad


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz.files", description=__doc__)
    parser.add_argument("--program", required=True, help="the built fuzz_files")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    return 1 if fuzz(options.program, options.count, options.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
