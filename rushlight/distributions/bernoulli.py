"""The Bernoulli distribution."""
import math

from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.distribution import ProbsOrLogits
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.functional._core import core, native

__all__ = ["Bernoulli"]


def bernoulli_log_prob(logits, value):
    """value log(p) + (1 - value) log(1 - p), of log-odds."""
    logits, value = core.broadcast_tensors(logits, value)
    return -native.binary_cross_entropy_with_logits(logits, value.to(logits.dtype), reduction="none")


class Bernoulli(ProbsOrLogits, ExponentialFamily):
    """Ones and zeros.

    Args:
        probs (Tensor or float): probability of 1, in [0, 1].
        logits (Tensor or float): its log-odds, instead.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: both or neither of probs and logits.

    Example:
        >>> rushlight.distributions.Bernoulli(rushlight.tensor([0.3])).variance
        tensor([0.2100])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0
    _expandable = ("probs", "logits")

    def __init__(self, probs=None, logits=None, validate_args=None):
        name = self._one_of(probs, logits)
        self._take(validate_args, **{name: probs if name == "probs" else logits})

    @property
    def mean(self):
        """probs"""
        return self.probs

    @property
    def mode(self):
        """1 where probs > 1/2, NaN where it is 1/2, else 0"""
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return core.where(self.probs == 0.5, math.nan, mode)

    @property
    def variance(self):
        """probs (1 - probs)"""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=Size(())):
        """Ones and zeros of the dtype of the parameter."""
        with no_grad():
            return core.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        """log(probs) of ones, log(1 - probs) of zeros"""
        if self._validate_args:
            self._validate_sample(value)
        return bernoulli_log_prob(self.logits, value)

    def entropy(self):
        """In nats."""
        return native.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand=True):
        """0 and 1"""
        return self._enumerated(core.arange(2, dtype=self._param.dtype), expand)

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        return core.log1p(core.exp(x))
