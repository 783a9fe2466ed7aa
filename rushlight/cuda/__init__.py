"""CUDA's names for programs that ask whether it is there. It is not: tensors are on the CPU."""
from rushlight.cuda import amp  # noqa: F401


def is_available():
    """False: there is no CUDA device.

    Example:
        >>> import rushlight as rl
        >>> rl.cuda.is_available()
        False
    """
    return False


def device_count():
    """0: there is no CUDA device.

    Example:
        >>> import rushlight as rl
        >>> rl.cuda.device_count()
        0
    """
    return 0


def manual_seed(seed):
    """Does nothing: there is no generator on a device.

    Example:
        >>> import rushlight as rl
        >>> rl.cuda.manual_seed(0)
    """


manual_seed_all = manual_seed


def empty_cache():
    """Does nothing: there is no memory on a device.

    Example:
        >>> import rushlight as rl
        >>> rl.cuda.empty_cache()
    """
