"""The Module protocol. Each scenario is one program, run with both libraries; what it returns must be equal."""

import copy
import gc
import os
import pickle
import warnings
import weakref

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(pytest.param(function, id=function.__name__))
    return function


def plain(value):
    """Tensors as lists, exceptions as their kind: what two libraries can be compared by."""
    if isinstance(value, (rl.Tensor, torch.Tensor)):
        return np.round(value.detach().numpy().astype("float64"), 4).tolist()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


def raised(action, *args, **kwargs):
    try:
        action(*args, **kwargs)
    except Exception as error:
        return type(error).__name__
    return None


def network(p):
    nn = p.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 4)
            self.body = nn.Sequential(nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2, bias=False))
            self.scale = nn.Parameter(p.ones(2))
            self.register_parameter("nothing", None)
            self.register_buffer("steps", p.zeros(1))
            self.register_buffer("cache", p.zeros(1), persistent=False)
            self.shared = self.first
            self.note = "text"

        def forward(self, x, factor=1):
            return self.body(self.first(x)) * self.scale * factor

    p.manual_seed(0)
    return Net()


@scenario
def text_and_names(p):
    net = network(p)
    return [
        repr(net),
        [n for n, _ in net.named_parameters()],
        [n for n, _ in net.named_parameters("pre", recurse=False)],
        [n for n, _ in net.named_parameters(remove_duplicate=False)],
        [n for n, _ in net.named_buffers()],
        [n for n, _ in net.named_children()],
        [n for n, _ in net.named_modules()],
        [n for n, _ in net.named_modules(remove_duplicate=False)],
        len(list(net.modules())),
        list(net.state_dict()),
        len(list(net.parameters())),
        list(net._parameters),
        list(net._buffers),
        list(net._modules),
        "nothing" in net._parameters,
        net.nothing,
        sorted(net._non_persistent_buffers_set),
    ]


@scenario
def reassigning(p):
    net, nn = network(p), p.nn
    net.scale = nn.Parameter(p.zeros(2))
    net.steps = p.ones(1)
    net.first = nn.Linear(3, 4, bias=False)
    order = list(net._parameters), list(net._buffers), list(net._modules)
    net.scale = None
    net.body = None
    results = [order, net.scale, net.body, repr(net), [n for n, _ in net.named_parameters()]]
    results += [raised(setattr, net, "first", 3), raised(setattr, net, "scale", p.ones(1)),
                raised(setattr, net, "steps", "text"), raised(setattr, net, "body", p.ones(1))]
    net.first = nn.Parameter(p.ones(1))
    net.note = nn.ReLU()
    net.fresh = nn.Parameter(p.ones(1))
    results += [raised(setattr, net, "scale", nn.Tanh())]
    results += [list(net._parameters), list(net._modules), "first" in net._modules]
    return results


@scenario
def deleting(p):
    net = network(p)
    del net.scale, net.steps, net.first, net.note, net.cache
    results = [
        list(net._parameters),
        list(net._buffers),
        list(net._modules),
        hasattr(net, "first"),
        raised(delattr, net, "first"),
        raised(getattr, net, "scale"),
        sorted(net._non_persistent_buffers_set),
    ]
    net.scale = 3
    return results + [net.scale, list(net._parameters)]


@scenario
def changing_the_tables_themselves(p):
    net, nn = network(p), p.nn
    net._modules["body"] = nn.Tanh()
    net._parameters["scale"] = nn.Parameter(p.ones(1) * 7)
    net._parameters["added"] = None
    del net._modules["shared"]
    popped = net._buffers.pop("steps")
    results = [repr(net.body), net.scale, net.added, hasattr(net, "shared"), popped, hasattr(net, "steps")]
    results += [
        list(net._modules.keys()),
        [type(m).__name__ for m in net._modules.values()],
        len(net._parameters),
        net._modules.get("nobody"),
        list(reversed(net._modules)),
        raised(lambda: net._parameters["nobody"]),
    ]
    return results


