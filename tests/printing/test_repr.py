"""The text of tensors: known texts of PyTorch always, and random tensors against PyTorch where it is installed."""

import math
import random

import pytest

import rushlight

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


@pytest.fixture(autouse=True)
def options_as_at_first():
    yield
    rushlight.set_printoptions(profile="default")
    rushlight.set_default_dtype(rushlight.float32)


# Each text was printed by PyTorch 2.13.
KNOWN = [
    (lambda: rushlight.tensor(3.5), "tensor(3.5000)"),
    (lambda: rushlight.tensor(3), "tensor(3)"),
    (lambda: rushlight.tensor(True), "tensor(True)"),
    (lambda: rushlight.tensor([]), "tensor([])"),
    (lambda: rushlight.zeros(0, 3), "tensor([], size=(0, 3))"),
    (lambda: rushlight.zeros(0, dtype=rushlight.int64), "tensor([], dtype=rushlight.int64)"),
    (lambda: rushlight.tensor([1.0, 2.0, 3.0]), "tensor([1., 2., 3.])"),
    (lambda: rushlight.tensor([1.0, 2.5, -3.25]), "tensor([ 1.0000,  2.5000, -3.2500])"),
    (lambda: rushlight.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (lambda: rushlight.tensor([1e9, 1.0]), "tensor([1.0000e+09, 1.0000e+00])"),
    (lambda: rushlight.tensor([1.0, math.inf, -math.inf, math.nan]), "tensor([1., inf, -inf, nan])"),
    (lambda: rushlight.tensor([0.5, math.nan]), "tensor([0.5000,    nan])"),
    (lambda: rushlight.tensor([math.nan, math.inf]), "tensor([nan, inf])"),
    (lambda: rushlight.tensor([-0.0, 0.0]), "tensor([-0., 0.])"),
    (lambda: rushlight.tensor([1 + 2j, -0.5j]), "tensor([1.+2.0000j, -0.-0.5000j])"),
    (lambda: rushlight.tensor([True, False]), "tensor([ True, False])"),
    (lambda: rushlight.tensor([1, -20, 300]), "tensor([  1, -20, 300])"),
    (lambda: rushlight.tensor([1, 2], dtype=rushlight.int32), "tensor([1, 2], dtype=rushlight.int32)"),
    (lambda: rushlight.tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
    (lambda: rushlight.zeros(2, 1, 2), "tensor([[[0., 0.]],\n\n        [[0., 0.]]])"),
    (lambda: rushlight.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        lambda: rushlight.zeros(40, 40),
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n        ...,\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.]])",
    ),
    (lambda: rushlight.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
    (lambda: rushlight.ones(2, requires_grad=True) + 1, "tensor([2., 2.], grad_fn=<AddBackward0>)"),
    (
        lambda: rushlight.nn.Parameter(rushlight.ones(2)),
        "Parameter containing:\ntensor([1., 1.], requires_grad=True)",
    ),
    (lambda: rushlight.ones(2, dtype=rushlight.float16), "tensor([1., 1.], dtype=rushlight.float16)"),
]


@pytest.mark.parametrize("make, text", KNOWN, ids=[text[:40] for _, text in KNOWN])
def test_known_texts(make, text):
    assert repr(make()) == text
    assert str(make()) == text


def test_options_change_the_text():
    t = rushlight.tensor([1.23456, 100.0])
    rushlight.set_printoptions(precision=2)
    assert repr(t) == "tensor([  1.23, 100.00])"
    rushlight.set_printoptions(sci_mode=True)
    assert repr(t) == "tensor([1.23e+00, 1.00e+02])"
    rushlight.set_printoptions(profile="short", threshold=3)
    assert repr(rushlight.arange(10)) == "tensor([0, 1,  ..., 8, 9])"
    rushlight.set_printoptions(profile="default", linewidth=20)
    assert repr(rushlight.arange(6)) == "tensor([0, 1, 2, 3,\n        4, 5])"


def test_an_unknown_profile_raises():
    with pytest.raises(ValueError, match="profile='wide'"):
        rushlight.set_printoptions(profile="wide")


def test_the_default_dtype_decides_which_dtype_is_shown():
    t = rushlight.tensor([1.0], dtype=rushlight.float64)
    assert repr(t) == "tensor([1.], dtype=rushlight.float64)"
    rushlight.set_default_dtype(rushlight.float64)
    assert repr(t) == "tensor([1.])"
    assert repr(rushlight.tensor([1.0], dtype=rushlight.float32)) == "tensor([1.], dtype=rushlight.float32)"


