"""Linear algebra against NumPy and SciPy: values, batches, layouts, matrices without elements, and bad input."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.linalg

import rushlight as rl

L = rl.linalg
DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
SQUARE = [(3, 3), (2, 4, 4), (2, 3, 5, 5), (1, 1), (0, 0), (0, 3, 3), (2, 0, 0)]
SHAPES = [*SQUARE, (5, 3), (3, 5), (2, 4, 2), (2, 2, 4), (3, 0), (0, 3), (0, 2, 3)]
inf, nan = float("inf"), float("nan")


def random_array(shape, dtype, seed=0):
    rng = np.random.default_rng([seed, *shape])
    values = rng.normal(size=shape)
    if np.issubdtype(dtype, np.complexfloating):
        values = values + 1j * rng.normal(size=shape)
    return values.astype(dtype)


def regular(shape, dtype=np.float64, seed=0):
    return random_array(shape, dtype, seed) + (3 * np.eye(shape[-1])).astype(dtype)


def positive(shape, dtype=np.float64):
    x = random_array(shape, dtype)
    return (x @ adjoint(x) + np.eye(shape[-1])).astype(dtype)


def symmetric(shape, dtype=np.float64):
    x = random_array(shape, dtype)
    return x + adjoint(x)


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def close(found, expected, factor=1.0):
    found = found.numpy() if isinstance(found, rl.Tensor) else found
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    eps = np.finfo(found.dtype).eps if found.dtype.kind in "fc" else 0
    scale = max(1.0, np.abs(expected).max()) if expected.size else 1.0
    np.testing.assert_allclose(found, expected, rtol=2000 * eps * factor, atol=200 * eps * factor * scale)


def each(function, *arrays):
    """A function of matrices over the batch, for SciPy's functions of one matrix."""
    leading = arrays[0].shape[:-2]
    return np.stack([function(*(a[i] for a in arrays)) for i in np.ndindex(leading)]).reshape(
        *leading, *function(*(a[(0,) * len(leading)] for a in arrays)).shape)


# ---- factors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_cholesky(shape, dtype):
    a = positive(shape, dtype)
    lower = np.linalg.cholesky(a)
    close(L.cholesky(rl.from_numpy(a)), lower)
    close(L.cholesky(rl.from_numpy(a), upper=True), adjoint(lower))
    factor, info = L.cholesky_ex(rl.from_numpy(a))
    close(factor, lower)
    assert not info.any() and info.dtype is rl.int32 and tuple(info.shape) == shape[:-2]


def test_cholesky_reads_one_triangle():
    a = positive((4, 4))
    close(L.cholesky(rl.from_numpy(np.tril(a) + np.triu(np.full((4, 4), nan), 1))), np.linalg.cholesky(a))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_lu(shape, dtype):
    a = random_array(shape, dtype)
    lower, upper = L.lu(rl.from_numpy(a))[1:]
    permuted, pivots, info = L.lu_factor_ex(rl.from_numpy(a))
    assert np.array_equal(np.tril(lower.numpy()), lower.numpy())
    assert np.array_equal(np.triu(upper.numpy()), upper.numpy())
    assert pivots.dtype is rl.int32 and tuple(info.shape) == shape[:-2]
    P = L.lu(rl.from_numpy(a)).P.numpy()
    close(P @ lower.numpy() @ upper.numpy(), a)
    if a.size and a.ndim == 2:
        expected, rows = scipy.linalg.lu_factor(a)
        close(permuted, expected)
        assert (pivots.numpy() == rows + 1).all()


