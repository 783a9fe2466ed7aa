"""The relaxed one-hot categorical distribution."""
import math

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import ExpTransform
from rushlight.distributions.utils import clamp_probs
from rushlight.functional._core import core

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """The logarithm of `RelaxedOneHotCategorical`'s draws.

    Args:
        temperature (Tensor): above 0.
        probs (Tensor): weights of shape (..., K), at least 0; their sum becomes 1.
        logits (Tensor): logarithms of weights, instead.
        validate_args (bool): see `Distribution`.

    Example:
        >>> module = rushlight.distributions.relaxed_categorical
        >>> module.ExpRelaxedCategorical(rushlight.tensor(1.0), rushlight.ones(3)).event_shape
        rushlight.Size([3])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    # Draws are logarithms of a simplex, but for rounding.
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        Distribution.__init__(
            self, self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args
        )

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(ExpRelaxedCategorical, _instance)
        new.temperature = self.temperature
        new._categorical = self._categorical.expand(batch_shape)
        return self._expand_into(new, batch_shape)

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def logits(self):
        """Logarithms of probabilities."""
        return self._categorical.logits

    @property
    def probs(self):
        """Probabilities."""
        return self._categorical.probs

    def rsample(self, sample_shape=Size(())):
        """The log-softmax of (logits + Gumbel numbers) / temperature."""
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(core.rand(shape, dtype=self.logits.dtype))
        return core.log_softmax((self.logits.expand(shape) - (-u.log()).log()) / self.temperature, dim=-1)

    def log_prob(self, value):
        """The logarithm of the density at `value`."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = core.broadcast_tensors(self.logits, value)
        parts = self._event_shape[0]
        score = core.log_softmax(logits - value * self.temperature, dim=-1).sum(-1)
        scale = (parts - 1) * core.as_tensor(self.temperature, dtype=score.dtype).log()
        return score + math.lgamma(parts) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """Points of the simplex that come near its corners at low temperatures (Maddison et al., 2017; Jang et al., 2017).

    Args:
        temperature (Tensor): above 0.
        probs (Tensor): weights of shape (..., K), at least 0; their sum becomes 1.
        logits (Tensor): logarithms of weights, instead.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.RelaxedOneHotCategorical(rushlight.tensor(0.5), rushlight.ones(3)).sample().shape
        rushlight.Size([3])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        return super().expand(batch_shape, _instance=self._get_checked_instance(RelaxedOneHotCategorical, _instance))

    @property
    def temperature(self):
        """As given."""
        return self.base_dist.temperature

    @property
    def logits(self):
        """Logarithms of probabilities."""
        return self.base_dist.logits

    @property
    def probs(self):
        """Probabilities."""
        return self.base_dist.probs
