"""Kullback-Leibler divergences of pairs of distributions.

Divergences between families of numbers are the cross entropy less the entropy: `_register_cross_entropies` says what
-log q needs of p's moments, and the tables above it give them.
"""
import functools
import math
import warnings

from rushlight.autograd import grad
from rushlight.distributions.bernoulli import Bernoulli
from rushlight.distributions.beta import Beta
from rushlight.distributions.binomial import Binomial
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.cauchy import Cauchy
from rushlight.distributions.continuous_bernoulli import ContinuousBernoulli
from rushlight.distributions.dirichlet import Dirichlet
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.exponential import Exponential
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.geometric import Geometric
from rushlight.distributions.gumbel import Gumbel
from rushlight.distributions.half_normal import HalfNormal
from rushlight.distributions.independent import Independent
from rushlight.distributions.laplace import Laplace
from rushlight.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from rushlight.distributions.multivariate_normal import MultivariateNormal, half_log_det, mahalanobis
from rushlight.distributions.normal import Normal
from rushlight.distributions.one_hot_categorical import OneHotCategorical
from rushlight.distributions.pareto import Pareto
from rushlight.distributions.poisson import Poisson
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.uniform import Uniform
from rushlight.distributions.utils import euler_constant, sum_rightmost
from rushlight.distributions.wishart import Wishart, multidigamma
from rushlight.functional._core import core

__all__ = ["kl_divergence", "register_kl"]

_registered = {}


def register_kl(type_p, type_q):
    """Decorates a function of (p, q) that computes the divergence for these classes and their subclasses.

    Args:
        type_p (type): a subclass of Distribution.
        type_q (type): a subclass of Distribution.

    Raises:
        TypeError: they are none.

    Example:
        >>> d = rushlight.distributions
        >>> class Mine(d.Normal): pass
        >>> @d.register_kl(Mine, Mine)
        ... def kl(p, q):
        ...     return rushlight.zeros(())
        >>> d.kl_divergence(Mine(0.0, 1.0), Mine(5.0, 1.0))
        tensor(0.)
    """
    for name, given in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(given, type) or not issubclass(given, Distribution):
            raise TypeError(f"register_kl: {name}={given!r}; expected a subclass of Distribution")

    def add(function):
        _registered[type_p, type_q] = function
        _find.cache_clear()
        return function
    return add


@functools.cache
def _find(type_p, type_q):
    """The function of the nearest pair of base classes; None where there is none."""
    order_p, order_q = type_p.__mro__, type_q.__mro__
    fits = [(p, q) for p, q in _registered if issubclass(type_p, p) and issubclass(type_q, q)]
    if not fits:
        return None
    by_p = min(fits, key=lambda pair: (order_p.index(pair[0]), order_q.index(pair[1])))
    by_q = min(fits, key=lambda pair: (order_q.index(pair[1]), order_p.index(pair[0])))
    if _registered[by_p] is not _registered[by_q]:
        names = [f"({p.__name__}, {q.__name__})" for p, q in (by_p, by_q)]
        warnings.warn(
            f"kl_divergence({type_p.__name__}, {type_q.__name__}) is ambiguous between {names[0]} and {names[1]}; "
            "register the pair itself", RuntimeWarning, stacklevel=3,
        )
    return _registered[by_p]


def kl_divergence(p, q):
    """The mean of log p - log q over draws of p, of shape batch_shape.

    Args:
        p (Distribution)
        q (Distribution)

    Raises:
        NotImplementedError: the pair has no formula.

    Example:
        >>> d = rushlight.distributions
        >>> d.kl_divergence(d.Normal(0.0, 1.0), d.Normal(1.0, 1.0))
        tensor(0.5000)
    """
    function = _find(type(p), type(q))
    if function is None:
        raise NotImplementedError(
            f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}; see register_kl"
        )
    return function(p, q)


# ---- moments of p ---------------------------------------------------------------------------------------------------


def _x_log_x(x):
    return core.xlogy(x, x)


