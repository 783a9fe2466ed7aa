"""`func`, `vmap` and `autograd.functional`: against finite differences, one another, and PyTorch where installed."""
import collections

import numpy as np
import pytest

import rushlight
import rushlight.autograd.functional as AF
from rushlight.autograd import forward_ad
from rushlight.func import (
    functional_call,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    rearrange,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vjp,
    vmap,
)

rng = np.random.default_rng(0)


def t(*shape):
    return rushlight.from_numpy(rng.normal(size=shape))


def numeric(f, x, step=1e-6):
    """The Jacobian of f at x by central differences: f's shape, then x's."""
    base, columns = x.numpy().copy(), []
    for at in range(base.size):
        ends = []
        for sign in (1, -1):
            moved = base.copy().reshape(-1)
            moved[at] += sign * step
            ends.append(f(rushlight.from_numpy(moved.reshape(base.shape))).detach().numpy())
        columns.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(columns, -1).reshape(*columns[0].shape, *base.shape)


def same(ours, expected, tolerance=1e-6):
    expected = expected.detach().numpy() if hasattr(expected, "detach") else expected
    assert tuple(ours.shape) == tuple(expected.shape)
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


def f(x):
    return rushlight.sin(x) * x.sum() + x.prod()


def number(x):
    return (x.exp() * x.cumsum(0)).sum()


# ---- derivatives ----


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd, lambda f: lambda x: AF.jacobian(f, x),
                                      lambda f: lambda x: AF.jacobian(f, x, vectorize=True, strategy="forward-mode")])
def test_jacobians(jacobian):
    x = t(2, 3)
    same(jacobian(f)(x), numeric(f, x))


@pytest.mark.parametrize("second", [hessian, lambda f: jacrev(jacrev(f)), lambda f: jacrev(jacfwd(f)),
                                    lambda f: jacfwd(grad(f)), lambda f: lambda x: AF.hessian(f, x)])
def test_hessians(second):
    x = t(4)
    same(second(number)(x), numeric(grad(number), x))


def test_products():
    x, v, u = t(3), t(3), t(3)
    jacobian = numeric(f, x)
    value, push = linearize(f, x)
    for product in (jvp(f, (x,), (v,))[1], AF.jvp(f, x, v)[1], push(v)):
        same(product, jacobian @ v.numpy())
    same(push(2 * v), 2 * (jacobian @ v.numpy()))
    same(value, f(x))
    value, pull = vjp(f, x)
    same(value, f(x))
    same(pull(u)[0], u.numpy() @ jacobian)
    same(pull(2 * u)[0], 2 * (u.numpy() @ jacobian))
    same(AF.vjp(f, x, u)[1], u.numpy() @ jacobian)
    second = numeric(grad(number), x)
    for product in (AF.vhp(number, x, v)[1], AF.hvp(number, x, v)[1]):
        same(product, second @ v.numpy())


def test_results_require_grad_only_for_what_is_outside():
    x, w = t(3), t(3).requires_grad_()
    assert not grad(lambda y: (y**2).sum())(x).requires_grad
    slope = grad(lambda y: (y**3 * w).sum())(x)
    assert slope.requires_grad
    slope.sum().backward()
    same(w.grad, 3 * x.numpy() ** 2)
    x.requires_grad_()
    value, (first,) = grad_and_value(lambda y: (y**3).sum())(x)[::-1], rushlight.autograd.grad(
        grad(lambda y: (y**3).sum())(x).sum(), x)
    assert value[0].requires_grad
    same(first, 6 * x)
    with rushlight.no_grad():
        assert not grad(lambda y: (y**3 * w).sum())(x).requires_grad
    for product in (jvp(lambda y: y * w, (x,), (t(3),)), AF.jvp(lambda y: y * w, x, t(3), create_graph=True)):
        assert product[1].requires_grad
    assert not AF.jvp(lambda y: y * w, x, t(3))[1].requires_grad


def test_nested_derivatives_do_not_mix():
    # d/dx [x d/dy (x + y)] = 1, by Siskind and Pearlmutter's test of perturbations that get confused.
    x = rushlight.tensor(2.0)
    assert grad(lambda x: x * grad(lambda y: x + y)(x))(x).item() == 1
    assert grad(lambda x: x * jvp(lambda y: x * y, (x,), (rushlight.ones(()),))[1])(x).item() == 4
    assert jvp(lambda x: grad(lambda y: x * y**3)(x), (x,), (rushlight.ones(()),))[1].item() == 36


