"""Adaptive softmax, fractional pooling, batch normalisation across processes, and older names."""
import warnings

import numpy as np
import pytest
from scipy import special

import rushlight as rl


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def make_adaptive(package, **options):
    package.manual_seed(1)
    return package.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10, 15], div_value=2.0, **options)


def test_adaptive_softmax_sums_to_one_and_agrees_with_its_definition():
    layer, x, target = make_adaptive(rl), rl.from_numpy(numbers(8, 16)), rl.arange(0, 20, 3)[:7]
    x = x[:7]
    everything = layer.log_prob(x).detach().numpy()
    np.testing.assert_allclose(np.exp(everything).sum(1), 1, rtol=1e-5)
    output, loss = layer(x, target)
    np.testing.assert_allclose(output.detach().numpy(), everything[np.arange(7), target.numpy()], rtol=1e-5)
    assert loss.item() == pytest.approx(-output.mean().item())
    np.testing.assert_array_equal(layer.predict(x).numpy(), everything.argmax(1))
    head = special.log_softmax(x.numpy() @ layer.head.weight.detach().numpy().T, 1)
    np.testing.assert_allclose(everything[:, :5], head[:, :5], rtol=1e-5)
    assert layer(x[0], target[0]).output.shape == ()


def test_adaptive_softmax_differentiates():
    layer = make_adaptive(rl).double()
    x = rl.from_numpy(numbers(6, 16).astype("float64")).requires_grad_()
    target = rl.tensor([0, 4, 5, 9, 19, 2])
    assert rl.autograd.gradcheck(lambda v: layer(v, target).loss, (x,))


@pytest.mark.parametrize("options", [{}, {"head_bias": True}])
def test_adaptive_softmax_beside_pytorch(options):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    results = []
    for package in (rl, torch):
        layer, x = make_adaptive(package, **options), package.from_numpy(numbers(9, 16))
        target = package.from_numpy(np.arange(9) * 2)
        output, loss = layer(x, target)
        loss.backward()
        results.append((repr(layer), list(layer.state_dict()), output.detach().numpy(), loss.item(),
                        [p.grad.numpy() for p in layer.parameters()], layer.predict(x).numpy()))
    own, other = results
    assert own[:2] == other[:2]
    np.testing.assert_allclose(own[2], other[2], rtol=1e-5)
    assert own[3] == pytest.approx(other[3], rel=1e-5)
    for mine, theirs in zip(own[4], other[4]):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(own[5], other[5])


@pytest.mark.parametrize("cutoffs", [[], [5, 5], [10, 5], [0, 5], [5, 20], [2.5]])
def test_adaptive_softmax_cutoffs(cutoffs):
    with pytest.raises(ValueError, match="cutoffs"):
        rl.nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs)


@pytest.mark.parametrize("x, target", [
    ((3, 16), [1, 2]), ((16,), [1]), ((2, 16), 1), ((1, 16), [[1]]), ((1, 16), [20]), ((1, 16), [-1])])
def test_adaptive_softmax_wrong_inputs(x, target):
    with pytest.raises(RuntimeError):
        make_adaptive(rl)(rl.zeros(*x), rl.tensor(target))


@pytest.mark.parametrize("rank, options", [
    (2, {"kernel_size": 2, "output_size": 3}), (2, {"kernel_size": (2, 3), "output_ratio": (0.5, 0.6)}),
    (3, {"kernel_size": 2, "output_size": (3, 2, 3)}), (3, {"kernel_size": 2, "output_ratio": 0.5})])
