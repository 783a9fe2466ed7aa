"""The inverse gamma distribution."""
import math

from rushlight.distributions import constraints
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import PowerTransform
from rushlight.functional._core import core

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """The distribution of the reciprocal of a gamma number.

    Args:
        concentration (Tensor or float): shape, above 0.
        rate (Tensor or float): the gamma's rate, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.InverseGamma(3.0, 4.0).mean
        tensor(2.)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, PowerTransform(-core.ones_like(base.rate)), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        return super().expand(batch_shape, _instance=self._get_checked_instance(InverseGamma, _instance))

    @property
    def concentration(self):
        """Shape."""
        return self.base_dist.concentration

    @property
    def rate(self):
        """The gamma's rate."""
        return self.base_dist.rate

    @property
    def mean(self):
        """rate / (concentration - 1) where concentration > 1, else infinite"""
        return core.where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self):
        """rate / (concentration + 1)"""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self):
        """Where concentration > 2, else infinite"""
        c = self.concentration
        return core.where(c > 2, self.rate.square() / ((c - 1).square() * (c - 2)), math.inf)

    def entropy(self):
        """In nats."""
        c = self.concentration
        return c + self.rate.log() + core.lgamma(c) - (1 + c) * core.digamma(c)
