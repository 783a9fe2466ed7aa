"""Finding where a gradient went wrong."""

from rushlight import _C


class set_detect_anomaly:
    """Switches anomaly mode: at once when called, and until the end of the block as a context manager.

    In this mode every recorded operation remembers the Python stack of its call, and a backward pass that
    makes NaN
    raises RuntimeError with the operation's name and that stack. It is slow: for debugging only.

    Args:
        mode: bool, True to switch it on.
        check_nan: bool, look for NaN in gradients. Default: True.
    """

    def __init__(self, mode, check_nan=True):
        self._before = _C.is_anomaly_enabled(), _C.is_anomaly_check_nan_enabled()
        _C._set_anomaly(bool(mode), bool(check_nan))

    def __enter__(self):
        pass

    def __exit__(self, *error):
        _C._set_anomaly(*self._before)


class detect_anomaly:
    """Anomaly mode for a block: see `set_detect_anomaly`.

    Args:
        check_nan: bool, look for NaN in gradients. Default: True.

    Example:
        >>> with rushlight.autograd.detect_anomaly():
        ...     x = rushlight.ones(1, requires_grad=True)
        ...     (x * 2).sum().backward()
    """

    def __init__(self, check_nan=True):
        self.check_nan = bool(check_nan)

    def __enter__(self):
        self._before = _C.is_anomaly_enabled(), _C.is_anomaly_check_nan_enabled()
        _C._set_anomaly(True, self.check_nan)

    def __exit__(self, *error):
        _C._set_anomaly(*self._before)
