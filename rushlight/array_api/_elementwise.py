"""Functions of single elements: Rushlight's, under the standard's names and with its promotion."""
import rushlight as rl
from rushlight.array_api._dtypes import KINDS, Tensor, result_type

INTEGERS = tuple(getattr(rl, name) for name in KINDS["integral"])


def operands(x1, x2):
    """Two operands, of which one may be a Python number, in their common dtype."""
    common = result_type(x1, x2)
    return tuple(x.to(common) if isinstance(x, Tensor) else rl.full((), x, dtype=common) for x in (x1, x2))


def _unary(name, function, doc):
    def wrapped(x, /):
        return function(x)

    return _named(wrapped, name, doc)


def _binary(name, function, doc):
    def wrapped(x1, x2, /):
        return function(*operands(x1, x2))

    return _named(wrapped, name, doc)


def _named(wrapped, name, doc):
    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = doc
    return wrapped


def _round(x):
    if x.is_complex():
        return rl.view_as_complex(rl.round(rl.view_as_real(x)))
    return rl.round(x)


abs = _unary("abs", rl.abs, "The absolute value of each element; of complex numbers a real one.")
acos = _unary("acos", rl.acos, "The arc cosine of each element.")
acosh = _unary("acosh", rl.acosh, "The inverse hyperbolic cosine of each element.")
asin = _unary("asin", rl.asin, "The arc sine of each element.")
asinh = _unary("asinh", rl.asinh, "The inverse hyperbolic sine of each element.")
atan = _unary("atan", rl.atan, "The arc tangent of each element.")
atanh = _unary("atanh", rl.atanh, "The inverse hyperbolic tangent of each element.")
bitwise_invert = _unary("bitwise_invert", rl.bitwise_not, "Each element with all its bits inverted.")
ceil = _unary("ceil", rl.ceil, "The least whole number not below each element.")
conj = _unary("conj", lambda x: rl.conj(x), "The complex conjugate of each element.")
cos = _unary("cos", rl.cos, "The cosine of each element.")
cosh = _unary("cosh", rl.cosh, "The hyperbolic cosine of each element.")
exp = _unary("exp", rl.exp, "e to the power of each element.")
expm1 = _unary("expm1", rl.expm1, "exp(x) - 1 of each element, exact near zero.")
floor = _unary("floor", rl.floor, "The largest whole number not above each element.")
imag = _unary("imag", rl.imag, "The imaginary part of each element.")
isfinite = _unary("isfinite", rl.isfinite, "True where an element is neither infinite nor NaN.")
isinf = _unary("isinf", rl.isinf, "True where an element is infinite.")
isnan = _unary("isnan", rl.isnan, "True where an element is NaN.")
log = _unary("log", rl.log, "The natural logarithm of each element.")
log10 = _unary("log10", rl.log10, "The logarithm to base 10 of each element.")
log1p = _unary("log1p", rl.log1p, "log(1 + x) of each element, exact near zero.")
log2 = _unary("log2", rl.log2, "The logarithm to base 2 of each element.")
logical_not = _unary("logical_not", rl.logical_not, "True where an element is zero or False.")
negative = _unary("negative", rl.negative, "Each element with its sign changed.")
positive = _unary("positive", rl.positive, "Each element as it is.")
real = _unary("real", rl.real, "The real part of each element.")
reciprocal = _unary("reciprocal", rl.reciprocal, "1 / x of each element.")
round = _unary("round", _round, "The whole number next to each element; of two, the even one; of complex "
               "numbers in either part.")
signbit = _unary("signbit", rl.signbit, "True where the sign bit of an element is set.")
sin = _unary("sin", rl.sin, "The sine of each element.")
sinh = _unary("sinh", rl.sinh, "The hyperbolic sine of each element.")
sqrt = _unary("sqrt", rl.sqrt, "The square root of each element.")
square = _unary("square", rl.square, "The square of each element.")
tan = _unary("tan", rl.tan, "The tangent of each element.")
tanh = _unary("tanh", rl.tanh, "The hyperbolic tangent of each element.")
trunc = _unary("trunc", rl.trunc, "Each element without its fraction.")

add = _binary("add", rl.add, "x1 + x2.")
atan2 = _binary("atan2", rl.atan2, "The angle of the point (x2, x1).")
bitwise_and = _binary("bitwise_and", rl.bitwise_and, "The bits that both elements have.")
bitwise_left_shift = _binary("bitwise_left_shift", rl.bitwise_left_shift, "x1 shifted to the left by x2 bits.")
bitwise_or = _binary("bitwise_or", rl.bitwise_or, "The bits that either element has.")
bitwise_right_shift = _binary("bitwise_right_shift", rl.bitwise_right_shift, "x1 shifted to the right by x2 bits.")
bitwise_xor = _binary("bitwise_xor", rl.bitwise_xor, "The bits that one element alone has.")
copysign = _binary("copysign", rl.copysign, "The magnitude of x1 with the sign of x2.")
divide = _binary("divide", rl.div, "x1 / x2.")
equal = _binary("equal", rl.eq, "True where x1 == x2.")
floor_divide = _binary("floor_divide", rl._C._groups["_ops"]["floor_quotient"], "x1 / x2 rounded down.")
greater = _binary("greater", rl.greater, "True where x1 > x2.")
greater_equal = _binary("greater_equal", rl.greater_equal, "True where x1 >= x2.")
hypot = _binary("hypot", rl.hypot, "The length of the hypotenuse.")
less = _binary("less", rl.less, "True where x1 < x2.")
less_equal = _binary("less_equal", rl.less_equal, "True where x1 <= x2.")
logaddexp = _binary("logaddexp", rl.logaddexp, "log(exp(x1) + exp(x2)), without overflow.")
logical_and = _binary("logical_and", rl.logical_and, "True where both elements are True.")
logical_or = _binary("logical_or", rl.logical_or, "True where either element is True.")
logical_xor = _binary("logical_xor", rl.logical_xor, "True where one element alone is True.")
maximum = _binary("maximum", rl.maximum, "The larger of two elements; NaN where either is.")
minimum = _binary("minimum", rl.minimum, "The smaller of two elements; NaN where either is.")
multiply = _binary("multiply", rl.multiply, "x1 * x2.")
nextafter = _binary("nextafter", rl.nextafter, "The floating number next to x1 in the direction of x2.")
not_equal = _binary("not_equal", rl.not_equal, "True where x1 != x2.")
pow = _binary("pow", rl.pow, "x1 to the power of x2.")
remainder = _binary("remainder", rl.remainder, "The remainder of x1 / x2 with the sign of x2.")
subtract = _binary("subtract", rl.subtract, "x1 - x2.")


def sign(x, /):
    """-1, 0 or 1 as each element is negative, zero or positive, NaN of NaN; x / abs(x) of complex elements.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.sign(xp.asarray([-2.0, xp.nan]))
        tensor([-1., nan])
    """
    out = rl.sgn(x)
    return out if x.dtype in (rl.bool, *INTEGERS) else rl.where(rl.isnan(x), x, out)


def clip(x, /, min=None, max=None):
    """Each element, or the limit that it lies beyond.

    Args:
        x (Tensor): the array.
        min, max (Tensor | int | float, optional): the limits.

    Returns:
        Tensor: dtype of `x`; shape of all broadcast together.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.clip(xp.asarray([1, 5, 9]), 2, 6)
        tensor([2, 5, 6])
    """
    if min is None and max is None:
        return x.clone()
    limits = [rl.full((), y, dtype=x.dtype) if isinstance(y, (int, float)) else y for y in (min, max)]
    return rl.clip(x, *limits).to(x.dtype)
