"""The half-Cauchy distribution."""
import math

from rushlight.distributions.cauchy import Cauchy
from rushlight.distributions.half import Half
from rushlight.functional._core import core

__all__ = ["HalfCauchy"]


class HalfCauchy(Half):
    """The distribution of the absolute value of a Cauchy number of median 0.

    Args:
        scale (Tensor or float): the Cauchy distribution's, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.HalfCauchy(1.0).cdf(rushlight.tensor(1.0))
        tensor(0.5000)
    """

    def __init__(self, scale, validate_args=None):
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        return super().expand(batch_shape, _instance=self._get_checked_instance(HalfCauchy, _instance))

    @property
    def mean(self):
        """Infinite."""
        return core.full_like(self.scale, math.inf)

    @property
    def variance(self):
        """Infinite."""
        return self.base_dist.variance

    def log_prob(self, value):
        """Twice the Cauchy density from 0 on, nothing below."""
        return super().log_prob(core.as_tensor(value, dtype=self.scale.dtype))
