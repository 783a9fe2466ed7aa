"""Distributions against SciPy, numerical integrals, moments of draws and finite differences."""
import math
import warnings

import numpy as np
import pytest
from cases import CASES, make
from scipy import integrate, special, stats

import rushlight
from rushlight.distributions import constraints as c

d = rushlight.distributions


def column(values, i):
    return [float(v.reshape(-1)[i] if v.numel() > 1 else v) for v in values]


#: The case, how SciPy names its distribution, from its parameters of one batch element.
SCIPY = {
    "Beta": (("concentration1", "concentration0"), lambda a, b: stats.beta(a, b)),
    "Cauchy": (("loc", "scale"), stats.cauchy),
    "Chi2": (("df",), stats.chi2),
    "Exponential": (("rate",), lambda r: stats.expon(scale=1 / r)),
    "FisherSnedecor": (("df1", "df2"), stats.f),
    "Gamma": (("concentration", "rate"), lambda a, r: stats.gamma(a, scale=1 / r)),
    "GeneralizedPareto": (("concentration", "loc", "scale"), stats.genpareto),
    "Gumbel": (("loc", "scale"), stats.gumbel_r),
    "HalfCauchy": (("scale",), lambda s: stats.halfcauchy(scale=s)),
    "HalfNormal": (("scale",), lambda s: stats.halfnorm(scale=s)),
    "InverseGamma": (("concentration", "rate"), lambda a, r: stats.invgamma(a, scale=r)),
    "Laplace": (("loc", "scale"), stats.laplace),
    "LogNormal": (("loc", "scale"), lambda m, s: stats.lognorm(s, scale=math.exp(m))),
    "Normal": (("loc", "scale"), stats.norm),
    "Pareto": (("alpha", "scale"), lambda a, s: stats.pareto(a, scale=s)),
    "StudentT": (("df", "loc", "scale"), stats.t),
    "Uniform": (("low", "high"), lambda low, high: stats.uniform(low, high - low)),
    "VonMises": (("concentration", "loc"), stats.vonmises),
    "Weibull": (("concentration", "scale"), lambda k, s: stats.weibull_min(k, scale=s)),
    "Bernoulli probs": (("probs",), stats.bernoulli),
    "Binomial": (("total_count", "probs"), stats.binom),
    "Geometric": (("probs",), lambda p: stats.geom(p, loc=-1)),
    "NegativeBinomial": (("total_count", "probs"), lambda n, p: stats.nbinom(n, 1 - p)),
    "Poisson": (("rate",), stats.poisson),
}


def defined(function):
    try:
        return function()
    except NotImplementedError:
        return None


def test_logarithms_of_the_generalized_pareto_distribution():
    ours = make(rushlight, "GeneralizedPareto")
    value = ours.icdf(rushlight.tensor([0.2, 0.5, 0.9], dtype=rushlight.float64))
    np.testing.assert_allclose(ours.log_cdf(value), np.log([0.2, 0.5, 0.9]))
    np.testing.assert_allclose(ours.log_survival_function(value), np.log([0.8, 0.5, 0.1]))


@pytest.mark.parametrize("case", SCIPY)
def test_densities_and_quantiles(case):
    names, family = SCIPY[case]
    ours = make(rushlight, case)
    rushlight.manual_seed(0)
    value = ours.sample((6,))
    p = rushlight.rand((6, *ours.batch_shape), dtype=rushlight.float64) * 0.98 + 0.01
    log_prob, cdf, entropy = ours.log_prob(value), defined(lambda: ours.cdf(value)), defined(ours.entropy)
    icdf = defined(lambda: ours.icdf(p))
    for i in range(ours.batch_shape.numel()):
        theirs = family(*column([getattr(ours, name) for name in names], i))
        x = value[:, i].numpy()
        expected = theirs.logpmf(x) if hasattr(theirs.dist, "logpmf") else theirs.logpdf(x)
        np.testing.assert_allclose(log_prob[:, i], expected, rtol=1e-9, atol=1e-9)
        if cdf is not None:
            np.testing.assert_allclose(cdf[:, i], theirs.cdf(x), rtol=1e-8, atol=1e-10)
        if icdf is not None:
            np.testing.assert_allclose(icdf[:, i], theirs.ppf(p[:, i].numpy()), rtol=1e-7, atol=1e-9)
        if entropy is not None:
            np.testing.assert_allclose(float(entropy[i]), theirs.entropy(), rtol=1e-6, atol=1e-6)
        mean, variance = float(ours.mean[i]), float(ours.variance[i])
        if case != "VonMises" and math.isfinite(variance):
            np.testing.assert_allclose([mean, variance], [theirs.mean(), theirs.var()], rtol=1e-7, atol=1e-9)


