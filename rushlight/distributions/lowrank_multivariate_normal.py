"""The multivariate normal distribution of a low-rank covariance."""
import math

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.multivariate_normal import half_log_det, mahalanobis
from rushlight.distributions.utils import lazy_property, standard_normal
from rushlight.functional._core import core

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """The multivariate normal distribution of covariance W W^T + D, in time linear in n.

    Args:
        loc (Tensor): means, of shape (..., n).
        cov_factor (Tensor): W, of shape (..., n, rank).
        cov_diag (Tensor): the diagonal of D, of shape (..., n), above 0.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> loc, factor, diagonal = rushlight.zeros(2), rushlight.ones(2, 1), rushlight.ones(2)
        >>> rushlight.distributions.LowRankMultivariateNormal(loc, factor, diagonal).covariance_matrix
        tensor([[2., 1.],
                [1., 2.]])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True
    _expandable = ("loc", "cov_factor", "cov_diag")

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("LowRankMultivariateNormal: loc has no dimension; expected at least one")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2 or cov_factor.shape[-2:-1] != event or cov_diag.shape[-1:] != event:
            raise ValueError(
                f"LowRankMultivariateNormal: cov_factor has shape {tuple(cov_factor.shape)} and cov_diag "
                f"{tuple(cov_diag.shape)}; expected (..., {event[0]}, rank) and (..., {event[0]}), since loc has "
                f"{event[0]} elements"
            )
        batch = core.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        self.loc, self.cov_diag = loc.expand(batch + event), cov_diag.expand(batch + event)
        self.cov_factor = cov_factor.expand(batch + cov_factor.shape[-2:])
        super().__init__(batch, event, validate_args=validate_args)
        scaled = cov_factor.mT / cov_diag.unsqueeze(-2)
        unit = core.eye(cov_factor.shape[-1], dtype=cov_factor.dtype)
        self._capacitance_tril = core.linalg.cholesky(scaled @ cov_factor + unit)

    def _expand_into(self, new, batch_shape):
        for name in ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril"):
            setattr(new, name, getattr(self, name))
        return super()._expand_into(new, batch_shape)

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
        """The covariance's diagonal."""
        squares = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return squares.expand(self._batch_shape + self._event_shape)

    def _square_shape(self):
        return self._batch_shape + self._event_shape + self._event_shape

    @lazy_property
    def covariance_matrix(self):
        """W W^T + D"""
        factor = self._unbroadcasted_cov_factor
        return (factor @ factor.mT + self._unbroadcasted_cov_diag.diag_embed()).expand(self._square_shape())

    @lazy_property
    def scale_tril(self):
        """The lower Cholesky factor of the covariance."""
        # D^(1/2) (I + V V^T) D^(1/2) with V = D^(-1/2) W: the matrix inside is well conditioned.
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        inside = scaled @ scaled.mT + core.eye(self._event_shape[0], dtype=scaled.dtype)
        return (root * core.linalg.cholesky(inside)).expand(self._square_shape())

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance (Woodbury)."""
        scaled = self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)
        batch = core.broadcast_shapes(self._capacitance_tril.shape[:-2], scaled.shape[:-2])
        factor = self._capacitance_tril.expand(batch + self._capacitance_tril.shape[-2:])
        solved = core.linalg.solve_triangular(factor, scaled.expand(batch + scaled.shape[-2:]), upper=False)
        inverse = self._unbroadcasted_cov_diag.reciprocal().diag_embed() - solved.mT @ solved
        return inverse.expand(self._square_shape())

    def _half_log_det(self):
        return half_log_det(self._capacitance_tril) + 0.5 * self._unbroadcasted_cov_diag.log().sum(-1)

    def _mahalanobis(self, x):
        """x^T covariance^-1 x (Woodbury)"""
        scaled = x / self._unbroadcasted_cov_diag
        inner = (self._unbroadcasted_cov_factor.mT @ scaled.unsqueeze(-1)).squeeze(-1)
        return (x * scaled).sum(-1) - mahalanobis(self._capacitance_tril, inner)

    def rsample(self, sample_shape=Size(())):
        """loc + W times normal numbers + sqrt(D) times others."""
        shape, factor = self._extended_shape(sample_shape), self._unbroadcasted_cov_factor
        shared = standard_normal(shape[:-1] + factor.shape[-1:], self.loc.dtype)
        own = standard_normal(shape, self.loc.dtype)
        return self.loc + (factor @ shared.unsqueeze(-1)).squeeze(-1) + self._unbroadcasted_cov_diag.sqrt() * own

    def log_prob(self, value):
        """The logarithm of the density at `value`."""
        if self._validate_args:
            self._validate_sample(value)
        norm = 0.5 * self._event_shape[0] * math.log(2 * math.pi) + self._half_log_det()
        return -0.5 * self._mahalanobis(value - self.loc) - norm

    def entropy(self):
        """In nats."""
        half = self._half_log_det()
        return (0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + half).expand(self._batch_shape)
