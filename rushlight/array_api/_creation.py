"""Making arrays."""
import rushlight as rl


def shape_of(shape):
    """A shape given as a tuple or as one int."""
    return (shape,) if isinstance(shape, int) else tuple(shape)


def arange(start, /, stop=None, step=1, *, dtype=None, device=None):
    """Evenly spaced numbers from `start` until before `stop`; from 0 where `stop` is None.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.arange(3)
        tensor([0, 1, 2])
    """
    if stop is None:
        start, stop = 0, start
    if dtype is None and any(isinstance(x, float) for x in (start, stop, step)):
        dtype = rl.get_default_dtype()
    if step != 0 and (stop - start) / step <= 0:
        stop = start
    return rl.arange(start, stop, step, dtype=dtype, device=device)


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    """An array of Python numbers, nested sequences, buffers or another array.

    Args:
        obj: what to convert.
        dtype (dtype, optional): its own by default.
        device (device, optional): where the array shall be.
        copy (bool, optional): True copies always, False never, None where needed.

    Raises:
        ValueError: copy=False and a copy is needed.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.asarray([1, 2])
        tensor([1, 2])
    """
    return rl.asarray(obj, dtype=dtype, device=device, copy=copy)


def empty(shape, *, dtype=None, device=None):
    """An array whose elements are not set."""
    return rl.empty(shape_of(shape), dtype=dtype, device=device)


def empty_like(x, /, *, dtype=None, device=None):
    """An array as `empty` makes, of the shape of `x`."""
    return rl.empty_like(x, dtype=dtype, device=device)


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None):
    """A matrix with ones on diagonal `k` and zeros elsewhere.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.eye(2, 3, k=1, dtype=xp.int64)
        tensor([[0, 1, 0],
                [0, 0, 1]])
    """
    n_cols = n_rows if n_cols is None else n_cols
    if k == 0:
        return rl.eye(n_rows, n_cols, dtype=dtype, device=device)
    out = rl.zeros((n_rows, n_cols), dtype=dtype, device=device)
    if -n_rows < k < n_cols:
        out.diagonal(k).fill_(1)
    return out


def from_dlpack(x, /, *, device=None, copy=None):
    """An array over the memory of an object with `__dlpack__`.

    Args:
        x: the object.
        device (device, optional): where the array shall be; only the object's own device.
        copy (bool, optional): True copies always, False never, None where needed.

    Example:
        >>> import numpy as np
        >>> from rushlight import array_api as xp
        >>> xp.from_dlpack(np.arange(3))
        tensor([0, 1, 2])
    """
    return rl.from_dlpack(x, device=device, copy=copy)


def full(shape, fill_value, *, dtype=None, device=None):
    """An array of one value."""
    return rl.full(shape_of(shape), fill_value, dtype=dtype, device=device)


def full_like(x, /, fill_value, *, dtype=None, device=None):
    """An array of one value, of the shape and by default the dtype of `x`."""
    return rl.full_like(x, fill_value, dtype=dtype, device=device)


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True):
    """`num` evenly spaced numbers from `start` to `stop`, which is left out where `endpoint` is False.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.linspace(0, 1, 4, endpoint=False)
        tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    if not endpoint:
        return linspace(start, stop, num + 1, dtype=dtype, device=device)[:-1]
    if isinstance(start, complex) or isinstance(stop, complex):
        start, stop = complex(start), complex(stop)
        part = rl.float64 if dtype == rl.complex128 else rl.float32 if dtype == rl.complex64 else None
        return rl.complex(rl.linspace(start.real, stop.real, num, dtype=part, device=device),
                          rl.linspace(start.imag, stop.imag, num, dtype=part, device=device))
    return rl.linspace(start, stop, num, dtype=dtype, device=device)


def meshgrid(*arrays, indexing="xy"):
    """Matrices of coordinates from vectors of coordinates: a tuple with one for each."""
    return tuple(rl.meshgrid(*arrays, indexing=indexing))


def ones(shape, *, dtype=None, device=None):
    """An array of ones."""
    return rl.ones(shape_of(shape), dtype=dtype, device=device)


def ones_like(x, /, *, dtype=None, device=None):
    """An array of ones, of the shape of `x`."""
    return rl.ones_like(x, dtype=dtype, device=device)


def tril(x, /, *, k=0):
    """The elements on and below diagonal `k` of each matrix, and zeros above."""
    return rl.tril(x, diagonal=k)


def triu(x, /, *, k=0):
    """The elements on and above diagonal `k` of each matrix, and zeros below."""
    return rl.triu(x, diagonal=k)


def zeros(shape, *, dtype=None, device=None):
    """An array of zeros."""
    return rl.zeros(shape_of(shape), dtype=dtype, device=device)


def zeros_like(x, /, *, dtype=None, device=None):
    """An array of zeros, of the shape of `x`."""
    return rl.zeros_like(x, dtype=dtype, device=device)
