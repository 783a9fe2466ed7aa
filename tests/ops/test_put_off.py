"""Batch norm's last pass may be put off and joined by an addition and relu: nobody may be able to tell."""

import copy
import threading

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn import functional as F

SHAPE = (4, 16, 32, 32)  # large enough to be put off


def inputs(seed=0):
    """A convolution's result, which keeps channels last, and its plain twin."""
    rl.manual_seed(seed)
    x = F.conv2d(rl.randn(4, 3, 32, 32), rl.randn(16, 3, 3, 3), padding=1)
    return x, rl.tensor(x.detach().clone().tolist())


def norm_of(x, relu=False, add=None):
    """The reference in NumPy."""
    x = np.asarray(x.tolist(), "f8")
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    y = (x - mean) / np.sqrt(variance + 1e-5)
    y = y if add is None else y + np.asarray(add.tolist(), "f8")
    return np.maximum(y, 0) if relu else y


def norm(x):
    return F.batch_norm(x, None, None, training=True)


def close(ours, reference):
    np.testing.assert_allclose(np.asarray(ours.tolist()), reference, rtol=1e-4, atol=1e-4)


def test_chains():
    x, plain = inputs()
    close(norm(x), norm_of(plain))
    close(F.relu(norm(x)), norm_of(plain, relu=True))
    close(norm(x).relu_(), norm_of(plain, relu=True))
    other = F.conv2d(rl.randn(4, 3, 32, 32), rl.randn(16, 3, 3, 3), padding=1)
    for total in (lambda: norm(x) + other, lambda: other + norm(x), lambda: norm(x).add_(other)):
        close(total(), norm_of(plain, add=other))
        close(F.relu(total()), norm_of(plain, relu=True, add=other))
        close(total().relu_(), norm_of(plain, relu=True, add=other))
    close(rl.add(norm(x), other, alpha=2), norm_of(plain, add=other * 2))
    close(norm(x).add_(norm(other)), norm_of(plain, add=norm(other)))


def test_operands_keep_their_values():
    x, plain = inputs()
    y = norm(x)
    z, w = F.relu(y), y + x
    close(w, norm_of(plain, add=plain))
    close(z, norm_of(plain, relu=True))
    close(y, norm_of(plain))
    y = norm(x)
    z = F.relu(y)
    y.relu_().add_(1)
    close(z, norm_of(plain, relu=True))
    close(y, norm_of(plain, relu=True) + 1)


CHANGES = {
    "in place": lambda x: x.mul_(-3),
    "relu_": lambda x: x.relu_(),
    "fill_": lambda x: x.fill_(0),
    "through a view": lambda x: x[0].zero_(),
    "through NumPy": lambda x: x.numpy().fill(1),
    "through DLPack": lambda x: np.from_dlpack(x).fill(1),
    "copy_": lambda x: x.copy_(rl.zeros(*SHAPE)),
    "out=": lambda x: rl.add(x, x, out=x),
    "data": lambda x: x.data.zero_(),
    "another data": lambda x: setattr(x, "data", rl.zeros(2)),
    "smaller": lambda x: x.resize_(3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_the_input_come_later(change):
    x, plain = inputs()
    other = F.conv2d(rl.randn(4, 3, 32, 32), rl.randn(16, 3, 3, 3), padding=1)
    kept = rl.tensor(other.tolist())
    y = F.relu(norm(x) + other)
    CHANGES[change](x)
    CHANGES[change](other)
    close(y, norm_of(plain, relu=True, add=kept))


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_the_result(change):
    x, plain = inputs()
    y, z = norm(x), norm(plain)
    CHANGES[change](y), CHANGES[change](z)
    assert y.shape == z.shape
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-4, atol=1e-4)


def test_freed_inputs_and_results():
    for _ in range(3):
        x, plain = inputs()
        y = norm(x)
        del x
        close(y, norm_of(plain))
        x, _ = inputs()
        z = F.relu(norm(x))
        del z
        x.zero_()
        assert float(x.sum()) == 0


def test_copies_and_numpy():
    x, plain = inputs()
    for read in (copy.deepcopy, lambda y: y.clone(), lambda y: y.detach(), lambda y: y.permute(1, 0, 2, 3)):
        y = norm(x)
        reference = norm_of(plain)
        got = read(y)
        close(got, reference if got.shape == SHAPE else reference.transpose(1, 0, 2, 3))


def test_the_same_to_the_last_bit():
    x, plain = inputs()
    plain.data[0, 0, 0, 0] = float("nan")
    plain.data[1, 3] = -0.0
    x = plain.contiguous(memory_format=rl.channels_last)
    other = F.conv2d(rl.randn(4, 3, 32, 32), rl.randn(16, 3, 3, 3), padding=1)

    def bits(settle):
        y = norm(x)
        settle(y)
        z = y + other
        settle(z)
        return F.relu(z).numpy().view("u4"), F.relu(y).numpy().view("u4")

    for joined, apart in zip(bits(lambda t: None), bits(lambda t: t.sum())):
        np.testing.assert_array_equal(joined, apart)


def test_gradients():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    rng = np.random.default_rng(0)
    shapes = {"x": (4, 3, 32, 32), "w": (16, 3, 3, 3), "v": (16, 3, 1, 1), "gamma": 16, "beta": 16}
    arrays = {name: rng.standard_normal(shape, "f4") for name, shape in shapes.items()}

    def run(xp):
        a = {name: xp.tensor(array.tolist(), requires_grad=True) for name, array in arrays.items()}
        functional = xp.nn.functional
        y = functional.batch_norm(functional.conv2d(a["x"], a["w"], padding=1), None, None, a["gamma"], a["beta"], True)
        y = y.relu_()
        z = functional.batch_norm(functional.conv2d(a["x"], a["v"]), None, None, a["gamma"], a["beta"], True)
        z += y
        z = functional.relu(z)
        (z * z).mean().backward()
        return [z] + [leaf.grad for leaf in a.values()]

    for ours, theirs in zip(run(rl), run(torch)):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_an_in_place_change_of_a_saved_tensor_is_still_noticed():
    x, _ = inputs()
    x.requires_grad_()
    y = F.relu(norm(x))
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified"):
        y.sum().backward()


def test_many_threads_read_one_result():
    x, plain = inputs()
    reference, wrong = norm_of(plain, relu=True), []
    for _ in range(20):
        y = F.relu(norm(x))

        def read(result=y):
            if not np.allclose(result.numpy(), reference, rtol=1e-4, atol=1e-4):
                wrong.append(1)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        x.mul_(1)
        for thread in threads:
            thread.join()
    assert not wrong
