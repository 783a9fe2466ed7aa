"""The relaxed Bernoulli distribution."""
from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import ProbsOrLogits
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import SigmoidTransform
from rushlight.distributions.utils import clamp_probs
from rushlight.functional._core import core, native

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(ProbsOrLogits):
    """The log-odds of `RelaxedBernoulli`'s draws.

    Args:
        temperature (Tensor): above 0.
        probs (Tensor or float): in [0, 1].
        logits (Tensor or float): its log-odds, instead.
        validate_args (bool): see `Distribution`.

    Example:
        >>> d = rushlight.distributions.relaxed_bernoulli.LogitRelaxedBernoulli(rushlight.tensor(1.0), 0.5)
        >>> d.log_prob(rushlight.tensor(0.0))
        tensor(-1.3863)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True
    _expandable = ("probs", "logits")

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        name = self._one_of(probs, logits)
        self._take(validate_args, **{name: probs if name == "probs" else logits})

    def _expand_into(self, new, batch_shape):
        new.temperature = self.temperature
        return super()._expand_into(new, batch_shape)

    def rsample(self, sample_shape=Size(())):
        """(logits + a logistic number) / temperature"""
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(core.rand(shape, dtype=probs.dtype))
        return (u.log() - core.log1p(-u) + probs.log() - core.log1p(-probs)) / self.temperature

    def log_prob(self, value):
        """The logarithm of the density at `value`."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = core.broadcast_tensors(self.logits, value)
        gap = logits - value * self.temperature
        return core.as_tensor(self.temperature).log() + gap - 2 * native.softplus(gap)


class RelaxedBernoulli(TransformedDistribution):
    """Numbers of (0, 1) that come near 0 and 1 at low temperatures (Maddison et al., 2017; Jang et al., 2017).

    Args:
        temperature (Tensor): above 0.
        probs (Tensor or float): in [0, 1].
        logits (Tensor or float): its log-odds, instead.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.RelaxedBernoulli(rushlight.tensor(0.5), rushlight.tensor([0.3])).sample().shape
        rushlight.Size([1])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = LogitRelaxedBernoulli(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        return super().expand(batch_shape, _instance=self._get_checked_instance(RelaxedBernoulli, _instance))

    @property
    def temperature(self):
        """As given."""
        return self.base_dist.temperature

    @property
    def logits(self):
        """Log-odds."""
        return self.base_dist.logits

    @property
    def probs(self):
        """Probabilities."""
        return self.base_dist.probs
