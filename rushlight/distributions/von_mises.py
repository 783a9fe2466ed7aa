"""The von Mises distribution."""
import math

from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import lazy_property
from rushlight.functional._core import core

__all__ = ["VonMises"]


class VonMises(Distribution):
    """The von Mises distribution of angles.

    Args:
        loc (Tensor or float): mean angle, in radians.
        concentration (Tensor or float): above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.VonMises(0.0, 1.0).log_prob(rushlight.tensor(0.0))
        tensor(-1.0738)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False
    _expandable = ("loc", "concentration")

    def __init__(self, loc, concentration, validate_args=None):
        self._take(validate_args, loc=loc, concentration=concentration)

    @property
    def mean(self):
        """loc"""
        return self.loc

    @property
    def mode(self):
        """loc"""
        return self.loc

    @lazy_property
    def variance(self):
        """The circular variance, 1 - I1 / I0 of the concentration."""
        return 1 - core.special.i1e(self.concentration) / core.special.i0e(self.concentration)

    @lazy_property
    def _proposal_r(self):
        """The wrapped Cauchy envelope's parameter (Best and Fisher, 1979), by its limit for tiny concentrations."""
        k = self.concentration.double()
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return core.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape=Size(())):
        """Angles in [-pi, pi), by rejection (Best and Fisher, 1979) in double precision."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            k, r = self.concentration.double().expand(shape), self._proposal_r.expand(shape)
            # No envelope: parameters that are none, and concentrations whose r rounds to 1, where angles are normal.
            wrong = ~((k > 0) & (k < math.inf))
            narrow = ~wrong & (r - 1 < 1e-12)
            angle = core.where(wrong, math.nan, core.zeros(shape, dtype=core.float64))
            if narrow.any():
                angle = core.where(narrow, core.randn(shape, dtype=core.float64) / k.sqrt(), angle)
            settled = done = wrong | narrow
            while not done.all():
                u1, u2, u3 = core.rand((3,) + shape, dtype=core.float64).unbind()
                z = core.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accept = (c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)
                angle = core.where(accept & ~settled, (u3 - 0.5).sign() * f.acos(), angle)
                done = done | accept
            turned = (angle + math.pi + self.loc.double()) % (2 * math.pi) - math.pi
            return turned.to(self.loc.dtype)

    def log_prob(self, value):
        """concentration cos(value - loc) - log(2 pi I0(concentration))"""
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        return k * (core.cos(value - self.loc) - 1) - math.log(2 * math.pi) - core.special.i0e(k).log()
