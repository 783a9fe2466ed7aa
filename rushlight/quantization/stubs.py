"""Where a network begins and ends to compute with integers."""
from rushlight.nn import Module

__all__ = ["DeQuantStub", "QuantStub", "QuantWrapper"]


class QuantStub(Module):
    """Marks where floats become integers: it observes, and `convert` makes it a `nn.quantized.Quantize`.

    Args:
        qconfig (QConfig, optional): the model's when None.

    Example:
        >>> import rushlight as rl
        >>> rl.quantization.QuantStub()(rl.ones(1))
        tensor([1.])
    """

    def __init__(self, qconfig=None):
        super().__init__()
        if qconfig is not None:
            self.qconfig = qconfig

    def forward(self, x):
        return x


class DeQuantStub(Module):
    """Marks where integers become floats again: `convert` makes it a `nn.quantized.DeQuantize`.

    Args:
        qconfig (QConfig, optional): accepted.

    Example:
        >>> import rushlight as rl
        >>> rl.quantization.DeQuantStub()(rl.ones(1))
        tensor([1.])
    """

    def __init__(self, qconfig=None):
        super().__init__()

    def forward(self, x):
        return x


class QuantWrapper(Module):
    """A module between a `QuantStub` and a `DeQuantStub`.

    Args:
        module (Module): takes one tensor and gives one.

    Example:
        >>> import rushlight as rl
        >>> rl.quantization.QuantWrapper(rl.nn.Linear(2, 3))(rl.ones(1, 2)).shape
        rushlight.Size([1, 3])
    """

    def __init__(self, module):
        super().__init__()
        self.quant, self.module, self.dequant = QuantStub(), module, DeQuantStub()
        self.train(module.training)

    def forward(self, X):
        return self.dequant(self.module(self.quant(X)))
