"""Whole training steps as captured programs: Rushlight compiled, PyTorch as it is written, JAX jitted, by hand."""

from benchmarks.case import add
from benchmarks.cases.sequences import lstm_classifier
from benchmarks.models import models


def captured_step(xp, model, x, target, optimizer):
    """One call is forward, loss, backward and update."""

    def step(x, target):
        optimizer.zero_grad()
        loss = xp.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    if xp.__name__ == "rushlight":
        step = xp.compile(step, fullgraph=True)
    return "step(x, target)", {"step": step, "x": x, "target": target}


def mlp(xp):
    if hasattr(xp, "jitted"):
        return xp.jitted.mlp_step()
    model = models(xp.nn).mlp()
    return captured_step(xp, model, xp.randn(32, 4), xp.randint(0, 2, (32,)), xp.optim.Adam(model.parameters(), 1e-3))


def lenet(xp):
    model = models(xp.nn).lenet()
    optimizer = xp.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return captured_step(xp, model, xp.randn(64, 1, 28, 28), xp.randint(0, 10, (64,)), optimizer)


def lstm(xp):
    model = lstm_classifier(xp.nn)()
    return captured_step(xp, model, xp.randint(0, 20000, (40, 32)), xp.randint(0, 2, (32,)),
                         xp.optim.Adam(model.parameters(), 1e-3))


def transformer(xp):
    class Encoder(xp.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = xp.nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
            self.head = xp.nn.Linear(128, 10)

        def forward(self, x):
            return self.head(self.layer(x).mean(1))

    model = Encoder()
    return captured_step(xp, model, xp.randn(16, 32, 128), xp.randint(0, 10, (16,)),
                         xp.optim.AdamW(model.parameters(), 1e-3))


add("captured MLP 4-64-2 step, batch 32, Adam", mlp, group="captured", bar=0.1, quick=True)
add("captured LeNet step, batch 64", lenet, group="captured", bar=0.5, quick=True)
add("captured LSTM step", lstm, group="captured", bar=0.8)
add("captured transformer layer step", transformer, group="captured", bar=0.8)
