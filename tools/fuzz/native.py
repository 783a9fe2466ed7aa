"""Fuzzes how arguments and indices are read: python -m tools.fuzz.native --module build/.../fuzz_arguments.so.

The module (tests/native/fuzz_arguments.cpp) makes Python objects from a string of bytes and calls an operator with
them, or reads or writes by index. Here the strings are drawn, and mutated where a call had a result; each process makes
a number of calls, so that one which dies is known by its input, shown as hexadecimal digits for --replay. Afterwards
some of the inputs run again, many times: memory must not grow.
"""

import argparse
import faulthandler
import fractions
import gc
import importlib.util
import itertools
import mmap
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

import rushlight as rl
from rushlight import _C
from tools.catalogue import parse

PER_CHILD = 5000                                          # calls in one process
CALL_SECONDS = 30                                         # after which a call counts as hanging
MEMORY = 3 << 30                                          # bytes, of address space
LONGEST = 400                                             # bytes of an input
KEPT = 400                                                # inputs with a result, to mutate
ROUNDS = 20                                               # of the inputs that are watched for growing memory
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
          "complex128", "uint16", "uint32", "uint64"]
SHAPES = [(), (0,), (1,), (3,), (2, 3), (3, 1, 2), (2, 2, 2, 2), (0, 4)]
KEYWORDS = ("out", "dtype", "device", "layout", "requires_grad", "pin_memory", "memory_format", "names", "axis", "axes",
            "keepdims", "self", "x", "x2", "a", "input", "dim", "no_such_name", "", "\ud800", "\0")

held = []                                                 # the tensors of the call that is being made


class Hostile:
    """An object that does `act` whatever it is asked, then answers `answer` or raises it."""

    answer = 1

    def __init__(self, container):
        self.container = container

    def act(self):
        pass

    def ask(self):
        self.act()
        if isinstance(self.answer, type) and issubclass(self.answer, BaseException):
            raise self.answer("from an argument")
        return self.answer

    def __getitem__(self, i):
        if isinstance(i, int) and i > 3:
            raise IndexError(i)
        return self.ask()

    __index__ = __int__ = __float__ = __bool__ = __len__ = __complex__ = item = lambda self: self.ask()


class Text(int):
    """An integer whose text is no text."""

    def __str__(self):
        return "\ud800"

    __repr__ = __str__


class Items(list):
    """A list that says other things about itself than it holds."""

    def __iter__(self):
        return iter([1, "x", None])

    def __len__(self):
        return 7


class Coordinates(tuple):
    """A tuple that raises when it is walked."""

    def __iter__(self):
        raise ValueError("from an argument")


class Part(rl.Tensor):
    """A tensor of a class of its own."""


def hostile(name, **members):
    return type(name, (Hostile,), members)


def on_container(change):
    """Does `change` to the list that the object is in, where it is in one."""
    def act(self):
        if self.container is not None:
            change(self.container, self)
    return act


def shrink_tensors(self):
    for t in held:
        t.data = rl.zeros(0, dtype=t.dtype)


def hostile_classes():
    errors = [ValueError, RuntimeError, MemoryError, KeyboardInterrupt, StopIteration, RecursionError]
    answers = ["x", None, -1, 2**62, 2**64, 1.5, b"a", [], True, Text(2**70)]
    changes = [lambda c, o: c.clear(), lambda c, o: c.extend([o] * 3) if len(c) < 50 else None,
               lambda c, o: c.__setitem__(slice(None), [None] * len(c)), lambda c, o: c.append(c)]
    yield from (hostile("Raises", answer=error) for error in errors)
    yield from (hostile("Answers", answer=answer) for answer in answers)
    yield from (hostile("Changes", act=on_container(change)) for change in changes)
    yield hostile("Shrinks", act=shrink_tensors)
    yield hostile("Calls", act=lambda self: rl.zeros(2).sum().item())
    yield hostile("numpy.bool", answer=ValueError)
    # An array in the eyes of NumPy, a scalar in those of others.
    yield hostile("Array", dtype=np.dtype("f4"), shape=(2**40,), __array__=lambda self, *a, **k: np.ones(2))
    interface = {"shape": (2**40,), "typestr": "<f4", "data": (0, False), "version": 3}
    yield hostile("Interface", __array_interface__=interface)
    yield hostile("Walked", __iter__=lambda self: iter([1, self]))


