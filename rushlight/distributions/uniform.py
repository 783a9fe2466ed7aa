"""The uniform distribution."""
from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.functional._core import core

__all__ = ["Uniform"]


class Uniform(Distribution):
    """The uniform distribution on [low, high).

    Args:
        low (Tensor or float): lower end, included.
        high (Tensor or float): upper end, above low.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: low is not below high.

    Example:
        >>> rushlight.distributions.Uniform(0.0, 4.0).entropy()
        tensor(1.3863)
    """

    has_rsample = True
    _expandable = ("low", "high")

    def __init__(self, low, high, validate_args=None):
        self._take(validate_args, low=low, high=high)
        if self._validate_args and not (self.low < self.high).all():
            raise ValueError(f"Uniform: low={self.low} is not below high={self.high} everywhere; expected low < high")

    @property
    def arg_constraints(self):
        """Each end leaves room for the other."""
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        """[low, high]"""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self):
        """The middle."""
        return (self.high + self.low) / 2

    @property
    def mode(self):
        """NaN: there is none."""
        return core.full_like(self.low, float("nan"))

    @property
    def stddev(self):
        """(high - low) / sqrt(12)"""
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self):
        """(high - low)^2 / 12"""
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape=Size(())):
        """low + u (high - low)"""
        u = core.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value):
        """-log(high - low) inside, -inf outside"""
        if self._validate_args:
            self._validate_sample(value)
        inside = (self.low <= value) & (self.high > value)
        return core.log(inside.to(self.low.dtype)) - core.log(self.high - self.low)

    def cdf(self, value):
        """The share of the interval below `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value):
        """low + value (high - low)"""
        return self.low + value * (self.high - self.low)

    def entropy(self):
        """log(high - low)"""
        return core.log(self.high - self.low)
