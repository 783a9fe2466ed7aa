"""Whole training steps, captured from ordinary calls: equal to eager mode bit for bit, gradients and state included."""

import numpy as np
import pytest
from jit.training_programs import PROGRAMS

import rushlight as rl
from rushlight.jit._structure import flatten


def state_of(objects):
    """All tensors that a step may have changed, by name."""
    out = {}
    for i, owner in enumerate(objects):
        if isinstance(owner, rl.nn.Module):
            for name, p in owner.named_parameters():
                out[f"{i}.{name}"], out[f"{i}.{name}.grad"] = p, p.grad
            out.update({f"{i}.{name}": b for name, b in owner.named_buffers()})
        elif isinstance(owner, rl.Tensor):
            out[f"{i}"], out[f"{i}.grad"] = owner, owner.grad
        else:
            for n, values in owner.state_dict()["state"].items():
                out.update({f"{i}.{n}.{key}": value for key, value in values.items()})
    return out


def check_equal(expected, got, where):
    assert expected.keys() == got.keys()
    for name, a in expected.items():
        b = got[name]
        if not isinstance(a, rl.Tensor):
            assert a == b, (where, name)
            continue
        assert b is not None and a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride(), (where, name)
        np.testing.assert_array_equal(a.detach().float().numpy(), b.detach().float().numpy(), err_msg=f"{where} {name}")


def run(make, compiled, calls=5):
    """Results, states and random streams of several calls."""
    objects, step, batches = make()
    function = rl.compile(step, fullgraph=True) if compiled else step
    rl.manual_seed(1)
    trail = []
    for _ in range(calls):
        batch = batches()
        result = function(*batch)
        values = {f"result {i}": t.detach().clone() for i, t in enumerate(flatten(result, "result", True)[0])}
        values.update({name: t.detach().clone() if isinstance(t, rl.Tensor) else t
                       for name, t in state_of([*objects, *batch]).items()})
        values["stream"] = rl.get_rng_state().clone()
        trail.append(values)
    return trail, function


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_captured_step_equals_eager(name):
    expected, _ = run(PROGRAMS[name], False)
    got, compiled = run(PROGRAMS[name], True)
    for i, (a, b) in enumerate(zip(expected, got, strict=True)):
        check_equal(a, b, f"call {i}")
    assert compiled.graphs and "as it is written" not in compiled.report()
