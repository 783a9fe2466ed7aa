"""Layers that belong together in quantization-aware training."""
import math

from rushlight.functional._core import core
from rushlight.nn import init, qat
from rushlight.nn.intrinsic import _fused
from rushlight.nn.modules import activation, batchnorm
from rushlight.nn.parameter import Parameter
from rushlight.nn.utils.fusion import fuse_conv_bn_weights

__all__ = ["ConvBn1d", "ConvBn2d", "ConvBn3d", "ConvBnReLU1d", "ConvBnReLU2d", "ConvBnReLU3d", "ConvReLU1d",
           "ConvReLU2d", "ConvReLU3d", "LinearReLU", "freeze_bn_stats", "update_bn_stats"]


class _EndedByReLU:
    # Subclasses set `_plainly`, the type of what goes before the ReLU, and `_pair`, the type of both.

    def forward(self, input):
        return super().forward(input).relu()

    def to_float(self):
        return self._pair(self._plain(self._plainly), activation.ReLU()).train(self.training)


class LinearReLU(_EndedByReLU, qat.Linear):
    """`nn.Linear` and `nn.ReLU` in quantization-aware training.

    Args:
        in_features, out_features, bias, qconfig: see `nn.qat.Linear`.

    Shape:
        As `nn.Linear`.

    Raises:
        AssertionError: there is no `qconfig`.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.intrinsic.qat.LinearReLU(3, 2, qconfig=rl.quantization.default_qat_qconfig)
        >>> layer(rl.ones(5, 3)).shape
        rushlight.Size([5, 2])
    """

    _float = _pair = _fused.LinearReLU
    _plainly = qat.Linear._float

    def __init__(self, in_features, out_features, bias=True, qconfig=None):
        super().__init__(in_features, out_features, bias, qconfig)


class _ConvReLU(_EndedByReLU):

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", qconfig=None):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         qconfig)


class _ConvBn:
    # The weight is rounded as it will be once the norm is folded into it: times gamma / sqrt(running variance + eps).
    # The product is divided by that again, so that the norm sees the batch's own statistics.

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=None,
                 padding_mode="zeros", eps=1e-05, momentum=0.1, freeze_bn=False, qconfig=None):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, False, padding_mode,
                         qconfig)
        self.bn = self._norm(out_channels, eps, momentum)
        if bias:
            self.bias = Parameter(core.empty(out_channels))
        self.reset_bn_parameters()
        (self.freeze_bn_stats if freeze_bn else self.update_bn_stats)()

    def reset_running_stats(self):
        """Forget the norm's running statistics."""
        self.bn.reset_running_stats()

    def reset_bn_parameters(self):
        """Draw the norm's weight, and the bias; the norm's bias becomes 0, its statistics are forgotten."""
        self.reset_running_stats()
        init.uniform_(self.bn.weight)
        init.zeros_(self.bn.bias)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            init.uniform_(self.bias, -bound, bound)

    def update_bn_stats(self):
        """Let the norm use and follow each batch's statistics."""
        self.freeze_bn = False
        self.bn.training = True
        return self

    def freeze_bn_stats(self):
        """Let the norm use its running statistics as they are, in training mode too."""
        self.freeze_bn = True
        self.bn.training = False
        return self

    def train(self, mode=True):
        self.training = mode
        for module in self.children():
            if not (module is self.bn and self.freeze_bn):
                module.train(mode)
        return self

    def forward(self, input):
        bn, along = self.bn, [1, -1] + [1] * (self.weight.dim() - 2)
        scale = bn.weight / (bn.running_var + bn.eps).sqrt()
        weight = self.weight_fake_quant(self.weight * scale.reshape([-1] + [1] * (self.weight.dim() - 1)))
        product = self._conv_forward(input, weight, None) / scale.reshape(along)
        return bn(product if self.bias is None else product + self.bias.reshape(along))

    @classmethod
    def from_float(cls, mod):
        made = super().from_float(mod)
        made.bn = mod[1]
        return made

    def _plain(self, kind):
        layer, bn = super()._plain(kind), self.bn
        layer.weight, layer.bias = fuse_conv_bn_weights(layer.weight, layer.bias, bn.running_mean, bn.running_var,
                                                        bn.eps, bn.weight, bn.bias)
        return layer

    def to_float(self):
        return self._plain(self._plainly).train(self.training)


def _trained(fused, bases, rank):
    plain, base = getattr(qat, f"Conv{rank}d")._float, getattr(qat, f"Conv{rank}d")
    name, norm = fused.__name__, "Bn" in fused.__name__
    kinds = [f"`nn.Conv{rank}d`"] + [f"`nn.BatchNorm{rank}d`"] * norm + ["`nn.ReLU`"] * ("ReLU" in name)
    own = """
        eps, momentum: see the norm.
        freeze_bn (bool): keep the norm's running statistics as they are. Default: False.""" if norm else ""
    text = f"""{", ".join(kinds[:-1])} and {kinds[-1]} in quantization-aware training.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, qconfig: see
            `nn.qat.Conv{rank}d`.{own}

    Shape:
        As `nn.Conv{rank}d`.

    Raises:
        AssertionError: there is no `qconfig`.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.intrinsic.qat.{name}(2, 3, 3, qconfig=rl.quantization.default_qat_qconfig)
        >>> layer(rl.ones(1, 2{", 4" * rank})).shape
        rushlight.Size([1, 3{", 2" * rank}])
    """
    body = {"_float": fused, "_plainly": plain, "_pair": getattr(_fused, f"ConvReLU{rank}d"),
            "_norm": getattr(batchnorm, f"BatchNorm{rank}d"), "__doc__": text, "__module__": __name__}
    return type(name, (*bases, base), body)


ConvReLU1d, ConvReLU2d, ConvReLU3d = (
    _trained(getattr(_fused, f"ConvReLU{rank}d"), (_ConvReLU,), rank) for rank in (1, 2, 3))
ConvBn1d, ConvBn2d, ConvBn3d = (_trained(getattr(_fused, f"ConvBn{rank}d"), (_ConvBn,), rank) for rank in (1, 2, 3))
ConvBnReLU1d, ConvBnReLU2d, ConvBnReLU3d = (
    _trained(getattr(_fused, f"ConvBnReLU{rank}d"), (_EndedByReLU, _ConvBn), rank) for rank in (1, 2, 3))


def update_bn_stats(mod):
    """Let a layer's norm use and follow each batch's statistics; for `Module.apply`.

    Args:
        mod (Module): others than those with a norm are passed over.

    Example:
        >>> import rushlight as rl
        >>> from rushlight.nn.intrinsic import qat
        >>> layer = qat.ConvBn1d(2, 3, 3, freeze_bn=True, qconfig=rl.quantization.default_qat_qconfig)
        >>> layer.apply(qat.update_bn_stats).bn.training
        True
    """
    if isinstance(mod, _ConvBn):
        mod.update_bn_stats()


def freeze_bn_stats(mod):
    """Let a layer's norm use its running statistics as they are, in training mode too; for `Module.apply`.

    Args:
        mod (Module): others than those with a norm are passed over.

    Example:
        >>> import rushlight as rl
        >>> from rushlight.nn.intrinsic import qat
        >>> layer = qat.ConvBn1d(2, 3, 3, qconfig=rl.quantization.default_qat_qconfig)
        >>> layer.apply(qat.freeze_bn_stats).train().bn.training
        False
    """
    if isinstance(mod, _ConvBn):
        mod.freeze_bn_stats()