def _uniform_mean_log(low, high):
    return (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1


def _log_mean_decay(width):
    """The logarithm of the mean of exp(-x) over 0 <= x <= width."""
    return core.log(-core.expm1(-width)) - width.log()


#: The mean of log(x), of log(1 - x).
_mean_log = {
    Beta: lambda p: core.digamma(p.concentration1) - core.digamma(p.concentration1 + p.concentration0),
    Exponential: lambda p: -euler_constant - p.rate.log(),
    Gamma: lambda p: core.digamma(p.concentration) - p.rate.log(),
    Pareto: lambda p: p.scale.log() + p.alpha.reciprocal(),
    Uniform: lambda p: _uniform_mean_log(p.low, p.high),
}
_mean_log_rest = {
    Beta: lambda p: core.digamma(p.concentration0) - core.digamma(p.concentration1 + p.concentration0),
    Uniform: lambda p: _uniform_mean_log(1 - p.high, 1 - p.low),
}
#: log E[exp(t (c - x))], as the exponential of t c alone or of -t x alone overflows.
_log_mean_exp = {
    Exponential: lambda p, t, c: t * c - core.log1p(t / p.rate),
    Gamma: lambda p, t, c: t * c - p.concentration * core.log1p(t / p.rate),
    Gumbel: lambda p, t, c: t * (c - p.loc) + core.lgamma(1 + t * p.scale),
    Normal: lambda p, t, c: t * (c - p.loc) + 0.5 * (t * p.scale) ** 2,
    Uniform: lambda p, t, c: t * (c - p.low) + _log_mean_decay(t * (p.high - p.low)),
}

# ---- the mean of -log q ---------------------------------------------------------------------------------------------


def _cross_beta(p, q, log, log_rest):
    a, b = q.concentration1, q.concentration0
    return core.lgamma(a) + core.lgamma(b) - core.lgamma(a + b) - (a - 1) * log - (b - 1) * log_rest


def _cross_continuous_bernoulli(p, q):
    return -p.mean * q.logits - core.log1p(-q.probs) - q._log_constant()


def _cross_exponential(p, q):
    return q.rate * p.mean - q.rate.log()


def _cross_gamma(p, q, log):
    a, b = q.concentration, q.rate
    return core.lgamma(a) - a * b.log() - (a - 1) * log + b * p.mean


def _cross_gumbel(p, q, log_mean_exp):
    t = q.scale.reciprocal()
    return (p.mean - q.loc) * t + core.exp(log_mean_exp(p, t, q.loc)) + q.scale.log()


def _cross_normal(p, q):
    return 0.5 * math.log(2 * math.pi) + q.scale.log() + (p.variance + (p.mean - q.loc) ** 2) / (2 * q.variance)


def _cross_pareto(p, q, log):
    return (q.alpha + 1) * log - q.alpha.log() - q.alpha * q.scale.log()


def _infinite(p, q):
    shape = core.broadcast_shapes(p.batch_shape, q.batch_shape)
    return core.full(shape, math.inf, dtype=p.mean.dtype)


#: Where p's support leaves q's, and the divergence is infinite.
_OUTSIDE = {
    (Uniform, Beta): lambda p, q: (p.low < 0) | (p.high > 1),
    (Uniform, ContinuousBernoulli): lambda p, q: (p.low < 0) | (p.high > 1),
    (Uniform, Exponential): lambda p, q: p.low < 0,
    (Uniform, Gamma): lambda p, q: p.low < 0,
    (Uniform, Pareto): lambda p, q: p.low < q.scale,
    (Pareto, Pareto): lambda p, q: p.scale < q.scale,
    (Beta, Uniform): lambda p, q: (q.low > 0) | (q.high < 1),
    (ContinuousBernoulli, Uniform): lambda p, q: (q.low > 0) | (q.high < 1),
    (Uniform, Uniform): lambda p, q: (q.low > p.low) | (q.high < p.high),
}


def _difference(p, q, cross, kinds):
    value = cross - p.entropy()
    return core.where(_OUTSIDE[kinds](p, q), math.inf, value) if kinds in _OUTSIDE else value


def _register_cross_entropies():
    """Formulas for pairs of families, as far as q's logarithm has a mean under p."""
    def add(kinds, q_kind, cross):
        for kind in kinds:
            register_kl(kind, q_kind)(lambda p, q, kind=kind: _difference(p, q, cross(p, q, kind), (kind, q_kind)))

    add((Beta, Uniform), Beta, lambda p, q, k: _cross_beta(p, q, _mean_log[k](p), _mean_log_rest[k](p)))
    add((Beta, ContinuousBernoulli, Uniform), ContinuousBernoulli, lambda p, q, k: _cross_continuous_bernoulli(p, q))
    add((Beta, Exponential, Gamma, Pareto, Uniform, ContinuousBernoulli), Exponential,
        lambda p, q, k: _cross_exponential(p, q))
    add((Beta, Exponential, Gamma, Pareto, Uniform), Gamma, lambda p, q, k: _cross_gamma(p, q, _mean_log[k](p)))
    add((Exponential, Gamma, Gumbel, Normal, Uniform), Gumbel, lambda p, q, k: _cross_gumbel(p, q, _log_mean_exp[k]))
    add((Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform), Normal,
        lambda p, q, k: _cross_normal(p, q))
    add((Pareto, Uniform), Pareto, lambda p, q, k: _cross_pareto(p, q, _mean_log[k](p)))
    add((Beta, ContinuousBernoulli, Uniform), Uniform, lambda p, q, k: (q.high - q.low).log())


_register_cross_entropies()

#: Families that leave the supports of others with a probability above 0.
for _p, _kinds in {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}.items():
    for _q in _kinds:
        register_kl(_p, _q)(_infinite)


# ---- the same family, and what has no moments -----------------------------------------------------------------------


@register_kl(Normal, Normal)
def _normal_normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Laplace, Laplace)
def _laplace_laplace(p, q):
    apart = (p.loc - q.loc).abs()
    return (q.scale / p.scale).log() + apart / q.scale + p.scale / q.scale * core.exp(-apart / p.scale) - 1


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    apart = p.loc - q.loc
    z = apart / (math.sqrt(2) * p.scale)
    distance = p.scale * math.sqrt(2 / math.pi) * core.exp(-z * z) + apart * core.erf(z)
    return (2 * q.scale).log() + distance / q.scale - p.entropy()


