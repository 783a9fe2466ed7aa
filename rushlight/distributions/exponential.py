"""The exponential distribution."""
from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.functional._core import core

__all__ = ["Exponential"]


class Exponential(ExponentialFamily):
    """The exponential distribution.

    Args:
        rate (Tensor or float): 1 / mean, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Exponential(2.0).mean
        tensor(0.5000)
    """

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    _expandable = ("rate",)

    def __init__(self, rate, validate_args=None):
        self._take(validate_args, rate=rate)

    @property
    def mean(self):
        """1 / rate"""
        return self.rate.reciprocal()

    @property
    def mode(self):
        """0"""
        return core.zeros_like(self.rate)

    @property
    def stddev(self):
        """1 / rate"""
        return self.rate.reciprocal()

    @property
    def variance(self):
        """1 / rate^2"""
        return self.rate.pow(-2)

    def rsample(self, sample_shape=Size(())):
        """Draws of rate 1, divided by rate."""
        return core.empty(self._extended_shape(sample_shape), dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value):
        """log(rate) - rate value"""
        if self._validate_args:
            self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value):
        """1 - exp(-rate value)"""
        if self._validate_args:
            self._validate_sample(value)
        return -core.expm1(-self.rate * value)

    def icdf(self, value):
        """-log(1 - value) / rate"""
        return -core.log1p(-value) / self.rate

    def entropy(self):
        """1 - log(rate)"""
        return 1 - core.log(self.rate)

    @property
    def _natural_params(self):
        return (-self.rate,)

    def _log_normalizer(self, x):
        return -core.log(-x)
