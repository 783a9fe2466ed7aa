"""Window functions for spectra and filters: PyTorch's `torch.signal.windows`."""
from rushlight.functional._composite import in_namespace

globals().update(in_namespace("signal.windows"))