@register_kl(Cauchy, Cauchy)
def _cauchy_cauchy(p, q):
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


def _x_log_ratio(x, y):
    """x log(x / y): 0 where x is 0, infinite where y alone is."""
    value = core.xlogy(x, x) - core.xlogy(x, core.where(y == 0, 1.0, y))
    return core.where((y == 0) & (x > 0), math.inf, value)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli_bernoulli(p, q):
    return _x_log_ratio(p.probs, q.probs) + _x_log_ratio(1 - p.probs, 1 - q.probs)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Binomial, Binomial)
def _binomial_binomial(p, q):
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("kl_divergence: Binomials where q has more trials than p have no formula")
    once = _bernoulli_bernoulli(p, q)
    return core.where(p.total_count > q.total_count, math.inf, core.where(once == 0, 0.0, p.total_count * once))


@register_kl(Categorical, Categorical)
def _categorical_categorical(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = core.where(q.probs == 0, math.inf, terms)
    return core.where(p.probs == 0, 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_one_hot(p, q):
    return _categorical_categorical(p._categorical, q._categorical)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet_dirichlet(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    norms = core.lgamma(total) - core.lgamma(b.sum(-1)) - (core.lgamma(a) - core.lgamma(b)).sum(-1)
    return norms + ((a - b) * (core.digamma(a) - core.digamma(total).unsqueeze(-1))).sum(-1)


@register_kl(Geometric, Geometric)
def _geometric_geometric(p, q):
    return -p.entropy() - core.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson_poisson(p, q):
    return _x_log_ratio(p.rate, q.rate) - (p.rate - q.rate)


@register_kl(HalfNormal, HalfNormal)
def _half_normal_half_normal(p, q):
    return _normal_normal(p.base_dist, q.base_dist)


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_families(p, q):
    """The Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}; see register_kl"
        )
    theirs = q._natural_params
    mine = [x.detach().requires_grad_() for x in p._natural_params]
    normalizer = p._log_normalizer(*mine)
    slopes = grad(normalizer.sum(), mine, create_graph=True)
    result = q._log_normalizer(*theirs) - normalizer
    for x, y, slope in zip(mine, theirs, slopes, strict=True):
        result = result - sum_rightmost((y - x) * slope, len(q.event_shape))
    return result


# ---- vectors and matrices -------------------------------------------------------------------------------------------


def _square_root(d):
    """A matrix A with A A^T the covariance, half the covariance's log determinant, and x^T covariance^-1 x."""
    if isinstance(d, LowRankMultivariateNormal):
        root = core.cat([d.cov_factor, d.cov_diag.sqrt().diag_embed()], -1)
        return root, d._half_log_det(), d._mahalanobis
    factor = d._unbroadcasted_scale_tril
    return factor, half_log_det(factor), lambda x: mahalanobis(factor, x)


def _multivariate_normals(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"kl_divergence: p has event_shape {tuple(p.event_shape)} and q {tuple(q.event_shape)}; expected the same"
        )
    root, half_p, _ = _square_root(p)
    _, half_q, squared_length = _square_root(q)
    trace = squared_length(root.movedim(-1, 0)).sum(0)
    return half_q - half_p + 0.5 * (trace + squared_length(q.loc - p.loc) - p.event_shape[0])


for _p in (MultivariateNormal, LowRankMultivariateNormal):
    for _q in (MultivariateNormal, LowRankMultivariateNormal):
        register_kl(_p, _q)(_multivariate_normals)


@register_kl(Wishart, Wishart)
def _wishart_wishart(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"kl_divergence: p has event_shape {tuple(p.event_shape)} and q {tuple(q.event_shape)}; expected the same"
        )
    n, factor_p, factor_q = p.event_shape[-1], p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    trace = mahalanobis(factor_q, factor_p.movedim(-1, 0)).sum(0)
    return (q.df * (half_log_det(factor_q) - half_log_det(factor_p)) + 0.5 * p.df * (trace - n)
            + core.mvlgamma(q.df / 2, n) - core.mvlgamma(p.df / 2, n)
            + 0.5 * (p.df - q.df) * multidigamma(p.df / 2, n))


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed_transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("kl_divergence: transformed distributions need the same transforms and event_shape")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _independent_independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: Independents need the same reinterpreted_batch_ndims")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
