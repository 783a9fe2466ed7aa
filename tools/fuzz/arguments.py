"""Random arguments for an operator: changed samples of its record, or values of the types that its signature states."""

import contextlib
import inspect
import itertools
import random as random_module
from dataclasses import dataclass, field

import numpy as np

import rushlight as rl
from rushlight import _C
from rushlight.functional._composite import COMPOSITES
from tests.ops import samples
from tools.catalogue import Param, parse
from tools.fuzz.values import DTYPES, FLOATS, a_plain_tensor, a_shape, a_tensor, an_int, laid_out

STRINGS = ["mean", "sum", "none", "reflect", "circular", "replicate", "constant", "amax", "amin", "prod", "linear",
           "nearest", "bilinear", "bicubic", "trilinear", "area", "same", "valid", "tanh", "", "floor", "trunc", "\0",
           "ij", "xy", "lower", "higher", "midpoint", "reduced", "complete", "ortho", "L", "U", "fro", "nuc"]
WRONG = [None, "x", 1.5, float("nan"), float("inf"), [], (), {}, object(), b"a", 2**64, -(2**64), True, [[1]], 1j,
         rl.float32]
#: Parameters that say how often something is done.
ROUNDS = {"niter"}
#: What a composite's parameter takes, by the type of its default.
KINDS = {bool: "bool", int: "int", float: "float", str: "str"}


@dataclass
class Target:
    """What is called: an operator of a record, or a composite."""

    name: str
    function: object
    params: tuple[Param, ...]
    samples: list = field(default_factory=list)          # (args, kwargs) of the record's own sample calls
    takes_out: bool = False


def indexing():
    """Reading and writing by an index of any kind."""
    tensor, index = Param("self", "Tensor", None, False), Param("index", "index", None, False)
    yield Target("Tensor.__getitem__", rl.Tensor.__getitem__, (tensor, index))
    value = Param("value", "Tensor | Number", None, False)
    yield Target("Tensor.__setitem__", rl.Tensor.__setitem__, (tensor, index, value))


def targets():
    """Every operator and every composite, by name."""
    found = {target.name: target for target in indexing()}
    for record in _C.operators():
        found[record["id"]] = Target(record["id"], _C.operator(record["id"]), parse(record["signature"]).params,
                                     samples_of(record), record["out"])
    for function, paths in COMPOSITES:
        name = next(iter(paths))
        if name not in found:
            found[name] = Target(name, function, tuple(params_of(function)),
                                 takes_out=getattr(function, "takes_out", False))
    return found


def params_of(function):
    """A composite's parameters with the types that its defaults suggest."""
    for param in inspect.signature(function).parameters.values():
        if param.kind in (param.VAR_KEYWORD, param.VAR_POSITIONAL):
            continue
        kind = KINDS.get(type(param.default), "Tensor | int | int[] | None")
        if param.default is param.empty:
            kind = "Tensor"
        if param.name in ("dim", "dims", "n", "k"):
            kind = "int | int[] | None"
        default = None if param.default is param.empty else repr(param.default)
        yield Param(param.name, kind, default, param.kind == param.KEYWORD_ONLY)


class _Caught(Exception):
    pass


def samples_of(record):
    """The arguments of the record's sample calls, in a few dtypes."""
    caught = []

    def catch(*args, **kwargs):
        caught.append((args, kwargs))
        raise _Caught

    for dtype in (rl.float32, rl.float64, rl.int64):
        for expression in samples.expressions(record):
            with contextlib.suppress(_Caught, RuntimeError, TypeError, ValueError):
                samples.evaluate(expression, samples.Maker(record, dtype), {record["id"]: catch})
    return caught


def an_index(random, depth=0):
    """What may stand between square brackets, sensible or not."""
    bound = lambda: random.choice([None, None, an_int(random)])  # noqa: E731
    kind = random.randrange(9 if depth == 0 else 8)
    if kind == 0:
        return an_int(random)
    if kind <= 2:
        return slice(bound(), bound(), random.choice([None, 1, 2, 3, -1, 0, 2**62]))
    if kind == 3:
        return random.choice([None, Ellipsis, True, False])
    if kind <= 5:
        dtype = random.choice([rl.int64, rl.int64, rl.bool, rl.bool, rl.uint8, rl.int32, rl.float32])
        return laid_out(random, a_plain_tensor(random, a_shape(random)[:2], dtype))
    if kind == 6:
        return [random.choice([0, 1, -1, True, an_int(random)]) for _ in range(random.randrange(4))]
    if kind == 7:
        return random.choice([np.array([0, 1]), np.int64(1), np.array([True, False]), "x", 1.5, {}, np.array(0)])
    return tuple(an_index(random, depth + 1) for _ in range(random.choice([0, 1, 2, 2, 3, 3, 4, 6, 70])))


