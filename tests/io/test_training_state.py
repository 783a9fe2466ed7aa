"""A training run that is stopped goes on bit for bit; what does not fit is refused, and the old file stays."""
import os

import kill_training
import pytest

import rushlight as rl
from rushlight.io import CorruptFileError, TrainingState


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
