"""Adadelta."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_numbers
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["Adadelta"]

_update = core._groups["_ops"]["adadelta_update"]


class Adadelta(FusedOptimizer):
    """Steps as large as the running mean of earlier steps, in units of the gradient's (Zeiler, 2012).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1.
        rho (float): decay of the two means of squares. Default: 0.9.
        eps (float): added under both roots. Default: 1e-6.
        weight_decay (float): Default: 0.
        foreach, capturable: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.Adadelta([p])
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.9968])
    """

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False,
                 maximize=False, differentiable=False):
        check_numbers(self, rho=rho)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Adadelta: rho={rho} is out of range; expected 0 <= rho <= 1")
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable})

    def _first_state(self, group, param):
        return self._zeros(param, "square_avg", "acc_delta")

    def _update(self, group, params, grads):
        _update(params, grads, *self._columns(group, params, "square_avg", "acc_delta", "step"), group["lr"],
                group["rho"], group["eps"], group["weight_decay"], group["maximize"])
