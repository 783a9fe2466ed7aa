"""The elementary functions: how far off they may be, their exact values, and distances in units of the last place."""
import numpy as np
import pytest
from scipy import special

try:
    import mpmath
except ImportError:
    mpmath = None


def _function(numpy, exact, f4=2.0, f8=2.0):
    return {"numpy": numpy, "exact": exact, "f4": f4, "f8": f8}


def _mp(name):
    return lambda x: getattr(mpmath, name)(x)


#: Name: in NumPy, in mpmath, and the limits that tests/native/test_vec_math.cpp holds the kernels to.
FUNCTIONS = {
    **{name: _function(getattr(np, name), _mp(name)) for name in
       ["exp", "expm1", "log", "log10", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"]},
    **{name: _function(getattr(np, f"arc{name[1:]}"), _mp(name)) for name in
       ["asin", "acos", "atan", "asinh", "acosh", "atanh"]},
    "exp2": _function(np.exp2, lambda x: mpmath.mpf(2) ** x),
    "log2": _function(np.log2, lambda x: mpmath.log(x, 2)),
    "rsqrt": _function(lambda x: 1 / np.sqrt(x), lambda x: 1 / mpmath.sqrt(x)),
    "reciprocal": _function(lambda x: 1 / x, lambda x: 1 / x, 0.5, 0.5),
    "sigmoid": _function(special.expit, lambda x: 1 / (1 + mpmath.exp(-x))),
    "erf": _function(special.erf, _mp("erf")),
    "erfc": _function(special.erfc, _mp("erfc"), f8=3.0),
    "erfinv": _function(lambda x: np.copysign(special.erfinv(x), x), _mp("erfinv"), f8=4.0),
}


def exact_values(name, x):
    """The values at `x`: float64 for float32, of which it has bits to spare; numbers of mpmath for float64."""
    with np.errstate(all="ignore"):
        near = FUNCTIONS[name]["numpy"](x.astype("f8"))
    if x.dtype == np.float32:
        return near
    if mpmath is None:
        pytest.skip("needs mpmath")
    with mpmath.workprec(160):
        return [FUNCTIONS[name]["exact"](mpmath.mpf(v)) if np.isfinite(n) and n and np.isfinite(v) else n
                for v, n in zip(x.tolist(), near.tolist())]


def units(got, exact):
    """The distances in units of the last place of `got`'s dtype; infinite where only one is NaN or infinite,
    and where zeros differ in sign."""
    rounded = np.array([float(v) for v in exact])
    with np.errstate(all="ignore"):
        rounded = rounded.astype(got.dtype)
        same = (got == rounded) & (np.signbit(got) == np.signbit(rounded)) | np.isnan(got) & np.isnan(rounded)
        step = np.spacing(np.abs(rounded))
    if mpmath is None or isinstance(exact, np.ndarray):
        distance = np.abs(got.astype("f8") - exact) / step
    else:
        with mpmath.workprec(160):
            distance = np.array([float(abs(mpmath.mpf(float(g)) - e) / mpmath.mpf(float(s))) if np.isfinite(g * s) else
                                 np.inf for g, e, s in zip(got, exact, step)])
    zeros = (got == 0) & (rounded == 0)                           # of different signs, unless they are the same
    return np.where(same, 0.0, np.where(np.isfinite(distance) & ~zeros, distance, np.inf))
