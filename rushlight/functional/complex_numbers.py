"""Complex numbers: their parts, their conjugates, and how they are made. Conjugates are computed at once."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core


@composite("conj Tensor.conj")
def conj(input):
    """The complex conjugates; a tensor of real numbers is returned itself.

    They are computed at once: the result is a new tensor, no view, and `is_conj()` is False.

    Args:
        input (Tensor): of any dtype and shape.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1 + 2j]).conj().tolist()
        [(1-2j)]
    """
    return core.conj_physical(input) if input.is_complex() else input


@composite("resolve_conj Tensor.resolve_conj")
def resolve_conj(input):
    """The tensor itself: no conjugation is ever put off.

    Args:
        input (Tensor): of any dtype and shape.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1 + 2j]).resolve_conj().tolist()
        [(1+2j)]
    """
    return input


@composite("resolve_neg Tensor.resolve_neg")
def resolve_neg(input):
    """The tensor itself: no negation is ever put off.

    Args:
        input (Tensor): of any dtype and shape.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1.0]).resolve_neg().tolist()
        [1.0]
    """
    return input


@composite("is_conj Tensor.is_conj")
def is_conj(input):
    """False: conjugates are computed at once.

    Args:
        input (Tensor): of any dtype and shape.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1j]).conj().is_conj()
        False
    """
    return False


@composite("is_neg Tensor.is_neg")
def is_neg(input):
    """False: negatives are computed at once.

    Args:
        input (Tensor): of any dtype and shape.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1.0]).neg().is_neg()
        False
    """
    return False


@composite("complex out")
def complex(real, imag):
    """Complex numbers from their real and imaginary parts.

    Args:
        real, imag (Tensor): float32 or float64, both alike; they broadcast.

    Returns:
        Tensor: complex64 or complex128.

    Raises:
        RuntimeError: the dtypes differ, or are others.

    Example:
        >>> import rushlight as rl
        >>> rl.complex(rl.tensor([1.0]), rl.tensor([2.0])).tolist()
        [(1+2j)]
    """
    if real.dtype != imag.dtype or real.dtype not in (core.float32, core.float64):
        raise RuntimeError(
            f"complex: real has dtype {real.dtype} and imag {imag.dtype}; expected both float32 or both float64"
        )
    return core.view_as_complex(core.stack(core.broadcast_tensors(real, imag), -1))


@composite("polar out", "widen")
def polar(abs, angle):
    """Complex numbers from their absolute values and angles.

    Args:
        abs, angle (Tensor): float32 or float64, both alike; they broadcast. Angles are in radians.

    Returns:
        Tensor: complex64 or complex128.

    Raises:
        RuntimeError: the dtypes differ, or are others.

    Example:
        >>> import rushlight as rl
        >>> rl.polar(rl.tensor([2.0]), rl.tensor([0.0])).tolist()
        [(2+0j)]
    """
    if abs.dtype != angle.dtype or abs.dtype not in (core.float32, core.float64):
        raise RuntimeError(
            f"polar: abs has dtype {abs.dtype} and angle {angle.dtype}; expected both float32 or both float64"
        )
    return core.complex(abs * core.cos(angle), abs * core.sin(angle))


@composite("vdot Tensor.vdot out")
def vdot(input, other):
    """The sum of products of two vectors, the first one conjugated.

    Args:
        input, other (Tensor): of one dimension, one size and one dtype.

    Raises:
        RuntimeError: shapes or dtypes differ, or there is not one dimension.

    Example:
        >>> import rushlight as rl
        >>> rl.vdot(rl.tensor([1j]), rl.tensor([2j])).item()
        (2+0j)
    """
    return core.dot(conj(input), other)


@composite("Tensor.chalf")
def chalf(input):
    """Raises: there is no complex dtype of 16-bit parts.

    Raises:
        NotImplementedError: always.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1j]).chalf()
        Traceback (most recent call last):
        NotImplementedError: chalf: input has dtype rushlight.complex64; complex32 is not supported, expected ...
    """
    raise NotImplementedError(
        f"chalf: input has dtype {input.dtype}; complex32 is not supported, expected the use of cfloat() or cdouble()"
    )


def _hermitian(input):
    """The conjugates of a matrix with its dimensions exchanged."""
    if input.dim() not in (0, 2):
        raise RuntimeError(f"H: the tensor has shape {tuple(input.shape)}; expected two dimensions")
    return conj(input.T)


def _set_part(part):
    def set_part(input, value):
        part(input).copy_(value if isinstance(value, Tensor) else core.tensor(value))

    return set_part


def _conjugate_transposed(input):
    return core.adjoint(input)


#: What Tensor has as properties: getter, and setter or None.
PROPERTIES = {
    "real": property(core.real, _set_part(core.real), None, "The real parts, as a view; may be assigned."),
    "imag": property(core.imag, _set_part(core.imag), None, "The imaginary parts, as a view; may be assigned."),
    "H": property(_hermitian, None, None, "The conjugates of a matrix with its dimensions exchanged."),
    "mH": property(_conjugate_transposed, None, None, "The conjugates with the last two dimensions exchanged."),
}
