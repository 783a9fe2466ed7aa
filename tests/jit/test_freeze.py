"""jit.freeze and jit.optimize_for_inference: equal to the module, and deaf to what happens to it afterwards."""
import io
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from jit.programs import convolutional

import rushlight as rl
from rushlight import nn

close = np.testing.assert_allclose
FUSED = ("convolution_fused", "linear_fused")


def settled(module, seed=3):
    """The module in evaluation mode, with running statistics and factors that are not the first ones."""
    rl.manual_seed(seed)
    with rl.no_grad():
        for part in module.modules():
            if hasattr(part, "running_var"):
                part.running_mean.normal_()
                part.running_var.uniform_(0.3, 2)
                if part.weight is not None:
                    part.weight.normal_()
                    part.bias.normal_()
    return module.eval()


def operators(program):
    return [node[0] for node in program.graph.nodes]


class Residual(nn.Module):
    def __init__(self, channels, stride=1, twice=False):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels))
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))
        self.beside = nn.Conv2d(channels, channels, 1, stride) if stride > 1 else nn.Identity()
        self.twice = twice

    def forward(self, x):
        y = self.second(nn.functional.relu(self.first(x), inplace=True))
        y += self.beside(x)
        z = nn.functional.relu(y)
        return z + self.beside(x) if self.twice else z


LAYERS = {
    "convolution": lambda: (nn.Sequential(nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8)), (2, 3, 9, 9)),
    "with bias": lambda: (nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6)), (2, 4, 9)),
    "groups": lambda: (nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8)), (2, 4, 7, 7)),
    "without factors": lambda: (nn.Sequential(nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3, affine=False)), (1, 2, 4, 4, 4)),
    "transposed": lambda: (nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2), nn.BatchNorm2d(6)), (2, 4, 5, 5)),
    "transposed groups": lambda: (nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2, groups=2), nn.BatchNorm2d(6)),
                                  (2, 4, 5, 5)),
    "linear": lambda: (nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7)), (3, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_norm_folds(name, dtype):
    module, shape = LAYERS[name]()
    module = settled(module.to(getattr(rl, dtype)))
    x = rl.randn(*shape, dtype=getattr(rl, dtype))
    traced = rl.jit.trace(module, x)
    frozen = rl.jit.freeze(traced)
    assert len(operators(frozen)) == 1 and list(frozen.parameters()) == []
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    close(frozen(x).numpy(), module(x).detach().numpy(), rtol=tolerance, atol=tolerance)
    exact = rl.jit.freeze(traced, optimize_numerics=False)
    np.testing.assert_array_equal(exact(x).numpy(), module(x).detach().numpy())


def test_batch_norm_that_does_not_fold():
    class ReadTwice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.norm = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x):
            y = self.layer(x)
            return self.norm(y) + y

    x = rl.randn(1, 2, 4, 4)
    module = settled(ReadTwice())
    assert "batch_norm_forward" in operators(rl.jit.freeze(rl.jit.trace(module, x)))
    over_words = settled(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(6)))      # its channels are no features
    assert "batch_norm_forward" in operators(rl.jit.freeze(rl.jit.trace(over_words, rl.randn(2, 6, 4))))


@pytest.mark.parametrize("norms", [2, 3, 5])
def test_batch_norms_in_a_row_fold_all(norms):
    module = settled(nn.Sequential(nn.Conv2d(3, 4, 3), *(nn.BatchNorm2d(4) for _ in range(norms)), nn.ReLU()))
    x = rl.randn(2, 3, 8, 8)
    with rl.no_grad():
        traced = rl.jit.trace(module, x)
        frozen = rl.jit.freeze(traced)
        file = io.BytesIO()
        rl.jit.save(traced, file)
        file.seek(0)
        again = rl.jit.freeze(rl.jit.freeze(rl.jit.load(file).eval()))
        assert operators(frozen) == operators(again) == ["convolution", "relu"]
        assert len(frozen.graph.constants) == 2
        np.testing.assert_array_equal(frozen(x).numpy(), again(x).numpy())
        np.testing.assert_allclose(frozen(x).numpy(), module(x).numpy(), rtol=1e-4, atol=1e-5)


