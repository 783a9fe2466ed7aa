"""Batch normalisation folded into other layers, layers without first values, and other small tools."""
import numpy as np
import pytest

import rushlight as rl
from rushlight.nn import utils


def normalisation(package, kind, features):
    bn, rng = getattr(package.nn, kind)(features), np.random.default_rng(0)
    for values in (bn.weight.data, bn.bias.data, bn.running_mean, bn.running_var):
        values.copy_(package.from_numpy(np.abs(rng.normal(size=features)).astype("float32") + 0.5))
    return bn.eval()


@pytest.mark.parametrize("make, kind, shape, transpose", [
    (lambda p: p.nn.Conv1d(3, 4, 2), "BatchNorm1d", (2, 3, 5), False),
    (lambda p: p.nn.Conv2d(3, 4, 2, bias=False), "BatchNorm2d", (2, 3, 5, 5), False),
    (lambda p: p.nn.ConvTranspose2d(3, 4, 2), "BatchNorm2d", (2, 3, 5, 5), True),
    (lambda p: p.nn.Conv3d(3, 4, 2), "BatchNorm3d", (2, 3, 3, 3, 3), False)])
def test_convolutions(make, kind, shape, transpose):
    rl.manual_seed(0)
    conv, bn, x = make(rl).eval(), normalisation(rl, kind, 4), rl.randn(*shape)
    fused = utils.fuse_conv_bn_eval(conv, bn, transpose)
    np.testing.assert_allclose(fused(x).detach().numpy(), bn(conv(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    assert fused.weight.requires_grad and fused.weight.is_leaf
    with pytest.raises(AssertionError, match="eval"):
        utils.fuse_conv_bn_eval(conv.train(), bn, transpose)


@pytest.mark.parametrize("features", [4, 1])
def test_linear(features):
    rl.manual_seed(0)
    linear, bn = rl.nn.Linear(3, 4, bias=features == 4).eval(), normalisation(rl, "BatchNorm1d", features)
    x = rl.randn(2, 3)
    fused = utils.fuse_linear_bn_eval(linear, bn)
    scale = (bn.weight / (bn.running_var + bn.eps).sqrt()).detach().numpy()
    wanted = (linear(x).detach().numpy() - bn.running_mean.numpy()) * scale + bn.bias.detach().numpy()
    np.testing.assert_allclose(fused(x).detach().numpy(), wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError, match="num_features"):
        utils.fuse_linear_bn_eval(rl.nn.Linear(3, 5).eval(), normalisation(rl, "BatchNorm1d", 4))


def test_weights_beside_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    rng, results = np.random.default_rng(1), []
    arrays = [np.abs(rng.normal(size=s)).astype("float32") for s in ((4, 3, 2, 2), 4, 4, 4, 4, 4)]
    for package in (rl, torch):
        w, b, mean, var, scale, shift = map(package.from_numpy, arrays)
        tools = package.nn.utils
        results.append([t.detach().numpy() for pair in (
            tools.fuse_conv_bn_weights(w, b, mean, var, 1e-5, scale, shift),
            tools.fuse_conv_bn_weights(w, None, mean, var, 1e-5, None, None),
            tools.fuse_linear_bn_weights(w[:, :, 0, 0], b, mean, var, 1e-5, scale, shift)) for t in pair])
    for mine, theirs in zip(*results):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_skip_init():
    rl.manual_seed(7)
    wanted = rl.rand(2)
    rl.manual_seed(7)
    layer = utils.skip_init(rl.nn.Linear, 3, 2, dtype=rl.float64, device="cpu")
    assert type(layer) is rl.nn.Linear and layer.weight.dtype == rl.float64 and layer.weight.shape == (2, 3)
    assert rl.equal(rl.rand(2), wanted)
    for wrong in (rl.nn.ReLU, int, 3):
        with pytest.raises(RuntimeError):
            utils.skip_init(wrong)


def test_memory_formats():
    net = rl.nn.Sequential(rl.nn.Conv2d(3, 4, 2), rl.nn.Conv3d(3, 4, 2))
    before = [layer.weight.detach().clone() for layer in net]
    x = rl.ones(1, 3, 4, 4)
    out = net[0](x)
    assert utils.convert_conv2d_weight_memory_format(net, rl.channels_last) is net
    utils.convert_conv3d_weight_memory_format(net, rl.channels_last_3d)
    assert all(rl.equal(layer.weight, values) for layer, values in zip(net, before))
    np.testing.assert_allclose(net[0](x).detach().numpy(), out.detach().numpy(), rtol=1e-5)
