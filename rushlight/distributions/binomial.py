"""The binomial distribution."""
from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.distribution import ProbsOrLogits
from rushlight.functional._core import core, native

__all__ = ["Binomial"]


class Binomial(ProbsOrLogits):
    """Successes among trials.

    Args:
        total_count (int or Tensor): trials. Default: 1.
        probs (Tensor): probability of success, in [0, 1].
        logits (Tensor): its log-odds, instead.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: both or neither of probs and logits.

    Example:
        >>> rushlight.distributions.Binomial(10, rushlight.tensor([0.5])).mean
        tensor([5.])
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    _expandable = ("total_count", "probs", "logits")

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        name = self._one_of(probs, logits)
        self._take(validate_args, total_count=total_count, **{name: probs if name == "probs" else logits})
        self.total_count = self.total_count.type_as(self._param)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        """0 to total_count"""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self):
        """total_count probs"""
        return self.total_count * self.probs

    @property
    def mode(self):
        """(total_count + 1) probs without its fraction, at most total_count"""
        return core.minimum(((self.total_count + 1) * self.probs).floor(), self.total_count)

    @property
    def variance(self):
        """total_count probs (1 - probs)"""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=Size(())):
        """Counts, of the dtype of the parameter."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return core.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        """The logarithm of the probability of `value` successes."""
        if self._validate_args:
            self._validate_sample(value)
        n, failures = self.total_count, self.total_count - value
        choices = core.lgamma(n + 1) - core.lgamma(value + 1) - core.lgamma(failures + 1)
        # value log(p) + (n - value) log(1 - p), of log-odds and exact at both ends.
        return choices + value * native.logsigmoid(self.logits) + failures * native.logsigmoid(-self.logits)

    def _equal_count(self, what):
        total = int(self.total_count.max())
        if not self.total_count.min() == total:
            raise NotImplementedError(f"Binomial: {what} of different total_count in a batch is not defined")
        return total

    def entropy(self):
        """In nats, by a sum over the support."""
        self._equal_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(core.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand=True):
        """0 to total_count, which must be the same in the whole batch."""
        total = self._equal_count("enumerate_support")
        return self._enumerated(core.arange(1 + total, dtype=self._param.dtype), expand)