# No fourth moment, without which the variance of draws tells little.
HEAVY = ("FisherSnedecor", "GeneralizedPareto", "InverseGamma", "LogNormal", "Pareto", "StudentT")


@pytest.mark.parametrize("case", [name for name in CASES if name not in ("Cauchy", "HalfCauchy", "LKJCholesky")])
def test_moments_of_draws(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = make(rushlight, case)
    if defined(lambda: ours.mean) is None or case == "VonMises" or case.startswith("Categorical"):
        return
    rushlight.manual_seed(1)
    count = 20000
    drawn = ours.sample((count,)).numpy()
    mean, variance = ours.mean.numpy(), ours.variance.numpy()
    known = np.isfinite(variance)
    # Six standard errors: one false alarm in half a billion.
    assert (np.abs(drawn.mean(0) - mean)[known] <= 6 * np.sqrt(variance[known] / count) + 1e-12).all()
    if case in HEAVY:
        return
    fourth = ((drawn - drawn.mean(0)) ** 4).mean(0)
    assert (np.abs(drawn.var(0) - variance)[known] <= 6 * np.sqrt(fourth[known] / count) + 1e-12).all()


def test_exponential_of_log_prob_integrates_to_one():
    for case, low, high in (("ContinuousBernoulli", 0, 1), ("Kumaraswamy", 0, 1), ("RelaxedBernoulli", 0, 1),
                            ("VonMises", -math.pi, math.pi), ("FisherSnedecor", 0, math.inf)):
        ours = make(rushlight, case)
        for i in range(3):
            def density(x, i=i, ours=ours):
                values = rushlight.full((3,), x, dtype=rushlight.float64)
                return float(ours.log_prob(values)[i].exp())
            total, _ = integrate.quad(density, low, high, limit=200)
            assert abs(total - 1) < 1e-5, case


def integral(p, q, i, low, high):
    def term(x):
        value = rushlight.full(p.batch_shape, x, dtype=rushlight.float64)
        a, b = float(p.log_prob(value)[i]), float(q.log_prob(value)[i])
        return math.exp(a) * (a - b) if a > -700 else 0.0
    return integrate.quad(term, low, high, limit=400)[0]


PAIRS = [("Normal", "Normal"), ("Normal", "Laplace"), ("Normal", "Gumbel"), ("Laplace", "Laplace"),
         ("Laplace", "Normal"), ("Gumbel", "Gumbel"), ("Gumbel", "Normal"), ("Cauchy", "Cauchy"), ("Beta", "Beta"),
         ("Beta", "ContinuousBernoulli"), ("Beta", "Exponential"), ("Beta", "Gamma"), ("Beta", "Normal"),
         ("Gamma", "Gamma"), ("Gamma", "Exponential"), ("Gamma", "Gumbel"), ("Gamma", "Normal"),
         ("Exponential", "Exponential"), ("Exponential", "Gamma"), ("Exponential", "Gumbel"), ("Exponential", "Normal"),
         ("ContinuousBernoulli", "ContinuousBernoulli"), ("ContinuousBernoulli", "Exponential"),
         ("ContinuousBernoulli", "Normal"), ("HalfNormal", "HalfNormal")]


@pytest.mark.parametrize("p, q", PAIRS)
def test_divergences_by_integration(p, q):
    p, q = make(rushlight, p), make(rushlight, q)
    q = type(q)(**{name: getattr(q, name).flip(0) for name in q.arg_constraints if name != "logits"})
    exact = d.kl_divergence(p, q)
    ends = {"Beta": (0, 1), "ContinuousBernoulli": (0, 1), "Gamma": (0, 60), "Exponential": (0, 120),
            "HalfNormal": (0, 40), "Cauchy": (-math.inf, math.inf)}
    low, high = ends.get(type(p).__name__, (-60, 60))
    for i in range(3):
        middle = 0.0 if low < 0 else (low + high) / 2 if high == 1 else 1.0
        found = sum(integral(p, q, i, *part) for part in ((low, middle), (middle, high)))
        assert abs(float(exact[i]) - found) <= 1e-4 * max(1, abs(found)), (i, float(exact[i]), found)


def test_divergences_on_the_same_bounds():
    """Densities on all of [0, 1] do not leave the interval [0, 1)."""
    unit, p = d.Uniform(0.0, 1.0), d.ContinuousBernoulli(rushlight.tensor(0.3))
    assert d.kl_divergence(p, unit).item() == pytest.approx(-p.entropy().item(), rel=1e-5)
    x = (rushlight.arange(100000) + 0.5) / 100000
    assert d.kl_divergence(unit, p).item() == pytest.approx(-p.log_prob(x).mean().item(), rel=1e-4)


@pytest.mark.parametrize("dtype, rtol", [(rushlight.float32, 1e-4), (rushlight.float64, 1e-12)])
def test_divergences_of_gumbels_far_from_zero(dtype, rtol):
    """The closed form of two Gumbels with u = (loc_p - loc_q) / scale_q and r = scale_p / scale_q."""
    for loc, apart, scale, wide in [(100.0, 0.0, 1.0, 1.0), (1000.0, 2.0, 1.0, 1.0), (-1000.0, -3.0, 2.0, 1.0),
                                    (500.0, 4.0, 8.0, 2.0), (300.0, 0.5, 0.25, 0.5)]:
        p, q = (d.Gumbel(*(rushlight.tensor(x, dtype=dtype) for x in pair))
                for pair in ((loc + apart, wide), (loc, scale)))
        u, r = apart / scale, wide / scale
        wanted = u - math.log(r) + np.euler_gamma * (r - 1) + math.exp(-u) * math.gamma(1 + r) - 1
        assert d.kl_divergence(p, q).item() == pytest.approx(wanted, rel=rtol, abs=rtol)


def test_divergences_from_gumbels_far_from_zero():
    q = d.Gumbel(rushlight.tensor(800.0, dtype=rushlight.float64), rushlight.tensor(0.5, dtype=rushlight.float64))
    for kind, first, second, density in [
            (d.Normal, 801.0, 0.7, stats.norm(801, 0.7)), (d.Uniform, 799.0, 801.5, stats.uniform(799, 2.5)),
            (d.Gamma, 2560000.0, 3200.0, stats.gamma(2560000, scale=1 / 3200))]:
        p = kind(*(rushlight.tensor(x, dtype=rushlight.float64) for x in (first, second)))
        x = np.linspace(*(density.support() if kind is d.Uniform else (794, 808)), 400001)
        terms = density.pdf(x) * (density.logpdf(x) - stats.gumbel_r(800, 0.5).logpdf(x))
        assert d.kl_divergence(p, q).item() == pytest.approx(integrate.trapezoid(terms, x), rel=1e-5), kind


@pytest.mark.parametrize("p, q", [("MultivariateNormal factor", "MultivariateNormal precision"),
                                  ("MultivariateNormal covariance", "LowRankMultivariateNormal"),
                                  ("LowRankMultivariateNormal", "MultivariateNormal covariance"),
                                  ("Dirichlet", "Dirichlet"), ("Wishart factor", "Wishart factor"),
                                  ("Poisson", "Poisson"), ("Geometric", "Geometric")])
def test_divergences_by_draws(p, q):
    p, q = make(rushlight, p), make(rushlight, q)
    if isinstance(p, d.Dirichlet):
        q = d.Dirichlet(p.concentration.flip(-1))
    if isinstance(p, d.Poisson | d.Geometric):
        q = type(p)(next(iter(getattr(p, n) for n in ("rate", "probs") if hasattr(p, n))) * 0.9)
    if isinstance(p, d.Wishart):
        q = d.Wishart(p.df + 2, p.scale_tril @ p.scale_tril.mT + 0.5 * rushlight.eye(3, dtype=rushlight.float64))
    rushlight.manual_seed(5)
    x = p.sample((20000,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        terms = p.log_prob(x) - q.log_prob(x)
    error = 6 * terms.std(0) / math.sqrt(len(x)) + 1e-9
    assert ((terms.mean(0) - d.kl_divergence(p, q)).abs() <= error).all()


# ---- implicit gradients ----


def test_gamma_draws_move_as_their_quantiles():
    for a in (0.02, 0.3, 1.0, 3.7, 50.0, 3e3, 1e6):
        for p in (1e-4, 0.02, 0.3, 0.5, 0.9, 0.999):
            x = stats.gamma(a).ppf(p)
            if x < 1e-290:
                continue
            step = 1e-4 * a
            values = [stats.gamma(a + k * step).ppf(p) for k in (-2, -1, 1, 2)]
            expected = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
            found = rushlight._standard_gamma_grad(*(rushlight.tensor([v], dtype=rushlight.float64) for v in (a, x)))
            np.testing.assert_allclose(found.item(), expected, rtol=2e-6, err_msg=f"{a} {p}")


def test_beta_draws_move_as_their_quantiles():
    for a in (0.1, 0.9, 2.0, 30.0, 800.0):
        for b in (0.2, 1.0, 5.0, 300.0):
            for p in (0.01, 0.3, 0.5, 0.9):
                x = stats.beta(a, b).ppf(p)
                if not 1e-200 < x < 1 - 1e-9:
                    continue
                # The implicit function theorem, with the derivative of the incomplete beta function by differences.
                step = 1e-4 * a
                low = [special.betainc(a + k * step, b, x) for k in (-2, -1, 1, 2)]
                slope = (low[0] - 8 * low[1] + 8 * low[2] - low[3]) / (12 * step)
                expected = -slope / stats.beta(a, b).pdf(x) / (1 - x)
                found = rushlight._dirichlet_grad(*(
                    rushlight.tensor([v], dtype=rushlight.float64) for v in (x, a, a + b)))
                np.testing.assert_allclose(found.item(), expected, rtol=1e-5, atol=1e-9, err_msg=f"{a} {b} {p}")


def test_gradients_of_draws_estimate_gradients_of_means():
    rushlight.manual_seed(0)
    a = rushlight.tensor(2.5, dtype=rushlight.float64, requires_grad=True)
    b = rushlight.tensor(1.5, dtype=rushlight.float64, requires_grad=True)
    n = 40000
    for mean, draws in ((a / b, d.Gamma(a, b).rsample((n,))), (a / (a + b), d.Beta(a, b).rsample((n,)))):
        exact = rushlight.autograd.grad(mean, (a, b))
        found = rushlight.autograd.grad(draws.mean(), (a, b))
        for x, y in zip(found, exact, strict=True):
            assert abs(float(x - y)) < 0.03 * max(1, abs(float(y)))


def test_refusals_of_samplers():
    for wrong in (lambda: rushlight._standard_gamma(rushlight.tensor([1.0, -1.0])),
                  lambda: rushlight._sample_dirichlet(rushlight.tensor(1.0)),
                  lambda: rushlight.binomial(rushlight.tensor([1.0]), rushlight.tensor([0.5], dtype=rushlight.float64)),
                  lambda: rushlight.binomial(rushlight.tensor([math.inf]), rushlight.tensor([0.5])),
                  lambda: rushlight._standard_gamma_grad(rushlight.ones(2), rushlight.ones(3))):
        with pytest.raises((RuntimeError, ValueError)) as raised:
            wrong()
        assert ":" in str(raised.value)
    assert rushlight.binomial(rushlight.tensor([10.0]), rushlight.tensor([math.nan])).isnan().all()
    assert rushlight._standard_gamma(rushlight.zeros(0)).shape == (0,)


def test_von_mises_draws_end_whatever_the_concentration():
    k = rushlight.tensor([math.nan, -5.0, 0.0, math.inf, 1e-9, 1e14, 1e30], dtype=rushlight.float64)
    rushlight.manual_seed(0)
    drawn = d.VonMises(0.0, k, validate_args=False).sample((500,))
    assert drawn[:, :4].isnan().all() and not drawn[:, 4:].isnan().any()
    assert 1.6 < drawn[:, 4].std().item() < 2.0                       # uniform: pi / sqrt(3)
    assert 0.9e-7 < drawn[:, 5].std().item() < 1.1e-7


# ---- constraints and transforms ----

ALL_TRANSFORMS = {
    "Abs": (d.AbsTransform(), (4,)), "Affine": (d.AffineTransform(1.0, rushlight.tensor(-2.0).double()), (4,)),
    "Affine vectors": (d.AffineTransform(1.0, 3.0, event_dim=1), (2, 3)), "Exp": (d.ExpTransform(), (4,)),
    "Power": (d.PowerTransform(rushlight.tensor(2.5).double()), (4,)), "Sigmoid": (d.SigmoidTransform(), (4,)),
    "Softplus": (d.SoftplusTransform(), (4,)), "Tanh": (d.TanhTransform(), (4,)),
    "Softmax": (d.SoftmaxTransform(), (2, 3)), "StickBreaking": (d.StickBreakingTransform(), (2, 3)),
    "CorrCholesky": (d.CorrCholeskyTransform(), (2, 6)), "LowerCholesky": (d.LowerCholeskyTransform(), (2, 3, 3)),
    "PositiveDefinite": (d.PositiveDefiniteTransform(), (2, 3, 3)),
    "Reshape": (d.ReshapeTransform((6,), (2, 3)), (4, 6)),
    "Compose": (d.ComposeTransform([d.AffineTransform(0.5, 2.0), d.SigmoidTransform()]), (4,)),
    "Compose shapes": (d.ComposeTransform([d.ExpTransform(), d.StickBreakingTransform()]), (2, 3)),
    "Independent": (d.IndependentTransform(d.ExpTransform(), 1), (2, 3)),
    "Cat": (d.CatTransform([d.ExpTransform(), d.TanhTransform()], dim=-1, lengths=[2, 1]), (2, 3)),
    "Cat vectors": (d.CatTransform([d.StickBreakingTransform(), d.StickBreakingTransform()], dim=0, lengths=[1, 2]),
                    (3, 2)),
    "Stack": (d.StackTransform([d.ExpTransform(), d.TanhTransform()], dim=1), (3, 2)),
    "Cumulative": (d.CumulativeDistributionTransform(make(rushlight, "Normal")), (3,)),
    "Identity": (d.identity_transform, (3,)),
}


@pytest.mark.parametrize("name", ALL_TRANSFORMS)
def test_transforms(name):
    transform, shape = ALL_TRANSFORMS[name]
    x = rushlight.from_numpy(np.random.default_rng(4).normal(size=shape))
    if name == "Power":
        x = x.abs()
    y = transform(x)
    assert transform.codomain.check(y).all()
    if name != "Cat vectors":            # as in PyTorch, it does not tell its shapes
        assert tuple(transform.forward_shape(x.shape)) == tuple(y.shape)
        assert tuple(transform.inverse_shape(y.shape)) == tuple(x.shape)
    back = transform.inv(y)
    np.testing.assert_allclose(transform(back), y, atol=1e-9)
    if transform.bijective:
        np.testing.assert_allclose(back, x, atol=1e-8)
    assert transform.inv.inv is transform or transform.inv.inv == transform
    assert transform == transform and transform != object()
    cached = transform.with_cache(1) if name != "Identity" else transform
    z = cached(x)
    assert cached.inv(z) is x or name.startswith(("Compose", "Identity", "Independent"))
    if name not in ("Abs", "Softmax", "LowerCholesky", "PositiveDefinite", "Cat vectors"):
        check_jacobian(transform, x, y)


def check_jacobian(transform, x, y):
    """log|det| by the whole Jacobian of one batch element after the other."""
    found = transform.log_abs_det_jacobian(x, y)
    events_in, events_out = transform.domain.event_dim, transform.codomain.event_dim
    batch = x.shape[: x.dim() - events_in]
    jacobian = rushlight.func.jacrev(transform)(x).reshape(
        batch.numel(), y[(0,) * len(batch)].numel(), batch.numel(), x[(0,) * len(batch)].numel())
    name = type(transform).__name__
    for i in range(batch.numel()):
        block = jacobian[i, :, i].numpy()
        if block.shape[0] != block.shape[1]:
            # The last of the shares, or the matrix's free elements, decide.
            block = block[: block.shape[1]] if name != "CorrCholeskyTransform" else block[
                np.flatnonzero(np.tril(np.ones(y.shape[-2:]), -1).reshape(-1))]
        expected = np.linalg.slogdet(block)[1]
        np.testing.assert_allclose(float(found.reshape(-1)[i]), expected, atol=1e-8)
    assert events_out == transform.codomain.event_dim


@pytest.mark.parametrize("constraint", [
    c.real, c.positive, c.nonnegative, c.greater_than(2.0), c.greater_than_eq(-1.0), c.less_than(3.0), c.unit_interval,
    c.interval(-2.0, 5.0), c.half_open_interval(0.0, 3.0), c.simplex, c.lower_cholesky, c.positive_definite,
    c.positive_semidefinite, c.corr_cholesky, c.independent(c.positive, 1), c.real_vector,
    c.cat([c.positive, c.unit_interval], -1, [2, 4]), c.stack([c.positive] * 3, 0)], ids=repr)
def test_registries(constraint):
    for registry in (d.biject_to, d.transform_to):
        transform = registry(constraint)
        shape = (3, 6) if constraint.event_dim < 2 else (2, 3, 3)
        if constraint is c.corr_cholesky:
            shape = (2, 6)
        x = rushlight.from_numpy(np.random.default_rng(4).normal(size=shape))
        assert constraint.check(transform(x)).all()
        assert transform.bijective or registry is d.transform_to or constraint.event_dim == 2


def test_registry_of_ones_own():
    class Even(c.Constraint):
        pass
    with pytest.raises(NotImplementedError, match="Even"):
        d.biject_to(Even())
    d.biject_to.register(Even, lambda constraint: d.ExpTransform())
    assert isinstance(d.biject_to(Even()), d.ExpTransform)
    with pytest.raises(TypeError):
        d.biject_to.register(int, lambda constraint: None)


@pytest.mark.parametrize("constraint, inside, outside", [
    (c.boolean, [0.0, 1.0], [0.5, 2.0]), (c.one_hot, [[0.0, 1.0, 0.0]], [[1.0, 1.0, 0.0]]),
    (c.nonnegative_integer, [0.0, 7.0], [-1.0, 0.5]), (c.positive_integer, [1.0], [0.0]),
    (c.integer_interval(-1, 2), [-1.0, 2.0], [3.0, 0.5]), (c.real, [0.0, math.inf], [math.nan]),
    (c.greater_than(1.0), [1.5], [1.0]), (c.greater_than_eq(1.0), [1.0], [0.5]), (c.less_than(1.0), [0.5], [1.0]),
    (c.interval(0.0, 1.0), [0.0, 1.0], [1.5, -0.5]), (c.half_open_interval(0.0, 1.0), [0.0], [1.0]),
    (c.simplex, [[0.2, 0.8]], [[0.5, 0.6], [-0.5, 1.5]]), (c.multinomial(3), [[1.0, 2.0]], [[2.0, 2.0], [-1.0, 1.0]]),
    (c.lower_triangular, [[[1.0, 0.0], [1.0, 1.0]]], [[[1.0, 1.0], [1.0, 1.0]]]),
    (c.lower_cholesky, [[[1.0, 0.0], [1.0, 1.0]]], [[[1.0, 0.0], [1.0, -1.0]]]),
    (c.corr_cholesky, [[[1.0, 0.0], [0.6, 0.8]]], [[[1.0, 0.0], [0.6, 0.9]]]),
    (c.square, [[[1.0, 0.0], [1.0, 1.0]]], [[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]]),
    (c.symmetric, [[[1.0, 2.0], [2.0, 1.0]]], [[[1.0, 2.0], [3.0, 1.0]]]),
    (c.positive_definite, [[[2.0, 1.0], [1.0, 2.0]]], [[[1.0, 2.0], [2.0, 1.0]]]),
    (c.positive_semidefinite, [[[2.0, 2.0], [2.0, 3.0]]], [[[1.0, 2.0], [2.0, 1.0]]]),
    (c.independent(c.positive, 1), [[1.0, 2.0]], [[1.0, -2.0]]),
    (c.cat([c.positive, c.real], 0), [1.0, -1.0], None), (c.stack([c.positive, c.real], 0), [1.0, -1.0], None)],
    ids=repr)
def test_constraints(constraint, inside, outside):
    assert constraint.check(rushlight.tensor(inside)).all()
    if outside is not None:
        assert not constraint.check(rushlight.tensor(outside)).any()


def test_dependent_constraints():
    assert c.is_dependent(c.dependent) and not c.is_dependent(c.real)
    known = c.dependent(is_discrete=True, event_dim=1)
    assert known.is_discrete and known.event_dim == 1
    with pytest.raises(NotImplementedError):
        _ = c.dependent.event_dim
    with pytest.raises(ValueError, match="dependent"):
        c.dependent.check(rushlight.ones(1))
    assert c.is_dependent(d.Uniform.support) and d.Uniform(0.0, 2.0).support.upper_bound == 2


# ---- bad input, and classes of one's own ----


@pytest.mark.parametrize("wrong, error", [
    (lambda: d.Bernoulli(), ValueError), (lambda: d.Bernoulli(probs=0.5, logits=0.0), ValueError),
    (lambda: d.Categorical(rushlight.tensor(1.0)), ValueError),
    (lambda: d.Dirichlet(rushlight.tensor(1.0)), ValueError),
    (lambda: d.Multinomial(rushlight.tensor(3), probs=rushlight.ones(2)), NotImplementedError),
    (lambda: d.Normal("a", 1.0), ValueError), (lambda: d.Normal(0.0, 1.0).log_prob(1.0), ValueError),
    (lambda: d.Normal(rushlight.zeros(2), 1.0).log_prob(rushlight.zeros(3)), ValueError),
    (lambda: d.Gamma(1.0, 1.0).log_prob(rushlight.tensor(-1.0)), ValueError),
    (lambda: d.Categorical(rushlight.ones(3)).log_prob(rushlight.tensor(3)), ValueError),
    (lambda: d.MultivariateNormal(rushlight.zeros(2)), ValueError),
    (lambda: d.MultivariateNormal(rushlight.zeros(2), rushlight.tensor([[1.0, 2.0], [2.0, 1.0]])), ValueError),
    (lambda: d.MultivariateNormal(rushlight.tensor(0.0), rushlight.eye(2)), ValueError),
    (lambda: d.LowRankMultivariateNormal(rushlight.zeros(2), rushlight.ones(3, 1), rushlight.ones(2)), ValueError),
    (lambda: d.Wishart(rushlight.tensor(0.5), rushlight.eye(2)), ValueError),
    (lambda: d.LKJCholesky(1), ValueError),
    (lambda: d.Independent(d.Normal(0.0, 1.0), 1), ValueError),
    (lambda: d.MixtureSameFamily(d.Categorical(rushlight.ones(3)), d.Normal(rushlight.zeros(2), 1.0)), ValueError),
    (lambda: d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(rushlight.zeros(2), 1.0)), ValueError),
    (lambda: d.TransformedDistribution(d.Normal(0.0, 1.0), [1]), ValueError),
    (lambda: d.TransformedDistribution(d.Normal(0.0, 1.0), d.StickBreakingTransform()), ValueError),
    (lambda: d.Distribution.set_default_validate_args(2), ValueError),
    (lambda: d.register_kl(int, d.Normal), TypeError),
    (lambda: d.kl_divergence(d.Normal(0.0, 1.0), d.Poisson(1.0)), NotImplementedError),
    (lambda: d.Normal(0.0, 1.0).enumerate_support(), NotImplementedError),
    (lambda: d.Binomial(rushlight.tensor([1, 2]), rushlight.tensor([0.5, 0.5])).entropy(), NotImplementedError),
    (lambda: d.ReshapeTransform((2,), (3,)), ValueError), (lambda: d.ExpTransform(cache_size=2), ValueError),
    (lambda: d.ReshapeTransform((2,), (1, 2)).forward_shape((3,)), ValueError),
    (lambda: d.CorrCholeskyTransform().forward_shape((2,)), ValueError),
    (lambda: d.CatTransform([1]), AssertionError), (lambda: d.StackTransform([d.ExpTransform()])(rushlight.ones(2)),
                                                   AssertionError),
    (lambda: d.utils.vec_to_tril_matrix(rushlight.ones(2)), ValueError),
    (lambda: d.utils.tril_matrix_to_vec(rushlight.ones(2, 2), 5), ValueError),
])
def test_refusals(wrong, error):
    with pytest.raises(error) as raised:
        wrong()
    assert str(raised.value)


def test_subclasses():
    class Same(d.Normal):
        pass

    class Own(d.Normal):
        def __init__(self, width):
            super().__init__(0.0, width)
    assert isinstance(Same(0.0, 1.0).expand((2,)), Same)
    with pytest.raises(NotImplementedError, match="expand"):
        Own(1.0).expand((2,))
    class Bare(d.Distribution):
        pass
    with pytest.warns(UserWarning, match="arg_constraints"):
        Bare()
    for name in ("mean", "variance", "mode", "support", "arg_constraints"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(Bare(validate_args=False), name)
    for name in ("sample", "rsample", "entropy", "enumerate_support"):
        with pytest.raises(NotImplementedError):
            getattr(Bare(validate_args=False), name)()
    for name in ("log_prob", "cdf", "icdf", "expand"):
        with pytest.raises(NotImplementedError):
            getattr(Bare(validate_args=False), name)(rushlight.ones(1))


def test_validation_can_be_turned_off():
    d.Distribution.set_default_validate_args(False)
    try:
        d.Normal(0.0, -1.0)
    finally:
        d.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="scale"):
        d.Normal(0.0, -1.0)
    with pytest.warns(FutureWarning, match="sample_n"):
        assert d.Normal(0.0, 1.0).sample_n(3).shape == (3,)


def test_divergences_of_close_classes():
    class Left(d.Normal):
        pass

    @d.register_kl(Left, d.Normal)
    def first(p, q):
        return "left"

    @d.register_kl(d.Normal, Left)
    def second(p, q):
        return "right"
    assert d.kl_divergence(Left(0.0, 1.0), d.Normal(0.0, 1.0)) == "left"
    with pytest.warns(RuntimeWarning, match="ambiguous"):
        d.kl_divergence(Left(0.0, 1.0), Left(0.0, 1.0))