def test_trees_argnums_and_aux():
    Pair = collections.namedtuple("Pair", "a b")
    given = {"p": Pair(t(2), t(3)), "q": [t(2)]}

    def loss(tree, scale, *, shift=0.0):
        total = (tree["p"].a * tree["q"][0]).sum() * scale + (tree["p"].b ** 2).sum() + shift
        return total, {"seen": total * 2}

    gradient, aux = grad(loss, has_aux=True)(given, rushlight.tensor(2.0), shift=1.0)
    assert isinstance(gradient["p"], Pair)
    same(gradient["p"].a, 2 * given["q"][0])
    same(gradient["p"].b, 2 * given["p"].b)
    assert not aux["seen"].requires_grad
    by_two = grad(lambda a, b: (a * b).sum(), argnums=(0, -1))(t(2), given["q"][0])
    same(by_two[0], given["q"][0])
    table = jacrev(lambda a, b: {"y": a * b, "z": a.sum()}, argnums=(0, 1))(t(2), t(2))
    assert tuple(table["y"][1].shape) == (2, 2)
    same(table["z"][1], np.zeros(2))


@pytest.mark.parametrize("wrong, error", [
    (lambda: grad(lambda x: x)(t(2)), RuntimeError),
    (lambda: grad(lambda x: x.sum(), argnums=1)(t(2)), RuntimeError),
    (lambda: grad(lambda x: x.sum(), argnums=())(t(2)), RuntimeError),
    (lambda: grad(lambda x: 1.0)(t(2)), TypeError),
    (lambda: grad(lambda x: x.sum())(rushlight.tensor([1, 2])), RuntimeError),
    (lambda: vjp(f, t(2))[1](t(3)), RuntimeError),
    (lambda: jvp(f, (t(2),), (t(3),)), RuntimeError),
    (lambda: jvp(f, t(2), t(2)), RuntimeError),
    (lambda: jvp(lambda x: t(2), (t(2),), (t(2),), strict=True), RuntimeError),
    (lambda: jacrev(f, chunk_size=0), ValueError),
    (lambda: functionalize(f), NotImplementedError),
    (lambda: AF.jacobian(lambda x: t(2), t(2), strict=True), RuntimeError),
    (lambda: AF.jacobian(f, t(2), strict=True, vectorize=True), RuntimeError),
    (lambda: AF.jacobian(f, t(2), strategy="forward-mode"), NotImplementedError),
    (lambda: AF.jacobian(f, t(2), strategy="sideways"), AssertionError),
    (lambda: AF.hessian(f, t(2)), RuntimeError),
    (lambda: AF.hessian(lambda x: x.sum(), t(2), strict=True), RuntimeError),
    (lambda: AF.vjp(f, t(2)), RuntimeError),
    (lambda: AF.hvp(number, t(2), t(3)), RuntimeError),
    (lambda: AF.jacobian(f, [t(2)]), TypeError),
    (lambda: AF.jacobian(lambda x: 1.0, t(2)), TypeError),
])
def test_refusals(wrong, error):
    with pytest.raises(error) as raised:
        wrong()
    assert ":" in str(raised.value)


def test_inputs_that_nothing_depends_on_get_zeros():
    x, y = t(2), t(3)
    same(grad(lambda x, y: y.sum(), argnums=0)(x, y), np.zeros(2))
    jacobian = AF.jacobian(lambda a, b: (a * 2, rushlight.ones(1, dtype=rushlight.float64)), (x, y))
    same(jacobian[0][0], 2 * np.eye(2))
    same(jacobian[0][1], np.zeros((2, 3)))
    same(jacobian[1][1], np.zeros((1, 3)))
    same(AF.hessian(lambda a: a.sum(), x), np.zeros((2, 2)))
    same(jvp(lambda a: y * 2, (x,), (x,))[1], np.zeros(3))
    # Integers have no slope.
    pushed = jvp(lambda a: (a * 2, a.argmax(), a.long()), (x,), (x,))[1]
    same(pushed[0], 2 * x)
    assert pushed[1].item() == 0 and pushed[2].tolist() == [0, 0]
    same(jacfwd(lambda a: a.argmax())(x), np.zeros(2))


