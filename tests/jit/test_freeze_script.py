"""jit.freeze and optimize_for_inference of scripted modules: equal to the module, smaller, saved and run anywhere."""
import io
import subprocess

import numpy as np
import pytest
from jit.test_freeze import settled

import rushlight as rl
from rushlight import nn
from rushlight.cli import directory


def close(got, expected, tolerance=1e-5):
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), tolerance, tolerance)


class Block(nn.Module):
    def __init__(self, channels, inplace):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=inplace)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        y = self.relu(self.norm(self.conv(x)))
        if self.training:
            y = y * 2
        return self.drop(y) + x


class Net(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.blocks = nn.Sequential(Block(3, inplace), Block(3, inplace))
        self.up = nn.Sequential(nn.ConvTranspose2d(3, 4, 2, stride=2), nn.BatchNorm2d(4))
        self.fc = nn.Linear(4, 2)
        self.scale = 3.0
        self.names = ["a", "b"]

    def forward(self, x, n: int = 1):
        x = self.up(self.blocks(x)).mean([2, 3])
        for _ in range(n):
            x = x + 1
        return self.fc(x) * self.scale

    @rl.jit.export
    def twice(self, x):
        return self.forward(x) * 2

    @rl.jit.export
    def other(self, x):
        return x + self.scale


def net(**kwargs):
    return settled(Net(**kwargs))


def names(program):
    return [node[0] for node in program.graph.nodes]


@pytest.mark.parametrize("inplace", [False, True])
def test_attributes_are_constants(inplace):
    module = net(inplace=inplace)
    frozen = rl.jit.freeze(rl.jit.script(module))
    x = rl.randn(2, 3, 6, 6)
    for _ in range(5):
        close(frozen(x), module(x))
        close(frozen(x, 3), module(x, 3))
    found = names(frozen)
    assert not {"batch_norm", "dropout", "to_bool", "to_float"} & set(found)
    assert not any(name.startswith("call") for name in found)
    assert found.count("conv2d") == 2 and found.count("conv_transpose2d") == 1
    assert not list(frozen.parameters()) and not list(frozen.buffers())
    assert "training" not in frozen.code and "* 2" not in frozen.code
    assert "folded" in frozen.code


def test_frozen_modules_have_copies():
    module = net()
    scripted = rl.jit.script(module)
    frozen = rl.jit.freeze(scripted)
    x = rl.randn(1, 3, 4, 4)
    expected = module(x)
    with rl.no_grad():
        for p in module.parameters():
            p.fill_(0)
    scripted.scale = 7.0
    close(frozen(x), expected)
    assert not hasattr(frozen, "scale")


def test_without_numerics_bit_for_bit():
    module = net()
    frozen = rl.jit.freeze(rl.jit.script(module), optimize_numerics=False)
    x = rl.randn(2, 3, 5, 5)
    for _ in range(5):
        np.testing.assert_array_equal(frozen(x).detach().numpy(), module(x).detach().numpy())
    assert "batch_norm" in names(frozen)


def test_preserved_methods_and_attributes():
    module = net()
    frozen = rl.jit.freeze(rl.jit.script(module), preserved_attrs=["twice", "scale", "fc.weight"])
    x = rl.randn(1, 3, 4, 4)
    close(frozen.twice(x), module.twice(x))
    assert not hasattr(frozen, "other")
    assert frozen.scale == 3.0 and [name for name, _ in frozen.named_parameters()] == ["fc.weight"]
    frozen.scale = module.scale = 5.0
    with rl.no_grad():
        frozen.fc.weight.mul_(2)
        module.fc.weight.copy_(frozen.fc.weight)
    close(frozen(x), module(x))
    close(frozen.twice(x), module.twice(x))


def test_errors():
    with pytest.raises(RuntimeError, match="training mode"):
        rl.jit.freeze(rl.jit.script(Net()))
    with pytest.raises(AttributeError, match="missing"):
        rl.jit.freeze(rl.jit.script(net()), preserved_attrs=["missing"])
    with pytest.raises(RuntimeError, match=r"jit\.trace or"):
        rl.jit.freeze(net())
    with pytest.raises(RuntimeError, match="ScriptedFunction"):
        rl.jit.freeze(rl.jit.script(lone))


def lone(x):
    y = rl.nn.functional.linear(x, x) + 1
    return y.relu() * 2


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)
        self.head = nn.Linear(4, 2)
        self.limit = 2

    def forward(self, x):
        h, c = rl.zeros(x.shape[1], 4), rl.zeros(x.shape[1], 4)
        out: list[rl.Tensor] = []
        for step in x:
            h, c = self.cell(step, (h, c))
            if bool(h.sum() > 0) and len(out) < self.limit:
                out.append(rl.relu(self.head(h)))
        return rl.stack(out) if len(out) > 0 else h


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.weight = nn.Parameter(rl.ones(2))

    def forward(self, x):
        self.calls += 1
        return x * self.weight + self.calls


