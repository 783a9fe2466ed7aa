"""Calibrated and trained models of integers: what convert makes, how near it is, capture and files, a real data set."""
import json
import operator
import subprocess

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight import quantization as Q
from rushlight.cli import directory


@pytest.fixture(autouse=True)
def seed():
    rl.manual_seed(0)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = Q.QuantStub(), Q.DeQuantStub()
        self.conv1, self.bn1, self.relu1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        self.conv2, self.bn2 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.add, self.pool, self.fc = nn.quantized.FloatFunctional(), nn.MaxPool2d(2), nn.Linear(16, 10)

    def forward(self, x):
        x = self.pool(self.relu1(self.bn1(self.conv1(self.quant(x)))))
        x = self.add.add_relu(self.bn2(self.conv2(x)), x)
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1))
        return self.dequant(self.fc(rl.flatten(x, 1)))


GROUPS = [["conv1", "bn1", "relu1"], ["conv2", "bn2"]]


def calibrated(model, qconfig=None, batches=4):
    fused = Q.fuse_modules(model.eval(), GROUPS)
    fused.qconfig = qconfig or Q.get_default_qconfig("x86")
    prepared = Q.prepare(fused)
    with rl.no_grad():
        for _ in range(batches):
            prepared(rl.randn(8, 3, 12, 12))
    return Q.convert(prepared)


def warmed():
    """A model whose batch norms have seen something."""
    model = Residual().train()
    for _ in range(3):
        model(rl.randn(16, 3, 12, 12))
    return model.eval()


def noise(got, want):
    return float(10 * ((want**2).mean() / ((got - want) ** 2).mean()).log10())


@pytest.mark.parametrize("qconfig", [None, Q.default_qconfig, Q.default_per_channel_qconfig,
                                     Q.QConfig(Q.MinMaxObserver.with_args(dtype=rl.qint8, qscheme=rl.per_tensor_affine),
                                               Q.default_per_channel_weight_observer)],
                         ids=["histogram", "range", "channels", "signed"])
def test_convolutions_with_an_addition(qconfig):
    model, x = warmed(), rl.randn(8, 3, 12, 12)
    with rl.no_grad():
        quantized = calibrated(model, qconfig)
        assert noise(quantized(x), model(x)) > 18
    kinds = [type(m).__name__ for m in (quantized.quant, quantized.conv1, quantized.conv2, quantized.add, quantized.fc)]
    assert kinds == ["Quantize", "ConvReLU2d", "Conv2d", "QFunctional", "Linear"]
    assert quantized.conv2.weight.dtype == rl.int8 and isinstance(quantized.bn2, nn.Identity)


def test_an_addition_takes_the_convolution_in():
    quantized = calibrated(warmed())
    graph = str(rl.jit.trace(quantized, rl.randn(1, 3, 12, 12)).graph)
    assert graph.count("quantized_convolution(") == 2 and graph.count("dequantize(") == 2 and "add(" not in graph


def test_an_addition_means_the_sum():
    """Of two tensors that are no convolutions, and of a convolution whose own result was wanted first."""
    add = nn.quantized.QFunctional()
    add.scale, add.zero_point = 0.1, 20
    x, y = rl.rand(5, 7) * 8, rl.rand(5, 7) * 8 - 1
    a, b = (nn.quantized.quantize_per_tensor(t, 0.05, 20, rl.quint8) for t in (x, y))
    for function, want in ((add.add, x + y), (add.add_relu, (x + y).relu()), (add.mul, x * y)):
        assert ((function(a, b).dequantize() - want.clamp(-2, 23.5)).abs() < 0.6).all()
    assert rl.allclose(add.add_scalar(a, 1.5).dequantize(), a.dequantize() + 1.5, atol=0.06)
    assert rl.allclose(add.mul_scalar(a, 2.0).dequantize(), a.dequantize() * 2)
    assert add.cat([a, b], 1).shape == (5, 14)
    conv = nn.quantized.Conv2d(2, 2, 1)
    conv.weight.fill_(1)
    conv.scale = 0.1
    q = nn.quantized.quantize_per_tensor(rl.rand(1, 2, 3, 3), 0.01, 0, rl.quint8)
    late, early = conv(q), conv(q)
    early.int_repr()
    assert (add.add(late, q).dequantize() - add.add(early, q).dequantize()).abs().max() <= 0.1 + 1e-6


def test_state(tmp_path):
    first, x = calibrated(warmed()), rl.randn(2, 3, 12, 12)
    assert {"conv1.weight", "conv1.weight_scale", "conv1.scale", "conv1.zero_point", "add.scale",
            "quant.scale"} <= set(first.state_dict())
    rl.save(first.state_dict(), tmp_path / "q.pth")
    second = calibrated(Residual(), batches=1)
    assert second(x).tolist() != first(x).tolist()
    second.load_state_dict(rl.load(tmp_path / "q.pth"))
    assert second(x).tolist() == first(x).tolist()


