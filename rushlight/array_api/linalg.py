"""Linear algebra: the standard's extension `linalg`."""
from collections import namedtuple

import rushlight as rl
from rushlight.array_api._elementwise import operands
from rushlight.array_api._reduction import total_dtype

SlogdetResult = namedtuple("SlogdetResult", "sign logabsdet")
EighResult = namedtuple("EighResult", "eigenvalues eigenvectors")
EigResult = namedtuple("EigResult", "eigenvalues eigenvectors")
QRResult = namedtuple("QRResult", "Q R")
SVDResult = namedtuple("SVDResult", "U S Vh")


def _along(axis, length, x1, x2):
    """Both arrays broadcast together; along `axis` they have the same length already, or this one."""
    n1, n2 = x1.shape[axis], x2.shape[axis]
    if n1 != n2 or length not in (None, n1):
        raise ValueError(f"axis={axis}: the arrays of shapes {tuple(x1.shape)} and {tuple(x2.shape)} have lengths {n1} "
                         f"and {n2}; expected {'the same' if length is None else length}")
    return rl.broadcast_tensors(x1, x2)


def matmul(x1, x2, /):
    """The matrix product."""
    return rl.matmul(*operands(x1, x2))


def matrix_transpose(x, /):
    """Each matrix with rows and columns exchanged."""
    return x.mT


def tensordot(x1, x2, /, *, axes=2):
    """The sums of products over some axes of both arrays."""
    return rl.tensordot(*operands(x1, x2), dims=axes)


def vecdot(x1, x2, /, *, axis=-1):
    """The sums of products of two arrays' vectors along an axis; of complex ones the first is conjugated."""
    x1, x2 = _along(axis, None, *operands(x1, x2))
    product = rl.conj(x1) * x2 if x1.dtype.is_complex else x1 * x2
    return rl.sum(product, axis, dtype=product.dtype)


def cholesky(x, /, *, upper=False):
    """The triangular factor of each positive-definite matrix."""
    return rl.linalg.cholesky(x, upper=upper)


def cross(x1, x2, /, *, axis=-1):
    """The cross product of vectors of three elements along an axis."""
    return rl.linalg.cross(*_along(axis, 3, *operands(x1, x2)), dim=axis)


def det(x, /):
    """The determinant of each matrix."""
    return rl.linalg.det(x)


def diagonal(x, /, *, offset=0):
    """A diagonal of each matrix."""
    return rl.linalg.diagonal(x, offset=offset)


def eig(x, /):
    """The eigenvalues and eigenvectors of each square matrix, complex."""
    return EigResult(*rl.linalg.eig(x))


def eigh(x, /):
    """The eigenvalues, ascending, and eigenvectors of each symmetric (Hermitian) matrix."""
    return EighResult(*rl.linalg.eigh(x))


def eigvals(x, /):
    """The eigenvalues of each square matrix, complex."""
    return rl.linalg.eigvals(x)


def eigvalsh(x, /):
    """The eigenvalues, ascending, of each symmetric (Hermitian) matrix."""
    return rl.linalg.eigvalsh(x)


def inv(x, /):
    """The inverse of each square matrix."""
    return rl.linalg.inv(x)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """A norm of each matrix: 'fro', 'nuc', 1, 2, inf or one of these numbers negative."""
    return rl.linalg.matrix_norm(x, ord=ord, keepdim=keepdims)


def matrix_power(x, n, /):
    """The n-th power of each square matrix."""
    return rl.linalg.matrix_power(x, n)


def matrix_rank(x, /, *, rtol=None):
    """How many singular values of each matrix are above `rtol` times the largest."""
    return rl.linalg.matrix_rank(x, rtol=rtol)


def outer(x1, x2, /):
    """The products of each element of one vector with each of another."""
    return rl.outer(*operands(x1, x2))


def pinv(x, /, *, rtol=None):
    """The pseudo-inverse of each matrix; singular values up to `rtol` times the largest count as zero."""
    return rl.linalg.pinv(x, rtol=rtol)


def qr(x, /, *, mode="reduced"):
    """Factors of each matrix: orthonormal columns and an upper triangle."""
    return QRResult(*rl.linalg.qr(x, mode=mode))


def slogdet(x, /):
    """The sign of each matrix' determinant and the logarithm of its absolute value."""
    return SlogdetResult(*rl.linalg.slogdet(x))


def solve(x1, x2, /):
    """The solution of x1 x = x2, where x2 is one vector or a stack of matrices.

    Args:
        x1 (Tensor): square matrices.
        x2 (Tensor): one vector, which serves all matrices, or matrices.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.linalg.solve(xp.asarray([[2.0, 0.0], [0.0, 4.0]]), xp.asarray([1.0, 1.0]))
        tensor([0.5000, 0.2500])
    """
    x1, x2 = operands(x1, x2)
    if x2.ndim == 1:
        return rl.linalg.solve(x1, x2.unsqueeze(-1)).squeeze(-1)
    shape = rl.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])      # else PyTorch may take x2 for a stack of vectors
    return rl.linalg.solve(x1.expand(*shape, *x1.shape[-2:]), x2.expand(*shape, *x2.shape[-2:]))


def svd(x, /, *, full_matrices=True):
    """The singular values of each matrix, descending, and the vectors on both sides."""
    return SVDResult(*rl.linalg.svd(x, full_matrices=full_matrices))


def svdvals(x, /):
    """The singular values of each matrix, descending."""
    return rl.linalg.svdvals(x)


def trace(x, /, *, offset=0, dtype=None):
    """The sum of a diagonal of each matrix; integers are added as int64 or uint64."""
    return rl.sum(diagonal(x, offset=offset), -1, dtype=total_dtype(x, dtype))


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """A norm of vectors along the axes, or of all elements as one vector."""
    if axis == ():
        return rl.linalg.vector_norm(x.unsqueeze(-1), ord=ord, dim=-1)
    return rl.linalg.vector_norm(x, ord=ord, dim=axis, keepdim=keepdims)
