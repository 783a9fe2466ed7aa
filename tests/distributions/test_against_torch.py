"""Distributions against PyTorch's: draws from the same stream, densities, moments, gradients, divergences."""
import warnings

import numpy as np
import pytest
from cases import CASES as ALL_CASES
from cases import composed, make

import rushlight

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

# PyTorch's takes float32 only: see test_families.py.
CASES = {name: case for name, case in ALL_CASES.items() if name != "GeneralizedPareto"}
COMPOSED = list(composed(rushlight))
ATTRIBUTES = ["mean", "variance", "stddev", "mode"]
# PyTorch gives NaN where there is a mode: 0 of Weibull's shapes below 1, inside (0, 1) of Kumaraswamy's above 1.
OTHER_MODES = ("Kumaraswamy", "Weibull")
# PyTorch's Bessel functions are polynomials with an error of 1e-7; ours are held against SciPy's in test_families.py.
ROUGH = {"VonMises": 1e-6}


def either(lib, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return composed(lib)[case] if case in COMPOSED else make(lib, case)


def close(ours, theirs, rtol=1e-9, atol=1e-9):
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype).rpartition(".")[2] == str(theirs.dtype).rpartition(".")[2]
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=rtol, atol=atol)


def draws(distribution, method, shape):
    """Draws; of PyTorch's Wishart the first ones, since its test for singular draws redraws the others."""
    if isinstance(distribution, torch.distributions.Wishart):
        drawn = distribution._bartlett_sampling(torch.Size(shape))
        return drawn if method == "rsample" else drawn.detach()
    return getattr(distribution, method)(shape)


