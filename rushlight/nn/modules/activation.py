"""Activations as modules."""
from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _MaybeInPlace(Module):
    # Activations whose only option is to overwrite their input.
    __constants__ = ["inplace"]

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class ReLU(_MaybeInPlace):
    """max(x, 0), element by element.

    Args:
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ReLU()(rl.tensor([-1., 2.]))
        tensor([0., 2.])
    """

    def forward(self, input):
        return F.relu(input, inplace=self.inplace)


class SiLU(_MaybeInPlace):
    """x * sigmoid(x), element by element.

    Args:
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.SiLU()(rl.tensor([0., 20.]))
        tensor([ 0., 20.])
    """

    def forward(self, input):
        return F.silu(input, inplace=self.inplace)


class Mish(_MaybeInPlace):
    """x * tanh(softplus(x)), element by element.

    Args:
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Mish()(rl.tensor([0., 20.]))
        tensor([ 0., 20.])
    """

    def forward(self, input):
        return F.mish(input, inplace=self.inplace)


class Hardswish(_MaybeInPlace):
    """x * relu6(x + 3) / 6, element by element.

    Args:
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Hardswish()(rl.tensor([-4., 4.]))
        tensor([-0., 4.])
    """

    def forward(self, input):
        return F.hardswish(input, inplace=self.inplace)

    def extra_repr(self):
        return ""


class Hardsigmoid(_MaybeInPlace):
    """relu6(x + 3) / 6, element by element.

    Args:
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Hardsigmoid()(rl.tensor([-3., 0., 3.]))
        tensor([0.0000, 0.5000, 1.0000])
    """

    def forward(self, input):
        return F.hardsigmoid(input, inplace=self.inplace)

    def extra_repr(self):
        return ""


class SELU(_MaybeInPlace):
    """1.0507 * (x if x > 0 else 1.6733 * (exp(x) - 1)), element by element.

    Args:
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.SELU()(rl.tensor([0., 1.]))
        tensor([0.0000, 1.0507])
    """

    def forward(self, input):
        return F.selu(input, inplace=self.inplace)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), element by element.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Sigmoid()(rl.tensor([0.]))
        tensor([0.5000])
    """

    def forward(self, input):
        return input.sigmoid()


class Tanh(Module):
    """The hyperbolic tangent, element by element.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Tanh()(rl.tensor([0.]))
        tensor([0.])
    """

    def forward(self, input):
        return input.tanh()


class LogSigmoid(Module):
    """log(sigmoid(x)), element by element.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LogSigmoid()(rl.tensor([0.]))
        tensor([-0.6931])
    """

    def forward(self, input):
        return F.logsigmoid(input)


class Softsign(Module):
    """x / (1 + |x|), element by element.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Softsign()(rl.tensor([1.]))
        tensor([0.5000])
    """

    def forward(self, input):
        return F.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x), element by element.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Tanhshrink()(rl.tensor([0.]))
        tensor([0.])
    """

    def forward(self, input):
        return F.tanhshrink(input)


class Threshold(Module):
    """x where it exceeds `threshold`, else `value`.

    Args:
        threshold (float): the bound.
        value (float): what replaces smaller elements.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Threshold(1, 9)(rl.tensor([0., 2.]))
        tensor([9., 2.])
    """

    __constants__ = ["threshold", "value", "inplace"]

    def __init__(self, threshold, value, inplace=False):
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input):
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self):
        return f"threshold={self.threshold}, value={self.value}{', inplace=True' if self.inplace else ''}"


class RReLU(Module):
    """x where positive, else x times a slope drawn uniformly (their mean when evaluating).

    Args:
        lower (float): smallest slope. Default: 1 / 8.
        upper (float): largest slope. Default: 1 / 3.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.RReLU()(rl.tensor([2.]))
        tensor([2.])
    """

    __constants__ = ["lower", "upper", "inplace"]

    def __init__(self, lower=1 / 8, upper=1 / 3, inplace=False):
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self):
        return f"lower={self.lower}, upper={self.upper}{', inplace=True' if self.inplace else ''}"


