"""Fourier transforms: the standard's extension `fft`."""
import rushlight as rl


def _one(name, about):
    def wrapped(x, /, *, n=None, axis=-1, norm="backward"):
        return getattr(rl.fft, name)(x, n=n, dim=axis, norm=norm)

    return _named(wrapped, name, about)


def _several(name, about):
    def wrapped(x, /, *, s=None, axes=None, norm="backward"):
        return getattr(rl.fft, name)(x, s=s, dim=axes, norm=norm)

    return _named(wrapped, name, about)


def _named(wrapped, name, about):
    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = about
    return wrapped


fft = _one("fft", "The discrete Fourier transform along an axis.")
ifft = _one("ifft", "The inverse of `fft`.")
rfft = _one("rfft", "The first half of `fft` of real numbers, which says everything.")
irfft = _one("irfft", "The inverse of `rfft`.")
hfft = _one("hfft", "The transform, which is real, of a signal whose second half mirrors the first, conjugated.")
ihfft = _one("ihfft", "The inverse of `hfft`.")
fftn = _several("fftn", "The discrete Fourier transform along several axes.")
ifftn = _several("ifftn", "The inverse of `fftn`.")
rfftn = _several("rfftn", "The half of `fftn` of real numbers that says everything.")
irfftn = _several("irfftn", "The inverse of `rfftn`.")


def fftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequency of each coefficient of `fft`."""
    return rl.fft.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequency of each coefficient of `rfft`."""
    return rl.fft.rfftfreq(n, d, dtype=dtype, device=device)


def fftshift(x, /, *, axes=None):
    """The coefficients in the order of their frequencies."""
    return rl.fft.fftshift(x, dim=axes)


def ifftshift(x, /, *, axes=None):
    """The inverse of `fftshift`."""
    return rl.fft.ifftshift(x, dim=axes)
