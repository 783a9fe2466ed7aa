"""Fourier transforms: PyTorch's functions over the three of the core (complex, real to half, half to real)."""
from math import inf, sqrt

from rushlight.functional._composite import composite, write
from rushlight.functional._core import core, native
from rushlight.functional._dims import place_of

ops = core._groups["_ops"]
_SHORT = (core.float16, core.bfloat16)


# ---- what the functions share ---------------------------------------------------------------------------------------

def _numbers(name, input, real=False):
    """The input as the core takes it: integers become the default dtype."""
    if input.is_complex():
        if real:
            raise RuntimeError(f"{name}: input has dtype {input.dtype}; expected a real dtype")
        return input
    if not input.is_floating_point():
        return input.to(core.get_default_dtype())
    if input.dtype in _SHORT:
        raise RuntimeError(f"{name}: input has dtype {input.dtype}; expected float32, float64, complex64 or complex128")
    return input


def _complex(input):
    return input if input.is_complex() else input.to(
        core.complex128 if input.dtype == core.float64 else core.complex64)


def _scale(name, norm, points, forward):
    if norm == "ortho":
        return 1 / sqrt(points)
    if norm not in (None, "backward", "forward"):
        raise RuntimeError(f"{name}: norm={norm!r}; expected 'backward', 'ortho' or 'forward'")
    return 1 / points if forward == (norm == "forward") else 1.0


def _check_points(name, n, input):
    if n < 1:
        raise RuntimeError(
            f"{name}: {n} points can't be transformed, from input of shape {tuple(input.shape)}; expected at least 1")


def _one_dim(name, n, dim, input):
    if not isinstance(dim, int):
        raise TypeError(f"{name}: argument 'dim' must be int, not {type(dim).__name__}")
    if n is not None and not isinstance(n, int):
        raise TypeError(f"{name}: argument 'n' must be int | None, not {type(n).__name__}")
    return place_of(name, dim, input)


def _ints(name, value, argument):
    value = [value] if isinstance(value, int) else value
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, int) for item in value):
        raise TypeError(f"{name}: argument '{argument}' must be int[] | None, not {value!r}")
    return list(value)


def _dims_and_sizes(name, s, dim, input):
    """The dimensions to transform, and how many points along each; None where the input decides."""
    shape = tuple(input.shape)
    s = None if s is None else _ints(name, s, "s")
    dims = None if dim is None else [place_of(name, d, input) for d in _ints(name, dim, "dim")]
    if dims is None:
        if s is not None and len(s) > len(shape):
            raise RuntimeError(f"{name}: s={tuple(s)} has {len(s)} sizes for input of shape {shape}; "
                               f"expected at most {len(shape)}")
        dims = list(range(len(shape) - (len(shape) if s is None else len(s)), len(shape)))
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{name}: dim={tuple(dims)} names a dimension twice; expected different dims")
    if s is not None and len(s) != len(dims):
        raise RuntimeError(f"{name}: s={tuple(s)} and dim={tuple(dims)} differ in length; expected one size for each")
    return dims, [None] * len(dims) if s is None else [None if n == -1 else n for n in s]


def _fit(name, input, dims, sizes):
    """The input cut, or filled up with zeros, to these sizes (None: as it is); and how many points there are."""
    points, same = 1, True
    for dim, n in zip(dims, sizes, strict=True):
        size = input.shape[dim]
        n = size if n is None else n
        _check_points(name, n, input)
        points, same = points * n, same and n == size
    return (input if same else _resized(input, dims, sizes)), points


def _resized(input, dims, sizes):
    padding = [0] * (2 * input.dim() - 2 * min(dims))
    for dim, n in zip(dims, sizes, strict=True):
        size = input.shape[dim]
        if n is not None and n < size:
            input = input.narrow(dim, 0, n)
        padding[2 * (input.dim() - 1 - dim) + 1] = 0 if n is None else max(0, n - size)
    return native.pad(input, padding) if any(padding) else input


def _transform(name, input, dims, sizes, norm, forward):
    """All coefficients, of complex numbers or real ones."""
    input, points = _fit(name, _numbers(name, input), dims, sizes)
    scale = _scale(name, norm, points, forward)
    if not dims:
        return _complex(input).clone()
    if input.is_complex():
        return ops["fft_c2c"](input, dims, scale, forward)
    return ops["fft_r2c"](input, dims, scale, forward, False)


