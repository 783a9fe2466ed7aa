"""Window functions: weights that taper a stretch of signal off. They are computed in float64 and rounded once."""
from collections.abc import Iterable
from math import pi, sqrt

from rushlight.functional._composite import composite
from rushlight.functional._core import core

# ---- what they share ------------------------------------------------------------------------------------------------

def _check(name, M, argument, error):
    if not isinstance(M, int):
        raise TypeError(f"{name}: argument '{argument}' must be int, not {type(M).__name__}")
    if M < 0:
        raise error(f"{name}: {argument}={M} is negative; expected a length of 0 or more")


def _finish(name, window, error, dtypes, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    dtype = core.get_default_dtype() if dtype is None else dtype
    if dtype not in dtypes:
        raise error(f"{name}: dtype={dtype}; expected {' or '.join(str(d).rpartition('.')[2] for d in dtypes)}")
    if layout not in (None, "strided"):
        raise error(f"{name}: layout={layout!r}; expected strided")
    window = window.to(dtype)
    window = window if device is None else window.to(device)
    return window.requires_grad_() if requires_grad else window


def _old(name, window_length, periodic, shape, options):
    """A function of the top namespace: of floating dtypes, periodic unless told."""
    _check(name, window_length, "window_length", RuntimeError)
    floating = (core.float32, core.float64, core.float16, core.bfloat16)
    return _finish(name, shape(window_length, not periodic), RuntimeError, floating, **options)


def _new(name, M, sym, shape, options):
    """A function of signal.windows: float32 or float64, symmetric unless told."""
    _check(name, M, "M", ValueError)
    return _finish(name, shape(M, sym), ValueError, (core.float32, core.float64), **options)


def _steps(M, sym):
    """0, 1, ... M - 1 over the last of them, or over M for a window that is one period."""
    return core.arange(M, dtype=core.float64) / max(1, M - 1 if sym else M)


def _cosines(coefficients):
    """The shape sum of (-1)^i a_i cos(2 pi i t)."""
    def shape(M, sym):
        if M <= 1:
            return core.ones(M, dtype=core.float64)
        t = _steps(M, sym) * (2 * pi)
        return sum((-1) ** i * a * (t * i).cos() for i, a in enumerate(coefficients))
    return shape


def _triangle(M, sym):
    return core.ones(M, dtype=core.float64) if M == 1 else 1 - (2 * _steps(M, sym) - 1).abs()


def _bessel(beta):
    """The shape of Kaiser's window."""
    def shape(M, sym):
        if M == 1:
            return core.ones(1, dtype=core.float64)
        x = 2 * _steps(M, sym) - 1
        return core.i0(beta * (1 - x * x).clamp(min=0).sqrt()) / core.i0(core.tensor(float(beta), dtype=core.float64))
    return shape


# ---- of the top namespace -------------------------------------------------------------------------------------------

@composite("hann_window")
def hann_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False,
                requires_grad=False):
    """Hann's window, (1 - cos(2 pi t)) / 2.

    Args:
        window_length (int): how many weights.
        periodic (bool): one period of a longer signal; False makes the weights symmetric.
        dtype (dtype, optional): floating. Default: the default dtype.
        layout, device, pin_memory (optional): as of other factories.
        requires_grad (bool): whether gradients are wanted.

    Raises:
        RuntimeError: the length is negative, or the dtype not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.hann_window(4).tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    options = dict(dtype=dtype, layout=layout, device=device, pin_memory=pin_memory, requires_grad=requires_grad)
    return _old("hann_window", window_length, periodic, _cosines((0.5, 0.5)), options)


@composite("hamming_window")
def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, layout=None, device=None,
                   pin_memory=False, requires_grad=False):
    """Hamming's window, alpha - beta cos(2 pi t).

    Args:
        window_length (int): how many weights.
        periodic (bool): one period of a longer signal; False makes the weights symmetric.
        alpha, beta (float): the coefficients.
        dtype (dtype, optional): floating. Default: the default dtype.
        layout, device, pin_memory (optional): as of other factories.
        requires_grad (bool): whether gradients are wanted.

    Raises:
        RuntimeError: the length is negative, or the dtype not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.hamming_window(4, alpha=0.75, beta=0.25).tolist()
        [0.5, 0.75, 1.0, 0.75]
    """
    options = dict(dtype=dtype, layout=layout, device=device, pin_memory=pin_memory, requires_grad=requires_grad)
    return _old("hamming_window", window_length, periodic, _cosines((alpha, beta)), options)


@composite("blackman_window")
def blackman_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False,
                    requires_grad=False):
    """Blackman's window, 0.42 - 0.5 cos(2 pi t) + 0.08 cos(4 pi t).

    Args:
        window_length (int): how many weights.
        periodic (bool): one period of a longer signal; False makes the weights symmetric.
        dtype (dtype, optional): floating. Default: the default dtype.
        layout, device, pin_memory (optional): as of other factories.
        requires_grad (bool): whether gradients are wanted.

    Raises:
        RuntimeError: the length is negative, or the dtype not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.blackman_window(2)[1].item()
        1.0
    """
    options = dict(dtype=dtype, layout=layout, device=device, pin_memory=pin_memory, requires_grad=requires_grad)
    return _old("blackman_window", window_length, periodic, _cosines((0.42, 0.5, 0.08)), options)


@composite("bartlett_window")
def bartlett_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False,
                    requires_grad=False):
    """Bartlett's window, a triangle.

    Args:
        window_length (int): how many weights.
        periodic (bool): one period of a longer signal; False makes the weights symmetric.
        dtype (dtype, optional): floating. Default: the default dtype.
        layout, device, pin_memory (optional): as of other factories.
        requires_grad (bool): whether gradients are wanted.

    Raises:
        RuntimeError: the length is negative, or the dtype not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.bartlett_window(4).tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    options = dict(dtype=dtype, layout=layout, device=device, pin_memory=pin_memory, requires_grad=requires_grad)
    return _old("bartlett_window", window_length, periodic, _triangle, options)


