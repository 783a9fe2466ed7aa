"""Which implementation of `scaled_dot_product_attention` runs."""
import contextlib
import enum

from rushlight.functional.attention import implementations

__all__ = ["WARN_FOR_UNFUSED_KERNELS", "SDPBackend", "sdpa_kernel"]

#: Accepted: both implementations take all arguments, so there is nothing to warn of.
WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.IntEnum):
    """The implementations that PyTorch knows. Rushlight has two of them.

    `FLASH_ATTENTION` works on blocks of scores; `MATH` has all scores in memory. The others may be named, and are not
    there.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.attention.SDPBackend.MATH
        <SDPBackend.MATH: 0>
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __str__(self):
        return f"SDPBackend.{self.name}"


@contextlib.contextmanager
def sdpa_kernel(backends, set_priority=False):
    """Inside, `scaled_dot_product_attention` chooses among these implementations.

    Args:
        backends (SDPBackend or list of them): those that may run.
        set_priority (bool): the first that fits runs; otherwise blocks of scores come before all scores. Default:
            False.

    Raises:
        AssertionError: `backends` is neither.

    Example:
        >>> import rushlight as rl
        >>> x = rl.ones(1, 2, 2)
        >>> with rl.nn.attention.sdpa_kernel(rl.nn.attention.SDPBackend.MATH):
        ...     rl.nn.functional.scaled_dot_product_attention(x, x, x).shape
        rushlight.Size([1, 2, 2])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(f"sdpa_kernel: backends is a {type(backends).__name__}; expected an SDPBackend or a list "
                             "of them")
    wanted = [backends] if isinstance(backends, SDPBackend) else list(dict.fromkeys(backends))
    wanted = [SDPBackend(backend).name for backend in wanted]
    before = list(implementations)
    implementations[:] = wanted if set_priority else [name for name in ("FLASH_ATTENTION", "MATH") if name in wanted]
    try:
        yield {}
    finally:
        implementations[:] = before
