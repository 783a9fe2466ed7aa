"""First and second derivatives of every differentiable operator, at the samples of its record, by finite differences.

Composites are differentiated through the operators they call, so their samples are checked as well.
"""

import random
import re
import zlib

import pytest

import rushlight as rl
from rushlight import _C
from rushlight.testing import gradcheck, gradgradcheck

NAMES = {op["id"]: _C.operator(op["id"]) for op in _C.operators()}
NAMES.update({name: getattr(_C, name) for name in _C._public})
for group in ("nn.functional", "linalg", "special"):
    NAMES.update(_C._groups[group])
NAMES.update(tensor=rl.tensor, inf=float("inf"), int64=rl.int64, int32=rl.int32, float64=rl.float64, float32=rl.float32)


WITHOUT_GRADIENT = {"bucketize"}                 # composites whose results are indices
# PyTorch has no second derivative of these either.
ONCE = {"grid_sample", "ctc_loss_forward"}


def constants(call):
    """Inputs that the call detaches are not inputs of the function."""
    call = re.sub(r"\bT(\([^()]*\))\.detach\(\)", r"C\1", call)
    return re.sub(r"\(T(\([^()]*\)[^()]*)\)\.detach\(\)", r"(C\1)", call)


def calls_of(op):
    """The sample calls of a record, `T` making each input; element-wise operators write arguments in x, y and z."""
    text = op["samples"] or ""
    if op["kind"] != "pointwise" or "T(" in text:
        return [constants(call.strip()) for call in text.split(";") if "T(" in call and ".float()" not in call]
    tensors = [p["name"] for p in op["params"] if p["type"].startswith("Tensor")]
    arguments = [t.strip() for t in text.split(";") if t.strip()] or ["(" + ", ".join("xyz"[:len(tensors)]) + ",)"]
    shapes = {"x": "T(2, 3)", "y": "T(3)", "z": "T(2, 1)"}
    return [f"{op['id']}" + re.sub(r"\b[xyz]\b", lambda m: shapes[m[0]], one) for one in arguments]


def shaped_calls():
    for op in _C.operators():
        if op["differentiable"] is True or (op["composite"] and op["id"] not in WITHOUT_GRADIENT):
            for call in calls_of(op):
                # What a forward operator returns besides its result is for its own derivative to read.
                yield pytest.param(call, op["domain"], op["id"].endswith("_forward"), id=f"{op['id']}: {call}"[:90])


def as_function(call, domain, first_only):
    """The call as a function of its tensors, and fresh tensors for it."""
    rng = random.Random(zlib.crc32(call.encode()))
    shapes = []

    def made(shape):
        n = 1
        for s in shape:
            n *= s
        return rl.tensor([rng.uniform(*domain) for _ in range(n)], dtype=rl.float64).reshape(shape)

    def record(*shape):
        shapes.append(shape)
        return made(shape)

    def integers(*shape, high=10):
        return made(shape).abs().mul(1000).long().remainder(high)

    def run(call, make, seed):
        rng.seed(seed)
        out = eval(call, {**NAMES, "T": make, "I": integers, "C": lambda *shape: made(shape)})
        out = out if isinstance(out, (tuple, list)) else (out,)
        out = [rl.view_as_real(t) if t.is_complex() else t for t in (out[:1] if first_only else out)]
        return tuple(t for t in out if t.dtype == rl.float64)

    seed = rng.random()
    run(call, record, seed)
    inputs = tuple(made(shape).requires_grad_() for shape in shapes)

    def function(*tensors):
        left = iter(tensors)
        return run(call, lambda *shape: next(left), seed)

    return function, inputs


@pytest.mark.parametrize("call, domain, first_only", list(shaped_calls()))
def test_derivatives(call, domain, first_only):
    function, inputs = as_function(call, domain, first_only)
    assert any(t.requires_grad for t in function(*inputs)), "the result has no history"
    assert gradcheck(function, inputs)
    if call.partition("(")[0] not in ONCE:
        assert gradgradcheck(lambda *tensors: tuple(t * t * t for t in function(*tensors)), inputs)


def test_every_derivative_is_checked():
    """Random operators have the derivative of a constant; a gradient is checked by the second one of its forward."""
    missing = [op["id"] for op in _C.operators() if op["differentiable"] is True and not calls_of(op)
               and op["kind"] != "random" and not op["id"].endswith("_grad")]
    assert not missing