@scenario
def registration_errors(p):
    net, nn = network(p), p.nn
    bare = nn.Module.__new__(nn.Linear)
    computed = p.nn.Parameter(p.ones(1)) * 2
    return [raised(net.register_parameter, "a.b", None), raised(net.register_parameter, "", None),
            raised(net.register_parameter, "note", None), raised(net.register_parameter, 3, None),
            raised(net.register_parameter, "x", p.ones(1)), raised(net.register_parameter, "forward", None),
            raised(net.register_parameter, "x", computed), raised(net.register_buffer, "scale", None),
            raised(net.register_buffer, "x", 3), raised(net.register_buffer, "a.b", None),
            raised(net.add_module, "x", 3), raised(net.add_module, "scale", nn.ReLU()),
            raised(net.add_module, "", nn.ReLU()), raised(setattr, bare, "x", nn.Parameter(p.ones(1))),
            raised(setattr, bare, "x", nn.ReLU()), raised(nn.Module(), p.ones(1)), raised(nn.Module, 3),
            raised(nn.Module, x=3), raised(getattr, net, "nobody"), raised(net.train, 3)]


@scenario
def looking_up(p):
    net = network(p)
    net.set_submodule("body.1", p.nn.Tanh())
    return [
        repr(net.get_submodule("body.1")),
        net.get_submodule("") is net,
        net.get_parameter("body.2.weight").shape[0],
        net.get_buffer("body.0.running_mean"),
        raised(net.get_submodule, "body.9"),
        raised(net.get_submodule, "note"),
        raised(net.get_parameter, "note"),
        raised(net.get_buffer, "scale"),
        raised(net.get_parameter, "body.0.none"),
        raised(net.set_submodule, "", net),
    ]


@scenario
def state_dicts(p):
    net, other = network(p), network(p)
    with p.no_grad():
        net.scale.fill_(5)
        net.first.bias.fill_(2)
    state = net.state_dict()
    metadata = {key: dict(value) for key, value in state._metadata.items()}
    result = other.load_state_dict(state)
    results = [repr(result), plain(other.state_dict()), metadata, state["scale"].requires_grad,
               net.state_dict(keep_vars=True)["scale"] is net.scale, list(net.state_dict(prefix="x."))]
    state["scale"].fill_(9)  # shares memory
    return results + [net.scale, other.scale]


def message(action, *args, **kwargs):
    try:
        action(*args, **kwargs)
    except Exception as error:
        return type(error).__name__, str(error).replace("torch.Size", "Size").replace(
            "rushlight.Size", "Size"
        )
    return None


@scenario
def loading_reports_what_is_wrong(p):
    net = network(p)
    state = net.state_dict()
    del state["body.0.running_var"], state["first.bias"]
    state["extra.weight"], state["body.2.bias"], state["lone"] = p.ones(1), p.ones(1), p.ones(1)
    state["scale"] = p.ones(3)
    results = [message(net.load_state_dict, state)]
    del state["scale"]
    loose = net.load_state_dict(state, strict=False)
    results += [loose.missing_keys, loose.unexpected_keys, repr(loose)]
    return results + [
        message(net.load_state_dict, {**net.state_dict(), "scale": 3}),
        raised(net.load_state_dict, [1]),
    ]


@scenario
def loading_a_scalar_saved_as_a_vector(p):
    module = p.nn.Module()
    module.register_buffer("count", p.tensor(1.0))
    module.load_state_dict({"count": p.tensor([5.0])})
    return module.count


@scenario
def loading_by_assignment(p):
    net = network(p)
    state = {key: value.double() if value.is_floating_point() else value.clone()
             for key, value in network(p).state_dict().items()}
    net.load_state_dict(state, assign=True)
    kind = type(net.scale).__name__
    return [
        str(net.scale.dtype).split(".")[-1],
        kind,
        net.scale.requires_grad,
        net.steps.data_ptr() == state["steps"].data_ptr(),
        [n for n, _ in net.named_parameters()],
        net.scale.data_ptr() == state["scale"].data_ptr(),
    ]


@scenario
def state_dict_hooks(p):
    net, events = network(p), []
    net.register_state_dict_pre_hook(lambda module, prefix, keep: events.append(("pre", prefix, keep)))
    net.register_state_dict_post_hook(lambda module, state, prefix, meta: (state.pop("steps"), None)[1])
    net.body._register_state_dict_hook(lambda module, state, prefix, meta: events.append(("body", prefix)))
    net.register_load_state_dict_pre_hook(
        lambda module, state, prefix, meta, strict, missing, unexpected, errors: (
            events.append(("load", type(module).__name__)),
            state.pop("junk", None),
            None,
        )[2]
    )
    net._register_load_state_dict_pre_hook(lambda state, prefix, *rest: events.append(("old", len(state))))
    net.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    state = net.state_dict()
    result = net.load_state_dict({**state, "junk": p.ones(1)})
    bad = network(p)
    bad.register_state_dict_post_hook(lambda module, state, prefix, meta: state)
    return [list(state), repr(result), events, raised(bad.state_dict)]


