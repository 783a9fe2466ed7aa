"""Whole training steps as programs: Rushlight's captured, PyTorch's written, traced or compiled, JAX's jitted."""

from benchmarks.case import add
from benchmarks.cases.networks import LAYOUTS, adversarial_step, arranged
from benchmarks.cases.sequences import SMALL, lstm_classifier
from benchmarks.deploy import Training
from benchmarks.models import models


def supervised(xp, program, network, x, target, optimizer, loss_of=None):
    """One call is forward, loss, backward and update."""
    loss_of = loss_of or xp.nn.functional.cross_entropy

    def make(network):
        def step(x, target):
            optimizer.zero_grad()
            loss = loss_of(network(x), target)
            loss.backward()
            optimizer.step()
            return loss

        return step

    return Training(program, (network,), (x,), make, (x, target))


def mlp(xp):
    model = models(xp.nn).mlp()
    optimizer = xp.optim.Adam(model.parameters(), 1e-3)
    return supervised(xp, "mlp", model, xp.randn(32, 4), xp.randint(0, 2, (32,)), optimizer)


def digits(xp):
    nn = xp.nn
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = xp.optim.Adam(model.parameters(), 1e-3)
    return supervised(xp, "mlp", model, xp.randn(128, 784), xp.randint(0, 10, (128,)), optimizer)


def lenet(xp):
    model = models(xp.nn).lenet()
    optimizer = xp.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return supervised(xp, "lenet", model, xp.randn(64, 1, 28, 28), xp.randint(0, 10, (64,)), optimizer)


def lstm(xp):
    model = lstm_classifier(xp.nn)()
    words, target = xp.randint(0, 20000, (40, 32)), xp.randint(0, 2, (32,))
    return supervised(xp, "lstm", model, words, target, xp.optim.Adam(model.parameters(), 1e-3))


def transformer(xp):
    class Encoder(xp.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = xp.nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
            self.head = xp.nn.Linear(128, 10)

        def forward(self, x):
            return self.head(self.layer(x).mean(1))

    model = Encoder()
    optimizer = xp.optim.AdamW(model.parameters(), 1e-3)
    return supervised(xp, "transformer", model, xp.randn(16, 32, 128), xp.randint(0, 10, (16,)), optimizer)


def encoder(xp, layers, size, heads, tokens, batch):
    nn = xp.nn
    layer = nn.TransformerEncoderLayer(size, heads, 4 * size, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    x, target = xp.randn(batch, tokens, size), xp.randn(batch, tokens, size)
    optimizer = xp.optim.SGD(model.parameters(), lr=0.01)
    return supervised(xp, "encoder", model, x, target, optimizer, nn.functional.mse_loss)


def resnet(xp, network, batch, layout="default"):
    model = getattr(models(xp.nn), network)()
    x, target = xp.randn(batch, 3, 224, 224), xp.randint(0, 1000, (batch,))
    model, x = arranged(xp, model, x, layout)
    optimizer = xp.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return supervised(xp, "resnet", model, x, target, optimizer)


def wavenet(xp, batch, length):
    model = models(xp.nn).wavenet()
    sound = xp.randint(0, 256, (batch, length))
    x = xp.nn.functional.one_hot(sound, 256).transpose(1, 2).to(xp.float32)
    target = sound[:, -(length - model.seen):]
    return supervised(xp, "wavenet", model, x, target, xp.optim.Adam(model.parameters(), 1e-3))


def dcgan(xp, batch):
    """One update of the discriminator, on real and made pictures, and one of the generator."""
    networks = models(xp.nn).dcgan()
    of_generator, of_discriminator = (xp.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in networks)
    loss_of, real, made = xp.nn.BCEWithLogitsLoss(), xp.ones(batch), xp.zeros(batch)
    noise, pictures = xp.randn(batch, 100, 1, 1), xp.rand(batch, 3, 64, 64) * 2 - 1

    def make(generator, discriminator):
        return adversarial_step(generator, discriminator, of_generator, of_discriminator, loss_of, real, made)

    return Training("dcgan", networks, (noise, pictures), make, (noise, pictures))


# The third loss knows two updates. Where rounding grows from step to step (batch norm over few values) the second
# is compared.
FACTS = {"group": "captured", "networks": True, "settled": 3, "compared": 3, "agreement": 1e-3}
RESTLESS = FACTS | {"compared": 2}
add("captured MLP 4-64-2 step, batch 32, Adam", mlp, bar=0.1, quick=True, **FACTS)
add("captured MLP 784-256-256-10 step, batch 128", digits, bar=1.0, **FACTS)
add("captured LeNet step, batch 64", lenet, bar=0.5, quick=True, **FACTS)
add("captured LSTM step", lstm, bar=0.8, **FACTS)
add("captured transformer layer step", transformer, bar=0.8, **FACTS)
add("captured Transformer encoder step, 4 layers of 256", encoder, bar=0.8, options=SMALL, **FACTS)
add("captured DCGAN step, batch 32", dcgan, bar=0.8, options={"batch": 32}, **RESTLESS)
add("captured WaveNet step, batch 2", wavenet, bar=0.6, options={"batch": 2, "length": 4096}, **FACTS)
for network, shown in (("resnet18", "ResNet-18"), ("resnet50", "ResNet-50")):
    add(f"captured {shown} step, batch 8", resnet, bar=0.8, layouts=LAYOUTS, options={"network": network, "batch": 8},
        **RESTLESS)
