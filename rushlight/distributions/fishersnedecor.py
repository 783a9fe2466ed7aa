"""The F distribution."""
import math

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution, keep_above_zero
from rushlight.distributions.gamma import Gamma
from rushlight.functional._core import core

__all__ = ["FisherSnedecor"]


class FisherSnedecor(Distribution):
    """The F distribution: the ratio of two chi-squared numbers, each over its degrees of freedom.

    Args:
        df1 (Tensor or float): degrees of freedom of the numerator, above 0.
        df2 (Tensor or float): of the denominator, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.FisherSnedecor(1.0, 4.0).mean
        tensor(2.)
    """

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True
    _expandable = ("df1", "df2")

    def __init__(self, df1, df2, validate_args=None):
        self._take(validate_args, df1=df1, df2=df2)

    @property
    def mean(self):
        """df2 / (df2 - 2) where df2 > 2, else NaN"""
        return core.where(self.df2 > 2, self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self):
        """(df1 - 2) / df1 df2 / (df2 + 2) where df1 > 2, else NaN"""
        value = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return core.where(self.df1 > 2, value, math.nan)

    @property
    def variance(self):
        """Where df2 > 4, else NaN"""
        a, b = self.df1, self.df2
        value = 2 * b**2 * (a + b - 2) / (a * (b - 2) ** 2 * (b - 4))
        return core.where(b > 4, value, math.nan)

    def rsample(self, sample_shape=Size(())):
        """The ratio of two gamma draws of mean 1."""
        upper = Gamma(self.df1 / 2, self.df1, validate_args=False).rsample(sample_shape)
        lower = Gamma(self.df2 / 2, self.df2, validate_args=False).rsample(sample_shape)
        return keep_above_zero(upper / lower)

    def log_prob(self, value):
        """The logarithm of the density at `value`."""
        if self._validate_args:
            self._validate_sample(value)
        a, b = self.df1 / 2, self.df2 / 2
        ratio = self.df1 / self.df2
        norm = core.lgamma(a + b) - core.lgamma(a) - core.lgamma(b)
        return norm + a * ratio.log() + (a - 1) * value.log() - (a + b) * core.log1p(ratio * value)
