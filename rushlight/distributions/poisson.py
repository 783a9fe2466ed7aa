"""The Poisson distribution."""
from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.functional._core import core

__all__ = ["Poisson"]


class Poisson(ExponentialFamily):
    """The Poisson distribution of counts.

    Args:
        rate (Tensor or float): mean, at least 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Poisson(2.0).log_prob(rushlight.tensor(0.0))
        tensor(-2.)
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    _expandable = ("rate",)

    def __init__(self, rate, validate_args=None):
        self._take(validate_args, rate=rate)

    @property
    def mean(self):
        """rate"""
        return self.rate

    @property
    def mode(self):
        """rate without its fraction"""
        return self.rate.floor()

    @property
    def variance(self):
        """rate"""
        return self.rate

    def sample(self, sample_shape=Size(())):
        """Counts, of the dtype of rate."""
        with no_grad():
            return core.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        """value log(rate) - rate - log(value!)"""
        if self._validate_args:
            self._validate_sample(value)
        return core.xlogy(value, self.rate) - self.rate - core.lgamma(value + 1)

    @property
    def _natural_params(self):
        return (core.log(self.rate),)

    def _log_normalizer(self, x):
        return core.exp(x)
