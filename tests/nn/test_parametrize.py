"""Parametrized tensors: by own modules, orthogonal, of spectral norm one, of separate length; beside PyTorch's."""
import copy
import pickle
import warnings

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn.utils import parametrizations, parametrize


class Symmetric(rl.nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x):
        return x.triu()


class Doubled(rl.nn.Module):
    def forward(self, x):
        return 2 * x

    def right_inverse(self, x):
        return x / 2


class TwoParts(rl.nn.Module):
    def forward(self, a, b):
        return a + b

    def right_inverse(self, x):
        return x / 4, 3 * x / 4


class NoInverse(rl.nn.Module):
    def forward(self, x):
        return x + 1


def layer():
    rl.manual_seed(0)
    return rl.nn.Linear(3, 3)


def test_a_parametrized_weight():
    one = layer()
    before = one.weight.detach().clone()
    assert parametrize.register_parametrization(one, "weight", Symmetric()) is one
    assert type(one).__name__ == "ParametrizedLinear" and parametrize.type_before_parametrizations(one) is rl.nn.Linear
    assert parametrize.is_parametrized(one) and parametrize.is_parametrized(one, "weight")
    assert not parametrize.is_parametrized(one, "bias")
    assert sorted(one.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert rl.equal(one.weight, one.weight.T) and rl.equal(one.weight.triu(), before.triu())
    one(rl.ones(2, 3)).sum().backward()
    assert one.parametrizations.weight.original.grad is not None
    assert one.parametrizations.weight.original.grad.tril(-1).abs().sum() == 0
    wanted = rl.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    one.weight = wanted
    assert rl.equal(one.weight, wanted) and rl.equal(one.parametrizations.weight.original, wanted.triu())


def test_several_in_turn_and_removal():
    one = layer()
    before = one.weight.detach().clone()
    parametrize.register_parametrization(one, "weight", Doubled())
    np.testing.assert_allclose(one.weight.detach().numpy(), before.numpy(), rtol=1e-6)
    parametrize.register_parametrization(one, "weight", Doubled())
    np.testing.assert_allclose(one.weight.detach().numpy(), 2 * before.numpy(), rtol=1e-6)
    parametrize.remove_parametrizations(one, "weight")
    assert type(one) is rl.nn.Linear and isinstance(one.weight, rl.nn.Parameter)
    np.testing.assert_allclose(one.weight.detach().numpy(), 2 * before.numpy(), rtol=1e-6)
    assert sorted(one.state_dict()) == ["bias", "weight"]
    parametrize.register_parametrization(one, "weight", Doubled())
    parametrize.remove_parametrizations(one, "weight", leave_parametrized=False)
    np.testing.assert_allclose(one.weight.detach().numpy(), before.numpy(), rtol=1e-6)


def test_several_originals():
    one = layer()
    before = one.weight.detach().clone()
    parametrize.register_parametrization(one, "weight", TwoParts())
    assert sorted(one.state_dict()) == ["bias", *(f"parametrizations.weight.original{i}" for i in (0, 1))]
    np.testing.assert_allclose(one.weight.detach().numpy(), before.numpy(), rtol=1e-6)
    one.weight = rl.full((3, 3), 4.0)
    assert one.parametrizations.weight.original0[0, 0] == 1
    with pytest.raises(ValueError, match="leave_parametrized=False"):
        parametrize.remove_parametrizations(one, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(one, "weight")
    assert isinstance(one.weight, rl.nn.Parameter) and one.weight[0, 0] == 4


def test_buffers_copies_and_caching():
    one = rl.nn.BatchNorm1d(2)
    parametrize.register_parametrization(one, "running_mean", Doubled())
    assert one.running_mean.tolist() == [0.0, 0.0]
    twin = copy.deepcopy(one)
    twin.parametrizations.running_mean.original.fill_(1.0)
    assert one.running_mean.tolist() == [0.0, 0.0] and twin.running_mean.tolist() == [2.0, 2.0]
    assert type(twin) is type(one) and one.running_mean is not one.running_mean
    with parametrize.cached():
        assert one.running_mean is one.running_mean
        assert one.running_mean is not twin.running_mean
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(one)


def test_sharing():
    one, other = layer(), rl.nn.Linear(3, 3)
    parametrize.register_parametrization(one, "weight", Symmetric())
    parametrize.transfer_parametrizations_and_params(one, other)
    assert rl.equal(one.weight, other.weight)
    assert other.parametrizations.weight.original is one.parametrizations.weight.original


def test_errors():
    class Wider(rl.nn.Module):
        def forward(self, x):
            return x.repeat(2, 1)

    class Longer(rl.nn.Module):
        def forward(self, x):
            return x.double()

    one = layer()
    for wrong in (Wider(), Longer()):
        with pytest.raises(ValueError, match="may not change"):
            parametrize.register_parametrization(one, "weight", wrong)
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(one, "nothing", Symmetric())
    with pytest.raises(ValueError, match="does not have a parametrization"):
        parametrize.remove_parametrizations(one, "bias")
    parametrize.register_parametrization(one, "weight", NoInverse())
    with pytest.raises(RuntimeError, match="right_inverse"):
        one.weight = rl.zeros(3, 3)
    with pytest.raises(ValueError, match="may not change"):
        parametrize.register_parametrization(one, "weight", Wider())
    parametrize.register_parametrization(one, "weight", Longer(), unsafe=True)
    assert one.weight.dtype == rl.float64


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (2, 4, 3)])
@pytest.mark.parametrize("name", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("relative", [True, False])
def test_orthogonal(shape, name, relative):
    one = rl.nn.Module()
    rl.manual_seed(1)
    one.weight = rl.nn.Parameter(rl.randn(shape, dtype=rl.float64))
    parametrizations.orthogonal(one, orthogonal_map=name, use_trivialization=relative)
    for _ in range(2):
        tall = one.weight if shape[-2] >= shape[-1] else one.weight.mT
        product = (tall.mT @ tall).detach().numpy()
        np.testing.assert_allclose(product, np.broadcast_to(np.eye(min(shape[-2:])), product.shape), atol=1e-10)
        loss = one.weight.square().sum() + one.weight.sum()
        loss.backward()
        with rl.no_grad():
            original = one.parametrizations.weight.original
            original -= 0.1 * original.grad
    wanted = one.weight.detach().clone()
    if relative or name == "householder":
        one.weight = wanted
        np.testing.assert_allclose(one.weight.detach().numpy(), wanted.numpy(), atol=1e-10)
    else:
        with pytest.raises(NotImplementedError):
            one.parametrizations.weight[0].right_inverse(wanted)


def test_spectral_norm_divides_by_the_largest_singular_value():
    one = parametrizations.spectral_norm(rl.nn.Conv2d(4, 6, 3), n_power_iterations=30)
    for _ in range(3):
        one(rl.ones(1, 4, 3, 3))
    matrix = one.weight.detach().numpy().reshape(6, -1)
    assert np.linalg.svd(matrix, compute_uv=False)[0] == pytest.approx(1, rel=1e-3)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


MAKERS = {
    "weight_norm": lambda p: p.nn.utils.parametrizations.weight_norm(p.nn.Linear(4, 3)),
    "weight_norm dim": lambda p: p.nn.utils.parametrizations.weight_norm(p.nn.Linear(4, 3), dim=1),
    "weight_norm none": lambda p: p.nn.utils.parametrizations.weight_norm(p.nn.Linear(4, 3), dim=None),
    "spectral_norm": lambda p: p.nn.utils.parametrizations.spectral_norm(p.nn.Linear(4, 3)),
    "spectral_norm bias": lambda p: p.nn.utils.parametrizations.spectral_norm(p.nn.Linear(4, 3), "bias"),
    "orthogonal tall": lambda p: p.nn.utils.parametrizations.orthogonal(p.nn.Linear(4, 6)),
    "orthogonal square": lambda p: p.nn.utils.parametrizations.orthogonal(p.nn.Linear(4, 4)),
    "orthogonal cayley": lambda p: p.nn.utils.parametrizations.orthogonal(p.nn.Linear(4, 2), orthogonal_map="cayley"),
    "older weight_norm": lambda p: p.nn.utils.weight_norm(p.nn.Linear(4, 3)),
    "older weight_norm none": lambda p: p.nn.utils.weight_norm(p.nn.Linear(4, 3), dim=None),
    "older spectral_norm": lambda p: p.nn.utils.spectral_norm(p.nn.Linear(4, 3)),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("name", MAKERS)
def test_beside_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    results = []
    for package in (rl, torch):
        package.manual_seed(5)
        one = MAKERS[name](package)
        x = package.from_numpy(numbers(2, 4))
        for _ in range(2):
            one.zero_grad()
            out = one(x)
            out.square().sum().backward()
        gradients = {key: p.grad.numpy() for key, p in one.named_parameters() if p.grad is not None}
        state = {key: value.numpy() for key, value in one.state_dict().items()}
        results.append((repr(one), out.detach().numpy(), state, gradients, one.eval()(x).detach().numpy()))
    own, other = results
    assert own[0] == other[0]
    assert list(own[2]) == list(other[2]) and list(own[3]) == list(other[3])
    for mine, theirs in ((own[1], other[1]), (own[4], other[4]), *((own[2][k], other[2][k]) for k in own[2]),
                         *((own[3][k], other[3][k]) for k in own[3])):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_older_forms_come_off_again():
    for put, take in ((rl.nn.utils.weight_norm, rl.nn.utils.remove_weight_norm),
                      (rl.nn.utils.spectral_norm, rl.nn.utils.remove_spectral_norm)):
        one = put(layer()).eval()
        with pytest.raises(RuntimeError, match="two"):
            put(one)
        before = one(rl.eye(3)).detach().clone()
        state = one.state_dict()
        again = put(layer())
        again.load_state_dict(state)
        np.testing.assert_allclose(again.eval()(rl.eye(3)).detach().numpy(), before.numpy(), rtol=1e-6)
        assert take(one) is one and list(one.state_dict()) == ["bias", "weight"]
        np.testing.assert_allclose(one(rl.eye(3)).detach().numpy(), before.numpy(), rtol=1e-6)
        assert not one._forward_pre_hooks and not one._state_dict_hooks and not one._load_state_dict_pre_hooks
        with pytest.raises(ValueError, match="not found"):
            take(one)
        with pytest.raises(ValueError, match="uninitialized"):
            put(rl.nn.LazyLinear(3))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_files_of_the_older_weight_norm():
    older, newer = rl.nn.utils.weight_norm(layer()), parametrizations.weight_norm(rl.nn.Linear(3, 3))
    newer.load_state_dict(older.state_dict())
    np.testing.assert_allclose(newer(rl.eye(3)).detach().numpy(), older(rl.eye(3)).detach().numpy(), rtol=1e-6)


def test_wrong_names_and_maps():
    with pytest.raises(ValueError, match="no parameter or buffer"):
        parametrizations.orthogonal(layer(), "nothing")
    with pytest.raises(ValueError, match="matrix"):
        parametrizations.orthogonal(layer(), "bias")
    with pytest.raises(ValueError, match="orthogonal_map"):
        parametrizations.orthogonal(layer(), orthogonal_map="other")
    with pytest.raises(ValueError, match="positive"):
        parametrizations.spectral_norm(layer(), n_power_iterations=0)
    with pytest.raises(IndexError, match="range"):
        parametrizations.spectral_norm(layer(), dim=2)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        rl.nn.utils.weight_norm(layer())
    assert seen[0].category is FutureWarning
