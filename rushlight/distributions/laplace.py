"""The Laplace distribution."""
import math

from rushlight._dtype_info import finfo
from rushlight.distributions.distribution import LocationScale
from rushlight.functional._core import core

__all__ = ["Laplace"]


class Laplace(LocationScale):
    """The Laplace distribution: exponential on both sides of loc.

    Args:
        loc (Tensor or float): mean.
        scale (Tensor or float): above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Laplace(0.0, 1.0).log_prob(rushlight.tensor(1.0))
        tensor(-1.6931)
    """

    @property
    def mean(self):
        """loc"""
        return self.loc

    @property
    def mode(self):
        """loc"""
        return self.loc

    @property
    def stddev(self):
        """scale sqrt(2)"""
        return math.sqrt(2) * self.scale

    @property
    def variance(self):
        """2 scale squared"""
        return 2 * self.scale**2

    def _noise(self, shape):
        u = core.empty(shape, dtype=self.loc.dtype).uniform_(finfo(self.loc.dtype).eps - 1, 1)
        return -u.sign() * core.log1p(-u.abs())

    def log_prob(self, value):
        """-|z| - log(2 scale)"""
        return -self._standard(value).abs() - core.log(2 * self.scale)

    def cdf(self, value):
        """exp(z) / 2 below loc, 1 - exp(-z) / 2 above."""
        z = self._standard(value)
        return 0.5 - 0.5 * z.sign() * core.expm1(-z.abs())

    def icdf(self, value):
        """The quantile at `value`."""
        centred = value - 0.5
        return self.loc - self.scale * centred.sign() * core.log1p(-2 * centred.abs())

    def entropy(self):
        """1 + log(2 scale)"""
        return 1 + core.log(2 * self.scale)