def test_dual_tensors():
    x, v = t(3), t(3)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, v)
        value, tangent = forward_ad.unpack_dual(f(dual))
        same(value, f(x))
        same(tangent, numeric(f, x) @ v.numpy())
        assert not tangent.requires_grad and not value.requires_grad
        same(forward_ad.unpack_dual(dual).tangent, v)
        assert forward_ad.unpack_dual(x).tangent is None
        assert forward_ad.unpack_dual(t(3).requires_grad_() * 2).tangent is None
        # Two tangents at once, and derivatives of tangents.
        w = t(3).requires_grad_()
        both = forward_ad.unpack_dual((dual * forward_ad.make_dual(w, 2 * v)).sum())
        same(both.tangent, (v.numpy() * w.detach().numpy() + 2 * x.numpy() * v.numpy()).sum())
        same(rushlight.autograd.grad(both.tangent, w)[0], v)
        for wrong, error in ((lambda: forward_ad.make_dual(x, t(2)), RuntimeError),
                             (lambda: forward_ad.make_dual(x.long(), v), ValueError),
                             (lambda: forward_ad.make_dual(x, v, level=3), RuntimeError),
                             (forward_ad.enter_dual_level, RuntimeError)):
            with pytest.raises(error):
                wrong()
    assert forward_ad.unpack_dual(dual).tangent is None
    for wrong in (lambda: forward_ad.make_dual(x, v), forward_ad.exit_dual_level):
        with pytest.raises(RuntimeError, match="level"):
            wrong()


# ---- vmap ----


def test_vmap_is_a_loop_over_samples():
    x, w = t(5, 3, 4), t(4, 2)
    same(vmap(lambda a: a @ w)(x), np.einsum("bij,jk->bik", x.numpy(), w.numpy()))
    same(vmap(lambda a, b: (a * b).sum(0), in_dims=(1, None), out_dims=-1)(x, t(1, 4) * 0 + 1), x.numpy().sum(0).T)
    same(vmap(vmap(rushlight.dot))(x, x), (x.numpy() ** 2).sum(-1))
    same(vmap(vmap(lambda a, b: a * b, in_dims=(None, 0)), in_dims=(0, None))(t(3) * 0 + 2, w[:, 0]),
         np.tile(2 * w.numpy()[:, 0], (3, 1)))
    result = vmap(lambda d, k=None: {"a": d["x"] + k, "b": (d["y"],)}, in_dims=({"x": 0, "y": None},), out_dims={
        "a": 1, "b": (None,)})({"x": x, "y": w}, k=t(5) * 0 + 1)
    same(result["a"], x.numpy().swapaxes(0, 1) + 1)
    assert result["b"][0] is w
    # What depends on values is each sample's own.
    same(vmap(lambda a: a if a.sum() > 0 else -a)(rushlight.tensor([[1.0, 2.0], [-1.0, -5.0]])),
         np.array([[1.0, 2.0], [1.0, 5.0]]))


def test_gradients_through_and_inside_vmap():
    w, x = t(4).requires_grad_(), t(6, 4)
    vmap(lambda a: (a * w).sum() ** 2)(x).sum().backward()
    same(w.grad, 2 * (x.numpy() @ w.detach().numpy()) @ x.numpy())
    per_sample = vmap(grad(lambda w, a: (a * w).sum() ** 2), in_dims=(None, 0))(w.detach(), x)
    same(per_sample, 2 * (x.numpy() @ w.detach().numpy())[:, None] * x.numpy())
    same(vmap(jacrev(lambda a: a**2))(x), np.stack([np.diag(2 * row) for row in x.numpy()]))
    same(vmap(hessian(lambda a: (a**3).sum()))(x), np.stack([np.diag(6 * row) for row in x.numpy()]))


def test_vmap_of_random_numbers():
    x = t(4, 2)
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(lambda a: a + rushlight.rand(2))(x)
    equal = vmap(lambda a: rushlight.rand(2), randomness="same")(x)
    assert (equal == equal[0]).all()
    other = vmap(lambda a: rushlight.rand(2), randomness="different")(x)
    assert len({tuple(row) for row in other.tolist()}) == 4


