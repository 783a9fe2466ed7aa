"""Channels-last memory: what the tensor shows stays row-major, and every result is the same."""

import numpy as np
import pytest

import rushlight as rl


def test_values_strides_and_flag():
    array = np.arange(2 * 3 * 4 * 5, dtype="f4").reshape(2, 3, 4, 5)
    x = rl.from_numpy(array.copy())
    y = x.contiguous(memory_format=rl.channels_last)
    assert y.is_contiguous(memory_format=rl.channels_last) and not x.is_contiguous(memory_format=rl.channels_last)
    assert y.contiguous(memory_format=rl.channels_last) is y
    assert y.stride() == x.stride() and y.is_contiguous()
    np.testing.assert_array_equal(x.to(memory_format=rl.channels_last).numpy(), array)
    np.testing.assert_array_equal(y.numpy(), array)


def test_of_views_empty_and_integer_tensors():
    x = rl.arange(120.0).view(2, 3, 4, 5).transpose(1, 3)
    np.testing.assert_array_equal(x.contiguous(memory_format=rl.channels_last).numpy(), x.numpy())
    for other in (rl.empty(0, 3, 2, 2), rl.arange(24).view(1, 2, 3, 4)):
        np.testing.assert_array_equal(other.contiguous(memory_format=rl.channels_last).numpy(), other.numpy())
    volume = rl.randn(2, 3, 2, 2, 2)
    np.testing.assert_array_equal(volume.contiguous(memory_format="channels_last_3d").numpy(), volume.numpy())


def test_gradients_pass():
    x = rl.randn(2, 3, 4, 4, requires_grad=True)
    weight = rl.randn(2, 3, 4, 4)
    (x.contiguous(memory_format=rl.channels_last) * weight).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), weight.numpy())


def test_refusals():
    with pytest.raises(RuntimeError, match=r"memory_format='channels_last' with input of shape \(3,\)"):
        rl.randn(3).contiguous(memory_format=rl.channels_last)
    with pytest.raises(RuntimeError, match="memory_format='sideways'"):
        rl.randn(1, 1, 1, 1).contiguous(memory_format="sideways")


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("outputs", [1, 6, 16, 20])
@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
def test_first_layers(inputs, outputs, channels_last):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    rng = np.random.default_rng(inputs * 100 + outputs)
    image, kernel = rng.standard_normal((3, inputs, 11, 9), "f4"), rng.standard_normal((outputs, inputs, 3, 5), "f4")
    bias = rng.standard_normal(outputs, "f4")

    def gradients(xp):
        x = xp.from_numpy(image.copy())
        if channels_last:
            x = x.contiguous(memory_format=xp.channels_last)
        leaves = [leaf.requires_grad_() for leaf in (x, xp.from_numpy(kernel.copy()), xp.from_numpy(bias.copy()))]
        y = xp.nn.functional.conv2d(*leaves, stride=(2, 1), padding=(1, 2))
        (y * y).sum().backward()
        return [y.detach().numpy()] + [leaf.grad.numpy() for leaf in leaves]

    for ours, theirs in zip(gradients(rl), gradients(torch)):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-3)
