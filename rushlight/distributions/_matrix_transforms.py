"""Maps to simplices and matrices."""
import math

from rushlight._dtype_info import finfo
from rushlight.distributions import constraints
from rushlight.distributions._transform_base import Plain, clipped_sigmoid
from rushlight.distributions.utils import pad_last, tril_matrix_to_vec, vec_to_tril_matrix
from rushlight.functional._core import core, native


def _require_dims(name, shape, count):
    if len(shape) < count:
        raise ValueError(f"{name}: shape={tuple(shape)}; expected at least {count} dimensions")


class CorrCholeskyTransform(Plain):
    """Vectors of D (D - 1) / 2 real numbers to Cholesky factors of D by D correlation matrices (the LKJ construction):
    tanh of the numbers are partial correlations, row by row.

    Example:
        >>> rushlight.distributions.CorrCholeskyTransform()(rushlight.zeros(1))
        tensor([[1., 0.],
                [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x):
        eps = finfo(x.dtype).eps
        partial = vec_to_tril_matrix(core.tanh(x).clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - partial**2).sqrt().cumprod(-1)
        unit = core.eye(partial.shape[-1], dtype=partial.dtype)
        return (partial + unit) * pad_last(left[..., :-1], 1, 0, 1)

    def _inverse(self, y):
        left = 1 - (y * y).cumsum(-1)
        before = tril_matrix_to_vec(pad_last(left[..., :-1], 1, 0, 1), diag=-1)
        return core.atanh(tril_matrix_to_vec(y, diag=-1) / before.sqrt())

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        """From the lengths left in each row, and of tanh."""
        left = tril_matrix_to_vec(1 - (y * y).cumsum(-1), diag=-2)
        of_tanh = 2 * (math.log(2) - x - native.softplus(-2 * x)).sum(-1)
        return 0.5 * left.log().sum(-1) + of_tanh

    def forward_shape(self, shape):
        """(..., D (D - 1) / 2) to (..., D, D)"""
        _require_dims("CorrCholeskyTransform", shape, 1)
        count = shape[-1]
        size = round((0.25 + 2 * count) ** 0.5 + 0.5)
        if size * (size - 1) // 2 != count:
            raise ValueError(f"CorrCholeskyTransform: shape={tuple(shape)}; expected D (D - 1) / 2 at its end")
        return shape[:-1] + (size, size)

    def inverse_shape(self, shape):
        """(..., D, D) to (..., D (D - 1) / 2)"""
        _require_dims("CorrCholeskyTransform", shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError(f"CorrCholeskyTransform: shape={tuple(shape)}; expected square matrices")
        return shape[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class SoftmaxTransform(Plain):
    """Real vectors to the simplex by softmax, which is not one to one: the inverse gives log(y).

    Example:
        >>> rushlight.distributions.SoftmaxTransform()(rushlight.zeros(2))
        tensor([0.5000, 0.5000])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x):
        return core.softmax(x, dim=-1)

    def _inverse(self, y):
        return y.log()

    def forward_shape(self, shape):
        """The same."""
        _require_dims("SoftmaxTransform", shape, 1)
        return shape

    def inverse_shape(self, shape):
        """The same."""
        _require_dims("SoftmaxTransform", shape, 1)
        return shape


class StickBreakingTransform(Plain):
    """Real vectors of K - 1 numbers to the simplex of K shares: each breaks its part off what is left of a stick.

    Example:
        >>> rushlight.distributions.StickBreakingTransform()(rushlight.zeros(1))
        tensor([0.5000, 0.5000])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _centred(x):
        # At 0 all shares are equal.
        return x - core.arange(x.shape[-1], 0, -1, dtype=x.dtype).log()

    def _call(self, x):
        part = clipped_sigmoid(self._centred(x))
        return pad_last(part, 0, 1, 1) * pad_last((1 - part).cumprod(-1), 1, 0, 1)

    def _inverse(self, y):
        shares = y[..., :-1]
        left = (1 - shares.cumsum(-1)).clamp(min=finfo(y.dtype).tiny)
        return shares.log() - left.log() + core.arange(shares.shape[-1], 0, -1, dtype=y.dtype).log()

    def log_abs_det_jacobian(self, x, y):
        """From the parts and the shares."""
        x = self._centred(x)
        return (native.logsigmoid(x) - x + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        """One more."""
        _require_dims("StickBreakingTransform", shape, 1)
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        """One less."""
        _require_dims("StickBreakingTransform", shape, 1)
        return shape[:-1] + (shape[-1] - 1,)


class LowerCholeskyTransform(Plain):
    """Square matrices to lower triangular ones whose diagonal is above 0, by exp of the diagonal.

    Example:
        >>> rushlight.distributions.LowerCholeskyTransform()(rushlight.zeros(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Plain):
    """Square matrices to positive definite ones: L L^T of `LowerCholeskyTransform`'s L.

    Example:
        >>> rushlight.distributions.PositiveDefiniteTransform()(rushlight.zeros(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(core.linalg.cholesky(y))
