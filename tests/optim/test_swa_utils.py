"""Averaged models, their schedule and their batch statistics, by definition and beside PyTorch's."""
import copy

import numpy as np
import pytest

import rushlight as rl
from rushlight.optim import swa_utils


def values(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_equal_weights_are_the_mean():
    model = rl.nn.Linear(3, 2)
    averaged, seen = swa_utils.AveragedModel(model), []
    for step in range(4):
        model.weight.data = rl.from_numpy(values(step, 2, 3))
        seen.append(values(step, 2, 3))
        averaged.update_parameters(model)
        np.testing.assert_allclose(averaged.module.weight.detach().numpy(), np.mean(seen, 0), rtol=1e-5, atol=1e-6)
    assert averaged.n_averaged == 4
    assert list(averaged.state_dict()) == ["n_averaged", "module.weight", "module.bias"]
    assert averaged(rl.ones(1, 3)).shape == (1, 2) and averaged.module.weight is not model.weight


def test_exponential_average():
    model = rl.nn.Linear(3, 2)
    averaged = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.75))
    other = swa_utils.AveragedModel(model, avg_fn=swa_utils.get_ema_avg_fn(0.75))
    wanted = None
    for step in range(4):
        now = values(step, 2, 3)
        model.weight.data = rl.from_numpy(now)
        wanted = now if wanted is None else 0.75 * wanted + 0.25 * now
        for one in (averaged, other):
            one.update_parameters(model)
            np.testing.assert_allclose(one.module.weight.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


FUNCTIONS = {
    "default": lambda p: {},
    "swa": lambda p: {"avg_fn": p.optim.swa_utils.get_swa_avg_fn()},
    "swa multi": lambda p: {"multi_avg_fn": p.optim.swa_utils.get_swa_multi_avg_fn()},
    "ema": lambda p: {"avg_fn": p.optim.swa_utils.get_ema_avg_fn(0.9), "use_buffers": True},
    "ema multi": lambda p: {"multi_avg_fn": p.optim.swa_utils.get_ema_multi_avg_fn(0.9)},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_beside_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    results = []
    for package in (rl, torch):
        package.manual_seed(0)
        model = package.nn.Sequential(package.nn.Linear(4, 3), package.nn.BatchNorm1d(3))
        averaged = package.optim.swa_utils.AveragedModel(model, **FUNCTIONS[name](package))
        optimizer = package.optim.SGD(model.parameters(), lr=0.5)
        for step in range(4):
            optimizer.zero_grad()
            model(package.from_numpy(values(step, 8, 4))).square().mean().backward()
            optimizer.step()
            averaged.update_parameters(model)
        batches = [package.from_numpy(values(step, 8, 4)) for step in range(3)]
        state = {key: value.numpy().copy() for key, value in averaged.state_dict().items()}
        package.optim.swa_utils.update_bn([(batch, 0) for batch in batches], averaged)
        after = {key: value.numpy() for key, value in averaged.state_dict().items()}
        results.append((state, after, averaged.module[1].momentum, averaged.training))
    own, other = results
    for mine, theirs in zip(own[:2], other[:2]):
        assert list(mine) == list(theirs)
        for key in mine:
            np.testing.assert_allclose(mine[key], theirs[key], rtol=1e-4, atol=1e-6)
    assert own[2:] == other[2:]


def test_update_bn_takes_the_statistics_of_the_data():
    model, data = rl.nn.BatchNorm1d(3), values(0, 5, 4, 3)
    model.eval()
    swa_utils.update_bn([rl.from_numpy(batch) for batch in data], model)
    np.testing.assert_allclose(model.running_mean.numpy(), data.mean((0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.running_var.numpy(), data.var(1, ddof=1).mean(0), rtol=1e-5)
    assert model.momentum == 0.1 and not model.training
    swa_utils.update_bn(iter(()), rl.nn.Linear(1, 1))


@pytest.mark.parametrize("options", [
    {"swa_lr": 0.05}, {"swa_lr": 0.05, "anneal_strategy": "linear", "anneal_epochs": 4},
    {"swa_lr": [0.5, 0.1], "anneal_epochs": 0}])
def test_schedule_beside_pytorch(options):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    rates = []
    for package in (rl, torch):
        groups = [{"params": [package.nn.Parameter(package.ones(1))]},
                  {"params": [package.nn.Parameter(package.ones(1))], "lr": 0.2}]
        optimizer = package.optim.SGD(groups, lr=1.0)
        schedule = package.optim.swa_utils.SWALR(optimizer, **options)
        seen = []
        for step in range(12):
            optimizer.step()
            schedule.step()
            if step == 5:
                state = copy.deepcopy(schedule.state_dict())
                schedule = package.optim.swa_utils.SWALR(optimizer, **options)
                schedule.load_state_dict(state)
            seen.append(schedule.get_last_lr())
        rates.append(seen)
    np.testing.assert_allclose(*rates, rtol=1e-9)


@pytest.mark.parametrize("call, error", [
    (lambda: swa_utils.get_ema_avg_fn(1.5), ValueError),
    (lambda: swa_utils.AveragedModel(rl.nn.ReLU(), avg_fn=abs, multi_avg_fn=abs), AssertionError),
    (lambda: swa_utils.SWALR(rl.optim.SGD([rl.ones(1)]), 0.1, anneal_strategy="other"), ValueError),
    (lambda: swa_utils.SWALR(rl.optim.SGD([rl.ones(1)]), 0.1, anneal_epochs=-1), ValueError),
    (lambda: swa_utils.SWALR(rl.optim.SGD([rl.ones(1)]), [0.1, 0.2]), ValueError),
])
def test_errors(call, error):
    with pytest.raises(error):
        call()