def of_type(random, text, like=None):
    """A value of a parameter's type; now and then of none."""
    if random.random() < 0.04:
        return random.choice(WRONG)
    kind = random.choice([option.strip() for option in text.split("|")])
    if kind == "Tensor":
        return a_tensor(random, like)
    if kind == "Tensor[]":
        return [a_tensor(random, like) for _ in range(random.choice([0, 1, 2, 3, 5]))]
    if kind.startswith("int["):
        length = random.choice([0, 1, 1, 2, 2, 3, 3, 4, 5, 70])
        return tuple(an_int(random) for _ in range(length))
    makers = {
        "int": an_int, "float": lambda r: r.choice(FLOATS), "Number": lambda r: r.choice(FLOATS),
        "float[]": lambda r: [r.choice(FLOATS[:9]) for _ in range(r.choice([0, 1, 2, 3]))],
        "index": an_index, "bool": lambda r: r.random() < 0.5, "str": lambda r: r.choice(STRINGS),
        "dtype": lambda r: r.choice(DTYPES), "Generator": lambda r: rl.Generator(),
    }
    return makers.get(kind, lambda r: None)(random)


def changed(random, value, kind):
    """The value, a little or entirely different."""
    if isinstance(value, rl.Tensor):
        return a_tensor(random, value)
    near = lambda x: random.choice([x + 1, x - 1, -x, 0, x * 2, an_int(random)])  # noqa: E731
    if type(value) is int and random.random() < 0.8:
        return near(value)
    if isinstance(value, (tuple, list)) and value and all(type(x) is int for x in value) and random.random() < 0.8:
        numbers = list(value)
        numbers[random.randrange(len(numbers))] = near(random.choice(numbers))
        if random.random() < 0.15:
            numbers = numbers[1:] if random.random() < 0.5 else [*numbers, 1]
        return type(value)(numbers)
    return of_type(random, kind)


def from_sample(random, target):
    args, kwargs = random.choice(target.samples)
    given = {**dict(enumerate(args)), **kwargs}
    kinds = {**{i: p.type for i, p in enumerate(target.params)}, **{p.name: p.type for p in target.params}}
    for param in target.params[len(args):]:
        if param.name not in given and random.random() < 0.25:
            given[param.name] = of_type(random, param.type)
    for slot, value in given.items():
        if isinstance(value, rl.Tensor) and random.random() < 0.5:
            given[slot] = laid_out(random, value)
    for _ in range(random.choice([0, 1, 1, 1, 2, 2, 3])):
        if given:
            slot = random.choice(list(given))
            given[slot] = changed(random, given[slot], kinds.get(slot, "Tensor"))
    return [given.pop(i) for i in range(len(args))], given


def from_types(random, target):
    args, kwargs, like = [], {}, None
    for at, param in enumerate(target.params):
        if param.default is not None and random.random() < 0.5:
            continue
        value = of_type(random, param.type, like)
        if isinstance(value, rl.Tensor) and like is None:
            like = value
        if param.keyword_only or len(args) != at:
            kwargs[param.name] = value
        else:
            args.append(value)
    return args, kwargs


def arguments(target, seed, number):
    """The arguments of one call, and the stream of numbers that made them."""
    random = random_module.Random(f"{target.name}/{seed}/{number}")
    make = from_sample if target.samples and random.random() < 0.8 else from_types
    args, kwargs = make(random, target)
    names = [p.name for p in target.params]
    args = [few(name, value) for name, value in itertools.zip_longest(names[:len(args)], args)]
    return args, {name: few(name, value) for name, value in kwargs.items()}, random


def few(name, value):
    """An argument as it is, but that an algorithm is not asked for 2**62 rounds: it would make them."""
    return value % 5 if name in ROUNDS and isinstance(value, int) and value > 5 else value


def shown(value):
    """An argument in few words."""
    if isinstance(value, rl.Tensor):
        text = f"T{tuple(value.shape)}:{str(value.dtype)[10:]}:{value.stride()}" + ("g" if value.requires_grad else "")
        small = value.numel() <= 12 and not value.dtype.is_floating_point
        return text + (str(value.tolist()) if small else "")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(shown, value)) + "]"
    return repr(value)[:60]
