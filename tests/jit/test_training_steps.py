"""Whole training steps, captured from ordinary calls: equal to eager mode bit for bit, gradients and state included."""

import functools
import gc
import random
import threading
import time
import types
import warnings

import numpy as np
import pytest
from jit.training_programs import PROGRAMS

import rushlight as rl
from rushlight.jit import CompileWarning
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


def small(optimizer=None):
    rl.manual_seed(0)
    net = rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.Tanh(), rl.nn.Linear(4, 1))
    return net, (optimizer or (lambda p: rl.optim.SGD(p, lr=0.1, momentum=0.9)))(net.parameters())


def twins(make):
    """The same objects and step twice; the second step compiled."""
    plain, other = make(), make()
    return plain, other, rl.compile(other[-1], fullgraph=True)


def regression():
    net, updates = small()

    def step(x):
        updates.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        updates.step()
        return loss
    return net, updates, step


def follow(plain, other, compiled, calls=3):
    for _ in range(calls):
        x = rl.randn(5, 3)
        assert plain[-1](x).item() == compiled(x).item()
        check_equal(state_of(plain[:2]), state_of(other[:2]), "")


def test_options_of_optimizers_are_read_anew_and_capture_nothing_again():
    plain, other, compiled = twins(regression)
    schedulers = [rl.optim.lr_scheduler.OneCycleLR(one[1], 0.5, total_steps=40) for one in (plain, other)]
    for _ in range(30):
        follow(plain, other, compiled, 1)
        for scheduler in schedulers:
            scheduler.step()
    assert len(compiled.graphs) == 1
    assert "%lr: float, %momentum: float" in compiled.graphs[0].text()
    for one in (plain, other):
        one[1].param_groups[0]["weight_decay"] = 0.1
    follow(plain, other, compiled)
    for one in (plain, other):
        one[1].param_groups[0]["momentum"] = 0.0
    follow(plain, other, compiled)
    assert len(compiled.graphs) == 3


def test_an_option_that_the_program_reads_itself_is_a_guard():
    def make():
        net, updates = small(lambda p: rl.optim.SGD(p, lr=0.1))

        def step(x):
            updates.zero_grad()
            loss = net(x).pow(2).mean() * updates.param_groups[0]["lr"]
            loss.backward()
            updates.step()
            return loss
        return net, updates, step

    plain, other, compiled = twins(make)
    for lr in (0.1, 0.2, 0.1):
        for one in (plain, other):
            one[1].param_groups[0]["lr"] = lr
        follow(plain, other, compiled)
    assert len(compiled.graphs) == 2


def changes_of_surroundings():
    def freeze(net, updates):
        net[0].requires_grad_(False)

    def thaw(net, updates):
        net[0].requires_grad_(True)

    def evaluate(net, updates):
        net.eval()

    def other_weight(net, updates):
        net[0].weight.data = rl.ones(4, 3)

    def load(net, updates):
        net.load_state_dict({name: t * 2 for name, t in net.state_dict().items()})

    def load_state(net, updates):
        updates.load_state_dict(updates.state_dict())

    def forget_state(net, updates):
        updates.state.clear()

    def replace_state(net, updates):
        for values in updates.state.values():
            values["momentum_buffer"] = values["momentum_buffer"] * 0.5

    def more_layers(net, updates):
        net.append(rl.nn.Linear(1, 1, bias=False))
        net[3].weight.data.fill_(2.0)

    def other_layer(net, updates):
        net[1] = rl.nn.ReLU()

    def hook(net, updates):
        net[0].register_forward_hook(lambda module, args, output: output * 2)

    def forget_gradients(net, updates):
        for p in net.parameters():
            p.grad = None

    def own_gradients(net, updates):
        for p in net.parameters():
            p.grad = rl.ones_like(p)

    return [change for name, change in locals().items()]


@pytest.mark.parametrize("change", changes_of_surroundings(), ids=lambda change: change.__name__)
def test_a_change_of_the_surroundings_is_seen(change):
    plain, other, compiled = twins(regression)
    follow(plain, other, compiled)
    for one in (plain, other):
        change(*one[:2])
    follow(plain, other, compiled)


def test_variables_globals_and_attributes_are_seen():
    class Config:
        pass

    config, factors = {"scale": 2.0}, [1.0, 3.0]
    scale, options = 1.0, types.SimpleNamespace(shift=2.0)

    class Trainer:
        def __init__(self):
            self.offset = 1.0

        def step(self, x):
            return x * scale * config["scale"] + self.offset + factors[1] + options.shift

    trainer = Trainer()
    compiled = rl.compile(trainer.step, fullgraph=True)

    def check():
        for _ in range(2):
            x = rl.randn(3)
            np.testing.assert_array_equal(compiled(x).numpy(), trainer.step(x).numpy())

    check()
    scale = 3.0
    check()
    config["scale"] = 5.0
    check()
    trainer.offset = -1.0
    check()
    factors[1] = 0.5
    check()
    factors.append(1.0)
    check()
    options.shift = 4.0
    check()
    assert len(compiled.graphs) == 7


