"""Warnings that point at the program's own line, however deep in the framework they arise."""
import sys
import warnings


def warn(message, category=UserWarning):
    """Warns, as of the first line outside the framework."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "rushlight":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
