"""Linear algebra: the older names of spectra and QR, products of Householder matrices, norms of matrices."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core
from rushlight.functional.linalg_solve import need_matrix

ops, linalg = core._groups["_ops"], core._groups["linalg"]
vector_norm = linalg["vector_norm"]

_svd_result = core._named_results("svd", "U", "S", "V")
_qr_result = core._named_results("qr", "Q", "R")


@composite("svd Tensor.svd out", "widen")
def older_svd(input, some=True, compute_uv=True):
    """The older form of `linalg.svd`, with V instead of V^H.

    Args:
        input (Tensor): (..., m, n).
        some (bool): min(m, n) vectors; False returns all. Default: True.
        compute_uv (bool): False fills U and V, of all vectors, with zeros. Default: True.

    Returns:
        named tuple: U, S in descending order, V.

    Raises:
        LinAlgError: the iteration did not converge.

    Example:
        >>> import rushlight as rl
        >>> rl.svd(rl.tensor([[3.0, 0.0], [0.0, 5.0]])).S.tolist()
        [5.0, 3.0]
    """
    need_matrix("svd", "input", input)
    if compute_uv:
        U, S, Vh = linalg["svd"](input, not some)
        return _svd_result((U, S, core.adjoint(Vh)))
    m, n = input.shape[-2:]
    batch = input.shape[:-2]
    U, V = (input.new_zeros((*batch, size, size)) for size in (m, n))
    return _svd_result((U, linalg["svdvals"](input), V))


@composite("qr Tensor.qr out", "widen")
def older_qr(input, some=True):
    """The older form of `linalg.qr`.

    Args:
        input (Tensor): (..., m, n).
        some (bool): min(m, n) columns of Q; False returns m. Default: True.

    Returns:
        named tuple: Q and R.

    Example:
        >>> import rushlight as rl
        >>> rl.qr(rl.ones(3, 2)).Q.shape
        rushlight.Size([3, 2])
    """
    return _qr_result(linalg["qr"](input, "reduced" if some else "complete"))


# ---- products of Householder matrices -------------------------------------------------------------------------------


def _compact(name, A, tau):
    """V and T of I - V T V^H, the product of Householder matrices: T^-1 = diag(1 / tau) + the strict upper triangle of
    V^H V, after Joffrain et al., "Accumulating Householder transformations, revisited" (2006).
    """
    need_matrix(name, "input", A)
    m, n, k = A.shape[-2], A.shape[-1], tau.shape[-1] if tau.dim() else -1
    if tau.dim() != A.dim() - 1 or tau.shape[:-1] != A.shape[:-2] or not 0 <= k <= n:
        shape = tuple(A.shape[:-2])
        raise RuntimeError(f"{name}: tau has shape {tuple(tau.shape)}; expected {shape} and up to {n} values")
    if tau.dtype != A.dtype:
        raise RuntimeError(f"{name}: tau has dtype {tau.dtype}; expected {A.dtype}")
    V = A[..., :k].tril(-1) + core.eye(m, k, dtype=A.dtype)
    crossed = tau.unsqueeze(-1) * (core.adjoint(V) @ V).triu(1)
    return V, linalg["solve_triangular"](crossed, core.diag_embed(tau), upper=True, unitriangular=True)


@composite("linalg.householder_product orgqr Tensor.orgqr out", "widen")
def householder_product(input, tau):
    """The first columns of the product of Householder matrices I - tau v v^H, as `geqrf` packs them.

    Args:
        input (Tensor): (..., m, n) with m >= n, whose columns hold the v below the diagonal.
        tau (Tensor): (..., k) with k <= n.

    Returns:
        Tensor: (..., m, n), with orthonormal columns where input and tau come from `geqrf`.

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.householder_product(*rl.geqrf(rl.tensor([[3.0], [4.0]]))).allclose(rl.tensor([[-0.6], [-0.8]]))
        True
    """
    V, T = _compact("householder_product", input, tau)
    m, n = input.shape[-2:]
    if m < n:
        shape = tuple(input.shape)
        raise RuntimeError(f"householder_product: input has shape {shape}; expected as many rows as columns")
    return core.eye(m, n, dtype=input.dtype) - V @ (T @ core.adjoint(V[..., :n, :]))


@composite("ormqr Tensor.ormqr out", "widen")
def ormqr(input, tau, other, left=True, transpose=False):
    """`other` multiplied by a product of Householder matrices, as `geqrf` packs them.

    Args:
        input (Tensor): (..., m, k), whose columns hold the vectors below the diagonal.
        tau (Tensor): (..., k).
        other (Tensor): (..., m, n), or (..., n, m) when not `left`.
        left (bool): False multiplies from the right. Default: True.
        transpose (bool): multiply by the adjoint. Default: False.

    Returns:
        Tensor: of the shape of `other`.

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> a, tau = rl.geqrf(rl.tensor([[3.0], [4.0]]))
        >>> rl.ormqr(a, tau, rl.tensor([[3.0], [4.0]]), transpose=True).allclose(rl.tensor([[-5.0], [0.0]]), atol=1e-6)
        True
    """
    V, T = _compact("ormqr", input, tau)
    need_matrix("ormqr", "other", other)
    if other.shape[:-2] != input.shape[:-2] or other.shape[-2 if left else -1] != input.shape[-2]:
        raise RuntimeError(
            f"ormqr: other has shape {tuple(other.shape)} and input {tuple(input.shape)}; expected "
            f"other.shape[{-2 if left else -1}] == {input.shape[-2]} and equal batches"
        )
    T = core.adjoint(T) if transpose else T
    return other - V @ (T @ (core.adjoint(V) @ other)) if left else other - ((other @ V) @ T) @ core.adjoint(V)


@composite("logdet Tensor.logdet")
def logdet(A):
    """The logarithm of the determinant of each matrix: NaN where it is negative, -inf where it is zero.

    Args:
        A (Tensor): (..., n, n).

    Returns:
        Tensor: (...).

    Example:
        >>> import rushlight as rl
        >>> rl.logdet(rl.tensor([[1.0, 0.0], [0.0, 1.0]])).item()
        0.0
    """
    sign, logabsdet = linalg["slogdet"](A)
    if A.is_complex():
        return sign.log() + logabsdet
    return core.where(sign == -1.0, float("nan"), logabsdet)


# ---- norms ----------------------------------------------------------------------------------------------------------


def _need_inexact(name, A):
    if not (A.is_floating_point() or A.is_complex()):
        raise RuntimeError(f"{name}: A has dtype {A.dtype}; expected a floating or complex dtype")


def _pair(name, A, dim):
    rank = A.dim()
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim={dim}; expected 2 dimensions")
    for d in dims:
        if not -rank <= d < rank:
            raise IndexError(f"{name}: dim={d} is out of range for A of shape {tuple(A.shape)}; "
                             f"expected {-rank} <= dim < {rank}")
    first, second = (d % rank for d in dims)
    if first == second:
        raise RuntimeError(f"{name}: dim={dim} names one dimension twice")
    return first, second


@composite("linalg.matrix_norm out")
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """A norm of each matrix.

    Args:
        A (Tensor): of two or more dimensions, floating or complex.
        ord (float or str): 'fro' (default), 'nuc', inf, -inf, 1, -1, 2 or -2.
        dim (tuple of int): the dimensions of the matrices. Default: the last two.
        keepdim (bool): keep them with size 1. Default: False.
        dtype (dtype, optional): convert to it first.

    Returns:
        Tensor: real.

    Raises:
        RuntimeError: `ord` is none of these, or there are no matrices.
        IndexError: `dim` is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.matrix_norm(rl.tensor([[3.0, 0.0], [4.0, 0.0]]), 1).item()
        7.0
    """
    need_matrix("matrix_norm", "A", A)
    _need_inexact("matrix_norm", A)
    rows, columns = _pair("matrix_norm", A, dim)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype)
    A = A if dtype is None else A.to(dtype)
    if ord in ("nuc", 2, -2):
        values = linalg["svdvals"](A.movedim((rows, columns), (-2, -1)))
        found = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
        if keepdim:
            found = found.unsqueeze(-1).unsqueeze(-1).movedim((-2, -1), (rows, columns))
        return found
    if ord not in (1, -1, float("inf"), -float("inf")):
        raise RuntimeError(f"matrix_norm: ord={ord!r}; expected 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2")
    summed, chosen = (rows, columns) if ord in (1, -1) else (columns, rows)
    sums = vector_norm(A, 1, summed, True)
    found = sums.amax(chosen, True) if ord > 0 else sums.amin(chosen, True)
    return found if keepdim else found.squeeze((rows, columns))


@composite("linalg.norm out")
def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A norm of vectors or matrices, by the arguments given.

    Args:
        A (Tensor): floating or complex.
        ord (float or str, optional): as `vector_norm` or `matrix_norm` takes it. Default: None, the 2-norm of all
            elements of `dim`.
        dim (int or tuple of int, optional): one dimension for vectors, two for matrices. Default: None: with `ord`, A
            must be a vector or a matrix.
        keepdim (bool): keep these dimensions with size 1. Default: False.
        dtype (dtype, optional): convert to it first.

    Returns:
        Tensor: real.

    Raises:
        RuntimeError: the arguments do not fit together.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.norm(rl.tensor([3.0, 4.0])).item()
        5.0
    """
    given = (dim,) if isinstance(dim, int) else dim
    if given is not None and len(given) not in (1, 2) and ord is not None:
        raise RuntimeError(f"norm: dim={dim}; expected one or two dimensions")
    if ord is not None and dim is None and A.dim() not in (1, 2):
        raise RuntimeError(f"norm: A has shape {tuple(A.shape)} and ord={ord!r}; expected a vector or a matrix, or dim")
    if ord is not None and (len(given) == 2 if given is not None else A.dim() == 2):
        return core.linalg.matrix_norm(A, ord, given or (-2, -1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"norm: ord={ord!r} is a norm of matrices; expected a number for vectors")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


@composite("frobenius_norm out")
def frobenius_norm(input, dim, keepdim=False):
    """The 2-norm of the elements along one or two dimensions.

    Args:
        input (Tensor): floating or complex.
        dim (int or tuple of int): up to two dimensions; () means all.
        keepdim (bool): keep them with size 1. Default: False.

    Returns:
        Tensor: real.

    Raises:
        RuntimeError: more than two dimensions are given.

    Example:
        >>> import rushlight as rl
        >>> rl.frobenius_norm(rl.tensor([[3.0, 4.0]]), (0, 1)).item()
        5.0
    """
    if not isinstance(dim, int) and len(dim) > 2:
        raise RuntimeError(f"frobenius_norm: dim={dim}; expected at most two dimensions")
    return vector_norm(input, 2, dim, keepdim)


@composite("nuclear_norm out")
def nuclear_norm(input, dim=(-2, -1), keepdim=False):
    """The sum of the singular values.

    Args:
        input (Tensor): (..., m, n).
        dim (tuple of int): the dimensions of the matrices. Default: the last two.
        keepdim (bool): keep them with size 1. Default: False.

    Returns:
        Tensor: real.

    Example:
        >>> import rushlight as rl
        >>> rl.nuclear_norm(rl.tensor([[3.0, 0.0], [0.0, 4.0]])).item()
        7.0
    """
    return core.linalg.matrix_norm(input, "nuc", dim, keepdim)


@composite("linalg.cond out", "widen")
def cond(A, p=None):
    """How much solving with each matrix may magnify errors: norm(A) * norm(A^-1).

    Args:
        A (Tensor): (..., m, n); square for all norms but None, 2 and -2.
        p (float or str, optional): the norm, as `matrix_norm` takes it. Default: None, the 2-norm.

    Returns:
        Tensor: (...), real; inf where a matrix is singular.

    Raises:
        RuntimeError: the matrices are not square, or `p` is no norm.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.cond(rl.tensor([[4.0, 0.0], [0.0, 2.0]])).item()
        2.0
    """
    need_matrix("cond", "A", A)
    if p is None or p in (2, -2):
        values = linalg["svdvals"](A)
        if values.shape[-1] == 0:
            return values.new_zeros(values.shape[:-1])
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    need_matrix("cond", "A", A, square=True)
    if A.numel() == 0:
        return vector_norm(A, 2, (-2, -1))
    inverted, info = linalg["inv_ex"](A)
    norm = core.linalg.matrix_norm
    return (norm(A, p) * norm(inverted, p)).masked_fill(info != 0, float("inf"))


# ---- approximations of low rank -------------------------------------------------------------------------------------


def _range_of(A, q, niter):
    """Orthonormal columns that span most of A's: algorithm 4.4 of Halko et al., "Finding structure with randomness"
    (2009).
    """
    qr = linalg["qr"]
    Q = qr(A @ core.randn(A.shape[-1], q, dtype=A.dtype))[0]
    for _ in range(niter):
        Q = qr(A @ qr(core.adjoint(A) @ Q)[0])[0]
    return Q


@composite("svd_lowrank")
def svd_lowrank(A, q=6, niter=2, M=None):
    """The first singular values and vectors, by random projections.

    Args:
        A (Tensor): (..., m, n).
        q (int): how many, a little more than the rank. Default: 6.
        niter (int): how often the projection is refined. Default: 2.
        M (Tensor, optional): what to subtract from A, broadcast to its shape.

    Returns:
        tuple: U (..., m, q), S (..., q) and V (..., n, q).

    Example:
        >>> import rushlight as rl
        >>> rl.svd_lowrank(rl.diag(rl.tensor([2.0, 1.0, 0.0])), 2)[1].allclose(rl.tensor([2.0, 1.0]))
        True
    """
    need_matrix("svd_lowrank", "A", A)
    A = A if M is None else A - M
    wide = A.shape[-2] < A.shape[-1]
    A = core.adjoint(A) if wide else A
    Q = _range_of(A, 6 if q is None else q, niter)
    U, S, Vh = linalg["svd"](core.adjoint(Q) @ A, False)
    U, V = Q @ U, core.adjoint(Vh)
    return (V, S, U) if wide else (U, S, V)


@composite("pca_lowrank")
def pca_lowrank(A, q=None, center=True, niter=2):
    """Principal components, by random projections.

    Args:
        A (Tensor): (..., m, n), a row for each observation.
        q (int, optional): how many, a little more than the rank. Default: min(6, m, n).
        center (bool): subtract the mean of each column first. Default: True.
        niter (int): how often the projection is refined. Default: 2.

    Returns:
        tuple: U (..., m, q), S (..., q) and V (..., n, q), whose columns are the principal directions.

    Raises:
        ValueError: `q` or `niter` is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.pca_lowrank(rl.tensor([[1.0, 0.0], [-1.0, 0.0]]), 1)[1].allclose(rl.tensor([2.0**0.5]))
        True
    """
    need_matrix("pca_lowrank", "A", A)
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(f"pca_lowrank: q={q} for A of shape {tuple(A.shape)}; expected 0 <= q <= {min(m, n)}")
    if niter < 0:
        raise ValueError(f"pca_lowrank: niter={niter}; expected niter >= 0")
    return core.svd_lowrank(A - A.mean(-2, True) if center else A, q, niter)