def makers_of_tensors():
    def maker(shape, dtype, how):
        def make():
            t = rl.ones(shape, dtype=getattr(rl, dtype))
            t = how(t)
            held.append(t)
            return t
        return make

    def plain(t):
        return t

    makers = [maker((2, 3), dtype, plain) for dtype in DTYPES]
    makers += [maker(shape, dtype, plain) for shape in SHAPES for dtype in ("float32", "int64", "bool")]
    makers += [maker((2, 3), "float32", how) for how in (
        lambda t: t.t(), lambda t: t[:, ::2], lambda t: t.expand(4, 2, 3), lambda t: t.requires_grad_(),
        lambda t: t[0, 0], lambda t: rl.Tensor._make_subclass(Part, t), lambda t: rl.nn.Parameter(t))]
    return tuple(makers)


def things():
    return (object(), int, float, bool, complex, str, rl.float32, rl.int64, rl.bool, rl.complex64, rl.bfloat16,
            np.float32(2), np.int64(-1), np.bool_(True), np.complex64(1j), np.float16(1), np.uint64(2**64 - 1),
            np.datetime64("2020"), np.array(1), np.array([1, 0]), np.array([[1.5]]), np.array([None, 1]),
            np.array(["a"]), np.zeros((0, 2)), np.array([True, False]), np.zeros(2, "i4,f4"), np.ones(4)[::-2],
            np.str_("x"), memoryview(b"ab"), bytearray(b"ab"), b"", range(3), {1}, frozenset(),
            fractions.Fraction(1, 3), rl.Generator(), rl.device("cpu"), rl.Size([2, 3]), Items([1, 2]),
            Coordinates((0, 1)), Text(1), Text(2**70), NotImplemented, print, rl, rl.Tensor, rl.strided,
            rl.contiguous_format, np.dtype("f4"), np.float32)


def world():
    """What the module draws from; see World there."""
    records = _C.operators()
    functions = [_C.operator(record["id"]) for record in records]
    parameters = [tuple(p.name for p in parse(record["signature"]).params) for record in records]
    constructors = [rl.tensor, rl.as_tensor, rl.Tensor, rl.Size, rl.from_numpy, rl.Tensor.new_tensor, rl.Tensor.to,
                    rl.Tensor.type, rl.Tensor.item, rl.Tensor.size, rl.Tensor.stride, rl.Tensor.backward, rl.device,
                    rl.Generator.manual_seed, rl.asarray, rl.tensor, rl.tensor]
    functions += constructors * 4
    parameters += [("data", "dtype", "device", "requires_grad")] * (4 * len(constructors))
    return tuple(functions), tuple(parameters), KEYWORDS, makers_of_tensors(), tuple(hostile_classes()), things()


