"""Hooks on tensors and nodes; no_grad and its kin; anomaly mode."""

import gc
import weakref

import pytest

import rushlight as rl
from rushlight import autograd


def leaf(*values):
    return rl.tensor(list(values), dtype=rl.float64, requires_grad=True)


def test_hooks_on_leaves_and_results():
    x = leaf(1.0, 2.0)
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    first = x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward()
    assert seen == [[1, 1], [20, 20]] and x.grad.tolist() == [20, 20]
    first.remove()
    x.grad = None
    (x * 1).sum().backward()
    assert x.grad.tolist() == [1, 1]
    with x.register_hook(lambda g: g * 5):
        (x * 1).sum().backward()
    (x * 1).sum().backward()
    assert x.grad.tolist() == [7, 7]


def test_leaf_hooks_also_shape_what_grad_returns():
    x = leaf(1.0)
    x.register_hook(lambda g: g * 3)
    assert autograd.grad((x * 2).sum(), x)[0].tolist() == [6]


def test_post_accumulate_hooks():
    x = leaf(1.0)
    seen = []

    def take(t):
        seen.append(t.grad.tolist())
        t.grad = None

    x.register_post_accumulate_grad_hook(take)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert seen == [[2], [3]] and x.grad is None
    with pytest.raises(RuntimeError, match="leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_hooks_on_nodes():
    x = leaf(2.0, 3.0)
    y = x * x
    seen = []
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 2,))
    handle = y.grad_fn.register_hook(lambda gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [8, 12] and len(seen) == 1 and seen[0][1] == [2, 2]
    handle.remove()
    y.grad_fn.register_hook(lambda gi, go: tuple(g * 0 for g in gi))
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_hooks_do_not_keep_their_tensor_alive():
    class Owner:
        def __init__(self):
            self.weight = leaf(1.0)
            self.weight.register_hook(lambda g: self.seen(g))
            self.weight.register_post_accumulate_grad_hook(lambda t: self.seen(t))

        def seen(self, t):
            pass

    owner = Owner()
    (owner.weight * 2).sum().backward()
    dead = weakref.ref(owner)
    del owner
    gc.collect()
    assert dead() is None


def test_hooks_that_are_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="does not require grad"):
        rl.ones(2).register_hook(print)
    with pytest.raises(RuntimeError, match="does not require grad"):
        rl.ones(2).retain_grad()
    with pytest.raises(TypeError, match="callable"):
        x.register_hook(3)
    y = x * 2
    y.register_hook(lambda g: rl.ones(3, dtype=rl.float64))
    with pytest.raises(RuntimeError, match="shape"):
        y.sum().backward()
    y = x * 2
    y.register_hook(lambda g: "text")
    with pytest.raises(TypeError, match="expected a Tensor or None"):
        y.sum().backward()


def test_modes_nest():
    x = leaf(1.0)
    with rl.no_grad():
        assert not (x * 2).requires_grad
        with rl.enable_grad():
            assert (x * 2).requires_grad
        with rl.set_grad_enabled(True):
            assert rl.is_grad_enabled()
        assert not rl.is_grad_enabled()
    assert rl.is_grad_enabled()
    rl.set_grad_enabled(False)
    assert not rl.is_grad_enabled()
    rl.set_grad_enabled(True)
    with pytest.raises(ZeroDivisionError), rl.no_grad():
        1 / 0  # noqa: B018
    assert rl.is_grad_enabled()


def test_modes_decorate():
    @rl.no_grad()
    def quiet(x):
        """A doc."""
        return x * 2

    @rl.no_grad
    def bare(x):
        return x * 2

    @rl.set_grad_enabled(False)
    def switched(x):
        return x * 2

    @rl.inference_mode()
    def inferred(x):
        return x * 2

    x = leaf(1.0)
    assert rl.is_grad_enabled()
    for f in (quiet, bare, switched):
        assert not f(x).requires_grad
    assert inferred(x).is_inference() and rl.is_grad_enabled()
    assert quiet.__name__ == "quiet" and quiet.__doc__ == "A doc."


def test_a_decorated_generator_is_quiet_only_while_it_runs():
    @rl.no_grad()
    def generate():
        got = yield rl.is_grad_enabled()
        yield got, rl.is_grad_enabled()

    g = generate()
    assert next(g) is False and rl.is_grad_enabled()
    assert g.send("sent") == ("sent", False) and rl.is_grad_enabled()


