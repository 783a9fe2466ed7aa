"""Special functions made of other operators."""
import math

from rushlight.functional._composite import composite
from rushlight.functional._core import core


@composite("polygamma special.polygamma")
def polygamma(n, input):
    """The n-th derivative of `digamma` of each element.

    Args:
        n (int): 0 or more.
        input (Tensor): floating, integral or bool.

    Example:
        >>> import rushlight as rl
        >>> rl.polygamma(1, rl.tensor([1.0]))
        tensor([1.6449])
    """
    return input.polygamma(n)


@composite("mvlgamma special.multigammaln Tensor.mvlgamma")
def mvlgamma(input, p):
    """Logarithm of the multivariate gamma function of each element (DLMF 35.3.4).

    Args:
        input (Tensor): floating or integral; greater than (p - 1) / 2 everywhere for a finite result.
        p (int): the dimension, 1 or more.

    Raises:
        RuntimeError: `p` is smaller than 1, or the input is bool.

    Example:
        >>> import rushlight as rl
        >>> rl.mvlgamma(rl.tensor([2.0]), 2)
        tensor([0.4516])
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: p={p} is out of range; expected p >= 1")
    if input.dtype == core.bool:
        raise RuntimeError("mvlgamma: input has dtype bool; expected a floating or integral dtype")
    places = core.arange(0, p, dtype=core.float64).mul(-0.5)
    wide = input if input.is_floating_point() else input.to(core.get_default_dtype())
    terms = (wide.unsqueeze(-1) + places.to(wide.dtype)).lgamma()
    return terms.sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


@composite("Tensor.mvlgamma_")
def mvlgamma_(input, p):
    """`mvlgamma` in place.

    Args:
        input (Tensor): floating.
        p (int): the dimension, 1 or more.

    Raises:
        RuntimeError: `p` is smaller than 1.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([2.0]).mvlgamma_(2)
        tensor([0.4516])
    """
    return input.copy_(mvlgamma(input, p))
