"""Transforms of functions: derivatives, mapping over samples, and modules as functions of their parameters."""
from rushlight.func._derivatives import (
    debug_unwrap,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from rushlight.func._einops import rearrange
from rushlight.func._modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from rushlight.func._vmap import vmap

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "rearrange", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]
