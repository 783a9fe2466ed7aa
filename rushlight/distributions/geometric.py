"""The geometric distribution."""
from rushlight._C import Size
from rushlight._dtype_info import finfo
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.distribution import ProbsOrLogits
from rushlight.functional._core import core, native

__all__ = ["Geometric"]


class Geometric(ProbsOrLogits):
    """Failures before the first success.

    Args:
        probs (Tensor or float): probability of success, in (0, 1].
        logits (Tensor or float): its log-odds, instead.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: both or neither of probs and logits, or a probability of 0.

    Example:
        >>> rushlight.distributions.Geometric(0.25).mean
        tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer
    _expandable = ("probs", "logits")

    def __init__(self, probs=None, logits=None, validate_args=None):
        name = self._one_of(probs, logits)
        self._take(validate_args, **{name: probs if name == "probs" else logits})
        if self._validate_args and name == "probs" and not (self.probs > 0).all():
            raise ValueError(f"Geometric: probs of shape {tuple(self.probs.shape)} holds 0; expected 0 < probs <= 1")

    @property
    def mean(self):
        """1 / probs - 1"""
        return 1 / self.probs - 1

    @property
    def mode(self):
        """0"""
        return core.zeros_like(self.probs)

    @property
    def variance(self):
        """(1 / probs - 1) / probs"""
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape=Size(())):
        """Counts, of the dtype of the parameter."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            u = core.empty(shape, dtype=self.probs.dtype).uniform_(finfo(self.probs.dtype).tiny, 1)
            return (u.log() / core.log1p(-self.probs)).floor()

    def log_prob(self, value):
        """value log(1 - probs) + log(probs)"""
        if self._validate_args:
            self._validate_sample(value)
        # No failure before a sure success: log(0) must not be met.
        certain = (self.probs == 1) & (value == 0)
        failing = core.log1p(-core.where(certain, 0.0, self.probs))
        return value * failing + self.probs.log()

    def entropy(self):
        """In nats."""
        return native.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
