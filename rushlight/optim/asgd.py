"""Averaged stochastic gradient descent."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_numbers
from rushlight.optim.optimizer import FusedOptimizer, scalar

__all__ = ["ASGD"]

_update = core._groups["_ops"]["asgd_update"]


class ASGD(FusedOptimizer):
    """Gradient descent that keeps the average of its steps, in the state as "ax" (Polyak and Juditsky, 1992).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1e-2.
        lambd (float): decay of the parameters. Default: 1e-4.
        alpha (float): power by which the rate falls. Default: 0.75.
        t0 (float): the step at which averaging begins. Default: 1e6.
        weight_decay (float): Default: 0.
        foreach, capturable: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is negative.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.ASGD([p], lr=0.1, lambd=0.0)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.8000])
    """

    _numbers = ("step", "eta", "mu")

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False,
                 differentiable=False, capturable=False):
        check_numbers(self, lambd=lambd, alpha=alpha, t0=t0)
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable})

    def _first_state(self, group, param):
        return {**self._zeros(param, "ax"), "eta": scalar(group["lr"]), "mu": scalar(1.0)}

    def _update(self, group, params, grads):
        _update(params, grads, *self._columns(group, params, "ax", "step", "eta", "mu"), group["lr"], group["lambd"],
                group["alpha"], group["t0"], group["weight_decay"], group["maximize"])
