"""A distribution seen through maps."""
from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.independent import Independent
from rushlight.distributions.transforms import ComposeTransform, Transform
from rushlight.distributions.utils import sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of a map of another's draws.

    Args:
        base_distribution (Distribution): whose draws are mapped.
        transforms (Transform or list): applied in this order.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: transforms are no Transforms, or the shapes do not fit.

    Example:
        >>> d = rushlight.distributions
        >>> d.TransformedDistribution(d.Normal(0.0, 1.0), d.ExpTransform()).log_prob(rushlight.tensor(1.0))
        tensor(-0.9189)
    """

    arg_constraints = {}

    def __init__(self, base_distribution, transforms, validate_args=None):
        if isinstance(transforms, Transform):
            self.transforms = [transforms]
        elif isinstance(transforms, list) and all(isinstance(t, Transform) for t in transforms):
            self.transforms = transforms
        else:
            raise ValueError(
                f"TransformedDistribution: transforms={transforms!r}; expected a Transform or a list of them"
            )
        base_shape = base_distribution.batch_shape + base_distribution.event_shape
        base_events = len(base_distribution.event_shape)
        whole = ComposeTransform(self.transforms)
        if len(base_shape) < whole.domain.event_dim:
            raise ValueError(
                f"TransformedDistribution: base_distribution has shape {tuple(base_shape)}; expected at least "
                f"{whole.domain.event_dim} dimensions, which the transforms need"
            )
        shape = Size(whole.forward_shape(base_shape))
        base_shape = Size(whole.inverse_shape(shape))
        base = base_distribution.expand(base_shape[: len(base_shape) - base_events])
        joining = whole.domain.event_dim - base_events
        self.base_dist = Independent(base, joining) if joining > 0 else base
        grown = whole.codomain.event_dim - whole.domain.event_dim
        events = max(whole.codomain.event_dim, base_events + grown)
        cut = len(shape) - events
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._get_checked_instance(TransformedDistribution, _instance)
        shape = Size(batch_shape) + self._event_shape
        for transform in reversed(self.transforms):
            shape = Size(transform.inverse_shape(shape))
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        new.transforms = self.transforms
        return self._expand_into(new, batch_shape)

    @property
    def has_rsample(self):
        """As the base."""
        return self.base_dist.has_rsample

    @constraints.dependent_property(is_discrete=False)
    def support(self):
        """The last map's codomain, or the base's support."""
        if not self.transforms:
            return self.base_dist.support
        support, events = self.transforms[-1].codomain, len(self._event_shape)
        return support if events <= support.event_dim else constraints.independent(support, events - support.event_dim)

    def _mapped(self, value):
        for transform in self.transforms:
            value = transform(value)
        return value

    def sample(self, sample_shape=Size(())):
        """Maps of the base's draws."""
        with no_grad():
            return self._mapped(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=Size(())):
        """Maps of the base's draws, through which gradients flow."""
        return self._mapped(self.base_dist.rsample(sample_shape))

    def log_prob(self, value):
        """The base's at the preimage, less the logarithms of the stretching."""
        if self._validate_args:
            self._validate_sample(value)
        events, total, y = len(self._event_shape), 0.0, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            events += transform.domain.event_dim - transform.codomain.event_dim
            total = total - sum_rightmost(
                transform.log_abs_det_jacobian(x, y), events - transform.domain.event_dim
            )
            y = x
        return total + sum_rightmost(self.base_dist.log_prob(y), events - len(self.base_dist.event_shape))

    def _sign(self):
        sign = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return sign

    def _flipped(self, value):
        """Probabilities counted from the other end where the maps fall."""
        sign = self._sign()
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value):
        """The base's at the preimage."""
        for transform in self.transforms[::-1]:
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._flipped(self.base_dist.cdf(value))

    def icdf(self, value):
        """The map of the base's."""
        return self._mapped(self.base_dist.icdf(self._flipped(value)))
