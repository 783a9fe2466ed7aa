"""The half-normal distribution."""
import math

from rushlight.distributions.half import Half
from rushlight.distributions.normal import Normal

__all__ = ["HalfNormal"]


class HalfNormal(Half):
    """The distribution of the absolute value of a normal number of mean 0.

    Args:
        scale (Tensor or float): the normal's standard deviation, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.HalfNormal(1.0).mean
        tensor(0.7979)
    """

    def __init__(self, scale, validate_args=None):
        super().__init__(Normal(0, scale, validate_args=False), validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        return super().expand(batch_shape, _instance=self._get_checked_instance(HalfNormal, _instance))

    @property
    def mean(self):
        """scale sqrt(2 / pi)"""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self):
        """scale^2 (1 - 2 / pi)"""
        return self.scale.pow(2) * (1 - 2 / math.pi)
