"""Optimizers beside PyTorch's: the same steps, text, state dicts both ways, and errors."""
import copy
import pickle
import re
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
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.1, "betas": (0.9, 0.6)}),
    ("RAdam", {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 2, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.4, 1.3), "step_sizes": (0.05, 0.12), "maximize": True}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.1, "beta2_decay": -0.5, "eps": (1e-3, 0.1), "d": 2.0, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.1, "maximize": True}),
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
        params = parameters(package, dtype)[:4 if name == "Adafactor" else None]      # PyTorch divides by no elements
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
    if isinstance(value, list):
        return [carried(package, part) for part in value]
    return package.from_numpy(value.numpy().copy()) if isinstance(value, (rl.Tensor, torch.Tensor)) else value


@pytest.mark.parametrize("source,target", [(rl, torch), (torch, rl)], ids=["to PyTorch", "from PyTorch"])
@pytest.mark.parametrize("name,options", CASES, ids=IDS)
def test_state_dict_crosses_over(name, options, source, target):
    params = parameters(source)[:4 if name == "Adafactor" else None]
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
    (TypeError, r"SGD: params is of type NoneType; expected .* model.parameters\(\)", None),
    (TypeError, "SGD: params is of type int; expected a Tensor or", [{"params": 3}]),
    (KeyError, r"SGD: param_group has the keys \['lr'\]; expected 'params'", [{"lr": 0.1}]),
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


def test_complex_parameters_step_as_pairs_of_real_ones():
    for name, options in CASES:
        if name == "Adafactor":
            continue
        results = []
        for package in (rl, torch):
            rng = np.random.default_rng(0)
            values = (rng.normal(size=(2, 5, 3)) + 1j * rng.normal(size=(2, 5, 3))).astype("complex64")
            param = package.nn.Parameter(package.from_numpy(values[0].copy()))
            optimizer = getattr(package.optim, name)([param], **options)
            for _ in range(3):
                param.grad = package.from_numpy(values[1].copy())
                optimizer.step()
            results.append(param.detach().numpy())
        np.testing.assert_allclose(*results, rtol=2e-5, atol=2e-5, err_msg=f"{name} {options}")


def test_parameters_and_gradients_in_any_layout():
    for name, options in CASES:
        values = np.random.default_rng(0).normal(size=(2, 2, 4, 3, 5)).astype("float32")

        def run(param, grad, name=name, options=options):
            param = rl.nn.Parameter(param)
            optimizer = getattr(rl.optim, name)([param], **options)
            for _ in range(2):
                param.grad = grad
                optimizer.step()
            return param.detach().numpy()

        wanted = run(rl.from_numpy(values[0, 0].copy()), rl.from_numpy(values[1, 0].copy()))
        backwards = rl.from_numpy(values[0, 0].copy()).permute(2, 0, 1).contiguous().permute(1, 2, 0)
        gaps = rl.from_numpy(np.ascontiguousarray(values[:, 0].transpose(1, 2, 3, 0)))[..., 1]
        np.testing.assert_allclose(run(backwards, rl.from_numpy(values[1, 0].copy())), wanted, rtol=1e-6)
        holes = rl.zeros(4, 3, 10)
        holes[..., ::2] = rl.from_numpy(values[0, 0].copy())
        np.testing.assert_allclose(run(holes[..., ::2], gaps), wanted, rtol=1e-6)


def test_muon_beside_pytorch():
    for options in ({}, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.0, "momentum": 0.5}):
        results = []
        for package in (rl, torch):
            rng = np.random.default_rng(0)
            params = [package.nn.Parameter(package.from_numpy(rng.normal(size=size).astype("float32")))
                      for size in ((8, 5), (5, 8), (6, 6))]
            optimizer = package.optim.Muon(params, lr=0.1, **options)
            for step in range(3):
                set_gradients(package, params, step)
                optimizer.step()
            results.append((params, repr(optimizer), optimizer.state_dict()))
        assert results[0][1] == results[1][1]
        # The iteration computes in bfloat16, whose roundings differ with the order of sums.
        for mine, theirs in zip(results[0][0], results[1][0]):
            np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), atol=0.01)
        for number, values in results[1][2]["state"].items():
            assert set(values) == set(results[0][2]["state"][number])
    with pytest.raises(ValueError, match="expected two dimensions"):
        rl.optim.Muon([rl.ones(3)])