@pytest.mark.parametrize("shape", SQUARE)
@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_ldl(shape, hermitian, dtype):
    a = symmetric(shape, dtype) if hermitian else np.real(symmetric(shape, dtype)).astype(dtype)
    b = random_array((*shape[:-1], 2), dtype)
    factors, pivots = L.ldl_factor(rl.from_numpy(a), hermitian=hermitian)
    found = L.ldl_solve(factors, pivots, rl.from_numpy(b), hermitian=hermitian)
    close(found, np.linalg.solve(a, b), 100)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_qr(shape, dtype):
    a = random_array(shape, dtype)
    for mode in ("reduced", "complete"):
        q, r = (t.numpy() for t in L.qr(rl.from_numpy(a), mode))
        close(q @ r, a)
        close(adjoint(q) @ q, np.broadcast_to(np.eye(q.shape[-1]), (*shape[:-2], q.shape[-1], q.shape[-1])))
        assert np.array_equal(np.triu(r), r)
        expected = np.linalg.qr(a, mode)
        assert q.shape == expected[0].shape and r.shape == expected[1].shape
    q, r = L.qr(rl.from_numpy(a), "r")
    assert q.numel() == 0
    close(r, np.linalg.qr(a, "r"))


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 2), (5, 3)])
def test_householder_products(shape):
    a = random_array(shape, np.float64)
    packed, tau = rl.geqrf(rl.from_numpy(a))
    q, r = np.linalg.qr(a)
    close(packed.triu()[..., :shape[-1], :], r)
    close(L.householder_product(packed, tau), q)
    close(rl.orgqr(packed, tau), q)
    whole = np.linalg.qr(a, "complete")[0]
    left, right = random_array((*shape[:-1], 2), np.float64), random_array((*shape[:-2], 2, shape[-2]), np.float64)
    close(rl.ormqr(packed, tau, rl.from_numpy(left)), whole @ left)
    close(rl.ormqr(packed, tau, rl.from_numpy(left), transpose=True), adjoint(whole) @ left)
    close(rl.ormqr(packed, tau, rl.from_numpy(right), left=False), right @ whole)
    close(rl.ormqr(packed, tau, rl.from_numpy(right), left=False, transpose=True), right @ adjoint(whole))


# ---- solutions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_solve_and_inverse(shape, dtype):
    a, b = regular(shape, dtype), random_array((*shape[:-1], 2), dtype)
    x = np.linalg.solve(a, b)
    close(L.solve(rl.from_numpy(a), rl.from_numpy(b)), x, 10)
    close(L.solve(rl.from_numpy(a), rl.from_numpy(b[..., 0].copy())), x[..., 0], 10)
    right = np.swapaxes(b, -1, -2).copy()
    close(L.solve(rl.from_numpy(a), rl.from_numpy(right), left=False),
          np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), b), -1, -2), 10)
    close(L.inv(rl.from_numpy(a)), np.linalg.inv(a), 10)
    result, info = L.solve_ex(rl.from_numpy(a), rl.from_numpy(b))
    close(result, x, 10)
    assert not info.any()


@pytest.mark.parametrize("dtype", [np.float64])
def test_solutions_broadcast(dtype):
    a, b = regular((2, 1, 3, 3), dtype), random_array((4, 3, 2), dtype)
    expected = np.linalg.solve(a, b)
    close(L.solve(rl.from_numpy(a), rl.from_numpy(b)), expected)
    low = np.tril(a)
    close(L.solve_triangular(rl.from_numpy(a), rl.from_numpy(b), upper=False), np.linalg.solve(low, b))
    close(L.solve_triangular(rl.from_numpy(a[0, 0]), rl.from_numpy(b), upper=False), np.linalg.solve(low[0, 0], b))


