"""The CPU, as programs ask for it that know several devices."""
from rushlight.cpu import amp  # noqa: F401


def is_available():
    """True: tensors are on the CPU.

    Example:
        >>> import rushlight as rl
        >>> rl.cpu.is_available()
        True
    """
    return True


def device_count():
    """1: the CPU.

    Example:
        >>> import rushlight as rl
        >>> rl.cpu.device_count()
        1
    """
    return 1


def current_device():
    """'cpu'.

    Example:
        >>> import rushlight as rl
        >>> rl.cpu.current_device()
        'cpu'
    """
    return "cpu"


def synchronize(device=None):
    """Does nothing: an operator has ended when it returns.

    Example:
        >>> import rushlight as rl
        >>> rl.cpu.synchronize()
    """