def _halve(name, input, dims, sizes, norm, forward):
    """Real numbers to the half of the coefficients that says everything."""
    _need_one(name, dims, input)
    input, points = _fit(name, _numbers(name, input, real=True), dims, sizes)
    scale = _scale(name, norm, points, forward)
    return ops["fft_r2c"](input, dims, scale, forward, True)


def _unhalve(name, input, dims, sizes, norm, forward):
    """The half of the coefficients to real numbers."""
    _need_one(name, dims, input)
    last = 2 * (input.shape[dims[-1]] - 1) if sizes[-1] is None else sizes[-1]
    _check_points(name, last, input)
    half = last // 2 + 1
    input, points = _fit(name, _numbers(name, input), dims, [*sizes[:-1], half])
    scale = _scale(name, norm, points // half * last, forward)
    return ops["fft_c2r"](_complex(input), dims, last, scale, forward)


def _need_one(name, dims, input):
    if not dims:
        raise RuntimeError(f"{name}: no dimension to transform in input of shape {tuple(input.shape)}; "
                           "expected at least one")


def _along_one(name, kind, input, n, dim, norm, forward):
    dim = _one_dim(name, n, dim, input)
    return kind(name, input, [dim], [n], norm, forward)


def _along_several(name, kind, input, s, dim, norm, forward):
    dims, sizes = _dims_and_sizes(name, s, dim, input)
    return kind(name, input, dims, sizes, norm, forward)


# ---- along one dimension --------------------------------------------------------------------------------------------

@composite("fft.fft out", "widen")
def fft(input, n=None, dim=-1, norm=None):
    """The discrete Fourier transform along `dim`: X[k] = sum over j of x[j] exp(-2 pi i j k / n).

    Args:
        input (Tensor): any dtype but 16-bit floats; integers become the default dtype.
        n (int, optional): points to transform; the input is cut or filled up with zeros. Default: all.
        dim (int): the dimension.
        norm (str, optional): "backward" (None): no factor here; "forward": 1/n; "ortho": 1/sqrt(n).

    Returns:
        Tensor: complex, with n elements along `dim`.

    Raises:
        RuntimeError: n < 1, a 16-bit dtype, or an unknown norm.
        IndexError: dim is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.view_as_real(rl.fft.fft(rl.tensor([1.0, 2.0]))).tolist()
        [[3.0, 0.0], [-1.0, 0.0]]
    """
    return _along_one("fft", _transform, input, n, dim, norm, True)


@composite("fft.ifft out", "widen")
def ifft(input, n=None, dim=-1, norm=None):
    """The inverse of `fft` along `dim`.

    Args:
        input (Tensor): any dtype but 16-bit floats; integers become the default dtype.
        n (int, optional): points to transform; the input is cut or filled up with zeros. Default: all.
        dim (int): the dimension.
        norm (str, optional): "backward" (None): 1/n; "forward": no factor here; "ortho": 1/sqrt(n).

    Raises:
        RuntimeError: n < 1, a 16-bit dtype, or an unknown norm.

    Example:
        >>> import rushlight as rl
        >>> rl.real(rl.fft.ifft(rl.tensor([3.0, -1.0]))).tolist()
        [1.0, 2.0]
    """
    return _along_one("ifft", _transform, input, n, dim, norm, False)


@composite("fft.rfft out", "widen")
def rfft(input, n=None, dim=-1, norm=None):
    """The first half of `fft` of real numbers; the other half is its mirror image, conjugated.

    Args:
        input (Tensor): float32 or float64; integers become the default dtype.
        n (int, optional): points to transform; the input is cut or filled up with zeros. Default: all.
        dim (int): the dimension.
        norm (str, optional): as in `fft`.

    Returns:
        Tensor: complex, with n // 2 + 1 elements along `dim`.

    Raises:
        RuntimeError: the input is complex or of 16 bits, n < 1, or an unknown norm.

    Example:
        >>> import rushlight as rl
        >>> rl.view_as_real(rl.fft.rfft(rl.tensor([1.0, 2.0, 3.0, 4.0]))).tolist()
        [[10.0, 0.0], [-2.0, 2.0], [-2.0, 0.0]]
    """
    return _along_one("rfft", _halve, input, n, dim, norm, True)


@composite("fft.irfft out", "widen")
def irfft(input, n=None, dim=-1, norm=None):
    """The inverse of `rfft`: real numbers from the first half of their coefficients.

    Args:
        input (Tensor): any dtype but 16-bit floats.
        n (int, optional): points of the result; give it when they are odd. Default: 2 (input.shape[dim] - 1).
        dim (int): the dimension.
        norm (str, optional): as in `ifft`.

    Raises:
        RuntimeError: n < 1, a 16-bit dtype, or an unknown norm.

    Example:
        >>> import rushlight as rl
        >>> rl.fft.irfft(rl.fft.rfft(rl.tensor([1.0, 2.0, 3.0])), n=3).round().tolist()
        [1.0, 2.0, 3.0]
    """
    return _along_one("irfft", _unhalve, input, n, dim, norm, False)


@composite("fft.hfft out", "widen")
def hfft(input, n=None, dim=-1, norm=None):
    """The transform, which is real, of a signal whose second half mirrors the given one, conjugated.

    Args:
        input (Tensor): the first half, any dtype but 16-bit floats.
        n (int, optional): points of the result. Default: 2 (input.shape[dim] - 1).
        dim (int): the dimension.
        norm (str, optional): as in `fft`.

    Raises:
        RuntimeError: n < 1, a 16-bit dtype, or an unknown norm.

    Example:
        >>> import rushlight as rl
        >>> rl.fft.hfft(rl.tensor([1.0, 2.0, 3.0])).tolist()
        [8.0, -2.0, 0.0, -2.0]
    """
    return _along_one("hfft", _unhalve, input, n, dim, norm, True)


@composite("fft.ihfft out", "widen")
def ihfft(input, n=None, dim=-1, norm=None):
    """The inverse of `hfft`: the first half of the inverse transform of real numbers.

    Args:
        input (Tensor): float32 or float64; integers become the default dtype.
        n (int, optional): points to transform; the input is cut or filled up with zeros. Default: all.
        dim (int): the dimension.
        norm (str, optional): as in `ifft`.

    Raises:
        RuntimeError: the input is complex or of 16 bits, n < 1, or an unknown norm.

    Example:
        >>> import rushlight as rl
        >>> rl.real(rl.fft.ihfft(rl.tensor([8.0, -2.0, 0.0, -2.0]))).tolist()
        [1.0, 2.0, 3.0]
    """
    return _along_one("ihfft", _halve, input, n, dim, norm, False)


# ---- along several --------------------------------------------------------------------------------------------------

def _several(name, kind, forward, about, one, example):
    """Publishes `name`n, along any dimensions, and `name`2, along the last two."""
    def transform_n(input, s=None, dim=None, norm=None):
        return _along_several(name + "n", kind, input, s, dim, norm, forward)

    def transform_2(input, s=None, dim=(-2, -1), norm=None):
        return _along_several(name + "2", kind, input, s, dim, norm, forward)

    for function, suffix, where, default in (
        (transform_n, "n", "several dimensions", "all, or the last len(s)"),
        (transform_2, "2", "two dimensions", "the last two"),
    ):
        full = name + suffix
        function.__name__ = function.__qualname__ = full
        function.__doc__ = f"""{about} along {where}.

    Args:
        input (Tensor): as of `{name}`.
        s (tuple of int, optional): points along each of the dims, {one}; -1 for the input's own.
        dim (tuple of int, optional): the dimensions. Default: {default}.
        norm (str, optional): as in `{name}`; n is the product of the sizes.

    Raises:
        RuntimeError: s and dim do not fit each other or the input, or what `{name}` refuses.
        IndexError: a dim is out of range.

    Example:
        >>> import rushlight as rl
        >>> {example.format(full)}
    """
        composite(f"fft.{full} out", "widen")(function)


_several("fft", _transform, True, "The discrete Fourier transform", "to which the input is cut or filled up",
         "rl.real(rl.fft.{}(rl.ones(2, 2))).tolist()\n        [[4.0, 0.0], [0.0, 0.0]]")
_several("ifft", _transform, False, "The inverse discrete Fourier transform", "to which the input is cut or filled up",
         "rl.real(rl.fft.{}(rl.ones(2, 2))).tolist()\n        [[1.0, 0.0], [0.0, 0.0]]")
_several("rfft", _halve, True, "The transform of real numbers, of the last of the dims only the first half,",
         "to which the input is cut or filled up",
         "rl.fft.{}(rl.ones(2, 4)).shape\n        rushlight.Size([2, 3])")
_several("irfft", _unhalve, False, "The inverse of `rfftn`: real numbers from half of their coefficients",
         "the last one that of the result",
         "rl.fft.{}(rl.ones(2, 3)).shape\n        rushlight.Size([2, 4])")
_several("hfft", _unhalve, True, "The real transform of a signal given by half, mirrored,",
         "the last one that of the result",
         "rl.fft.{}(rl.ones(2, 3)).shape\n        rushlight.Size([2, 4])")
_several("ihfft", _halve, False, "The inverse transform of real numbers, of the last of the dims only the first half,",
         "to which the input is cut or filled up",
         "rl.fft.{}(rl.ones(2, 4)).shape\n        rushlight.Size([2, 3])")


# ---- frequencies and their order ------------------------------------------------------------------------------------

def _frequencies(name, numbers, n, d, out, dtype, device, requires_grad):
    dtype = core.get_default_dtype() if dtype is None and out is None else out.dtype if dtype is None else dtype
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name}: dtype={dtype}; expected a floating dtype")
    result = numbers.to(dtype) * (1 / (n * d) if n * d else inf)
    result = result if device is None else result.to(device)
    if out is not None:
        return write(name, out, result)
    return result.requires_grad_() if requires_grad else result