def test_constants_fold():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.scale = nn.Parameter(rl.randn(3, 4)), nn.Parameter(rl.randn(3, 1))

        def forward(self, x):
            weight = self.weight * self.scale.exp() + rl.arange(4)
            return x @ weight.t(), weight                                        # an output is never a constant

    module, x = Scaled().eval(), rl.randn(2, 4)
    frozen = rl.jit.freeze(rl.jit.trace(module, x))
    kept, weight = frozen(x)
    expected = module(x)
    np.testing.assert_array_equal(kept.numpy(), expected[0].detach().numpy())
    weight.fill_(0)
    np.testing.assert_array_equal(frozen(x)[1].numpy(), expected[1].detach().numpy())
    without = rl.jit.freeze(rl.jit.trace(nn.Sequential(_Part(module)).eval(), x))
    assert operators(without) == ["matmul"]
    np.testing.assert_array_equal(without(x).numpy(), expected[0].detach().numpy())


class _Part(nn.Module):
    def __init__(self, whole):
        super().__init__()
        self.whole = whole

    def forward(self, x):
        return self.whole(x)[0]


def test_a_frozen_program_does_not_see_changes():
    module, x = settled(convolutional()), rl.randn(2, 3, 8, 8)
    traced = rl.jit.trace(module, x)
    frozen = rl.jit.freeze(traced)
    expected = frozen(x).numpy().copy()
    kept = {name: t.clone() for name, t in module.state_dict().items()}
    y = rl.randn(1, 3, 8, 8)
    close(frozen(y).numpy(), module(y).detach().numpy(), rtol=1e-5, atol=1e-5)   # another shape: captured and frozen
    with rl.no_grad():
        module[0].weight.mul_(2)
        module[1].running_var.add_(1)
    np.testing.assert_array_equal(frozen(x).numpy(), expected)
    assert abs(traced(x).detach().numpy() - expected).max() > 1e-3
    three = rl.randn(3, 3, 8, 8)
    before = settled(convolutional())
    with rl.no_grad():
        for new, old in zip(before.state_dict().values(), kept.values(), strict=True):
            new.copy_(old)
    close(frozen(three).numpy(), before(three).detach().numpy(), rtol=1e-5, atol=1e-5)
    with pytest.raises(RuntimeError, match="have changed since it was frozen"):
        frozen(rl.randn(3, 3, 8, 9))


def test_it_still_differentiates():
    module, x = settled(convolutional()), rl.randn(2, 3, 8, 8)
    frozen = rl.jit.freeze(rl.jit.trace(module, x))
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    frozen(a).square().sum().backward()
    module(b).square().sum().backward()
    close(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-4)


def test_refusals():
    module = convolutional()
    with pytest.raises(RuntimeError, match="mod is a Sequential; expected"):
        rl.jit.freeze(module)
    with pytest.raises(RuntimeError, match="training mode"):
        rl.jit.freeze(rl.jit.trace(module.train(), rl.randn(2, 3, 8, 8)))
    traced = rl.jit.trace(module.eval(), rl.randn(2, 3, 8, 8))
    with pytest.raises(AttributeError, match="'nothing'"):
        rl.jit.freeze(traced, preserved_attrs=["nothing"])
    assert [name for name, _ in rl.jit.freeze(traced, ["0.weight"]).named_parameters()] == ["0.weight"]
    with pytest.raises(RuntimeError, match="expected a program"):
        rl.jit.optimize_for_inference(module)


@pytest.mark.parametrize("channels, size", [(3, 5), (16, 14), (64, 28)])
@pytest.mark.parametrize("stride, twice", [(1, False), (2, False), (1, True), (2, True)])
def test_residuals(channels, size, stride, twice):
    module = settled(nn.Sequential(Residual(channels, stride, twice), Residual(channels), Residual(channels)))
    x = rl.randn(2, channels, size, size)
    before = x.clone()
    fast = rl.jit.optimize_for_inference(rl.jit.trace(module, x))
    assert operators(fast).count("convolution_fused") >= 5 and "batch_norm_forward" not in operators(fast)
    expected = module(x).detach().numpy()
    for _ in range(3):
        result = fast(x)
        close(result.numpy(), expected, rtol=1e-3, atol=1e-3 * abs(expected).max())
        np.testing.assert_array_equal(x.numpy(), before.numpy())
        result.fill_(9)                              # the caller's own