@scenario
def extra_state(p):
    class Counting(p.nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    module, other = p.nn.Sequential(Counting()), p.nn.Sequential(Counting())
    module[0].count = 4
    state = module.state_dict()
    other.load_state_dict(state)
    return [list(state), state["0._extra_state"], other[0].count, raised(other.load_state_dict, {}),
            raised(p.nn.Sequential(p.nn.ReLU()).load_state_dict, state), raised(p.nn.ReLU().get_extra_state)]


@scenario
def forward_hooks(p):
    net, events, x = network(p).eval(), [], p.ones(2, 3)
    handles = [
        net.register_forward_pre_hook(lambda module, args: events.append(("pre", len(args)))),
        net.register_forward_pre_hook(lambda module, args: args[0] * 2),
        net.register_forward_pre_hook(lambda module, args, kwargs: (args, {"factor": 3}), with_kwargs=True),
        net.register_forward_hook(lambda module, args, output: events.append(("post", tuple(output.shape)))),
        net.register_forward_hook(
            lambda module, args, kwargs, output: output + kwargs["factor"], with_kwargs=True
        ),
        net.register_forward_hook(lambda module, args, output: events.append("first"), prepend=True),
    ]
    hooked = net(x, factor=2)
    for handle in handles:
        handle.remove()
        handle.remove()
    return [hooked, events, net(x), len(net._forward_hooks), len(net._forward_pre_hooks),
            raised(_with_hook(net, lambda module, args, kwargs: 3), x)]


def _with_hook(net, hook):
    net.register_forward_pre_hook(hook, with_kwargs=True)
    return net


@scenario
def hooks_that_are_always_called(p):
    class Failing(p.nn.Module):
        def forward(self, x):
            raise KeyError("lost")

    events, module = [], Failing()
    module.register_forward_hook(lambda m, a, o: events.append(("always", o)), always_call=True)
    module.register_forward_hook(lambda m, a, o: events.append(("never", o)))

    def broken(m, a, k, o):
        events.append("broken")
        raise ValueError

    module.register_forward_hook(broken, always_call=True, with_kwargs=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = raised(module, p.ones(1))
    return [error, events, len(caught)]


@scenario
def global_hooks(p):
    events, module = [], p.nn.Sequential(p.nn.ReLU(), p.nn.Tanh())
    register = p.nn.modules.module
    handles = [
        register.register_module_forward_pre_hook(lambda m, a: events.append("pre " + type(m).__name__)),
        register.register_module_forward_hook(lambda m, a, o: events.append("post " + type(m).__name__)),
        register.register_module_full_backward_hook(
            lambda m, i, o: events.append("back " + type(m).__name__)
        ),
        register.register_module_full_backward_pre_hook(
            lambda m, o: events.append("first " + type(m).__name__)
        ),
        register.register_module_parameter_registration_hook(lambda m, n, v: events.append(("param", n))),
        register.register_module_buffer_registration_hook(lambda m, n, v: events.append(("buffer", n))),
        register.register_module_module_registration_hook(lambda m, n, v: events.append(("module", n))),
    ]
    try:
        module(p.ones(2).requires_grad_()).sum().backward()
        network(p)
    finally:
        for handle in handles:
            handle.remove()
    before = len(events)
    module(p.ones(2))
    return [events, len(events) == before]


@scenario
def backward_hooks(p):
    events = []

    def note(module, grad_input, grad_output):
        events.append([type(module).__name__, plain(list(grad_input)), plain(list(grad_output))])

    p.manual_seed(0)
    net = p.nn.Sequential(p.nn.Linear(2, 2), p.nn.Tanh(), p.nn.Linear(2, 1))
    for module in net:
        module.register_full_backward_hook(note)
    net[1].register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 2,))
    handle = net[2].register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * 10,))
    net(p.ones(1, 2)).sum().backward()
    first = net[0].weight.grad.clone()
    handle.remove()
    x = p.ones(1, 2).requires_grad_()
    net(x).sum().backward()
    return [events, first, x.grad]


