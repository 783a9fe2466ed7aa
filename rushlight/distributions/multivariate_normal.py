"""The multivariate normal distribution."""
import math

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import lazy_property, standard_normal
from rushlight.functional._core import core

__all__ = ["MultivariateNormal"]


def mahalanobis(factor, x):
    """The squared length of factor^-1 x for lower triangular factors (..., n, n) and vectors (..., n).

    What stands before the factors' batch becomes columns of one solution, so that no factor is repeated.
    """
    n, kept = x.shape[-1], factor.dim() - 2
    batch = core.broadcast_shapes(factor.shape[:-2], x.shape[:-1][max(0, x.dim() - 1 - kept):])
    lead = x.shape[: max(0, x.dim() - 1 - kept)]
    columns = x.expand(lead + batch + (n,)).reshape((-1,) + batch + (n,)).movedim(0, -1)
    solved = core.linalg.solve_triangular(factor.expand(batch + (n, n)), columns, upper=False)
    return solved.pow(2).sum(-2).movedim(-1, 0).reshape(lead + batch)


def half_log_det(factor):
    """Half the logarithm of the determinant of factor factor^T."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def inverse_of_factor(factor):
    """The inverse of factor factor^T."""
    unit = core.eye(factor.shape[-1], dtype=factor.dtype).expand(factor.shape)
    inverse = core.linalg.solve_triangular(factor, unit, upper=False)
    return inverse.mT @ inverse


def factor_of_inverse(precision):
    """The lower Cholesky factor of precision^-1: the reversed precision's factor gives an upper one of precision."""
    reversed_factor = core.linalg.cholesky(core.flip(precision, (-2, -1)))
    lower = core.flip(reversed_factor, (-2, -1)).mT
    unit = core.eye(precision.shape[-1], dtype=precision.dtype).expand(precision.shape)
    return core.linalg.solve_triangular(lower, unit, upper=False)


def one_matrix(owner, **given):
    """The name and value of the one matrix given, of at least two dimensions."""
    found = [(name, value) for name, value in given.items() if value is not None]
    if len(found) != 1:
        raise ValueError(f"{owner}: {len(found)} of {', '.join(given)} given; expected one of them")
    name, value = found[0]
    if value.dim() < 2:
        raise ValueError(f"{owner}: {name} has shape {tuple(value.shape)}; expected at least two dimensions")
    return name, value


def factor_of(name, matrix):
    """The lower Cholesky factor of the covariance that a matrix under one of the three names describes."""
    if name == "scale_tril":
        return matrix
    return core.linalg.cholesky(matrix) if name == "covariance_matrix" else factor_of_inverse(matrix)


class MultivariateNormal(Distribution):
    """The multivariate normal distribution, by one of three matrices.

    Args:
        loc (Tensor): means, of shape (..., n).
        covariance_matrix (Tensor): positive definite, of shape (..., n, n).
        precision_matrix (Tensor): its inverse, instead.
        scale_tril (Tensor): its lower Cholesky factor, instead; the quickest.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: not exactly one matrix, or too few dimensions.

    Example:
        >>> d = rushlight.distributions.MultivariateNormal(rushlight.zeros(2), rushlight.eye(2))
        >>> d.log_prob(rushlight.zeros(2))
        tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    _expandable = ("loc", "covariance_matrix", "precision_matrix", "scale_tril")

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("MultivariateNormal: loc has no dimension; expected at least one")
        name, matrix = one_matrix(
            "MultivariateNormal", covariance_matrix=covariance_matrix, scale_tril=scale_tril,
            precision_matrix=precision_matrix,
        )
        batch = core.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(batch + matrix.shape[-2:]))
        self.loc = loc.expand(batch + loc.shape[-1:])
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = factor_of(name, matrix)

    def _expand_into(self, new, batch_shape):
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        return super()._expand_into(new, batch_shape)

    def _square_shape(self):
        return self._batch_shape + self._event_shape + self._event_shape

    @lazy_property
    def scale_tril(self):
        """The lower Cholesky factor of the covariance."""
        return self._unbroadcasted_scale_tril.expand(self._square_shape())

    @lazy_property
    def covariance_matrix(self):
        """scale_tril times its transpose."""
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand(self._square_shape())

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance."""
        return inverse_of_factor(self._unbroadcasted_scale_tril).expand(self._square_shape())

    @property
    def mean(self):
        """loc"""
        return self.loc

    @property
    def mode(self):
        """loc"""
        return self.loc

    @property
    def variance(self):
        """The covariance's diagonal."""
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape=Size(())):
        """loc + scale_tril times normal numbers."""
        noise = standard_normal(self._extended_shape(sample_shape), self.loc.dtype)
        return self.loc + (self._unbroadcasted_scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value):
        """The logarithm of the density at `value`."""
        if self._validate_args:
            self._validate_sample(value)
        factor = self._unbroadcasted_scale_tril
        norm = 0.5 * self._event_shape[0] * math.log(2 * math.pi) + half_log_det(factor)
        return -0.5 * mahalanobis(factor, value - self.loc) - norm

    def entropy(self):
        """In nats."""
        half = half_log_det(self._unbroadcasted_scale_tril)
        return (0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + half).expand(self._batch_shape)
