"""Programs written at random give the same as eager mode however they run: compiled, traced, saved and loaded, frozen,
optimized for inference, and through the C library; with gradients and as training steps, too.

RUSHLIGHT_RANDOM_PROGRAMS sets how many of each kind; each is known by its number, and the same at each run.
"""
import io
import operator
import os
import warnings

import numpy as np
import pytest
from capi import interface
from jit.programs import bits
from jit.random_programs import GRADIENTS, gradients_program, smallest, values_program

import rushlight as rl

COUNT = int(os.environ.get("RUSHLIGHT_RANDOM_PROGRAMS", "150"))
BATCH = 25
# Calls: the seed of their inputs, the Python number that they are given, and how many rows more than the example.
CALLS = [(0, 1, 0), (1, 1, 0), (2, 1, 0), (3, 1, 2), (4, 2, 0), (5, 2, 0), (3, 1, 2), (6, 1, 0), (7, 1, 5)]
WITH_GRADIENTS = [call for call in CALLS if not call[2]]


def kept(tensors):
    return [None if t is None else bits(t) for t in tensors]


def tensors_of(result):
    return [t for t in result if isinstance(t, rl.Tensor)]


def write_through(result):
    """Changes what the results share memory with."""
    for t in tensors_of(result):
        try:
            with rl.no_grad():
                t.add_(1)
        except RuntimeError:                               # it is expanded, or bool
            pass


def called(program, function, state):
    """What each call gives and leaves behind: results, arguments, state, the generator's; None where it raises."""
    log = []
    for seed, k, more in CALLS:
        arguments = program.inputs(seed, more)
        try:
            result = function(*arguments, k)
        except Exception:                                  # noqa: BLE001  sizes that do not fit
            log.append(None)
            break                                          # what it had changed by then is not promised
        log.append(kept([*result, *arguments, *state.tensors(), rl.get_rng_state()]))
        if seed % 2:
            write_through(result)
            log.append(kept([*result, *arguments, *state.tensors()]))
    return log


def walked(program, function, state):
    """The same with the gradients of arguments and weights."""
    log = []
    for seed, k, more in WITH_GRADIENTS:
        arguments = program.inputs(seed, more)
        if seed in (0, 4) or program.kind == "outside":
            state.zero_grad()
        try:
            result = function(*arguments, k)
            if program.kind == "outside":
                result[0].backward()
        except Exception:                                  # noqa: BLE001
            log.append(None)
            break
        tensors = [*arguments, *state.parameters()]
        log.append(kept([*result, *tensors, *state.tensors(), rl.get_rng_state(), *[t.grad for t in tensors]]))
    return log


def near(a, b):
    """Whether gradients that were added up in another order are the same: equal operators are computed once."""
    if a == b or a is None or b is None or a[:2] != b[:2] or a[0] != rl.float32:
        return a == b
    a, b = np.frombuffer(a[3], np.float32), np.frombuffer(b[3], np.float32)
    finite = np.isfinite(a) & np.isfinite(b)
    return (finite | ~np.isfinite(a) & ~np.isfinite(b)).all() and (
        abs(a - b)[finite] <= 1e-6 + 1e-3 * abs(a[finite]).max(initial=0)).all()


def differs(expected, got, same):
    """Where two logs differ first; a compiled call may do without an error of what nobody reads."""
    for n, (a, b) in enumerate(zip(expected, got, strict=False)):
        if a is None:
            return None
        wrong = ["an error"] if b is None else [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if not same(x, y)]
        if wrong:
            return n, wrong
    return None


def compiled_differs(program):
    watch, same = (walked, near) if program.kind in GRADIENTS else (called, operator.eq)
    state, other = program.state(), program.state()
    return differs(watch(program, state.function, state), watch(program, rl.compile(other.function), other), same)


class Sensitive:
    """How far results may be from eager ones: what the last digits of weights and arguments change in them."""

    def __init__(self, program, expected):
        state = program.state().eval()
        for t in state.parameters():
            t.mul_(1 + 1e-6 * rl.randn(t.shape))
        arguments = [t * (1 + 1e-6 * rl.randn(t.shape)) if t.is_floating_point() else t for t in row_major(program, 0)]
        rl.manual_seed(0)
        changed = state(*arguments)
        self.allowed = [abs(numbers(a) - numbers(b)) for a, b in zip(expected, changed, strict=True)]

    def agree(self, expected, got):
        for a, b, allowed in zip(expected, got, self.allowed, strict=True):
            a, b = numbers(a), numbers(b)
            with np.errstate(invalid="ignore"):
                far = abs(a - b) > 10 * np.nanmax(allowed, initial=0) + 1e-5 * (1 + abs(a))
            if a.shape != b.shape or (far & np.isfinite(allowed)).any():
                return False
        return True


