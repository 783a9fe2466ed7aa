"""Muon."""
import math

from rushlight.autograd import no_grad
from rushlight.functional._core import core
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["Muon"]

_lerp = core._groups["_ops"]["lerp_tensors"]


#: Matrices of one shape go through the iteration together, up to so many elements: products of several keep both cores
#: busy where those of one small matrix do not.
_TOGETHER = 1 << 21


def _orthogonal(matrices, coefficients, steps, eps):
    """Roughly the nearest matrices with orthonormal rows or columns, in bfloat16: a quintic Newton-Schulz iteration."""
    if steps >= 100:
        raise ValueError(f"Muon: ns_steps={steps} is out of range; expected ns_steps < 100")
    if len(coefficients) != 3:
        raise ValueError(f"Muon: ns_coefficients={coefficients} has {len(coefficients)} numbers; expected 3")
    a, b, c = coefficients
    tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.bfloat16()
    x = x.mT if tall else x
    x = x / core.linalg.vector_norm(x, dim=(-2, -1), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        # a x + (b G + c G G) x for G = x x', where the sum in front of x is rounded once.
        gram = x @ x.mT
        factor = (gram @ gram).float().mul_(c).add_(gram, alpha=b)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        x = factor.bfloat16() @ x
    return x.mT if tall else x


def _by_shape(matrices):
    """Lists of places of equal shapes, none of more than `_TOGETHER` elements unless it is one matrix."""
    places = {}
    for i, matrix in enumerate(matrices):
        places.setdefault((tuple(matrix.shape), matrix.dtype), []).append(i)
    for found in places.values():
        count = max(1, min(8, _TOGETHER // max(1, matrices[found[0]].numel())))
        yield from (found[start : start + count] for start in range(0, len(found), count))


class Muon(FusedOptimizer):
    """Momentum whose matrices are made orthogonal before each step (Jordan, 2024); for matrices of hidden layers.

    Args:
        params (iterable): two-dimensional parameters, or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1e-3.
        weight_decay (float): decoupled. Default: 0.1.
        momentum (float): Default: 0.95.
        nesterov (bool): Default: True.
        ns_coefficients (tuple of float): of the iteration's polynomial. Default: (3.4445, -4.775, 2.0315).
        eps (float): the smallest norm that is divided by. Default: 1e-7.
        ns_steps (int): iterations. Default: 5.
        adjust_lr_fn (str, optional): "original" grows the rate with sqrt(rows / columns) of tall matrices,
            "match_rms_adamw" as large as AdamW's steps (Liu et al., 2025). Default: "original".

    Raises:
        ValueError: an option is out of range, or a parameter is no matrix.
        RuntimeError: a parameter is complex.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.eye(2))
        >>> optimizer = rl.optim.Muon([p], lr=0.1)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> bool(p[0, 0] < 1)
        True
    """

    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True,
                 ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7, ns_steps=5, adjust_lr_fn=None):
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Muon: adjust_lr_fn={adjust_lr_fn!r} is unknown; expected 'original' or "
                             "'match_rms_adamw'")
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn})
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise self._error(ValueError, f"params holds a parameter of shape {tuple(param.shape)}; expected "
                                                  "two dimensions; AdamW takes others")

    def _first_state(self, group, param):
        if param.is_complex():
            raise self._error(RuntimeError, f"params holds a parameter of dtype {param.dtype}; expected real ones")
        return {"momentum_buffer": core.zeros_like(param, requires_grad=False)}

    @no_grad()
    def _update(self, group, params, grads):
        lr, momentum, decay = float(group["lr"]), group["momentum"], float(group["weight_decay"])
        buffers, = self._columns(group, params, "momentum_buffer")
        _lerp(buffers, grads, 1 - momentum)
        for places in _by_shape(params):
            moves = [buffers[i] for i in places]
            if group["nesterov"]:
                moves = [grads[i].lerp(buffers[i], momentum) for i in places]
            moves = _orthogonal(core.stack(moves), group["ns_coefficients"], group["ns_steps"], group["eps"])
            rows, columns = moves.shape[1:]
            match_adamw = group["adjust_lr_fn"] == "match_rms_adamw"
            ratio = 0.2 * math.sqrt(max(rows, columns)) if match_adamw else math.sqrt(max(1, rows / columns))
            for i, move in zip(places, moves):
                params[i].mul_(1 - lr * decay).add_(move, alpha=-lr * ratio)