@pytest.mark.parametrize("indices", [False, True])
def test_fractional_pooling_beside_pytorch(rank, options, indices):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    shape = (2, 3) + (9,) * rank
    samples = np.random.default_rng(0).random((2, 3, rank)).astype("float32")
    results = []
    for package in (rl, torch):
        layer = getattr(package.nn, f"FractionalMaxPool{rank}d")(
            **options, return_indices=indices, _random_samples=package.from_numpy(samples))
        x = package.from_numpy(numbers(*shape)).requires_grad_()
        out = layer(x)
        found = list(out) if indices else [out]
        found[0].sum().backward()
        results.append((repr(layer), list(layer.state_dict()), [t.detach().numpy() for t in (*found, x.grad)]))
    assert results[0][:2] == results[1][:2]
    for mine, theirs in zip(results[0][2], results[1][2]):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("options", [{}, {"output_size": 2, "output_ratio": 0.5}, {"output_ratio": 1.0}])
def test_fractional_pooling_wrong_options(options):
    with pytest.raises(ValueError, match="output_ratio"):
        rl.nn.FractionalMaxPool2d(2, **options)


def test_sync_batch_norm_is_batch_norm_of_one_process():
    x = rl.from_numpy(numbers(4, 3, 2, 2))
    plain = rl.nn.Sequential(rl.nn.BatchNorm2d(3), rl.nn.Sequential(rl.nn.BatchNorm1d(2, affine=False)))
    plain[0].weight.data.fill_(2.0)
    state = list(plain.state_dict())
    converted = rl.nn.SyncBatchNorm.convert_sync_batchnorm(plain)
    assert type(converted[0]) is type(converted[1][0]) is rl.nn.SyncBatchNorm
    assert list(converted.state_dict()) == state
    reference = rl.nn.BatchNorm2d(3)
    reference.weight.data.fill_(2.0)
    np.testing.assert_array_equal(converted[0](x).detach().numpy(), reference(x).detach().numpy())
    assert converted[0].running_mean.tolist() == reference.running_mean.tolist()
    with pytest.raises(ValueError, match="at least 2D"):
        rl.nn.SyncBatchNorm(3)(rl.ones(3))


def test_older_names_beside_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    results = []
    for package in (rl, torch):
        x, target = package.from_numpy(numbers(2, 7, 3, 3)).requires_grad_(), package.from_numpy(np.arange(18) % 7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss = package.nn.NLLLoss2d()(x, target.reshape(2, 3, 3))
            container = package.nn.Container(a=package.nn.ReLU())
        lrn = package.nn.CrossMapLRN2d(3, alpha=0.5)
        parallel = package.nn.DataParallel(package.nn.ReLU())
        results.append((loss.item(), repr(container), repr(lrn), lrn(x).detach().numpy(), repr(parallel),
                        parallel(x).detach().numpy()))
    own, other = results
    assert own[0] == pytest.approx(other[0], rel=1e-6) and own[1:3] == other[1:3] and own[4] == other[4]
    np.testing.assert_allclose(own[3], other[3], rtol=1e-5)
    np.testing.assert_array_equal(own[5], other[5])


def test_linear_cross_entropy_loss_beside_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    results = []
    for package in (rl, torch):
        package.manual_seed(2)
        layer = package.nn.LinearCrossEntropyLoss(
            6, 4, out_features=(2,), bias=True, label_smoothing=0.1, options=package.nn.LinearCrossEntropyOptions())
        loss = layer(package.from_numpy(numbers(5, 6)), package.from_numpy(np.arange(10).reshape(5, 2) % 4))
        loss.backward()
        results.append((list(layer.state_dict()), loss.item(), layer.linear.weight.grad.numpy()))
    assert results[0][0] == results[1][0]
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-5)
    np.testing.assert_allclose(results[0][2], results[1][2], rtol=1e-4, atol=1e-7)
    with pytest.raises(RuntimeError, match="label_smoothing"):
        rl.nn.LinearCrossEntropyLoss(2, 2, label_smoothing=2.0)


def test_factory_kwargs():
    assert rl.nn.factory_kwargs(None) == {}
    assert rl.nn.factory_kwargs({"dtype": 1, "factory_kwargs": {"device": 2}}) == {"dtype": 1, "device": 2}
    for wrong in ({"other": 1}, {"dtype": 1, "factory_kwargs": {"dtype": 2}}):
        with pytest.raises(TypeError):
            rl.nn.factory_kwargs(wrong)
