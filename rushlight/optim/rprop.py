"""Rprop."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_pair
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["Rprop"]

_update = core._groups["_ops"]["rprop_update"]


class Rprop(FusedOptimizer):
    """Steps by the gradient's sign, longer while it stays and shorter when it turns (Riedmiller and Braun, 1993).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): the first length of all steps. Default: 1e-2.
        etas (tuple of float): factors of a length whose sign has turned, and has stayed. Default: (0.5, 1.2).
        step_sizes (tuple of float): the smallest and the largest length. Default: (1e-6, 50).
        capturable, foreach: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.Rprop([p], lr=0.1)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.9000])
    """

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None,
                 maximize=False, differentiable=False):
        check_pair(self, "etas", etas)
        check_pair(self, "step_sizes", step_sizes)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Rprop: etas={tuple(etas)} are out of range; expected 0 < etas[0] < 1 < etas[1]")
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable})

    def _first_state(self, group, param):
        lr = float(group["lr"])
        length = core.full_like(param, complex(lr, lr) if param.is_complex() else lr, requires_grad=False)
        return {**self._zeros(param, "prev"), "step_size": length}

    def _update(self, group, params, grads):
        _update(params, grads, *self._columns(group, params, "prev", "step_size", "step"), *group["etas"],
                *group["step_sizes"], group["maximize"])
