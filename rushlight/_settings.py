"""Settings of the whole process that programs read and set: defaults, determinism, threads between operators."""
import sys

from rushlight import _C

_state = {"deterministic": False, "warn_only": False, "warn_always": False, "precision": "highest", "interop": 1}


class OutOfMemoryError(RuntimeError):
    """What a device raises that runs out of memory. On the CPU, Python's MemoryError is raised instead."""


class AcceleratorError(RuntimeError):
    """What a device raises that fails."""


class SymInt:
    """The class of sizes that a program does not know yet. Sizes are integers here: nothing is one."""


class SymFloat:
    """The class of numbers that a program does not know yet: nothing is one."""


class SymBool:
    """The class of truths that a program does not know yet: nothing is one."""


def get_default_device():
    """The device of new tensors: the CPU.

    Returns:
        device

    Example:
        >>> import rushlight as rl
        >>> rl.get_default_device()
        device(type='cpu')
    """
    return _C.device("cpu")


def set_default_device(device):
    """Sets the device of new tensors.

    Args:
        device (device or str, optional): the CPU.

    Raises:
        RuntimeError: the device is another one.

    Example:
        >>> import rushlight as rl
        >>> rl.set_default_device("cpu")
    """
    if device is not None and _C.device(device).type != "cpu":
        raise RuntimeError(f"set_default_device: device='{device}' is not available; expected 'cpu'")


