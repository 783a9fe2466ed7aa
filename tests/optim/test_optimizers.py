"""Optimizers beside PyTorch's: the same steps, text, state dicts both ways, and errors."""
import copy
import pickle
import warnings

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.2, "maximize": True, "momentum": 0.5}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.1, "maximize": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("RMSprop", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.5, "eps": 0.1, "maximize": True}),
    ("RMSprop", {"centered": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "eps": 0.1}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in CASES]


def parameters(package, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=size).astype(dtype) for size in ((3, 4), (5,), (), (17, 3), (2, 0))]
    return [package.nn.Parameter(package.from_numpy(array)) for array in arrays]


def set_gradients(package, params, step, skip=()):
    rng = np.random.default_rng(100 + step)
    for i, param in enumerate(params):
        gradient = rng.normal(size=tuple(param.shape)).astype(param.detach().numpy().dtype)
        param.grad = None if i in skip else package.from_numpy(np.asarray(gradient))


def assert_equal(own, reference, tight=1e-6):
    for mine, theirs in zip(own, reference, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=tight, atol=tight)


@pytest.mark.parametrize("dtype,tight", [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("name,options", CASES, ids=IDS)
def test_steps(name, options, dtype, tight):
    both = []
    for package in (rl, torch):
        params = parameters(package, dtype)
        optimizer = getattr(package.optim, name)(params, **options)
        for step in range(6):
            # The second parameter has no gradient at first, the fourth none at times.
            set_gradients(package, params, step, skip=[1] if step < 2 else [3] if step == 4 else [])
            optimizer.step()
        both.append((params, repr(optimizer), optimizer.state_dict()))
    assert_equal(both[0][0], both[1][0], tight)
    assert both[0][1] == both[1][1]
    own, reference = both[0][2], both[1][2]
    assert own["param_groups"] == reference["param_groups"]
    assert list(own["state"]) == list(reference["state"])
    for number, values in reference["state"].items():
        assert set(own["state"][number]) == set(values)
        for key, value in values.items():
            np.testing.assert_allclose(
                own["state"][number][key].numpy(), value.numpy(), rtol=tight, atol=tight
            )


def carried(package, value):
    """A state dict's tensors as those of the other package."""
    if isinstance(value, dict):
        return {key: carried(package, part) for key, part in value.items()}
    return package.from_numpy(value.numpy().copy()) if isinstance(value, (rl.Tensor, torch.Tensor)) else value


@pytest.mark.parametrize("source,target", [(rl, torch), (torch, rl)], ids=["to PyTorch", "from PyTorch"])
@pytest.mark.parametrize("name,options", CASES, ids=IDS)
def test_state_dict_crosses_over(name, options, source, target):
    params = parameters(source)
    optimizer = getattr(source.optim, name)(params, **options)
    for step in range(3):
        set_gradients(source, params, step)
        optimizer.step()
    others = [target.nn.Parameter(target.from_numpy(param.detach().numpy().copy())) for param in params]
    continued = getattr(target.optim, name)(others, **options)
    continued.load_state_dict(carried(target, optimizer.state_dict()))
    for step in range(3, 5):
        set_gradients(source, params, step)
        optimizer.step()
        set_gradients(target, others, step)
        continued.step()
    assert_equal(others, params, 1e-5)


def test_groups_have_their_own_options():
    results = []
    for package in (rl, torch):
        params = parameters(package)
        optimizer = package.optim.SGD(
            [{"params": params[:2]}, {"params": params[2:3], "lr": 0.5}], lr=0.1, momentum=0.5
        )
        optimizer.add_param_group({"params": iter(params[3:]), "momentum": 0.0})
        for step in range(3):
            set_gradients(package, params, step)
            optimizer.step()
        results.append((params, repr(optimizer)))
    assert_equal(results[0][0], results[1][0], 1e-5)
    assert results[0][1] == results[1][1]


def test_named_parameters():
    layer = rl.nn.Linear(2, 3)
    optimizer = rl.optim.SGD(layer.named_parameters(), lr=0.1)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="names"):
        optimizer.add_param_group({"params": [rl.nn.Parameter(rl.ones(1))]})


P3 = rl.ones(3)


@pytest.mark.parametrize("error, says, params", [
    (TypeError, r"SGD: params is a Tensor of shape \(2,\); expected an iterable", rl.ones(2)),
    (ValueError, "SGD: params is empty", []),
    (TypeError, "SGD: params holds a value of type int; expected Tensors", [1]),
    (ValueError, r"SGD: params holds a tensor of shape \(\) that was computed", [rl.ones(1, requires_grad=True).sum()]),
    (ValueError, "SGD: params has names for 1 of 2 parameters", [("a", rl.ones(1)), rl.ones(1)]),
    (ValueError, r"SGD: params holds a parameter of shape \(3,\) in two groups", [{"params": [P3]}, {"params": [P3]}]),
    (TypeError, "SGD: params is a set", [{"params": {P3}}]),
    (UserWarning, "SGD: params of one group holds 1 duplicate", [P3, P3]),
])
def test_what_is_no_list_of_parameters(error, says, params):
    with warnings.catch_warnings(), pytest.raises(error, match=says):
        warnings.simplefilter("error")
        rl.optim.SGD(params, lr=0.1)


def test_closure_and_zero_grad():
    p = rl.nn.Parameter(rl.tensor([2.0]))
    optimizer = rl.optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with rl.no_grad():
        assert optimizer.step(closure).item() == 4.0
    assert p.item() == 1.0
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.item() == 0.0
    optimizer.zero_grad()
    assert p.grad is None


def test_step_hooks():
    p = rl.nn.Parameter(rl.tensor([2.0]))
    optimizer = rl.optim.SGD([p], lr=1.0)
    events = []
    before = optimizer.register_step_pre_hook(lambda opt, args, kwargs: events.append("before"))
    optimizer.register_step_post_hook(lambda opt, args, kwargs: events.append("after"))
    p.grad = rl.tensor([1.0])
    optimizer.step()
    before.remove()
    optimizer.step()
    assert events == ["before", "after", "after"]
    assert p.item() == 0.0


def test_state_dict_hooks():
    p = rl.nn.Parameter(rl.tensor([2.0]))
    optimizer = rl.optim.SGD([p], lr=1.0)
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "extra": 1})
    assert optimizer.state_dict()["extra"] == 1
    seen = []
    optimizer.register_load_state_dict_pre_hook(lambda opt, state: seen.append("pre"))
    optimizer.register_load_state_dict_post_hook(lambda opt: seen.append("post"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["pre", "post"]


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"]
)
def test_copies(again):
    params = parameters(rl)
    optimizer = rl.optim.Adam(params, lr=0.1)
    set_gradients(rl, params, 0)
    optimizer.step()
    twin = again(optimizer)
    others = twin.param_groups[0]["params"]
    set_gradients(rl, params, 1)
    set_gradients(rl, others, 1)
    optimizer.step()
    twin.step()
    assert_equal(others, params, 0)


@pytest.mark.parametrize(
    "make,kind",
    [
        (lambda p: p.optim.SGD([p.ones(1)], lr=-1), ValueError),
        (lambda p: p.optim.SGD([p.ones(1)], nesterov=True), ValueError),
        (lambda p: p.optim.Adam([p.ones(1)], betas=(1.0, 0.9)), ValueError),
        (lambda p: p.optim.Adam([p.ones(1)], eps=-1), ValueError),
        (lambda p: p.optim.RMSprop([p.ones(1)], alpha=-1), ValueError),
        (lambda p: p.optim.Adagrad([p.ones(1)], lr_decay=-1), ValueError),
        (lambda p: p.optim.SGD(p.ones(1), lr=1), TypeError),
        (lambda p: p.optim.SGD([], lr=1), ValueError),
        (lambda p: p.optim.SGD([3], lr=1), TypeError),
        (lambda p: p.optim.SGD([{"params": {p.ones(1)}}], lr=1), TypeError),
        (lambda p: p.optim.SGD([p.ones(1, requires_grad=True) * 2], lr=1), ValueError),
        (lambda p: p.optim.SGD([p.ones(1)], lr=1).add_param_group([1]), TypeError),
        (lambda p: (lambda t: p.optim.SGD([{"params": [t]}, {"params": [t]}], lr=1))(p.ones(1)), ValueError),
        (
            lambda p: p.optim.SGD([p.ones(1)], lr=1).load_state_dict({"state": {}, "param_groups": []}),
            ValueError,
        ),
        (
            lambda p: p.optim.SGD([p.ones(1)], lr=1).load_state_dict(
                {"state": {}, "param_groups": [{"params": [0, 1]}]}
            ),
            ValueError,
        ),
    ],
)
def test_errors(make, kind):
    for package in (torch, rl):
        with pytest.raises(kind):
            make(package)


@pytest.mark.parametrize("update, states", [("adam_", 3), ("adagrad_", 1)])
def test_step_counts_are_written_like_other_tensors(update, states):
    def run(step):
        p, g = [rl.ones(3)], [rl.ones(3)]
        columns = [[rl.zeros(3)] for _ in range(states)]
        numbers = {"adam_": (0.1, 0.9, 0.99, 1e-8, 0.0, False, False), "adagrad_": (0.1, 0.0, 0.0, 1e-8, False)}
        getattr(rl._C.optim, update)(p, g, *columns, [step], *numbers[update])

    step = rl.zeros(())
    run(step)
    assert step.item() == 1 and step._version == 1
    fixed = np.zeros((), np.float32)
    fixed.flags.writeable = False
    with pytest.raises(RuntimeError, match=r"steps\[0\] shares read-only memory"):
        run(rl.from_numpy(fixed))
    assert fixed == 0


def test_hooks_of_all_optimizers():
    """They run around the hooks of the one that steps, of optimizers from before and after their registration."""
    from rushlight.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
    events = []
    parameters = [rl.nn.Parameter(rl.ones(2)) for _ in range(2)]
    older = rl.optim.SGD(parameters[:1], lr=0.1)
    older.register_step_pre_hook(lambda *told: events.append("own pre"))
    older.register_step_post_hook(lambda *told: events.append("own post"))
    with register_optimizer_step_pre_hook(lambda optimizer, args, kwargs: events.append(type(optimizer).__name__)), \
            register_optimizer_step_post_hook(lambda *told: events.append("post")):
        newer = rl.optim.Adam(parameters[1:])
        older.step()
        newer.step()
    assert events == ["SGD", "own pre", "own post", "post", "Adam", "post"]
    newer.step()
    assert len(events) == 6
