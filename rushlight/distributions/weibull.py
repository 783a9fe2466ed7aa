"""The Weibull distribution."""
from rushlight.distributions import constraints
from rushlight.distributions.exponential import Exponential
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import AffineTransform, PowerTransform
from rushlight.distributions.utils import broadcast_all, euler_constant
from rushlight.functional._core import core

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """The Weibull distribution.

    Args:
        scale (Tensor or float): above 0.
        concentration (Tensor or float): shape, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Weibull(2.0, 1.0).mean
        tensor(2.)
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale, concentration, validate_args=None):
        self.scale, self.concentration = broadcast_all(scale, concentration)
        self.concentration_reciprocal = self.concentration.reciprocal()
        super().__init__(
            Exponential(core.ones_like(self.scale), validate_args=validate_args),
            [PowerTransform(self.concentration_reciprocal), AffineTransform(0, self.scale)],
            validate_args=validate_args,
        )

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(Weibull, _instance)
        new.scale, new.concentration = self.scale.expand(batch_shape), self.concentration.expand(batch_shape)
        new.concentration_reciprocal = new.concentration.reciprocal()
        new = super().expand(batch_shape, _instance=new)
        new.transforms = [PowerTransform(new.concentration_reciprocal), AffineTransform(0, new.scale)]
        return new

    def _moment(self, order):
        return core.exp(core.lgamma(1 + order * self.concentration_reciprocal))

    @property
    def mean(self):
        """scale Gamma(1 + 1 / concentration)"""
        return self.scale * self._moment(1)

    @property
    def mode(self):
        """scale (1 - 1 / concentration)^(1 / concentration), 0 for concentrations up to 1"""
        inside = (1 - self.concentration_reciprocal).clamp(min=0)
        return self.scale * inside.pow(self.concentration_reciprocal)

    @property
    def variance(self):
        """scale^2 (Gamma(1 + 2 / concentration) - Gamma(1 + 1 / concentration)^2)"""
        return self.scale.pow(2) * (self._moment(2) - self._moment(1) ** 2)

    def entropy(self):
        """In nats."""
        r = self.concentration_reciprocal
        return euler_constant * (1 - r) + core.log(self.scale * r) + 1
