"""Limits on the size of gradients."""
import warnings

from rushlight.functional._core import Tensor, core

_ops = core._groups["_ops"]
#: Of these one pass over all tensors finds the norm; 16-bit norms are rounded tensor by tensor, as PyTorch does.
_FUSED = (core.float32, core.float64)


def _gradients(parameters):
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of many tensors, taken as one vector.

    Args:
        tensors (iterable of Tensor or Tensor): the tensors.
        norm_type (float): the norm; `inf` for the largest absolute value. Default: 2.
        error_if_nonfinite (bool): raise when it is not finite. Default: False.
        foreach (bool, optional): accepted; it changes nothing.

    Raises:
        RuntimeError: the norm is not finite, and that is an error.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.get_total_norm([rl.tensor([3.]), rl.tensor([4.])])
        tensor(5.)
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not tensors:
        return core.tensor(0.0)
    norm_type, first = float(norm_type), tensors[0].dtype
    if norm_type in (1.0, 2.0, float("inf")) and first in _FUSED and all(t.dtype == first for t in tensors):
        total = _ops["total_norm"](tensors, norm_type)
    else:
        norms = core.stack([core.linalg.vector_norm(tensor.detach(), norm_type) for tensor in tensors])
        total = core.linalg.vector_norm(norms, norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite norm "
            "anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scale gradients in place so that a norm that is already known becomes at most `max_norm`.

    Args:
        parameters (iterable of Tensor or Tensor): whose gradients to scale.
        max_norm (float): the largest norm wanted.
        total_norm (Tensor): the present norm.
        foreach (bool, optional): accepted; it changes nothing.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.zeros(1))
        >>> p.grad = rl.tensor([8.])
        >>> rl.nn.utils.clip_grads_with_norm_([p], 2.0, rl.tensor(8.))
        >>> p.grad
        tensor([2.0000])
    """
    gradients = _gradients(parameters)
    if gradients:
        _ops["scale_tensors"](gradients, (float(max_norm) / (total_norm.detach() + 1e-6)).clamp(max=1.0))


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale gradients in place so that their norm, over all of them as one vector, is at most `max_norm`.

    Args:
        parameters (iterable of Tensor or Tensor): whose gradients to scale.
        max_norm (float): the largest norm wanted.
        norm_type (float): the norm; `inf` for the largest absolute value. Default: 2.
        error_if_nonfinite (bool): raise when the norm is not finite. Default: False.
        foreach (bool, optional): accepted; it changes nothing.

    Returns:
        Tensor: the norm before scaling.

    Raises:
        RuntimeError: the norm is not finite, and that is an error.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.zeros(2))
        >>> p.grad = rl.tensor([3., 4.])
        >>> rl.nn.utils.clip_grad_norm_([p], 1.0)
        tensor(5.)
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The older name of `clip_grad_norm_`.

    Args:
        parameters, max_norm, norm_type, error_if_nonfinite, foreach: the same.

    Example:
        >>> import rushlight as rl
        >>> w = rl.nn.Parameter(rl.ones(2))
        >>> (3 * w).sum().backward()
        >>> rl.nn.utils.clip_grad_norm([w], 1.0)
        tensor(4.2426)
    """
    warnings.warn("`nn.utils.clip_grad_norm` is now deprecated in favor of `nn.utils.clip_grad_norm_`.",
                  FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Limit every element of the gradients to [-clip_value, clip_value], in place.

    Args:
        parameters (iterable of Tensor or Tensor): whose gradients to limit.
        clip_value (float): the limit.
        foreach (bool, optional): accepted; it changes nothing.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.zeros(2))
        >>> p.grad = rl.tensor([3., -4.])
        >>> rl.nn.utils.clip_grad_value_([p], 1.0)
        >>> p.grad
        tensor([ 1., -1.])
    """
    clip_value = float(clip_value)
    _ops["clamp_tensors"](_gradients(parameters), -clip_value, clip_value)