def test_seeding_within_vmap():
    def seeded(a):
        rushlight.manual_seed(3)
        return a + rushlight.rand(2)

    x = rushlight.zeros(4, 2)
    rushlight.manual_seed(3)
    wanted = rushlight.rand(4, 2)
    assert rushlight.equal(vmap(seeded, randomness="different")(x), wanted)
    assert rushlight.equal(vmap(seeded, randomness="same")(x), wanted[:1].expand(4, 2))
    rushlight.rand(1)
    with pytest.raises(RuntimeError, match="drew random numbers"):
        vmap(seeded)(x)
    assert rushlight.equal(vmap(lambda a: (rushlight.manual_seed(3), a)[1])(x), x)
    with pytest.raises(ValueError, match="stop"):
        vmap(_stops_at_second(), randomness="different")(x)
    assert rushlight.equal(rushlight.manual_seed(3) and rushlight.rand(4, 2), wanted)


def _stops_at_second():
    calls = []

    def stops(a):
        calls.append(a)
        if len(calls) == 2:
            raise ValueError("stop")
        return a

    return stops


def test_vmap_of_nothing():
    result = vmap(lambda a: (a @ a.T, a.long()), out_dims=(1, 0))(rushlight.zeros(0, 2, 3))
    assert [tuple(r.shape) for r in result] == [(2, 0, 2), (0, 2, 3)]
    assert result[1].dtype == rushlight.int64


@pytest.mark.parametrize("wrong", [
    lambda: vmap(f, in_dims=None)(t(2)),
    lambda: vmap(f, in_dims=(None,))(t(2)),
    lambda: vmap(f, in_dims=(0, 0))(t(2)),
    lambda: vmap(f, in_dims=3)(t(2)),
    lambda: vmap(f, in_dims=(0,))(2.0),
    lambda: vmap(lambda a, b: a)(t(2), t(3)),
    lambda: vmap(lambda a: 1.0)(t(2)),
    lambda: vmap(f, out_dims=5)(t(2, 2)),
    lambda: vmap(f, out_dims=(0, 0))(t(2, 2)),
    lambda: vmap(f, out_dims=None)(t(2, 2)),
    lambda: vmap(f, randomness="sometimes"),
    lambda: vmap(f, chunk_size=0),
    lambda: vmap(f)(),
    lambda: vmap(f)(rushlight.tensor(1.0)),
])
def test_refusals_of_vmap(wrong):
    with pytest.raises(ValueError, match="vmap: "):
        wrong()


# ---- modules ----


def test_functional_call():
    net = rushlight.nn.Sequential(rushlight.nn.Linear(3, 2), rushlight.nn.BatchNorm1d(2)).double()
    x = t(4, 3)
    names = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    other = {name: (v * 2 if v.is_floating_point() else v.clone()) for name, v in names.items()}
    before = {name: v.clone() for name, v in names.items()}
    called = functional_call(net, other, (x,))
    for name, v in {**dict(net.named_parameters()), **dict(net.named_buffers())}.items():
        assert v is names[name] and rushlight.equal(v, before[name])
    net.load_state_dict({k: v.detach() for k, v in before.items()})
    with rushlight.no_grad():
        for v in net.parameters():
            v *= 2
    same(called, net(x))
    with pytest.raises(RuntimeError, match="strict"):
        functional_call(net, {"0.weight": names["0.weight"]}, x, strict=True)
    with pytest.raises(ValueError):
        functional_call(net, ({"0.weight": x}, {"0.weight": x}), x)
    with pytest.raises(RuntimeError):
        functional_call(net, {"0.weight": rushlight.zeros(5, 5)}, x)
    assert net[0].weight is names["0.weight"]


def test_tied_weights():
    class Tied(rushlight.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = rushlight.nn.Linear(2, 2, bias=False)
            self.b = rushlight.nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))
    net, eye = Tied(), 2 * rushlight.eye(2)
    assert functional_call(net, {"a.weight": eye}, rushlight.ones(2)).tolist() == [4, 4]
    loose = functional_call(net, {"a.weight": eye}, rushlight.ones(2), tie_weights=False)
    assert rushlight.allclose(loose, net.b(2 * rushlight.ones(2)))
    with pytest.raises(ValueError, match="tied"):
        functional_call(net, {"a.weight": eye, "b.weight": eye * 2}, rushlight.ones(2))