def test_format_of_a_number_and_of_a_tensor():
    assert f"{rushlight.tensor(3.14159):.2f}" == "3.14"
    assert f"{rushlight.tensor(7):>4}" == "   7"
    assert f"{rushlight.tensor(7)} {rushlight.tensor(0.5)} {rushlight.tensor(True)}" == "7 0.5 True"
    assert f"{rushlight.tensor([1, 2])}" == "tensor([1, 2])"
    with pytest.raises(TypeError, match="unsupported format"):
        f"{rushlight.tensor([1.0, 2.0]):.2f}"


def test_a_subclass_shows_its_name():
    class Weights(rushlight.Tensor):
        pass

    assert repr(Weights([1.0, 2.0])) == "Weights([1., 2.])"


def test_printing_leaves_the_tape_and_the_values_alone():
    t = rushlight.ones(3, requires_grad=True)
    before = t._version
    repr(t * 2)
    assert t._version == before and t.grad is None


def random_case(rnd, torch):
    """(options, default dtype, the tensor in both libraries)"""
    options = {"profile": rnd.choice(["default", "default", "short", "full"])}
    if rnd.random() < 0.4:
        options["precision"] = rnd.choice([0, 1, 2, 3, 6, 8, 10])
    if rnd.random() < 0.5:
        options["threshold"] = rnd.choice([0, 1, 5, 10, 50, 100])
    if rnd.random() < 0.4:
        options["edgeitems"] = rnd.choice([0, 1, 2, 3, 4, 7])
    if rnd.random() < 0.4:
        options["linewidth"] = rnd.choice([10, 20, 40, 60, 79, 120, 200])
    if rnd.random() < 0.3:
        options["sci_mode"] = rnd.choice([True, False, None])
    rank = rnd.choice([0, 1, 1, 2, 2, 3, 3, 4])
    shape = [rnd.choice([0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 15]) for _ in range(rank)]
    dtype = rnd.choice(DTYPES)
    scale = rnd.choice([1, 1, 1, 10, 1000, 1e-3, 1e-5, 1e6, 1e9, 1e30])
    kind = rnd.choice(["real", "real", "integer", "mixed", "half"])

    def number():
        x = rnd.gauss(0, 1) * scale
        if kind == "integer":
            x = float(round(x))
        if kind == "mixed":
            x *= 10.0 ** rnd.randint(-6, 6)
        if kind == "half":
            x = round(2 * x) / 2
        if rnd.random() < 0.05:
            x = rnd.choice([math.inf, -math.inf, math.nan, 0.0, -0.0])
        return x

    count = math.prod(shape)
    if dtype == "bool":
        flat = [rnd.random() < 0.5 for _ in range(count)]
    elif "int" in dtype:
        bits = 8 if dtype.endswith("int8") else int(dtype[3:])
        low, high = (0, 255) if dtype == "uint8" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        flat = [rnd.choice([rnd.randint(low, high), rnd.randint(0, 9)]) for _ in range(count)]
    elif dtype.startswith("complex"):
        flat = [complex(number(), number()) for _ in range(count)]
    else:
        flat = [number() for _ in range(count)]
    flip, step, grad = rank >= 2 and rnd.random() < 0.2, rank >= 1 and rnd.random() < 0.2, rnd.random() < 0.3

    def make(lib):
        t = lib.tensor(flat, dtype=getattr(lib, dtype)).reshape(shape)
        t = t.transpose(0, -1) if flip else t
        t = t[::2] if step else t
        return t.requires_grad_() if grad and ("float" in dtype or "complex" in dtype) else t

    return options, rnd.choice(["float32"] * 4 + ["float64", "float16"]), make(torch), make(rushlight)


def test_random_tensors_print_as_in_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rnd = random.Random(20)
    different = []
    try:
        for _ in range(3000):
            options, default, theirs, ours = random_case(rnd, torch)
            torch.set_default_dtype(getattr(torch, default))
            rushlight.set_default_dtype(getattr(rushlight, default))
            torch.set_printoptions(**options)
            rushlight.set_printoptions(**options)
            # The package's name in a dtype is four letters longer than PyTorch's and may break the line
            # earlier.
            expected = " ".join(repr(theirs).replace("torch.", "rushlight.").split())
            body_same = repr(ours).split("dtype=")[0].rstrip(" ,\n") == repr(theirs).split("dtype=")[
                0
            ].rstrip(" ,\n")
            if " ".join(repr(ours).split()) != expected or not body_same:
                different.append((options, repr(theirs), repr(ours)))
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_printoptions(profile="default")
    assert different == []
