"""The Pareto distribution."""
import math

from rushlight.distributions import constraints
from rushlight.distributions.exponential import Exponential
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import AffineTransform, ExpTransform
from rushlight.distributions.utils import broadcast_all
from rushlight.functional._core import core

__all__ = ["Pareto"]


class Pareto(TransformedDistribution):
    """The Pareto distribution of type 1.

    Args:
        scale (Tensor or float): the smallest value, above 0.
        alpha (Tensor or float): shape, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Pareto(1.0, 2.0).mean
        tensor(2.)
    """

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale, alpha, validate_args=None):
        self.scale, self.alpha = broadcast_all(scale, alpha)
        super().__init__(
            Exponential(self.alpha, validate_args=validate_args),
            [ExpTransform(), AffineTransform(0, self.scale)],
            validate_args=validate_args,
        )

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(Pareto, _instance)
        new.scale, new.alpha = self.scale.expand(batch_shape), self.alpha.expand(batch_shape)
        return super().expand(batch_shape, _instance=new)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        """From scale on"""
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self):
        """alpha scale / (alpha - 1) where alpha > 1, else infinite"""
        a = core.where(self.alpha > 1, self.alpha, 2.0)
        return core.where(self.alpha > 1, a * self.scale / (a - 1), math.inf)

    @property
    def mode(self):
        """scale"""
        return self.scale

    @property
    def variance(self):
        """scale^2 alpha / ((alpha - 1)^2 (alpha - 2)) where alpha > 2, else infinite"""
        a = core.where(self.alpha > 2, self.alpha, 3.0)
        return core.where(self.alpha > 2, self.scale**2 * a / ((a - 1) ** 2 * (a - 2)), math.inf)

    def entropy(self):
        """log(scale / alpha) + 1 + 1 / alpha"""
        return core.log(self.scale / self.alpha) + 1 + self.alpha.reciprocal()
