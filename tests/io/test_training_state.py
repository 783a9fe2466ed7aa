"""A training run that is stopped goes on bit for bit; what does not fit is refused, and the old file stays."""
import copy
import os

import kill_training
import pytest

import rushlight as rl
from rushlight.io import CorruptFileError, TrainingState
from rushlight.utils._generators import generator_states


@pytest.mark.parametrize("workers", [0, 2])
def test_kills_change_no_loss(workers):
    made, wrong = kill_training.main(4, workers)
    assert made == 4, "the run was over too soon: the test proved nothing"
    assert wrong == []


def _parts(seed=0):
    rl.manual_seed(seed)
    model = rl.nn.Linear(2, 1)
    return {"model": model, "optimizer": rl.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), "at": {"epoch": 3}}


def test_what_is_restored(tmp_path):
    parts = _parts()
    state = TrainingState(tmp_path / "deep" / "run.pth", **parts)
    assert state.resume() is False
    state.save()
    following = rl.rand(3)
    other = _parts(1)
    other["at"]["epoch"] = 9
    at = other["at"]
    assert TrainingState(state.path, **other).resume() is True
    assert rl.equal(other["model"].weight, parts["model"].weight) and at == {"epoch": 3}
    assert rl.equal(rl.rand(3), following)
    assert repr(state) == f"TrainingState({state.path!r}, model=Linear, optimizer=SGD, at=dict)"


def test_refuses_numbers_that_are_not_finite(tmp_path):
    parts = _parts()
    state = TrainingState(tmp_path / "run.pth", on_nonfinite="raise", **parts)
    state.save()
    before = (tmp_path / "run.pth").read_bytes()
    with rl.no_grad():
        parts["model"].weight[0, 1] = float("nan")
    with pytest.raises(RuntimeError, match=r"TrainingState.save: model\['weight'\] of shape \(1, 2\) holds"):
        state.save()
    assert (tmp_path / "run.pth").read_bytes() == before and os.listdir(tmp_path) == ["run.pth"]


def test_files_and_parts_that_do_not_fit(tmp_path):
    path = tmp_path / "run.pth"
    state = TrainingState(path, **_parts())
    rl.save([1], path)
    with pytest.raises(KeyError, match="holds no training state"):
        state.resume()
    state.save()
    with pytest.raises(KeyError, match=r"has the parts \['at', 'model', 'optimizer'\]; expected \['model'\]"):
        TrainingState(path, model=rl.nn.Linear(2, 1)).resume()
    rl.save({"parts": 3, "generators": {}}, path)
    with pytest.raises(KeyError, match="holds no training state"):
        state.resume()
    at = {"epoch": 7}
    rl.save({"parts": {"at": [1]}, "generators": {}}, path)
    with pytest.raises(TypeError, match="has at as a list; expected a dict"):
        TrainingState(path, at=at).resume()
    assert at == {"epoch": 7}
    state.save()
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises((CorruptFileError, RuntimeError)):
        state.resume()
    with pytest.raises(TypeError, match="TrainingState: epoch is a int"):
        TrainingState(path, epoch=1)
    with pytest.raises(ValueError, match="on_nonfinite='no'"):
        TrainingState(path, on_nonfinite="no")


class _Counter:
    """A part of a program's own: refuses late, when it has already written in place."""

    def __init__(self, count):
        self.counts = [count]

    def state_dict(self):
        return {"counts": self.counts}

    def load_state_dict(self, state):
        self.counts[:] = state["counts"]
        self.last = state.get("last")
        if self.counts[0] < 0:
            raise ValueError("a count below 0")


def _all_parts(seed):
    parts = _parts(seed)
    model, optimizer = parts["model"], parts["optimizer"]
    scheduler = rl.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    loader = rl.utils.data.DataLoader(range(6), shuffle=True, generator=rl.Generator().manual_seed(seed))
    for _ in range(seed):
        model(rl.ones(3, 2)).sum().backward()
        optimizer.step()
        scheduler.step()
    loader.in_progress = iter(loader)                    # lives as long as the loader, which is in the midst of it
    next(loader.in_progress)
    average = rl.optim.swa_utils.AveragedModel(model)
    return {"average": average, **parts, "scheduler": scheduler, "loader": loader, "count": _Counter(seed),
            "scaler": rl.amp.GradScaler("cpu", init_scale=2.0 + seed)}


def _facts(parts):
    states = {name: dict(part) if isinstance(part, dict) else part.state_dict() for name, part in parts.items()}
    kept = {name: {key: value for key, value in vars(part).items() if key not in ("_parameters", "_buffers")}
            for name, part in parts.items() if not isinstance(part, dict)}
    return copy.deepcopy(states), {name: dict(values) for name, values in kept.items()}


def _same(a, b):
    if isinstance(a, rl.Tensor):
        return rl.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b


def _shorter(state):
    weight = state["weight"]
    return {"bias": state["bias"] + 1, "weight": weight[:, :1].clone()}


@pytest.mark.parametrize("name, damage", [
    ("model", _shorter), ("model", lambda s: {"weight": s["weight"]}), ("model", lambda s: 3),
    ("average", lambda s: {key: value for key, value in s.items() if "bias" not in key}),
    ("optimizer", lambda s: {**s, "param_groups": []}), ("optimizer", lambda s: {"state": s["state"]}),
    ("scheduler", lambda s: 3), ("scheduler", lambda s: None),
    ("loader", lambda s: {**s, "generators": []}), ("loader", lambda s: {**s, "position": 3}),
    ("count", lambda s: {"counts": [-1], "last": 4}), ("scaler", lambda s: {}), ("at", lambda s: [1]),
    ("generators", lambda s: {**s, "python": 3}), ("generators", lambda s: {"rushlight": s["rushlight"]}),
    ("generators", lambda s: {**s, "rushlight": rl.zeros(3, dtype=rl.uint8)}),
])
@pytest.mark.parametrize("place", ["first", "last"])
def test_what_is_refused_changes_no_part(tmp_path, name, damage, place):
    path = tmp_path / "run.pth"
    TrainingState(path, **_all_parts(1)).save()
    state = rl.load(path)
    if name == "generators":
        state["generators"] = damage(state["generators"])
    else:
        state["parts"][name] = damage(state["parts"][name])
    rl.save(state, path)

    parts = _all_parts(2)
    if name in parts:
        rest = {key: part for key, part in parts.items() if key != name}
        parts = {name: parts[name], **rest} if place == "first" else {**rest, name: parts[name]}
    run = TrainingState(path, **parts)
    (before, attributes), generators = _facts(parts), generator_states()
    with pytest.raises(Exception) as caught:  # noqa: PT011  whatever the part raises
        run.resume()
    assert not isinstance(caught.value, AssertionError)
    if name not in ("generators", "at"):
        assert f"{name} refuses what {path} has for it" in caught.value.__notes__[0]
    after, attributes_after = _facts(parts)
    for key in parts:
        assert _same(before[key], after[key]), key
        if key not in ("at", "average", "model"):
            assert attributes[key].keys() == attributes_after[key].keys(), key
    assert _same(generators, generator_states())
