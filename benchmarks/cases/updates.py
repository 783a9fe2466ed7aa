"""Updates of optimizers with their default settings: 25 million parameters in 160 tensors; clipping and averaging."""

from benchmarks.case import add
from benchmarks.models import models

FUSED = ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "ASGD", "Rprop",
         "Adafactor")


def with_gradients(xp, parameters):
    parameters = list(parameters)
    for parameter in parameters:
        parameter.grad = xp.randn(*parameter.shape) * 0.01
    return parameters


def resnet_parameters(xp):
    return with_gradients(xp, models(xp.nn).resnet50().parameters())


def update(xp, name, **options):
    optimizer = getattr(xp.optim, name)(resnet_parameters(xp), **options)
    optimizer.step()
    return optimizer.step


def muon(xp):
    matrices = [xp.nn.Parameter(xp.randn(400, 400)) for _ in range(160)]
    optimizer = xp.optim.Muon(with_gradients(xp, matrices))
    optimizer.step()
    return optimizer.step


def lbfgs(xp):
    parameters = resnet_parameters(xp)
    slopes = [xp.rand(*parameter.shape) for parameter in parameters]
    optimizer = xp.optim.LBFGS(parameters, max_iter=4, lr=0.1)

    def closure():
        for parameter, slope in zip(parameters, slopes):
            xp.mul(parameter.detach(), slope, out=parameter.grad)
        return 1.0

    return lambda: optimizer.step(closure)


def clip(xp):
    parameters = resnet_parameters(xp)
    return lambda: xp.nn.utils.clip_grad_norm_(parameters, 1e9)


def average(xp):
    model = models(xp.nn).resnet50()
    averaged = xp.optim.swa_utils.AveragedModel(model, multi_avg_fn=xp.optim.swa_utils.get_ema_multi_avg_fn())
    averaged.update_parameters(model)
    return lambda: averaged.update_parameters(model)


FACTS = {"group": "updates", "bar": 0.7}
for name in FUSED:
    add(f"{name} update, 25 M parameters", update, options={"name": name}, **FACTS)
add("SGD with momentum update, 25 M parameters", update, options={"name": "SGD", "momentum": 0.9}, **FACTS)
add("Muon update, 160 matrices 400x400", muon, **FACTS)
add("LBFGS update of 4 iterations, 25 M parameters", lbfgs, **FACTS)
add("clip_grad_norm_, 25 M parameters", clip, **FACTS)
add("averaged model update, 25 M parameters", average, **FACTS)
