"""The Gumbel distribution."""
import math

from rushlight._dtype_info import finfo
from rushlight.distributions import constraints
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import AffineTransform, ExpTransform
from rushlight.distributions.uniform import Uniform
from rushlight.distributions.utils import broadcast_all, euler_constant
from rushlight.functional._core import core

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """The Gumbel distribution of maxima.

    Args:
        loc (Tensor or float): mode.
        scale (Tensor or float): above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Gumbel(1.0, 2.0).mean
        tensor(2.1544)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        info = finfo(self.loc.dtype)
        ends = [core.full_like(self.loc, info.tiny), core.full_like(self.loc, 1 - info.eps)]
        # loc - scale log(-log(u))
        falling = core.ones_like(self.scale)
        super().__init__(
            Uniform(*ends, validate_args=validate_args),
            [ExpTransform().inv, AffineTransform(0, -falling), ExpTransform().inv,
             AffineTransform(self.loc, -self.scale)],
            validate_args=validate_args,
        )

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(Gumbel, _instance)
        new.loc, new.scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        return super().expand(batch_shape, _instance=new)

    @property
    def mean(self):
        """loc + scale times Euler's constant"""
        return self.loc + self.scale * euler_constant

    @property
    def mode(self):
        """loc"""
        return self.loc

    @property
    def stddev(self):
        """scale pi / sqrt(6)"""
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self):
        """(scale pi)^2 / 6"""
        return self.stddev.pow(2)

    def log_prob(self, value):
        """-z - exp(-z) - log(scale)"""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        return -z - core.exp(-z) - self.scale.log()

    def entropy(self):
        """log(scale) + 1 + Euler's constant"""
        return self.scale.log() + (1 + euler_constant)