class ELU(Module):
    """x where positive, else alpha * (exp(x) - 1).

    Args:
        alpha (float): the scale. Default: 1.0.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ELU()(rl.tensor([2.]))
        tensor([2.])
    """

    __constants__ = ["alpha", "inplace"]

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input):
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self):
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class CELU(Module):
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)).

    Args:
        alpha (float): the scale. Default: 1.0.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CELU()(rl.tensor([2.]))
        tensor([2.])
    """

    __constants__ = ["alpha", "inplace"]

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input):
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self):
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class LeakyReLU(Module):
    """x where positive, else negative_slope * x.

    Args:
        negative_slope (float): slope below zero. Default: 0.01.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LeakyReLU(0.1)(rl.tensor([-1., 2.]))
        tensor([-0.1000, 2.0000])
    """

    __constants__ = ["negative_slope", "inplace"]

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input):
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}{', inplace=True' if self.inplace else ''}"


class GLU(Module):
    """a * sigmoid(b), where a and b are the halves of the input along `dim`.

    Args:
        dim (int): the dimension to halve. Default: -1.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.GLU()(rl.tensor([2., 0.]))
        tensor([1.])
    """

    __constants__ = ["dim"]

    def __init__(self, dim=-1):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return F.glu(input, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class GELU(Module):
    """x times the normal distribution function at x.

    Args:
        approximate (str): "none", or "tanh" for the approximation with a hyperbolic tangent. Default: "none".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.GELU()(rl.tensor([0.]))
        tensor([0.])
    """

    __constants__ = ["approximate"]

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class Hardshrink(Module):
    """x where |x| > lambd, else 0.

    Args:
        lambd (float): the bound. Default: 0.5.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Hardshrink()(rl.tensor([0.2, 1.]))
        tensor([0., 1.])
    """

    __constants__ = ["lambd"]

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input):
        return F.hardshrink(input, self.lambd)

    def extra_repr(self):
        return str(self.lambd)


class Softshrink(Module):
    """x moved towards zero by lambd, not past it.

    Args:
        lambd (float): the bound. Default: 0.5.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Softshrink()(rl.tensor([0.2, 1.]))
        tensor([0.0000, 0.5000])
    """

    __constants__ = ["lambd"]

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input):
        return F.softshrink(input, self.lambd)

    def extra_repr(self):
        return str(self.lambd)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold.

    Args:
        beta (float): the sharpness. Default: 1.0.
        threshold (float): where it becomes linear. Default: 20.0.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Softplus()(rl.tensor([0.]))
        tensor([0.6931])
    """

    __constants__ = ["beta", "threshold"]

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input):
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self):
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmin(Module):
    """softmax(-x): elements in (0, 1) that sum to one along `dim`.

    Args:
        dim (int): the dimension. Default: None.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Softmin(dim=0)(rl.tensor([0., 0.]))
        tensor([0.5000, 0.5000])
    """

    __constants__ = ["dim"]

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return F.softmin(input, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class Softmax(Module):
    """Exponentials scaled to sum to one along `dim`.

    Args:
        dim (int): the dimension. Default: None.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Softmax(dim=0)(rl.tensor([0., 0.]))
        tensor([0.5000, 0.5000])
    """

    __constants__ = ["dim"]

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return F.softmax(input, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """log(softmax(x)) along `dim`.

    Args:
        dim (int): the dimension. Default: None.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LogSoftmax(dim=0)(rl.tensor([0., 0.]))
        tensor([-0.6931, -0.6931])
    """

    __constants__ = ["dim"]

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return F.log_softmax(input, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class Hardtanh(Module):
    """x limited to [min_val, max_val].

    Args:
        min_val (float): Default: -1.
        max_val (float): Default: 1.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        AssertionError: `max_val` is not greater than `min_val`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Hardtanh()(rl.tensor([-3., 0.5]))
        tensor([-1.0000,  0.5000])
    """

    __constants__ = ["min_val", "max_val", "inplace"]

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None):
        super().__init__()
        # min_value and max_value are the names that PyTorch 0.x used.
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise AssertionError("max_val must be greater than min_val")

    def forward(self, input):
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self):
        return f"min_val={self.min_val}, max_val={self.max_val}{', inplace=True' if self.inplace else ''}"


class ReLU6(Hardtanh):
    """min(max(x, 0), 6), element by element.

    Args:
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ReLU6()(rl.tensor([-3., 9.]))
        tensor([0., 6.])
    """

    def __init__(self, inplace=False):
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class PReLU(Module):
    """x where positive, else a learned slope times x.

    Args:
        num_parameters (int): 1, or the number of channels (dimension 1). Default: 1.
        init (float): first value of the slopes. Default: 0.25.
        device, dtype: where and how the slopes are made.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.PReLU()(rl.tensor([-4., 2.])).tolist()
        [-1.0, 2.0]
    """

    __constants__ = ["num_parameters"]

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(core.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self):
        """Set all slopes to their first value."""
        init.constant_(self.weight, self.init)

    def forward(self, input):
        return F.prelu(input, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"


class Softmax2d(Module):
    """Exponentials scaled to sum to one over the channels of each place of an image.

    Raises:
        ValueError: the input has neither 3 nor 4 dimensions.

    Shape:
        (N, C, H, W) or (C, H, W), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Softmax2d()(rl.zeros(2, 1, 1)).flatten()
        tensor([0.5000, 0.5000])
    """

    def forward(self, input):
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3)
