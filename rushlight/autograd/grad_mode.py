"""Modes in which operations are recorded or not. Each is a context manager and a decorator."""

from rushlight import _C

_IS_GENERATOR_FUNCTION = 0x20  # CO_GENERATOR; the inspect module is too slow to import for one flag


def _like(wrapper, function):
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        try:
            setattr(wrapper, name, getattr(function, name))
        except AttributeError:
            pass
    wrapper.__dict__.update(getattr(function, "__dict__", {}))
    wrapper.__wrapped__ = function
    return wrapper


def _decorated_generator(context, function):
    def wrapper(*args, **kwargs):
        steps = function(*args, **kwargs)
        send, value = steps.send, None
        while True:  # the mode holds while the generator runs, not while its consumer does
            try:
                with context.clone():
                    item = send(value)
            except StopIteration as end:
                return end.value
            try:
                value = yield item
                send = steps.send
            except GeneratorExit:
                with context.clone():
                    steps.close()
                raise
            except BaseException as error:
                send, value = steps.throw, error

    return _like(wrapper, function)


class _Mode:
    __slots__ = ("_before",)

    def clone(self):
        return type(self)()

    def __call__(self, function):
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _IS_GENERATOR_FUNCTION:
            return _decorated_generator(self, function)

        def wrapper(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)

        return _like(wrapper, function)


class no_grad(_Mode):
    """Operations inside are not recorded; their results do not require grad.

    A context manager or a decorator, with or without parentheses.

    Example:
        >>> x = rushlight.ones(2, requires_grad=True)
        >>> with rushlight.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    __slots__ = ()

    def __new__(cls, function=None):
        made = super().__new__(cls)
        return made if function is None else made(function)

    def __enter__(self):
        self._before = _C.is_grad_enabled()
        _C._set_grad_enabled(False)

    def __exit__(self, *error):
        _C._set_grad_enabled(self._before)


class enable_grad(_Mode):
    """Operations inside are recorded, also within `no_grad`.

    Example:
        >>> x = rushlight.ones(2, requires_grad=True)
        >>> with rushlight.no_grad(), rushlight.enable_grad():
        ...     y = x * 2
        >>> y.requires_grad
        True
    """

    __slots__ = ()

    def __new__(cls, function=None):
        made = super().__new__(cls)
        return made if function is None else made(function)

    def __enter__(self):
        self._before = _C.is_grad_enabled()
        _C._set_grad_enabled(True)

    def __exit__(self, *error):
        _C._set_grad_enabled(self._before)


class set_grad_enabled(_Mode):
    """Switches recording on or off: at once when called, and until the end of the block as a context manager.

    Args:
        mode: bool, True to record.

    Example:
        >>> x = rushlight.ones(2, requires_grad=True)
        >>> with rushlight.set_grad_enabled(False):
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    __slots__ = ("mode",)

    def __init__(self, mode):
        self._before = _C.is_grad_enabled()
        self.mode = bool(mode)
        _C._set_grad_enabled(self.mode)

    def clone(self):
        return set_grad_enabled(self.mode)

    def __call__(self, function):
        _C._set_grad_enabled(self._before)  # a decorator acts when the function runs
        return super().__call__(function)

    def __enter__(self):
        _C._set_grad_enabled(self.mode)

    def __exit__(self, *error):
        _C._set_grad_enabled(self._before)


class inference_mode(_Mode):
    """Like `no_grad`, and the tensors made inside can never take part in gradients.

    Args:
        mode: bool, False leaves inference mode inside the block. Default: True.

    Example:
        >>> with rushlight.inference_mode():
        ...     x = rushlight.ones(2)
        >>> x.is_inference()
        True
    """

    __slots__ = ("mode",)

    def __new__(cls, mode=True):
        if isinstance(mode, bool):
            return super().__new__(cls)
        return cls()(mode)

    def __init__(self, mode=True):
        self.mode = mode

    def clone(self):
        return inference_mode(self.mode)

    def __enter__(self):
        self._before = _C.is_grad_enabled(), _C.is_inference_mode_enabled()
        _C._set_grad_enabled(not self.mode)
        _C._set_inference_mode(self.mode)

    def __exit__(self, *error):
        grad, inference = self._before
        _C._set_grad_enabled(grad)
        _C._set_inference_mode(inference)
