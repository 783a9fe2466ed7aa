"""Training steps as JAX's users write them: pure functions of parameters and state, jitted, whose memory is reused.

Each program starts from the weights and inputs that the other peers start from, so that its losses are comparable.
Pictures and sounds have their channels last, kernels too, which is how XLA's convolutions are fast.
"""

from collections.abc import Callable
from functools import partial

import numpy


class Layers:
    """The layers over parameters with the names of the other peers' modules; `state` takes running means."""

    def __init__(self, jax, parameters, state):
        self.jax, self.np, self.parameters, self.state = jax, jax.numpy, parameters, dict(state)

    def of(self, name: str, *parts: str) -> list:
        return [self.parameters.get(f"{name}.{part}") for part in parts or ("weight", "bias")]

    def linear(self, name, x):
        weight, bias = self.of(name)
        return x @ weight.T if bias is None else x @ weight.T + bias

    def conv(self, name, x, stride=1, padding=0, dilation=1, up=1):
        """`up` spreads the input, as the transposed convolution does whose kernels `arrays` turned round."""
        weight, bias = self.of(name)
        places = x.ndim - 2
        letters = ("NWC", "WIO", "NWC") if places == 1 else ("NHWC", "HWIO", "NHWC")
        y = self.jax.lax.conv_general_dilated(
            x, weight, (stride,) * places, [(padding, padding)] * places, (up,) * places, (dilation,) * places, letters)
        return y if bias is None else y + bias

    def norm(self, name, x):
        """Batch norm in training."""
        weight, bias = self.of(name)
        axes = tuple(range(x.ndim - 1))
        mean, var = self.np.mean(x, axes), self.np.var(x, axes)
        count = x.size // x.shape[-1]
        for part, new in (("running_mean", mean), ("running_var", var * (count / (count - 1)))):
            self.state[f"{name}.{part}"] = 0.9 * self.state[f"{name}.{part}"] + 0.1 * new
        return (x - mean) * (weight * self.jax.lax.rsqrt(var + 1e-5)) + bias

    def layer_norm(self, name, x):
        weight, bias = self.of(name)
        mean, var = self.np.mean(x, -1, keepdims=True), self.np.var(x, -1, keepdims=True)
        return (x - mean) * self.jax.lax.rsqrt(var + 1e-5) * weight + bias

    def relu(self, x):
        return self.jax.nn.relu(x)

    def pool(self, x, size, stride, padding=0):
        window, steps = (1, size, size, 1), (1, stride, stride, 1)
        edges = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
        return self.jax.lax.reduce_window(x, -numpy.inf, self.jax.lax.max, window, steps, edges)

    def cross_entropy(self, scores, target):
        """Of scores whose classes are last."""
        chosen = self.np.take_along_axis(self.jax.nn.log_softmax(scores), target[..., None], -1)
        return -self.np.mean(chosen)

    def encoder_layer(self, name, x, heads=4):
        """TransformerEncoderLayer without dropout."""
        batch, tokens, size = x.shape
        weight, bias = self.of(f"{name}.self_attn", "in_proj_weight", "in_proj_bias")
        parts = (x @ weight.T + bias).reshape(batch, tokens, 3, heads, size // heads)
        q, k, v = (parts[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
        weights = self.jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) * (size // heads) ** -0.5)
        mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(x.shape)
        x = self.layer_norm(f"{name}.norm1", x + self.linear(f"{name}.self_attn.out_proj", mixed))
        wide = self.relu(self.linear(f"{name}.linear1", x))
        return self.layer_norm(f"{name}.norm2", x + self.linear(f"{name}.linear2", wide))


def sgd(jax, lr=0.01, momentum=0.0):
    """(the state of parameters, a function of parameters, gradients and state that gives the new ones)."""

    def begin(parameters):
        return jax.tree.map(jax.numpy.zeros_like, parameters) if momentum else ()

    def update(parameters, grads, speeds):
        if momentum:
            grads = speeds = jax.tree.map(lambda v, g: momentum * v + g, speeds, grads)
        return jax.tree.map(lambda p, g: p - lr * g, parameters, grads), speeds

    return begin, update


def adam(jax, lr=1e-3, betas=(0.9, 0.999), decay=0.0):
    np, (a, b) = jax.numpy, betas

    def begin(parameters):
        return *(jax.tree.map(np.zeros_like, parameters) for _ in range(2)), np.zeros(())

    def update(parameters, grads, state):
        means, squares, count = state
        count = count + 1
        means = jax.tree.map(lambda m, g: a * m + (1 - a) * g, means, grads)
        squares = jax.tree.map(lambda s, g: b * s + (1 - b) * g * g, squares, grads)

        def moved(p, m, s):
            return p * (1 - lr * decay) - lr * (m / (1 - a**count)) / (np.sqrt(s / (1 - b**count)) + 1e-8)

        return jax.tree.map(moved, parameters, means, squares), (means, squares, count)

    return begin, update


def mlp(layers, x):
    names = sorted(name for name in layers.parameters if name.endswith("weight"))
    for name in names[:-1]:
        x = layers.relu(layers.linear(name.removesuffix(".weight"), x))
    return layers.linear(names[-1].removesuffix(".weight"), x)


def lenet(layers, x):
    x = layers.pool(layers.relu(layers.conv("0", x, padding=2)), 2, 2)
    x = layers.pool(layers.relu(layers.conv("3", x)), 2, 2)
    x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
    for name in ("7", "9"):
        x = layers.relu(layers.linear(name, x))
    return layers.linear("11", x)


def lstm(layers, words):
    jax, np = layers.jax, layers.np
    x = layers.parameters["embedding.weight"][words]
    wide, deep, *biases = layers.of("encoder", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    gates = x @ wide.T + sum(biases)

    def cell(carry, gates):
        h, c = carry
        i, f, g, o = np.split(gates + h @ deep.T, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * np.tanh(g)
        return (jax.nn.sigmoid(o) * np.tanh(c), c), None

    zeros = np.zeros((words.shape[1], deep.shape[1]))
    (hidden, _), _ = jax.lax.scan(cell, (zeros, zeros), gates)
    return layers.linear("predictor", hidden)


def transformer(layers, x):
    return layers.linear("head", layers.np.mean(layers.encoder_layer("layer", x), 1))


def resnet(layers, x):
    x = layers.relu(layers.norm("bn1", layers.conv("conv1", x, 2, 3)))
    x = layers.pool(x, 3, 2, 1)
    blocks = {name.split(".")[1] for name in layers.parameters if name.startswith("stages.")}
    for index in range(len(blocks)):
        x = residual(layers, f"stages.{index}", x, index)
    return layers.linear("fc", layers.np.mean(x, (1, 2)))


def residual(layers, name, x, index):
    """A block of either kind; those that lead into a stage are known by their shortcut."""
    shortcut = f"{name}.downsample.0.weight" in layers.parameters
    stride = 2 if shortcut and index else 1
    deep = f"{name}.conv3.weight" in layers.parameters
    places = [(1, 0), (stride, 1), (1, 0)] if deep else [(stride, 1), (1, 1)]
    y = x
    for i, (step, padding) in enumerate(places, 1):
        y = layers.norm(f"{name}.bn{i}", layers.conv(f"{name}.conv{i}", y, step, padding))
        y = layers.relu(y) if i < len(places) else y
    if shortcut:
        x = layers.norm(f"{name}.downsample.1", layers.conv(f"{name}.downsample.0", x, stride))
    return layers.relu(y + x)


def wavenet(layers, x):
    jax, np = layers.jax, layers.np
    blocks = len({name.split(".")[1] for name in layers.parameters if name.startswith("blocks.")})
    dilations = [2 ** (index % 10) for index in range(blocks)]
    length, total = x.shape[1] - sum(dilations) - 1, 0
    x = layers.conv("causal", x)
    for index, dilation in enumerate(dilations):
        name = f"blocks.{index}"
        y = np.tanh(layers.conv(f"{name}.filter", x, dilation=dilation))
        y = y * jax.nn.sigmoid(layers.conv(f"{name}.gate", x, dilation=dilation))
        x = layers.conv(f"{name}.residual", y) + x[:, -y.shape[1]:]
        total = layers.conv(f"{name}.skip", y[:, -length:]) + total
    return layers.conv("head.3", layers.relu(layers.conv("head.1", layers.relu(total))))


def generator(layers, x):
    for index, (padding, up) in enumerate([(3, 1), (2, 2), (2, 2), (2, 2)]):
        x = layers.relu(layers.norm(f"{3 * index + 1}", layers.conv(f"{3 * index}", x, padding=padding, up=up)))
    return layers.np.tanh(layers.conv("12", x, padding=2, up=2))


def discriminator(layers, x):
    leaky = partial(layers.jax.nn.leaky_relu, negative_slope=0.2)
    x = leaky(layers.conv("0", x, 2, 1))
    for index in (2, 5, 8):
        x = leaky(layers.norm(f"{index + 1}", layers.conv(f"{index}", x, 2, 1)))
    return layers.conv("11", x).reshape(-1)


def encoder(layers, x):
    names = sorted({name[: len("layers.0")] for name in layers.parameters})
    for name in names:
        x = layers.encoder_layer(name, x)
    return x


def arrays(jax, weights: dict, up: bool) -> tuple[dict, dict]:
    """A network's state as parameters and running values; `up` says that its convolutions are transposed ones."""
    parameters, running = {}, {}
    for name, value in weights.items():
        if value.ndim == 3:
            value = value.transpose(2, 1, 0)
        if value.ndim == 4:
            value = value[:, :, ::-1, ::-1].transpose(2, 3, 0, 1) if up else value.transpose(2, 3, 1, 0)
        if not name.endswith("num_batches_tracked"):
            (running if "running_" in name else parameters)[name] = jax.numpy.asarray(value.copy())
    return parameters, running


def channels_last(jax, value):
    """An input of a convolution as JAX likes it; others as they are."""
    if value.dtype == numpy.int64:
        value = value.astype(numpy.int32)
    return jax.numpy.asarray(numpy.moveaxis(value, 1, -1).copy() if value.ndim == 4 else value)


def repeated(jax, update, state, inputs):
    """A step without arguments over state whose memory each call gives back."""
    jitted = jax.jit(update, donate_argnums=0)

    def step():
        nonlocal state
        state, loss = jitted(state, *inputs)
        return loss

    return step


def supervised(network, rule, loss_of=Layers.cross_entropy):
    """The program of a network that learns targets."""

    def program(jax, weights, x, target):
        parameters, running = arrays(jax, weights[0], False)
        begin, move = rule(jax)

        def forward(parameters, running, x, target):
            layers = Layers(jax, parameters, running)
            return loss_of(layers, network(layers, x), target), layers.state

        def update(state, x, target):
            parameters, running, rest = state
            (loss, running), grads = jax.value_and_grad(forward, has_aux=True)(parameters, running, x, target)
            parameters, rest = move(parameters, grads, rest)
            return (parameters, running, rest), loss

        return repeated(jax, update, (parameters, running, begin(parameters)),
                        (channels_last(jax, x), channels_last(jax, target)))

    return program


def sound(program):
    """The program with its sound's channels last."""
    return lambda jax, weights, x, target: program(jax, weights, numpy.moveaxis(x, 1, -1).copy(), target)


def dcgan(jax, weights, noise, pictures):
    """One update of the discriminator, on real and made pictures, and one of the generator."""
    begin, move = adam(jax, 2e-4, (0.5, 0.999))
    (maker, maker_running), (judge, judge_running) = arrays(jax, weights[0], True), arrays(jax, weights[1], False)

    def judged(parameters, running, x, real):
        layers = Layers(jax, parameters, running)
        scores = discriminator(layers, x)
        return jax.numpy.mean(jax.nn.softplus(-scores if real else scores)), layers.state

    def judge_loss(parameters, running, pictures, fakes):
        real, running = judged(parameters, running, pictures, True)
        made, running = judged(parameters, running, fakes, False)
        return real + made, running

    def update(state, noise, pictures):
        maker, maker_running, maker_rest, judge, running, judge_rest = state

        def made(parameters):
            layers = Layers(jax, parameters, maker_running)
            return generator(layers, noise), layers.state

        fakes, back, maker_running = jax.vjp(made, maker, has_aux=True)
        (loss, running), grads = jax.value_and_grad(judge_loss, has_aux=True)(judge, running, pictures, fakes)
        judge, judge_rest = move(judge, grads, judge_rest)
        slope, running = jax.grad(lambda fakes: judged(judge, running, fakes, True), has_aux=True)(fakes)
        maker, maker_rest = move(maker, back(slope)[0], maker_rest)
        return (maker, maker_running, maker_rest, judge, running, judge_rest), loss

    state = (maker, maker_running, begin(maker), judge, judge_running, begin(judge))
    return repeated(jax, update, state, (channels_last(jax, noise), channels_last(jax, pictures)))


def squared_error(layers, y, target):
    return layers.np.mean((y - target) ** 2)


MOMENTUM = partial(sgd, momentum=0.9)
PROGRAMS: dict[str, Callable] = {
    "mlp": supervised(mlp, adam), "lenet": supervised(lenet, MOMENTUM), "lstm": supervised(lstm, adam),
    "transformer": supervised(transformer, partial(adam, decay=0.01)), "dcgan": dcgan,
    "encoder": supervised(encoder, sgd, squared_error), "resnet": supervised(resnet, MOMENTUM),
    "wavenet": sound(supervised(wavenet, adam)),
}  # fmt: skip


def train(jax):
    """Runs the program that carries the training's name, from the same weights."""

    def run(training):
        states = [network.state_dict() for network in training.networks]
        weights = [{name: value.numpy() for name, value in state.items()} for state in states]
        return PROGRAMS[training.program](jax, weights, *(value.numpy() for value in training.inputs))

    return run
