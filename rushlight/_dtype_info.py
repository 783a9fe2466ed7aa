"""`finfo` and `iinfo`: the limits of dtypes."""
from rushlight import _C

_FLOATING = {  # bits, eps, largest, smallest normal, decimal digits
    _C.float16: (16, 2.0**-10, 65504.0, 2.0**-14, 0.001),
    _C.bfloat16: (16, 2.0**-7, 3.3895313892515355e38, 2.0**-126, 0.01),
    _C.float32: (32, 2.0**-23, 3.4028234663852886e38, 2.0**-126, 1e-06),
    _C.float64: (64, 2.0**-52, 1.7976931348623157e308, 2.0**-1022, 1e-15),
}
_INTEGER = {_C.uint8: (8, 0, 255), _C.int8: (8, -(2**7), 2**7 - 1), _C.int16: (16, -(2**15), 2**15 - 1),
            _C.int32: (32, -(2**31), 2**31 - 1), _C.int64: (64, -(2**63), 2**63 - 1),
            _C.uint16: (16, 0, 2**16 - 1), _C.uint32: (32, 0, 2**32 - 1), _C.uint64: (64, 0, 2**64 - 1)}


class finfo:
    """Limits of a floating dtype.

    Args:
        type (dtype, optional): Default: the default dtype.

    Attributes: bits, eps, max, min, tiny (the smallest normal number, also `smallest_normal`),
        resolution, dtype (its name).

    Raises:
        TypeError: the dtype is not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.finfo(rl.float32).bits
        32
    """

    def __init__(self, type=None):
        type = _C.get_default_dtype() if type is None else type
        type = {_C.complex64: _C.float32, _C.complex128: _C.float64}.get(type, type)
        if type not in _FLOATING:
            raise TypeError(f"finfo: type={type} is not a floating dtype; use iinfo for integers")
        self.bits, self.eps, self.max, self.tiny, self.resolution = _FLOATING[type]
        self.min, self.smallest_normal, self.dtype = -self.max, self.tiny, type.name

    def __repr__(self):
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
                f"smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})")


class iinfo:
    """Limits of an integer dtype.

    Args:
        type (dtype): an integer dtype.

    Attributes: bits, min, max, dtype (its name).

    Raises:
        TypeError: the dtype is not an integer one.

    Example:
        >>> import rushlight as rl
        >>> rl.iinfo(rl.int8).max
        127
    """

    def __init__(self, type):
        if type not in _INTEGER:
            raise TypeError(f"iinfo: type={type} is not an integer dtype; use finfo for floating dtypes")
        self.bits, self.min, self.max = _INTEGER[type]
        self.dtype = type.name

    def __repr__(self):
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