def test_capture_and_files(tmp_path):
    quantized, x = calibrated(warmed()), rl.randn(2, 3, 12, 12)
    with rl.no_grad():
        want = quantized(x)
        traced = rl.jit.trace(quantized, x)
        assert traced(x).tolist() == want.tolist()
        traced.save(tmp_path / "q.rush")
        loaded = rl.jit.load(tmp_path / "q.rush")
        for _ in range(3):
            assert loaded(x).tolist() == want.tolist()
        assert rl.compile(quantized)(x).tolist() == want.tolist()


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_without_python(batch, tmp_path):
    quantized, x = calibrated(warmed()), rl.randn(batch, 3, 12, 12)
    with rl.no_grad():
        traced = rl.jit.trace(quantized, rl.randn(2, 3, 12, 12))
        traced.save(tmp_path / "q.rush")
        want = quantized(x)
        assert traced(x).tolist() == want.tolist() == rl.jit.load(tmp_path / "q.rush")(x).tolist()
    np.save(tmp_path / "x.npy", x.numpy())
    done = subprocess.run([directory("bin") / "rushlight-run", tmp_path / "q.rush", "--input", tmp_path / "x.npy"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout)["output"], want.numpy(), rtol=1e-6)


def test_scripts_say_to_trace():
    with pytest.raises(rl.jit.frontend.FrontendError, match=r"expected jit\.trace of the module from its QuantStub"):
        rl.jit.script(calibrated(warmed()))


def test_results_are_those_of_rounded_floats():
    """A convolution's integers, beside float64 arithmetic on the numbers that weights and input stand for."""
    conv = nn.Conv2d(8, 6, 3, padding=1)
    model = Q.QuantWrapper(conv).eval()
    model.qconfig = Q.QConfig(Q.MinMaxObserver.with_args(dtype=rl.quint8), Q.default_per_channel_weight_observer)
    prepared = Q.prepare(model)
    prepared(rl.randn(4, 8, 9, 9))
    quantized = Q.convert(prepared)
    x = quantized.quant(rl.randn(2, 8, 9, 9))
    layer = quantized.module
    w = layer.weight.to(rl.float64) * layer.weight_scale.to(rl.float64).reshape(-1, 1, 1, 1)
    numbers = nn.functional.conv2d(x.dequantize().to(rl.float64), w, layer.bias.to(rl.float64), padding=1)
    want = (numbers / layer.scale).round() + layer.zero_point
    assert ((layer(x).int_repr().to(rl.float64) - want.clamp(0, 255)).abs() <= 1).all()


def test_quantized_tensors_move_and_refuse():
    q = nn.quantized.quantize_per_tensor(rl.randn(2, 3, 4, 4), 0.05, 100, rl.quint8)
    x = q.dequantize()
    assert rl.flatten(q, 1).shape == q.reshape(2, -1).shape == (2, 48) and q.size(1) == 3 and q.dim() == 4
    for function in (lambda t: t.permute(0, 2, 3, 1), lambda t: t[0], lambda t: nn.functional.max_pool2d(t, 2),
                     rl.relu, nn.ReLU(), lambda t: t.transpose(1, 2), lambda t: t.chunk(2, 0)[1],
                     lambda t: rl.cat([t, t], 1), nn.Dropout().eval(), nn.Flatten(), nn.Identity()):
        assert function(q).dequantize().tolist() == function(x).tolist()
    for function in (lambda t: t.mean([2, 3]), lambda t: nn.functional.avg_pool2d(t, 2),
                     lambda t: nn.functional.adaptive_avg_pool2d(t, 1), nn.functional.relu6, nn.Hardtanh(-1.0, 0.5),
                     lambda t: t.clamp(max=0.3), lambda t: rl.clamp(t, -0.2, 0.1), nn.LeakyReLU(0.5)):
        assert (function(q).dequantize() - function(x)).abs().max() <= 0.0251
    with pytest.raises(TypeError, match="exp: input is quantized; expected a Tensor"):
        rl.exp(q)
    with pytest.raises(TypeError, match="arithmetic needs the scale of its result"):
        q + q
    with pytest.raises(TypeError, match="Linear: input is a Tensor; expected a QuantizedTensor"):
        nn.quantized.Linear(4, 3)(rl.ones(1, 4))


def test_fusing():
    model = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(5, 3), nn.ReLU()).eval()
    fused = Q.fuse_modules(model, [["0", "1", "2"], ["3", "4"]])
    x = rl.randn(2, 2, 7)
    assert rl.allclose(fused(x), model(x), atol=1e-6)
    assert [type(m).__name__ for m in fused] == ["ConvReLU1d", "Identity", "Identity", "LinearReLU", "Identity"]
    with pytest.raises(AssertionError, match="a batch norm in training mode"):
        Q.fuse_modules(model.train(), ["0", "1"])
    with pytest.raises(NotImplementedError, match="ReLU, Linear; expected a convolution"):
        Q.fuse_modules(model.eval(), ["2", "3"])