@pytest.mark.parametrize("dtype", [np.float64])
@pytest.mark.parametrize("adjoint_", [False, True])
def test_lu_solve(dtype, adjoint_):
    a, b = regular((2, 4, 4), dtype), random_array((2, 4, 3), dtype)
    factors = L.lu_factor(rl.from_numpy(a))
    used = adjoint(a) if adjoint_ else a
    close(L.lu_solve(*factors, rl.from_numpy(b), adjoint=adjoint_), np.linalg.solve(used, b))
    right = adjoint(b).copy()
    close(L.lu_solve(*factors, rl.from_numpy(right), left=False, adjoint=adjoint_), right @ np.linalg.inv(used))
    close(rl.lu_solve(rl.from_numpy(b), *factors), np.linalg.solve(a, b))
    solved = rl._C._groups["_ops"]["solve_factored"](*factors, rl.from_numpy(b), adjoint_)
    close(solved, np.linalg.solve(used, b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_solve_triangular(dtype, left, upper, unit):
    for shape in [(4, 4), (2, 4, 4), (0, 4, 4), (2, 0, 0)]:
        a = regular(shape, dtype)
        n = shape[-1]
        b = random_array((*shape[:-2], n, 2) if left else (*shape[:-2], 2, n), dtype)
        used = np.triu(a) if upper else np.tril(a)
        if unit:
            used = used * (1 - np.eye(n)) + np.eye(n)
        inverse = np.linalg.inv(used)
        expected = inverse @ b if left else b @ inverse
        for given in (rl.from_numpy(a), rl.from_numpy(np.swapaxes(a, -1, -2).copy()).mT):
            found = L.solve_triangular(given, rl.from_numpy(b), upper=upper, left=left, unitriangular=unit)
            close(found, expected, 100)


def test_cholesky_solve_and_inverse():
    a, b = positive((2, 3, 3)), random_array((2, 3, 2), np.float64)
    for upper in (False, True):
        factor = L.cholesky(rl.from_numpy(a), upper=upper)
        close(rl.cholesky_solve(rl.from_numpy(b), factor, upper), np.linalg.solve(a, b))
        close(rl.cholesky_inverse(factor, upper), np.linalg.inv(a))


def test_triangular_solve():
    a, b = regular((3, 3)), random_array((3, 2), np.float64)
    close(rl.triangular_solve(rl.from_numpy(b), rl.from_numpy(a)).solution, np.linalg.solve(np.triu(a), b))
    close(rl.triangular_solve(rl.from_numpy(b), rl.from_numpy(a), transpose=True).solution,
          np.linalg.solve(np.triu(a).T, b))


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 6, 2)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_least_squares(driver, shape, dtype):
    a, b = random_array(shape, dtype), random_array((*shape[:-1], 2), dtype, 1)
    found = L.lstsq(rl.from_numpy(a), rl.from_numpy(b), driver=driver)
    expected = np.linalg.pinv(a) @ b
    close(found.solution, expected, 20)
    if shape[-2] > shape[-1] and driver != "gelsy":
        close(found.residuals, (np.abs(a @ expected - b) ** 2).sum(-2), 20)
    if driver != "gels":
        assert (found.rank.numpy() == min(shape[-2:])).all()
    if driver in ("gelsd", "gelss"):
        close(found.singular_values, np.linalg.svd(a, compute_uv=False), 20)


def test_least_squares_of_vectors_and_lost_rank():
    a, b = random_array((4, 2), np.float64), random_array((4,), np.float64)
    close(L.lstsq(rl.from_numpy(a), rl.from_numpy(b)).solution, np.linalg.lstsq(a, b, rcond=None)[0])
    flat = np.ones((4, 2))
    for driver in ("gelsy", "gelsd", "gelss"):
        found = L.lstsq(rl.from_numpy(flat), rl.from_numpy(b), driver=driver)
        close(found.solution, np.linalg.pinv(flat) @ b)
        assert found.rank.item() == 1 and found.residuals.numel() == 0


def test_named_results_bear_pytorchs_names():
    x = rl.eye(2)
    for result, name in [
        (L.eigh(x), "linalg_eigh"), (L.eig(x), "linalg_eig"), (L.qr(x), "linalg_qr"), (L.svd(x), "linalg_svd"),
        (L.inv_ex(x), "linalg_inv_ex"), (L.cholesky_ex(x), "linalg_cholesky_ex"), (L.slogdet(x), "linalg_slogdet"),
        (L.lu_factor_ex(x), "linalg_lu_factor_ex"), (L.lstsq(x, x), "linalg_lstsq"), (L.lu(x), "linalg_lu"),
        (rl.svd(x), "svd"), (rl.qr(x), "qr"), (rl.geqrf(x), "geqrf"),
        (rl.triangular_solve(x, x), "triangular_solve"),
    ]:
        assert type(result) is getattr(rl.return_types, name)
        assert repr(result).startswith(f"rushlight.return_types.{name}(\n")


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 4, 2), (0, 3), (3, 0), (2, 0, 0)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pinv(shape, dtype):
    a = random_array(shape, dtype)
    close(L.pinv(rl.from_numpy(a)), np.linalg.pinv(a), 20)
    close(rl.pinverse(rl.from_numpy(a)), np.linalg.pinv(a), 20)


