"""Pruning: masks by their definitions, and everything beside PyTorch's."""
import numpy as np
import pytest

import rushlight as rl
from rushlight.nn.utils import prune


def layer(package=rl, seed=0):
    values = np.random.default_rng(seed).normal(size=(4, 6)).astype("float32")
    one = package.nn.Linear(6, 4)
    one.bias.data = package.arange(4, dtype=package.float32) - 1
    one.weight.data = package.from_numpy(values)
    return one


def test_l1_prunes_the_smallest():
    one = layer()
    before = one.weight.detach().numpy().copy()
    prune.l1_unstructured(one, "weight", 10)
    smallest = np.argsort(np.abs(before).ravel())[:10]
    mask = np.ones(24)
    mask[smallest] = 0
    np.testing.assert_array_equal(one.weight_mask.numpy().ravel(), mask)
    np.testing.assert_array_equal(one.weight.detach().numpy(), before * mask.reshape(4, 6))
    one(rl.ones(2, 6)).sum().backward()
    np.testing.assert_array_equal(one.weight_orig.grad.numpy() != 0, mask.reshape(4, 6) != 0)
    assert [name for name, _ in one.named_parameters()] == ["bias", "weight_orig"]
    assert prune.is_pruned(rl.nn.Sequential(one))
    prune.remove(one, "weight")
    assert isinstance(one.weight, rl.nn.Parameter) and not prune.is_pruned(one)
    np.testing.assert_array_equal(one.weight.detach().numpy(), before * mask.reshape(4, 6))
    assert not one._forward_pre_hooks and list(one.state_dict()) == ["bias", "weight"]


def test_ln_prunes_the_slices_of_smallest_norm():
    one = layer()
    before = one.weight.detach().numpy().copy()
    prune.ln_structured(one, "weight", 0.5, n=2, dim=1)
    kept = np.argsort(np.linalg.norm(before, axis=0))[3:]
    np.testing.assert_array_equal(np.flatnonzero(one.weight_mask.numpy()[0]), np.sort(kept))


def test_repeated_pruning_counts_what_is_left():
    one = layer()
    prune.l1_unstructured(one, "weight", 0.5)
    prune.random_unstructured(one, "weight", 0.5)
    prune.ln_structured(one, "weight", 1, n=1, dim=0)
    hook, = one._forward_pre_hooks.values()
    assert isinstance(hook, prune.PruningContainer) and len(hook) == 3
    assert [type(method).__name__ for method in hook] == ["L1Unstructured", "RandomUnstructured", "LnStructured"]
    assert one.weight_mask.sum() <= 6
    assert one.weight_mask[one.weight_mask.sum(1).argmin()].sum() == 0


def test_a_state_dict_carries_the_mask():
    source, target = layer(), prune.identity(layer(seed=1), "weight")
    prune.l1_unstructured(source, "weight", 0.3)
    target.load_state_dict(source.state_dict())
    np.testing.assert_array_equal(target(rl.ones(1, 6)).detach().numpy(), source(rl.ones(1, 6)).detach().numpy())


CASES = {
    "identity": lambda p, u, one: u.identity(one, "bias"),
    "l1": lambda p, u, one: u.l1_unstructured(one, "weight", 0.4),
    "l1 scores": lambda p, u, one: u.l1_unstructured(
        one, "weight", 5, importance_scores=p.arange(24, dtype=p.float32).reshape(4, 6)),
    "ln rows": lambda p, u, one: u.ln_structured(one, "weight", 2, n=2, dim=0),
    "ln columns": lambda p, u, one: u.ln_structured(one, "weight", 0.3, n=float("inf"), dim=-1),
    "mask": lambda p, u, one: u.custom_from_mask(one, "bias", p.tensor([1, 0, 1, 0])),
    "random": lambda p, u, one: u.random_unstructured(one, "weight", 7),
    "random rows": lambda p, u, one: u.random_structured(one, "weight", 2, dim=0),
    "twice": lambda p, u, one: u.l1_unstructured(u.ln_structured(one, "weight", 1, n=1, dim=1), "weight", 0.5),
    "thrice": lambda p, u, one: u.ln_structured(
        u.custom_from_mask(u.l1_unstructured(one, "weight", 0.2), "weight", p.ones(4, 6).tril()), "weight", 1, 2, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_beside_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    import torch.nn.utils.prune as reference  # noqa: PLC0415  only where it is installed

    results = []
    for package, tools in ((rl, prune), (torch, reference)):
        one = layer(package)
        package.manual_seed(9)
        CASES[name](package, tools, one)
        out = one(package.ones(2, 6))
        out.sum().backward()
        state = {key: value.numpy() for key, value in one.state_dict().items()}
        results.append((state, out.detach().numpy(), [p.grad.numpy() for p in one.parameters()]))
    own, other = results
    assert list(own[0]) == list(other[0])
    for key, value in own[0].items():
        np.testing.assert_array_equal(value, other[0][key])


def test_global_pruning_beside_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of this test")
    import torch.nn.utils.prune as reference  # noqa: PLC0415  only where it is installed

    masks = []
    for package, tools in ((rl, prune), (torch, reference)):
        net = [layer(package), layer(package, 1)]
        scores = {(net[1], "weight"): package.arange(24, dtype=package.float32).reshape(4, 6)}
        tools.global_unstructured([(one, "weight") for one in net], tools.L1Unstructured, scores, amount=0.6)
        masks.append([one.weight_mask.numpy() for one in net])
    np.testing.assert_array_equal(masks[0], masks[1])


class OwnMethod(prune.BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


def test_an_own_method():
    one = layer()
    OwnMethod.apply(one, "bias")
    assert one.bias_mask.tolist() == [0, 1, 0, 1]
    OwnMethod.apply(one, "bias")
    assert one.bias_mask.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("call, error", [
    (lambda: prune.l1_unstructured(layer(), "weight", -1), ValueError),
    (lambda: prune.l1_unstructured(layer(), "weight", 1.5), ValueError),
    (lambda: prune.l1_unstructured(layer(), "weight", "2"), TypeError),
    (lambda: prune.l1_unstructured(layer(), "weight", 25), ValueError),
    (lambda: prune.ln_structured(layer(), "bias", 1, 2, 0), ValueError),
    (lambda: prune.ln_structured(layer(), "weight", 1, 2, 2), IndexError),
    (lambda: prune.l1_unstructured(layer(), "weight", 1, importance_scores=rl.ones(2)), AssertionError),
    (lambda: prune.custom_from_mask(layer(), "weight", rl.ones(2)), AssertionError),
    (lambda: prune.remove(layer(), "weight"), ValueError),
    (lambda: prune.global_unstructured([(layer(), "weight")], prune.LnStructured, amount=1, n=2), TypeError),
    (lambda: prune.global_unstructured([(layer(), "weight")], prune.L1Unstructured, [1], amount=1), TypeError),
    (lambda: prune.PruningContainer().add_pruning_method(3), TypeError),
])
def test_errors(call, error):
    with pytest.raises(error):
        call()


def test_a_failed_pruning_changes_nothing():
    one = layer()
    with pytest.raises(ValueError, match="amount"):
        prune.l1_unstructured(one, "weight", 100)
    assert list(one.state_dict()) == ["weight", "bias"] and not prune.is_pruned(one)
