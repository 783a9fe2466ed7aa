"""The half-normal distribution."""
import math

from rushlight.distributions import constraints
from rushlight.distributions.normal import Normal
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import AbsTransform
from rushlight.functional._core import core

__all__ = ["HalfNormal"]


class HalfNormal(TransformedDistribution):
    """The distribution of the absolute value of a normal number of mean 0.

    Args:
        scale (Tensor or float): the normal's standard deviation, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.HalfNormal(1.0).mean
        tensor(0.7979)
    """

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, scale, validate_args=None):
        super().__init__(Normal(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        return super().expand(batch_shape, _instance=self._get_checked_instance(HalfNormal, _instance))

    @property
    def scale(self):
        """The normal's."""
        return self.base_dist.scale

    @property
    def mean(self):
        """scale sqrt(2 / pi)"""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def mode(self):
        """0"""
        return core.zeros_like(self.scale)

    @property
    def variance(self):
        """scale^2 (1 - 2 / pi)"""
        return self.scale.pow(2) * (1 - 2 / math.pi)

    def log_prob(self, value):
        """Twice the normal's density from 0 on, nothing below."""
        if self._validate_args:
            self._validate_sample(value)
        return core.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value):
        """The probability of values up to `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value):
        """The quantile at `value`."""
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self):
        """The normal's, less log(2)."""
        return self.base_dist.entropy() - math.log(2)
