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


def adversarial_step(generator, discriminator, of_generator, of_discriminator, loss_of, real, made):
    """One update of the discriminator, on real and made pictures, and one of the generator; gives the former's loss."""

    def step(noise, pictures):
        of_discriminator.zero_grad()
        fakes = generator(noise)
        loss = loss_of(discriminator(pictures), real) + loss_of(discriminator(fakes.detach()), made)
        loss.backward()
        of_discriminator.step()
        of_generator.zero_grad()
        loss_of(discriminator(fakes), real).backward()
        of_generator.step()
        return loss

    return step


def dcgan_step(xp, batch):
    """One update of the discriminator, on real and made pictures, and one of the generator."""
    generator, discriminator = models(xp.nn).dcgan()
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
    of_generator = xp.optim.Adam(generator.parameters(), **adam)
    of_discriminator = xp.optim.Adam(discriminator.parameters(), **adam)
    pictures, loss_of = xp.rand(batch, 3, 64, 64) * 2 - 1, xp.nn.BCEWithLogitsLoss()
    real, made = xp.ones(batch), xp.zeros(batch)
    noise = xp.randn(batch, 100, 1, 1)

    step = adversarial_step(generator, discriminator, of_generator, of_discriminator, loss_of, real, made)
    return lambda: step(noise, pictures)


def wavenet_step(xp, batch, length):
    model = models(xp.nn).wavenet()
    optimizer = xp.optim.Adam(model.parameters(), lr=1e-3)
    sound = xp.randint(0, 256, (batch, length))
    x = xp.nn.functional.one_hot(sound, 256).transpose(1, 2).to(xp.float32)
    return training_step(xp, model, x, sound[:, -(length - model.seen):], optimizer)


add("MLP 4-64-2 step, batch 32, Adam", mlp_step, group="networks", bar=0.25, quick=True)
add("LeNet step, batch 64", lenet_step, group="networks", bar=0.5, quick=True)
add("DCGAN step, 64x64, batch 32", dcgan_step, group="networks", bar=0.8, options={"batch": 32})
add("WaveNet step, 4096 samples, batch 2", wavenet_step, group="networks", bar=0.6,
    options={"batch": 2, "length": 4096})
for network, shown in (("resnet18", "ResNet-18"), ("resnet50", "ResNet-50")):
    facts = {"group": "networks", "layouts": LAYOUTS}
    step_bar, infer_bar = 0.8, 0.7 if network == "resnet50" else None
    add(f"{shown} step, batch 8", resnet_step, bar=step_bar, options={"network": network, "batch": 8}, **facts)
    for batch in (1, 8):
        options = {"network": network, "batch": batch}
        add(f"{shown} inference, batch {batch}", resnet_inference, bar=infer_bar, options=options, **facts)
