"""The normal distribution."""
import math

from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions.distribution import LocationScale
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.functional._core import core

__all__ = ["Normal"]


class Normal(LocationScale, ExponentialFamily):
    """The normal distribution.

    Args:
        loc (Tensor or float): mean.
        scale (Tensor or float): standard deviation, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Normal(0.0, 1.0).log_prob(rushlight.tensor(0.0))
        tensor(-0.9189)
    """

    _mean_carrier_measure = 0

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
        """scale"""
        return self.scale

    @property
    def variance(self):
        """scale squared"""
        return self.scale**2

    def sample(self, sample_shape=Size(())):
        """Draws without a derivative."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return core.normal(self.loc.expand(shape), self.scale.expand(shape))

    def log_prob(self, value):
        """-z^2 / 2 - log(scale sqrt(2 pi))"""
        return -(self._standard(value) ** 2) / 2 - self.scale.log() - math.log(2 * math.pi) / 2

    def cdf(self, value):
        """The error function's share below `value`."""
        return 0.5 * (1 + core.erf(self._standard(value) / math.sqrt(2)))

    def icdf(self, value):
        """The quantile at `value`."""
        return self.loc + self.scale * core.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self):
        """log(scale sqrt(2 pi e))"""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()

    @property
    def _natural_params(self):
        return self.loc / self.scale**2, -0.5 / self.scale**2

    def _log_normalizer(self, x, y):
        return -x * x / (4 * y) + 0.5 * core.log(-math.pi / y)
