"""The generalized Pareto distribution."""
import math

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.functional._core import core

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """The generalized Pareto distribution of excesses over a threshold.

    Args:
        loc (Tensor or float): the threshold.
        scale (Tensor or float): above 0.
        concentration (Tensor or float): shape; 0 is the exponential distribution.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
        tensor(2.)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True
    _expandable = ("loc", "scale", "concentration")

    def __init__(self, loc, scale, concentration, validate_args=None):
        self._take(validate_args, loc=loc, scale=scale, concentration=concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        """From loc on, up to loc - scale / concentration where that is below infinity."""
        end = core.where(self.concentration < 0, self.loc - self.scale / self.concentration, math.inf)
        return constraints.interval(self.loc, end)

    def _near_zero(self):
        """Where the exponential distribution stands in, and concentrations that may divide everywhere."""
        zero = core.isclose(self.concentration, core.zeros_like(self.concentration))
        return zero, core.where(zero, 1.0, self.concentration)

    def log_survival_function(self, value):
        """The logarithm of the probability of values above `value`."""
        z = (value - self.loc) / self.scale
        zero, c = self._near_zero()
        return core.where(zero, -z, -core.log1p(c * z) / c)

    @property
    def mean(self):
        """loc + scale / (1 - concentration) where concentration < 1, else infinite"""
        c = core.where(self.concentration < 1, self.concentration, 0.0)
        return core.where(self.concentration < 1, self.loc + self.scale / (1 - c), math.inf)

    @property
    def mode(self):
        """loc"""
        return self.loc

    @property
    def variance(self):
        """scale^2 / ((1 - c)^2 (1 - 2 c)) where c < 1/2, else infinite"""
        c = core.where(self.concentration < 0.5, self.concentration, 0.0)
        return core.where(self.concentration < 0.5, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.inf)

    def rsample(self, sample_shape=Size(())):
        """Quantiles of uniform numbers."""
        return self.icdf(core.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value):
        """-(1 + 1 / c) log(1 + c z) - log(scale)"""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        zero, c = self._near_zero()
        return core.where(zero, -z, -(1 + 1 / c) * core.log1p(c * z)) - self.scale.log()

    def log_cdf(self, value):
        """The logarithm of the probability of values up to `value`."""
        return core.log(-core.expm1(self.log_survival_function(value)))

    def cdf(self, value):
        """1 - (1 + c z)^(-1 / c)"""
        if self._validate_args:
            self._validate_sample(value)
        return -core.expm1(self.log_survival_function(value))

    def icdf(self, value):
        """loc + scale ((1 - value)^-c - 1) / c"""
        zero, c = self._near_zero()
        survival = core.log1p(-value)
        return self.loc + self.scale * core.where(zero, -survival, core.expm1(-c * survival) / c)

    def entropy(self):
        """log(scale) + concentration + 1"""
        return self.scale.log() + self.concentration + 1
