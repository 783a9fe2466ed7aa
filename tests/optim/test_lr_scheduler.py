"""Schedules beside PyTorch's: the same rates, bit for bit, and the same state."""
import gc
import math
import pickle
import warnings
import weakref

import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


class Halving:
    """A callable object, whose attributes are part of the state."""

    def __init__(self):
        self.calls = 0

    def __call__(self, step):
        self.calls += 1
        return 0.5**step


CASES = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.7}),
    ("MultiStepLR", {"milestones": [2, 5, 5]}),
    ("MultiStepLR", {"milestones": [0, 3], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 2}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.6, "total_iters": 7}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 4, "power": 2.0}),
    ("PolynomialLR", {}),
    ("CosineAnnealingLR", {"T_max": 4}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": lambda step: 0.95**step}),
    ("LambdaLR", {"lr_lambda": Halving()}),
    ("LambdaLR", {"lr_lambda": [lambda step: 0.95**step, lambda step: 1 / (1 + step)]}),
    ("MultiplicativeLR", {"lr_lambda": lambda step: 0.9}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 20}),
    ("OneCycleLR", {"max_lr": [0.3, 0.1], "epochs": 4, "steps_per_epoch": 5}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 20, "anneal_strategy": "linear", "three_phase": True}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3}),
    (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "step_size_down": 2, "mode": "triangular2"},
    ),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(CASES)]


def optimizer_of(package, kind="SGD"):
    params = [package.nn.Parameter(package.ones(1)) for _ in range(2)]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.03}]
    return (
        package.optim.SGD(groups, lr=0.1, momentum=0.9)
        if kind == "SGD"
        else package.optim.Adam(groups, lr=0.1)
    )


def rates(package, name, options, steps=15, kind="SGD"):
    optimizer = optimizer_of(package, kind)
    schedule = getattr(package.optim.lr_scheduler, name)(optimizer, **options)
    seen = [schedule.get_last_lr()]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        seen.append(schedule.get_last_lr())
        if kind == "SGD":
            seen.append([group["momentum"] for group in optimizer.param_groups])
        else:
            seen.append([group["betas"] for group in optimizer.param_groups])
        assert [group["lr"] for group in optimizer.param_groups] == schedule.get_last_lr()
    return seen, schedule


@pytest.mark.parametrize("name,options", CASES, ids=IDS)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_sequence(name, options, kind):
    own, mine = rates(rl, name, options, kind=kind)
    reference, theirs = rates(torch, name, options, kind=kind)
    assert own == reference
    if name == "CyclicLR":
        return  # what it keeps beside the rates is its own
    ours, expected = mine.state_dict(), theirs.state_dict()
    assert set(ours) == set(expected)
    for key in expected:
        if key != "lr_lambdas":
            assert ours[key] == expected[key], key


@pytest.mark.parametrize("name,options", CASES, ids=IDS)
def test_state_dict_takes_up_where_it_was(name, options):
    whole, _ = rates(rl, name, options, steps=10)
    optimizer = optimizer_of(rl)
    schedule = getattr(rl.optim.lr_scheduler, name)(optimizer, **options)
    for _ in range(4):
        optimizer.step()
        schedule.step()
    saved = schedule.state_dict(), optimizer.state_dict()
    if not callable(options.get("lr_lambda")) and not isinstance(options.get("lr_lambda"), list):
        saved = pickle.loads(pickle.dumps(saved))
    optimizer = optimizer_of(rl)
    schedule = getattr(rl.optim.lr_scheduler, name)(optimizer, **options)
    optimizer.load_state_dict(saved[1])
    schedule.load_state_dict(saved[0])
    for step in range(4, 10):
        optimizer.step()
        schedule.step()
        assert schedule.get_last_lr() == whole[2 * step + 1]


