"""Activations: the forms of the primitives that take `inplace`, and those made of other operators."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core, native


def _overwritten(input, function, *args):
    # In place, for primitives without such a form. The derivative reads a copy: the input itself changes.
    return input.copy_(function(input.clone(), *args))


_relu6 = native.relu6


@composite("nn.functional.relu6")
def relu6(input, inplace=False):
    """min(max(x, 0), 6), element by element.

    Args:
        input (Tensor): the input.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.relu6(rl.tensor([-1., 9.]))
        tensor([0., 6.])
    """
    return _overwritten(input, _relu6) if inplace else _relu6(input)


_leaky_relu = native.leaky_relu
_leaky_relu_ = native.leaky_relu_


@composite("nn.functional.leaky_relu")
def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where positive, else negative_slope * x, element by element.

    Args:
        input (Tensor): the input.
        negative_slope (float): slope below zero. Default: 0.01.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.leaky_relu(rl.tensor([-1., 2.]))
        tensor([-0.0100,  2.0000])
    """
    return _leaky_relu_(input, negative_slope) if inplace else _leaky_relu(input, negative_slope)


_elu = native.elu
_elu_ = native.elu_


@composite("nn.functional.elu")
def elu(input, alpha=1.0, inplace=False):
    """x where positive, else alpha * (exp(x) - 1), element by element.

    Args:
        input (Tensor): the input.
        alpha (float): the scale. Default: 1.0.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.elu(rl.tensor([0., 2.]))
        tensor([0., 2.])
    """
    return _elu_(input, alpha) if inplace else _elu(input, alpha)


_celu = native.celu
_celu_ = core.celu_


