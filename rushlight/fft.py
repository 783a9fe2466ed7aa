"""Discrete Fourier transforms: PyTorch's `torch.fft`."""
from rushlight.functional._composite import in_namespace

globals().update(in_namespace("fft"))
