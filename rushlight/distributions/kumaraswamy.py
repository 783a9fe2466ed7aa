"""The Kumaraswamy distribution."""
from rushlight.distributions import constraints
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import AffineTransform, PowerTransform
from rushlight.distributions.uniform import Uniform
from rushlight.distributions.utils import broadcast_all, euler_constant
from rushlight.functional._core import core

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """The Kumaraswamy distribution on (0, 1): like the beta's, with a cdf in closed form.

    Args:
        concentration1 (Tensor or float): a, above 0.
        concentration0 (Tensor or float): b, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Kumaraswamy(1.0, 1.0).mean
        tensor(0.5000)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(
            Uniform(core.zeros_like(self.concentration0), core.ones_like(self.concentration0),
                    validate_args=validate_args),
            self._maps(),
            validate_args=validate_args,
        )

    def _maps(self):
        # (1 - u^(1/b))^(1/a)
        return [PowerTransform(self.concentration0.reciprocal()), AffineTransform(1.0, -1.0),
                PowerTransform(self.concentration1.reciprocal())]

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(Kumaraswamy, _instance)
        new.concentration1 = self.concentration1.expand(batch_shape)
        new.concentration0 = self.concentration0.expand(batch_shape)
        return super().expand(batch_shape, _instance=new)

    def _moment(self, order):
        """b B(1 + order / a, b)"""
        a, b = self.concentration1, self.concentration0
        above = 1 + order / a
        return core.exp(b.log() + core.lgamma(above) + core.lgamma(b) - core.lgamma(above + b))

    @property
    def mean(self):
        """b B(1 + 1 / a, b)"""
        return self._moment(1)

    @property
    def mode(self):
        """((a - 1) / (a b - 1))^(1 / a) where a and b are at least 1 and not both 1, else NaN"""
        a, b = self.concentration1, self.concentration0
        inside = (a >= 1) & (b >= 1) & (a * b > 1)
        safe = core.where(inside, a * b - 1, 1.0)
        value = (core.where(inside, a - 1, 1.0) / safe).pow(a.reciprocal())
        return core.where(inside, value, float("nan"))

    @property
    def variance(self):
        """From the first two moments."""
        return self._moment(2) - self._moment(1) ** 2

    def entropy(self):
        """In nats."""
        a, b = self.concentration1, self.concentration0
        harmonic = core.digamma(b + 1) + euler_constant
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - a.log() - b.log()