def adafactor(p, g, row, column, step, lr=1e-2, decay=-0.8, eps=(np.finfo("float64").eps, 1e-3), d=1.0):
    """A step of one matrix in NumPy: the new parameter and factors."""
    share, size = step**decay, max(eps[1], np.sqrt((p * p).mean()))
    row = row + share * ((g * g).mean(1, keepdims=True) - row)
    column = column + share * ((g * g).mean(0, keepdims=True) - column)
    v = row * column / max(row.mean(), eps[0])
    move = g / np.sqrt(np.maximum(v, eps[0] ** 2))
    move = move / max(1.0, np.sqrt((move * move).mean()) / d)
    return p - size * min(lr, 1 / np.sqrt(step)) * move, row, column


@pytest.mark.parametrize("shape", [(300, 200), (1, 5), (5, 1), (70, 1000)])
def test_adafactor_by_its_definition(shape):
    rng = np.random.default_rng(0)
    values, row, column = rng.normal(size=shape), np.zeros((shape[0], 1)), np.zeros((1, shape[1]))
    param = rl.nn.Parameter(rl.from_numpy(values.copy()))
    optimizer = rl.optim.Adafactor([param])
    for step in range(1, 4):
        gradient = rng.normal(size=shape)
        param.grad = rl.from_numpy(gradient)
        optimizer.step()
        values, row, column = adafactor(values, gradient, row, column, step)
    np.testing.assert_allclose(param.detach().numpy(), values, rtol=1e-11)
    np.testing.assert_allclose(optimizer.state[param]["row_var"].numpy(), row, rtol=1e-11)


def test_adafactor_of_many_small_matrices():
    results = []
    for package in (rl, torch):
        params = [package.nn.Parameter(package.from_numpy(np.random.default_rng(0).normal(size=size).astype("float32")))
                  for size in ((40, 30, 3, 3), (64, 700, 1, 1), (3, 100, 50))]
        optimizer = package.optim.Adafactor(params)
        for step in range(3):
            set_gradients(package, params, step)
            optimizer.step()
        results.append(params)
    assert_equal(*results, 1e-5)


def test_adafactor_of_no_elements():
    param = rl.nn.Parameter(rl.zeros(2, 0))
    param.grad = rl.zeros(2, 0)
    rl.optim.Adafactor([param]).step()


def test_sparse_adam_says_what_to_use():
    with pytest.raises(NotImplementedError, match=r"sparse layouts are out of scope.*Adam takes dense"):
        rl.optim.SparseAdam([rl.ones(1)])


@pytest.mark.parametrize("make", [
    lambda p: p.optim.SGD([p.ones(1)], fused=True, foreach=True),
    lambda p: p.optim.Adam([p.ones(1)], fused=True, differentiable=True),
])
def test_options_that_exclude_each_other(make):
    for package in (torch, rl):
        with pytest.raises(RuntimeError, match="fused"):
            make(package)


@pytest.mark.parametrize("make", [
    lambda p: p.optim.Adadelta([p.ones(1)], rho=1.5), lambda p: p.optim.Adamax([p.ones(1)], betas=(0.5, 1.0)),
    lambda p: p.optim.NAdam([p.ones(1)], momentum_decay=-1), lambda p: p.optim.RAdam([p.ones(1)], lr=-1),
    lambda p: p.optim.ASGD([p.ones(1)], weight_decay=-1), lambda p: p.optim.Rprop([p.ones(1)], etas=(1.5, 1.2)),
    lambda p: p.optim.Adafactor([p.ones(1)], d=0.5), lambda p: p.optim.Adafactor([p.ones(1)], beta2_decay=0.5),
    lambda p: p.optim.Adafactor([p.ones(1)], eps=(-1, 0)), lambda p: p.optim.Muon([p.ones(1, 1)], adjust_lr_fn="x"),
    lambda p: p.optim.LBFGS([{"params": [p.ones(1)]}, {"params": [p.ones(2)]}]),
    lambda p: p.optim.Adam([p.ones(1)], lr=p.tensor([0.1, 0.2])),
    lambda p: p.optim.Adam([p.ones(1)], lr=p.tensor(0.1), foreach=True),
])
def test_wrong_options(make):
    for package in (torch, rl):
        with pytest.raises(ValueError):  # noqa: PT011  PyTorch's sentences are not ours
            make(package)


