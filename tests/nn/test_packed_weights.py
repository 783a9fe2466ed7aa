"""Inference keeps weights in the layout that kernels want: every way of changing them must be noticed."""

import threading

import numpy as np
import pytest

import rushlight as rl

CHANGES = {
    "in place": lambda layer: layer.weight.mul_(2),
    "through data": lambda layer: layer.weight.data.add_(1),
    "another data": lambda layer: setattr(layer.weight, "data", rl.randn(*layer.weight.shape)),
    "through NumPy": lambda layer: layer.weight.detach().numpy().fill(0.5),
    "a part": lambda layer: layer.weight[0].zero_(),
    "state dict": lambda layer: layer.load_state_dict({"weight": rl.randn(*layer.weight.shape)}),
    "DLPack": lambda layer: np.from_dlpack(layer.weight.detach()).fill(0.25),
}
LAYERS = {
    "conv": (lambda: rl.nn.Conv2d(8, 40, 3, bias=False), (2, 8, 6, 6)),
    "transposed": (lambda: rl.nn.ConvTranspose2d(8, 40, 3, bias=False), (2, 8, 6, 6)),
    "linear": (lambda: rl.nn.Linear(160, 200, bias=False), (32, 160)),
}


def fresh(layer, x):
    """The answer of an equal layer that has kept nothing."""
    other = type(layer)(*layer.made_of, bias=False)
    other.weight.data = rl.tensor(layer.weight.tolist())
    return other(x)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", LAYERS)
def test_changes_are_noticed(kind, change):
    make, shape = LAYERS[kind]
    layer, x = make(), rl.randn(*shape)
    layer.made_of = (8, 40, 3) if kind != "linear" else (160, 200)
    with rl.no_grad():
        layer(x), layer(x)
        CHANGES[change](layer)
        np.testing.assert_allclose(layer(x).numpy(), fresh(layer, x).numpy(), rtol=1e-4, atol=1e-5)


def test_writes_through_a_live_numpy_view_are_noticed():
    layer, x = rl.nn.Linear(160, 200, bias=False), rl.randn(32, 160)
    with rl.no_grad():
        layer(x)
        view = layer.weight.detach().numpy()
        for value in (1.0, -2.0):
            view.fill(value)
            expected = (x.sum(1, keepdim=True) * value).expand(32, 200)
            np.testing.assert_allclose(layer(x).numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


def test_one_layer_in_many_threads():
    layer, x = rl.nn.Conv2d(8, 40, 3), rl.randn(2, 8, 6, 6)
    expected, wrong = layer(x).detach().numpy(), []

    def infer():
        with rl.no_grad():
            for _ in range(50):
                if not np.allclose(layer(x).numpy(), expected, rtol=1e-4, atol=1e-5):
                    wrong.append(threading.get_ident())

    threads = [threading.Thread(target=infer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
