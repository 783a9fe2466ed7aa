"""Student's t distribution."""
import math

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.chi2 import Chi2
from rushlight.distributions.distribution import LocationScale
from rushlight.distributions.utils import standard_normal
from rushlight.functional._core import core

__all__ = ["StudentT"]


class StudentT(LocationScale):
    """Student's t distribution: a normal number over the root of a chi-squared one divided by its degrees of freedom.

    Args:
        df (Tensor or float): degrees of freedom, above 0.
        loc (Tensor or float): centre. Default: 0.
        scale (Tensor or float): above 0. Default: 1.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.StudentT(3.0).variance
        tensor(3.)
    """

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    _expandable = ("df", "loc", "scale")

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self._take(validate_args, df=df, loc=loc, scale=scale)

    @property
    def mean(self):
        """loc where df > 1, else NaN"""
        return core.where(self.df > 1, self.loc, math.nan)

    @property
    def mode(self):
        """loc"""
        return self.loc

    @property
    def variance(self):
        """scale^2 df / (df - 2) where df > 2, infinite where 1 < df <= 2, else NaN"""
        heavy = core.where(self.df > 1, math.inf, math.nan).to(self.df.dtype)
        inside = core.where(self.df > 2, self.df, 3.0)
        return core.where(self.df > 2, self.scale**2 * inside / (inside - 2), heavy)

    def rsample(self, sample_shape=Size(())):
        """Draws through which gradients flow to all parameters."""
        shape = self._extended_shape(sample_shape)
        x = standard_normal(shape, self.df.dtype)
        z = Chi2(self.df, validate_args=False).rsample(sample_shape)
        return self.loc + self.scale * x * core.rsqrt(z / self.df)

    def _log_beta(self):
        """log B(df / 2, 1 / 2)"""
        return core.lgamma(0.5 * self.df) + math.log(math.pi) / 2 - core.lgamma(0.5 * (self.df + 1))

    def log_prob(self, value):
        """-(df + 1) / 2 log(1 + z^2 / df) - log(scale sqrt(df) B(df / 2, 1 / 2))"""
        z = self._standard(value)
        norm = self.scale.log() + 0.5 * self.df.log() + self._log_beta()
        return -0.5 * (self.df + 1) * core.log1p(z**2 / self.df) - norm

    def entropy(self):
        """In nats."""
        half = 0.5 * (self.df + 1)
        spread = half * (core.digamma(half) - core.digamma(0.5 * self.df))
        return self.scale.log() + spread + 0.5 * self.df.log() + self._log_beta()
