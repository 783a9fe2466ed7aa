"""Mixtures of one family."""
from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.constraints import MixtureSameFamilyConstraint
from rushlight.distributions.distribution import Distribution
from rushlight.functional._core import core

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A mixture of distributions of one family.

    Args:
        mixture_distribution (Categorical): weights; its categories number the components.
        component_distribution (Distribution): the components along its last batch dimension.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: a wrong type, or shapes that do not fit.

    Example:
        >>> d = rushlight.distributions
        >>> weights = d.Categorical(rushlight.ones(2))
        >>> d.MixtureSameFamily(weights, d.Normal(rushlight.tensor([-1.0, 3.0]), 1.0)).mean
        tensor(1.)
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                f"MixtureSameFamily: mixture_distribution is of type {type(mixture_distribution).__name__}; expected a "
                "Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                f"MixtureSameFamily: component_distribution is of type {type(component_distribution).__name__}; "
                "expected a Distribution"
            )
        weights, batch = mixture_distribution.batch_shape, component_distribution.batch_shape
        count = mixture_distribution.param_shape[-1]
        fits = len(batch) > 0 and batch[-1] == count and (
            len(weights) == 0 or (len(weights) == len(batch) - 1
            and all(w in (1, b) or b == 1 for w, b in zip(weights, batch[:-1], strict=True)))
        )
        if not fits:
            raise ValueError(
                f"MixtureSameFamily: component_distribution has batch_shape {tuple(batch)} for a mixture_distribution "
                f"of batch_shape {tuple(weights)} and {count} categories; expected (..., {count})"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._num_component = count
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        batch_shape = Size(batch_shape)
        new._component_distribution = self._component_distribution.expand(batch_shape + (self._num_component,))
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component, new._event_ndims = self._num_component, self._event_ndims
        return self._expand_into(new, batch_shape)

    @constraints.dependent_property
    def support(self):
        """That of all components."""
        return MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self):
        """Weights."""
        return self._mixture_distribution

    @property
    def component_distribution(self):
        """Components."""
        return self._component_distribution

    def _weights(self):
        probs = self._mixture_distribution.probs
        return probs.reshape(probs.shape + (1,) * self._event_ndims)

    def _mix(self, x):
        return (self._weights() * x).sum(-1 - self._event_ndims)

    @property
    def mean(self):
        """The weighted mean of means."""
        return self._mix(self._component_distribution.mean)

    @property
    def variance(self):
        """The mean of variances plus the variance of means."""
        means = self._component_distribution.mean
        apart = means - self.mean.unsqueeze(-1 - self._event_ndims)
        return self._mix(self._component_distribution.variance) + self._mix(apart.pow(2))

    def sample(self, sample_shape=Size(())):
        """Draws of randomly chosen components."""
        sample_shape = Size(sample_shape)
        with no_grad():
            chosen = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            events, at = self._event_shape, len(sample_shape) + len(self._batch_shape)
            index = chosen.reshape(chosen.shape + (1,) * (len(events) + 1))
            index = index.expand(sample_shape + self._batch_shape + (1,) + events)
            return drawn.gather(at, index).squeeze(at)

    def _pad(self, x):
        return x.unsqueeze(-1 - self._event_ndims)

    def log_prob(self, x):
        """The logarithm of the weighted sum of densities."""
        if self._validate_args:
            self._validate_sample(x)
        parts = self._component_distribution.log_prob(self._pad(x))
        return core.logsumexp(parts + core.log_softmax(self._mixture_distribution.logits, dim=-1), dim=-1)

    def cdf(self, x):
        """The weighted sum of the components'."""
        return (self._component_distribution.cdf(self._pad(x)) * self._mixture_distribution.probs).sum(-1)

    def __repr__(self):
        return f"MixtureSameFamily(\n  {self.mixture_distribution!r},\n  {self.component_distribution!r})"
