"""The gamma distribution."""
from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import keep_above_zero
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.functional._core import core

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """The gamma distribution.

    Args:
        concentration (Tensor or float): shape, above 0.
        rate (Tensor or float): 1 / scale, above 0.
        validate_args (bool): see `Distribution`.

    Gradients of draws to the concentration are implicit ones (Figurnov et al., 2018).

    Example:
        >>> rushlight.distributions.Gamma(3.0, 2.0).mean
        tensor(1.5000)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    _expandable = ("concentration", "rate")

    def __init__(self, concentration, rate, validate_args=None):
        self._take(validate_args, concentration=concentration, rate=rate)

    @property
    def mean(self):
        """concentration / rate"""
        return self.concentration / self.rate

    @property
    def mode(self):
        """(concentration - 1) / rate, at least 0"""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self):
        """concentration / rate^2"""
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape=Size(())):
        """Draws above 0."""
        shape = self._extended_shape(sample_shape)
        return keep_above_zero(core._standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape))

    def log_prob(self, value):
        """The logarithm of the density at `value`."""
        value = core.as_tensor(value, dtype=self.rate.dtype)
        if self._validate_args:
            self._validate_sample(value)
        power = core.xlogy(self.concentration - 1, value)
        return (core.xlogy(self.concentration, self.rate) + power - self.rate * value
                - core.lgamma(self.concentration))

    def cdf(self, value):
        """The regularised lower incomplete gamma function at rate value."""
        if self._validate_args:
            self._validate_sample(value)
        return core.igamma(self.concentration, self.rate * value)

    def entropy(self):
        """In nats."""
        return (self.concentration - core.log(self.rate) + core.lgamma(self.concentration)
                + (1 - self.concentration) * core.digamma(self.concentration))

    @property
    def _natural_params(self):
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x, y):
        return core.lgamma(x + 1) - (x + 1) * core.log(-y)
