"""Initial values for parameters.

Every function fills its tensor in place, without recording it on the tape, and draws from the random stream exactly
as PyTorch does.
"""
import functools
import math
import warnings

from rushlight.autograd import no_grad
from rushlight.functional._core import core

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "sigmoid": 1,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
    "linear": 1,
    "conv1d": 1,
    "conv2d": 1,
    "conv3d": 1,
    "conv_transpose1d": 1,
    "conv_transpose2d": 1,
    "conv_transpose3d": 1,
}


def calculate_gain(nonlinearity, param=None):
    """The factor by which an activation shrinks the deviation of its input, to be undone by the weights.

    Args:
        nonlinearity (str): the name in `nn.functional`.
        param (float, optional): the negative slope of "leaky_relu". Default: 0.01.

    Raises:
        ValueError: the name is unknown, or the slope is not a number.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.calculate_gain("tanh")
        1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Fill with values drawn uniformly from [a, b).

    Args:
        tensor (Tensor): what to fill.
        a (float): lower end. Default: 0.
        b (float): upper end. Default: 1.
        generator (Generator, optional): where to draw from.

    Example:
        >>> import rushlight as rl
        >>> bool((rl.nn.init.uniform_(rl.empty(3)) < 1).all())
        True
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Fill with values drawn from a normal distribution.

    Args:
        tensor (Tensor): what to fill.
        mean (float): Default: 0.
        std (float): Default: 1.
        generator (Generator, optional): where to draw from.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.normal_(rl.empty(2), std=0.0)
        tensor([0., 0.])
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def _normal_cdf(x):
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Fill with values drawn from a normal distribution cut off outside [a, b].

    Args:
        tensor (Tensor): what to fill.
        mean (float): Default: 0.
        std (float): Default: 1.
        a (float): smallest value. Default: -2.
        b (float): largest value. Default: 2.
        generator (Generator, optional): where to draw from.

    Example:
        >>> import rushlight as rl
        >>> bool((rl.nn.init.trunc_normal_(rl.empty(9)).abs() <= 2).all())
        True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn("mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
                      "The distribution of values may be incorrect.", stacklevel=2)
    # PyTorch's choice: redraw what falls outside, or, where most would, thin out uniform proposals.
    share = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    fill = _redraw_normal if share > 0.3 else _thin_uniform
    with no_grad():
        return fill(tensor, mean, std, a, b, generator)


def _redraw_normal(tensor, mean, std, a, b, generator):
    low, high = core.tensor([a, b], dtype=tensor.dtype).tolist()
    tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (tensor < low) | (tensor > high)
        if not outside.any():
            return tensor
        fresh = core.empty_like(tensor).normal_(mean, std, generator=generator)
        tensor.copy_(core.where(outside, fresh, tensor))


def _thin_uniform(tensor, mean, std, a, b, generator):
    highest = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2

    def refused(values):
        density = ((values - mean) / std) ** 2 * -0.5 - highest
        return core.empty_like(values).uniform_(generator=generator).log_() > density

    tensor.uniform_(a, b, generator=generator)
    pending = refused(tensor)
    while pending.any():
        fresh = core.empty_like(tensor).uniform_(a, b, generator=generator)
        tensor.copy_(core.where(pending, fresh, tensor))
        pending = pending & refused(fresh)
    return tensor


def constant_(tensor, val):
    """Fill with one value.

    Args:
        tensor (Tensor): what to fill.
        val (float): the value.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.constant_(rl.empty(2), 3)
        tensor([3., 3.])
    """
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor):
    """Fill with ones.

    Args:
        tensor (Tensor): what to fill.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.ones_(rl.empty(2))
        tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor):
    """Fill with zeros.

    Args:
        tensor (Tensor): what to fill.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.zeros_(rl.empty(2))
        tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


def eye_(tensor):
    """Fill a matrix with the identity.

    Args:
        tensor (Tensor): what to fill, two-dimensional.

    Raises:
        ValueError: it is not two-dimensional.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.eye_(rl.empty(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        tensor.zero_()
        tensor.diagonal().fill_(1)
    return tensor


def dirac_(tensor, groups=1):
    """Fill a convolution's weight so that the layer passes as many channels through as it can.

    Args:
        tensor (Tensor): what to fill, of 3, 4 or 5 dimensions.
        groups (int): the layer's groups. Default: 1.

    Raises:
        ValueError: wrong dimensions, or output channels that `groups` does not divide.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.dirac_(rl.empty(1, 1, 3))
        tensor([[[0., 1., 0.]]])
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.size(0) % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = tensor.size(0) // groups
    centre = tuple(size // 2 for size in tensor.shape[2:])
    with no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, tensor.size(1))):
                tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


def _fans(tensor):
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive = math.prod(tensor.shape[2:])
    return tensor.size(1) * receptive, tensor.size(0) * receptive


_calculate_fan_in_and_fan_out = _fans


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Fill uniformly so that the variance is gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio, 2010).

    Args:
        tensor (Tensor): what to fill, of two dimensions or more.
        gain (float): Default: 1.
        generator (Generator, optional): where to draw from.

    Raises:
        ValueError: fewer than two dimensions.

    Example:
        >>> import rushlight as rl
        >>> bool((rl.nn.init.xavier_uniform_(rl.empty(3, 3)).abs() <= 1).all())
        True
    """
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Fill from a normal distribution of variance gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio, 2010).

    Args:
        tensor (Tensor): what to fill, of two dimensions or more.
        gain (float): Default: 1.
        generator (Generator, optional): where to draw from.

    Raises:
        ValueError: fewer than two dimensions.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.xavier_normal_(rl.empty(3, 5)).shape == (3, 5)
        True
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))), generator)