@pytest.mark.parametrize(
    "name,options",
    [
        ("StepLR", {"step_size": 3}),
        ("MultiStepLR", {"milestones": [2, 5]}),
        ("CosineAnnealingLR", {"T_max": 4}),
        ("ExponentialLR", {"gamma": 0.9}),
        ("LinearLR", {}),
        ("ConstantLR", {}),
        ("PolynomialLR", {}),
        ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2}),
    ],
)
def test_going_to_an_epoch(name, options):
    results = []
    for package in (rl, torch):
        optimizer = optimizer_of(package)
        schedule = getattr(package.optim.lr_scheduler, name)(optimizer, **options)
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append([(schedule.step(epoch), schedule.get_last_lr())[1] for epoch in (3, 7, 1, 6)])
    assert results[0] == results[1]


def test_taking_up_with_last_epoch():
    results = []
    for package in (rl, torch):
        optimizer = optimizer_of(package)
        for group in optimizer.param_groups:
            group["initial_lr"] = 0.2
        schedule = package.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6, last_epoch=2)
        optimizer.step()
        schedule.step()
        results.append(schedule.get_last_lr())
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "factor": 0.5, "patience": 1},
        {"patience": 0, "cooldown": 2, "min_lr": [0.01, 0.001]},
        {"threshold_mode": "abs", "threshold": 0.5, "patience": 1},
    ],
)
def test_plateau(options):
    losses = [5.0, 4.0, 4.1, 4.2, 4.0, 3.9, 3.9, 3.9, 3.8, 7.0, 7.0, 7.0, math.nan, 7.0, 7.0, 7.0] * 2
    results = []
    for package in (rl, torch):
        optimizer = optimizer_of(package)
        schedule = package.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        seen = []
        for loss in losses:
            schedule.step(package.tensor(loss))
            seen.append(schedule.get_last_lr())
        results.append((seen, schedule.state_dict()))
    assert results[0] == results[1]


def test_sequential_and_chained():
    results = []
    for package in (rl, torch):
        schedulers = package.optim.lr_scheduler
        optimizer = optimizer_of(package)
        schedule = schedulers.SequentialLR(optimizer, [
            schedulers.LinearLR(optimizer, total_iters=3), schedulers.CosineAnnealingLR(optimizer, 5),
            schedulers.ExponentialLR(optimizer, 0.5)], milestones=[3, 7])
        seen = [schedule.get_last_lr()]
        for _ in range(10):
            optimizer.step()
            schedule.step()
            seen.append(schedule.get_last_lr())
        optimizer = optimizer_of(package)
        chained = schedulers.ChainedScheduler([
            schedulers.ConstantLR(optimizer, total_iters=2), schedulers.ExponentialLR(optimizer, 0.9)])
        for _ in range(5):
            optimizer.step()
            chained.step()
            seen.append(chained.get_last_lr())
        results.append(seen)
    assert results[0] == results[1]


def test_warns_about_the_order_of_steps():
    for package in (torch, rl):
        schedule = package.optim.lr_scheduler.StepLR(optimizer_of(package), 1)
        with pytest.warns(UserWarning, match="before `optimizer.step"):
            schedule.step()
        optimizer = optimizer_of(package)
        schedule = package.optim.lr_scheduler.StepLR(optimizer, 1)
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            schedule.step()
        with pytest.warns(UserWarning, match="get_last_lr"):
            schedule.get_lr()


@pytest.mark.parametrize("make,kind", [
    (lambda s, o: s.StepLR(3, 1), TypeError),
    (lambda s, o: s.StepLR(o, 1, last_epoch=3), KeyError),
    (lambda s, o: s.LambdaLR(o, [abs]), ValueError),
    (lambda s, o: s.OneCycleLR(o, 0.1), ValueError),
    (lambda s, o: s.OneCycleLR(o, 0.1, total_steps=-1), ValueError),
    (lambda s, o: s.OneCycleLR(o, [0.1], total_steps=5), ValueError),
    (lambda s, o: s.OneCycleLR(o, 0.1, total_steps=5, anneal_strategy="sin"), ValueError),
    (lambda s, o: s.ReduceLROnPlateau(o, mode="most"), ValueError),
    (lambda s, o: s.ReduceLROnPlateau(o, factor=1.0), ValueError),
    (lambda s, o: s.CosineAnnealingWarmRestarts(o, 0), ValueError),
    (lambda s, o: s.ConstantLR(o, factor=2.0), ValueError),
    (lambda s, o: s.LinearLR(o, start_factor=0), ValueError),
    (lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]), ValueError),
    (lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError),
])
def test_errors(make, kind):
    for package in (torch, rl):
        with pytest.raises(kind):
            make(package.optim.lr_scheduler, optimizer_of(package))