def attempt(function):
    """A value, or the type of the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function()
    except (AttributeError, NotImplementedError, ValueError, RuntimeError) as error:
        return type(error)


def agree(ours, theirs, **tolerance):
    if isinstance(theirs, type):
        # What PyTorch leaves undefined (or breaks on) may be defined here; what fails here must say that it is.
        assert not isinstance(ours, type) or ours in (theirs, NotImplementedError)
    else:
        assert not isinstance(ours, type), ours
        close(ours, theirs, **tolerance)


@pytest.mark.parametrize("case", [*CASES, *COMPOSED])
def test_draws(case):
    ours, theirs = either(rushlight, case), either(torch, case)
    for shape in ((), (7,), (2, 3)):
        torch.manual_seed(3)
        rushlight.manual_seed(3)
        close(ours.sample(shape), draws(theirs, "sample", shape))
        assert ours.has_rsample == theirs.has_rsample
        if theirs.has_rsample:
            close(ours.rsample(shape), draws(theirs, "rsample", shape))
    assert rushlight.get_rng_state().tolist() == torch.get_rng_state().tolist()


@pytest.mark.parametrize("case", [*CASES, *COMPOSED])
def test_densities_and_moments(case):
    ours, theirs = either(rushlight, case), either(torch, case)
    torch.manual_seed(3)
    drawn = theirs.sample((5,))
    value = rushlight.from_numpy(drawn.numpy())
    close(ours.log_prob(value), theirs.log_prob(drawn), rtol=1e-8, atol=ROUGH.get(case, 1e-8))
    agree(attempt(lambda: ours.cdf(value)), attempt(lambda: theirs.cdf(drawn)), rtol=1e-7)
    p = drawn.rand_like() if hasattr(drawn, "rand_like") else torch.rand_like(drawn.double())
    quantile = rushlight.from_numpy(p.numpy())
    agree(attempt(lambda: ours.icdf(quantile)), attempt(lambda: theirs.icdf(p)), rtol=1e-7)
    for name in ATTRIBUTES:
        if name == "mode" and case in OTHER_MODES:
            continue
        agree(attempt(lambda: getattr(ours, name)), attempt(lambda: getattr(theirs, name)),  # noqa: B023
              rtol=ROUGH.get(case, 1e-7))
    agree(attempt(ours.entropy), attempt(theirs.entropy), rtol=1e-7)
    agree(attempt(ours.perplexity), attempt(theirs.perplexity), rtol=1e-7)
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape)
    assert tuple(ours.event_shape) == tuple(theirs.event_shape)
    assert ours.has_enumerate_support == theirs.has_enumerate_support
    if theirs.has_enumerate_support:
        for expand in (True, False):
            agree(attempt(lambda: ours.enumerate_support(expand)),  # noqa: B023
                  attempt(lambda: theirs.enumerate_support(expand)))  # noqa: B023
    assert ours.support.event_dim == theirs.support.event_dim
    assert ours.support.is_discrete == theirs.support.is_discrete
    assert set(ours.arg_constraints) == set(theirs.arg_constraints)
    assert {k: repr(v) for k, v in ours.arg_constraints.items()} == {
        k: repr(v) for k, v in theirs.arg_constraints.items()} or case in ("Uniform",)


@pytest.mark.parametrize("case", [*CASES, *COMPOSED])
def test_expand(case):
    ours, theirs = either(rushlight, case), either(torch, case)
    batch = (4, 2, *ours.batch_shape)
    ours, theirs = ours.expand(batch), theirs.expand(batch)
    torch.manual_seed(3)
    rushlight.manual_seed(3)
    drawn = draws(theirs, "sample", (2,))
    value = ours.sample((2,))
    close(value, drawn)
    close(ours.log_prob(value), theirs.log_prob(drawn), rtol=1e-8, atol=ROUGH.get(case, 1e-8))
    assert tuple(ours.batch_shape) == batch
    agree(attempt(lambda: ours.variance), attempt(lambda: theirs.variance), rtol=ROUGH.get(case, 1e-7))
    agree(attempt(ours.entropy), attempt(theirs.entropy), rtol=1e-7)


def with_gradients(lib, case):
    name, arguments = CASES[case]
    given = arguments(lib)
    leaves = [x.requires_grad_() for x in given.values() if isinstance(x, lib.Tensor)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(lib.distributions, name)(**given), leaves


@pytest.mark.parametrize("case", CASES)
def test_gradients(case):
    (ours, our_leaves), (theirs, their_leaves) = with_gradients(rushlight, case), with_gradients(torch, case)
    torch.manual_seed(3)
    drawn = theirs.sample((5,)).detach()
    value = rushlight.from_numpy(drawn.numpy())
    # PyTorch approximates implicit gradients to a few digits: they are tested on their own.
    pairs = [(ours.log_prob(value), theirs.log_prob(drawn), 1e-5 if case in ROUGH else 1e-6)]
    if theirs.has_rsample:
        torch.manual_seed(3)
        rushlight.manual_seed(3)
        implicit = case in ("Beta", "Chi2", "Dirichlet", "FisherSnedecor", "Gamma", "InverseGamma", "StudentT",
                            "Wishart", "Wishart factor")
        pairs.append((ours.rsample((5,)), draws(theirs, "rsample", (5,)), 2e-2 if implicit else 1e-6))
    entropy = attempt(theirs.entropy)
    if not isinstance(entropy, type):
        pairs.append((ours.entropy(), entropy, 1e-6))
    for mine, other, tolerance in pairs:
        if not other.requires_grad:
            continue
        weights = np.random.default_rng(0).normal(size=tuple(other.shape))
        ours_grad = rushlight.autograd.grad(
            (mine * rushlight.from_numpy(weights)).sum(), our_leaves, retain_graph=True, allow_unused=True)
        theirs_grad = torch.autograd.grad((other * torch.from_numpy(weights)).sum(), their_leaves, retain_graph=True,
                                          allow_unused=True)
        for a, b in zip(ours_grad, theirs_grad, strict=True):
            a = np.zeros(1) if a is None else a.numpy()
            b = np.zeros(1) if b is None else b.numpy()
            if case == "Wishart factor" and b.ndim == 2:
                a, b = np.tril(a), np.tril(b)    # a triangular parameter has no other elements to move
            np.testing.assert_allclose(*np.broadcast_arrays(a, b), rtol=tolerance, atol=tolerance)


SCALARS = ["Bernoulli probs", "Beta", "Binomial", "Categorical probs", "Cauchy", "ContinuousBernoulli", "Dirichlet",
           "Exponential", "Gamma", "Geometric", "Gumbel", "HalfNormal", "Laplace", "LowRankMultivariateNormal",
           "MultivariateNormal factor", "Normal", "OneHotCategorical", "Pareto", "Poisson", "Uniform", "Chi2",
           "LogNormal", "Wishart factor", "NegativeBinomial", "Independent"]


# Both live on all of [0, 1], so the divergence is finite, where PyTorch says infinity (test_families.py integrates it).
FINITE = {("ContinuousBernoulli", "Uniform"), ("Uniform", "ContinuousBernoulli")}


@pytest.mark.parametrize("p", SCALARS)
def test_divergences(p):
    wrong = []
    for q in SCALARS:
        ours, theirs = (attempt(lambda lib=lib, q=q: lib.distributions.kl_divergence(either(lib, p), either(lib, q)))
                        for lib in (rushlight, torch))
        if (p, q) in FINITE or (theirs is RuntimeError and isinstance(ours, type)):
            continue                 # the latter: shapes that do not broadcast
        try:
            agree(ours, theirs, rtol=1e-7, atol=1e-7)
        except AssertionError as error:
            wrong.append((q, str(error)))
    assert not wrong


BAD = {
    "Normal": {"loc": 0.0, "scale": -1.0},
    "Gamma": {"concentration": -1.0, "rate": 1.0},
    "Bernoulli": {"probs": 1.5},
    "Uniform": {"low": 2.0, "high": 1.0},
    "Poisson": {"rate": -1.0},
    "Geometric": {"probs": 0.0},
    "StudentT": {"df": -1.0},
    "Binomial": {"total_count": -1, "probs": 0.5},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parameters(name):
    for lib in (torch, rushlight):
        with pytest.raises(ValueError) as raised:
            getattr(lib.distributions, name)(**BAD[name])
    assert name in str(raised.value)
    getattr(rushlight.distributions, name)(**BAD[name], validate_args=False)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_streams_of_gamma_dirichlet_and_binomial(dtype):
    def draws(lib):
        t = getattr(lib, dtype)
        alpha = lib.tensor([0.01, 0.3, 0.99, 1.0, 2.5, 40.0, 1e4] * 40, dtype=t)
        count = lib.tensor([0.0, 1, 7, 30, 100, 1000, 1e6] * 40, dtype=t)
        for p in (0.0, 0.02, 0.3, 0.5, 0.7, 0.999, 1.0):
            yield lib.binomial(count, lib.full_like(count, p))
        yield lib._standard_gamma(alpha)
        yield lib._sample_dirichlet(alpha.reshape(-1, 4))
    torch.manual_seed(11)
    rushlight.manual_seed(11)
    for ours, theirs in zip(draws(rushlight), draws(torch), strict=True):
        assert ours.tolist() == theirs.tolist()
    assert rushlight.get_rng_state().tolist() == torch.get_rng_state().tolist()
