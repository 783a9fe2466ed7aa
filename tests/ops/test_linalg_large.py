"""Matrices that are worked on block by block: residuals, threads, children."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.linalg

import rushlight as rl

L = rl.linalg
DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
SHAPES = [(192, 192), (257, 257), (300, 200), (200, 330), (2, 193, 193)]
SQUARE = [(64, 64), (129, 129), (2, 65, 65), (321, 321)]


def random_array(shape, dtype, seed=0):
    rng = np.random.default_rng([seed, *shape])
    values = rng.normal(size=shape)
    if np.issubdtype(dtype, np.complexfloating):
        values = values + 1j * rng.normal(size=shape)
    return values.astype(dtype)


def regular(shape, dtype=np.float64):
    return random_array(shape, dtype) + (3 * shape[-1] ** 0.5 * np.eye(shape[-1])).astype(dtype)


def norm(x):
    return np.linalg.norm(x.astype(np.result_type(x, np.float64)), axis=(-2, -1))


def small(residual, scale, factor=4.0):
    """Backward stability: the residual is some rounding errors of what was multiplied."""
    eps = np.finfo(residual.dtype).eps
    assert np.isfinite(residual).all() and (norm(residual) <= factor * eps * residual.shape[-1] ** 0.5 * scale).all()


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_lu(shape, dtype):
    a = random_array(shape, dtype)
    P, lower, upper = (t.numpy() for t in L.lu(rl.from_numpy(a)))
    assert np.array_equal(np.tril(lower), lower) and np.array_equal(np.triu(upper), upper)
    assert abs(lower).max() <= 1.001 * 2 ** 0.5
    small(P @ lower @ upper - a, norm(lower) * norm(upper))
    if a.ndim == 2 and dtype in (np.float64, np.complex128):
        packed, pivots = L.lu_factor(rl.from_numpy(a))
        expected, rows = scipy.linalg.lu_factor(a) if shape[0] == shape[1] else (None, None)
        if expected is not None:
            assert np.array_equal(pivots.numpy(), rows + 1)
            np.testing.assert_allclose(packed.numpy(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (128, 128)])
def test_qr(shape, dtype):
    a = random_array(shape, dtype)
    for mode in ("reduced", "complete"):
        q, r = (t.numpy() for t in L.qr(rl.from_numpy(a), mode))
        small(q @ r - a, norm(a))
        small(adjoint(q) @ q - np.eye(q.shape[-1], dtype=dtype), norm(q))
        assert np.array_equal(np.triu(r), r)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
@pytest.mark.parametrize("columns", [1, 8, 131])
def test_solutions(shape, dtype, columns):
    a, b = regular(shape, dtype), random_array((*shape[:-1], columns), dtype, 1)
    x = L.solve(rl.from_numpy(a), rl.from_numpy(b)).numpy()
    small(a @ x - b, norm(a) * norm(x))
    factors = L.lu_factor(rl.from_numpy(a))
    x = L.lu_solve(*factors, rl.from_numpy(b), adjoint=True).numpy()
    small(adjoint(a) @ x - b, norm(a) * norm(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_inverse(shape, dtype):
    a = regular(shape, dtype)
    x = L.inv(rl.from_numpy(a)).numpy()
    small(a @ x - np.eye(shape[-1], dtype=dtype), norm(a) * norm(x))
    small(x @ a - np.eye(shape[-1], dtype=dtype), norm(a) * norm(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
def test_triangles(dtype, upper, unit, transposed):
    for n, columns in [(64, 3), (200, 130)]:
        a = regular((n, n), dtype) / dtype(3 * n ** 0.5)
        b = random_array((n, columns), dtype, 1)
        used = np.triu(a) if upper else np.tril(a)
        if unit:
            used = used - np.diag(np.diag(used)) + np.eye(n, dtype=dtype)
        given = rl.from_numpy(np.ascontiguousarray(a.T)).mT if transposed else rl.from_numpy(a)
        x = L.solve_triangular(given, rl.from_numpy(b), upper=upper, unitriangular=unit).numpy()
        small(used @ x - b, norm(used) * norm(x))


def test_singular_matrices():
    a = regular((300, 300))
    a[:, 200] = a[:, 100]
    a[:, 100] = 0
    with pytest.raises(L.LinAlgError, match="101"):
        L.inv(rl.from_numpy(a))
    with pytest.raises(L.LinAlgError, match="101"):
        L.solve(rl.from_numpy(a), rl.ones(300, 1, dtype=rl.float64))
    assert L.inv_ex(rl.from_numpy(a)).info.item() == 101
    assert L.lu_factor_ex(rl.from_numpy(a)).info.item() == 101
    assert L.det(rl.from_numpy(a)).item() == 0


def test_not_a_number_ends():
    a = rl.full((300, 300), float("nan"))
    assert L.lu(a).U.isnan().any() and L.qr(a)[0].isnan().any()
    pivots = L.lu_factor(a)[1]
    assert (pivots >= rl.arange(1, 301)).all() and (pivots <= 300).all()
    a = rl.from_numpy(regular((300, 300)))
    a[250, 70] = float("nan")
    assert L.inv(a).isnan().any()


CALLS = {
    "inv": lambda a: L.inv(a), "lu": lambda a: L.lu_factor(a)[0], "qr": lambda a: L.qr(a)[0],
    "solve": lambda a: L.solve(a, a.mT), "triangular": lambda a: L.solve_triangular(a, a.mT, upper=True),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_number_of_threads_does_not_show(name):
    a, threads = rl.from_numpy(regular((3, 330, 330), np.float32)), rl.get_num_threads()
    try:
        found = []
        for n in (1, 2, 3, 5):
            rl.set_num_threads(n)
            found += [CALLS[name](a), rl.stack([CALLS[name](one) for one in a])]
    finally:
        rl.set_num_threads(threads)
    assert all(rl.equal(found[0], other) for other in found)


@pytest.mark.parametrize("name", CALLS)
def test_several_callers_at_once(name):
    a = rl.from_numpy(regular((260, 260), np.float32))
    want = CALLS[name](a)
    with ThreadPoolExecutor(6) as callers:
        found = [f.result(timeout=120) for f in [callers.submit(CALLS[name], a) for _ in range(24)]]
    assert all(rl.equal(want, other) for other in found)


AFTER_FORK = """
import os, threading, rushlight as rl
a = rl.eye(300) * 2 + 0.001
want = rl.linalg.inv(a)
others = [threading.Thread(target=lambda: [rl.linalg.inv(a) for _ in range(60)]) for _ in range(2)]
for t in others: t.start()
for i in range(20):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if rl.equal(rl.linalg.inv(a), want) else 1)
    assert os.waitpid(pid, 0)[1] == 0
for t in others: t.join()
threads = len(os.listdir("/proc/self/task"))
assert threads <= rl.get_num_threads() + 1, threads
print("fine")
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_children_forked_while_others_compute():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", AFTER_FORK], capture_output=True, text=True,
                          timeout=120)
    assert done.stdout.strip() == "fine", done.stderr