def _kaiming_std(tensor, a, mode, nonlinearity):
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _is_empty(tensor):
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill uniformly so that the variance is gain^2 / fan (He et al., 2015).

    Args:
        tensor (Tensor): what to fill, of two dimensions or more.
        a (float): negative slope of the leaky ReLU that follows. Default: 0.
        mode (str): "fan_in" or "fan_out". Default: "fan_in".
        nonlinearity (str): what follows; see `calculate_gain`. Default: "leaky_relu".
        generator (Generator, optional): where to draw from.

    Raises:
        ValueError: fewer than two dimensions, or an unknown mode or nonlinearity.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.kaiming_uniform_(rl.empty(3, 5)).shape == (3, 5)
        True
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill from a normal distribution of variance gain^2 / fan (He et al., 2015).

    Args:
        tensor (Tensor): what to fill, of two dimensions or more.
        a (float): negative slope of the leaky ReLU that follows. Default: 0.
        mode (str): "fan_in" or "fan_out". Default: "fan_in".
        nonlinearity (str): what follows; see `calculate_gain`. Default: "leaky_relu".
        generator (Generator, optional): where to draw from.

    Raises:
        ValueError: fewer than two dimensions, or an unknown mode or nonlinearity.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.init.kaiming_normal_(rl.empty(3, 5), mode="fan_out").shape == (3, 5)
        True
    """
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _orthonormal(matrix):
    # The Q of a QR decomposition whose R has a positive diagonal: then Q is uniform over orthogonal matrices. Each
    # column is cleared of those before it twice, which leaves no more than rounding.
    columns = matrix.double()
    q = core.zeros_like(columns)
    for i in range(columns.shape[1]):
        column, before = columns[:, i], q[:, :i]
        for _ in range(2):
            column = column - before @ (before.t() @ column)
        q[:, i] = column / column.square().sum().sqrt()
    return q


def orthogonal_(tensor, gain=1, generator=None):
    """Fill with a (semi-)orthogonal matrix, dimensions after the first flattened (Saxe et al., 2013).

    Args:
        tensor (Tensor): what to fill, of two dimensions or more.
        gain (float): Default: 1.
        generator (Generator, optional): where to draw from.

    Raises:
        ValueError: fewer than two dimensions.

    Example:
        >>> import rushlight as rl
        >>> w = rl.nn.init.orthogonal_(rl.empty(2, 3))
        >>> bool(((w @ w.T - rl.eye(2)).abs() < 1e-5).all())
        True
    """
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.size(0), tensor.numel() // tensor.size(0)
    with no_grad():
        flat = core.empty((rows, columns), dtype=tensor.dtype, device=tensor.device)
        flat.normal_(0, 1, generator=generator)
        q = _orthonormal(flat.t() if rows < columns else flat).to(tensor.dtype)
        tensor.copy_((q.t() if rows < columns else q).reshape(tensor.shape)).mul_(gain)
    return tensor


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Fill a matrix from a normal distribution, with a fraction of each column set to zero (Martens, 2010).

    Args:
        tensor (Tensor): what to fill, two-dimensional.
        sparsity (float): the fraction of zeros in each column.
        std (float): standard deviation of the others. Default: 0.01.
        generator (Generator, optional): where to draw the values from.

    Raises:
        ValueError: it is not two-dimensional.

    Example:
        >>> import rushlight as rl
        >>> int((rl.nn.init.sparse_(rl.empty(4, 2), 0.5) == 0).sum())
        4
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[core.randperm(rows)[:zeros], column] = 0
    return tensor


def _older_name(function):
    # PyTorch 0.4 called these functions without the underscore; books still do.
    name = function.__name__[:-1]

    @functools.wraps(function)
    def renamed(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.", FutureWarning, stacklevel=2
        )
        return function(*args, **kwargs)

    renamed.__name__ = name
    return renamed


uniform, normal, constant, eye, dirac = map(_older_name, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = map(_older_name, (xavier_uniform_, xavier_normal_))
kaiming_uniform, kaiming_normal = map(_older_name, (kaiming_uniform_, kaiming_normal_))
orthogonal, sparse = map(_older_name, (orthogonal_, sparse_))
