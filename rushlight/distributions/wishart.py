"""The Wishart distribution."""
import math
import warnings

from rushlight._C import Size
from rushlight.distributions import constraints
from rushlight.distributions.chi2 import Chi2
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.multivariate_normal import factor_of, half_log_det, inverse_of_factor, one_matrix
from rushlight.distributions.utils import finite_info, lazy_property
from rushlight.functional._core import Tensor, core

__all__ = ["Wishart"]


def multidigamma(x, p):
    """The derivative of the logarithm of the multivariate gamma function of dimension p."""
    return core.digamma(x.unsqueeze(-1) - core.arange(p, dtype=x.dtype) / 2).sum(-1)


class Wishart(ExponentialFamily):
    """The Wishart distribution of scatter matrices, by one of three matrices.

    Args:
        df (Tensor or float): degrees of freedom, above n - 1.
        covariance_matrix (Tensor): of the vectors that scatter, positive definite, of shape (..., n, n).
        precision_matrix (Tensor): its inverse, instead.
        scale_tril (Tensor): its lower Cholesky factor, instead; the quickest.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: not exactly one matrix, or df is not above n - 1.

    Example:
        >>> rushlight.distributions.Wishart(rushlight.tensor(3.0), rushlight.eye(2)).mean
        tensor([[3., 0.],
                [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0
    _expandable = ("df", "covariance_matrix", "precision_matrix", "scale_tril")

    @property
    def arg_constraints(self):
        """df is above n - 1."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        name, matrix = one_matrix(
            "Wishart", covariance_matrix=covariance_matrix, scale_tril=scale_tril, precision_matrix=precision_matrix
        )
        size = matrix.shape[-1]
        batch = core.broadcast_shapes(matrix.shape[:-2], df.shape if isinstance(df, Tensor) else ())
        self.df = (df if isinstance(df, Tensor) else core.tensor(df, dtype=matrix.dtype)).expand(batch)
        if not (self.df > size - 1).all():
            raise ValueError(f"Wishart: df={df} for matrices of {size} rows; expected df > {size - 1}")
        setattr(self, name, matrix.expand(batch + (size, size)))
        super().__init__(batch, (size, size), validate_args=validate_args)
        if (self.df < size).any():
            warnings.warn(
                f"Wishart: df below {size}, the number of rows: draws may be singular to the precision of their dtype",
                stacklevel=2,
            )
        self._unbroadcasted_scale_tril = factor_of(name, matrix)

    @property
    def _chi2(self):
        steps = core.arange(self._event_shape[-1], dtype=self.df.dtype)
        return Chi2(self.df.unsqueeze(-1) - steps, validate_args=False)

    def _expand_into(self, new, batch_shape):
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        return super()._expand_into(new, batch_shape)

    def _whole(self, x):
        return x.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        """The lower Cholesky factor of the covariance."""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self):
        """scale_tril times its transpose."""
        return self._whole(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance."""
        return self._whole(inverse_of_factor(self._unbroadcasted_scale_tril))

    def _times(self, factor):
        return factor.reshape(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def mean(self):
        """df covariance_matrix"""
        return self._times(self.df)

    @property
    def mode(self):
        """(df - n - 1) covariance_matrix where df > n + 1, else NaN"""
        factor = self.df - self._event_shape[-1] - 1
        return self._times(core.where(factor > 0, factor, math.nan))

    @property
    def variance(self):
        """df (v_ij^2 + v_ii v_jj), element by element"""
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        both = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df.reshape(self._batch_shape + (1, 1)) * (v.pow(2) + both)

    def rsample(self, sample_shape=Size(()), max_try_correction=10):
        """Draws by Bartlett's decomposition.

        Args:
            sample_shape (Size): Default: ().
            max_try_correction (int): how often draws that are singular in their dtype are drawn anew; PyTorch draws
                the others anew, so that its draws are the stream's next ones. Default: 10.
        """
        sample = self._bartlett(sample_shape)
        for _ in range(max_try_correction):
            singular = ~self.support.check(sample.detach())
            if not singular.any():
                return sample
            again = self._bartlett(sample_shape)
            sample = core.where(singular.reshape(singular.shape + (1, 1)), again, sample)
        if not self.support.check(sample.detach()).all():
            warnings.warn("Wishart: singular draws remain; expected a larger df or float64", stacklevel=2)
        return sample

    def _bartlett(self, sample_shape):
        size = self._event_shape[-1]
        chi2 = self._chi2.rsample(sample_shape)
        diagonal = chi2.clamp(min=finite_info(chi2).tiny).sqrt()
        rows, columns = core.tril_indices(size, size, -1)
        below = core.zeros(Size(sample_shape) + self._batch_shape + self._event_shape, dtype=self.df.dtype)
        below[..., rows, columns] = core.randn(below.shape[:-2] + (size * (size - 1) // 2,), dtype=self.df.dtype)
        factor = self._unbroadcasted_scale_tril @ (diagonal.diag_embed() + below)
        return factor @ factor.mT

    def log_prob(self, value):
        """The logarithm of the density at the matrix `value`."""
        if self._validate_args:
            self._validate_sample(value)
        nu, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        batch = core.broadcast_shapes(factor.shape[:-2], value.shape[:-2])
        root = core.linalg.cholesky(value.expand(batch + (p, p)))
        solved = core.linalg.solve_triangular(factor.expand(batch + (p, p)), root, upper=False)
        norm = nu * (p * math.log(2) / 2 + half_log_det(factor)) + core.mvlgamma(nu / 2, p)
        return (nu - p - 1) * half_log_det(root) - 0.5 * solved.pow(2).sum((-2, -1)) - norm

    def entropy(self):
        """In nats."""
        nu, p = self.df, self._event_shape[-1]
        half = half_log_det(self._unbroadcasted_scale_tril)
        return ((p + 1) * (p * math.log(2) / 2 + half) + core.mvlgamma(nu / 2, p)
                - (nu - p - 1) / 2 * multidigamma(nu / 2, p) + nu * p / 2)

    @property
    def _natural_params(self):
        return -0.5 * self.precision_matrix, 0.5 * (self.df - self._event_shape[-1] - 1)

    def _log_normalizer(self, x, y):
        p = self._event_shape[-1]
        y = y + 0.5 * (p + 1)
        return y * (p * math.log(2) - 2 * half_log_det(core.linalg.cholesky(-2 * x))) + core.mvlgamma(y, p)
