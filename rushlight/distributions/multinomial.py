"""The multinomial distribution."""
from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.binomial import Binomial
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution
from rushlight.functional._core import core

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each category is drawn.

    Args:
        total_count (int): draws. Default: 1.
        probs (Tensor): weights of shape (..., K), at least 0; their sum becomes 1.
        logits (Tensor): logarithms of weights, instead.
        validate_args (bool): see `Distribution`.

    Raises:
        NotImplementedError: total_count is no int.

    Example:
        >>> rushlight.distributions.Multinomial(4, rushlight.tensor([1.0, 3.0])).mean
        tensor([1., 3.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError(
                f"Multinomial: total_count is of type {type(total_count).__name__}; expected an int"
            )
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        Distribution.__init__(
            self, self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args
        )

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(Multinomial, _instance)
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)
        new._binomial = Binomial(self.total_count, probs=new._categorical.probs, validate_args=False)
        return self._expand_into(new, batch_shape)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        """Counts that sum to at most total_count."""
        return constraints.multinomial(self.total_count)

    @property
    def probs(self):
        """Probabilities."""
        return self._categorical.probs

    @property
    def logits(self):
        """Their logarithms."""
        return self._categorical.logits

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def _param(self):
        return self._categorical._param

    @property
    def mean(self):
        """total_count probs"""
        return self.probs * self.total_count

    @property
    def variance(self):
        """total_count probs (1 - probs)"""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=Size(())):
        """Counts of the dtype of the parameter."""
        sample_shape = Size(sample_shape)
        with no_grad():
            drawn = self._categorical.sample(Size((self.total_count,)) + sample_shape).movedim(0, -1)
            counts = core.zeros(self._extended_shape(sample_shape), dtype=self.probs.dtype)
            return counts.scatter_add(-1, drawn, core.ones(drawn.shape, dtype=counts.dtype))

    def log_prob(self, value):
        """The logarithm of the probability of these counts."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = core.broadcast_tensors(self.logits, value)
        impossible = (value == 0) & (logits == float("-inf"))
        terms = value * core.where(impossible, 0.0, logits) - core.lgamma(value + 1)
        return core.lgamma(value.sum(-1) + 1) + terms.sum(-1)

    def entropy(self):
        """In nats, by sums over the counts of each category."""
        n = core.tensor(float(self.total_count), dtype=self.probs.dtype)
        counts = self._binomial.enumerate_support(expand=False)[1:]
        weights = core.exp(self._binomial.log_prob(counts))
        spread = (weights * core.lgamma(counts + 1)).sum((0, -1))
        return n * self._categorical.entropy() - core.lgamma(n + 1) + spread
