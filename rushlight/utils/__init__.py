"""Tools around tensors and networks, loaded at first use: data, and what else PyTorch keeps here."""
from importlib import import_module

_PARTS = ("checkpoint", "data", "dlpack", "hooks", "inspect", "tensorboard")


def __getattr__(name):
    if name in _PARTS:
        return import_module(f"rushlight.utils.{name}")
    raise AttributeError(f"module 'rushlight.utils' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *_PARTS})