def test_inference_tensors():
    x = leaf(1.0, 2.0)
    with rl.inference_mode():
        a = rl.ones(2, dtype=rl.float64)
        a.add_(1)
        assert a.is_inference() and not (x * 2).requires_grad
        with rl.inference_mode(False):
            assert not rl.ones(1).is_inference() and rl.is_grad_enabled()
    with pytest.raises(RuntimeError, match="inference_mode"):
        a.add_(1)
    with pytest.raises(RuntimeError, match="saved"):
        a * x
    with pytest.raises(RuntimeError, match="inference_mode"):
        a.requires_grad_()
    (a.clone() * x).sum().backward()
    assert x.grad.tolist() == [2, 2]
    (a + x).sum().backward()  # nothing is saved


def test_anomaly_mode_names_the_line():
    x = leaf(-1.0)
    with autograd.detect_anomaly():
        y = x.sqrt()  # the line that is to be named
        with pytest.raises(
            RuntimeError, match="'SqrtBackward0' returned nan values in its 0th output"
        ) as caught:
            y.sum().backward()
    assert "the line that is to be named" in str(caught.value)
    assert not autograd.is_anomaly_enabled()
    x.sqrt().sum().backward()
    with autograd.set_detect_anomaly(True, check_nan=False):
        x.sqrt().sum().backward()


def test_gradcheck_finds_what_is_wrong():
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2.01

    class Forgets(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 0 + 2

    x = leaf(1.0, 2.0)
    for fast in (False, True):
        with pytest.raises(autograd.GradcheckError, match="Jacobian mismatch"):
            autograd.gradcheck(Wrong.apply, x, fast_mode=fast)
        assert not autograd.gradcheck(Wrong.apply, x, fast_mode=fast, raise_exception=False)
        assert autograd.gradcheck(
            lambda a, b: (a @ b).tanh(),
            (
                rl.rand(3, 2, dtype=rl.float64).requires_grad_(),
                rl.rand(2, 2, dtype=rl.float64).requires_grad_(),
            ),
            fast_mode=fast,
        )
    with pytest.raises(autograd.GradcheckError, match="not multiplied"):
        autograd.gradcheck(Forgets.apply, leaf(1.0))
    with pytest.raises(ValueError, match="requires grad"):
        autograd.gradcheck(Wrong.apply, rl.ones(2))
    with pytest.raises(RuntimeError, match="one place"):
        autograd.gradcheck(lambda x: x * 2, rl.ones(1, dtype=rl.float64).expand(3).requires_grad_())


def test_gradgradcheck_finds_what_is_wrong():
    class Flat(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0].detach() ** 2 * g

    x = leaf(1.0, 2.0)
    assert autograd.gradcheck(Flat.apply, x)
    assert not autograd.gradgradcheck(Flat.apply, x, raise_exception=False)
    assert autograd.gradgradcheck(lambda x: x**3, x)


def multi_grad_calls(p, mode):
    """Which gradients hooks on several tensors see, in several backward passes, as lists."""
    a, b = p.tensor([1.0, 2.0], requires_grad=True), p.tensor([3.0, 4.0], requires_grad=True)
    c, d = a * b, a + b
    seen = []

    def note(grads):
        grads = grads if isinstance(grads, list) else [grads]
        seen.append([None if g is None else g.tolist() for g in grads])

    handle = p.autograd.graph.register_multi_grad_hook((a, b, c, d), note, mode=mode)
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=(a,), retain_graph=True)
    if p is rl:                                           # PyTorch refuses leaves there
        p.autograd.grad((c * d).sum(), b, retain_graph=True)
    (c + d).sum().backward(retain_graph=True)
    handle.remove()
    c.sum().backward()
    return seen


def test_multi_grad_hooks():
    assert multi_grad_calls(rl, "all") == [
        [[3, 4], [1, 2], [1, 1], None], [[3, 4], None, [1, 1], None], [None, [7, 20], [4, 6], [3, 8]],
        [[4, 5], [2, 3], [1, 1], [1, 1]]]
    assert multi_grad_calls(rl, "any") == [[[1, 1]], [[1, 1]], [[3, 8]], [[1, 1]]]
    with pytest.raises(ValueError, match="mode='some'"):
        rl.autograd.graph.register_multi_grad_hook((), print, mode="some")
    with pytest.raises(RuntimeError, match="does not require grad"):
        rl.autograd.graph.register_multi_grad_hook((rl.ones(1),), print)