@scenario
def backward_hooks_on_tuples(p):
    class Two(p.nn.Module):
        def forward(self, a, b, note):
            return a * b, "text", a + b

    events, module = [], Two()
    module.register_full_backward_hook(lambda m, gi, go: events.append((plain(list(gi)), plain(list(go)))))
    a, b = p.tensor([2.0]).requires_grad_(), p.tensor([3.0])
    product, text, total = module(a, b, "x")
    (product * 2 + total).sum().backward()
    return [events, text, a.grad]


@scenario
def copies(p):
    results = []
    for again in (copy.deepcopy, copy.copy):
        net = network(p)
        net.register_forward_hook(lambda module, args, output: output + 1)
        twin = again(net)
        results += [repr(twin), list(twin.state_dict()), twin.scale is net.scale, twin.shared is twin.first,
                    twin.eval()(p.ones(1, 3)), sorted(twin._non_persistent_buffers_set)]
    net = network(p)
    twin = copy.deepcopy(net)
    with p.no_grad():
        twin.scale.fill_(4)
    twin.extra = p.nn.ReLU()
    return results + [net.scale, hasattr(net, "extra"), twin.training, twin.scale.requires_grad]


@scenario
def pickling(p):
    net = p.nn.Sequential(p.nn.Linear(2, 3), p.nn.BatchNorm1d(3), p.nn.ReLU())
    twin = pickle.loads(pickle.dumps(net))
    twin.add_module("more", p.nn.Tanh())
    same = all(bool((a == b).all()) for a, b in zip(net.state_dict().values(), twin.state_dict().values()))
    return [repr(twin), same, [n for n, _ in twin.named_parameters()], twin[0].weight.requires_grad, len(net),
            plain(twin(p.ones(2, 2)).shape)]


@scenario
def modes_and_gradients(p):
    net = network(p)
    net.eval()
    modes = [m.training for m in net.modules()]
    net.body.train()
    modes += [m.training for m in net.modules()]
    net(p.ones(2, 3)).sum().backward()
    with_gradient = [n for n, q in net.named_parameters() if q.grad is not None]
    net.zero_grad(set_to_none=False)
    zeros = [float(q.grad.abs().sum()) for q in net.parameters() if q.grad is not None]
    net.zero_grad()
    net.first.requires_grad_(False)
    return [
        modes,
        with_gradient,
        zeros,
        [q.grad for q in net.parameters()],
        [q.requires_grad for q in net.parameters()],
    ]


@scenario
def conversions(p):
    net = network(p)
    parameter = net.scale
    net(p.ones(2, 3)).sum().backward()
    seen = []
    for convert in (lambda m: m.double(), lambda m: m.half(), lambda m: m.bfloat16(), lambda m: m.float(),
                    lambda m: m.to(p.float64), lambda m: m.to("cpu"), lambda m: m.to("cpu", p.float32),
                    lambda m: m.to(dtype=p.float64), lambda m: m.to(p.zeros(1)), lambda m: m.cpu(), lambda m:
                        m.type(p.float64)):
        result = convert(net)
        seen.append([result is net, net.scale is parameter, *(str(t.dtype).split(".")[-1] for t in (
            net.scale, net.steps, net.body[0].num_batches_tracked, net.scale.grad))])
    return [seen, raised(net.to, p.int64), [n for n, _ in net.named_parameters()]]


@scenario
def applying(p):
    seen = []
    network(p).apply(lambda module: seen.append(type(module).__name__))

    @p.no_grad()
    def fill(module):
        if isinstance(module, p.nn.Linear):
            module.weight.fill_(1.0)

    return [seen, p.nn.Sequential(p.nn.Linear(2, 1)).apply(fill)[0].weight]


@scenario
def directory(p):
    names = dir(p.nn.Sequential(p.nn.Linear(1, 1)))
    own = dir(network(p))
    return [
        "0" in names,
        *(name in own for name in ("first", "scale", "steps", "forward", "training", "note")),
    ]


@scenario
def buffers_by_assignment(p):
    module = p.nn.Module()
    module.mean = p.nn.Buffer(p.zeros(2))
    module.cache = p.nn.Buffer(p.zeros(2), persistent=False)
    module.plain = p.zeros(2)
    module.mean = p.ones(2)
    return [list(module._buffers), list(module.state_dict()), module.mean]


@scenario
def own_getattr(p):
    class Wrapper(p.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.inner, name)

    wrapper = Wrapper(p.nn.Linear(2, 3))
    return [wrapper.out_features, wrapper.weight.shape[0], raised(getattr, wrapper, "nobody"), repr(wrapper)]


