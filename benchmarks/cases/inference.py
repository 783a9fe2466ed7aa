"""Inference as it is deployed: each peer runs the same network in the way that it recommends for that."""

from functools import cache
from types import SimpleNamespace

from benchmarks.case import add
from benchmarks.cases.sequences import lstm_classifier
from benchmarks.deploy import Network
from benchmarks.models import models


@cache
def transformers(nn):
    """The classes Encoder (BERT's) and Decoder (GPT-2's, one token after `past` others) for this `nn`."""

    def heads(t, count):
        batch, tokens, size = t.shape
        return t.reshape(batch, tokens, count, size // count).transpose(1, 2)

    class Attention(nn.Module):
        def __init__(self, size, count):
            super().__init__()
            self.count = count
            self.query, self.key, self.value, self.out = (nn.Linear(size, size) for _ in range(4))

        def forward(self, x, past=None):
            q, k, v = (heads(part(x), self.count) for part in (self.query, self.key, self.value))
            if past is not None:
                cat = past["cat"]
                k, v = cat([past["key"], k], 2), cat([past["value"], v], 2)
            scores = q @ k.transpose(2, 3) * (q.shape[3] ** -0.5)
            y = (scores.softmax(-1) @ v).transpose(1, 2)
            return self.out(y.reshape(x.shape))

    def feed_forward(size):
        return nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    class EncoderLayer(nn.Module):
        def __init__(self, size, count):
            super().__init__()
            self.attention, self.wide = Attention(size, count), feed_forward(size)
            self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)

        def forward(self, x):
            x = self.norm1(x + self.attention(x))
            return self.norm2(x + self.wide(x))

    class Encoder(nn.Module):
        def __init__(self, layers, size, count, tokens):
            super().__init__()
            self.words, self.places = nn.Embedding(30522, size), nn.Embedding(512, size)
            self.tokens, self.norm = tokens, nn.LayerNorm(size)
            self.layers = nn.ModuleList(EncoderLayer(size, count) for _ in range(layers))

        def forward(self, words):
            x = self.norm(self.words(words) + self.places.weight[:self.tokens])
            for layer in self.layers:
                x = layer(x)
            return x

    class DecoderLayer(nn.Module):
        def __init__(self, size, count):
            super().__init__()
            self.attention, self.wide = Attention(size, count), feed_forward(size)
            self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)

        def forward(self, x, past):
            x = x + self.attention(self.norm1(x), past)
            return x + self.wide(self.norm2(x))

    class Decoder(nn.Module):
        def __init__(self, cat, layers=12, size=768, count=12):
            super().__init__()
            self.cat = cat
            self.words, self.places = nn.Embedding(50257, size), nn.Embedding(1024, size)
            self.layers = nn.ModuleList(DecoderLayer(size, count) for _ in range(layers))
            self.norm = nn.LayerNorm(size)
            self.head = nn.Linear(size, 50257, bias=False)

        def forward(self, word, place, keys, values):
            x = self.words(word) + self.places(place)
            for i, layer in enumerate(self.layers):
                x = layer(x, {"cat": self.cat, "key": keys[i], "value": values[i]})
            return self.head(self.norm(x))

    return SimpleNamespace(Encoder=Encoder, Decoder=Decoder)


def mlp(xp, batch):
    return Network(models(xp.nn).mlp().eval(), (xp.randn(batch, 4),))


def digits(xp):
    nn = xp.nn
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    return Network(model.eval(), (xp.randn(128, 784),))


def picture(xp, network, batch, size=224, channels=3):
    return Network(getattr(models(xp.nn), network)().eval(), (xp.randn(batch, channels, size, size),))


def lstm(xp):
    return Network(lstm_classifier(xp.nn)().eval(), (xp.randint(0, 20000, (40, 32)),))


def encoder(xp, layers, size, heads, tokens, batch):
    model = transformers(xp.nn).Encoder(layers, size, heads, tokens).eval()
    return Network(model, (xp.randint(0, 30522, (batch, tokens)),))


def decoder(xp, past=128):
    model = transformers(xp.nn).Decoder(xp.cat).eval()
    keys, values = xp.randn(12, 1, 12, past, 64), xp.randn(12, 1, 12, past, 64)
    return Network(model, (xp.randint(0, 50257, (1, 1)), xp.full((1, 1), past), keys, values))


def generator(xp):
    return Network(models(xp.nn).dcgan()[0].eval(), (xp.randn(32, 100, 1, 1),))


def wavenet(xp):
    model = models(xp.nn).wavenet().eval()
    return Network(model, (xp.randn(2, 256, 4096),))


CASES = {
    "MLP 4-64-2, batch 1": (mlp, {"batch": 1}),
    "MLP 4-64-2, batch 32": (mlp, {"batch": 32}),
    "MLP 784-256-256-10, batch 128": (digits, {}),
    "LeNet, batch 64": (picture, {"network": "lenet", "batch": 64, "size": 28, "channels": 1}),
    "ResNet-18, batch 1": (picture, {"network": "resnet18", "batch": 1}),
    "ResNet-18, batch 8": (picture, {"network": "resnet18", "batch": 8}),
    "ResNet-50, batch 1": (picture, {"network": "resnet50", "batch": 1}),
    "ResNet-50, batch 8": (picture, {"network": "resnet50", "batch": 8}),
    "LSTM classifier, batch 32": (lstm, {}),
    "BERT 4 layers of 256, batch 16": (encoder, {"layers": 4, "size": 256, "heads": 4, "tokens": 128, "batch": 16}),
    "BERT-base, batch 1": (encoder, {"layers": 12, "size": 768, "heads": 12, "tokens": 128, "batch": 1}),
    "GPT-2, one token": (decoder, {}),
    "DCGAN generator, batch 32": (generator, {}),
    "WaveNet, batch 2": (wavenet, {}),
}
for name, (build, options) in CASES.items():
    add(f"deployed {name}", build, group="inference", bar=1.0, options=options, networks=True)
