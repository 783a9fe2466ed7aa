"""Autocast: inside, operators choose the dtype of their floating arguments.

Which operators compute in the lower dtype and which in float32 is said by their records (`core/registry/op.h`) and by
the composites themselves; all others take what they get. The mode belongs to the thread, and the backward walk runs
without it: gradients have the dtypes that the forward pass left.
"""

from rushlight import _C
from rushlight.autograd.grad_mode import _Mode
from rushlight.functional._warning import warn

_LOWER = (_C.bfloat16, _C.float16)
_DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "mtia", "meta")
_dtypes = {"cuda": _C.float16}
_depth = 0
_cache = True


def _known(name, device_type):
    if not isinstance(device_type, str):
        raise ValueError(f"{name}: device_type={device_type!r}; expected a str")
    if device_type not in _DEVICES:
        raise RuntimeError(f"{name}: device_type={device_type!r}; expected one of {', '.join(_DEVICES)}")
    return device_type


class autocast(_Mode):
    """Inside, products, convolutions and layers compute in bfloat16 (or float16), most losses in float32.

    A context manager or a decorator. Parameters and inputs stay float32: each operator converts what it reads.

    Args:
        device_type (str): 'cpu'. For another, autocast is off, with a warning.
        dtype (dtype, optional): bfloat16 or float16. Default: `get_autocast_dtype(device_type)`.
        enabled (bool): False: inside, nothing is converted. Default: True.
        cache_enabled (bool, optional): accepted; nothing is kept from one operator to the next.

    Raises:
        RuntimeError: the device type is unknown.

    Example:
        >>> import rushlight as rl
        >>> with rl.autocast("cpu"):
        ...     y = rl.ones(2, 2) @ rl.ones(2, 2)
        >>> y.dtype
        rushlight.bfloat16
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        self.device = _known("autocast", device_type)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self.cache_enabled = cache_enabled
        if enabled and device_type != "cpu":
            warn(f"autocast: device_type='{device_type}' is not available; autocast is off")
            enabled = False
        if enabled and self.fast_dtype not in _LOWER:
            warn(f"autocast: dtype={self.fast_dtype} is no lower dtype; expected bfloat16 or float16; autocast is off")
            enabled = False
        self.enabled = enabled

    def clone(self):
        return autocast(self.device, self.fast_dtype, self.enabled, self.cache_enabled)

    def __enter__(self):
        self._before = _C._autocast(), _C._autocast_dtype()
        if self.device == "cpu":
            _C._set_autocast(self.enabled, self.fast_dtype if self.enabled else self._before[1])
        return self

    def __exit__(self, *_):
        _C._set_autocast(*self._before)


def is_autocast_enabled(device_type="cuda"):
    """Is autocast on, for this device type?

    Args:
        device_type (str): Default: 'cuda', where it never is.

    Example:
        >>> import rushlight as rl
        >>> rl.is_autocast_enabled("cpu")
        False
    """
    return _known("is_autocast_enabled", device_type) == "cpu" and _C._autocast()


def set_autocast_enabled(device_type, enabled=None):
    """Turns autocast on or off, until told otherwise.

    Args:
        device_type (str): only 'cpu' has an effect; may be left out, then it is 'cuda'.
        enabled (bool): on?

    Example:
        >>> import rushlight as rl
        >>> rl.set_autocast_enabled("cpu", False)
    """
    if isinstance(device_type, str) and device_type == "cpu":
        _C._set_autocast(bool(enabled), _C._autocast_dtype())


def get_autocast_dtype(device_type):
    """The lower dtype that autocast uses for a device type: bfloat16 for 'cpu'.

    Args:
        device_type (str): 'cpu', 'cuda', ...

    Example:
        >>> import rushlight as rl
        >>> rl.get_autocast_dtype("cpu")
        rushlight.bfloat16
    """
    if _known("get_autocast_dtype", device_type) == "cpu":
        return _C._autocast_dtype()
    return _dtypes.get(device_type, _C.bfloat16)


def set_autocast_dtype(device_type, dtype):
    """Sets the lower dtype that autocast uses for a device type.

    Args:
        device_type (str): 'cpu', 'cuda', ...
        dtype (dtype): bfloat16 or float16.

    Example:
        >>> import rushlight as rl
        >>> rl.set_autocast_dtype("cpu", rl.bfloat16)
    """
    if _known("set_autocast_dtype", device_type) == "cpu":
        _C._set_autocast(_C._autocast(), dtype)
    else:
        _dtypes[device_type] = dtype


def is_autocast_cpu_enabled():
    """Is autocast on?

    Example:
        >>> import rushlight as rl
        >>> rl.is_autocast_cpu_enabled()
        False
    """
    return _C._autocast()


def set_autocast_cpu_enabled(enabled):
    """Turns autocast on or off, until told otherwise.

    Args:
        enabled (bool): on?

    Example:
        >>> import rushlight as rl
        >>> rl.set_autocast_cpu_enabled(False)
    """
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype():
    """The lower dtype of autocast.

    Example:
        >>> import rushlight as rl
        >>> rl.get_autocast_cpu_dtype()
        rushlight.bfloat16
    """
    return _C._autocast_dtype()


def set_autocast_cpu_dtype(dtype):
    """Sets the lower dtype of autocast.

    Args:
        dtype (dtype): bfloat16 or float16.

    Example:
        >>> import rushlight as rl
        >>> rl.set_autocast_cpu_dtype(rl.bfloat16)
    """
    set_autocast_dtype("cpu", dtype)


def is_autocast_available(device_type):
    """Can autocast be used with this device type?

    Args:
        device_type (str): 'cpu', 'cuda', ...

    Example:
        >>> import rushlight as rl
        >>> rl.amp.is_autocast_available("cpu")
        True
    """
    return _known("is_autocast_available", device_type) == "cpu"


def is_autocast_cache_enabled():
    """What `set_autocast_cache_enabled` last said; nothing is cached.

    Example:
        >>> import rushlight as rl
        >>> rl.is_autocast_cache_enabled()
        True
    """
    return _cache


def set_autocast_cache_enabled(enabled):
    """Accepted, so that programs that set it run; nothing is cached.

    Args:
        enabled (bool): what `is_autocast_cache_enabled` shall say.

    Example:
        >>> import rushlight as rl
        >>> rl.set_autocast_cache_enabled(True)
    """
    global _cache
    _cache = bool(enabled)


def clear_autocast_cache():
    """Does nothing: nothing is cached.

    Example:
        >>> import rushlight as rl
        >>> rl.clear_autocast_cache()
    """


def autocast_increment_nesting():
    """Counts one more level of autocast; returns how many there are.

    Example:
        >>> import rushlight as rl
        >>> rl.autocast_increment_nesting(), rl.autocast_decrement_nesting()
        (1, 0)
    """
    global _depth
    _depth += 1
    return _depth


def autocast_decrement_nesting():
    """Counts one level of autocast less; returns how many there are.

    Example:
        >>> import rushlight as rl
        >>> rl.autocast_increment_nesting(), rl.autocast_decrement_nesting()
        (1, 0)
    """
    global _depth
    _depth -= 1
    return _depth


def _cast(value, dtype):
    if isinstance(value, _C.Tensor) and value.is_floating_point() and value.dtype is not _C.float64:
        return value.to(dtype)
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(item, dtype) for item in value)
    if isinstance(value, dict):
        return {key: _cast(item, dtype) for key, item in value.items()}
    return value


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """A decorator for `forward` of an `autograd.Function`: remembers whether autocast is on.

    Args:
        fwd (callable, optional): the method.
        device_type (str): 'cpu'.
        cast_inputs (dtype, optional): under autocast, convert floating arguments to this and turn autocast off inside.

    Example:
        >>> import rushlight as rl
        >>> class Double(rl.autograd.Function):
        ...     @staticmethod
        ...     @rl.amp.custom_fwd(device_type="cpu", cast_inputs=rl.float32)
        ...     def forward(ctx, x):
        ...         return x * 2
        >>> Double.apply(rl.ones(1))
        tensor([2.])
    """
    _known("custom_fwd", device_type)

    def decorate(function):
        def forward(ctx, *args, **named):
            on = is_autocast_enabled(device_type)
            ctx._autocast, ctx._autocast_dtype = on and cast_inputs is None, get_autocast_dtype(device_type)
            if not on or cast_inputs is None:
                return function(ctx, *args, **named)
            with autocast(device_type, enabled=False):
                return function(ctx, *_cast(args, cast_inputs), **_cast(named, cast_inputs))
        return forward

    return decorate if fwd is None else decorate(fwd)


def custom_bwd(bwd=None, *, device_type):
    """A decorator for `backward` of an `autograd.Function` whose forward has `custom_fwd`: the same autocast.

    Args:
        bwd (callable, optional): the method.
        device_type (str): 'cpu'.

    Example:
        >>> import rushlight as rl
        >>> decorate = rl.amp.custom_bwd(device_type="cpu")
    """
    _known("custom_bwd", device_type)

    def decorate(function):
        def backward(ctx, *args):
            with autocast(device_type, ctx._autocast_dtype, ctx._autocast):
                return function(ctx, *args)
        return backward

    return decorate if bwd is None else decorate(bwd)
