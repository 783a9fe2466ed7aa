"""Data types of the standard: their limits, kinds and promotion."""
from dataclasses import dataclass

import rushlight as rl
from rushlight import Tensor, bool, complex64, complex128, dtype, float64, int64, uint64

KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
KINDS["integral"] = KINDS["signed integer"] + KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] + KINDS["real floating"] + KINDS["complex floating"]


@dataclass
class finfo_object:
    """The limits of a floating data type, as `finfo` returns them."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: dtype


@dataclass
class iinfo_object:
    """The limits of an integer data type, as `iinfo` returns them."""

    bits: int
    max: int
    min: int
    dtype: dtype


def dtype_of(x):
    """The dtype of an array, or a dtype itself."""
    return x.dtype if isinstance(x, Tensor) else x


def finfo(type, /):
    """The limits of a floating data type.

    Args:
        type (dtype | Tensor): a floating or complex dtype, or an array of one.

    Returns:
        An object with bits, eps, max, min, smallest_normal and dtype, the dtype of the real parts.

    Raises:
        TypeError: the dtype is neither floating nor complex.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.finfo(xp.complex64).dtype
        rushlight.float32
    """
    limits = rl.finfo(dtype_of(type))
    return finfo_object(limits.bits, limits.eps, limits.max, limits.min, limits.smallest_normal,
                        getattr(rl, limits.dtype))


def iinfo(type, /):
    """The limits of an integer data type.

    Args:
        type (dtype | Tensor): an integer dtype, or an array of one.

    Returns:
        An object with bits, max, min and dtype.

    Raises:
        TypeError: the dtype is not an integer one.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.iinfo(xp.int8).max
        127
    """
    limits = rl.iinfo(dtype_of(type))
    return iinfo_object(limits.bits, limits.max, limits.min, getattr(rl, limits.dtype))


def number_dtype(number, other):
    """The dtype that a Python number takes beside an array of dtype `other`."""
    if number is True or number is False:
        return other
    if isinstance(number, complex):
        return other if other.is_complex else complex128 if other == float64 else complex64
    if isinstance(number, float) and not (other.is_floating_point or other.is_complex):
        return rl.get_default_dtype()
    return int64 if other == bool else other


def result_type(*arrays_and_dtypes):
    """The dtype that arrays, dtypes and Python numbers promote to.

    Args:
        arrays_and_dtypes (Tensor | dtype | bool | int | float | complex): at least one array or dtype.

    Returns:
        dtype: their common dtype; the number of dimensions has no say.

    Raises:
        ValueError: there is neither an array nor a dtype.
        RuntimeError: uint64 meets a signed integer.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.result_type(xp.uint8, xp.int8, 1.5)
        rushlight.float32
    """
    dtypes = [dtype_of(x) for x in arrays_and_dtypes if isinstance(x, (Tensor, dtype))]
    if not dtypes:
        raise ValueError("result_type: got no array and no dtype; expected at least one")
    found = dtypes[0]
    for other in dtypes[1:]:
        found = rl.promote_types(found, other)
    for number in arrays_and_dtypes:
        if not isinstance(number, (Tensor, dtype)):
            found = number_dtype(number, found)
    return found


def can_cast(from_, to, /):
    """Whether promotion leads from one dtype to another.

    Args:
        from_ (dtype | Tensor): a dtype or an array.
        to (dtype): where to.

    Returns:
        bool: True where `result_type(from_, to)` is `to`.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.can_cast(xp.int64, xp.int32)
        False
    """
    source = dtype_of(from_)
    if {source, to} & {uint64} and {source, to} & {rl.int8, rl.int16, rl.int32, int64}:
        return False
    return rl.promote_types(source, to) == to


def isdtype(dtype, kind):
    """Whether a dtype is of a kind.

    Args:
        dtype (dtype): the dtype in question.
        kind (dtype | str | tuple): a dtype, or 'bool', 'signed integer', 'unsigned integer', 'integral',
            'real floating', 'complex floating' or 'numeric', or a tuple of these.

    Returns:
        bool: True where it is one of them.

    Raises:
        ValueError: the kind has another name.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.isdtype(xp.int8, "integral")
        True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if not isinstance(kind, str):
        return dtype == kind
    if kind not in KINDS:
        raise ValueError(f"isdtype: kind={kind!r} is not known; expected one of {', '.join(KINDS)}")
    return dtype.name in KINDS[kind]


def astype(x, dtype, /, *, copy=True, device=None):
    """An array converted to another dtype.

    Args:
        x (Tensor): the array.
        dtype (dtype): the dtype wanted; complex numbers become no real ones.
        copy (bool): whether an array that has the dtype already is copied.
        device (device, optional): where the result shall be.

    Returns:
        Tensor: shape of `x`.

    Raises:
        TypeError: `x` is complex and `dtype` is not.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.astype(xp.asarray([1.5]), xp.int64)
        tensor([1])
    """
    if x.dtype.is_complex and not (dtype.is_complex or dtype == bool):
        raise TypeError(f"astype: x has dtype {x.dtype.name} and dtype={dtype.name}; use real() or imag() first")
    return x.to(dtype=dtype, device=device or x.device, copy=copy)


class standard_operators:
    """Lets the operators of tensors follow the standard, from the call on or within a `with`.

    PyTorch lets a zero-dimensional tensor count less than others: int8 of shape (3,) plus int64 of shape () is int8.
    To the standard shapes have no say: it is int64. And `//` of floating numbers is the quotient rounded down, so that
    inf // 2 is inf, where PyTorch has nan. The setting holds for the whole process.

    Args:
        on (bool): whether the standard's operators hold.

    Example:
        >>> from rushlight import array_api as xp
        >>> small, large = xp.ones(3, dtype=xp.int8), xp.ones((), dtype=xp.int64)
        >>> (small + large).dtype
        rushlight.int8
        >>> with xp.standard_operators():
        ...     (small + large).dtype
        rushlight.int64
    """

    def __init__(self, on=True):
        self._before = rl._C._set_standard_operators(on)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        rl._C._set_standard_operators(self._before)