@composite("kaiser_window")
def kaiser_window(window_length, periodic=True, beta=12.0, *, dtype=None, layout=None, device=None, pin_memory=False,
                  requires_grad=False):
    """Kaiser's window, I0(beta sqrt(1 - (2 t - 1)^2)) / I0(beta).

    Args:
        window_length (int): how many weights.
        periodic (bool): one period of a longer signal; False makes the weights symmetric.
        beta (float): the larger, the narrower.
        dtype (dtype, optional): floating. Default: the default dtype.
        layout, device, pin_memory (optional): as of other factories.
        requires_grad (bool): whether gradients are wanted.

    Raises:
        RuntimeError: the length is negative, or the dtype not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.kaiser_window(2)[1].item()
        1.0
    """
    options = dict(dtype=dtype, layout=layout, device=device, pin_memory=pin_memory, requires_grad=requires_grad)
    return _old("kaiser_window", window_length, periodic, _bessel(beta), options)


# ---- of signal.windows ----------------------------------------------------------------------------------------------

_DOC = """{about}

    Args:
        M (int): how many weights.{arguments}
        sym (bool): symmetric weights, for filters; False makes them one period of a longer signal.
        dtype (dtype, optional): float32 or float64. Default: the default dtype.
        layout, device (optional): as of other factories.
        requires_grad (bool): whether gradients are wanted.

    Raises:
        ValueError: the length is negative, the dtype another one{errors}.

    Example:
        >>> import rushlight as rl
        >>> rl.signal.windows.{name}({call}).numel()
        5
    """


def _publish(about, call="5", arguments="", errors=""):
    def publish(function):
        name = function.__name__
        function.__doc__ = _DOC.format(about=about, call=call, name=name, errors=errors, arguments="".join(
            f"\n        {line}" for line in arguments.splitlines()))
        return composite(f"signal.windows.{name}")(function)
    return publish