@pytest.mark.parametrize("name, option, value, says", [
    *[(name, "lr", value, f"{name}: lr={value!r} is of type")
      for name in ("SGD", "Adam", "Adafactor", "Rprop", "LBFGS", "Muon") for value in ("a", None)],
    *[(name, "betas", value, says) for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam") for value, says in (
        ((0.9,), "has 1 values; expected two"), ((0.9, 0.9, 0.9), "has 3 values; expected two"),
        (0.9, "is of type float; expected two numbers"), (("a", 0.9), r"betas\[0\]='a' is of type str"))],
    ("Rprop", "step_sizes", (1.0,), "step_sizes=.*expected two"), ("Rprop", "etas", "ab", "etas='ab' is of type str"),
    ("Adafactor", "eps", (None, None), r"eps\[1\]=None is of type NoneType"), ("SGD", "momentum", [0.5], "momentum="),
    ("ASGD", "t0", "a", "ASGD: t0='a'"), ("LBFGS", "history_size", None, "LBFGS: history_size=None"),
])
def test_options_that_are_no_numbers(name, option, value, says):
    wrong_length = isinstance(value, tuple) and says.endswith("expected two")
    kind = (IndexError if len(value) < 2 else ValueError) if wrong_length else TypeError
    with pytest.raises(kind, match=f"^{name}: {option}") as caught:
        getattr(rl.optim, name)([rl.ones(1, 1)], **{option: value})
    assert re.search(says, str(caught.value))


def test_a_rate_in_a_tensor():
    p = rl.nn.Parameter(rl.ones(2))
    optimizer = rl.optim.Adam([p], lr=rl.tensor(0.5))
    p.grad = rl.ones(2)
    optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), 0.5, rtol=1e-6)


def test_other_parameters_for_a_while():
    results = []
    for package in (rl, torch):
        params, others = parameters(package), parameters(package, seed=1)
        optimizer = package.optim.Adam(params, lr=0.1)
        for step in range(2):
            set_gradients(package, params, step)
            optimizer.step()
        before = [p.detach().numpy().copy() for p in params]
        given = copy.deepcopy(optimizer.state_dict())
        given["param_groups"][0]["lr"] = 0.5
        set_gradients(package, others, 3)
        with package.optim.swap_in_optimizer_params_and_state(optimizer, dict(enumerate(others)), given):
            optimizer.step()
        assert optimizer.param_groups[0]["lr"] == 0.1 and optimizer.param_groups[0]["params"][0] is params[0]
        assert all((p.detach().numpy() == b).all() for p, b in zip(params, before))
        assert given["state"][0]["step"] == 3 and optimizer.state[params[0]]["step"] == 2
        results.append(others)
        for wrong in ({}, {"state": {}, "param_groups": []}, {**given, "state": {99: {}}},
                      {**given, "param_groups": [{"params": [0]}]}):
            with pytest.raises(RuntimeError), package.optim.swap_in_optimizer_params_and_state(
                    optimizer, dict(enumerate(others)), wrong):
                pass
    assert_equal(*results, 1e-5)


# ---- L-BFGS ----------------------------------------------------------------------------------------------------------


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def minimise(package, steps, x0=(-1.2, 1.0, 0.5), **options):
    x = package.nn.Parameter(package.tensor(x0, dtype=package.float64))
    optimizer = package.optim.LBFGS([x], **options)
    calls = []

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        calls.append(loss.item())
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return x.detach().numpy(), calls, optimizer


@pytest.mark.parametrize("options", [
    {"line_search_fn": "strong_wolfe"}, {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 7},
    {"lr": 1e-3}, {"lr": 1e-3, "max_iter": 5, "history_size": 2}, {"tolerance_grad": 1e4}])
