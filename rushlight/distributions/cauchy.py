"""The Cauchy distribution."""
import math

from rushlight.distributions.distribution import LocationScale
from rushlight.functional._core import core

__all__ = ["Cauchy"]


class Cauchy(LocationScale):
    """The Cauchy distribution, which has no mean.

    Args:
        loc (Tensor or float): median and mode.
        scale (Tensor or float): half its width at half its height, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Cauchy(0.0, 1.0).cdf(rushlight.tensor(1.0))
        tensor(0.7500)
    """

    @property
    def mean(self):
        """NaN: there is none."""
        return core.full_like(self.loc, math.nan)

    @property
    def mode(self):
        """loc"""
        return self.loc

    @property
    def variance(self):
        """Infinite."""
        return core.full_like(self.loc, math.inf)

    def _noise(self, shape):
        return core.empty(shape, dtype=self.loc.dtype).cauchy_()

    def log_prob(self, value):
        """-log(pi scale (1 + z^2))"""
        return -math.log(math.pi) - self.scale.log() - core.log1p(self._standard(value) ** 2)

    def cdf(self, value):
        """1/2 + atan(z) / pi"""
        return core.atan(self._standard(value)) / math.pi + 0.5

    def icdf(self, value):
        """The quantile at `value`."""
        return self.loc + self.scale * core.tan(math.pi * (value - 0.5))

    def entropy(self):
        """log(4 pi scale)"""
        return math.log(4 * math.pi) + self.scale.log()