def _owner(**values):
    """An object with these attributes, of a class with methods that read them in several ways."""
    class Base:
        def scaled(self, x):
            return x * self.k

    class Owner(Base):
        def scaled(self, x):
            return super().scaled(x)

        def __mul__(self, x):
            return x * self.k

        @property
        def doubled(self):
            return 2 * self.k

        @classmethod
        def of(cls, x):
            return x * values["k"]

    owner = Owner()
    vars(owner).update(values)
    return owner, Owner, values


def _reads(name):
    owner, kind, values = _owner(k=1.0)
    outer = types.SimpleNamespace(inner=types.SimpleNamespace(one=owner), many=[owner])

    def helper(x, *, options=values):
        return x * options["k"]

    class Scaled(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.options = values

        def forward(self, x):
            return self.inner(x)

        def inner(self, x):
            return x * self.options["k"]

    class Function(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * owner.k

    scaled = Scaled()
    hooked = rl.nn.Identity()
    hooked.register_forward_hook(lambda module, args, output: output * owner.k)
    return {
        "an attribute of an attribute": lambda x: x * outer.inner.one.k,
        "an attribute of an item": lambda x: x * outer.many[0].k,
        "a method that another class defines": lambda x: owner.scaled(x),
        "an operator": lambda x: owner * x,
        "a property": lambda x: x * owner.doubled,
        "getattr": lambda x: x * getattr(owner, "k", 0),
        "a class method": lambda x: kind.of(x),
        "a default": lambda x: helper(x),
        "a module's dict, read by a method": lambda x: scaled(x),
        "a function of its own": lambda x: Function.apply(x),
        "a hook": lambda x: hooked(x),
        "a partial": functools.partial(lambda options, x: x * options["k"], values),
    }[name], owner, values


@pytest.mark.parametrize("name", [
    "an attribute of an attribute", "an attribute of an item", "a method that another class defines", "an operator",
    "a property", "getattr", "a class method", "a default", "a module's dict, read by a method",
    "a function of its own", "a hook", "a partial"])
def test_what_a_function_reads_by_way_of_others_is_seen(name):
    function, owner, values = _reads(name)
    compiled = rl.compile(function, fullgraph=True)
    for k in (1.0, 1.0, 2.0, 2.0, -0.0, 0.0):
        owner.k = values["k"] = k
        np.testing.assert_array_equal(np.signbit(compiled(rl.ones(2)).numpy()), np.signbit([k, k]))
        np.testing.assert_array_equal(compiled(rl.ones(2)).numpy(), function(rl.ones(2)).numpy())


def test_generators_of_random_numbers_are_refused():
    for generator in (random.Random(1), np.random.default_rng(1)):
        compiled = rl.compile(lambda x, g=generator: x * g.random())
        with pytest.warns(CompileWarning, match="something else each time"):
            first = compiled(rl.ones(1))
        assert not rl.equal(first, compiled(rl.ones(1)))


def test_gradients_may_be_there_or_not():
    def make():
        net, updates = small()

        def step(x):
            loss = net(x).pow(2).mean()
            loss.backward()
            return loss
        return net, updates, step

    plain, other, compiled = twins(make)
    for i in range(8):
        follow(plain, other, compiled, 1)
        if i % 3 == 2:
            for one in (plain, other):
                one[1].step()
                one[1].zero_grad()
    assert len(compiled.graphs) == 2
    held = [p.grad for p in other[0].parameters()]
    before = [g.clone() for g in held]
    other[1].zero_grad()
    compiled(rl.randn(5, 3))
    assert all(rl.equal(a, b) for a, b in zip(held, before, strict=True))


def test_gradients_are_no_views():
    net, updates, step = regression()
    compiled = rl.compile(step, fullgraph=True)
    for _ in range(4):
        compiled(rl.randn(5, 3))
        assert all(p.grad._base is None and p.grad.is_leaf and not p.grad.requires_grad for p in net.parameters())
        updates.zero_grad(set_to_none=False)
        assert all(not p.grad.any() for p in net.parameters())


def warns(function, *args, match):
    with pytest.warns(CompileWarning, match=match):
        return function(*args)


def test_what_stays_in_python_is_told():
    history, count = [], 0
    net, updates = small()

    def keeps(x):
        loss = net(x).sum()
        history.append(loss.detach())
        return x

    def counts(x):
        nonlocal count
        count += 1
        return x + count

    class Counter(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    x = rl.ones(2, 3)
    for function, sentence in ((keeps, r"changes .*history"), (counts, "changes count, which it reads"),
                               (Counter(), "changes calls, which it reads")):
        compiled = rl.compile(function)
        for _ in range(2):
            compiled(x)
        warns(compiled, x, match=sentence)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled(x)
    assert len(history) == 4 and count == 4
    box = rl.ones(1)                                 # attributes of tensors no guard sees

    def hides(x):
        box.last = {"last": [x * 2]}
        return x

    compiled = rl.compile(hides)
    compiled(x), compiled(x)
    warns(compiled, x,
          match=r"Python keeps a tensor of shape \(2, 3\) that the call made at .*test_training_steps\.py:\d+")


def test_what_no_graph_holds_is_told_with_its_line():
    net, updates = small()

    def scaled(x):
        loss = net(x).sum()
        loss.backward()
        return x * loss.item()

    def seeds(x):
        rl.manual_seed(0)
        return rl.rand(3) + x

    def outer(x):
        x.backward()
        return x

    def other_data(x):
        net[0].weight.data = net[0].weight.data * 2
        return net(x)

    def freezes(x):
        net[0].weight.requires_grad_(not net[0].weight.requires_grad)
        return net(x)

    x = rl.ones(2, 3)
    for function, sentence in ((scaled, r"test_training_steps\.py:\d+ .* leaves to Python by item"),
                               (seeds, r"the random stream.*test_training_steps\.py:\d+"),
                               (other_data, r"other data can't be captured \(at .*test_training_steps\.py:\d+"),
                               (freezes, "changes whether a tensor of shape")):
        with pytest.raises(RuntimeError, match=sentence):
            rl.compile(function, fullgraph=True)(x)
    with pytest.raises(RuntimeError, match="has a history of its own; expected leaves"):
        rl.compile(outer, fullgraph=True)(net(x).sum())


def test_the_number_of_steps_that_python_reads_is_no_constant():
    net, updates = small(lambda p: rl.optim.Adam(p, lr=0.1))

    def step(x):
        updates.zero_grad()
        net(x).sum().backward()
        updates.step()
        return x * float(updates.state[net[0].weight]["step"])

    compiled = rl.compile(step)
    warns(compiled, rl.ones(2, 3), match=r"test_training_steps\.py:\d+ a tensor's value leaves to Python")
    for i in range(2, 6):
        assert compiled(rl.ones(2, 3))[0, 0].item() == i


def test_gradients_are_recorded_where_the_walk_is_outside():
    rl.manual_seed(0)
    net, twin = small()[0], small()[0]
    compiled = rl.compile(net, fullgraph=True)
    for i in range(4):
        x = rl.randn(5, 3, requires_grad=True)
        y = x.detach().clone().requires_grad_()
        compiled(x).pow(2).sum().backward()
        twin(y).pow(2).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())
        check_equal(state_of([twin]), state_of([net]), f"call {i}")
    with rl.no_grad():
        assert not compiled(rl.randn(5, 3)).requires_grad
    assert len(compiled.graphs) == 2


def test_a_step_keeps_no_more_memory_than_eager():
    net, updates = small()
    compiled = rl.compile(regression()[-1])
    sizes = []
    for _ in range(6):
        compiled(rl.randn(5, 3))
        gc.collect()
        sizes.append(len([o for o in gc.get_objects() if isinstance(o, rl.Tensor)]))
    assert sizes[-1] <= sizes[2]


def test_threads_share_a_captured_step():
    compiled = rl.compile(lambda x, w: (x @ w).pow(2).sum(), fullgraph=True)
    w = rl.randn(3, 3)
    expected = [(rl.full((2, 3), float(i)) @ w).pow(2).sum().item() for i in range(8)]
    wrong = []

    def work(i):
        for _ in range(200):
            if compiled(rl.full((2, 3), float(i)), w).item() != expected[i]:
                wrong.append(i)

    compiled(rl.ones(2, 3), w)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_what_python_brings_anew_each_time_is_not_taken_for_constant():
    net, updates = small()
    tensors = [rl.full((2, 3), float(i)) for i in range(10)]

    hidden, batches = rl.ones(1), iter(tensors)
    hidden.rows = iter(tensors)                      # no guard sees attributes of tensors

    def take():
        return next(hidden.rows)

    expected = [net(t).sum().item() for t in tensors[:5]]
    for function, sentence in ((lambda: net(next(batches)).sum(), "takes what batches gives"),
                               (lambda: net(take()).sum(), "no argument and in no variable that it names")):
        compiled = rl.compile(function)
        with warnings.catch_warnings(record=True) as told, rl.no_grad():
            warnings.simplefilter("always")
            assert [compiled().item() for _ in range(5)] == expected
        assert any(sentence in str(w.message) for w in told)
    for function in (lambda x: x * np.random.rand(), lambda x: x + time.time()):
        with pytest.raises(RuntimeError, match="may be something else each time"):
            rl.compile(function, fullgraph=True)(rl.ones(2))
    literal = rl.compile(lambda x: x * rl.tensor([1.0, 2.0, 3.0]), fullgraph=True)
    for i in range(4):
        assert literal(rl.full((3,), i)).tolist() == [i, 2 * i, 3 * i]
    assert len(literal.graphs) == 1


def test_hooks_of_leaves_that_come_and_go():
    w = rl.ones(3, requires_grad=True)

    def step(x):
        w.grad = None
        (w * x).sum().backward()
        return x + 1

    compiled, x = rl.compile(step), rl.tensor([1.0, 2.0, 3.0])
    for _ in range(3):
        compiled(x)
    assert w.grad.equal(x)
    handle = w.register_hook(lambda grad: grad * 10)
    for _ in range(3):
        compiled(x)
        assert w.grad.equal(x * 10)
    handle.remove()
    for _ in range(3):
        compiled(x)
        assert w.grad.equal(x)