@_publish("A triangle.")
def bartlett(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    return _new("bartlett", M, sym, _triangle, dict(dtype=dtype, layout=layout, device=device,
                                                    requires_grad=requires_grad))


@_publish("A sum of cosines, sum over i of (-1)^i a_i cos(2 pi i t).", "5, a=[0.46, 0.23, 0.31]",
          "a (iterable of float): the coefficients.", ", or there are no coefficients")
def general_cosine(M, *, a, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    if not isinstance(a, Iterable):
        raise TypeError(f"general_cosine: argument 'a' must be an iterable of float, not {type(a).__name__}")
    a = list(a)
    if not a:
        raise ValueError("general_cosine: a=[] is empty; expected at least one coefficient")
    return _new("general_cosine", M, sym, _cosines(a), dict(dtype=dtype, layout=layout, device=device,
                                                            requires_grad=requires_grad))


@_publish("Blackman's window, 0.42 - 0.5 cos(2 pi t) + 0.08 cos(4 pi t).")
def blackman(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    return _new("blackman", M, sym, _cosines((0.42, 0.5, 0.08)), dict(
        dtype=dtype, layout=layout, device=device, requires_grad=requires_grad))


@_publish("Nuttall's window of four terms, the smallest side lobes of its kind.")
def nuttall(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    return _new("nuttall", M, sym, _cosines((0.3635819, 0.4891775, 0.1365995, 0.0106411)), dict(
        dtype=dtype, layout=layout, device=device, requires_grad=requires_grad))


@_publish("A generalised Hamming window, alpha - (1 - alpha) cos(2 pi t).", "5, alpha=0.6",
          "alpha (float): the coefficient. Default: 0.54.")
def general_hamming(M, *, alpha=0.54, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    return _new("general_hamming", M, sym, _cosines((alpha, 1 - alpha)), dict(
        dtype=dtype, layout=layout, device=device, requires_grad=requires_grad))


@_publish("Hamming's window, 0.54 - 0.46 cos(2 pi t).")
def hamming(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    return _new("hamming", M, sym, _cosines((0.54, 1 - 0.54)), dict(
        dtype=dtype, layout=layout, device=device, requires_grad=requires_grad))


@_publish("Hann's window, (1 - cos(2 pi t)) / 2.")
def hann(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    return _new("hann", M, sym, _cosines((0.5, 0.5)), dict(
        dtype=dtype, layout=layout, device=device, requires_grad=requires_grad))


@_publish("Half a wave, sin(pi (n + 0.5) / M).")
def cosine(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    def shape(M, sym):
        whole = M + 1 if not sym and M > 1 else max(1, M)
        return ((core.arange(M, dtype=core.float64) + 0.5) * (pi / whole)).sin()
    return _new("cosine", M, sym, shape, dict(dtype=dtype, layout=layout, device=device, requires_grad=requires_grad))


@_publish("An exponential rise and fall, exp(-|n - center| / tau).", "5, tau=2.0",
          "center (float, optional): where the peak is, of windows that are not symmetric. Default: the middle.\n"
          "tau (float): how slowly it falls. Default: 1.0.", ", tau not positive, or center given with sym")
def exponential(M, *, center=None, tau=1.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    if tau <= 0:
        raise ValueError(f"exponential: tau={tau}; expected a positive number")
    if sym and center is not None:
        raise ValueError(f"exponential: center={center} is for sym=False; expected None for symmetric windows")

    def shape(M, sym):
        middle = center if center is not None else (M if not sym and M > 1 else M - 1) / 2
        return (-(core.arange(M, dtype=core.float64) - middle).abs() / tau).exp()
    return _new("exponential", M, sym, shape, dict(dtype=dtype, layout=layout, device=device,
                                                   requires_grad=requires_grad))


@_publish("A bell, exp(-(n - middle)^2 / (2 std^2)).", "5, std=0.9",
          "std (float): its standard deviation. Default: 1.0.", ", or std not positive")
def gaussian(M, *, std=1.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    if std <= 0:
        raise ValueError(f"gaussian: std={std}; expected a positive number")

    def shape(M, sym):
        middle = (M if not sym and M > 1 else M - 1) / 2
        return (-((core.arange(M, dtype=core.float64) - middle) / (std * sqrt(2))).square()).exp()
    return _new("gaussian", M, sym, shape, dict(dtype=dtype, layout=layout, device=device,
                                                requires_grad=requires_grad))


@_publish("Kaiser's window, I0(beta sqrt(1 - (2 t - 1)^2)) / I0(beta).", "5, beta=4.0",
          "beta (float): the larger, the narrower. Default: 12.0.", ", or beta negative")
def kaiser(M, *, beta=12.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    if beta < 0:
        raise ValueError(f"kaiser: beta={beta} is negative; expected 0 or more")
    return _new("kaiser", M, sym, _bessel(beta), dict(dtype=dtype, layout=layout, device=device,
                                                      requires_grad=requires_grad))
