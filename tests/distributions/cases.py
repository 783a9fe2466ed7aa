"""One or more sets of parameters for every distribution, as functions of the library (ours or PyTorch)."""


def _t(lib, *values, **options):
    return lib.tensor(list(values), dtype=lib.float64, **options)


def _matrix(lib, rows):
    return lib.tensor(rows, dtype=lib.float64)


COVARIANCE = [[2.0, 0.3, -0.2], [0.3, 1.0, 0.1], [-0.2, 0.1, 0.5]]
FACTOR = [[1.4, 0.0, 0.0], [0.3, 0.9, 0.0], [-0.2, 0.1, 0.7]]

#: Name -> (class name, function of the library to keyword arguments).
CASES = {
    "Bernoulli probs": ("Bernoulli", lambda lib: {"probs": _t(lib, 0.1, 0.5, 0.9)}),
    "Bernoulli logits": ("Bernoulli", lambda lib: {"logits": _t(lib, -2.0, 0.3, 4.0)}),
    "Beta": ("Beta", lambda lib: {"concentration1": _t(lib, 0.5, 1.5, 7.0), "concentration0": _t(lib, 2.0, 0.7, 3.0)}),
    "Binomial": ("Binomial", lambda lib: {"total_count": 10, "probs": _t(lib, 0.2, 0.5, 0.9)}),
    "Binomial many": ("Binomial", lambda lib: {"total_count": 100, "logits": _t(lib, -1.0, 0.3, 2.0)}),
    "Categorical probs": ("Categorical", lambda lib: {"probs": _matrix(lib, [[0.1, 0.2, 0.7], [3.0, 1.0, 0.5]])}),
    "Categorical logits": ("Categorical", lambda lib: {"logits": _t(lib, 0.1, -2.0, 0.7)}),
    "Cauchy": ("Cauchy", lambda lib: {"loc": _t(lib, -1.0, 0.0, 2.0), "scale": _t(lib, 0.5, 1.0, 3.0)}),
    "Chi2": ("Chi2", lambda lib: {"df": _t(lib, 1.0, 2.5, 9.0)}),
    "ContinuousBernoulli": ("ContinuousBernoulli", lambda lib: {"probs": _t(lib, 0.1, 0.5, 0.9)}),
    "Dirichlet": ("Dirichlet", lambda lib: {"concentration": _matrix(lib, [[0.5, 2.0, 3.0], [1.5, 1.0, 4.0]])}),
    "Exponential": ("Exponential", lambda lib: {"rate": _t(lib, 0.3, 1.0, 4.0)}),
    "FisherSnedecor": ("FisherSnedecor", lambda lib: {"df1": _t(lib, 3.0, 5.0, 8.0), "df2": _t(lib, 6.0, 4.5, 9.0)}),
    "Gamma": ("Gamma", lambda lib: {"concentration": _t(lib, 0.3, 1.0, 12.0), "rate": _t(lib, 0.5, 1.0, 3.0)}),
    "GeneralizedPareto": ("GeneralizedPareto", lambda lib: {
        "loc": _t(lib, 0.0, 1.0, -1.0), "scale": _t(lib, 1.0, 2.0, 0.5), "concentration": _t(lib, -0.3, 0.0, 0.3)}),
    "Geometric": ("Geometric", lambda lib: {"probs": _t(lib, 0.1, 0.5, 0.9)}),
    "Gumbel": ("Gumbel", lambda lib: {"loc": _t(lib, -1.0, 0.0, 2.0), "scale": _t(lib, 0.5, 1.0, 3.0)}),
    "HalfCauchy": ("HalfCauchy", lambda lib: {"scale": _t(lib, 0.5, 1.0, 3.0)}),
    "HalfNormal": ("HalfNormal", lambda lib: {"scale": _t(lib, 0.5, 1.0, 3.0)}),
    "InverseGamma": ("InverseGamma", lambda lib: {
        "concentration": _t(lib, 0.7, 3.0, 5.0), "rate": _t(lib, 0.5, 1.0, 3.0)}),
    "Kumaraswamy": ("Kumaraswamy", lambda lib: {
        "concentration1": _t(lib, 0.5, 1.5, 4.0), "concentration0": _t(lib, 2.0, 1.0, 3.0)}),
    "LKJCholesky": ("LKJCholesky", lambda lib: {"dim": 3, "concentration": _t(lib, 0.5, 1.0, 4.0)}),
    "Laplace": ("Laplace", lambda lib: {"loc": _t(lib, -1.0, 0.0, 2.0), "scale": _t(lib, 0.5, 1.0, 3.0)}),
    "LogNormal": ("LogNormal", lambda lib: {"loc": _t(lib, -1.0, 0.0, 0.5), "scale": _t(lib, 0.5, 1.0, 0.3)}),
    "LogisticNormal": ("LogisticNormal", lambda lib: {"loc": _t(lib, -1.0, 0.5), "scale": _t(lib, 0.5, 1.0)}),
    "LowRankMultivariateNormal": ("LowRankMultivariateNormal", lambda lib: {
        "loc": _matrix(lib, [[0.5, -1.0, 2.0], [1.0, 1.0, 0.0]]),
        "cov_factor": _matrix(lib, [[1.0, 0.2], [-0.3, 0.5], [0.0, 0.7]]), "cov_diag": _t(lib, 0.5, 1.0, 2.0)}),
    "Multinomial": ("Multinomial", lambda lib: {"total_count": 5, "probs": _matrix(lib, [[0.1, 0.2, 0.7], [2, 1, 1]])}),
    "MultivariateNormal covariance": ("MultivariateNormal", lambda lib: {
        "loc": _matrix(lib, [[0.5, -1.0, 2.0], [1.0, 1.0, 0.0]]), "covariance_matrix": _matrix(lib, COVARIANCE)}),
    "MultivariateNormal precision": ("MultivariateNormal", lambda lib: {
        "loc": _t(lib, 0.5, -1.0, 2.0), "precision_matrix": _matrix(lib, COVARIANCE)}),
    "MultivariateNormal factor": ("MultivariateNormal", lambda lib: {
        "loc": _t(lib, 0.5, -1.0, 2.0), "scale_tril": _matrix(lib, FACTOR)}),
    "NegativeBinomial": ("NegativeBinomial", lambda lib: {
        "total_count": _t(lib, 1.0, 3.0, 7.5), "probs": _t(lib, 0.2, 0.5, 0.8)}),
    "Normal": ("Normal", lambda lib: {"loc": _t(lib, -1.0, 0.0, 2.0), "scale": _t(lib, 0.5, 1.0, 3.0)}),
    "OneHotCategorical": ("OneHotCategorical", lambda lib: {"probs": _matrix(lib, [[0.1, 0.2, 0.7], [3, 1, 0.5]])}),
    "OneHotCategoricalStraightThrough": ("OneHotCategoricalStraightThrough", lambda lib: {
        "logits": _matrix(lib, [[0.1, 0.2, 0.7], [3.0, 1.0, 0.5]])}),
    "Pareto": ("Pareto", lambda lib: {"scale": _t(lib, 0.5, 1.0, 2.0), "alpha": _t(lib, 0.7, 3.0, 5.0)}),
    "Poisson": ("Poisson", lambda lib: {"rate": _t(lib, 0.2, 3.0, 40.0)}),
    "RelaxedBernoulli": ("RelaxedBernoulli", lambda lib: {
        "temperature": lib.tensor(0.7, dtype=lib.float64), "probs": _t(lib, 0.2, 0.5, 0.8)}),
    "RelaxedOneHotCategorical": ("RelaxedOneHotCategorical", lambda lib: {
        "temperature": lib.tensor(0.7, dtype=lib.float64), "probs": _matrix(lib, [[0.1, 0.2, 0.7], [3, 1, 0.5]])}),
    "StudentT": ("StudentT", lambda lib: {
        "df": _t(lib, 0.7, 1.5, 6.0), "loc": _t(lib, -1.0, 0.0, 2.0), "scale": _t(lib, 0.5, 1.0, 3.0)}),
    "Uniform": ("Uniform", lambda lib: {"low": _t(lib, -1.0, 0.0, 0.2), "high": _t(lib, 0.5, 1.0, 3.0)}),
    "VonMises": ("VonMises", lambda lib: {"loc": _t(lib, -1.0, 0.0, 2.0), "concentration": _t(lib, 0.5, 4.0, 30.0)}),
    "Weibull": ("Weibull", lambda lib: {"scale": _t(lib, 0.5, 1.0, 2.0), "concentration": _t(lib, 0.7, 1.0, 3.0)}),
    "Wishart": ("Wishart", lambda lib: {"df": _t(lib, 3.5, 8.0), "covariance_matrix": _matrix(lib, COVARIANCE)}),
    "Wishart factor": ("Wishart", lambda lib: {
        "df": lib.tensor(5.0, dtype=lib.float64), "scale_tril": _matrix(lib, FACTOR)}),
}


def make(lib, case):
    name, arguments = CASES[case]
    return getattr(lib.distributions, name)(**arguments(lib))


def composed(lib):
    """Distributions made of others."""
    d = lib.distributions
    return {
        "Independent": d.Independent(make(lib, "Normal"), 1),
        "Mixture": d.MixtureSameFamily(d.Categorical(_t(lib, 0.2, 0.3, 0.5)), make(lib, "Normal")),
        "Mixture of vectors": d.MixtureSameFamily(
            d.Categorical(_t(lib, 0.4, 0.6)), d.Independent(d.Normal(
                _matrix(lib, [[0.0, 1.0], [2.0, 3.0]]), _matrix(lib, [[0.5, 1.0], [2.0, 0.3]])), 1)),
        "Transformed": d.TransformedDistribution(
            make(lib, "Normal"), [d.AffineTransform(1.0, -2.0), d.SigmoidTransform()]),
        "Transformed simplex": d.TransformedDistribution(make(lib, "Normal"), d.StickBreakingTransform()),
    }