def test_only_what_has_a_config():
    model = Q.QuantWrapper(nn.Sequential(nn.Linear(4, 4), Q.DeQuantStub(), nn.Linear(4, 4))).eval()
    model.qconfig = Q.default_qconfig
    model.module[2].qconfig = None
    prepared = Q.prepare(model)
    prepared(rl.randn(9, 4))
    quantized = Q.convert(prepared)
    assert type(quantized.module[2]) is nn.Linear and quantized(rl.randn(2, 4)).shape == (2, 4)


def test_convert_before_calibration_says_so():
    model = Q.QuantWrapper(nn.Linear(4, 3)).eval()
    model.qconfig = Q.default_qconfig
    with pytest.raises(RuntimeError, match=r"has seen no values.*\(in quant: QuantStub\)"):
        Q.convert(Q.prepare(model))


class WithNumbers(nn.Module):
    """One place for arithmetic that is used for a number only, and one that is not used."""

    def __init__(self):
        super().__init__()
        self.scaled, self.unused = nn.quantized.FloatFunctional(), nn.quantized.FloatFunctional()

    def forward(self, x):
        return self.scaled.mul_scalar(x, 2.0)


def test_arithmetic_that_saw_no_values_needs_no_scale():
    model = Q.QuantWrapper(WithNumbers()).eval()
    model.qconfig = Q.get_default_qconfig("x86")
    prepared = Q.prepare(model)
    x = rl.rand(100, 4)
    prepared(x)
    quantized = Q.convert(prepared)
    assert float((quantized(x) - 2 * x).abs().max()) < 2 / 255
    q = quantized.quant(x)
    for operation in (quantized.module.unused.add, quantized.module.unused.mul):
        with pytest.raises(RuntimeError, match="saw no values before convert"):
            operation(q, q)


def test_quantization_aware_training():
    """The trained model of integers gives what its rounded floats gave."""
    model = Residual().train()
    Q.fuse_modules_qat(model, GROUPS, inplace=True)
    model.qconfig = Q.get_default_qat_qconfig()
    trained = Q.prepare_qat(model)
    optimizer = rl.optim.SGD(trained.parameters(), lr=0.05)
    x, target = rl.randn(64, 3, 12, 12), rl.randint(0, 10, (64,))
    losses = []
    for _ in range(25):
        loss = nn.functional.cross_entropy(trained(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0] - 0.05
    assert trained.conv1.weight.grad is not None and type(trained.conv1) is nn.intrinsic.qat.ConvBnReLU2d
    trained.eval().apply(Q.disable_observer)
    with rl.no_grad():
        want = trained(x)
        quantized = Q.convert(trained)
        got = quantized(x)
    assert type(quantized.conv1).__name__ == "ConvReLU2d"
    assert noise(got, want) > 20
    with pytest.raises(AssertionError, match=r"expected model\.train\(\)"):
        Q.prepare_qat(Residual().eval())


LAYERS = [("qat", "Linear", (3, 4), (5, 3)), ("intrinsic.qat", "LinearReLU", (3, 4), (5, 3))]
LAYERS += [("qat", f"Conv{n}d", (2, 4, 3), (3, 2, *[5] * n)) for n in (1, 2, 3)]
LAYERS += [("intrinsic.qat", f"Conv{kind}{n}d", (2, 4, 3, 1, 1), (3, 2, *[5] * n))
           for n in (1, 2, 3) for kind in ("ReLU", "Bn", "BnReLU")]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("place, name, sizes, shape", LAYERS, ids=lambda value: value if isinstance(value, str) else "")
def test_trained_layers_beside_pytorch(place, name, sizes, shape, bias):
    """The same names, first values, state, results and gradients; and what they are folded to."""
    torch = pytest.importorskip("torch")
    found = {}
    for library in (rl, torch):
        library.manual_seed(4)
        config = library.ao.quantization.default_qat_qconfig
        kind = getattr(operator.attrgetter(f"ao.nn.{place}")(library), name)
        layer = kind(*sizes, bias=bias, qconfig=config)
        x = library.tensor(np.random.default_rng(1).normal(size=shape).astype("float32"))
        y = [layer(x) for _ in range(3)][-1]
        (y * library.arange(y.numel()).reshape(y.shape)).sum().backward()
        layer.eval()
        plain = layer.to_float()
        gradients = library.cat([p.grad.flatten() for p in layer.parameters()])
        numbers = [t.detach().numpy() for t in (*layer.parameters(), y, layer(x), plain(x), gradients)]
        keys = [key for key in layer.state_dict() if "fake_quant" not in key]
        found[library] = (keys, [type(m).__name__ for m in plain.modules()]), numbers
    (names, ours), (expected, theirs) = found[rl], found[torch]
    assert names == expected and "weight" in names[0]
    for got, want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-4 * np.abs(want).max())


