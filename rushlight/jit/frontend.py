"""Errors of scripting."""


class FrontendError(RuntimeError):
    """A program can't be scripted.

    Example:
        >>> def looks(x):
        ...     return x in [lambda: 1]
        >>> issubclass(rushlight.jit.frontend.FrontendError, RuntimeError)
        True
    """


class NotSupportedError(FrontendError):
    """The program uses something that scripted programs do not have.

    Example:
        >>> issubclass(rushlight.jit.frontend.NotSupportedError, rushlight.jit.frontend.FrontendError)
        True
    """


class UnsupportedNodeError(NotSupportedError):
    """The program uses a construct of Python that scripted programs do not have.

    Example:
        >>> issubclass(rushlight.jit.frontend.UnsupportedNodeError, rushlight.jit.frontend.NotSupportedError)
        True
    """
