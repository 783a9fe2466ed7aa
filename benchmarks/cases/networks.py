"""Whole programs: training steps and inference."""

from benchmarks.case import add
from benchmarks.models import models

LAYOUTS = ("default", "channels_last")


def training_step(xp, model, x, target, optimizer):
    """Forward, loss, backward, update; returns the loss, so that the peers' answers can be compared."""

    def step():
        optimizer.zero_grad()
        loss = xp.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return step


def mlp_step(xp):
    model = models(xp.nn).mlp()
    optimizer = xp.optim.Adam(model.parameters(), lr=1e-3)
    return training_step(xp, model, xp.randn(32, 4), xp.randint(0, 2, (32,)), optimizer)


def lenet_step(xp):
    model = models(xp.nn).lenet()
    optimizer = xp.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return training_step(xp, model, xp.randn(64, 1, 28, 28), xp.randint(0, 10, (64,)), optimizer)


def arranged(xp, model, x, layout):
    if layout != "channels_last":
        return model, x
    return model.to(memory_format=xp.channels_last), x.contiguous(memory_format=xp.channels_last)


def resnet_step(xp, network, batch, layout="default"):
    model = getattr(models(xp.nn), network)()
    x, target = xp.randn(batch, 3, 224, 224), xp.randint(0, 1000, (batch,))
    model, x = arranged(xp, model, x, layout)
    optimizer = xp.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return training_step(xp, model, x, target, optimizer)


def resnet_inference(xp, network, batch, layout="default"):
    model, x = arranged(xp, getattr(models(xp.nn), network)().eval(), xp.randn(batch, 3, 224, 224), layout)

    def infer():
        with xp.no_grad():
            return model(x)

    return infer


add("MLP 4-64-2 step, batch 32, Adam", mlp_step, group="networks", bar=0.25, quick=True)
add("LeNet step, batch 64", lenet_step, group="networks", bar=0.5, quick=True)
for network, shown in (("resnet18", "ResNet-18"), ("resnet50", "ResNet-50")):
    facts = {"group": "networks", "layouts": LAYOUTS}
    step_bar, infer_bar = (0.8, 0.7) if network == "resnet50" else (None, None)
    add(f"{shown} step, batch 8", resnet_step, bar=step_bar, options={"network": network, "batch": 8}, **facts)
    for batch in (1, 8):
        options = {"network": network, "batch": batch}
        add(f"{shown} inference, batch {batch}", resnet_inference, bar=infer_bar, options=options, **facts)
