"""RAdam."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_options
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["RAdam"]

_update = core._groups["_ops"]["radam_update"]


class RAdam(FusedOptimizer):
    """Adam that holds its scaling back while the mean of squares is uncertain (Liu et al., 2019).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1e-3.
        betas (tuple of float): decay of the two means. Default: (0.9, 0.999).
        eps (float): added to the denominator. Default: 1e-8.
        weight_decay (float): Default: 0.
        decoupled_weight_decay (bool): decay as AdamW does. Default: False.
        foreach, capturable: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.RAdam([p], lr=0.1)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.8000])
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False):
        check_options(self, betas=betas)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable})

    def _first_state(self, group, param):
        return self._zeros(param, "exp_avg", "exp_avg_sq")

    def _update(self, group, params, grads):
        _update(params, grads, *self._columns(group, params, "exp_avg", "exp_avg_sq", "step"), group["lr"],
                *group["betas"], group["eps"], group["weight_decay"], group["decoupled_weight_decay"],
                group["maximize"])
