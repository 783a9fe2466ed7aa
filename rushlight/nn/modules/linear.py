"""Linear layers."""
import math

from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = ["Bilinear", "Identity", "Linear"]


class Identity(Module):
    """Returns its input; takes and ignores any constructor arguments.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Identity(54, unused=True)(rl.tensor(3))
        tensor(3)
    """

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input


class Linear(Module):
    """`input @ weight.T + bias` on the last dimension.

    Args:
        in_features (int): size of the last dimension of the input.
        out_features (int): size of the last dimension of the output.
        bias (bool): add a learned bias. Default: True.
        device, dtype: where and how the parameters are made.

    Shape:
        (..., in_features) to (..., out_features); `weight`: (out_features, in_features).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Linear(3, 2)(rl.zeros(5, 3)).shape == (5, 2)
        True
    """

    __constants__ = ["in_features", "out_features"]

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(core.empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(core.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw new values: weight and bias uniform within 1 / sqrt(in_features) of zero."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        return (f"in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")


class NonDynamicallyQuantizableLinear(Linear):
    """`Linear` under the name that PyTorch gives the output projection of `MultiheadAttention`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MultiheadAttention(2, 1).out_proj
        NonDynamicallyQuantizableLinear(in_features=2, out_features=2, bias=True)
    """


class Bilinear(Module):
    """`input1 @ weight[k] @ input2 + bias[k]` for each output feature k.

    Args:
        in1_features (int): size of the last dimension of the first input.
        in2_features (int): size of the last dimension of the second input.
        out_features (int): size of the last dimension of the output.
        bias (bool): add a learned bias. Default: True.
        device, dtype: where and how the parameters are made.

    Raises:
        ValueError: `in1_features` is not positive.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Bilinear(3, 4, 2)(rl.zeros(5, 3), rl.zeros(5, 4)).shape == (5, 2)
        True
    """

    __constants__ = ["in1_features", "in2_features", "out_features"]

    def __init__(self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        size = (out_features, in1_features, in2_features)
        self.weight = Parameter(core.empty(size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(core.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw new values: weight and bias uniform within 1 / sqrt(in1_features) of zero."""
        bound = 1 / math.sqrt(self.weight.size(1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1, input2):
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self):
        return (f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
                f"out_features={self.out_features}, bias={self.bias is not None}")
