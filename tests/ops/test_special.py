"""Special functions beyond the samples of the grid: their last digits, the whole range of their arguments, limits, and
functions made of others. The reference is SciPy; where that has lost digits, an identity."""
import numpy as np
import pytest
from scipy import special

import rushlight as rl

S = rl.special


def both_signs(low, high, count=400):
    values = np.geomspace(low, high, count)
    return np.concatenate([-values[::-1], values])


def positive(low, high, count=800):
    return np.geomspace(low, high, count)


def erfcx(x):
    # Left of 0 SciPy rounds the square before it takes the exponential.
    y = special.erfcx(np.abs(x))
    y[x < 0] = (2 * np.exp(np.longdouble(x[x < 0]) ** 2) - y[x < 0]).astype(float)
    return y


def unscaled(scaled):
    return lambda x: (scaled(x) * np.exp(np.abs(np.longdouble(x)))).astype(float)


# Name: (SciPy's function, arguments, units in the last place that both together may lose).
RANGES = {
    "erfcx": (erfcx, np.concatenate([np.linspace(-26, 30, 801), positive(30, 1e300, 100)]), 12),
    "log_ndtr": (special.log_ndtr, np.concatenate([np.linspace(-40, -1.1, 801), -positive(40, 1e100, 50)]), 12),
    "ndtri": (special.ndtri, np.concatenate([positive(1e-300, 0.5, 400), 1 - positive(1e-15, 0.5, 400)]), 12),
    "i0": (unscaled(special.i0e), both_signs(1e-10, 713), 24),
    "i0e": (special.i0e, both_signs(1e-10, 1e10), 24),
    "i1": (unscaled(special.i1e), both_signs(1e-10, 713), 24),
    "i1e": (special.i1e, both_signs(1e-10, 1e10), 24),
    "modified_bessel_k0": (special.k0, positive(1e-300, 700), 16),
    "modified_bessel_k1": (special.k1, positive(1e-300, 700), 16),
    "scaled_modified_bessel_k0": (special.k0e, positive(1e-300, 1e300), 16),
    "scaled_modified_bessel_k1": (special.k1e, positive(1e-300, 1e300), 16),
    "spherical_bessel_j0": (lambda x: special.spherical_jn(0, x), both_signs(1e-10, 20), 16),
    "gammaln": (special.gammaln, positive(3, 1e300), 16),
}


@pytest.mark.parametrize("name", RANGES)
def test_last_digits(name):
    reference, x, units = RANGES[name]
    np.testing.assert_allclose(getattr(S, name)(rl.tensor(x)).numpy(), reference(x), rtol=units * 2.0**-53, atol=0)


def test_log_ndtr_right_of_the_middle():
    x = np.linspace(-1, 10, 300)
    np.testing.assert_allclose(S.log_ndtr(rl.tensor(x)).numpy(), np.log1p(-special.ndtr(-x)), rtol=4e-14)


@pytest.mark.parametrize("name, reference", [
    ("bessel_j0", special.j0), ("bessel_j1", special.j1), ("bessel_y0", special.y0), ("bessel_y1", special.y1),
])
def test_bessel_functions_against_their_envelope(name, reference):
    x = positive(1e-3, 100)
    error = np.abs(getattr(S, name)(rl.tensor(x)).numpy() - reference(x))
    assert (error / np.maximum(np.abs(reference(x)), np.sqrt(1 / x))).max() < 1e-14


def test_airy():
    x = np.linspace(-8, 20, 999)
    found = S.airy_ai(rl.tensor(x)).numpy()
    # The largest argument of SciPy's Cephes; relative right of 0, to the envelope left of it.
    scale = np.where(x < 0, 0.5, special.airy(x)[0])
    assert (np.abs(found - special.airy(x)[0]) / scale).max() < 1e-13
    # Far left, with the second function: Ai^2 + Bi^2 tends to 1 / (pi sqrt(x)).
    x = rl.tensor([-1e4, -1e6, -1e8], dtype=rl.float64)
    assert (S.airy_ai(x).abs() <= (np.pi**-0.5 * x.abs() ** -0.25) * (1 + 1e-12)).all()
    assert S.airy_ai(rl.tensor([float("inf")])).item() == 0


@pytest.mark.parametrize("a", [1e-8, 0.01, 0.5, 1.0, 3.7, 15.9, 16.1, 120.0, 499.0, 501.0, 5e3, 1e6])
def test_incomplete_gamma(a):
    x = a * np.concatenate([np.linspace(0.2, 3, 60), 1 + np.linspace(-4, 4, 61) / np.sqrt(a + 1)])
    x = np.concatenate([x[x > 0], [1e-3, 0.9, 1.09, 1.11, 40.0]])
    shape = rl.full((len(x),), a, dtype=rl.float64)
    lower, upper = rl.igamma(shape, rl.tensor(x)).numpy(), rl.igammac(shape, rl.tensor(x)).numpy()
    for found, wanted in ((lower, special.gammainc(a, x)), (upper, special.gammaincc(a, x))):
        kept = wanted > 1e-30
        np.testing.assert_allclose(found[kept], wanted[kept], rtol=1e-12)
    np.testing.assert_allclose(lower + upper, 1, rtol=1e-14)


def test_limits_of_the_incomplete_gamma_function():
    inf, nan = float("inf"), float("nan")
    a = rl.tensor([0, 0, 2, 2, inf, inf, -1, 2, nan])
    x = rl.tensor([0, 1, 0, inf, 1, inf, 1, -1, 1.0])
    np.testing.assert_array_equal(S.gammainc(a, x).numpy(), [nan, 1, 0, 1, 0, nan, nan, nan, nan])
    np.testing.assert_array_equal(S.gammaincc(a, x).numpy(), [nan, 0, 1, 0, 1, nan, nan, nan, nan])