def test_layers_with_what_follows():
    class Feed(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.wide, self.narrow, self.out = nn.Linear(size, 4 * size), nn.Linear(4 * size, size), nn.Linear(size, 3)

        def forward(self, x):
            y = x + self.narrow(nn.functional.gelu(self.wide(x)))
            return self.out(y), nn.functional.relu(self.out(y * 2))

    for size, shape in ((8, (2, 8)), (64, (3, 40, 64)), (64, (1, 64))):
        module, x = Feed(size).eval(), rl.randn(*shape)
        fast = rl.jit.optimize_for_inference(rl.jit.trace(module, x))
        assert operators(fast).count("linear_fused") == 3
        for got, expected in zip(fast(x), module(x), strict=True):
            close(got.numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_generator():
    module = settled(nn.Sequential(nn.ConvTranspose2d(10, 8, 4), nn.BatchNorm2d(8), nn.ReLU(True),
                                   nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()))
    x = rl.randn(4, 10, 1, 1)
    fast = rl.jit.optimize_for_inference(rl.jit.trace(module, x))
    assert operators(fast) == ["convolution_transpose", "relu", "convolution_transpose", "tanh"]
    close(fast(x).numpy(), module(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(seed):
    """Graphs of convolutions, sums and activations whose values are read once or several times."""
    random = np.random.default_rng(seed)
    channels, nodes = int(random.integers(1, 20)), int(random.integers(4, 14))
    layers = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(nodes))
    plan = [(random.choice(["conv", "add", "relu", "conv relu", "relu_", "mul"]), random.random(2))
            for _ in range(nodes)]

    class Random(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, x):
            known = [x]
            for layer, (kind, (a, b)) in zip(self.layers, plan, strict=True):
                one, other = known[int(a * len(known))], known[-1 - int(b * min(2, len(known)))]
                if kind.startswith("conv"):
                    y = layer(other)
                    known.append(y.relu() if "relu" in kind else y)
                elif kind == "relu_" and len(known) > 2:
                    known[-1] = known[-1].mul(1.0).relu_()
                else:
                    known.append({"add": one + other, "mul": one * 0.5}.get(kind, other.relu()))
            return known[-1], known[len(known) // 2]

    module, x = Random().eval(), rl.randn(2, channels, 9, 9)
    fast = rl.jit.optimize_for_inference(rl.jit.trace(module, x))
    for _ in range(2):
        for got, expected in zip(fast(x), module(x), strict=True):
            expected = expected.detach().numpy()
            close(got.numpy(), expected, rtol=1e-4, atol=1e-5 * max(1, abs(expected).max()))


def test_several_threads():
    module = settled(nn.Sequential(Residual(16), Residual(16, 2), Residual(16)))
    inputs = [rl.randn(2, 16, 12, 12) for _ in range(8)]
    fast = rl.jit.optimize_for_inference(rl.jit.trace(module, inputs[0]))
    expected, wrong = [fast(x).numpy().copy() for x in inputs], []

    def work(which):
        for turn in range(40):
            k = (which + turn) % len(inputs)
            if not np.array_equal(fast(inputs[k]).numpy(), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_saved_and_loaded():
    x = rl.randn(1, 16, 6, 6)
    module = settled(nn.Sequential(Residual(16), nn.Flatten(), nn.Linear(16 * 36, 3), nn.ReLU()))
    fast = rl.jit.optimize_for_inference(rl.jit.trace(module, x))
    file = io.BytesIO()
    rl.jit.save(fast, file)
    again = rl.jit.load(io.BytesIO(file.getvalue()))
    assert operators(again) == operators(fast)
    np.testing.assert_array_equal(again(x).numpy(), fast(x).numpy())


def plainly(call, activation, addend):
    out = call() if addend is None else call() + addend
    return {"none": out, "relu": out.relu(), "gelu": nn.functional.gelu(out)}[activation]


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-5), ("float64", 1e-12), ("bfloat16", 3e-2)])
@pytest.mark.parametrize("with_addend", [False, True])
@pytest.mark.parametrize("activation", ["none", "relu", "gelu"])
def test_fused_operators(dtype, tolerance, with_addend, activation):
    dtype = getattr(rl, dtype)
    ops = SimpleNamespace(**{name: rl._C.operator(name) for name in FUSED})

    def tensors(*shapes):
        return [rl.randn(*shape).to(dtype) for shape in shapes]

    for rows, size in ((3, 4), (64, 96), (1, 300)):
        x, w, b, r = tensors((rows, size), (2 * size, size), (2 * size,), (rows, 2 * size))
        addend = r if with_addend else None
        got = ops.linear_fused(x, w, b, addend, activation)
        expected = plainly(lambda: nn.functional.linear(x, w, b), activation, addend)
        scale = float(expected.float().abs().max())
        close(got.float().numpy(), expected.float().numpy(), rtol=tolerance, atol=tolerance * scale)
    if activation == "gelu":
        return
    for channels, size in ((2, 5), (32, 12)):
        x, w, b, r = tensors((2, channels, size, size), (channels, channels, 3, 3), (channels,),
                             (2, channels, size, size))
        addend = r if with_addend else None
        got = ops.convolution_fused(x, w, b, addend, (1, 1), (1, 1), (1, 1), 1, activation)
        expected = plainly(lambda: nn.functional.conv2d(x, w, b, 1, 1), activation, addend)
        scale = float(expected.float().abs().max())
        close(got.float().numpy(), expected.float().numpy(), rtol=tolerance, atol=tolerance * scale)


def test_fused_operators_refuse():
    x, linear_fused = rl.ones(2, 3), rl._C.operator("linear_fused")
    with pytest.raises(ValueError, match="activation='tanh'; expected"):
        linear_fused(x, rl.ones(4, 3), None, None, "tanh")
    with pytest.raises(RuntimeError, match=r"addend has shape .*2, 3.*; expected .*2, 4"):
        linear_fused(x, rl.ones(4, 3), None, x, "none")


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("make", [rl.jit.freeze, rl.jit.optimize_for_inference])
def test_other_batch_sizes_and_files(make, loaded):
    module = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)))
    traced = rl.jit.trace(module, rl.randn(4, 3, 8, 8))
    if loaded:
        file = io.BytesIO()
        traced.save(file)
        traced = rl.jit.load(io.BytesIO(file.getvalue())).eval()
    frozen = make(traced)
    file = io.BytesIO()
    frozen.save(file)
    again = rl.jit.load(io.BytesIO(file.getvalue()))
    assert "batch_norm" not in str(operators(frozen)) and len(file.getvalue()) < 1e5
    with rl.no_grad():
        for n in (4, 1, 2, 7, 30):
            x = rl.randn(n, 3, 8, 8)
            for program in (frozen, again):
                close(program(x).numpy(), module(x).numpy(), rtol=1e-4, atol=1e-5)


def test_other_sizes_after_the_module_has_changed():
    module = settled(nn.Sequential(nn.Linear(3, 3), nn.ReLU()))
    frozen = rl.jit.freeze(rl.jit.trace(module, rl.randn(4, 3)))
    with rl.no_grad():
        module[0].weight.zero_()
    with pytest.raises(RuntimeError, match="have changed since it was frozen"):
        frozen(rl.randn(5, 3))


def test_gradients_of_optimized_programs_are_refused():
    module = settled(nn.Sequential(nn.Linear(3, 3), nn.ReLU()))
    fast = rl.jit.optimize_for_inference(rl.jit.trace(module, rl.randn(4, 3)))
    x = rl.randn(4, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"input wants a gradient, and programs of jit\.optimize_for_inference"):
        fast(x)
    with rl.no_grad():
        close(fast(x).numpy(), module(x).numpy(), rtol=1e-5, atol=1e-6)
