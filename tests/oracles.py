"""One line for each operator: what NumPy or SciPy computes for the same arguments.

The arguments are those of the operator's samples, with tensors as arrays. An operator whose reference is too long for a
line stands in ELSEWHERE, with the tests that hold it against an independent reference.
"""
import numpy as np
from scipy import special


def _gelu(x):
    return 0.5 * x * (1 + special.erf(x / np.sqrt(2)))


def _gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _softplus(x, beta=1.0, threshold=20.0):
    return np.where(x * beta > threshold, x, np.log1p(np.exp(np.minimum(x * beta, threshold))) / beta)


def _axes(dim, x):
    return None if dim is None or dim == () else dim


def _reduce(f):
    return lambda x, dim=None, keepdim=False: f(x, axis=_axes(dim, x), keepdims=keepdim)


def _arg(f):
    return lambda x, dim=None, keepdim=False: f(x, axis=dim, keepdims=keepdim)


def _pick(f, g):
    return lambda x, dim, keepdim=False: (f(x, axis=dim, keepdims=keepdim), g(x, axis=dim, keepdims=keepdim))


def _softmax(x, dim):
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


def _logcumsumexp(x, dim):
    """Around the largest value so far; each sum from its own exponentials."""
    rows, out = np.moveaxis(np.atleast_1d(x), dim, -1), np.empty_like(np.atleast_1d(x))
    for i, result in enumerate(np.moveaxis(np.moveaxis(out, dim, -1), -1, 0)):
        part = rows[..., :i + 1]
        most = part.real.max(-1, keepdims=True)
        most = np.where(np.isfinite(most), most, 0)
        with np.errstate(divide="ignore"):
            result[...] = np.log(np.exp(part - most).sum(-1)) + most[..., 0]
    return out.reshape(np.shape(x))


def _sort(x, dim=-1, descending=False):
    if x.ndim == 0:
        return x, np.zeros((), np.int64)
    order = np.argsort(-x if descending else x, axis=dim, kind="stable")
    return np.take_along_axis(x, order, dim), order


def _topk(x, k, dim=-1, largest=True):
    values, order = _sort(x, dim, largest)
    keep = [slice(None)] * x.ndim
    keep[dim] = slice(0, k)
    return values[tuple(keep)], order[tuple(keep)]


def _running(compare):
    def scan(x, dim):
        moved = np.moveaxis(x, dim, 0)
        values, indices = moved.copy(), np.zeros(moved.shape, np.int64)
        for i in range(1, len(moved)):
            better = compare(moved[i], values[i - 1])
            values[i] = np.where(better, moved[i], values[i - 1])
            indices[i] = np.where(better, i, indices[i - 1])
        return np.moveaxis(values, 0, dim), np.moveaxis(indices, 0, dim)
    return scan


def _norm(x, p=2, dim=None, keepdim=False):
    if dim is None:
        return np.linalg.norm(x.reshape(-1), p)
    return np.linalg.norm(x, p, axis=dim, keepdims=keepdim)


def _lerp(x, y, w):
    return x + w * (y - x)


def _clamp(x, low=None, high=None):
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _kthvalue(x, k, dim=-1, keepdim=False):
    values, order = _sort(x, dim)
    picked = [np.take(t, [k - 1], axis=dim) for t in (values, order)]
    return tuple(p if keepdim else np.squeeze(p, dim) for p in picked)


