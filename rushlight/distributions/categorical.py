"""The categorical distribution."""
import math

from rushlight._C import Size
from rushlight._dtype_info import finfo
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution, ProbsOrLogits
from rushlight.functional._core import core

__all__ = ["Categorical"]


class Categorical(ProbsOrLogits):
    """Indices 0 to K - 1.

    Args:
        probs (Tensor): weights of shape (..., K), at least 0; their sum becomes 1.
        logits (Tensor): logarithms of weights, instead.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: both or neither of probs and logits, or no dimension.

    Example:
        >>> rushlight.distributions.Categorical(rushlight.tensor([1.0, 3.0])).probs
        tensor([0.2500, 0.7500])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _binary = False
    _expandable = ("probs", "logits")

    def __init__(self, probs=None, logits=None, validate_args=None):
        name = self._one_of(probs, logits)
        given = probs if name == "probs" else logits
        if given.dim() < 1:
            raise ValueError(f"Categorical: {name} has no dimension; expected at least one")
        if name == "probs":
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        self._num_events = given.shape[-1]
        Distribution.__init__(self, given.shape[:-1], validate_args=validate_args)

    def _expand_into(self, new, batch_shape):
        new._num_events = self._num_events
        return super()._expand_into(new, batch_shape)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        """0 to K - 1"""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self):
        """NaN: categories have none."""
        return core.full(self._extended_shape(), math.nan, dtype=self.probs.dtype)

    @property
    def mode(self):
        """The likeliest category."""
        return self.probs.argmax(dim=-1)

    @property
    def variance(self):
        """NaN: categories have none."""
        return core.full(self._extended_shape(), math.nan, dtype=self.probs.dtype)

    def sample(self, sample_shape=Size(())):
        """Indices, int64."""
        sample_shape = Size(sample_shape)
        rows = self.probs.reshape(-1, self._num_events)
        with no_grad():
            drawn = core.multinomial(rows, sample_shape.numel(), True).T
        return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value):
        """The logarithm of the probability of category `value`."""
        if self._validate_args:
            self._validate_sample(value)
        index = value.to(core.int64).unsqueeze(-1)
        shape = core.broadcast_shapes(index.shape[:-1], self.logits.shape[:-1])
        return self.logits.expand(shape + (-1,)).gather(-1, index.expand(shape + (1,))).squeeze(-1)

    def entropy(self):
        """In nats."""
        # The lowest finite logit stands for the logarithm of 0.
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        """0 to K - 1"""
        return self._enumerated(core.arange(self._num_events, dtype=core.int64), expand)