def test_frozen_norms_stay_frozen():
    model = nn.Sequential(nn.intrinsic.qat.ConvBn2d(2, 3, 1, qconfig=Q.default_qat_qconfig))
    model.apply(nn.intrinsic.qat.freeze_bn_stats).train()
    before = model[0].bn.running_mean.clone()
    model(rl.randn(4, 2, 3, 3))
    assert not model[0].bn.training and model.training and model[0].bn.running_mean.equal(before)
    model.apply(nn.intrinsic.qat.update_bn_stats)(rl.randn(4, 2, 3, 3))
    assert not model[0].bn.running_mean.equal(before)
    with pytest.raises(AssertionError, match="ConvBn2d: qconfig=None; expected a QConfig"):
        nn.intrinsic.qat.ConvBn2d(2, 3, 1)
    with pytest.raises(AssertionError, match=r"Linear\.from_float: mod is a Conv1d; expected Linear"):
        nn.qat.Linear.from_float(nn.Conv1d(1, 1, 1))


def test_digits_within_a_percent():
    """scikit-learn's digits: the calibrated and the dynamic model beside the float one."""
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    x = rl.tensor((digits.images / 16).astype("float32")).unsqueeze(1)
    y = rl.tensor(digits.target)
    order = rl.randperm(len(x))
    x, y = x[order], y[order]
    model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 64), nn.ReLU(),
                          nn.Linear(64, 10))
    optimizer = rl.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(6):
        for i in range(0, 1400, 50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[i:i + 50]), y[i:i + 50]).backward()
            optimizer.step()
    model.eval()
    wrapped = Q.QuantWrapper(Q.fuse_modules(model, [["0", "1", "2"], ["4", "5"], ["7", "8"]])).eval()
    wrapped.qconfig = Q.get_default_qconfig()
    quantized = Q.quantize(wrapped, lambda m: m(x[:300]), ())
    for each in (quantized, Q.quantize_dynamic(model)):
        report = Q.report(model, each, x[1400:], y[1400:])
        assert report.accuracy[0] > 0.95 and report.accuracy[1] > report.accuracy[0] - 0.01, str(report)
    assert Q.report(model, quantized).ratio > 3.5


def test_the_engine_is_a_name():
    assert rl.backends.quantized.engine in rl.backends.quantized.supported_engines
    rl.backends.quantized.engine = "qnnpack"
    assert rl.backends.quantized.engine == "qnnpack"
    rl.backends.quantized.engine = "x86"
    with pytest.raises(RuntimeError, match="engine='other'; expected one of none, onednn"):
        rl.backends.quantized.engine = "other"


PROGRAM = """
import torch
import torch.nn as nn
from torch.ao.quantization import DeQuantStub, QuantStub

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=False)
        self.skip_add = nn.quantized.FloatFunctional()

    def forward(self, x):
        return self.skip_add.add(x, self.relu(self.bn(self.conv(x))))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6(), Block(), nn.MaxPool2d(2), Block())
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 5))
        self.quant, self.dequant = QuantStub(), DeQuantStub()

    def forward(self, x):
        x = self.features(self.quant(x))
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1)).reshape(x.shape[0], -1)
        x = self.dequant(self.classifier(x))
        return x

torch.manual_seed(3)
torch.backends.quantized.engine = "x86"
net = Net().eval()
images = [torch.randn(4, 3, 16, 16) for _ in range(4)]
floats = net(images[0])
for module in net.modules():
    if type(module) is Block:
        torch.ao.quantization.fuse_modules(module, [["conv", "bn", "relu"]], inplace=True)
net.qconfig = torch.ao.quantization.get_default_qconfig("x86")
torch.ao.quantization.prepare(net, inplace=True)
with torch.no_grad():
    for x in images:
        net(x)
torch.ao.quantization.convert(net, inplace=True)
integers = net(images[0])
"""


@pytest.mark.filterwarnings("ignore")
def test_a_program_of_pytorch():
    """The same program under both names gives nearly the same floats, and integers as near to them."""
    found = {}
    for name in ("rushlight", "torch"):
        pytest.importorskip(name)
        scope = {}
        exec(PROGRAM.replace("torch", name), scope)
        found[name] = [rl.tensor(scope[result].tolist()) for result in ("floats", "integers")]
    floats, integers = found["rushlight"]
    assert rl.allclose(floats, found["torch"][0], atol=1e-5)
    assert noise(integers, floats) > noise(found["torch"][1], floats) - 3