@scenario
def parametrised_class_attributes(p):
    class Odd(p.nn.Module):
        limit = 5

        def __init__(self):
            super().__init__()
            self._inner = 1

        @property
        def twice(self):
            return self._inner * 2

        @twice.setter
        def twice(self, value):
            self._inner = value // 2

    odd = Odd()
    odd.twice = 8
    odd.limit = 6
    return [odd._inner, odd.twice, odd.limit, Odd.limit]


@scenario
def containers(p):
    nn = p.nn
    from collections import OrderedDict
    s = nn.Sequential(OrderedDict([("a", nn.Linear(2, 2)), ("b", nn.ReLU())]))
    t = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    results = [repr(s), repr(s.b), repr(s[:1]), repr(t[1:3]), repr(t[-1]), len(t), list(t[1:].state_dict())]
    t[1] = nn.GELU()
    del t[0]
    results += [repr(t), list(t._modules)]
    t.append(nn.SiLU()).insert(1, nn.ELU())
    t.extend(nn.Sequential(nn.ReLU6()))
    results += [
        repr(t),
        repr(t.pop(-2)),
        repr(t + s),
        repr(t * 2),
        repr(2 * s),
        repr([type(m).__name__ for m in t]),
    ]
    t += s
    del t[1:3]
    results += [repr(t), raised(lambda: t[99]), raised(t.insert, 99, nn.ReLU()), raised(t.insert, 0, 3),
                raised(lambda: t + 3), raised(lambda: t * 0), raised(nn.Sequential, 3)]
    return results


@scenario
def module_lists(p):
    nn = p.nn
    m = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])
    results = [repr(m), repr(m[1:]), len(m), list(m.state_dict()), repr(nn.ModuleList())]
    m.append(nn.Sequential(nn.ReLU(), nn.ReLU()))
    m.insert(0, nn.Tanh())
    m.extend([nn.ReLU()] * 2)
    m += [nn.GELU()]
    results += [
        repr(m),
        repr(m + [nn.ELU()]),
        repr(m.pop(0)),
        raised(m.extend, 3),
        raised(lambda: m[20]),
        raised(m, 1),
    ]
    m[-1] = nn.SiLU()
    del m[0:2]
    return results + [repr(m), nn.ReLU() in m, list(m._modules), [i for i in dir(m) if i.isdigit()]]


@scenario
def module_dicts(p):
    nn = p.nn
    m = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    m["c"] = nn.Tanh()
    m.update([("d", nn.ELU()), ("b", nn.GELU())])
    results = [
        repr(m),
        list(m.keys()),
        [k for k, _ in m.items()],
        len(list(m.values())),
        "a" in m,
        len(m),
        list(m),
    ]
    results += [repr(m.pop("d")), raised(m.update, 3), raised(m.update, [1]), raised(m.update, [(1, 2, 3)]),
                raised(lambda: m["z"]), raised(m.__setitem__, "keys", nn.ReLU()), list(m.state_dict())]
    del m["a"]
    results.append(repr(m))
    m.clear()
    return results + [repr(m)]


@scenario
def parameter_lists(p):
    nn = p.nn
    m = nn.ParameterList([nn.Parameter(p.ones(2, 3)), p.zeros(4), "text"])
    m.append(p.ones(1)).extend([p.ones(2)])
    m += [p.zeros(1)]
    m[0] = p.zeros(2)
    results = [
        repr(m).replace("rushlight", "torch"),
        len(m),
        [type(v).__name__ for v in m],
        list(m.state_dict()),
        len(m[1:3]),
        repr(m[2]),
        raised(lambda: m[9]),
        raised(m.extend, 3),
        m[-1],
    ]
    return results


