"""Layer, group and RMS normalisation, and local response normalisation."""
import numbers

from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class LocalResponseNorm(Module):
    """Divides each element by (k + alpha * mean of squares over neighbouring channels) ** beta.

    Args:
        size (int): how many channels are neighbours.
        alpha (float): Default: 1e-4.
        beta (float): Default: 0.75.
        k (float): Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LocalResponseNorm(2)(rl.zeros(1, 2, 3)).shape == (1, 2, 3)
        True
    """

    __constants__ = ["size", "alpha", "beta", "k"]

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """An older `LocalResponseNorm`, of images; kept for old models.

    Args:
        size (int): how many channels are neighbours.
        alpha (float): Default: 1e-4.
        beta (float): Default: 0.75.
        k (float): Default: 1.

    Raises:
        ValueError: the input is not (N, C, H, W).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CrossMapLRN2d(2)(rl.zeros(1, 2, 3, 3)).shape == (1, 2, 3, 3)
        True
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        squares, channels, reach = input * input, input.size(1), int((self.size - 1) / 2 + 1)
        sums = [squares[:, :reach].sum(1)]
        for c in range(1, channels):
            total = sums[-1]
            if c + reach <= channels:
                total = total + squares[:, c + reach - 1]
            if c > reach:                    # PyTorch never takes the first channel away again
                total = total - squares[:, c - reach]
            sums.append(total)
        scale = core.stack(sums, 1) * (self.alpha / self.size) + self.k
        return input * scale.pow(-self.beta)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _as_shape(sizes):
    return (sizes,) if isinstance(sizes, numbers.Integral) else tuple(sizes)


class LayerNorm(Module):
    """Normalises over the last dimensions, then scales and shifts each element.

    Args:
        normalized_shape (int or tuple): the last sizes of the input.
        eps (float): added to the variance. Default: 1e-5.
        elementwise_affine (bool): learn a weight and a bias per element. Default: True.
        bias (bool): learn the bias too. Default: True.
        device, dtype: where and how the parameters are made.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LayerNorm(2)(rl.tensor([1., 3.])).tolist()[0] < -0.99
        True
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(
        self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None
    ):
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            values = (
                Parameter(core.empty(self.normalized_shape, device=device, dtype=dtype)) if wanted else None
            )
            self.register_parameter(name, values)
        self.reset_parameters()

    def reset_parameters(self):
        """Set weights to 1 and biases to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")


class RMSNorm(Module):
    """Divides by the root of the mean of squares over the last dimensions, then scales each element.

    Args:
        normalized_shape (int or tuple): the last sizes of the input.
        eps (float, optional): added to the mean; the dtype's smallest step when None.
        elementwise_affine (bool): learn a weight per element. Default: True.
        device, dtype: where and how the parameters are made.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.RMSNorm(2)(rl.tensor([3., 3.])).tolist()
        [1.0, 1.0]
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        values = (
            Parameter(core.empty(self.normalized_shape, device=device, dtype=dtype))
            if elementwise_affine
            else None
        )
        self.register_parameter("weight", values)
        self.reset_parameters()

    def reset_parameters(self):
        """Set weights to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input):
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Normalises groups of channels of each sample, then scales and shifts each channel.

    Args:
        num_groups (int): divides the number of channels.
        num_channels (int): C.
        eps (float): added to the variance. Default: 1e-5.
        affine (bool): learn a weight and a bias per channel. Default: True.
        device, dtype: where and how the parameters are made.
        bias (bool): when `affine`, learn the bias too. Default: True.

    Raises:
        ValueError: `num_groups` does not divide `num_channels`.

    Shape:
        (N, C, ...), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.GroupNorm(2, 4)(rl.zeros(1, 4, 3)).shape == (1, 4, 3)
        True
    """

    __constants__ = ["num_groups", "num_channels", "eps", "affine"]

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *,
                 bias=True):
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels={num_channels} is not divisible by num_groups={num_groups}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            values = Parameter(core.empty(num_channels, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, values)
        self.reset_parameters()

    def reset_parameters(self):
        """Set weights to 1 and biases to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")