def test_zeta():
    s, q = np.meshgrid(1 + positive(1e-3, 99, 30), positive(1e-3, 1e4, 40))
    wanted = special.zeta(s, q)
    kept = (wanted > 1e-290) & (wanted < 1e290)
    np.testing.assert_allclose(S.zeta(rl.tensor(s), rl.tensor(q)).numpy()[kept], wanted[kept], rtol=4e-15)
    # Left of 0, term by term; and what has no value.
    q = -10 * np.random.default_rng(5).random(20)
    found = S.zeta(4, rl.tensor(q)).numpy()
    np.testing.assert_allclose(found, [sum((v + k) ** -4 for k in range(30)) + special.zeta(4, v + 30) for v in q],
                               rtol=1e-13)
    inf, nan = float("inf"), float("nan")
    s, q = rl.tensor([1.0, 0.5, 2, 2.5, 3, inf, 2]), rl.tensor([3.0, 3, -4, -1.5, inf, 2, nan])
    np.testing.assert_array_equal(S.zeta(s, q).numpy(), [inf, nan, inf, nan, 0, 0, nan])


CLASSICAL = {
    "chebyshev_polynomial_t": special.eval_chebyt,
    "chebyshev_polynomial_u": special.eval_chebyu,
    "hermite_polynomial_h": special.eval_hermite,
    "hermite_polynomial_he": special.eval_hermitenorm,
    "laguerre_polynomial_l": special.eval_laguerre,
    "legendre_polynomial_p": special.eval_legendre,
}


@pytest.mark.parametrize("name", CLASSICAL)
def test_polynomials_of_every_degree(name):
    x = np.linspace(-3, 3, 121)
    f = getattr(S, name)
    for n in [0, 1, 2, 5, 8, 9, 20, 51, 100]:
        wanted = CLASSICAL[name](n, x)
        found = f(rl.tensor(x), n).numpy()
        scale = np.maximum(np.abs(wanted), np.abs(wanted[np.abs(x) <= 1]).max())
        assert (np.abs(found - wanted) / scale).max() < 4e-12, n
    assert (f(rl.tensor(x), -2) == 0).all()
    np.testing.assert_array_equal(f(rl.tensor(x), 3.9).numpy(), f(rl.tensor(x), 3).numpy())
    assert f(rl.tensor([float("nan")]), 2).isnan().all() and f(rl.tensor([1.0]), float("nan")).isnan().all()
    assert f(2.0, rl.tensor([0, 1])).shape == (2,)


def test_polynomials_of_the_third_and_fourth_kind():
    angle = np.linspace(0.01, np.pi - 0.01, 97)
    x = rl.tensor(np.cos(angle))
    for n in [0, 1, 4, 8, 9, 30, 1000]:
        third, fourth = S.chebyshev_polynomial_v(x, n).numpy(), S.chebyshev_polynomial_w(x, n).numpy()
        allowed = 1e-15 * (n + 20)
        np.testing.assert_allclose(third * np.cos(angle / 2), np.cos((n + 0.5) * angle), atol=allowed)
        np.testing.assert_allclose(fourth * np.sin(angle / 2), np.sin((n + 0.5) * angle), atol=allowed)
    ends = rl.tensor([-1.0, 1.0])
    assert S.chebyshev_polynomial_v(ends, 9).tolist() == [-19, 1]
    assert S.chebyshev_polynomial_w(ends, 9).tolist() == [-1, 19]
    outside = rl.tensor([-1.5, 1.5], dtype=rl.float64)
    for n in (7, 8, 9, 10, 40):
        below, now, above = (S.chebyshev_polynomial_w(outside, k) for k in (n - 1, n, n + 1))
        np.testing.assert_allclose((2 * outside * now - below).numpy(), above.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", CLASSICAL)
def test_polynomials_that_overflow(name):
    n = 10**6 if "chebyshev" in name else 3000
    assert getattr(S, name)(rl.tensor([1e9], dtype=rl.float64), n).isfinite().any().item() is False


def test_multivariate_gamma():
    x = np.array([3.5, 7.0, 20.0])
    found = S.multigammaln(rl.tensor(x), 4).numpy()
    np.testing.assert_allclose(found, [special.multigammaln(v, 4) for v in x], rtol=1e-14)
    assert rl.mvlgamma(rl.tensor([5, 6]), 2).dtype == rl.float32
    y = rl.tensor(x)
    assert y.mvlgamma_(4) is y and np.array_equal(y.numpy(), found)
    assert rl.autograd.gradcheck(lambda t: rl.mvlgamma(t, 3), [rl.tensor(x).requires_grad_()])
    with pytest.raises(RuntimeError, match=r"mvlgamma: p=0; expected p >= 1"):
        rl.mvlgamma(y, 0)


def test_derivatives_that_do_not_exist():
    a, x = rl.tensor([2.0], requires_grad=True), rl.tensor([1.0])
    with pytest.raises(NotImplementedError, match="igamma: the derivative for 'input' is not implemented"):
        rl.igamma(a, x).backward()
    with pytest.raises(NotImplementedError, match="zeta: the derivative for 'input' is not implemented"):
        S.zeta(a, x).backward()


def test_numbers_alone_are_refused():
    with pytest.raises(TypeError, match=r"zeta: input and other are numbers; expected at least one Tensor"):
        S.zeta(2.0, 3.0)