def _check_count(name, n):
    if not isinstance(n, int):
        raise TypeError(f"{name}: argument 'n' must be int, not {type(n).__name__}")


@composite("fft.fftfreq")
def fftfreq(n, d=1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequency of each coefficient of `fft`: [0, 1, ..., (n - 1) // 2, -(n // 2), ..., -1] / (n d).

    Args:
        n (int): points that are transformed.
        d (float): time from one to the next.
        out (Tensor, optional): where the result goes.
        dtype (dtype, optional): floating. Default: the default dtype.
        layout (optional): strided.
        device (optional): where to.
        requires_grad (bool): whether gradients are wanted.

    Raises:
        RuntimeError: n is negative, or the dtype not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.fft.fftfreq(4).tolist()
        [0.0, 0.25, -0.5, -0.25]
    """
    _check_count("fftfreq", n)
    if n < 0:
        raise RuntimeError(f"fftfreq: n={n} is negative; expected n >= 0")
    numbers = core.cat([core.arange((n + 1) // 2), core.arange(-(n // 2), 0)])
    return _frequencies("fftfreq", numbers, n, d, out, dtype, device, requires_grad)


@composite("fft.rfftfreq")
def rfftfreq(n, d=1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequency of each coefficient of `rfft`: [0, 1, ..., n // 2] / (n d).

    Args:
        n (int): points that are transformed.
        d (float): time from one to the next.
        out (Tensor, optional): where the result goes.
        dtype (dtype, optional): floating. Default: the default dtype.
        layout (optional): strided.
        device (optional): where to.
        requires_grad (bool): whether gradients are wanted.

    Raises:
        RuntimeError: the dtype is not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.fft.rfftfreq(4).tolist()
        [0.0, 0.25, 0.5]
    """
    _check_count("rfftfreq", n)
    numbers = core.arange(max(0, n // 2 + 1))
    return _frequencies("rfftfreq", numbers, n, d, out, dtype, device, requires_grad)


def _rolled(name, input, dim, offset):
    dims = range(input.dim()) if dim is None else [place_of(name, d, input) for d in _ints(name, dim, "dim")]
    shifts = [(input.shape[d] + offset) // 2 for d in dims]
    return input.roll(shifts, tuple(dims)) if shifts else input.clone()


@composite("fft.fftshift")
def fftshift(input, dim=None):
    """The coefficients of `fftn` in the order of their frequencies: negative ones first.

    Args:
        input (Tensor): any dtype.
        dim (int or tuple of int, optional): the dimensions to put in order. Default: all.

    Raises:
        IndexError: a dim is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.fft.fftshift(rl.fft.fftfreq(4)).tolist()
        [-0.5, -0.25, 0.0, 0.25]
    """
    return _rolled("fftshift", input, dim, 0)


@composite("fft.ifftshift")
def ifftshift(input, dim=None):
    """The inverse of `fftshift`.

    Args:
        input (Tensor): any dtype.
        dim (int or tuple of int, optional): the dimensions to put back. Default: all.

    Raises:
        IndexError: a dim is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.fft.ifftshift(rl.tensor([-1, 0, 1])).tolist()
        [0, 1, -1]
    """
    return _rolled("ifftshift", input, dim, 1)
