"""The beta distribution."""
from numbers import Number

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.dirichlet import Dirichlet
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.utils import broadcast_all
from rushlight.functional._core import core

__all__ = ["Beta"]


class Beta(ExponentialFamily):
    """The beta distribution on [0, 1]: the first share of a Dirichlet draw of two.

    Args:
        concentration1 (Tensor or float): alpha, above 0.
        concentration0 (Tensor or float): beta, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Beta(1.0, 3.0).mean
        tensor(0.2500)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        if isinstance(concentration1, Number) and isinstance(concentration0, Number):
            both = core.tensor([float(concentration1), float(concentration0)])
        else:
            both = core.stack(broadcast_all(concentration1, concentration0), -1)
        self._dirichlet = Dirichlet(both, validate_args=validate_args)
        Distribution.__init__(self, self._dirichlet._batch_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(Beta, _instance)
        new._dirichlet = self._dirichlet.expand(Size(batch_shape))
        return self._expand_into(new, batch_shape)

    @property
    def concentration1(self):
        """alpha"""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self):
        """beta"""
        return self._dirichlet.concentration[..., 1]

    @property
    def mean(self):
        """alpha / (alpha + beta)"""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self):
        """Where the density is highest."""
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self):
        """alpha beta / ((alpha + beta)^2 (alpha + beta + 1))"""
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total**2 * (total + 1))

    def rsample(self, sample_shape=Size(())):
        """Draws of (0, 1), through which gradients flow."""
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value):
        """The logarithm of the density at `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return self._dirichlet.log_prob(core.stack([value, 1 - value], -1))

    def entropy(self):
        """In nats."""
        return self._dirichlet.entropy()

    @property
    def _natural_params(self):
        return self.concentration1, self.concentration0

    def _log_normalizer(self, x, y):
        return core.lgamma(x) + core.lgamma(y) - core.lgamma(x + y)
