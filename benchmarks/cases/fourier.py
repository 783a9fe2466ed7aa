"""Fourier transforms: many short ones, a long one, one of two dimensions, and spectrograms."""

from benchmarks.case import add

GROUP = "Fourier transforms"
BAR = 1.3


def real_lines(xp):
    return "xp.fft.rfft(x)", {"xp": xp, "x": xp.randn(1000, 1024)}


def transform(xp, size, name):
    return f"xp.fft.{name}(x)", {"xp": xp, "x": xp.view_as_complex(xp.randn(*size, 2))}


def spectrogram(xp):
    options = {"n_fft": 1024, "window": xp.hann_window(1024), "return_complex": True}
    return "xp.stft(x, **options)", {"xp": xp, "x": xp.randn(1_000_000), "options": options}


add("rfft 1024 x 1000", real_lines, group=GROUP, bar=BAR, quick=True)
add("fft 2^20", transform, group=GROUP, bar=BAR, options={"size": (1 << 20,), "name": "fft"})
add("fft 1024", transform, group=GROUP, bar=BAR, options={"size": (1024,), "name": "fft"})
add("fft 100003 (a prime)", transform, group=GROUP, bar=BAR, options={"size": (100003,), "name": "fft"})
add("fft2 512 x 512", transform, group=GROUP, bar=BAR, options={"size": (512, 512), "name": "fft2"})
add("stft of 1e6 samples", spectrogram, group=GROUP, bar=BAR)
