"""The negative binomial distribution."""
from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.distribution import ProbsOrLogits
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.utils import lazy_property
from rushlight.functional._core import core, native

__all__ = ["NegativeBinomial"]


class NegativeBinomial(ProbsOrLogits):
    """Successes before failure number total_count.

    Args:
        total_count (Tensor or float): failures at which counting ends, at least 0.
        probs (Tensor): probability of success, in [0, 1).
        logits (Tensor): its log-odds, instead.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: both or neither of probs and logits.

    Example:
        >>> rushlight.distributions.NegativeBinomial(5.0, rushlight.tensor([0.5])).mean
        tensor([5.])
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    _expandable = ("total_count", "probs", "logits")

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        name = self._one_of(probs, logits)
        self._take(validate_args, total_count=total_count, **{name: probs if name == "probs" else logits})
        self.total_count = self.total_count.type_as(self._param)

    @property
    def mean(self):
        """total_count exp(logits)"""
        return self.total_count * core.exp(self.logits)

    @property
    def mode(self):
        """(total_count - 1) exp(logits) without its fraction, at least 0"""
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self):
        """mean / (1 - probs)"""
        return self.mean / core.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self):
        return Gamma(self.total_count, core.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape=Size(())):
        """Poisson counts of gamma rates."""
        with no_grad():
            return core.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value):
        """The logarithm of the probability of `value` successes."""
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        spent = n * native.logsigmoid(-self.logits) + value * native.logsigmoid(self.logits)
        choices = core.lgamma(n + value) - core.lgamma(1 + value) - core.lgamma(n)
        # No failure awaited: counting ends at once.
        return spent + core.where(n + value == 0, 0.0, choices)
