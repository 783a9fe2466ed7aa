"""Batch dimensions as part of one draw."""
from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import sum_rightmost

__all__ = ["Independent"]


class Independent(Distribution):
    """A distribution whose rightmost batch dimensions count as part of one draw.

    Args:
        base_distribution (Distribution): independent draws.
        reinterpreted_batch_ndims (int): how many dimensions join.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: the base has fewer batch dimensions.

    Example:
        >>> d = rushlight.distributions
        >>> d.Independent(d.Normal(rushlight.zeros(3), 1.0), 1).log_prob(rushlight.zeros(3))
        tensor(-2.7568)
    """

    arg_constraints = {}

    def __init__(self, base_distribution, reinterpreted_batch_ndims, validate_args=None):
        batch = base_distribution.batch_shape
        if reinterpreted_batch_ndims > len(batch):
            raise ValueError(
                f"Independent: reinterpreted_batch_ndims={reinterpreted_batch_ndims} for a base_distribution of "
                f"batch_shape {tuple(batch)}; expected at most {len(batch)}"
            )
        shape = batch + base_distribution.event_shape
        cut = len(batch) - reinterpreted_batch_ndims
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(Independent, _instance)
        batch_shape = Size(batch_shape)
        new.base_dist = self.base_dist.expand(batch_shape + self._event_shape[: self.reinterpreted_batch_ndims])
        new.reinterpreted_batch_ndims = self.reinterpreted_batch_ndims
        return self._expand_into(new, batch_shape)

    @property
    def has_rsample(self):
        """As the base."""
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self):
        """As the base, where no dimension joins."""
        return self.reinterpreted_batch_ndims == 0 and self.base_dist.has_enumerate_support

    @constraints.dependent_property
    def support(self):
        """The base's, with the joined dimensions."""
        inner = self.base_dist.support
        if self.reinterpreted_batch_ndims == 0:
            return inner
        return constraints.independent(inner, self.reinterpreted_batch_ndims)

    @property
    def mean(self):
        """The base's."""
        return self.base_dist.mean

    @property
    def mode(self):
        """The base's."""
        return self.base_dist.mode

    @property
    def variance(self):
        """The base's."""
        return self.base_dist.variance

    def sample(self, sample_shape=Size(())):
        """The base's draws."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=Size(())):
        """The base's draws, through which gradients flow."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        """The base's, summed over the joined dimensions."""
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self):
        """The base's, summed over the joined dimensions."""
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand=True):
        """The base's, where no dimension joins."""
        if self.reinterpreted_batch_ndims > 0:
            raise NotImplementedError("Independent: enumerate_support over joined dimensions is not defined")
        return self.base_dist.enumerate_support(expand=expand)

    def __repr__(self):
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
