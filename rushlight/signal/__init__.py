"""Signal processing: the window functions, `rushlight.signal.windows`."""
from rushlight.signal import windows  # noqa: F401
