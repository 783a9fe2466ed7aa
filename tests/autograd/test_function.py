"""Custom functions."""

import pytest

import rushlight as rl
from rushlight import autograd
from rushlight.autograd import Function
from rushlight.autograd.function import once_differentiable


def leaf(*values):
    return rl.tensor(list(values), dtype=rl.float64, requires_grad=True)


class Power(Function):
    @staticmethod
    def forward(ctx, x, n, scale=1.0):
        ctx.save_for_backward(x)
        ctx.n, ctx.scale = n, scale
        return x**n * scale

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return ctx.n * ctx.scale * x ** (ctx.n - 1) * grad, None, None


class Separate(Function):
    @staticmethod
    def forward(x, y):
        return x * y, x + y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output[0])

    @staticmethod
    def backward(ctx, g, h):
        x, y, product = ctx.saved_tensors
        assert product.tolist() == (x * y).tolist()
        return g * y + h, g * x + h


def test_first_and_second_derivative():
    x = leaf(0.5, 1.5)
    y = Power.apply(x, 3, 2.0)
    assert type(y.grad_fn).__name__ == "PowerBackward" and y.grad_fn.name() == "PowerBackward"
    assert y.grad_fn.next_functions[0][0].variable is x
    assert autograd.gradcheck(lambda x: Power.apply(x, 3, 2.0), x)
    assert autograd.gradgradcheck(lambda x: Power.apply(x, 3, 2.0), x)


def test_setup_context_and_several_results():
    x, y = leaf(2.0, 3.0), leaf(5.0, 7.0)
    assert autograd.gradcheck(Separate.apply, (x, y))
    product, total = Separate.apply(x, y)
    assert (product.output_nr, total.output_nr) == (0, 1)


def test_nothing_is_recorded_without_need():
    assert Power.apply(rl.ones(2), 2).grad_fn is None
    with rl.no_grad():
        assert Power.apply(leaf(1.0), 2).grad_fn is None


def test_needs_input_grad():
    seen = []

    class Spy(Function):
        @staticmethod
        def forward(ctx, x, y, k):
            return x * y

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return g, None, None

    Spy.apply(leaf(1.0), rl.ones(1, dtype=rl.float64), "text").sum().backward()
    assert seen == [(True, False, False)]


def test_results_that_are_not_differentiated():
    class Parts(Function):
        @staticmethod
        def forward(ctx, x):
            sign = x.sign()
            ctx.mark_non_differentiable(sign)
            return x * 2, sign, "text"

        @staticmethod
        def backward(ctx, g, h, nothing):
            assert h.tolist() == [0, 0] and nothing is None
            return g * 2

    x = leaf(1.0, -2.0)
    y, sign, text = Parts.apply(x)
    assert y.requires_grad and not sign.requires_grad and text == "text"
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_gradients_that_did_not_arrive():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            assert h is None
            return g * 2

    x = leaf(1.0)
    Two.apply(x)[0].sum().backward()
    assert x.grad.tolist() == [2]


def test_in_place_functions():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.mul_(2)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1.0, 2.0)
    h = x * 3
    out = Double.apply(h)
    assert out is h and type(h.grad_fn).__name__ == "DoubleBackward"
    h.sum().backward()
    assert x.grad.tolist() == [6, 6]
    with pytest.raises(RuntimeError, match="leaf"):
        Double.apply(leaf(1.0))
    b = x * 1
    Double.apply(b[0:1])
    x.grad = None
    b.sum().backward()
    assert x.grad.tolist() == [2, 1]


def test_an_argument_returned_as_it_is():
    class Identity(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 10

    x = leaf(1.0)
    y = Identity.apply(x)
    assert y is not x and x.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [10]
    with pytest.raises(RuntimeError):
        Identity.apply(x * 1).mul_(2)


def returning(*gradients):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return gradients if len(gradients) != 1 else gradients[0]

    return Wrong.apply(leaf(1.0, 2.0), 5).sum()


@pytest.mark.parametrize(
    "gradients, error, text",
    [
        ((rl.ones(2),), RuntimeError, "WrongBackward: .*incorrect number of gradients .*expected 2.*got 1"),
        ((rl.ones(2), None, rl.ones(2)), RuntimeError, "got 3"),
        ((rl.ones(2), rl.ones(2)), RuntimeError, "argument 1, which is not a Tensor"),
        ((rl.ones(3), None), RuntimeError, r"shape \(3,\) for argument 0; expected \(2,\)"),
        (("text", None), TypeError, "expected a Tensor or None"),
    ],
)
def test_wrong_gradients_name_the_function(gradients, error, text):
    with pytest.raises(error, match=text):
        returning(*gradients).backward()


def test_gradients_are_fitted_to_the_argument():
    total = returning(rl.ones(3, 2), None, None)
    total.backward()  # summed over the first dimension and cast


def test_saved_tensors_are_watched():
    x = leaf(1.0)
    h = x * 1
    y = Power.apply(h, 2)
    h.add_(1)
    with pytest.raises(RuntimeError, match=r"PowerBackward: saved tensor 0 .*inplace operation"):
        y.sum().backward()
    y = Power.apply(x, 2)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


def test_errors_of_backward_reach_the_caller():
    class Broken(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        Broken.apply(leaf(1.0)).sum().backward()

    class Missing(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    with pytest.raises(NotImplementedError, match="MissingBackward"):
        Missing.apply(leaf(1.0)).sum().backward()
    with pytest.raises(RuntimeError, match="apply"):
        Missing()(leaf(1.0))


def test_once_differentiable():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            assert not rl.is_grad_enabled()
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(3.0)
    (g,) = autograd.grad(Square.apply(x), x, leaf(1.0), create_graph=True)
    assert g.tolist() == [6]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_backward_within_backward():
    class Checkpoint(Function):
        @staticmethod
        def forward(ctx, f, x):
            ctx.f = f
            ctx.save_for_backward(x)
            return f(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            x = x.detach().requires_grad_()
            with rl.enable_grad():
                y = ctx.f(x)
            y.backward(g)
            return None, x.grad

    x = leaf(0.3, 0.7)
    f = lambda x: Checkpoint.apply(lambda z: (z * z).sin(), x)
    f(f(x)).sum().backward()
    got = x.grad.tolist()
    x.grad = None
    plain = lambda x: (x * x).sin()
    plain(plain(x)).sum().backward()
    assert got == pytest.approx(x.grad.tolist())


def test_saved_tensors_hooks():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    counts = [0, 0]

    def pack(t):
        counts[0] += 1
        return t.tolist()

    def unpack(values):
        counts[1] += 1
        return rl.tensor(values, dtype=rl.float64)

    with autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (x * w).exp().sum()
    (gx,) = autograd.grad(y, x, create_graph=True)
    assert counts[0] == 3 and counts[1] == 3
    expected = [
        w_ * rl.exp(rl.tensor(x_ * w_, dtype=rl.float64)).item() for x_, w_ in zip([1.0, 2.0], [3.0, 4.0])
    ]
    assert gx.tolist() == pytest.approx(expected)
    gx.sum().backward()
    assert x.grad.tolist() == pytest.approx([w_ * e for w_, e in zip([3.0, 4.0], expected)])
    with autograd.graph.saved_tensors_hooks(lambda t: {}["no such key"], lambda t: t), pytest.raises(KeyError):
        x * x
    with autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: {}["no such key"]):
        y = (x * x).sum()
    with pytest.raises(KeyError):
        y.backward()
    with autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: "text"):
        y = (x * x).sum()
    with pytest.raises(TypeError, match="unpack_hook"):
        y.backward()
