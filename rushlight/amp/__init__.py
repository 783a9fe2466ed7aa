"""Mixed precision: `autocast` runs products and convolutions in a lower dtype, `GradScaler` keeps small gradients."""
from rushlight.amp.autocast_mode import (  # noqa: F401
    autocast, autocast_decrement_nesting, autocast_increment_nesting, clear_autocast_cache, custom_bwd, custom_fwd,
    get_autocast_cpu_dtype, get_autocast_dtype, is_autocast_available, is_autocast_cache_enabled,
    is_autocast_cpu_enabled, is_autocast_enabled, set_autocast_cache_enabled, set_autocast_cpu_dtype,
    set_autocast_cpu_enabled, set_autocast_dtype, set_autocast_enabled,
)
from rushlight.amp.grad_scaler import GradScaler  # noqa: F401
