"""Layers in quantization-aware training: they compute with the weight as it will be rounded, and keep its precision."""
from rushlight.nn import functional as F
from rushlight.nn.modules import container, conv, linear
from rushlight.nn.parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "Linear"]


class Rounded:
    """What they share. Subclasses set `_float`, the type that `from_float` takes, and write `forward`."""

    def _round_by(self, qconfig):
        if not qconfig:
            raise AssertionError(f"{type(self).__name__}: qconfig={qconfig}; expected a QConfig")
        self.qconfig, self.weight_fake_quant = qconfig, qconfig.weight()

    @classmethod
    def from_float(cls, mod):
        """The layer that trains a float one's own parameters.

        Args:
            mod (Module): with `qconfig`.

        Raises:
            AssertionError: `mod` is of another type, or has no `qconfig`.
        """
        if type(mod) is not cls._float:
            raise AssertionError(f"{cls.__name__}.from_float: mod is a {type(mod).__name__}; expected "
                                 f"{cls._float.__name__}")
        layer = mod[0] if isinstance(mod, container.Sequential) else mod
        made = cls(**_arguments_of(layer), qconfig=getattr(mod, "qconfig", None))
        made.weight, made.bias = layer.weight, layer.bias
        return made

    def _plain(self, kind):
        layer = kind(**_arguments_of(self))
        layer.weight = Parameter(self.weight.detach())
        layer.bias = None if self.bias is None else Parameter(self.bias.detach())
        return layer

    def to_float(self):
        """The float layer, or layers in a row, with the weight that was trained."""
        return self._plain(self._float).train(self.training)


def _arguments_of(layer):
    names = ["in_features", "out_features"] if isinstance(layer, linear.Linear) else [
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"]
    return {name: getattr(layer, name) for name in names} | {"bias": layer.bias is not None}


class Linear(Rounded, linear.Linear):
    """`nn.Linear` in quantization-aware training.

    Args:
        in_features, out_features, bias, device, dtype: see `nn.Linear`.
        qconfig (QConfig): whose `weight` makes the FakeQuantize of the weight.

    Shape:
        As `nn.Linear`.

    Raises:
        AssertionError: there is no `qconfig`.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.qat.Linear(3, 2, qconfig=rl.quantization.default_qat_qconfig)
        >>> layer(rl.ones(5, 3)).shape
        rushlight.Size([5, 2])
    """

    _float = linear.Linear

    def __init__(self, in_features, out_features, bias=True, qconfig=None, device=None, dtype=None):
        super().__init__(in_features, out_features, bias, device, dtype)
        self._round_by(qconfig)

    def forward(self, input):
        return F.linear(input, self.weight_fake_quant(self.weight), self.bias)


class _Conv(Rounded):

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", qconfig=None, device=None, dtype=None):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         device, dtype)
        self._round_by(qconfig)

    def forward(self, input):
        return self._conv_forward(input, self.weight_fake_quant(self.weight), self.bias)


def _trained(kind):
    rank = kind.__name__[-2]
    text = f"""`nn.{kind.__name__}` in quantization-aware training.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype:
            see `nn.{kind.__name__}`.
        qconfig (QConfig): whose `weight` makes the FakeQuantize of the weight.

    Shape:
        As `nn.{kind.__name__}`.

    Raises:
        AssertionError: there is no `qconfig`.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.qat.{kind.__name__}(2, 3, 3, qconfig=rl.quantization.default_qat_qconfig)
        >>> layer(rl.ones(1, 2{", 4" * int(rank)})).shape
        rushlight.Size([1, 3{", 2" * int(rank)}])
    """
    return type(kind.__name__, (_Conv, kind), {"_float": kind, "__doc__": text, "__module__": __name__})


Conv1d, Conv2d, Conv3d = map(_trained, (conv.Conv1d, conv.Conv2d, conv.Conv3d))
