"""Tensors with random values for tests."""

from rushlight import _C

_LIMITS = {
    _C.bool: (0, 2),
    _C.uint8: (0, 10),
    _C.uint16: (0, 10),
    _C.uint32: (0, 10),
    _C.uint64: (0, 10),
    _C.int8: (-9, 10),
    _C.int16: (-9, 10),
    _C.int32: (-9, 10),
    _C.int64: (-9, 10),
}


def _bounds(dtype, low, high):
    default_low, default_high = _LIMITS.get(dtype, (-9, 9))
    low = default_low if low is None else low
    high = default_high if high is None else high
    if low != low or high != high:
        raise ValueError(f"make_tensor: low={low} and high={high} must not be NaN")
    if low > high or (low == high and dtype in _LIMITS):
        raise ValueError(f"make_tensor: low={low} is not below high={high}")
    return low, high


def make_tensor(
    *shape,
    dtype,
    device=None,
    low=None,
    high=None,
    requires_grad=False,
    noncontiguous=False,
    exclude_zero=False,
    memory_format=None,
):
    """A tensor with values drawn evenly from [low, high).

    Args:
        shape: sizes, as ints or one sequence.
        dtype: the dtype of the result.
        device: "cpu" or None.
        low, high: the range; by default [0, 2) for bool, [0, 10) for unsigned integers, [-9, 10) for integers, [-9, 9)
            otherwise.
        requires_grad: record operations on it; floating and complex dtypes only.
        noncontiguous: every second element of a larger memory.
        exclude_zero: replace zeros by the smallest positive value, or one.
        memory_format: accepted and without effect.

    Raises:
        ValueError: the range is empty, or requires_grad with an integer dtype.

    Example:
        >>> rushlight.testing.make_tensor(2, 3, dtype=rushlight.float32).shape
        rushlight.Size([2, 3])
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    floating = dtype not in _LIMITS
    if requires_grad and not floating:
        raise ValueError(f"make_tensor: requires_grad=True needs a floating or complex dtype, got {dtype}")
    low, high = _bounds(dtype, low, high)
    made = _C.empty(sizes + (2,) if noncontiguous and sizes else sizes, dtype=dtype)
    if dtype.is_complex:
        _C.view_as_real(made).uniform_(low, high)
    elif floating:
        made.uniform_(low, high)
    else:
        made.random_(int(low), int(high))
    if noncontiguous and sizes:
        made = made.select(-1, 0)
    if exclude_zero:
        smallest = (
            1
            if not floating
            else 1e-6
            if dtype in (_C.float32, _C.float64, _C.complex64, _C.complex128)
            else 1e-3
        )
        made = (
            made.masked_fill(made == 0, smallest)
            if not noncontiguous
            else made.masked_fill_(made == 0, smallest)
        )
    return made.requires_grad_(requires_grad)
