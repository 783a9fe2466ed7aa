"""Activations made of other operators."""
from math import isfinite

from rushlight.functional._composite import composite
from rushlight.functional._core import core


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

    Raises:
        RuntimeError: a bound is not finite, or `lower` above `upper`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.rrelu(rl.tensor([-8., 2.]), 0.25, 0.75)
        tensor([-4.,  2.])
    """
    if not (isfinite(lower) and isfinite(upper) and lower <= upper):
        raise RuntimeError(f"rrelu: lower={lower} and upper={upper}; expected finite bounds, lower <= upper")
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


@composite("nn.functional.rrelu_")
def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False):
    """`rrelu` in place.

    Args:
        input (Tensor): is overwritten.
        lower, upper, training: as of `rrelu`.
    """
    return rrelu(input, lower, upper, training, inplace=True)
