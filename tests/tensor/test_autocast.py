"""Autocast and the gradient scaler."""
import threading

import pytest

import rushlight as rl

F = rl.nn.functional
X = rl.tensor([[1.0, 2.0], [3.0, 4.0]])
IMAGE = rl.ones(1, 1, 4, 4)

LOWER = {
    "matmul": lambda: X @ X, "mm": lambda: X.mm(X), "bmm": lambda: rl.bmm(X[None], X[None]),
    "linear": lambda: F.linear(X, X), "addmm": lambda: rl.addmm(X, X, X),
    "baddbmm": lambda: rl.baddbmm(X, X[None], X[None]),
    "conv2d": lambda: F.conv2d(IMAGE, IMAGE), "conv_transpose2d": lambda: F.conv_transpose2d(IMAGE, IMAGE),
    "prelu": lambda: F.prelu(X, rl.ones(1)),
}
LOW = X.bfloat16()
WIDE = {
    "mse_loss": lambda: F.mse_loss(LOW, LOW), "cross_entropy": lambda: F.cross_entropy(LOW, rl.tensor([0, 1])),
    "nll_loss": lambda: F.nll_loss(LOW, rl.tensor([0, 1])), "prod": lambda: LOW.prod(),
    "binary_cross_entropy_with_logits": lambda: F.binary_cross_entropy_with_logits(LOW, LOW),
    "kl_div": lambda: F.kl_div(LOW, LOW, reduction="sum"), "quantile": lambda: rl.quantile(LOW, 0.5),
    "avg_pool3d": lambda: F.avg_pool3d(rl.ones(1, 1, 2, 2, 2, dtype=rl.bfloat16), 2),
    "pad reflect": lambda: F.pad(LOW, (1, 1), "reflect"), "pad replicate": lambda: F.pad(LOW, (1, 1), "replicate"),
    "ReplicationPad3d": lambda: rl.nn.ReplicationPad3d(1)(IMAGE.bfloat16()[None]),
}
KEPT = {"add": lambda: X + X, "exp": lambda: X.exp(), "softmax": lambda: X.softmax(1), "sum": lambda: X.sum(),
        "float64": lambda: X.double() @ X.double(), "pad": lambda: F.pad(LOW, (1, 1)),
        "pad circular": lambda: F.pad(LOW, (1, 1), "circular"),
        "ReflectionPad3d": lambda: rl.nn.ReflectionPad3d(1)(rl.ones(1, 1, 2, 2, 2).bfloat16()),
        "bilinear": lambda: F.bilinear(X / 3, X / 7, rl.arange(12.0).reshape(3, 2, 2) / 9)}


