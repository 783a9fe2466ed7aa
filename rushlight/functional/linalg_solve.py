"""Linear algebra: factors, solutions and inverses over the operators that call LAPACK."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core

ops, linalg = core._groups["_ops"], core._groups["linalg"]

_lu_factor_result = core._named_results("linalg_lu_factor", "LU", "pivots")
_lu_result = core._named_results("linalg_lu", "P", "L", "U")
_ldl_factor_result = core._named_results("linalg_ldl_factor", "LD", "pivots")
_solve_ex_result = core._named_results("linalg_solve_ex", "result", "info")
_lstsq_result = core._named_results("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
_triangular_result = core._named_results("triangular_solve", "solution", "cloned_coefficient")


#: The distance from 1 to the next number.
EPSILON = {core.float32: 2.0**-23, core.float64: 2.0**-52, core.complex64: 2.0**-23, core.complex128: 2.0**-52}


def is_vector(A, B):
    """Is the right side of A a batch of vectors, as PyTorch tells it?"""
    return B.dim() == 1 or (B.dim() == A.dim() - 1 and B.shape == A.shape[:-1])


def need_matrix(name, parameter, t, square=False):
    """Raises unless `t` is a batch of matrices."""
    shape = tuple(t.shape)
    if t.dim() < 2:
        raise RuntimeError(f"{name}: {parameter} has shape {shape}; expected a matrix or a batch of them")
    if square and shape[-1] != shape[-2]:
        raise RuntimeError(f"{name}: {parameter} has shape {shape}; expected square matrices")


# ---- Cholesky -------------------------------------------------------------------------------------------------------


@composite("linalg.cholesky out", "widen")
def cholesky(A, *, upper=False):
    """The triangular factor L of A = L L^H, for symmetric (Hermitian) positive-definite matrices.

    Args:
        A (Tensor): (..., n, n), of which one triangle is read.
        upper (bool): the upper factor, A = U^H U. Default: False.

    Returns:
        Tensor: (..., n, n).

    Raises:
        LinAlgError: a matrix is not positive-definite.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.cholesky(rl.tensor([[4.0, 2.0], [2.0, 10.0]])).tolist()
        [[2.0, 0.0], [1.0, 3.0]]
    """
    return linalg["cholesky_ex"](A, upper=upper, check_errors=True)[0]


@composite("cholesky Tensor.cholesky out", "widen")
def older_cholesky(input, upper=False):
    """The older name of `linalg.cholesky`.

    Args:
        input (Tensor): (..., n, n), symmetric positive-definite.
        upper (bool): the upper factor. Default: False.

    Returns:
        Tensor: (..., n, n).

    Raises:
        LinAlgError: a matrix is not positive-definite.

    Example:
        >>> import rushlight as rl
        >>> rl.cholesky(rl.tensor([[9.0]])).tolist()
        [[3.0]]
    """
    return linalg["cholesky_ex"](input, upper=upper, check_errors=True)[0]


@composite("cholesky_solve Tensor.cholesky_solve out", "widen")
def cholesky_solve(B, L, upper=False):
    """The X of A X = B, from the Cholesky factor of A.

    Args:
        B (Tensor): (..., n, k).
        L (Tensor): (..., n, n), a triangular factor.
        upper (bool): the factor is upper triangular. Default: False.

    Returns:
        Tensor: (..., n, k).

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.cholesky_solve(rl.tensor([[8.0]]), rl.tensor([[2.0]])).tolist()
        [[2.0]]
    """
    need_matrix("cholesky_solve", "B", B)
    need_matrix("cholesky_solve", "L", L, square=True)
    solve = linalg["solve_triangular"]
    if upper:
        return solve(L, solve(core.adjoint(L), B, upper=False), upper=True)
    return solve(core.adjoint(L), solve(L, B, upper=False), upper=True)


@composite("cholesky_inverse Tensor.cholesky_inverse out", "widen")
def cholesky_inverse(L, upper=False):
    """The inverse of a matrix from its Cholesky factor.

    Args:
        L (Tensor): (..., n, n), a triangular factor.
        upper (bool): the factor is upper triangular. Default: False.

    Returns:
        Tensor: (..., n, n).

    Raises:
        RuntimeError: L is not square.

    Example:
        >>> import rushlight as rl
        >>> rl.cholesky_inverse(rl.tensor([[2.0]])).tolist()
        [[0.25]]
    """
    need_matrix("cholesky_inverse", "L", L, square=True)
    return core.cholesky_solve(core.eye(L.shape[-1], dtype=L.dtype), L, upper)


# ---- LU -------------------------------------------------------------------------------------------------------------


@composite("linalg.lu_factor out")
def lu_factor(A, *, pivot=True):
    """L and U of A = P L U in one matrix, and the rows that were exchanged.

    Args:
        A (Tensor): (..., m, n).
        pivot (bool): only True on the CPU.

    Returns:
        named tuple: LU (..., m, n) and pivots (..., min(m, n)), int32, counted from 1.

    Raises:
        LinAlgError: a diagonal element of U is zero.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.lu_factor(rl.tensor([[1.0, 2.0], [4.0, 4.0]])).LU.tolist()
        [[4.0, 4.0], [0.25, 1.0]]
    """
    return _lu_factor_result(linalg["lu_factor_ex"](A, pivot=pivot, check_errors=True)[:2])


@composite("lu Tensor.lu out")
def older_lu(A, pivot=True, get_infos=False):
    """The older form of `linalg.lu_factor`.

    Args:
        A (Tensor): (..., m, n).
        pivot (bool): only True on the CPU.
        get_infos (bool): return LAPACK's info of each matrix too, instead of raising. Default: False.

    Returns:
        tuple: LU, pivots and, where asked for, infos.

    Raises:
        LinAlgError: a diagonal element of U is zero and `get_infos` is False.

    Example:
        >>> import rushlight as rl
        >>> rl.lu(rl.tensor([[1.0, 2.0], [4.0, 4.0]]))[1].tolist()
        [2, 2]
    """
    found = linalg["lu_factor_ex"](A, pivot=pivot, check_errors=not get_infos)
    return found if get_infos else tuple(found)[:2]


def _triangles(LU):
    m, n = LU.shape[-2:]
    k = m if m < n else n
    return LU[..., :k].tril(-1) + core.eye(m, k, dtype=LU.dtype), LU[..., :k, :].triu()


def _permutation(pivots, m, dtype):
    return core.eye(m, dtype=dtype)[ops["lu_rows"](pivots, m)].mT


@composite("lu_unpack out")
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """P, L and U of A = P L U, from what `linalg.lu_factor` returns.

    Args:
        LU_data (Tensor): (..., m, n).
        LU_pivots (Tensor): (..., min(m, n)), int32.
        unpack_data (bool): make L and U; else they are empty. Default: True.
        unpack_pivots (bool): make P; else it is empty. Default: True.

    Returns:
        named tuple: P (..., m, m), L (..., m, k) and U (..., k, n) with k = min(m, n).

    Raises:
        RuntimeError: the pivots do not fit.

    Example:
        >>> import rushlight as rl
        >>> P, L, U = rl.lu_unpack(*rl.linalg.lu_factor(rl.tensor([[1.0, 2.0], [4.0, 4.0]])))
        >>> (P @ L @ U).tolist()
        [[1.0, 2.0], [4.0, 4.0]]
    """
    need_matrix("lu_unpack", "LU_data", LU_data)
    if unpack_pivots and LU_pivots.dtype != core.int32:
        raise RuntimeError(f"lu_unpack: LU_pivots has dtype {LU_pivots.dtype}; expected int32")
    nothing = LU_data.new_empty(0)
    P = _permutation(LU_pivots, LU_data.shape[-2], LU_data.dtype) if unpack_pivots else nothing
    L, U = _triangles(LU_data) if unpack_data else (nothing, nothing)
    return _lu_result((P, L, U))


@composite("linalg.lu out")
def lu(A, *, pivot=True):
    """The factors of A = P L U.

    Args:
        A (Tensor): (..., m, n).
        pivot (bool): only True on the CPU.

    Returns:
        named tuple: P, a permutation (..., m, m), L (..., m, k) with ones on its diagonal, and U (..., k, n).

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.lu(rl.tensor([[1.0, 2.0], [4.0, 4.0]])).L.tolist()
        [[1.0, 0.0], [0.25, 1.0]]
    """
    LU, pivots, _ = linalg["lu_factor_ex"](A, pivot=pivot)
    return _lu_result((_permutation(pivots, LU.shape[-2], LU.dtype), *_triangles(LU)))


def _take_rows(x, rows):
    return x.take_along_dim(rows.unsqueeze(-1), -2)


@composite("linalg.lu_solve out")
def lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """The X of A X = B, from the LU factors of A.

    Args:
        LU (Tensor): (..., n, n), as `lu_factor` returns it.
        pivots (Tensor): (..., n), int32.
        B (Tensor): (..., n, k), or (..., k, n) when not `left`.
        left (bool): False solves X A = B. Default: True.
        adjoint (bool): solve with A^H. Default: False.

    Returns:
        Tensor: of the shape of B, broadcast with A.

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> A = rl.tensor([[1.0, 2.0], [4.0, 4.0]])
        >>> rl.linalg.lu_solve(*rl.linalg.lu_factor(A), rl.tensor([[3.0], [8.0]])).tolist()
        [[1.0], [1.0]]
    """
    need_matrix("lu_solve", "LU", LU, square=True)
    need_matrix("lu_solve", "B", B)
    if pivots.dtype != core.int32 or pivots.shape != LU.shape[:-1]:
        raise RuntimeError(
            f"lu_solve: pivots has shape {tuple(pivots.shape)} and dtype {pivots.dtype}; "
            f"expected {tuple(LU.shape[:-1])}, int32"
        )
    n, solve, rows = LU.shape[-1], linalg["solve_triangular"], ops["lu_rows"]
    if not left:
        X = core.linalg.lu_solve(LU, pivots, core.adjoint(B), adjoint=not adjoint)
        return core.adjoint(X)
    if adjoint:
        upper_h = core.adjoint(LU)
        Y = solve(upper_h, solve(upper_h, B, upper=False), upper=True, unitriangular=True)
        return _take_rows(Y, rows(pivots, n, True))
    return solve(LU, solve(LU, _take_rows(B, rows(pivots, n)), upper=False, unitriangular=True), upper=True)


@composite("lu_solve Tensor.lu_solve out", "widen")
def older_lu_solve(b, LU_data, LU_pivots):
    """The older form of `linalg.lu_solve`.

    Args:
        b (Tensor): (..., n, k).
        LU_data (Tensor): (..., n, n).
        LU_pivots (Tensor): (..., n), int32.

    Returns:
        Tensor: (..., n, k).

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.lu_solve(rl.tensor([[8.0]]), *rl.linalg.lu_factor(rl.tensor([[4.0]]))).tolist()
        [[2.0]]
    """
    return core.linalg.lu_solve(LU_data, LU_pivots, b)


@composite("linalg.ldl_factor out")
def ldl_factor(A, *, hermitian=False):
    """L and D of A = L D L^T in one lower triangle, for symmetric matrices that need not be positive.

    Args:
        A (Tensor): (..., n, n), of which the lower triangle is read.
        hermitian (bool): of complex matrices: A = L D L^H. Default: False.

    Returns:
        named tuple: LD (..., n, n) and pivots (..., n), int32, as LAPACK makes them.

    Raises:
        LinAlgError: D is singular.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.ldl_factor(rl.tensor([[2.0, 0.0], [1.0, 3.0]])).LD.tolist()
        [[2.0, 0.0], [0.5, 2.5]]
    """
    return _ldl_factor_result(linalg["ldl_factor_ex"](A, hermitian=hermitian, check_errors=True)[:2])


# ---- systems --------------------------------------------------------------------------------------------------------


def _solve(name, A, B, left, check_errors):
    need_matrix(name, "A", A, square=True)
    if left and is_vector(A, B):
        X, info = ops["solve_with_lu"](A, B.unsqueeze(-1), check_errors=check_errors)[:2]
        return X.squeeze(-1), info
    if left:
        return ops["solve_with_lu"](A, B, check_errors=check_errors)[:2]
    need_matrix(name, "B", B)
    X, info = ops["solve_with_lu"](A.mT, B.mT, check_errors=check_errors)[:2]
    return X.mT, info


@composite("linalg.solve out", "widen")
def solve(A, B, *, left=True):
    """The X of A X = B.

    Args:
        A (Tensor): (..., n, n).
        B (Tensor): (..., n, k), or vectors (..., n) where its shape is that of A without the last dimension.
        left (bool): False solves X A = B. Default: True.

    Returns:
        Tensor: of the shape of B, broadcast with A.

    Raises:
        LinAlgError: a matrix is singular.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.solve(rl.tensor([[2.0, 0.0], [0.0, 4.0]]), rl.tensor([2.0, 8.0])).tolist()
        [1.0, 2.0]
    """
    return _solve("solve", A, B, left, True)[0]


@composite("linalg.solve_ex out")
def solve_ex(A, B, *, left=True, check_errors=False):
    """`linalg.solve` that tells of singular matrices in `info`.

    Args:
        A (Tensor): (..., n, n).
        B (Tensor): (..., n, k), or vectors (..., n).
        left (bool): False solves X A = B. Default: True.
        check_errors (bool): raise all the same. Default: False.

    Returns:
        named tuple: result, and info, int32: 0, or the first place where U of the LU factors is zero.

    Raises:
        LinAlgError: a matrix is singular and `check_errors` is True.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.solve_ex(rl.zeros(1, 1), rl.ones(1, 1)).info.item()
        1
    """
    return _solve_ex_result(_solve("solve_ex", A, B, left, check_errors))


@composite("linalg.inv out", "widen")
def inv(A):
    """The inverse of each matrix.

    Args:
        A (Tensor): (..., n, n).

    Returns:
        Tensor: (..., n, n).

    Raises:
        LinAlgError: a matrix is singular.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.inv(rl.tensor([[4.0]])).tolist()
        [[0.25]]
    """
    return linalg["inv_ex"](A, check_errors=True)[0]


@composite("inverse Tensor.inverse out", "widen")
def inverse(input):
    """Another name of `linalg.inv`.

    Args:
        input (Tensor): (..., n, n).

    Returns:
        Tensor: (..., n, n).

    Raises:
        LinAlgError: a matrix is singular.

    Example:
        >>> import rushlight as rl
        >>> rl.inverse(rl.tensor([[4.0]])).tolist()
        [[0.25]]
    """
    return linalg["inv_ex"](input, check_errors=True)[0]


@composite("triangular_solve Tensor.triangular_solve out", "widen")
def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    """The older form of `linalg.solve_triangular`.

    Args:
        b (Tensor): (..., n, k).
        A (Tensor): (..., n, n), triangular.
        upper (bool): A is upper triangular. Default: True.
        transpose (bool): solve with A^T. Default: False.
        unitriangular (bool): take A's diagonal as ones. Default: False.

    Returns:
        named tuple: solution, and cloned_coefficient, a copy of A.

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.triangular_solve(rl.tensor([[6.0]]), rl.tensor([[3.0]])).solution.tolist()
        [[2.0]]
    """
    need_matrix("triangular_solve", "b", b)
    need_matrix("triangular_solve", "A", A, square=True)
    matrix = A.mT if transpose else A
    X = linalg["solve_triangular"](matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    return _triangular_result((X, A.expand(X.shape[:-2] + A.shape[-2:]).clone()))


# ---- least squares --------------------------------------------------------------------------------------------------


@composite("linalg.lstsq out", "widen")
def lstsq(A, B, rcond=None, *, driver=None):
    """The X that makes |A X - B| smallest.

    Args:
        A (Tensor): (..., m, n).
        B (Tensor): (..., m, k), or vectors (..., m).
        rcond (float, optional): singular values below this part of the largest count as zero. Default: the dtype's
            epsilon times max(m, n).
        driver (str, optional): LAPACK's: 'gels' (full rank), 'gelsy' (default), 'gelsd' or 'gelss'.

    Returns:
        named tuple: solution; residuals, the squared lengths of A X - B where m > n and all matrices have full rank,
        else empty; rank, empty for 'gels'; singular_values, of 'gelsd' and 'gelss', else empty.

    Raises:
        RuntimeError: the shapes do not fit, or the driver is unknown.
        LinAlgError: a matrix lacks full rank ('gels').

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.lstsq(rl.tensor([[1.0], [1.0]]), rl.tensor([[1.0], [3.0]])).solution.allclose(rl.tensor([[2.0]]))
        True
    """
    need_matrix("lstsq", "A", A)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"lstsq: driver={driver!r}; expected 'gels', 'gelsy', 'gelsd' or 'gelss'")
    vector = is_vector(A, B)
    m, n = A.shape[-2:]
    if rcond is None:
        rcond = EPSILON.get(A.dtype, 0.0) * max(m, n)
    right = B.unsqueeze(-1) if vector else B
    solution, rank, singular = ops["lstsq"](A, right, rcond, driver or "gelsy")
    residuals = singular.new_empty(0)
    if m > n and driver in ("gels", "gelsd", "gelss") and not (rank != n).any():
        residuals = (A @ solution - right).abs().square().sum(-2)
    if vector:
        solution = solution.squeeze(-1)
    return _lstsq_result((solution, residuals, rank, singular))


# ---- tolerances of rank ---------------------------------------------------------------------------------------------


def _tolerances(A, atol, rtol):
    """Both as tensors, with PyTorch's defaults: nothing absolute; relative the dtype's epsilon times max(m, n), or
    nothing where an absolute one is given.
    """
    real = core.float32 if A.dtype in (core.float32, core.complex64) else core.float64

    def tensor(x):
        return x.detach().to(real) if isinstance(x, Tensor) else core.full((), x, dtype=real)

    absolute = tensor(0.0 if atol is None else atol)
    if rtol is not None:
        return absolute, tensor(rtol)
    return absolute, core.where(absolute > 0, 0.0, tensor(EPSILON.get(A.dtype, 0.0) * max(A.shape[-2:])))


@composite("linalg.pinv out", "widen")
def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The Moore-Penrose inverse of each matrix.

    Args:
        A (Tensor): (..., m, n).
        rcond (float or Tensor, optional): NumPy's name of `rtol`.
        hermitian (bool): A is symmetric (Hermitian), and its lower triangle is read. Default: False.
        atol, rtol (float or Tensor, optional): singular values up to max(atol, rtol * the largest) count as zero.
            Default: 0 and the dtype's epsilon times max(m, n).

    Returns:
        Tensor: (..., n, m).

    Raises:
        LinAlgError: the singular values did not converge.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.pinv(rl.tensor([[2.0, 0.0], [0.0, 0.0]])).tolist()
        [[0.5, 0.0], [0.0, 0.0]]
    """
    need_matrix("pinv", "A", A, square=hermitian)
    return ops["pinv"](A, *_tolerances(A, atol, rcond if rtol is None else rtol), hermitian)


