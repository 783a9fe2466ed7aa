"""`fork` and `wait`: calls whose results are asked for later."""


class Future:
    """What `fork` gives: the result of a call, or the exception that it raised.

    In scripted programs `Future[T]` is a type, and means T.

    Example:
        >>> rushlight.jit.fork(max, 1, 2).wait()
        2
    """

    def __init__(self):
        self._value = self._error = None

    def __class_getitem__(cls, item):
        return FutureOf(item)

    def wait(self):
        """The result; raises what the call raised."""
        if self._error is not None:
            raise self._error
        return self._value

    def value(self):
        """The same as `wait`."""
        return self.wait()

    def done(self):
        """Whether the result is there: always."""
        return True

    def then(self, callback):
        """A Future of what `callback` gives of this one.

        Args:
            callback (callable): takes the Future.
        """
        return fork(callback, self)


class FutureOf:
    """`Future[T]` as an annotation."""

    def __init__(self, item):
        self.item = item


def fork(func, *args, **kwargs):
    """Calls a function whose result is asked for by `wait`.

    The call runs at once, in the thread of the caller: operators share the machine's cores among themselves. An
    exception comes out at `wait`; in scripted programs, which catch none, where `fork` stands.

    Args:
        func (callable): a function, module, or scripted program.
        args, kwargs: its arguments.

    Returns:
        Future.

    Example:
        >>> later = rushlight.jit.fork(rushlight.add, rushlight.ones(1), 2)
        >>> rushlight.jit.wait(later)
        tensor([3.])
    """
    made = Future()
    try:
        made._value = func(*args, **kwargs)
    except Exception as error:                       # wait() raises it
        made._error = error
    return made


def wait(future):
    """The result of a call that `fork` began; raises what the call raised.

    Args:
        future (Future): what `fork` gave.

    Raises:
        TypeError: it is no Future.

    Example:
        >>> rushlight.jit.wait(rushlight.jit.fork(len, "abc"))
        3
    """
    if not isinstance(future, Future):
        raise TypeError(f"wait: future is a {type(future).__name__}; expected what jit.fork gave")
    return future.wait()
