"""Arithmetic of quantized tensors, whose results need scales of their own."""
import math

from rushlight.functional._core import core
from rushlight.nn.modules.linear import Identity
from rushlight.nn.modules.module import Module
from rushlight.nn.quantized._modules import _Scaled
from rushlight.nn.quantized._tensor import QuantizedTensor, quantize_per_tensor


class FloatFunctional(Module):
    """Additions, products and concatenations that quantization can observe: a module stands for each place.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.FloatFunctional().add_relu(rl.tensor([1.0, -3.0]), rl.ones(2))
        tensor([2., 0.])
    """

    def __init__(self):
        super().__init__()
        self.activation_post_process = Identity()

    def forward(self, x):
        raise RuntimeError("FloatFunctional: call one of its operations, such as add; expected no call of the module")

    def add(self, x, y):
        """x + y."""
        return self.activation_post_process(x + y)

    def add_scalar(self, x, y):
        """x + y, a number; it needs no scale of its own."""
        return x + y

    def mul(self, x, y):
        """x * y."""
        return self.activation_post_process(x * y)

    def mul_scalar(self, x, y):
        """x * y, a number; it needs no scale of its own."""
        return x * y

    def cat(self, x, dim=0):
        """The tensors of the list `x`, joined along `dim`."""
        return self.activation_post_process(core.cat(x, dim))

    def add_relu(self, x, y):
        """max(0, x + y)."""
        return self.activation_post_process(core.relu(x + y))

    def matmul(self, x, y):
        """x @ y."""
        return self.activation_post_process(x @ y)


class QFunctional(_Scaled):
    """What a `FloatFunctional` becomes. An addition takes a convolution that it follows in.

    Args:
        dtype (dtype): of the results. Default: quint8.

    Example:
        >>> import rushlight as rl
        >>> add = rl.nn.quantized.QFunctional()
        >>> q = rl.nn.quantized.quantize_per_tensor(rl.ones(2), 0.5, 0, rl.quint8)
        >>> add.add(q, q).dequantize()
        tensor([2., 2.])
    """

    def __init__(self, dtype=core.uint8):
        super().__init__(dtype)

    @classmethod
    def from_float(cls, module):
        made = cls()
        if getattr(module.activation_post_process, "saw_values", True):
            made.set_output(module.activation_post_process)
        else:                                        # it was not used, or only for numbers, which need no scale
            made.scale = math.nan
        return made

    def forward(self, x):
        raise RuntimeError("QFunctional: call one of its operations, such as add; expected no call of the module")

    def _sum(self, x, y, relu):
        self._check(x, y)
        self._check_scale()
        output = (self.scale, self.zero_point)
        for one, other in ((x, y), (y, x)):
            run = one.pending()
            if run and run.dtype == self.dtype == other.int_repr().dtype:
                return QuantizedTensor(run(other, output, relu), *output)
        total = x.dequantize() + y.dequantize()
        return self._quantized(total.relu() if relu else total)

    def _check(self, *tensors):
        for x in tensors:
            self._require_quantized(x)

    def _check_scale(self):
        if math.isnan(self.scale):
            raise RuntimeError("QFunctional: its observer saw no values before convert, so its result has no scale; "
                               "expected a calibration that runs this operation")

    def _quantized(self, x):
        self._check_scale()
        return quantize_per_tensor(x, self.scale, self.zero_point, self.dtype)

    def add(self, x, y):
        """x + y."""
        return self._sum(x, y, False)

    def add_scalar(self, x, y):
        """x + y, a number. The result's range is that of `x`, moved, and widened to hold 0."""
        self._check(x)
        first = 0 if self.dtype == core.uint8 else -128
        low = (first - x.q_zero_point()) * x.q_scale() + y
        low, high = min(low, 0.0), max(low + 255 * x.q_scale(), 0.0)
        scale = (high - low) / 255
        return quantize_per_tensor(x.dequantize() + y, scale, first - round(low / scale), self.dtype)

    def mul(self, x, y):
        """x * y."""
        self._check(x, y)
        return self._quantized(x.dequantize() * y.dequantize())

    def mul_scalar(self, x, y):
        """x * y, a positive number: the same integers with another scale."""
        self._check(x)
        if y <= 0:
            raise ValueError(f"mul_scalar: y={y}; expected a positive number")
        return QuantizedTensor(x.int_repr(), x.q_scale() * y, x.q_zero_point())

    def cat(self, x, dim=0):
        """The tensors of the list `x`, joined along `dim`."""
        self._check(*x)
        return self._quantized(core.cat([part.dequantize() for part in x], dim))

    def add_relu(self, x, y):
        """max(0, x + y)."""
        return self._sum(x, y, True)

    def matmul(self, x, y):
        """x @ y."""
        self._check(x, y)
        return self._quantized(x.dequantize() @ y.dequantize())
