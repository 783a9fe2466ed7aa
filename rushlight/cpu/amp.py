"""The older names of `amp` for the CPU."""
from rushlight import amp
from rushlight._C import bfloat16


class autocast(amp.autocast):
    """`amp.autocast` for 'cpu'.

    Args:
        enabled (bool): Default: True.
        dtype (dtype): Default: bfloat16.
        cache_enabled (bool): Default: True.

    Example:
        >>> import rushlight as rl
        >>> with rl.cpu.amp.autocast():
        ...     (rl.ones(1, 1) @ rl.ones(1, 1)).dtype
        rushlight.bfloat16
    """

    def __init__(self, enabled=True, dtype=bfloat16, cache_enabled=True):
        super().__init__("cpu", dtype, enabled, cache_enabled)

    def clone(self):
        return autocast(self.enabled, self.fast_dtype, self.cache_enabled)


class GradScaler(amp.GradScaler):
    """`amp.GradScaler` for 'cpu'.

    Args:
        init_scale, growth_factor, backoff_factor, growth_interval, enabled: as there.

    Example:
        >>> import rushlight as rl
        >>> rl.cpu.amp.GradScaler(init_scale=8.0).get_scale()
        8.0
    """

    def __init__(self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
