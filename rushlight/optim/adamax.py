"""Adamax."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_options
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["Adamax"]

_update = core._groups["_ops"]["adamax_update"]


class Adamax(FusedOptimizer):
    """Adam with the largest recent gradient in place of the mean square (Kingma and Ba, 2014).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 2e-3.
        betas (tuple of float): decay of the mean and of the largest. Default: (0.9, 0.999).
        eps (float): added to the gradient's size. Default: 1e-8.
        weight_decay (float): Default: 0.
        foreach, capturable: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.Adamax([p], lr=0.1)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.9000])
    """

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
                 differentiable=False, capturable=False):
        check_options(self, betas=betas)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable})

    def _first_state(self, group, param):
        return self._zeros(param, "exp_avg", "exp_inf")

    def _update(self, group, params, grads):
        _update(params, grads, *self._columns(group, params, "exp_avg", "exp_inf", "step"), group["lr"],
                *group["betas"], group["eps"], group["weight_decay"], group["maximize"])