def load(path):
    spec = importlib.util.spec_from_file_location("fuzz_arguments", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.set_world(*world())
    return module


def call(module, data):
    signal.alarm(CALL_SECONDS)
    answered = module.one(data)
    held.clear()
    return answered


def mutated(rng, data, others):
    """A near relative of an input that had a result."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at:at + 1] = rng.randbytes(1)
            case 1:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            case 2:
                del data[at:at + rng.randint(1, 8)]
            case 3:
                data[at:] = rng.choice(others)[at:]
            case _:
                data[at:at + 1] = bytes([rng.choice([0, 1, 127, 128, 255])])
    return bytes(data[:LONGEST])


def run_calls(module, seed, count, ends, current):
    """In a child: calls, the input of each in memory that outlives the process; the inputs with a result."""
    rng, kept, made, answered = random.Random(seed), [], 0, 0
    while made < count and time.monotonic() < ends:
        fresh = not kept or rng.random() < 0.4
        data = rng.randbytes(rng.randint(2, 120)) if fresh else mutated(rng, rng.choice(kept), kept)
        current.seek(0)
        current.write(len(data).to_bytes(4, "little") + data)
        if call(module, data):
            answered += 1
            kept.append(data)
            if len(kept) > KEPT:
                kept.pop(rng.randrange(KEPT))
        made += 1
    return kept, made, answered


def blocks_after(module, inputs, rounds):
    """Python's memory blocks after so many calls of each input."""
    for data in inputs:
        for _ in range(rounds):
            call(module, data)
    gc.collect()
    return sys.getallocatedblocks()


def leaking(module, inputs):
    """The inputs of which every call leaves memory behind."""
    blocks_after(module, inputs, 3)
    before = blocks_after(module, inputs, 1)
    if blocks_after(module, inputs, ROUNDS) - before < ROUNDS:
        return []
    suspects = [data for data in inputs if grown(module, data, ROUNDS) >= ROUNDS]
    return [data for data in suspects[:5] if keeps_growing(module, data)]


def grown(module, data, rounds):
    before = blocks_after(module, [data], 1)
    return blocks_after(module, [data], rounds) - before


def keeps_growing(module, data):
    """Whether memory grows when caches, NumPy's too, must be full."""
    blocks_after(module, [data], 50 * ROUNDS)
    return grown(module, data, 20 * ROUNDS) >= 10 * ROUNDS


def child(options, seed, ends, current, counts):
    """One process of calls; what it found goes to standard error, and the status says whether there is something."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    if "asan" not in os.environ.get("LD_PRELOAD", ""):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    module = load(options.module)
    kept, made, answered = run_calls(module, seed, options.per_child, ends, current)
    lost = leaking(module, random.Random(0).sample(kept, min(60, len(kept))))
    counts.seek(0)
    counts.write(made.to_bytes(8, "little") + answered.to_bytes(8, "little"))
    for data in lost:
        print(f"memory grows with each call: {data.hex()}", file=sys.stderr)
    return bool(lost)


def in_child(work):
    """The status of a process that does `work` and has no other way out."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = int(work())
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def fuzz(options):
    """Calls until the time is over or enough are made; the number of processes that found something."""
    current, counts = mmap.mmap(-1, 4 + LONGEST), mmap.mmap(-1, 16)
    ends, made, answered, found = time.monotonic() + options.seconds, 0, 0, 0
    for number in itertools.count():
        if made >= options.calls or time.monotonic() >= ends:
            break
        counts[:] = bytes(16)
        seed = f"{options.seed}/{number}"
        status = in_child(lambda seed=seed: child(options, seed, ends, current, counts))
        made += int.from_bytes(counts[:8], "little")
        answered += int.from_bytes(counts[8:], "little")
        if status:
            found += 1
            how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "findings"
            print(f"process {seed} ended with {how}; its last input was "
                  f"{current[4:4 + int.from_bytes(current[:4], 'little')].hex()}", flush=True)
    print(f"{made} calls by {number} processes: {answered} answered, {made - answered} refused, {found} findings")
    return found


def replay(options):
    data = bytes.fromhex(options.replay)
    module = load(options.module)
    print("answered" if call(module, data) else "refused")
    print("memory grows" if keeps_growing(module, data) else "memory stays")


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz.native", description=__doc__)
    parser.add_argument("--module", type=Path, required=True, help="the built fuzz_arguments.so")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--per-child", type=int, default=PER_CHILD)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--replay", metavar="HEX", help="make one call again, in this process")
    options = parser.parse_args()
    if options.replay is not None:
        return replay(options)
    return 1 if fuzz(options) else 0


if __name__ == "__main__":
    sys.exit(main())
