"""Finding the operator and the line where a NaN or an infinity came into a program."""
import linecache
import os
import sys

from rushlight import _C

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
#: Their results hold whatever was in memory.
_UNWRITTEN = ("empty", "new_empty", "empty_like", "empty_strided", "empty_permuted", "resize_")


def users_line():
    """The innermost line of the program that is not Rushlight's own: its file, number, function and text."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, line).strip()
    return f"{file}:{line}, in {frame.f_code.co_name}" + (f": {text}" if text else "")


def _tensors(values):
    for value in values:
        if isinstance(value, _C.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _is_wide(tensor):
    return (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel() > 0


class detect_nonfinite:
    """In the block, the operator that first makes a NaN or an infinity out of finite numbers raises.

    The error names the operator, what its result holds, and the line of the program that called it; in a backward
    pass, the node and the lines that recorded it. What is infinite on purpose is let through: a result counts only
    where all arguments are finite, so `masked_fill(mask, -inf)` and what follows from it pass. For debugging: it looks
    through every result, in the thread of the block.

    Args:
        nan (bool): look for NaN. Default: True.
        inf (bool): look for infinities. Default: True.

    Raises:
        RuntimeError: such a result; or another tool watches this thread's calls.

    Example:
        >>> import rushlight as rl
        >>> with rl.utils.inspect.detect_nonfinite():
        ...     y = rl.tensor([1.0, 0.0]).log()
        Traceback (most recent call last):
        ...
        RuntimeError: log: result 0 of shape (2,) holds -inf at (1,) (1 of 2 elements are not finite), although all its
        arguments are finite; called at ...
    """

    def __init__(self, nan=True, inf=True):
        self.nan, self.inf = bool(nan), bool(inf)

    def __enter__(self):
        self._anomaly = _C.is_anomaly_enabled(), _C.is_anomaly_check_nan_enabled()
        _C._watch_calls(self._before, self._after)
        _C._set_anomaly(True, True, self.inf)
        return self

    def __exit__(self, *error):
        _C._watch_calls(None, None)
        _C._set_anomaly(*self._anomaly)

    def _wrong(self, tensor):
        """Where a tensor is not what it should be, as a tensor of truth values."""
        if self.nan and self.inf:
            return _C.logical_not(_C.isfinite(tensor))
        return _C.isnan(tensor) if self.nan else _C.isinf(tensor)

    def _is_clean(self, values):
        for value in values:
            if isinstance(value, float) and not abs(value) < float("inf"):
                return False
        return not any(self._wrong(tensor).any() for tensor in _tensors(values) if _is_wide(tensor))

    def _before(self, name, given, depth, in_place):
        # A call in place writes over its argument: only now can it be seen.
        return self._is_clean(given) if in_place and not _C._current_walk() else None

    def _after(self, name, given, depth, results, was_clean):
        if name in _UNWRITTEN or _C._current_walk():
            return
        for number, result in enumerate(results):
            if not _is_wide(result):
                continue
            wrong = self._wrong(result)
            if not wrong.any():
                continue
            if was_clean is None:
                was_clean = self._is_clean(given)
            if was_clean:
                place = tuple(wrong.nonzero()[0].tolist())
                raise RuntimeError(
                    f"{name}: result {number} of shape {tuple(result.shape)} holds {result[place].item()} at {place} "
                    f"({int(wrong.sum())} of {result.numel()} elements are not finite), although all its arguments "
                    f"are finite; called at {users_line()}")