def test_loops_branches_and_state():
    rl.manual_seed(1)
    module = Recurrent().eval()
    frozen = rl.jit.freeze(rl.jit.script(module))
    fast = rl.jit.optimize_for_inference(frozen)
    with rl.no_grad():
        for n in (5, 1, 9, 5, 5, 5):
            x = rl.randn(n, 2, 3)
            close(frozen(x), module(x))
            close(fast(x), module(x))
    counting = rl.jit.freeze(rl.jit.script(Stateful().eval()))
    assert [float(counting(rl.zeros(2))[0]) for _ in range(4)] == [1, 2, 3, 4]


LAYERS = [
    (lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.ReLU(True)), (2, 2, 8)),
    (lambda: nn.Sequential(nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3)), (1, 2, 4, 4, 4)),
    (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.BatchNorm2d(4, affine=False)), (1, 4, 5, 5)),
    (lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)), (1, 4, 5, 5)),
    (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), (5, 3)),
    (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.Hardtanh(inplace=True)), (2, 3, 4, 4)),
    (lambda: nn.LSTM(3, 4, 2, batch_first=True), (2, 5, 3)),
    (lambda: nn.TransformerEncoderLayer(4, 2, 8), (3, 2, 4)),
]


@pytest.mark.parametrize("make, shape", LAYERS)
def test_layers(make, shape):
    module = settled(make())
    scripted = rl.jit.script(module)
    frozen = rl.jit.freeze(scripted)
    fast = rl.jit.optimize_for_inference(scripted)
    with rl.no_grad():
        for _ in range(5):
            x = rl.randn(*shape)
            expected = module(x)
            expected = expected if isinstance(expected, rl.Tensor) else expected[0]
            for program in (frozen, fast):
                got = program(x)
                close(got if isinstance(got, rl.Tensor) else got[0], expected)


def test_optimized_programs_join_operators():
    module = net()
    fast = rl.jit.optimize_for_inference(rl.jit.script(module), other_methods=["twice"])
    x = rl.randn(2, 3, 6, 6)
    with rl.no_grad():
        for _ in range(6):
            close(fast(x), module(x))
            close(fast.twice(x), module.twice(x))
    x.requires_grad_()                               # where a gradient is wanted nothing is joined
    fast(x).sum().backward()
    expected = x.grad.clone()
    x.grad = None
    module(x).sum().backward()
    close(expected, x.grad, 1e-4)
    function = rl.jit.optimize_for_inference(rl.jit.script(lone))
    y = rl.randn(3, 3)
    for _ in range(5):
        close(function(y), lone(y))


def test_saved_and_loaded(tmp_path):
    module = net()
    frozen = rl.jit.freeze(rl.jit.script(module), preserved_attrs=["twice"])
    x = rl.randn(2, 3, 6, 6)
    for program in (frozen, rl.jit.optimize_for_inference(frozen)):
        file = io.BytesIO()
        rl.jit.save(program, file)
        loaded = rl.jit.load(io.BytesIO(file.getvalue()))
        assert loaded.graph.text() == program.graph.text()
        for _ in range(4):
            close(loaded(x), module(x))
            close(loaded.twice(x), module.twice(x))
    again = rl.jit.freeze(loaded)
    close(again(x), module(x))


def test_run_without_python(tmp_path):
    module = settled(Block(3, True))
    x = rl.randn(1, 3, 4, 4)
    rl.jit.save(rl.jit.optimize_for_inference(rl.jit.script(module)), tmp_path / "m.rush")
    np.save(tmp_path / "x.npy", x.numpy())
    subprocess.run([directory("bin") / "rushlight-run", tmp_path / "m.rush", "--input", tmp_path / "x.npy", "--output",
                    tmp_path / "y.npy"], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), module(x).detach().numpy(), 1e-5, 1e-5)


def test_as_pytorch_freezes():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU(),
                                 torch.nn.Dropout(0.5)).eval()
    ours = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5)).eval()
    with torch.no_grad():
        theirs[1].running_mean.normal_()
        theirs[1].running_var.uniform_(0.5, 2)
    ours.load_state_dict({name: rl.tensor(t.numpy()) for name, t in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((2, 2, 6, 6)).astype(np.float32)
    a = torch.jit.freeze(torch.jit.script(theirs))
    b = rl.jit.freeze(rl.jit.script(ours))
    np.testing.assert_allclose(b(rl.tensor(x)).numpy(), a(torch.tensor(x)).numpy(), 1e-4, 1e-5)
    assert list(dict(a.named_parameters())) == list(dict(b.named_parameters())) == []
    for who in (torch, rl):
        made = who.nn.Sequential(who.nn.Linear(2, 2))
        with pytest.raises(RuntimeError, match=r"training mode|eval\(\)"):
            who.jit.freeze(who.jit.script(made))
