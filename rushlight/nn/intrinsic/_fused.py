"""Layers in a row that belong together."""
from rushlight.nn.modules import activation, batchnorm, container, conv, linear

_convolutions = (conv.Conv1d, conv.Conv2d, conv.Conv3d)
_norms = (batchnorm.BatchNorm1d, batchnorm.BatchNorm2d, batchnorm.BatchNorm3d)


class _Fused(container.Sequential):
    """Modules in a row that are quantized as one."""


def _fused(name, *kinds):
    layers = ", ".join("rl.nn." + ("ReLU()" if kind is activation.ReLU else f"{kind.__name__}(2)" if kind in _norms else
                                   f"{kind.__name__}(3, 2)" if kind is linear.Linear else f"{kind.__name__}(3, 2, 1)")
                       for kind in kinds)
    words = " and ".join(f"`nn.{kind.__name__}`" for kind in kinds)
    text = f"""{words}, quantized as one.

    Args:
        modules (Module): these, in this order.

    Raises:
        TypeError: they are others.

    Example:
        >>> import rushlight as rl
        >>> len(rl.nn.intrinsic.{name}({layers}))
        {len(kinds)}
    """

    def __init__(self, *modules):
        if len(modules) != len(kinds) or not all(map(isinstance, modules, kinds)):
            raise TypeError(f"{name}: modules are {', '.join(type(m).__name__ for m in modules)}; expected {words}")
        container.Sequential.__init__(self, *modules)

    return type(name, (_Fused,), {"__init__": __init__, "__doc__": text, "__module__": "rushlight.nn.intrinsic"})


ConvReLU1d, ConvReLU2d, ConvReLU3d = (
    _fused(f"ConvReLU{i + 1}d", kind, activation.ReLU) for i, kind in enumerate(_convolutions))
ConvBn1d, ConvBn2d, ConvBn3d = (
    _fused(f"ConvBn{i + 1}d", kind, _norms[i]) for i, kind in enumerate(_convolutions))
ConvBnReLU1d, ConvBnReLU2d, ConvBnReLU3d = (
    _fused(f"ConvBnReLU{i + 1}d", kind, _norms[i], activation.ReLU) for i, kind in enumerate(_convolutions))
LinearReLU = _fused("LinearReLU", linear.Linear, activation.ReLU)
