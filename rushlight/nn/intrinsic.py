"""Layers that belong together: what `quantization.fuse_modules` makes, and how they are trained for quantization."""
from rushlight.nn import functional as F
from rushlight.nn.modules import activation, batchnorm, container, conv, linear
from rushlight.nn.modules.module import Module

__all__ = ["ConvBn1d", "ConvBn2d", "ConvBn3d", "ConvBnReLU1d", "ConvBnReLU2d", "ConvBnReLU3d", "ConvReLU1d",
           "ConvReLU2d", "ConvReLU3d", "LinearReLU", "TrainedConv", "TrainedLinear"]


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

    return type(name, (_Fused,), {"__init__": __init__, "__doc__": text, "__module__": __name__})


ConvReLU1d, ConvReLU2d, ConvReLU3d = (
    _fused(f"ConvReLU{i + 1}d", kind, activation.ReLU) for i, kind in enumerate(_convolutions))
ConvBn1d, ConvBn2d, ConvBn3d = (
    _fused(f"ConvBn{i + 1}d", kind, _norms[i]) for i, kind in enumerate(_convolutions))
ConvBnReLU1d, ConvBnReLU2d, ConvBnReLU3d = (
    _fused(f"ConvBnReLU{i + 1}d", kind, _norms[i], activation.ReLU) for i, kind in enumerate(_convolutions))
LinearReLU = _fused("LinearReLU", linear.Linear, activation.ReLU)


class _Trained(Module):
    # Computes with the weight as it will be rounded; the weight itself keeps its precision.

    def __init__(self, layer, relu, qconfig):
        super().__init__()
        self.layer, self.relu, self.qconfig = layer, relu, qconfig
        self.weight_fake_quant = qconfig.weight()

    @property
    def weight(self):
        """The layer's weight (Tensor)."""
        return self.layer.weight

    @property
    def bias(self):
        """The layer's bias (Tensor), or None."""
        return self.layer.bias

    def _ended(self, y):
        return y.relu() if self.relu else y


class TrainedLinear(_Trained):
    """`nn.Linear`, with or without ReLU, in quantization-aware training.

    Args:
        layer (nn.Linear): the layer.
        relu (bool): whether a ReLU follows.
        qconfig (QConfig): whose `weight` makes the FakeQuantize of the weight.

    Shape:
        As `nn.Linear`.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.intrinsic.TrainedLinear(rl.nn.Linear(3, 2), True, rl.quantization.default_qat_qconfig)
        >>> layer(rl.ones(5, 3)).shape
        rushlight.Size([5, 2])
    """

    def forward(self, input):
        return self._ended(F.linear(input, self.weight_fake_quant(self.weight), self.bias))


class TrainedConv(_Trained):
    """A convolution, with or without batch norm and ReLU, in quantization-aware training.

    With batch norm, the weight is rounded as it will be once the norm is folded into it: times gamma / sqrt(running
    variance + eps). The product is divided by that again, so that the norm sees the batch's own statistics.

    Args:
        layer (nn.Conv1d | nn.Conv2d | nn.Conv3d): the convolution.
        norm (Module, optional): its batch norm.
        relu (bool): whether a ReLU follows.
        qconfig (QConfig): whose `weight` makes the FakeQuantize of the weight.

    Shape:
        As the convolution.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.intrinsic.TrainedConv(rl.nn.Conv1d(2, 3, 3), rl.nn.BatchNorm1d(3), True,
        ...                                     rl.quantization.default_qat_qconfig)
        >>> layer(rl.ones(4, 2, 5)).shape
        rushlight.Size([4, 3, 3])
    """

    def __init__(self, layer, norm, relu, qconfig):
        super().__init__(layer, relu, qconfig)
        self.norm = norm

    def forward(self, input):
        if self.norm is None:
            weight = self.weight_fake_quant(self.weight)
            return self._ended(self.layer._conv_forward(input, weight, self.bias))
        norm, along = self.norm, [1, -1] + [1] * (self.weight.dim() - 2)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = self.weight_fake_quant(self.weight * scale.reshape([-1] + [1] * (self.weight.dim() - 1)))
        product = self.layer._conv_forward(input, weight, None) / scale.reshape(along)
        return self._ended(norm(product if self.bias is None else product + self.bias.reshape(along)))