def _median(x, dim, keepdim=False):
    return _kthvalue(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def _polynomial(f):
    """Of whole degrees; 0 where the degree is negative."""
    return lambda x, n: np.where(np.trunc(n) < 0, 0, f(np.maximum(np.trunc(n), 0).astype(int), np.asarray(x, float)))


def _third_kind(n, x):
    return special.eval_chebyu(n, x) - special.eval_chebyu(n - 1, x)


def _fourth_kind(n, x):
    return special.eval_chebyu(n, x) + special.eval_chebyu(n - 1, x)


def _log_softmax(x, dim):
    return special.log_softmax(x, axis=dim)


def _histc(x, bins, low=0, high=0):
    return np.histogram(x, bins, (low, high) if high > low else None)[0]


def _searchsorted(rows, values, right=False):
    side = "right" if right else "left"
    if rows.ndim == 1:
        return np.searchsorted(rows, values, side)
    return np.stack([np.searchsorted(*pair, side) for pair in zip(rows, values, strict=True)])


_SELU = (1.0507009873554804934, 1.6732632423543772848)

ORACLES = {
    "abs": np.abs,
    "angle": lambda x: np.angle(x) if np.iscomplexobj(x) else np.where(np.isnan(x), x, np.where(x < 0, np.pi, 0.0)),
    "conj_physical": np.conj,
    "sgn": lambda x: np.sign(x) if np.iscomplexobj(x) else np.where(np.isnan(x), 0, np.sign(x)),
    "neg": np.negative,
    "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)),
    "square": np.square,
    "sqrt": np.sqrt,
    "positive": np.positive,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": special.erf,
    "erfc": special.erfc,
    "erfinv": special.erfinv,
    "sigmoid": special.expit,
    "lgamma": special.gammaln,
    "digamma": special.digamma,
    "entr": special.entr,
    "erfcx": special.erfcx,
    "ndtr": special.ndtr,
    "log_ndtr": special.log_ndtr,
    "ndtri": special.ndtri,
    "i0": special.i0,
    "i0e": special.i0e,
    "i1": special.i1,
    "i1e": special.i1e,
    "modified_bessel_k0": special.k0,
    "modified_bessel_k1": special.k1,
    "scaled_modified_bessel_k0": special.k0e,
    "scaled_modified_bessel_k1": special.k1e,
    "bessel_j0": special.j0,
    "bessel_j1": special.j1,
    "bessel_y0": special.y0,
    "bessel_y1": special.y1,
    "spherical_bessel_j0": lambda x: special.spherical_jn(0, x),
    "airy_ai": lambda x: special.airy(x)[0],
    "zeta": special.zeta,
    "igamma": special.gammainc,
    "igammac": special.gammaincc,
    "chebyshev_polynomial_t": _polynomial(special.eval_chebyt),
    "chebyshev_polynomial_u": _polynomial(special.eval_chebyu),
    "chebyshev_polynomial_v": _polynomial(_third_kind),
    "chebyshev_polynomial_w": _polynomial(_fourth_kind),
    "shifted_chebyshev_polynomial_t": _polynomial(special.eval_sh_chebyt),
    "shifted_chebyshev_polynomial_u": _polynomial(special.eval_sh_chebyu),
    "shifted_chebyshev_polynomial_v": _polynomial(lambda n, x: _third_kind(n, 2 * x - 1)),
    "shifted_chebyshev_polynomial_w": _polynomial(lambda n, x: _fourth_kind(n, 2 * x - 1)),
    "hermite_polynomial_h": _polynomial(special.eval_hermite),
    "hermite_polynomial_he": _polynomial(special.eval_hermitenorm),
    "laguerre_polynomial_l": _polynomial(special.eval_laguerre),
    "legendre_polynomial_p": _polynomial(special.eval_legendre),
    "polygamma": lambda x, n: special.polygamma(n, x),
    "sinc": np.sinc,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.round,
    "frac": lambda x: x - np.trunc(x),
    "deg2rad": np.deg2rad,
    "rad2deg": np.rad2deg,
    "logit": lambda x, eps=None: special.logit(x if eps is None else np.clip(x, eps, 1 - eps)),
    "logsigmoid": special.log_expit,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "isposinf": np.isposinf,
    "isneginf": np.isneginf,
    "signbit": np.signbit,
    "logical_not": np.logical_not,
    "bitwise_not": np.bitwise_not,
    "nan_to_num": np.nan_to_num,
    "clamp": _clamp,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, a=0.01: np.where(x > 0, x, a * x),
    "elu": lambda x, a=1.0: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
    "celu": lambda x, a=1.0: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0) / a)),
    "selu": lambda x: _SELU[0] * np.where(x > 0, x, _SELU[1] * np.expm1(np.minimum(x, 0))),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hardtanh": lambda x, a=-1, b=1: np.clip(x, a, b),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "tanhshrink": lambda x: x - np.tanh(x),
    "softshrink": lambda x, a=0.5: np.where(x > a, x - a, np.where(x < -a, x + a, x * 0)),
    "hardshrink": lambda x, a=0.5: np.where(np.abs(x) <= a, 0, x),
    "threshold": lambda x, t, v: np.where(x <= t, v, x),
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "atan2": np.arctan2,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
    "hypot": np.hypot,
    "copysign": np.copysign,
    "nextafter": np.nextafter,
    "logaddexp": np.logaddexp,
    "logaddexp2": np.logaddexp2,
    "heaviside": np.heaviside,
    "xlogy": special.xlogy,
    "xlog1py": special.xlog1py,
    "floor_divide": np.floor_divide,
    "floor_quotient": lambda x, y: np.floor(x / y) if np.asarray(x).dtype.kind == "f" else np.floor_divide(x, y),
    "trunc_divide": lambda x, y: np.trunc(x / y),
    "remainder": np.mod,
    "fmod": np.fmod,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "bitwise_left_shift": np.left_shift,
    "bitwise_right_shift": np.right_shift,
    "gcd": np.gcd,
    "lcm": np.lcm,
    "where": np.where,
    "addcmul": lambda x, y, z, value=1: x + value * y * z,
    "addcdiv": lambda x, y, z, value=1: x + value * y / z,
    "lerp": _lerp,
    "clamp_between": np.clip,
    "clamp_min": np.maximum,
    "clamp_max": np.minimum,
    "squared_error": lambda x, y: (x - y) ** 2,
    "absolute_error": lambda x, y: np.abs(x - y),
    "smooth_l1_term": lambda x, y, b: np.where(
        np.abs(x - y) < b, 0.5 * (x - y) ** 2 / b, np.abs(x - y) - 0.5 * b
    ),
    "huber_term": lambda x, y, d: np.where(
        np.abs(x - y) < d, 0.5 * (x - y) ** 2, d * (np.abs(x - y) - 0.5 * d)
    ),
    "bce_term": lambda x, y: -(special.xlogy(y, x) + (1 - y) * np.log1p(-x)),
    "bce_logits_term": lambda x, y: -(y * special.log_expit(x) + (1 - y) * special.log_expit(-x)),
    "sum": _reduce(np.sum),
    "mean": _reduce(np.mean),
    "prod": _reduce(np.prod),
    "amax": _reduce(np.max),
    "amin": _reduce(np.min),
    "all": _reduce(np.all),
    "any": _reduce(np.any),
    "count_nonzero": lambda x, dim=None: np.count_nonzero(x, axis=dim),
    "argmax": _arg(np.argmax),
    "argmin": _arg(np.argmin),
    "max_dim": _pick(np.max, np.argmax),
    "min_dim": _pick(np.min, np.argmin),
    "var": lambda x, dim=None, keepdim=False, correction=1: np.var(
        x, axis=dim, keepdims=keepdim, ddof=correction
    ),
    "std": lambda x, dim=None, keepdim=False, correction=1: np.std(
        x, axis=dim, keepdims=keepdim, ddof=correction
    ),
    "logsumexp": lambda x, dim, keepdim=False: special.logsumexp(x, axis=dim, keepdims=keepdim),
    "vector_norm": _norm,
    "cumsum": lambda x, dim: np.cumsum(x, axis=dim) if x.ndim else x,
    "cumprod": lambda x, dim: np.cumprod(x, axis=dim),
    "cummax": _running(np.greater_equal),
    "cummin": _running(np.less_equal),
    "logcumsumexp": _logcumsumexp,
    "sort": _sort,
    "topk": _topk,
    "kthvalue": _kthvalue,
    "median_dim": _median,
    "nanmedian_dim": _median,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "matmul": np.matmul,
    "wide_product": np.matmul,
    "mm": np.matmul,
    "bmm": np.matmul,
    "mv": np.matmul,
    "dot": np.dot,
    "outer": np.outer,
    "linear": lambda x, w, b=0: x @ w.T + b,
    "unique_values": lambda x, *_: np.unique(x, return_inverse=True, return_counts=True),
    "unique_rows": lambda x, *_: np.unique(x, axis=0, return_index=True, return_inverse=True, return_counts=True)[1:],
    "bincount": np.bincount,
    "histc": _histc,
    "one_hot": lambda x, n=-1: np.eye(x.max() + 1 if n == -1 else n)[x],
    "searchsorted": _searchsorted,
}

