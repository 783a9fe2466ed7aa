"""The continuous Bernoulli distribution."""
import math

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.bernoulli import bernoulli_log_prob
from rushlight.distributions.distribution import ProbsOrLogits
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.utils import clamp_probs
from rushlight.functional._core import core

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """Densities on [0, 1] proportional to probs^x (1 - probs)^(1 - x) (Loaiza-Ganem and Cunningham, 2019).

    Args:
        probs (Tensor or float): in [0, 1].
        logits (Tensor or float): its log-odds, instead.
        lims (tuple of float): between these the exact formulas lose their digits near 1/2, and series replace them.
            Default: (0.499, 0.501).
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: both or neither of probs and logits.

    Example:
        >>> rushlight.distributions.ContinuousBernoulli(0.5).mean
        tensor(0.5000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _expandable = ("probs", "logits")

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._lims = lims
        name = self._one_of(probs, logits)
        self._take(validate_args, **{name: probs if name == "probs" else logits})
        if name == "probs":
            self.probs = clamp_probs(self.probs)

    def _expand_into(self, new, batch_shape):
        new._lims = self._lims
        return super()._expand_into(new, batch_shape)

    def _away_from_half(self):
        """Where the exact formulas serve, and probabilities that suit them everywhere."""
        away = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return away, core.where(away, self.probs, self._lims[0])

    def _log_constant(self):
        """log(2 atanh(1 - 2 p) / (1 - 2 p)): what makes the density integrate to 1."""
        away, p = self._away_from_half()
        gap = 1 - 2 * p
        exact = core.log(((core.log1p(-p) - core.log(p)) / gap).abs())
        x = self.probs - 0.5
        return core.where(away, exact, math.log(2) + (4 / 3 + 104 / 45 * x**2) * x**2)

    @property
    def mean(self):
        """p / (2 p - 1) + 1 / (2 atanh(1 - 2 p))"""
        away, p = self._away_from_half()
        x = self.probs - 0.5
        exact = p / (2 * p - 1) + 1 / (core.log1p(-p) - core.log(p))
        return core.where(away, exact, 0.5 + (1 / 3 + 16 / 45 * x**2) * x)

    @property
    def variance(self):
        """p (p - 1) / (1 - 2 p)^2 + 1 / (2 atanh(1 - 2 p))^2"""
        away, p = self._away_from_half()
        x2 = (self.probs - 0.5) ** 2
        exact = p * (p - 1) / (1 - 2 * p) ** 2 + 1 / (core.log1p(-p) - core.log(p)) ** 2
        return core.where(away, exact, 1 / 12 - (1 / 15 - 128 / 945 * x2) * x2)

    def rsample(self, sample_shape=Size(())):
        """Quantiles of uniform numbers."""
        return self.icdf(core.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value):
        """value log(p) + (1 - value) log(1 - p) + log(constant)"""
        if self._validate_args:
            self._validate_sample(value)
        return bernoulli_log_prob(self.logits, value) + self._log_constant()

    def cdf(self, value):
        """The probability of values up to `value`."""
        if self._validate_args:
            self._validate_sample(value)
        away, p = self._away_from_half()
        exact = (core.pow(p, value) * core.pow(1 - p, 1 - value) + p - 1) / (2 * p - 1)
        inside = core.where(away, exact, value)
        return core.where(value <= 0, 0.0, core.where(value >= 1, 1.0, inside))

    def icdf(self, value):
        """The quantile at `value`."""
        away, p = self._away_from_half()
        exact = (core.log1p(-p + value * (2 * p - 1)) - core.log1p(-p)) / (core.log(p) - core.log1p(-p))
        return core.where(away, exact, value)

    def entropy(self):
        """In nats."""
        fail, win = core.log1p(-self.probs), core.log(self.probs)
        return self.mean * (fail - win) - self._log_constant() - fail

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        """log((exp(x) - 1) / x), by its series near 0."""
        limit = max(abs(math.log(lim / (1 - lim))) for lim in self._lims)
        away = x.abs() > limit
        far = core.where(away, x, 1.0)
        exact = core.log(core.expm1(far).abs()) - core.log(far.abs())
        return core.where(away, exact, 0.5 * x + x**2 / 24 - x**4 / 2880)
