"""What the distributions of absolute values share."""
import math

from rushlight.distributions import constraints
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import AbsTransform
from rushlight.functional._core import core

__all__ = ["Half"]


class Half(TransformedDistribution):
    """The distribution of the absolute value of a number whose own is symmetric around 0.

    Args:
        whole (Distribution): the number's.
        validate_args (bool): see `Distribution`.

    Example:
        >>> from rushlight.distributions import Normal
        >>> rushlight.distributions.half.Half(Normal(0.0, 1.0)).cdf(rushlight.tensor(0.0))
        tensor(0.)
    """

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, whole, validate_args=None):
        super().__init__(whole, AbsTransform(), validate_args=validate_args)

    @property
    def scale(self):
        """The whole distribution's."""
        return self.base_dist.scale

    @property
    def mode(self):
        """0"""
        return core.zeros_like(self.scale)

    def log_prob(self, value):
        """Twice the whole distribution's density from 0 on, nothing below."""
        if self._validate_args:
            self._validate_sample(value)
        return core.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value):
        """The probability of values up to `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob):
        """The quantile at `prob`."""
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self):
        """The whole distribution's, less log(2)."""
        return self.base_dist.entropy() - math.log(2)