def numbers(t):
    return (t.float() if t.dtype == rl.bfloat16 else t).detach().numpy().astype(np.float64)


def row_major(program, seed, more=0):
    """Arguments as traces expect them: they copy others, and refuse them where they are written."""
    return [t.new_empty(t.shape).copy_(t) for t in program.inputs(seed, more)]


def contents(tensors):
    return [(dtype, shape, data) for dtype, shape, _, data in kept(tensors)]


def native(data, program):
    """What the C library computes for each of the inputs."""
    model, out = interface.made(interface.LIB.rl_model_load_memory, data, interface.SIZE(len(data)), 0), []
    for seed in range(2):
        given = [interface.tensor(t.numpy()) for t in row_major(program, seed)]
        count = interface.LIB.rl_output_count(model, interface.SIZE(0))
        out.append(interface.run(model, *given, outputs=count))
    return out


def grown_differs(program, data):
    """Whether a file does something else with more rows; it may refuse them."""
    try:
        expected = contents(program.state().eval()(*row_major(program, 0, 2)))
        got = contents(rl.jit.load(io.BytesIO(data))(*row_major(program, 0, 2)))
    except Exception:                                      # noqa: BLE001
        return False
    return got != expected


def traced_differs(program):
    """The ways of a traced module, one after the other; None where it can't be run or traced."""
    if "the same" in program.layouts:                      # a trace takes its arguments for different tensors
        return None
    state = program.state().eval()
    expected, left = [], []
    for seed in range(2):
        arguments = row_major(program, seed)
        try:
            expected.append(state(*arguments))
        except Exception:                                  # noqa: BLE001
            return None
        left.append(kept([*expected[-1], *arguments, rl.get_rng_state()]))
        expected[-1] = [t.clone() for t in expected[-1]]

    def differ(run):
        for seed in range(2):
            arguments = row_major(program, seed)
            if kept([*run(*arguments), *arguments, rl.get_rng_state()]) != left[seed]:
                return True
        return False

    state = program.state().eval()
    before = [t.clone() for t in state.tensors()]
    with warnings.catch_warnings():
        warnings.simplefilter("error", rl.jit.TracerWarning)
        try:
            traced = rl.jit.trace(state, tuple(row_major(program, 0)), check_trace=False)
        except rl.jit.TracerWarning:                       # what it does depends on what the tensors hold
            return None
        except RuntimeError as error:
            assert str(error).startswith("capture: "), error
            return None
    for t, value in zip(state.tensors(), before, strict=True):
        t.data.copy_(value)
    file = io.BytesIO()
    rl.jit.save(traced, file)
    ways = [("traced", traced), ("loaded", rl.jit.load(io.BytesIO(file.getvalue())))]
    if program.kind == "stateless":
        ways.append(("frozen", rl.jit.freeze(traced, optimize_numerics=False)))
    for name, way in ways:
        if differ(way):
            return name
    if not any(t.dtype == rl.bfloat16 for t in expected[0]):
        for results, arrays in zip(expected, native(file.getvalue(), program), strict=True):
            if contents(results) != contents(rl.tensor(a) for a in arrays):
                return "native"
    if grown_differs(program, file.getvalue()):
        return "loaded, with more rows"
    if program.kind == "stateless":
        fast = rl.jit.optimize_for_inference(traced)
        if not Sensitive(program, expected[0]).agree(expected[0], fast(*row_major(program, 0))):
            return "optimized"
    return None


def check(program, fails):
    difference = fails(program)
    if difference is not None:
        small = smallest(program, lambda p: fails(p) is not None)
        pytest.fail(f"program {program.seed}, {difference}, {small.kind}, shapes {small.shapes}, {small.layouts}:\n"
                    + small.source, pytrace=False)


@pytest.fixture(autouse=True)
def quietly():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
    interface.free_all()


@pytest.mark.parametrize("start", range(0, COUNT, BATCH))
def test_values(start):
    for n in range(start, min(start + BATCH, COUNT)):
        program = values_program(n)
        with rl.no_grad():
            check(program, compiled_differs)
            check(program, traced_differs)


@pytest.mark.parametrize("start", range(0, COUNT, BATCH))
def test_gradients(start):
    for n in range(start, min(start + BATCH, COUNT)):
        program = gradients_program(n)
        if program is not None:
            check(program, compiled_differs)
