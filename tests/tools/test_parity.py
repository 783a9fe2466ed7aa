"""Parity with PyTorch's samples: the harness notices what it must, and a short form of the run agrees."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rushlight as rl
from tools.parity import calls, compare, lint, replay, report, wire

ROOT = Path(__file__).parents[2]

#: One or two operators of each kind; the whole is `make parity`.
SHORT = ("add,sub,mul,pow,exp,erf,where,sum,cumsum,unique,cat,index_select,__getitem__,expand,permute,reshape,unfold,"
         "einsum,softmax,nn_functional_conv2d,nn_functional_max_pool2d,nn_functional_layer_norm,"
         "nn_functional_cross_entropy,nn_functional_interpolate_bilinear,nn_functional_pad_reflect,rand_like,"
         "nn.Linear,nn.BatchNorm1d,nn.ReLU,nn.MSELoss")


def written(path, call, want, **more):
    """A file with one sample, as the exporting side writes it."""
    blob = wire.Blob()
    sample = {"call": wire.encode(call, rl, blob, {}), "want": wire.encode(want, rl, blob, {}), "random": False, **more}
    content = {"operator": "mul", "formatted": "mul", "aliases": [], "dtype": "float32", "samples": [sample],
               "errors": [], "rtol": 0, "atol": 0}
    wire.write(path, content, blob)
    return path


def outcome(path):
    return [(r["status"], r["detail"]) for r in replay.supervise([path])]


def test_a_sample_keeps_its_strides(tmp_path):
    x = rl.arange(24.0).reshape(4, 6)[1:, ::2].t().requires_grad_()
    call = (x, ((1.5, x),), {"k": [rl.float64, slice(1, None), 2j]})
    content, blob = wire.read(written(tmp_path / "mul", call, x * x))
    args, kwargs, leaves = replay.arguments(content["samples"][0], blob)
    assert args[0] is args[1][1] and args[0].stride() == x.stride() and args[0].storage_offset() == 6
    assert rl.equal(args[0], x) and args[1][0] == 1.5 and kwargs == {"k": [rl.float64, slice(1, None), 2j]}
    assert leaves == [args[0]]


@pytest.mark.parametrize("want, says", [
    (rl.tensor([1.0, 4.0]), ""), (rl.tensor([1.0, 4.5]), "1 of 2 values, first at (1,)"),
    (rl.tensor([1, 4]), "dtype float32"), (rl.tensor([[1.0, 4.0]]), "shape (2,)"), (4.0, "Tensor; PyTorch gives 4.0"),
    ([rl.tensor([1.0, 4.0])], "Tensor; PyTorch gives 1 of them"),
])
def test_differences_are_noticed(tmp_path, want, says):
    x = rl.tensor([1.0, 2.0])
    ((status, detail),) = outcome(written(tmp_path / "mul", (x, (x,), {}), want))
    assert status == ("differs" if says else "match") and says in detail


@pytest.mark.parametrize("want, most", [(1.00003, 2.65), (1.0001, 8.85)])
def test_the_largest_deviation_is_told_and_bounded(tmp_path, want, most):
    x = rl.tensor([1.0, 1.0])
    ((status, detail),) = outcome(written(tmp_path / "mul", (x, (x,), {}), rl.tensor([1.0, want])))
    found = compare.most(detail)
    assert found == pytest.approx(most, rel=0.01)
    for bound, then in ((most * 1.1, "excepted"), (most * 0.9, "differs")):
        record = {"status": status, "detail": detail, "dtype": "float32", "kind": "samples", "call": ""}
        report._except("mul", record, [{"operators": ["mul"], "most": bound, "reason": "rounding"}], set())
        assert record["status"] == then


def test_wrong_gradients_are_noticed(tmp_path):
    x = rl.tensor([1.0, 2.0]).requires_grad_()
    blob = wire.Blob()
    weights = rl.from_numpy(wire.cotangent((2,), False)).float()
    for factor, status in ((6.0, "match"), (5.9, "differs")):
        sample = {"call": wire.encode((x, (3.0 * rl.ones(2),), {}), rl, blob, {}), "view": False, "random": False,
                  "want": wire.encode(x.detach() * 3, rl, blob, {}),
                  "grads": wire.encode([weights * factor / 2], rl, blob, {})}
        content = {"operator": "mul", "formatted": "mul"}
        assert replay.check_sample(rl.mul, sample, content, blob)[0] == status


@pytest.mark.parametrize("deed, status", [
    (lambda *a: os.kill(os.getpid(), signal.SIGSEGV), "crashed"), (lambda *a: time.sleep(60), "timeout"),
    (lambda *a: rl.empty(2**33).fill_(1), "raised"),
])
def test_a_child_that_ends_is_reported(tmp_path, monkeypatch, deed, status):
    monkeypatch.setattr(calls, "find", lambda *a: deed)
    monkeypatch.setattr(replay, "WALL", 3)
    assert outcome(written(tmp_path / "mul", (rl.ones(2), (), {}), 1.0))[0][0] == status


def test_absent_operators_are_no_failures(tmp_path, monkeypatch):
    monkeypatch.setattr(calls, "find", lambda *a: None)
    assert outcome(written(tmp_path / "mul", (rl.ones(2), (), {}), 1.0)) == [("absent", "")]


def test_sentences():
    arguments = {"dim", "input"}
    assert lint.complaint("add: dim=3 is out of range; expected 0", {"add"}, arguments) is None
    assert "operator" in lint.complaint("dim=3 is out of range", {"add"}, arguments)
    assert "argument" in lint.complaint("add: 3 is too much", {"add"}, arguments)
    assert "value" in lint.complaint("add: dim is bad", {"add"}, arguments)


def test_single_precision_is_judged_by_double():
    blob = wire.Blob()
    want, exact = (wire.encode(v, rl, blob, {}) for v in (rl.tensor([1.001]), rl.tensor([1.0], dtype=rl.float64)))
    assert compare.nearer([rl.tensor([1.0009])], want, exact, blob, {})
    assert not compare.nearer([rl.tensor([1.002])], want, exact, blob, {})


@pytest.mark.parametrize("places, status", [([1, 0, 2], "tied"), ([0, 1, 2], "match"), ([0, 2, 1], "differs"),
                                            ([0, 0, 2], "differs")])
def test_of_equal_elements_any_may_be_named(places, status):
    x, blob = rl.tensor([1, 1, 2]), wire.Blob()
    sample = {"call": wire.encode((x, (), {}), rl, blob, {}), "want": wire.encode(rl.tensor([0, 1, 2]), rl, blob, {})}
    content = {"operator": "argsort", "formatted": "argsort"}
    assert replay.check_sample(lambda x: rl.tensor(places), sample, content, blob)[0] == status


def test_a_module_is_a_call():
    blob = wire.Blob()
    state = {"weight": rl.ones(2, 3).requires_grad_(), "bias": rl.ones(2).requires_grad_()}
    setup = {"make": ((3, 2), {}), "state": state, "training": True}
    call = wire.encode((setup, (rl.ones(1, 3).requires_grad_(),), {}), rl, blob, {})
    args, kwargs, leaves = replay.arguments({"call": call}, blob)
    result, buffers, shapes = calls.find(rl, "nn.Linear", "nn_Linear")(*args, **kwargs)
    assert result.tolist() == [[4.0, 4.0]] and buffers == [] and shapes == (("weight", (2, 3)), ("bias", (2,)))
    assert [tuple(g.shape) for g in rl.autograd.grad(result.sum(), leaves)] == [(2, 3), (2,), (1, 3)]
    setup["state"].pop("bias")
    with pytest.raises(RuntimeError, match="bias"):
        calls.find(rl, "nn.Linear", "nn_Linear")(setup, rl.ones(1, 3))


def test_an_optimizer_is_a_call():
    setup = {"params": [rl.ones(2), rl.ones(3)], "options": {"lr": 0.1}, "groups": [{}, {"lr": 0.2}], "steps": 3,
             "resume": None}
    (first, second), state = calls.find(rl, "optim.SGD", "optim_SGD")(setup)
    assert (first < 1).all() and (second < 1).any() and dict(state)[".param_groups.1.lr"] == 0.2
    assert setup["params"][0].tolist() == [1, 1]
    assert not calls.find(rl, "optim.NoSuchThing", "optim_NoSuchThing")


def test_short_form(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: its samples can't be exported")
    pytest.importorskip("expecttest", reason="expecttest is not installed: PyTorch's operator database needs it")
    subprocess.run([sys.executable, "-m", "tools.parity", "export", "--cache", tmp_path, "--only", SHORT, "--jobs", "1",
                    "--dtypes", "float32", "--samples", "8"], cwd=ROOT, check=True)
    files = {p.name.split(".")[0]: [p] for p in (tmp_path / f"samples-{wire.FORMAT}").glob("*.float32.parity")}
    replay.replay(files, tmp_path / "results", 1)
    table, _ = report.load(tmp_path / "results")
    assert len(table) >= 25
    bad = [line for line in report.failures(table) if line.startswith("    ")]
    assert not bad, "\n".join(bad)
