"""The logistic-normal distribution."""
from rushlight.distributions import constraints
from rushlight.distributions.normal import Normal
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import StickBreakingTransform

__all__ = ["LogisticNormal"]


class LogisticNormal(TransformedDistribution):
    """Normal vectors mapped to the simplex by `StickBreakingTransform`.

    Args:
        loc (Tensor): means, of shape (..., K - 1).
        scale (Tensor): standard deviations, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.LogisticNormal(rushlight.zeros(2), rushlight.ones(2)).event_shape
        rushlight.Size([3])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        return super().expand(batch_shape, _instance=self._get_checked_instance(LogisticNormal, _instance))

    @property
    def loc(self):
        """Means before the map."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self):
        """Standard deviations before the map."""
        return self.base_dist.base_dist.scale