def test_rank_and_its_tolerances():
    values = np.array([2.0, 1e-3, 1e-20])
    a = rl.from_numpy(np.diag(values))
    assert L.matrix_rank(a).item() == np.linalg.matrix_rank(np.diag(values)) == 2
    assert L.matrix_rank(a, atol=1e-2).item() == 1
    assert L.matrix_rank(a, rtol=1e-2).item() == 1
    assert L.matrix_rank(a, hermitian=True).item() == 2
    assert L.matrix_rank(rl.stack([a, a]), atol=rl.tensor([1e-2, 3.0], dtype=rl.float64)).tolist() == [1, 0]
    close(L.pinv(a, atol=1e-2), np.diag([0.5, 0, 0]))
    close(L.pinv(a, hermitian=True), np.diag([0.5, 1e3, 0]))


# ---- spectra --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
@pytest.mark.parametrize("which", ["L", "U"])
def test_eigh(shape, dtype, which):
    a = symmetric(shape, dtype)
    one_triangle = np.tril(a) if which == "L" else np.triu(a)
    w, v = L.eigh(rl.from_numpy(one_triangle), which)
    expected = np.linalg.eigvalsh(a)
    close(w, expected, 10)
    close(L.eigvalsh(rl.from_numpy(one_triangle), which), expected, 10)
    close(a @ v.numpy(), v.numpy() * w.numpy()[..., None, :], 10)
    close(adjoint(v.numpy()) @ v.numpy(), np.broadcast_to(np.eye(shape[-1]), shape), 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_eig(shape, dtype):
    a = random_array(shape, dtype)
    w, v = (t.numpy() for t in L.eig(rl.from_numpy(a)))
    close(a @ v, v * w[..., None, :], 50)
    close(np.linalg.norm(v, axis=-2), np.ones(shape[:-1]), 10)
    close(L.eigvals(rl.from_numpy(a)).numpy().prod(-1), np.linalg.det(a).astype(w.dtype), 50)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("full", [False, True])
def test_svd(shape, dtype, full):
    a = random_array(shape, dtype)
    u, s, vh = (t.numpy() for t in L.svd(rl.from_numpy(a), full))
    k = min(shape[-2:])
    expected = np.linalg.svd(a, full_matrices=full)
    assert u.shape == expected[0].shape and vh.shape == expected[2].shape
    close(s, expected[1], 10)
    close((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, 10)
    close(adjoint(u) @ u, np.broadcast_to(np.eye(u.shape[-1]), (*shape[:-2], u.shape[-1], u.shape[-1])), 10)
    close(vh @ adjoint(vh), np.broadcast_to(np.eye(vh.shape[-2]), (*shape[:-2], vh.shape[-2], vh.shape[-2])), 10)
    close(L.svdvals(rl.from_numpy(a)), s, 10)


def test_older_svd():
    a = random_array((4, 2), np.float64)
    u, s, v = (t.numpy() for t in rl.svd(rl.from_numpy(a)))
    close((u * s) @ v.T, a)
    u, s, v = rl.svd(rl.from_numpy(a), compute_uv=False)
    assert u.shape == (4, 4) and v.shape == (2, 2) and not u.any()
    assert rl.svd(rl.from_numpy(a), some=False).U.shape == (4, 4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_determinants(shape, dtype):
    a = random_array(shape, dtype)
    close(L.det(rl.from_numpy(a)), np.linalg.det(a), 10)
    sign, size = L.slogdet(rl.from_numpy(a))
    close(sign, np.linalg.slogdet(a)[0], 10)
    close(size, np.linalg.slogdet(a)[1], 10)


def test_logdet():
    assert rl.logdet(rl.tensor([[2.0, 0.0], [0.0, 3.0]])).item() == pytest.approx(np.log(6))
    assert np.isnan(rl.logdet(rl.tensor([[-1.0]])).item())
    assert rl.logdet(rl.zeros(2, 2)).item() == -inf


# ---- norms and products ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ord", ["fro", "nuc", inf, -inf, 1, -1, 2, -2])
def test_matrix_norm(ord):
    a = random_array((2, 3, 4), np.float64)
    close(L.matrix_norm(rl.from_numpy(a), ord), np.linalg.norm(a, ord, (-2, -1)))
    close(L.matrix_norm(rl.from_numpy(a), ord, (2, 0), True), np.linalg.norm(a, ord, (2, 0), True))
    close(L.norm(rl.from_numpy(a[0]), ord), np.linalg.norm(a[0], ord))
    if ord not in ("fro", "nuc"):
        close(L.norm(rl.from_numpy(a), ord, 1), np.linalg.norm(a, ord, 1))
    square = regular((2, 3, 3))
    close(L.cond(rl.from_numpy(square), ord), np.linalg.cond(square, ord))


def test_condition_of_singular_matrices():
    assert L.cond(rl.zeros(2, 2), 1).item() == inf
    assert L.cond(rl.tensor([[1.0, 0.0], [0.0, 0.0]])).item() == inf


PRODUCTS = {
    "kron": (lambda a, b: rl.kron(a, b), np.kron, [(2, 3), (4, 1, 2)]),
    "trace": (lambda a: rl.trace(a), np.trace, [(3, 5)]),
    "cross": (lambda a, b: rl.cross(a, b), lambda a, b: np.cross(a, b, axis=1), [(2, 3), (2, 3)]),
    "linalg.cross": (lambda a, b: L.cross(a, b), np.cross, [(4, 1, 3), (1, 2, 3)]),
    "vecdot": (lambda a, b: L.vecdot(a, b), lambda a, b: (a * b).sum(-1), [(2, 3, 4), (3, 4)]),
    "vecdot along": (lambda a, b: L.vecdot(a, b, dim=1), lambda a, b: (a * b).sum(1), [(2, 3, 4), (2, 3, 4)]),
    "matrix_power": (lambda a: L.matrix_power(a, 5), lambda a: np.linalg.matrix_power(a, 5), [(2, 3, 3)]),
    "matrix_power 0": (lambda a: L.matrix_power(a, 0), lambda a: np.linalg.matrix_power(a, 0), [(2, 3, 3)]),
    "matrix_power -2": (lambda a: L.matrix_power(a, -2), lambda a: np.linalg.matrix_power(a, -2), [(2, 3, 3)]),
    "matrix_exp": (lambda a: L.matrix_exp(a), scipy.linalg.expm, [(2, 4, 4)]),
    "matrix_exp large": (lambda a: L.matrix_exp(20 * a), lambda a: scipy.linalg.expm(20 * a), [(2, 4, 4)]),
    "multi_dot": (lambda *t: L.multi_dot(t), lambda *t: np.linalg.multi_dot(t), [(3, 20), (20, 2), (2, 5), (5, 4)]),
    "multi_dot vectors": (lambda *t: L.multi_dot(t), lambda *t: np.linalg.multi_dot(t), [(3,), (3, 2), (2, 4), (4,)]),
    "tensorinv": (lambda a: L.tensorinv(a), np.linalg.tensorinv, [(2, 3, 6)]),
    "tensorsolve": (lambda a, b: L.tensorsolve(a, b), np.linalg.tensorsolve, [(2, 3, 6), (2, 3)]),
    "tensorsolve dims": (lambda a, b: L.tensorsolve(a, b, (0, 2)), lambda a, b: np.linalg.tensorsolve(a, b, (0, 2)),
                         [(3, 6, 2), (6,)]),
    "linalg.vander": (lambda a: L.vander(a, 4), lambda a: np.stack([np.vander(r, 4, True) for r in a]), [(2, 3)]),
    "vander": (lambda a: rl.vander(a), np.vander, [(4,)]),
    "linalg.diagonal": (lambda a: L.diagonal(a, offset=1), lambda a: np.diagonal(a, 1, -2, -1), [(2, 3, 4)]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name):
    call, oracle, shapes = PRODUCTS[name]
    arrays = [random_array(shape, np.float64) for shape in shapes]
    close(call(*map(rl.from_numpy, arrays)), oracle(*arrays), 100 if "large" in name else 1)


def test_powers_of_integers():
    assert L.matrix_power(rl.tensor([[1, 1], [1, 0]]), 10).tolist() == [[89, 55], [55, 34]]
    assert L.vander(rl.tensor([2, 3], dtype=rl.int32), 3).dtype is rl.int64


def test_low_rank():
    u, v = random_array((20, 3), np.float64), random_array((3, 10), np.float64)
    a = u @ v
    for given in (a, a.T.copy()):
        left, s, right = (t.numpy() for t in rl.svd_lowrank(rl.from_numpy(given), 4))
        close((left * s) @ right.T, given, 10)
        centred = given - given.mean(0)
        left, s, right = (t.numpy() for t in rl.pca_lowrank(rl.from_numpy(given), 4))
        close((left * s) @ right.T, centred, 10)


# ---- derivatives beyond the records' samples ------------------------------------------------------------------------


DIFFERENTIABLE = {
    "cholesky_solve": lambda a, b: rl.cholesky_solve(b, L.cholesky(a @ a.mT + rl.eye(3, dtype=rl.float64))),
    "solve": lambda a, b: L.solve(a, b),
    "solve right": lambda a, b: L.solve(a, b.mT, left=False),
    "solve vectors": lambda a, b: L.solve(a, b[..., 0]),
    "lu": lambda a, b: L.lu(a)[1:],
    "lu_solve": lambda a, b: L.lu_solve(*L.lu_factor(a), b, adjoint=True),
    "inv": lambda a, b: L.inv(a),
    "pinv": lambda a, b: L.pinv(b),
    "pinv hermitian": lambda a, b: L.pinv(a + a.mT, hermitian=True),
    "lstsq": lambda a, b: (L.lstsq(b, a).solution, *L.lstsq(b, a, driver="gelsd")[:2]),
    "logdet": lambda a, b: rl.logdet(a @ a.mT),
    "matrix_exp": lambda a, b: L.matrix_exp(a),
    "matrix_power": lambda a, b: L.matrix_power(a, -3),
    "householder_product": lambda a, b: L.householder_product(b, b[0]),
    "ormqr": lambda a, b: rl.ormqr(b, b[0], a),
    "kron": lambda a, b: rl.kron(a, b),
    "nuc": lambda a, b: L.matrix_norm(b, "nuc"),
    "cond": lambda a, b: (L.cond(a), L.cond(a, 1)),
    "cross": lambda a, b: L.cross(a, a.mT),
    "multi_dot": lambda a, b: L.multi_dot([b.mT, a, b]),
    "tensorsolve": lambda a, b: L.tensorsolve(a, b[:, 0]),
    "vander": lambda a, b: L.vander(b),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives(name):
    call = DIFFERENTIABLE[name]
    tensors = [rl.from_numpy(a).requires_grad_() for a in (regular((3, 3)), random_array((3, 2), np.float64))]
    assert rl.autograd.gradcheck(call, tensors)
    assert rl.autograd.gradgradcheck(call, tensors)


@pytest.mark.parametrize("rank", [2, 1, 0])
def test_derivative_of_singular_determinants(rank):
    a = np.diag([2.0, 3.0, 1.0][:rank] + [0.0] * (3 - rank)) if rank else np.zeros((3, 3))
    x = rl.from_numpy(a).requires_grad_()
    L.det(x).backward()
    cofactors = np.array([[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)]
                          for i in range(3)])
    close(x.grad, cofactors)


def test_derivative_of_a_pseudo_inverse_of_lower_rank():
    u, v = rl.from_numpy(random_array((4, 1), np.float64)), rl.from_numpy(random_array((1, 3), np.float64))
    assert rl.autograd.gradcheck(lambda u, v: L.pinv(u @ v), [u.requires_grad_(), v.requires_grad_()])


def test_derivatives_of_eigenvectors():
    x = rl.from_numpy(random_array((4, 4), np.float64)).requires_grad_()
    assert rl.autograd.gradcheck(lambda x: L.eig(x).eigenvectors.abs(), [x])
    assert rl.autograd.gradcheck(lambda x: rl.view_as_real(L.eigvals(x)), [x])


COMPLEX = {
    "cholesky": lambda x: L.cholesky(x @ x.mH + rl.eye(3)),
    "lu": lambda x: L.lu_factor(x).LU,
    "qr": lambda x: L.qr(x),
    "inv": lambda x: L.inv(x),
    "solve": lambda x: L.solve(x, x @ x),
    "solve_triangular": lambda x: L.solve_triangular(x, x @ x, upper=True, left=False),
    "det": lambda x: L.det(x),
    "slogdet": lambda x: L.slogdet(x),
    "eigvalsh": lambda x: L.eigvalsh(x + x.mH),
    "eigh": lambda x: L.eigh(x + x.mH).eigenvectors.abs(),
    "eig": lambda x: L.eig(x).eigenvectors.abs(),
    "svdvals": lambda x: L.svdvals(x),
    "svd": lambda x: tuple(t.abs() for t in L.svd(x)),
    "pinv": lambda x: L.pinv(x[:, :2]),
    "lstsq": lambda x: L.lstsq(x[:, :2], x, driver="gels")[:2],
    "matrix_exp": lambda x: L.matrix_exp(x),
    "householder_product": lambda x: L.householder_product(x, x[0]),
    "ormqr": lambda x: rl.ormqr(x, x[0], x, transpose=True),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_derivatives_of_complex_matrices(name):
    def parts(re, im):
        out = COMPLEX[name](rl.complex(re, im))
        out = out if isinstance(out, tuple) else (out,)
        return tuple(rl.view_as_real(t) if t.is_complex() else t for t in out)

    z = regular((3, 3), np.complex128)
    leaves = [rl.from_numpy(part.copy()).requires_grad_() for part in (z.real, z.imag)]
    assert rl.autograd.gradcheck(parts, leaves)


# ---- bad input ------------------------------------------------------------------------------------------------------


SINGULAR = rl.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]]])


@pytest.mark.parametrize("call, words", [
    (lambda: L.inv(SINGULAR), r"^inv: A of shape \(2, 2, 2\) \(batch element 1\): U\[2, 2\].*singular"),
    (lambda: L.solve(SINGULAR, rl.ones(2, 1)), r"^solve: A of shape \(2, 2, 2\) \(batch element 1\).*singular"),
    (lambda: L.cholesky(SINGULAR - rl.eye(2)), r"^cholesky: .*\(batch element 0\): the leading minor of order 1 "),
    (lambda: L.lu_factor(SINGULAR), r"^lu_factor: .*\(batch element 1\).*zero"),
    (lambda: rl.inverse(rl.zeros(2, 2)), r"^inverse: A of shape \(2, 2\): U\[1, 1\]"),
    (lambda: L.svd(rl.full((2, 2), nan)), "^svd: .*NaN"),
    (lambda: L.eigh(rl.full((2, 2), inf)), "^eigh: .*infinity"),
    (lambda: L.lstsq(rl.full((2, 2), nan), rl.ones(2, 1)), "^lstsq: .*NaN"),
])
def test_what_cannot_be_computed_is_a_linalg_error(call, words):
    with pytest.raises(L.LinAlgError, match=words):
        call()
    assert issubclass(L.LinAlgError, RuntimeError)


@pytest.mark.parametrize("call, words", [
    (lambda: L.inv(rl.ones(2, 3)), r"inv: A has shape \(2, 3\); expected square"),
    (lambda: L.inv(rl.ones(3)), r"inv: A has shape \(3,\); expected"),
    (lambda: L.inv(rl.ones(2, 2, dtype=rl.int64)), "inv: A has dtype int64; expected float32"),
    (lambda: L.solve(rl.ones(2, 2), rl.ones(3, 1)), r"solve: B has shape \(3, 1\) and A \(2, 2\)"),
    (lambda: L.solve(rl.ones(2, 2), rl.ones(2, 1, dtype=rl.float64)), "dtype"),
    (lambda: L.eigh(rl.ones(2, 2), "x"), "UPLO='x'; expected 'L' or 'U'"),
    (lambda: L.qr(rl.ones(2, 2), "all"), "mode='all'; expected"),
    (lambda: L.matrix_norm(rl.ones(2, 2), 3), "ord=3; expected"),
    (lambda: L.lstsq(rl.ones(2, 2), rl.ones(2, 1), driver="gel"), "driver='gel'; expected"),
    (lambda: L.multi_dot([rl.ones(2, 2)]), "expected at least two"),
    (lambda: L.matrix_power(rl.ones(2, 3), 2), "expected square"),
    (lambda: L.cross(rl.ones(2), rl.ones(2)), "expected 3 elements"),
    (lambda: L.lu_solve(rl.eye(2), rl.tensor([9, 9], dtype=rl.int32), rl.ones(2, 1)), "pivots holds 9"),
    (lambda: L.ldl_solve(rl.eye(2), rl.tensor([9, 9], dtype=rl.int32), rl.ones(2, 1)), "pivots holds 9"),
    (lambda: L.ldl_solve(rl.eye(2), rl.tensor([1, -1], dtype=rl.int32), rl.ones(2, 1)), "in pairs"),
])
def test_wrong_arguments(call, words):
    with pytest.raises(RuntimeError, match=words):
        call()


def test_not_a_number_ends():
    a = rl.from_numpy(np.full((3, 3), nan))
    assert L.inv_ex(a)[0].isnan().any() and L.lu_factor_ex(a)[0].isnan().any() and L.qr(a)[0].isnan().any()
    assert L.cholesky_ex(a).info.item() == 1
    assert L.det(a).isnan().item() and L.matrix_exp(a).isnan().all()


def test_results_go_where_out_says():
    a = rl.from_numpy(regular((3, 3)))
    out = rl.empty(0, dtype=rl.float64)
    assert L.inv(a, out=out) is out
    close(out, np.linalg.inv(a.numpy()))
    q, r = rl.empty(0, dtype=rl.float64), rl.empty(0, dtype=rl.float64)
    found = L.qr(a, out=(q, r))
    assert found.Q is q and found.R is r
    close(q @ r, a.numpy())
    assert L.lu_factor(a, out=(q, rl.empty(0, dtype=rl.int32))).LU is q


def test_arguments_stay_as_they_are():
    a = regular((4, 4))
    given = rl.from_numpy(a.copy())
    for call in (L.inv, L.svd, L.eig, L.eigh, L.qr, L.lu_factor, L.det, rl.geqrf, L.pinv):
        call(given)
        call(given.mT)
    assert np.array_equal(given.numpy(), a)


AFTER_FORK = """
import os, rushlight as rl
cores = os.sched_getaffinity(0)
a = rl.eye(50).expand(64, 50, 50).clone() * 2
want = rl.linalg.inv(a)
for i in range(20):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if rl.equal(rl.linalg.inv(a), want) else 1)
    assert os.waitpid(pid, 0)[1] == 0
threads = len(os.listdir("/proc/self/task"))
assert threads <= rl.get_num_threads() + 1, threads
assert os.sched_getaffinity(0) == cores
print("fine")
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
@pytest.mark.parametrize("wished", [None, "16"])
def test_forked_children_go_on_and_no_threads_are_made(wished):
    env = {**os.environ, **({"OPENBLAS_NUM_THREADS": wished} if wished else {})}
    done = subprocess.run([sys.executable, "-c", AFTER_FORK], capture_output=True, text=True, timeout=120, env=env)
    assert done.stdout.strip() == "fine", done.stderr