@scenario
def parameter_dicts(p):
    nn = p.nn
    m = nn.ParameterDict({"b": nn.Parameter(p.ones(2)), "a": p.zeros(3, 1)})
    m["c"] = p.ones(1)
    m.update([("d", p.zeros(1))])
    results = [repr(m).replace("rushlight", "torch"), list(m.keys()), len(m), "a" in m, list(m.state_dict()),
               raised(lambda: m["z"]), m.get("z", 5), m.pop("a"), m.popitem()[0]]
    m.setdefault("e", p.ones(2))
    other = m | {"f": p.ones(1)}
    copy_of = m.copy()
    m.clear()
    return [*results, list(other), list(copy_of), len(m), list(reversed(other))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", SCENARIOS)
def test_same_as_pytorch(run):
    assert plain(run(rl)) == plain(run(torch))


def test_modules_are_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        net = network(rl)
        net(rl.ones(2, 3))
        list(net.parameters()), net.state_dict()
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()


def test_module_survives_a_failing_hook_table():
    layer = rl.nn.ReLU()
    layer._forward_hooks["mine"] = lambda module, args, output: output + 1
    assert layer(rl.tensor([1.0])).tolist() == [2.0]
    layer._forward_hooks.clear()
    assert layer(rl.tensor([1.0])).tolist() == [1.0]


def test_parameter():
    data = rl.ones(2)
    parameter = rl.nn.Parameter(data)
    assert isinstance(parameter, rl.Tensor) and parameter.requires_grad and parameter.is_leaf
    assert parameter.data_ptr() == data.data_ptr()
    assert not data.requires_grad
    assert repr(parameter) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert rl.nn.Parameter(data, requires_grad=False).requires_grad is False
    assert type(parameter * 2) is rl.Tensor
    twin = pickle.loads(pickle.dumps(parameter))
    assert type(twin) is rl.nn.Parameter and twin.tolist() == [1.0, 1.0] and twin.requires_grad
    deep = copy.deepcopy(parameter)
    assert type(deep) is rl.nn.Parameter and deep.data_ptr() != parameter.data_ptr()
    with pytest.raises(TypeError):
        rl.nn.Parameter([1.0])
    with pytest.raises(RuntimeError):
        rl.nn.Parameter(rl.tensor([1]))


def test_shared_memory_reaches_the_parent():
    layer = rl.nn.Linear(2, 2).share_memory()
    before = layer.weight.data_ptr()
    child = os.fork()
    if child == 0:
        with rl.no_grad():
            layer.weight.fill_(7.0)
        os._exit(0)
    os.waitpid(child, 0)
    assert layer.weight.tolist() == [[7.0, 7.0], [7.0, 7.0]] and layer.weight.data_ptr() == before


def test_calls_are_direct_again_when_the_last_global_hook_goes():
    from rushlight.nn.modules import module
    events = []
    handles = [module.register_module_forward_hook(lambda *told: events.append("forward")),
               module.register_module_backward_hook(lambda *told: events.append("backward"))]
    layer = rl.nn.Linear(2, 2)
    layer(rl.ones(1, 2, requires_grad=True)).sum().backward()
    assert events == ["forward", "backward"] and module.GLOBAL.any
    handles[0].remove()
    assert module.GLOBAL.any
    handles[1].remove()
    assert not module.GLOBAL.any


def test_backward_hooks_of_modules_whose_inputs_need_no_gradient_say_so():
    layer, seen = rl.nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_input))
    with pytest.warns(UserWarning, match="no input of this Linear requires grad"):
        layer(rl.ones(1, 2)).sum().backward()
    assert seen == [(None,)]


def test_compiled_in_place():
    model = rl.nn.Sequential(rl.nn.Linear(2, 3), rl.nn.ReLU(), rl.nn.Linear(3, 1))
    plain, x = copy.deepcopy(model), rl.randn(4, 2)
    assert model.compile(fullgraph=True) is None and list(model.state_dict()) == list(plain.state_dict())
    with rl.no_grad():
        for _ in range(2):
            assert rl.equal(model(x), plain(x))
        assert "(4, 2)" in model._compiled_call_impl.report()
        # Hooks come and go after a call was captured.
        for factor in (2, 3):
            handle = model.register_forward_hook(lambda module, args, out, factor=factor: out * factor)
            assert rl.equal(model(x), plain(x) * factor)
            handle.remove()
            assert rl.equal(model(x), plain(x))
        model[0].weight.mul_(2)
        plain[0].weight.mul_(2)
        assert rl.equal(model(x), plain(x))
        with pytest.raises(RuntimeError, match=r"expected input.shape\[-1\] == 2.*in 0: Linear"):
            model(rl.ones(4, 3))
    for one in (model, plain):
        one(x).sum().backward()
    assert rl.equal(model[0].weight.grad, plain[0].weight.grad)
    again = copy.deepcopy(model)
    assert again._compiled_call_impl is None and rl.equal(again(x), plain(x))
    model.compile(disable=True)
    assert rl.equal(model(x), plain(x))