@composite("nn.functional.celu")
def celu(input, alpha=1.0, inplace=False):
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)), element by element.

    Args:
        input (Tensor): the input.
        alpha (float): the scale. Default: 1.0.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.celu(rl.tensor([0., 2.]))
        tensor([0., 2.])
    """
    return _celu_(input, alpha) if inplace else _celu(input, alpha)


_selu = native.selu
_selu_ = core.selu_


@composite("nn.functional.selu")
def selu(input, inplace=False):
    """1.0507 * (x if x > 0 else 1.6733 * (exp(x) - 1)), element by element.

    Args:
        input (Tensor): the input.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.selu(rl.tensor([0., 1.]))
        tensor([0.0000, 1.0507])
    """
    return _selu_(input) if inplace else _selu(input)


_silu = native.silu


@composite("nn.functional.silu")
def silu(input, inplace=False):
    """x * sigmoid(x), element by element.

    Args:
        input (Tensor): the input.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.silu(rl.tensor([0., 20.]))
        tensor([ 0., 20.])
    """
    return _overwritten(input, _silu) if inplace else _silu(input)


_mish = native.mish


@composite("nn.functional.mish")
def mish(input, inplace=False):
    """x * tanh(softplus(x)), element by element.

    Args:
        input (Tensor): the input.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.mish(rl.tensor([0., 20.]))
        tensor([ 0., 20.])
    """
    return _overwritten(input, _mish) if inplace else _mish(input)


_hardswish = native.hardswish


@composite("nn.functional.hardswish")
def hardswish(input, inplace=False):
    """x * relu6(x + 3) / 6, element by element.

    Args:
        input (Tensor): the input.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.hardswish(rl.tensor([0., 4.]))
        tensor([0., 4.])
    """
    return _overwritten(input, _hardswish) if inplace else _hardswish(input)


_hardsigmoid = native.hardsigmoid


@composite("nn.functional.hardsigmoid")
def hardsigmoid(input, inplace=False):
    """relu6(x + 3) / 6, element by element.

    Args:
        input (Tensor): the input.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.hardsigmoid(rl.tensor([-3., 0., 3.]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return _overwritten(input, _hardsigmoid) if inplace else _hardsigmoid(input)


_hardtanh = native.hardtanh
_hardtanh_ = native.hardtanh_


@composite("nn.functional.hardtanh")
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x limited to [min_val, max_val], element by element.

    Args:
        input (Tensor): the input.
        min_val (float): smallest value. Default: -1.0.
        max_val (float): largest value. Default: 1.0.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.hardtanh(rl.tensor([-3., 0.5]))
        tensor([-1.0000,  0.5000])
    """
    return _hardtanh_(input, min_val, max_val) if inplace else _hardtanh(input, min_val, max_val)


_threshold, _threshold_ = native.threshold, core.threshold_


@composite("nn.functional.threshold")
def threshold(input, threshold, value, inplace=False):
    """x where it exceeds `threshold`, else `value`.

    Args:
        input (Tensor): the input.
        threshold (float): the bound.
        value (float): what replaces smaller elements.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.threshold(rl.tensor([0., 2.]), 1, 9)
        tensor([9., 2.])
    """
    return _threshold_(input, threshold, value) if inplace else _threshold(input, threshold, value)


@composite("nn.functional.tanh")
def tanh(input):
    """The hyperbolic tangent.

    Args:
        input (Tensor): the input.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.tanh(rl.tensor([0.]))
        tensor([0.])
    """
    return input.tanh()


@composite("nn.functional.glu")
def glu(input, dim=-1):
    """a * sigmoid(b), where a and b are the halves of the input along `dim`.

    Args:
        input (Tensor): floating.
        dim (int): the dimension to halve. Default: -1.

    Raises:
        RuntimeError: the input has no dimensions, or its size along `dim` is odd.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.glu(rl.tensor([2., 0.]))
        tensor([1.])
    """
    if input.dim() == 0:
        raise RuntimeError("glu: input has no dimensions; expected at least one")
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(f"glu: input has size {size} along dim={dim}; expected an even size")
    return input.narrow(dim, 0, size // 2) * input.narrow(dim, size // 2, size // 2).sigmoid()


@composite("nn.functional.softmin")
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-x) along `dim`.

    Args:
        input (Tensor): floating.
        dim (int): the dimension along which the results sum to one.
        dtype (dtype, optional): convert to it first.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.softmin(rl.tensor([0., 0.]), dim=0)
        tensor([0.5000, 0.5000])
    """
    return core.softmax(-input, dim, dtype=dtype)


@composite("nn.functional.gumbel_softmax")
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A sample of a relaxed categorical distribution: softmax((logits + Gumbel noise) / tau).

    Args:
        logits (Tensor): unnormalised log-probabilities, floating.
        tau (float): temperature. Default: 1.
        hard (bool): return one-hot samples that have the gradient of the soft ones. Default: False.
        eps (float): ignored; kept for older programs.
        dim (int): the dimension of the categories. Default: -1.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.gumbel_softmax(rl.zeros(2, 3), hard=True).sum()
        tensor(2.)
    """
    noise = -core.empty_like(logits).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    chosen = core.zeros_like(logits).scatter_(dim, index, 1.0)
    return chosen - soft.detach() + soft


@composite("nn.functional.rrelu rrelu")
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """x where positive, else x times a slope: drawn from [lower, upper) when training, else their mean.

    Args:
        input (Tensor): floating.
        lower (float): smallest slope. Default: 1/8.
        upper (float): largest slope. Default: 1/3.
        training (bool): draw the slopes. Default: False.
        inplace (bool): overwrite the input. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.rrelu(rl.tensor([-8., 2.]), 0.25, 0.75)
        tensor([-4.,  2.])
    """
    if not training:
        result = core.where(input > 0, input, input * ((lower + upper) / 2))
    else:
        # PyTorch draws one double for each element that is not positive, in order.
        negative = input.detach() <= 0
        slopes = core.ones_like(input, requires_grad=False)
        count = int(negative.sum())
        draws = core.empty(count, dtype=core.float64).uniform_(lower, upper)
        slopes[negative] = draws.to(input.dtype)
        result = input * slopes
    return input.copy_(result) if inplace else result


def _in_place_name(name, function):
    # relu_, celu_ and the like: the form with inplace=True under a name of its own.
    def in_place(input, *args, **kwargs):
        return function(input, *args, **kwargs, inplace=True)

    in_place.__name__ = in_place.__qualname__ = name
    in_place.__doc__ = f"""`{function.__name__}` with `inplace=True`.

    Args:
        input (Tensor): is overwritten.
        *args, **kwargs: as of `{function.__name__}`.
    """
    return composite(f"nn.functional.{name}")(in_place)


relu_ = _in_place_name("relu_", native.relu)
celu_ = _in_place_name("celu_", celu)
selu_ = _in_place_name("selu_", selu)
threshold_ = _in_place_name("threshold_", threshold)
rrelu_ = _in_place_name("rrelu_", rrelu)


@composite("clamp_min Tensor.clamp_min")
def clamp_min(input, min):
    """max(input, min).

    Args:
        input (Tensor): the input.
        min (Number or Tensor): the bound.

    Example:
        >>> import rushlight as rl
        >>> rl.clamp_min(rl.tensor([-1., 2.]), 0)
        tensor([0., 2.])
    """
    return core.clamp(input, min=min)


@composite("clamp_max Tensor.clamp_max")
def clamp_max(input, max):
    """min(input, max).

    Args:
        input (Tensor): the input.
        max (Number or Tensor): the bound.

    Example:
        >>> import rushlight as rl
        >>> rl.clamp_max(rl.tensor([-1., 2.]), 0)
        tensor([-1.,  0.])
    """
    return core.clamp(input, max=max)


@composite("clamp_min_ Tensor.clamp_min_")
def clamp_min_(input, min):
    """`clamp_min` in place.

    Args:
        input (Tensor): is overwritten.
        min (Number or Tensor): the bound.
    """
    return input.clamp_(min=min)


@composite("clamp_max_ Tensor.clamp_max_")
def clamp_max_(input, max):
    """`clamp_max` in place.

    Args:
        input (Tensor): is overwritten.
        max (Number or Tensor): the bound.
    """
    return input.clamp_(max=max)
