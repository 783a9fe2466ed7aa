"""The Python Array API standard, version 2025.12: Rushlight's functions under the standard's names and rules.

Arrays are Rushlight's tensors, and every function here is one of Rushlight's or a few lines over some. What differs
from `rushlight` itself: arguments are called as the standard calls them (`axis`, `keepdims`), and dtypes follow its
promotion, in which the number of dimensions has no say. The operators of a tensor stay PyTorch's, where a
zero-dimensional tensor counts less than others, unless `standard_operators` is on.

Example:
    >>> from rushlight import array_api as xp
    >>> xp.sum(xp.asarray([[1, 2], [3, 4]]), axis=0)
    tensor([4, 6])
"""
import rushlight as rl
from rushlight import (  # noqa: F401
    bool, complex64, complex128, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
)
from rushlight.array_api import fft, linalg  # noqa: F401
from rushlight.array_api._creation import (  # noqa: F401
    arange, asarray, empty, empty_like, eye, from_dlpack, full, full_like, linspace, meshgrid, ones, ones_like, tril,
    triu, zeros, zeros_like,
)
from rushlight.array_api._dtypes import (  # noqa: F401
    astype, can_cast, finfo, iinfo, isdtype, result_type, standard_operators,
)
from rushlight.array_api._elementwise import (  # noqa: F401
    abs, acos, acosh, add, asin, asinh, atan, atan2, atanh, bitwise_and, bitwise_invert, bitwise_left_shift,
    bitwise_or, bitwise_right_shift, bitwise_xor, ceil, clip, conj, copysign, cos, cosh, divide, equal, exp, expm1,
    floor, floor_divide, greater, greater_equal, hypot, imag, isfinite, isinf, isnan, less, less_equal, log, log1p,
    log2, log10, logaddexp, logical_and, logical_not, logical_or, logical_xor, maximum, minimum, multiply, negative,
    nextafter, not_equal, positive, pow, real, reciprocal, remainder, round, sign, signbit, sin, sinh, sqrt, square,
    subtract, tan, tanh, trunc,
)
from rushlight.array_api._info import __array_namespace_info__  # noqa: F401
from rushlight.array_api._manipulation import (  # noqa: F401
    broadcast_arrays, broadcast_shapes, broadcast_to, concat, expand_dims, flip, moveaxis, permute_dims, repeat,
    reshape, roll, squeeze, stack, tile, unstack,
)
from rushlight.array_api._reduction import (  # noqa: F401
    all, any, argmax, argmin, count_nonzero, cumulative_prod, cumulative_sum, diff, max, mean, min, prod, std, sum, var,
)
from rushlight.array_api._searching import (  # noqa: F401
    argsort, isin, nonzero, searchsorted, sort, take, take_along_axis, unique_all, unique_counts, unique_inverse,
    unique_values, where,
)
from rushlight.array_api.linalg import matmul, matrix_transpose, tensordot, vecdot  # noqa: F401

#: The versions of the standard, of which each adds to the one before; the last is that of this namespace.
VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")
__array_api_version__ = VERSIONS[-1]

e, inf, nan, newaxis, pi = rl.e, rl.inf, rl.nan, None, rl.pi