_TENSOR = "tests/tensor"
_GRADIENT = "a gradient: held against finite differences of its forward operator"
ELSEWHERE = {
    **dict.fromkeys(["fft_c2c", "fft_r2c", "fft_c2r"], "tests/ops/test_fft.py and tests/native"),
    **dict.fromkeys(["convolution_fused", "linear_fused"], "tests/jit/test_freeze.py"),
    "batch_norm_fused": "tests/jit/test_prepared.py",
    **dict.fromkeys([f"{name}_update" for name in (
        "adadelta", "adafactor", "adagrad", "adam", "adamax", "asgd", "nadam", "radam", "rmsprop", "rprop", "sgd")],
        "tests/optim and tests/native"),
    **dict.fromkeys(["quantize", "dequantize", "quantized_linear", "dynamic_linear", "quantized_convolution"],
                    "tests/quantization/test_integers.py and tests/native"),
    "dropout_mask": "tests/random/test_streams.py (dropout), tests/jit/test_training_steps.py",
    **dict.fromkeys(["scale_tensors", "clamp_tensors", "lerp_tensors", "total_norm"], "tests/nn/test_utils.py"),
    **dict.fromkeys(
        [f"{name}_update" for name in (
            "adadelta", "adafactor", "adagrad", "adam", "adamax", "asgd", "nadam", "radam", "rmsprop", "rprop", "sgd")]
        + ["lerp_tensors", "scale_tensors", "clamp_tensors", "total_norm"], "tests/optim and tests/native"),
    **dict.fromkeys(
        [
            "view",
            "restride",
            "transpose",
            "permute",
            "expand",
            "squeeze",
            "unsqueeze",
            "slice",
            "select",
            "unbind",
            "split_with_sizes",
            "unfold",
            "diagonal",
            "view_as_real",
            "view_as_complex",
            "detach",
            "narrow",
        ],
        _TENSOR,
    ),
    **dict.fromkeys(
        [
            "cat",
            "stack",
            "flip",
            "repeat_indices",
            "empty",
            "zeros",
            "ones",
            "full",
            "empty_like",
            "zeros_like",
            "ones_like",
            "full_like",
            "new_empty",
            "new_zeros",
            "new_ones",
            "new_full",
            "empty_strided",
            "scalar_tensor",
            "arange",
            "linspace",
            "logspace",
            "eye",
            "tril_indices",
            "triu_indices",
            "tril",
            "triu",
            "place",
            "masked_fill",
            "masked_select",
            "masked_scatter",
            "nonzero",
            "index",
            "index_write",
            "index_put",
            "gather",
            "scatter",
            "scatter_add",
            "scatter_combine",
            "index_select",
            "index_add",
            "index_copy",
            "index_fill",
            "embedding",
            "copy_",
            "fill_",
            "zero_",
            "clone",
            "contiguous",
            "to_dtype",
            "take_along_dim",
            "diag_embed",
        ],
        _TENSOR,
    ),
    **dict.fromkeys(
        [
            "uniform_",
            "normal_",
            "exponential_",
            "geometric_",
            "cauchy_",
            "log_normal_",
            "random_",
            "rand",
            "randn",
            "rand_like",
            "randn_like",
            "randint",
            "randint_like",
            "randperm",
            "bernoulli_",
            "bernoulli",
            "poisson",
            "multinomial",
        ],
        "tests/random",
    ),
    **dict.fromkeys(
        ["standard_gamma", "standard_gamma_grad", "sample_dirichlet", "dirichlet_grad", "binomial"],
        "tests/distributions",
    ),
    **dict.fromkeys(
        [
            "cholesky_ex",
            "lu_factor_ex",
            "lu_rows",
            "det",
            "slogdet",
            "ldl_factor_ex",
            "ldl_solve",
            "inv_ex",
            "solve_with_lu",
            "solve_factored",
            "solve_triangular",
            "lstsq",
            "pinv",
            "eigh",
            "eigvalsh",
            "eig",
            "eigvals",
            "svd",
            "svdvals",
            "geqrf",
            "qr",
        ],
        "tests/ops/test_linalg.py",
    ),
    **dict.fromkeys(
        [
            "convolution",
            "convolution_transpose",
            "max_pool1d",
            "max_pool2d",
            "max_pool3d",
            "avg_pool1d",
            "avg_pool2d",
            "avg_pool3d",
            "adaptive_avg_pool1d",
            "adaptive_avg_pool2d",
            "adaptive_avg_pool3d",
            "adaptive_max_pool1d",
            "adaptive_max_pool2d",
            "adaptive_max_pool3d",
            "batch_norm_forward",
            "layer_norm_forward",
            "rms_norm_forward",
            "group_norm_forward",
            "cross_entropy_forward",
            "nll_loss_forward",
            "pad",
            "resize",
            "im2col",
            "col2im",
            "grid_sample",
            "ctc_loss_forward",
            "attention_forward",
            "recurrence",
        ],
        "tests/nn and tests/native",
    ),
    **dict.fromkeys(
        [
            "embedding_backward",
            "convolution_input_grad",
            "convolution_weight_grad",
            "max_pool_grad",
            "avg_pool_grad",
            "adaptive_avg_pool_grad",
            "nll_loss_grad",
            "pad_grad",
            "resize_grad",
            "grid_sample_grad",
            "ctc_loss_grad",
            "attention_grad",
            "recurrence_grad",
        ],
        _GRADIENT,
    ),
}
