"""Lazy layers: they take their sizes from the first input, and are ordinary layers from then on."""
import copy
import pickle

import numpy as np
import pytest

import rushlight as rl

CASES = [
    ("LazyLinear", (4,), (5, 3)),
    ("LazyLinear", (4, False), (2, 5, 3)),
    ("LazyConv1d", (4, 2), (2, 3, 7)),
    ("LazyConv2d", (4, 2), (2, 3, 7, 7)),
    ("LazyConv2d", (4, 3, 2, 1, 1, 1, False), (3, 7, 7)),
    ("LazyConv3d", (4, 2), (2, 3, 4, 4, 4)),
    ("LazyConvTranspose1d", (4, 2), (2, 3, 7)),
    ("LazyConvTranspose2d", (4, 2), (2, 3, 7, 7)),
    ("LazyConvTranspose3d", (4, 2), (2, 3, 3, 3, 3)),
    ("LazyBatchNorm1d", (), (4, 3)),
    ("LazyBatchNorm2d", (), (4, 3, 2, 2)),
    ("LazyBatchNorm3d", (1e-3, None), (4, 3, 2, 2, 2)),
    ("LazyInstanceNorm1d", (1e-5, 0.1, True, True), (4, 3, 5)),
    ("LazyInstanceNorm2d", (), (4, 3, 5, 5)),
    ("LazyInstanceNorm3d", (1e-5, 0.1, True), (4, 3, 2, 2, 2)),
]
IDS = [f"{name}{args}" for name, args, _ in CASES]


def first_call(package, name, args, shape):
    package.manual_seed(3)
    layer = getattr(package.nn, name)(*args)
    before = repr(layer)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    return layer, before, layer(package.from_numpy(x)).detach().numpy()


@pytest.mark.parametrize("name,args,shape", CASES, ids=IDS)
def test_same_as_pytorch(name, args, shape):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    own, before, output = first_call(rl, name, args, shape)
    other, other_before, wanted = first_call(torch, name, args, shape)
    assert before == other_before and repr(own) == repr(other)
    assert type(own).__name__ == type(other).__name__ == name.removeprefix("Lazy")
    np.testing.assert_allclose(output, wanted, rtol=2e-5, atol=2e-6)
    reference = other.state_dict()
    assert list(own.state_dict()) == list(reference)
    for key, value in own.state_dict().items():
        np.testing.assert_allclose(value.numpy(), reference[key].numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name,args,shape", CASES, ids=IDS)
def test_becomes_the_ordinary_layer(name, args, shape):
    layer, _, output = first_call(rl, name, args, shape)
    kind = getattr(rl.nn, name.removeprefix("Lazy"))
    assert type(layer) is kind
    assert all(type(p) is rl.nn.Parameter for p in layer.parameters())
    # The same layer made with its sizes known draws the same numbers.
    rl.manual_seed(3)
    sizes = (3, 1e-5, 0.1, True, True) if "Instance" in name and len(args) < 4 else (3, *args)
    x = rl.from_numpy(np.random.default_rng(0).normal(size=shape).astype("float32"))
    np.testing.assert_array_equal(kind(*sizes)(x).detach().numpy(), output)


def test_a_state_dict_tells_the_sizes():
    source = rl.nn.BatchNorm2d(3)
    source.running_mean.fill_(2.0)
    layer = rl.nn.LazyBatchNorm2d()
    layer.load_state_dict(source.state_dict())
    assert layer.running_mean.tolist() == [2.0] * 3 and not layer.has_uninitialized_params()
    assert layer.eval()(rl.ones(1, 3, 2, 2)).shape == (1, 3, 2, 2)
    assert type(layer) is rl.nn.BatchNorm2d and layer.num_features == 3
    with pytest.raises(RuntimeError, match="uninitialized"):
        rl.nn.Linear(2, 2).load_state_dict(rl.nn.LazyLinear(2).state_dict())
    lazy = rl.nn.LazyLinear(2)
    lazy.load_state_dict(rl.nn.LazyLinear(2).state_dict())
    assert lazy.has_uninitialized_params()


def test_in_a_network():
    net = rl.nn.Sequential(rl.nn.LazyConv2d(4, 3), rl.nn.LazyBatchNorm2d(), rl.nn.Flatten(), rl.nn.LazyLinear(2))
    net.double()
    twin = copy.deepcopy(net)
    assert twin(rl.ones(2, 1, 5, 5, dtype=rl.float64)).dtype == rl.float64
    assert net[0].has_uninitialized_params() and [type(m).__name__ for m in twin] == [
        "Conv2d", "BatchNorm2d", "Flatten", "Linear"]
    optimizer = rl.optim.SGD(twin.parameters(), lr=0.1)
    twin(rl.ones(2, 1, 5, 5, dtype=rl.float64)).sum().backward()
    optimizer.step()
    copied = pickle.loads(pickle.dumps(twin))
    assert repr(copied) == repr(twin)


def test_a_parameter_without_a_shape():
    weight = rl.nn.UninitializedParameter(dtype=rl.float64)
    assert repr(weight) == "<UninitializedParameter>" and weight.requires_grad and rl.nn.parameter.is_lazy(weight)
    with pytest.raises(RuntimeError, match="shape of an uninitialized"):
        _ = weight.shape
    with pytest.raises(ValueError, match="uninitialized parameter in sum"):
        weight.sum()
    assert copy.deepcopy(weight).dtype == rl.float64
    weight.materialize((2, 3))
    assert type(weight) is rl.nn.Parameter and weight.shape == (2, 3) and weight.dtype == rl.float64
    mean = rl.nn.UninitializedBuffer()
    mean.materialize((4,))
    assert type(mean) is rl.Tensor and mean.shape == (4,)


@pytest.mark.parametrize("make, x, error", [
    (lambda: rl.nn.LazyConv2d(4, 3, groups=2), (1, 3, 5, 5), ValueError),
    (lambda: rl.nn.LazyConv2d(4, 3), (3, 5), RuntimeError),
    (lambda: rl.nn.LazyBatchNorm1d(), (2, 3, 4, 4), ValueError),
])
def test_errors(make, x, error):
    with pytest.raises(error):
        make()(rl.ones(*x))
