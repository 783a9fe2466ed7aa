"""The Dirichlet distribution."""
from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.functional._core import core

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """The Dirichlet distribution over the shares of a whole.

    Args:
        concentration (Tensor): of shape (..., K), above 0.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: concentration has no dimension, or elements that are not above 0.

    Example:
        >>> rushlight.distributions.Dirichlet(rushlight.tensor([1.0, 3.0])).mean
        tensor([0.2500, 0.7500])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _expandable = ("concentration",)

    def __init__(self, concentration, validate_args=None):
        if concentration.dim() < 1:
            raise ValueError("Dirichlet: concentration has no dimension; expected at least one")
        self.concentration = concentration
        Distribution.__init__(self, concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self):
        """concentration over its sum"""
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self):
        """Where the density is highest: a corner or an edge when concentrations are below 1."""
        above = (self.concentration - 1).clamp(min=0)
        mode = above / above.sum(-1, True)
        flat = (self.concentration < 1).all(-1, keepdim=True)
        largest = core.zeros_like(mode).scatter(-1, self.concentration.argmax(-1, keepdim=True), 1.0)
        return core.where(flat, largest, mode)

    @property
    def variance(self):
        """Of each share."""
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    def rsample(self, sample_shape=Size(())):
        """Draws of the open simplex; gradients are implicit ones of each share's beta distribution."""
        return core._sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        """The logarithm of the density at `value`."""
        if self._validate_args:
            self._validate_sample(value)
        c = self.concentration
        return (core.xlogy(c - 1, value).sum(-1) + core.lgamma(c.sum(-1)) - core.lgamma(c).sum(-1))

    def entropy(self):
        """In nats."""
        c = self.concentration
        total, parts = c.sum(-1), c.shape[-1]
        return (core.lgamma(c).sum(-1) - core.lgamma(total) - (parts - total) * core.digamma(total)
                - ((c - 1) * core.digamma(c)).sum(-1))

    @property
    def _natural_params(self):
        return (self.concentration,)

    def _log_normalizer(self, x):
        return core.lgamma(x).sum(-1) - core.lgamma(x.sum(-1))