def test_ensembles():
    models = [rushlight.nn.Linear(3, 2) for _ in range(4)]
    parameters, buffers = stack_module_state(models)
    x = rushlight.randn(5, 3)
    out = vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(parameters, buffers)
    for row, model in zip(out, models, strict=True):
        assert rushlight.allclose(row, model(x))
    assert parameters["weight"].is_leaf and parameters["weight"].requires_grad
    for wrong in ([], [rushlight.nn.Linear(1, 1), rushlight.nn.ReLU()],
                  [rushlight.nn.Linear(1, 1), rushlight.nn.Linear(1, 1).eval()]):
        with pytest.raises(RuntimeError):
            stack_module_state(wrong)
    net = replace_all_batch_norm_modules_(rushlight.nn.Sequential(rushlight.nn.BatchNorm2d(3)))
    assert net[0].running_mean is None and not net[0].track_running_stats


@pytest.mark.parametrize("pattern, lengths, expected", [
    ("a b c -> c a b", {}, lambda x: x.transpose(2, 0, 1)),
    ("a b c -> (c a) b", {}, lambda x: x.transpose(2, 0, 1).reshape(-1, 3)),
    ("a b (c d) -> a d (b c)", {"d": 2}, lambda x: x.reshape(2, 3, 2, 2).transpose(0, 3, 1, 2).reshape(2, 2, 6)),
    ("a ... -> ... a", {}, lambda x: x.transpose(1, 2, 0)),
    ("a ... -> a (...)", {}, lambda x: x.reshape(2, 12)),
    ("a b c -> a 1 (b c) 1", {}, lambda x: x.reshape(2, 1, 12, 1)),
])
def test_rearrange(pattern, lengths, expected):
    x = t(2, 3, 4)
    same(rearrange(x, pattern, **lengths), expected(x.numpy()))


@pytest.mark.parametrize("pattern", ["a b -> a", "a b c", "a b c -> a b", "a a b -> a b", "(a (b)) c -> a b c",
                                     "a b c) -> a b c", "(a b c -> a b c", "a b (c d) -> a b c d",
                                     "a-b c d -> a b c d"])
def test_refusals_of_rearrange(pattern):
    with pytest.raises(ValueError, match="rearrange: "):
        rearrange(t(2, 3, 4), pattern)


# ---- PyTorch ----


def test_the_same_as_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = t(3, 4)
    other = torch.from_numpy(x.numpy())

    def program(lib):
        fn = lib.func

        def g(a):
            return {"u": lib.sin(a) * a.sum(), "v": (a**2).prod()}
        a = x if lib is rushlight else other
        yield fn.jacrev(g)(a)["u"]
        yield fn.jacfwd(g)(a)["v"]
        yield fn.hessian(lambda b: g(b)["v"])(a)
        yield fn.vmap(fn.jacrev(lambda b: b.cumsum(0)), in_dims=1, out_dims=1)(a)
        yield fn.vmap(fn.grad(lambda b, c: (b * c).sin().sum()), in_dims=(0, None))(a, a[0])
        yield fn.vjp(lambda b: g(b)["u"], a)[1](a)[0]
        yield fn.jvp(lambda b: g(b)["u"], (a,), (a,))[1]
        yield fn.linearize(lambda b: g(b)["u"], a)[1](a)
        A = lib.autograd.functional
        yield A.jacobian(lambda b: g(b)["u"], a)
        yield A.hessian(lambda b: g(b)["v"], a)
        yield A.hvp(lambda b: g(b)["v"], a, a)[1]
        yield A.vhp(lambda b: g(b)["v"], a, a)[1]
        yield A.jvp(lambda b: g(b)["u"], a, a)[1]
        yield A.vjp(lambda b: g(b)["u"], a, a)[1]
    for ours, theirs in zip(program(rushlight), program(torch), strict=True):
        same(ours, theirs, 1e-10)
