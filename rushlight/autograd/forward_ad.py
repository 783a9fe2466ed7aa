"""Dual tensors: tangents that travel with a computation, found when they are asked for by two reverse walks."""
from collections import namedtuple

from rushlight import _C
from rushlight.autograd.functional import Linear, reaches_others
from rushlight.autograd.grad_mode import enable_grad

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])
UnpackedDualTensor.__doc__ = "What `unpack_dual` returns: the value, and its tangent or None."

#: Of the level that is entered: the dual tensors made there and their tangents; None outside.
_duals = None


def enter_dual_level():
    """Enters a level, in which dual tensors can be made; returns its number, 0.

    Raises:
        RuntimeError: one is entered already.
    """
    global _duals
    if _duals is not None:
        raise RuntimeError("enter_dual_level: a level is entered already; expected one at a time")
    _duals = []
    return 0


def exit_dual_level(*, level=None):
    """Leaves the level and forgets all tangents.

    Args:
        level (int): its number. Default: None.

    Raises:
        RuntimeError: no level is entered, or another one is meant.
    """
    global _duals
    _require_level("exit_dual_level", level)
    _duals = None


def _require_level(name, level):
    if _duals is None:
        raise RuntimeError(f"{name}: no level is entered; expected it inside `with dual_level():`")
    if level not in (None, 0):
        raise RuntimeError(f"{name}: level={level}; expected None or 0")


class dual_level:
    """`with dual_level():` enters a level and leaves it.

    Example:
        >>> import rushlight.autograd.forward_ad as forward_ad
        >>> with forward_ad.dual_level():
        ...     x = forward_ad.make_dual(rushlight.tensor(3.0), rushlight.tensor(1.0))
        ...     forward_ad.unpack_dual(x**2).tangent
        tensor(6.)
    """

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *error):
        exit_dual_level()


def make_dual(tensor, tangent, *, level=None):
    """A view of `tensor` that has a tangent. The tape must record what is computed from it: not under no_grad().

    Args:
        tensor (Tensor): floating or complex.
        tangent (Tensor): of its shape.
        level (int): the level entered. Default: None.

    Raises:
        RuntimeError: no level is entered, or the shapes differ.
        ValueError: a dtype that has no derivative.
    """
    _require_level("make_dual", level)
    for name, x in (("tensor", tensor), ("tangent", tangent)):
        if not (x.is_floating_point() or x.is_complex()):
            raise ValueError(f"make_dual: {name} has dtype {x.dtype}; expected a floating or complex dtype")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            f"make_dual: tangent has shape {tuple(tangent.shape)}; expected {tuple(tensor.shape)}, that of tensor"
        )
    with enable_grad():
        dual = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
    _duals.append((dual, tangent))
    return dual


def unpack_dual(tensor, *, level=None):
    """The value and the tangent of a tensor.

    Args:
        tensor (Tensor): computed from dual tensors, or not.
        level (int): the level entered. Default: None.

    Returns:
        UnpackedDualTensor: (primal, tangent); the tangent is None outside a level, and where no dual tensor was used.
    """
    if _duals is None or not _duals or not tensor.requires_grad:
        return UnpackedDualTensor(tensor, None)
    inputs, tangents = zip(*_duals, strict=True)
    own = [x for x in inputs if x.is_leaf]
    recorded = _C.is_grad_enabled() and (
        any(v.requires_grad for v in tangents) or reaches_others((tensor,), own)
    )
    linear = Linear((tensor,), inputs)
    if not any(x.requires_grad for x in linear.back):
        return UnpackedDualTensor(tensor, None)
    with enable_grad():
        (found,) = linear(tangents, recorded)
    if recorded:
        return UnpackedDualTensor(tensor, found)
    return UnpackedDualTensor(tensor.detach(), found.detach())