@pytest.mark.parametrize("name", LOWER)
def test_computes_in_the_lower_dtype(name):
    with rl.autocast("cpu", dtype=rl.float16):
        assert LOWER[name]().dtype is rl.float16
    with rl.autocast("cpu"):
        found = LOWER[name]()
        assert found.dtype is rl.bfloat16
    want = LOWER[name]()
    assert want.dtype is rl.float32
    rl.testing.assert_close(found.float(), want, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", WIDE)
def test_computes_in_float32(name):
    with rl.autocast("cpu"):
        assert WIDE[name]().dtype is rl.float32


@pytest.mark.parametrize("name", KEPT)
def test_keeps_the_dtype(name):
    want = KEPT[name]()
    with rl.autocast("cpu"):
        found = KEPT[name]()
    assert found.dtype is want.dtype and rl.equal(found, want)


def test_nesting_disabling_and_decorating():
    @rl.autocast("cpu")
    def product():
        return X @ X

    assert product().dtype is rl.bfloat16 and not rl.is_autocast_enabled("cpu")
    with rl.autocast("cpu"):
        assert rl.is_autocast_enabled("cpu") and rl.is_autocast_cpu_enabled() and not rl.is_autocast_enabled()
        with rl.autocast("cpu", enabled=False):
            assert (X @ X).dtype is rl.float32
        assert (X @ X).dtype is rl.bfloat16
        seen = []
        other = threading.Thread(target=lambda: seen.append((X @ X).dtype))
        other.start()
        other.join()
        assert seen == [rl.float32]                              # the mode is the thread's own
    with pytest.raises(RuntimeError), rl.autocast("cpu"):
        X.reshape(3)
    assert not rl.is_autocast_enabled("cpu")


def test_other_devices_are_off_with_a_warning():
    with pytest.warns(UserWarning, match="not available"), rl.autocast("cuda"):
        assert (X @ X).dtype is rl.float32
    with pytest.raises(RuntimeError, match="device_type='toaster'"):
        rl.autocast("toaster")


def test_parameters_get_float32_gradients():
    model = rl.nn.Sequential(rl.nn.Linear(2, 8), rl.nn.Tanh(), rl.nn.Linear(8, 1))
    with rl.autocast("cpu"):
        loss = F.mse_loss(model(X), rl.ones(2, 1))
    assert loss.dtype is rl.float32
    loss.backward()
    low = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    F.mse_loss(model(X), rl.ones(2, 1)).backward()
    for parameter, grad in zip(model.parameters(), low, strict=True):
        assert grad.dtype is rl.float32
        rl.testing.assert_close(grad, parameter.grad, rtol=0.05, atol=0.05)


def test_custom_functions():
    class Twice(rl.autograd.Function):
        @staticmethod
        @rl.amp.custom_fwd(device_type="cpu", cast_inputs=rl.float32)
        def forward(ctx, x):
            assert x.dtype is rl.float32 and not rl.is_autocast_enabled("cpu")
            return x * 2

        @staticmethod
        @rl.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            seen.append((grad.dtype, rl.is_autocast_enabled("cpu"), (X @ X).dtype))
            return grad * 2

    seen = []
    x = LOW.clone().requires_grad_()
    with rl.autocast("cpu"):
        y = Twice.apply(x)
        assert rl.is_autocast_enabled("cpu")
    assert y.dtype is rl.float32
    with rl.autocast("cpu"):
        y.backward(rl.full_like(y, 3.0))
        assert rl.is_autocast_enabled("cpu")
    assert seen == [(rl.float32, False, rl.float32)]             # as `cast_inputs` had it in forward
    assert x.grad.dtype is rl.bfloat16 and (x.grad == 6).all()


def test_custom_functions_go_back_in_the_mode_of_forward():
    class Product(rl.autograd.Function):
        @staticmethod
        @rl.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x @ x

        @staticmethod
        @rl.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            x, = ctx.saved_tensors
            seen.append((rl.is_autocast_enabled("cpu"), (x @ x).dtype))
            return grad.float()

    for enabled, dtype in ((True, rl.bfloat16), (False, rl.float32)):
        seen = []
        x = X.clone().requires_grad_()
        with rl.autocast("cpu", enabled=enabled):
            y = Product.apply(x)
        assert y.dtype is dtype
        with rl.autocast("cpu", enabled=not enabled):
            y.sum().backward()
            assert rl.is_autocast_enabled("cpu") is not enabled
        assert seen == [(enabled, dtype)] and x.grad.dtype is rl.float32


def test_scaler_leaves_out_steps_that_overflow():
    w = rl.ones(2, requires_grad=True)
    optimizer = rl.optim.SGD([w], lr=1.0)
    scaler = rl.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    for factor, want, scale in [(0.25, 0.75, 8.0), (0.25, 0.5, 16.0), (float("inf"), 0.5, 8.0)]:
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert w.tolist() == [want, want] and scaler.get_scale() == scale
    again = rl.amp.GradScaler("cpu")
    again.load_state_dict(scaler.state_dict())
    assert again.state_dict() == scaler.state_dict()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="unscale_"):
        scaler.unscale_(optimizer)
    with pytest.warns(UserWarning, match="not available"):
        off = rl.GradScaler()
    assert not off.is_enabled() and off.scale(w) is w


TALL = rl.tensor([[2.0, 0.3], [0.1, 1.7], [0.7, -0.9]])
EXACT = {"pinv": lambda: rl.linalg.pinv(TALL), "inv": lambda: rl.linalg.inv(TALL[:2]),
         "svdvals": lambda: rl.linalg.svdvals(TALL),
         "householder_product": lambda: rl.linalg.householder_product(TALL, TALL[0]),
         "rfft": lambda: rl.fft.rfft(TALL), "solve": lambda: rl.linalg.solve(TALL[:2], TALL[:2])}


@pytest.mark.parametrize("name", EXACT)
def test_linear_algebra_and_transforms_lose_nothing(name):
    want = EXACT[name]()
    with rl.autocast("cpu"):
        assert rl.equal(EXACT[name](), want)


def test_attention_takes_mixed_dtypes():
    with rl.autocast("cpu"):
        assert F.scaled_dot_product_attention(X[None], LOW[None], X[None]).dtype is rl.bfloat16