def test_lbfgs_beside_pytorch(options):
    # Few steps: on this function each iteration multiplies the differences that sums in another order make.
    own, calls, optimizer = minimise(rl, 2, **options)
    other, wanted, reference = minimise(torch, 2, **options)
    assert len(calls) == len(wanted) and repr(optimizer) == repr(reference)
    np.testing.assert_allclose(calls, wanted, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(own, other, rtol=1e-6)
    state, known = optimizer.state_dict()["state"][0], reference.state_dict()["state"][0]
    assert set(state) == set(known)
    assert [state[key] for key in ("n_iter", "func_evals")] == [known[key] for key in ("n_iter", "func_evals")]


def test_lbfgs_finds_the_least_value():
    found, calls, _ = minimise(rl, 3, line_search_fn="strong_wolfe", max_iter=50, tolerance_change=1e-14)
    np.testing.assert_allclose(found, 1, rtol=1e-6)
    assert len(calls) < 120
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        minimise(rl, 1, line_search_fn="other")


@pytest.mark.parametrize("source, target", [(rl, torch), (torch, rl)], ids=["to-torch", "from-torch"])
def test_lbfgs_state_travels(source, target):
    options = {"line_search_fn": "strong_wolfe", "max_iter": 4}
    x0, _, optimizer = minimise(source, 2, **options)
    results = []
    for package in (source, target):
        x = package.nn.Parameter(package.from_numpy(x0.copy()))
        continued = package.optim.LBFGS([x], **options)
        continued.load_state_dict(carried(package, copy.deepcopy(optimizer.state_dict())))

        def closure(x=x, continued=continued):
            continued.zero_grad()
            loss = rosenbrock(x)
            loss.backward()
            return loss

        continued.step(closure)
        results.append(x.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-8)


# ---- the operators ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("update, states", [("adam_update", 3), ("adagrad_update", 1)])
def test_step_counts_are_written_like_other_tensors(update, states):
    def run(step):
        p, g = [rl.ones(3)], [rl.ones(3)]
        columns = [[rl.zeros(3)] for _ in range(states)]
        numbers = {"adam_update": (0.1, 0.9, 0.99, 1e-8, 0.0, False, False),
                   "adagrad_update": (0.1, 0.0, 0.0, 1e-8, False)}
        rl._C.operator(update)(p, g, *columns, [step], *numbers[update])
        return p[0]

    step = rl.zeros(())
    changed = run(step)
    assert step.item() == 1 and step._version == 1 and changed._version == 1
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


def test_without_hooks_a_step_is_the_class_s_again():
    from rushlight.optim.optimizer import register_optimizer_step_post_hook
    p = rl.nn.Parameter(rl.tensor([2.0]))
    optimizer, events = rl.optim.SGD([p], lr=1.0), []
    own = optimizer.register_step_pre_hook(lambda *told: events.append("own"))
    with register_optimizer_step_post_hook(lambda *told: events.append("all")):
        own.remove()
        optimizer.step()
    assert events == ["all"] and "step" not in vars(optimizer)
    scheduler = rl.optim.lr_scheduler.ConstantLR(optimizer)
    noted = optimizer.step
    with optimizer.register_step_post_hook(lambda *told: events.append("own")):
        assert optimizer.step is not noted
    assert optimizer.step is noted
    later = optimizer.register_step_post_hook(lambda *told: events.append("later"))
    optimizer.step = replaced = lambda: events.append("replaced")
    later.remove()
    assert optimizer.step is replaced and scheduler.optimizer is optimizer


@pytest.mark.parametrize("arguments, message", [
    (([rl.ones(2)], [rl.ones(3)], None), r"grads\[0\] has shape \(3,\); expected \(2,\)"),
    (([rl.ones(2)], [rl.ones(2).double()], None), r"grads\[0\] has dtype float64; expected float32"),
    (([rl.ones(2)], [], None), "grads has 0 tensors; expected 1"),
    (([rl.ones(2).long()], [rl.ones(2).long()], None), r"params\[0\] has dtype int64; expected a floating"),
    (([rl.ones(1).expand(3)], [rl.ones(3)], None), r"params\[0\] of shape \(3,\) and stride \(0,\) has several"),
])
def test_updates_say_what_does_not_fit(arguments, message):
    with pytest.raises(RuntimeError, match=message):
        rl._C.operator("sgd_update")(*arguments, 0.1, 0.0, 0.0, 0.0, False, False)


def test_an_update_leaves_a_saved_tensor_to_complain():
    p = rl.nn.Parameter(rl.ones(2))
    loss = (p * p).sum()
    p.grad = rl.ones(2)
    rl.optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"in.?place"):
        loss.backward()


def test_clipping_and_averaging_operators():
    ops, rng = rl._C._groups["_ops"], np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype("float32") for s in (5, (3, 4), (0,), 70000)]
    everything = np.concatenate([a.ravel() for a in arrays]).astype("float64")
    for p in (1.0, 2.0, np.inf):
        norm = ops["total_norm"]([rl.from_numpy(a) for a in arrays], p)
        assert norm.shape == () and norm.item() == pytest.approx(np.linalg.norm(everything, p), rel=1e-6)
    tensors = [rl.from_numpy(a.copy()) for a in arrays]
    ops["scale_tensors"](tensors, rl.tensor(0.5))
    ops["clamp_tensors"](tensors, -0.25, 0.3)
    ops["lerp_tensors"](tensors, [rl.ones_like(t) for t in tensors], 0.25)
    for t, a in zip(tensors, arrays):
        wanted = np.clip(a * np.float32(0.5), -0.25, 0.3)
        np.testing.assert_allclose(t.numpy(), wanted + 0.25 * (1 - wanted), rtol=1e-5, atol=1e-7)