def set_default_tensor_type(t):
    """Sets the dtype of new floating tensors by the name of an older tensor type.

    Args:
        t (type or str): `DoubleTensor`, "torch.DoubleTensor", ...

    Raises:
        TypeError: it is no floating tensor type.

    Example:
        >>> import rushlight as rl
        >>> rl.set_default_tensor_type("torch.FloatTensor")
    """
    names = {"FloatTensor": _C.float32, "DoubleTensor": _C.float64, "HalfTensor": _C.float16,
             "BFloat16Tensor": _C.bfloat16}
    name = t.rpartition(".")[2] if isinstance(t, str) else getattr(t, "__name__", None)
    if name not in names:
        raise TypeError(f"set_default_tensor_type: t={t!r}; expected a floating tensor type as 'torch.FloatTensor'")
    _C.set_default_dtype(names[name])


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Asks for operators that give the same result each time: all do, whatever is set here.

    Args:
        mode (bool): what `are_deterministic_algorithms_enabled` shall say.
        warn_only (bool): warn instead of raising. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.use_deterministic_algorithms(False)
    """
    _state["deterministic"], _state["warn_only"] = bool(mode), bool(mode and warn_only)


def are_deterministic_algorithms_enabled():
    """What `use_deterministic_algorithms` last said.

    Example:
        >>> import rushlight as rl
        >>> rl.are_deterministic_algorithms_enabled()
        False
    """
    return _state["deterministic"]


def is_deterministic_algorithms_warn_only_enabled():
    """What `use_deterministic_algorithms` last said of warnings.

    Example:
        >>> import rushlight as rl
        >>> rl.is_deterministic_algorithms_warn_only_enabled()
        False
    """
    return _state["warn_only"]


def get_deterministic_debug_mode():
    """0, 1 (warn) or 2 (raise), as `use_deterministic_algorithms` said.

    Example:
        >>> import rushlight as rl
        >>> rl.get_deterministic_debug_mode()
        0
    """
    return 0 if not _state["deterministic"] else 1 if _state["warn_only"] else 2


def set_deterministic_debug_mode(debug_mode):
    """`use_deterministic_algorithms` by a number or word.

    Args:
        debug_mode (int or str): 0 'default', 1 'warn' or 2 'error'.

    Raises:
        RuntimeError: it is none of these.

    Example:
        >>> import rushlight as rl
        >>> rl.set_deterministic_debug_mode("default")
    """
    words = {"default": 0, "warn": 1, "error": 2}
    level = words.get(debug_mode, debug_mode)
    if level not in (0, 1, 2):
        raise RuntimeError(f"set_deterministic_debug_mode: debug_mode={debug_mode!r}; expected 0 'default', "
                           "1 'warn' or 2 'error'")
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def set_anomaly_enabled(mode, check_nan=True):
    """Turns anomaly detection of the backward walk on or off.

    Args:
        mode (bool): on?
        check_nan (bool): raise where a gradient holds NaN. Default: True.

    Example:
        >>> import rushlight as rl
        >>> rl.set_anomaly_enabled(False)
    """
    _C._set_anomaly(bool(mode), bool(check_nan))


def set_warn_always(b):
    """Asks that warnings be repeated; Python's `warnings` filters decide.

    Args:
        b (bool): what `is_warn_always_enabled` shall say.

    Example:
        >>> import rushlight as rl
        >>> rl.set_warn_always(False)
    """
    _state["warn_always"] = bool(b)


def is_warn_always_enabled():
    """What `set_warn_always` last said.

    Example:
        >>> import rushlight as rl
        >>> rl.is_warn_always_enabled()
        False
    """
    return _state["warn_always"]


def get_float32_matmul_precision():
    """What `set_float32_matmul_precision` last said.

    Example:
        >>> import rushlight as rl
        >>> rl.get_float32_matmul_precision()
        'highest'
    """
    return _state["precision"]


def set_float32_matmul_precision(precision):
    """Allows faster products of float32; on the CPU they are computed in float32 whatever is set here.

    Args:
        precision (str): 'highest', 'high' or 'medium'.

    Raises:
        RuntimeError: it is none of these.

    Example:
        >>> import rushlight as rl
        >>> rl.set_float32_matmul_precision("highest")
    """
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"set_float32_matmul_precision: precision={precision!r}; expected 'highest', 'high' or "
                           "'medium'")
    _state["precision"] = precision


def set_flush_denormal(mode):
    """Asks that the processor take denormal numbers for zero: not done, results do not depend on it.

    Args:
        mode (bool): on?

    Returns:
        bool: False: the setting is not supported.

    Example:
        >>> import rushlight as rl
        >>> rl.set_flush_denormal(True)
        False
    """
    return False


def get_num_interop_threads():
    """How many operators may run at once, as `set_num_interop_threads` last said; they run one after the other.

    Example:
        >>> import rushlight as rl
        >>> rl.get_num_interop_threads()
        1
    """
    return _state["interop"]


def set_num_interop_threads(num):
    """Sets what `get_num_interop_threads` says.

    Args:
        num (int): at least 1.

    Raises:
        RuntimeError: num < 1.

    Example:
        >>> import rushlight as rl
        >>> rl.set_num_interop_threads(1)
    """
    if num < 1:
        raise RuntimeError(f"set_num_interop_threads: num={num}; expected num >= 1")
    _state["interop"] = int(num)


def compiled_with_cxx11_abi():
    """True: the library uses the present ABI of the C++ standard library.

    Example:
        >>> import rushlight as rl
        >>> rl.compiled_with_cxx11_abi()
        True
    """
    return True


def typename(obj):
    """The name of an object's type, with its module; of a tensor, that of the older tensor type.

    Args:
        obj: anything.

    Example:
        >>> import rushlight as rl
        >>> rl.typename(rl.ones(1))
        'torch.FloatTensor'
    """
    if isinstance(obj, _C.Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) or hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", None)
    return kind.__qualname__ if module in (None, "builtins") else f"{module}.{kind.__qualname__}"


def is_storage(obj):
    """Is the object a storage?

    Args:
        obj: anything.

    Example:
        >>> import rushlight as rl
        >>> rl.is_storage(rl.ones(1).untyped_storage())
        True
    """
    typed = sys.modules.get("rushlight.storage")
    return isinstance(obj, _C.UntypedStorage) or (typed is not None and isinstance(obj, typed.TypedStorage))


def is_vulkan_available():
    """False: there is no Vulkan device.

    Example:
        >>> import rushlight as rl
        >>> rl.is_vulkan_available()
        False
    """
    return False
