"""Errors within a model name the layer: its path, what arrived, what it expects."""
import traceback

import pytest

import rushlight as rl


class Block(rl.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = rl.nn.Conv2d(channels, 4, 3, padding=1)
        self.rest = rl.nn.ModuleList([rl.nn.ReLU(), rl.nn.Conv2d(4, 4, 1)])

    def forward(self, x):
        x = self.conv1(x)
        for layer in self.rest:
            x = layer(x)
        return x


class Net(rl.nn.Module):
    def __init__(self, last=4, error=None):
        super().__init__()
        self.layer1 = rl.nn.Sequential(Block(3), Block(4))
        self.layer2 = rl.nn.Sequential(Block(last))
        self.error = error

    def forward(self, x):
        if self.error:
            raise self.error
        return self.layer2(self.layer1(x))


@pytest.mark.parametrize("hooked", [False, True])
def test_wrong_sizes_name_the_layer(hooked):
    net = Net(last=5)
    if hooked:
        net.layer2.register_forward_hook(lambda *args: None)
    with pytest.raises(RuntimeError) as caught:
        net(rl.zeros(1, 3, 8, 8))
    text = str(caught.value)
    assert text.startswith("conv2d: ")
    assert text.endswith("(in layer2.0.conv1: Conv2d(5, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)))")
    assert "(1, 4, 8, 8)" in text and "5" in text
    # The same model within another, and the same error again.
    with pytest.raises(RuntimeError, match=r"\(in 1\.layer2\.0\.conv1: Conv2d\(5, 4[^()]*\([^()]*\).*\)\)$"):
        rl.nn.Sequential(rl.nn.Identity(), net)(rl.zeros(1, 3, 8, 8))


def test_layers_of_lists_and_repeated_calls():
    net = Net()
    net.layer1[1].rest[1] = rl.nn.Conv2d(6, 4, 1)
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            net(rl.zeros(1, 3, 8, 8))
        assert str(caught.value).count("(in layer1.1.rest.1: Conv2d(6, 4") == 1


def test_a_layer_alone_says_nothing_more():
    with pytest.raises(RuntimeError) as caught:
        rl.nn.Linear(2, 3)(rl.zeros(5, 4))
    assert "(in " not in str(caught.value)


def test_other_errors_get_a_note():
    class Own(ValueError):
        pass

    for error in (Own("mine"), ValueError("mine"), Own("mine", 3), KeyError("mine")):
        with pytest.raises(type(error)) as caught:
            rl.nn.Sequential(rl.nn.Sequential(Net(error=error)))(1)
        assert caught.value is error and error.args[0] == "mine"
        shown = "".join(traceback.format_exception_only(error))
        assert shown.count("in 0.0: Net\n") == (0 if isinstance(error, KeyError) else 1)


def test_shapes_of_other_layers_too():
    for layer, shape in ((rl.nn.Linear(4, 2), (3, 5)), (rl.nn.BatchNorm2d(3), (2, 4, 5, 5)),
                         (rl.nn.LayerNorm(6), (2, 5)), (rl.nn.Embedding(4, 2), (2, 3)),
                         (rl.nn.ConvTranspose2d(3, 2, 2), (1, 2, 4, 4)),
                         (rl.nn.GroupNorm(2, 4), (1, 3, 2))):
        with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)) as caught:
            rl.nn.ModuleDict({"body": rl.nn.Sequential(rl.nn.Identity(), layer)})["body"](rl.zeros(*shape))
        text = "".join(traceback.format_exception_only(caught.value))
        assert "in 1: " + type(layer).__name__ in text