@composite("pinverse Tensor.pinverse out", "widen")
def pinverse(input, rcond=1e-15):
    """The older form of `linalg.pinv`.

    Args:
        input (Tensor): (..., m, n).
        rcond (float): singular values up to this part of the largest count as zero. Default: 1e-15.

    Returns:
        Tensor: (..., n, m).

    Example:
        >>> import rushlight as rl
        >>> rl.pinverse(rl.tensor([[4.0]])).tolist()
        [[0.25]]
    """
    return core.linalg.pinv(input, rcond)


@composite("linalg.matrix_rank out", "widen")
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values of each matrix are not zero.

    Args:
        A (Tensor): (..., m, n).
        tol (float or Tensor, optional): NumPy's name of `atol`.
        hermitian (bool): A is symmetric (Hermitian), and its lower triangle is read. Default: False.
        atol, rtol (float or Tensor, optional): singular values up to max(atol, rtol * the largest) count as zero.
            Default: 0 and the dtype's epsilon times max(m, n).

    Returns:
        Tensor: (...), int64.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.matrix_rank(rl.ones(3, 3)).item()
        1
    """
    need_matrix("matrix_rank", "A", A, square=hermitian)
    if tol is not None:
        atol, rtol = tol, 0.0
    if A.numel() == 0:
        return core.zeros(A.shape[:-2], dtype=core.int64)
    A = A.detach()
    values = linalg["eigvalsh"](A).abs() if hermitian else linalg["svdvals"](A)
    absolute, relative = _tolerances(A, atol, rtol)
    return (values > core.maximum(absolute, relative * values.amax(-1)).unsqueeze(-1)).sum(-1)
