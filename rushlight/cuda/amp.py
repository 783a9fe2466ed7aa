"""The older names of `amp` for CUDA: autocast and scaling are off, with a warning, for there is no CUDA device."""
from rushlight import amp
from rushlight._C import float16
from rushlight.amp import custom_bwd, custom_fwd  # noqa: F401


class autocast(amp.autocast):
    """`amp.autocast` for 'cuda': off.

    Args:
        enabled (bool): Default: True.
        dtype (dtype): Default: float16.
        cache_enabled (bool): Default: True.

    Example:
        >>> import rushlight as rl
        >>> rl.cuda.amp.autocast(enabled=False).enabled
        False
    """

    def __init__(self, enabled=True, dtype=float16, cache_enabled=True):
        super().__init__("cuda", dtype, enabled, cache_enabled)

    def clone(self):
        return autocast(self.enabled, self.fast_dtype, self.cache_enabled)


class GradScaler(amp.GradScaler):
    """`amp.GradScaler` for 'cuda': off.

    Args:
        init_scale, growth_factor, backoff_factor, growth_interval, enabled: as there.

    Example:
        >>> import rushlight as rl
        >>> rl.cuda.amp.GradScaler(enabled=False).get_scale()
        1.0
    """

    def __init__(self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
