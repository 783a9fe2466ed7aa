"""NAdam."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_options
from rushlight.optim.optimizer import FusedOptimizer, scalar

__all__ = ["NAdam"]

_update = core._groups["_ops"]["nadam_update"]


class NAdam(FusedOptimizer):
    """Adam with Nesterov's momentum (Dozat, 2016).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 2e-3.
        betas (tuple of float): decay of the two means. Default: (0.9, 0.999).
        eps (float): added to the denominator. Default: 1e-8.
        weight_decay (float): Default: 0.
        momentum_decay (float): how fast the momentum grows to its full size. Default: 4e-3.
        decoupled_weight_decay (bool): decay as AdamW does. Default: False.
        foreach, capturable: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.NAdam([p], lr=0.1)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.item() < 1.0
        True
    """

    _numbers = ("step", "mu_product")

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
                 decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False):
        check_options(self, betas=betas, momentum_decay=momentum_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable})

    def _first_state(self, group, param):
        return {**self._zeros(param, "exp_avg", "exp_avg_sq"), "mu_product": scalar(1.0)}

    def _update(self, group, params, grads):
        _update(params, grads, *self._columns(group, params, "exp_avg", "exp_avg_sq", "step", "mu_product"),
                group["lr"], *group["betas"], group["eps"], group["weight_decay"], group["momentum_decay"],
                group["decoupled_weight_decay"], group["maximize"])
