"""Categories as one-hot rows."""
from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution
from rushlight.functional._core import core, native

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(Distribution):
    """Categories as rows with a single 1.

    Args:
        probs (Tensor): weights of shape (..., K), at least 0; their sum becomes 1.
        logits (Tensor): logarithms of weights, instead.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.OneHotCategorical(rushlight.tensor([0.0, 1.0])).sample()
        tensor([0., 1.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits)
        Distribution.__init__(
            self, self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args
        )

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(OneHotCategorical, _instance)
        new._categorical = self._categorical.expand(batch_shape)
        return self._expand_into(new, batch_shape)

    @property
    def _param(self):
        return self._categorical._param

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
    def mean(self):
        """probs"""
        return self.probs

    @property
    def mode(self):
        """The likeliest category's row."""
        return native.one_hot(self.probs.argmax(dim=-1), self._event_shape[0]).to(self.probs.dtype)

    @property
    def variance(self):
        """probs (1 - probs)"""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=Size(())):
        """Rows of the dtype of the parameter."""
        with no_grad():
            index = self._categorical.sample(sample_shape)
            return native.one_hot(index, self._event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value):
        """The logarithm of the probability of the category of `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self):
        """In nats."""
        return self._categorical.entropy()

    def enumerate_support(self, expand=True):
        """The rows of the unit matrix."""
        count = self._event_shape[0]
        values = core.eye(count, dtype=self._param.dtype)
        values = values.reshape((count,) + (1,) * len(self._batch_shape) + (count,))
        return values.expand((count,) + self._batch_shape + (count,)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """`OneHotCategorical` whose draws pass gradients on as if they were probs (Bengio et al., 2013).

    Example:
        >>> rushlight.distributions.OneHotCategoricalStraightThrough(rushlight.tensor([0.0, 1.0])).rsample()
        tensor([0., 1.])
    """

    has_rsample = True

    def rsample(self, sample_shape=Size(())):
        """One-hot rows plus (probs - probs), of which only the first is recorded."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