class _Saved:
    def __init__(self, tensor):
        self.tensor = tensor


@pytest.mark.parametrize("mode", ["all", "any"])
@pytest.mark.parametrize("walks", [0, 1, 2])
@pytest.mark.parametrize("removed", [False, True])
def test_multi_grad_hooks_keep_no_graph_alive(mode, walks, removed):
    kept, seen = [], []

    def pack(tensor):
        kept.append(weakref.ref(saved := _Saved(tensor)))
        return saved

    gc.collect()
    gc.disable()
    try:
        a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
        with autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
            c = a * b
            d = (c * c).exp()
        handle = autograd.graph.register_multi_grad_hook((a, c, d), lambda grads: seen.append(1), mode=mode)
        for _ in range(walks):
            rl.autograd.grad(d.sum(), a, create_graph=True)
        assert len(seen) == walks and len(kept) >= 4 and all(saved() is not None for saved in kept)
        if removed:
            handle.remove()
        leaves = [weakref.ref(a), weakref.ref(b)]
        del a, b, c, d
        if not removed:
            del handle
        assert all(saved() is None for saved in kept)
        # A leaf and what hooks on it refer to are a cycle of Python's.
        gc.collect()
        assert all(tensor() is None for tensor in leaves)
    finally:
        gc.enable()


def test_multi_grad_hooks_of_a_leaf_outlive_its_graphs():
    a, seen = leaf(1.0, 2.0), []
    autograd.graph.register_multi_grad_hook((a, a), seen.append)
    for factor in (2.0, 3.0):
        (a * factor).sum().backward()
    assert [[g.tolist() for g in grads] for grads in seen] == [[[2, 2]] * 2, [[3, 3]] * 2]
    with pytest.raises(TypeError, match="register_multi_grad_hook: tensors holds a value of type int; expected"):
        autograd.graph.register_multi_grad_hook((3,), print)


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["all", "any"])
def test_multi_grad_hooks_are_pytorchs(mode):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours = multi_grad_calls(rl, mode)
    assert ours[:2] + ours[3:] == multi_grad_calls(torch, mode)


def gradients_despite_changes(p):
    """Gradients of programs that change what was saved, each within one block."""
    out = []
    with p.autograd.graph.allow_mutation_on_saved_tensors():
        a = p.tensor([1.0, 2.0, 3.0], requires_grad=True)
        b = a.clone()
        y = (b * b).sum() + b[1:].exp().sum()
        b.sin_()
        z = (b * b).sum()
        b.mul_(2).add_(1)
        (y + z + b.sum()).backward()
        out.append(a.grad.tolist())
    with p.autograd.graph.allow_mutation_on_saved_tensors():
        w = p.tensor([[1.0, 2.0]], requires_grad=True)
        x = p.tensor([[3.0], [4.0]])
        y = x @ w
        x.zero_()
        y.sum().backward()
        out.append(w.grad.tolist())
        with p.no_grad():
            w.mul_(3)
        (w * w).sum().backward()
        out.append(w.grad.tolist())
    return out


def test_saved_tensors_may_be_changed():
    import numpy as np
    a = np.array([1.0, 2.0, 3.0])
    b = np.array([0.0, 1.0, 1.0])
    first, second, third = gradients_despite_changes(rl)
    slope = 2 * np.sin(a) * np.cos(a) + 2 * np.cos(a)
    np.testing.assert_allclose(first, 2 * a + b * np.exp(a) + slope, rtol=1e-5)
    assert second == [[7, 7]] and third == [[13, 19]]
    x = rl.ones(2, requires_grad=True)
    with rl.autograd.graph.allow_mutation_on_saved_tensors():
        saved = x.clone()
        y = (saved * saved).sum()
        with rl.no_grad():
            rl.neg(x, out=saved.detach())
        with pytest.raises(RuntimeError, match="no call in place"):
            y.backward()
    y = x.clone()
    z = (y * y).sum()
    y.zero_()
    with pytest.raises(RuntimeError):                     # over
        z.backward()


@pytest.mark.torch
def test_saved_tensors_may_be_changed_as_in_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for ours, theirs in zip(gradients_despite_changes(rl), gradients_despite_changes(torch)):
        assert rl.allclose(rl.tensor(ours), rl.tensor(theirs))
