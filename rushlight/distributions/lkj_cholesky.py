"""The LKJ distribution of correlation matrices."""
import math

from rushlight._C import Size
from rushlight._dtype_info import finfo
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.beta import Beta
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import broadcast_all
from rushlight.functional._core import core

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Lower Cholesky factors of correlation matrices of density proportional to det^(concentration - 1)
    (Lewandowski, Kurowicka and Joe, 2009).

    Args:
        dim (int): rows of the matrices, at least 2.
        concentration (Tensor or float): above 0; 1 is uniform over correlation matrices. Default: 1.
        validate_args (bool): see `Distribution`.

    Raises:
        ValueError: dim is below 2.

    Example:
        >>> rushlight.distributions.LKJCholesky(3, 0.5).sample().shape
        rushlight.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    _expandable = ("concentration",)

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(f"LKJCholesky: dim={dim}; expected dim >= 2")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args=validate_args)
        self._beta = self._row_lengths()

    def _row_lengths(self):
        """The squared length of each row off the diagonal; the first has none."""
        offset = core.arange(self.dim, dtype=self.concentration.dtype) - 1
        offset = offset.clamp(min=0)
        above = (self.concentration + 0.5 * (self.dim - 2)).unsqueeze(-1) - 0.5 * offset
        return Beta(offset + 0.5, above, validate_args=False)

    def _expand_into(self, new, batch_shape):
        new.dim = self.dim
        super()._expand_into(new, batch_shape)
        new._beta = new._row_lengths()
        return new

    def sample(self, sample_shape=Size(())):
        """Factors by the onion method: rows of random length in random directions."""
        with no_grad():
            lengths = self._beta.sample(sample_shape).unsqueeze(-1)
            directions = core.randn(self._extended_shape(sample_shape), dtype=lengths.dtype).tril(-1)
            size = core.linalg.vector_norm(directions, dim=-1, keepdim=True)
            # The first row has no direction: 0 / 1.
            rows = lengths.sqrt() * directions / core.where(size > 0, size, 1.0)
            left = (1 - rows.pow(2).sum(-1)).clamp(min=finfo(rows.dtype).tiny)
            return rows + left.sqrt().diag_embed()

    def log_prob(self, value):
        """The logarithm of the density at the factor `value`."""
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-2, dim2=-1)[..., 1:]
        place = core.arange(2, self.dim + 1, dtype=self.concentration.dtype)
        powers = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - place
        free = self.dim - 1
        alpha = self.concentration + 0.5 * free
        norm = 0.5 * free * math.log(math.pi) + core.mvlgamma(alpha - 0.5, free) - core.lgamma(alpha) * free
        return (powers * diagonal.log()).sum(-1) - norm