@pytest.mark.parametrize("make, kind, says", [
    (lambda s, o: s.StepLR(3, 1), TypeError, "StepLR: optimizer is of type int; expected an Optimizer"),
    (lambda s, o: s.StepLR(o, 0), ValueError, "StepLR: step_size=0; expected a number of steps above 0"),
    (lambda s, o: s.StepLR(o, "a"), TypeError, "StepLR: step_size='a' is of type str; expected a number"),
    (lambda s, o: s.MultiStepLR(o, 3), TypeError, "MultiStepLR: milestones=3 is of type int"),
    (lambda s, o: s.CosineAnnealingLR(o, 0), ValueError, "CosineAnnealingLR: T_max=0;"),
    (lambda s, o: s.ExponentialLR(o, None), TypeError, "ExponentialLR: gamma=None is of type NoneType"),
    (lambda s, o: s.LambdaLR(o, [abs]), ValueError, "lr_lambda has 1 values for 2 groups"),
    (lambda s, o: s.LambdaLR(o, 3), TypeError, "LambdaLR: lr_lambda=3 is of type int; expected a function"),
    (lambda s, o: s.CyclicLR(o, 0.1, 0.2, step_size_up=0), ValueError, "CyclicLR: step_size_up=0;"),
    (lambda s, o: s.CyclicLR(o, [0.1], 0.2), ValueError, "CyclicLR: base_lr has 1 values for 2 groups"),
    (lambda s, o: s.OneCycleLR(o, 0.1, 5, div_factor=0), ValueError, "OneCycleLR: div_factor=0;"),
    (lambda s, o: s.ReduceLROnPlateau(o, "most"), ValueError, "mode='most' is unknown; expected 'min' or 'max'"),
    (lambda s, o: s.ReduceLROnPlateau(o, min_lr="a"), TypeError, "ReduceLROnPlateau: min_lr='a' is of type str"),
    (lambda s, o: s.SequentialLR(o, [], []), ValueError, "SequentialLR: schedulers is empty"),
    (lambda s, o: s.ChainedScheduler([3]), TypeError, r"ChainedScheduler: schedulers\[0\] is of type int"),
    (lambda s, o: s.ChainedScheduler([s.StepLR(o, 1), s.StepLR(optimizer_of(rl), 1)]), ValueError,
     r"ChainedScheduler: schedulers\[1\], a StepLR, belongs to another optimizer"),
    (lambda s, o: rl.optim.swa_utils.SWALR(o, [1]), ValueError, "SWALR: swa_lr has 1 values"),
])
def test_what_is_refused_is_named(make, kind, says):
    optimizer = optimizer_of(rl)
    with pytest.raises(kind, match=says):
        make(rl.optim.lr_scheduler, optimizer)
    assert optimizer.param_groups[0]["lr"] == optimizer_of(rl).param_groups[0]["lr"]


def test_a_schedule_keeps_no_optimizer_alive():
    gc.collect()
    gc.disable()
    try:
        optimizer = optimizer_of(rl)
        schedule = rl.optim.lr_scheduler.StepLR(optimizer, 1)
        optimizer.step()
        schedule.step()
        gone = weakref.ref(optimizer)
        del optimizer, schedule
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("hooks_first", [True, False])
def test_hooks_and_schedules_together(hooks_first):
    optimizer, events = optimizer_of(rl), []
    if hooks_first:
        optimizer.register_step_post_hook(lambda *args: events.append("step"))
    schedule = rl.optim.lr_scheduler.StepLR(optimizer, 1)
    if not hooks_first:
        optimizer.register_step_post_hook(lambda *args: events.append("step"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        schedule.step()
    assert events == ["step"]
