"""Arithmetic in parts and in other forms: powers in float64, mantissa and exponent, the multivariate log gamma."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core

_frexp = core._named_results("frexp", "mantissa", "exponent")
# Of an integer of as many bits: how far the exponent is up, its mask, its bias, the significand's bits that stay.
_LAYOUT = {core.float32: (core.int32, 23, 0xff, 126), core.float64: (core.int64, 52, 0x7ff, 1022)}


def _require_tensor(name, argument, value):
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: argument '{argument}' must be Tensor, not {type(value).__name__}")


def _wide(value):
    if isinstance(value, Tensor):
        return value.to(core.complex128 if value.dtype.is_complex else core.float64)
    return value


@composite("float_power Tensor.float_power special.float_power out")
def float_power(input, exponent):
    """input to the power of exponent, computed in float64 or complex128.

    Args:
        input, exponent (Tensor or number): one at least a tensor; they broadcast.

    Returns:
        Tensor: float64, or complex128.

    Example:
        >>> import rushlight as rl
        >>> rl.float_power(rl.tensor([2, 3]), -1).dtype
        rushlight.float64
    """
    if not isinstance(input, Tensor):
        _require_tensor("float_power", "exponent", exponent)
        wide = core.complex128 if isinstance(input, complex) or exponent.dtype.is_complex else core.float64
        input = core.tensor(input, dtype=wide)
    elif isinstance(exponent, complex):
        input = input.to(core.complex128)
    return core.pow(_wide(input), _wide(exponent))


@composite("Tensor.float_power_")
def float_power_(input, exponent):
    """`float_power` that overwrites the tensor, which is of float64 or complex128, and returns it.

    Args:
        input (Tensor): the base.
        exponent (Tensor or number): it broadcasts to the shape of input.

    Raises:
        RuntimeError: input is of another dtype than the result.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([2.0, 3.0], dtype=rl.float64).float_power_(2)
        tensor([4., 9.], dtype=rushlight.float64)
    """
    result = float_power(input, exponent)
    if result.dtype is not input.dtype:
        raise RuntimeError(f"float_power_: input has dtype {input.dtype} and the result {result.dtype}; expected input "
                           "to have the dtype of the result")
    return input.copy_(result)


@composite("ldexp Tensor.ldexp Tensor.ldexp_ out")
def ldexp(input, other):
    """input * 2 ** other.

    Args:
        input (Tensor): the mantissas.
        other (Tensor): the exponents, usually integral.

    Example:
        >>> import rushlight as rl
        >>> rl.ldexp(rl.tensor([1.5]), rl.tensor([3]))
        tensor([12.])
    """
    _require_tensor("ldexp", "input", input)
    return input * core.exp2(other)


@composite("frexp Tensor.frexp out")
def frexp(input):
    """Each element as mantissa * 2 ** exponent, with 0.5 <= |mantissa| < 1.

    Args:
        input (Tensor): floating.

    Returns:
        a named tuple (mantissa, exponent), the exponent of dtype int32.

    Raises:
        RuntimeError: the dtype is not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.frexp(rl.tensor([12.0])).exponent
        tensor([4], dtype=rushlight.int32)
    """
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"frexp: input has dtype {input.dtype}; expected a floating dtype")
    x = input if input.dtype in _LAYOUT else input.to(core.float32)
    integer, up, mask, bias = _LAYOUT[x.dtype]

    def exponent_of(t):
        return (core.bitwise_right_shift(t.contiguous().view(integer), up) & mask) - bias

    plain = x.detach()
    exponent = exponent_of(plain)
    small = exponent_of(plain * 2.0 ** up) - up                        # of subnormal numbers
    exponent = core.where(exponent == -bias, small, exponent)
    known = core.isfinite(plain) & (plain != 0)
    exponent = core.where(known, exponent, 0).to(core.int32)
    half = core.bitwise_right_shift(exponent, 1)                       # 2 ** -exponent alone may overflow
    mantissa = x * core.exp2(-half.to(x.dtype)) * core.exp2((half - exponent).to(x.dtype))
    return _frexp((mantissa.to(input.dtype), exponent))


@composite("rsub")
def rsub(input, other, *, alpha=1):
    """other - alpha * input.

    Args:
        input (Tensor): what is taken away.
        other (Tensor or number): from what.
        alpha (number): Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.rsub(rl.tensor([1, 2]), 5)
        tensor([4, 3])
    """
    _require_tensor("rsub", "input", input)
    return core.sub(other, input, alpha=alpha) if isinstance(other, Tensor) else other - input * alpha


@composite("mvlgamma Tensor.mvlgamma Tensor.mvlgamma_ special.multigammaln out")
def mvlgamma(input, p):
    """The logarithm of the multivariate gamma function of dimension `p`, of each element.

    Args:
        input (Tensor): greater than (p - 1) / 2.
        p (int): at least 1.

    Raises:
        RuntimeError: p < 1, or the dtype is bool or complex.

    Example:
        >>> import rushlight as rl
        >>> rl.mvlgamma(rl.tensor([1.0]), 1)
        tensor([0.])
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: p={p}; expected p >= 1")
    if input.dtype.is_complex or input.dtype is core.bool:
        raise RuntimeError(f"mvlgamma: input has dtype {input.dtype}; expected a real dtype")
    if not input.dtype.is_floating_point:
        input = input.to(core.get_default_dtype())
    shifts = core.arange((1 - p) / 2, 0.5, 0.5, dtype=input.dtype)
    log_pi = 1.1447298858494001741
    return core.lgamma(input.unsqueeze(-1) + shifts).sum(-1) + p * (p - 1) / 4 * log_pi


@composite("isreal Tensor.isreal")
def isreal(input):
    """Has each element no imaginary part? Real dtypes have none.

    Args:
        input (Tensor): any dtype.

    Returns:
        Tensor: bool.

    Example:
        >>> import rushlight as rl
        >>> rl.isreal(rl.tensor([1.0, 2.0]))
        tensor([True, True])
    """
    return core.imag(input) == 0 if input.dtype.is_complex else core.ones_like(input, dtype=core.bool)


@composite("fill")
def fill(input, value):
    """A tensor like `input` with every element `value`.

    Args:
        input (Tensor): gives shape and dtype.
        value (number or Tensor): a zero-dimensional tensor may need a gradient.

    Raises:
        RuntimeError: value is a tensor with dimensions.

    Example:
        >>> import rushlight as rl
        >>> rl.fill(rl.zeros(2), 3)
        tensor([3., 3.])
    """
    return input.clone().fill_(value)
