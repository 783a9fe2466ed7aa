"""RMSprop."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_options
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["RMSprop"]

_update = core._groups["_ops"]["rmsprop_update"]


class RMSprop(FusedOptimizer):
    """Steps divided by the root of a running mean of squared gradients (Hinton's lecture 6).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1e-2.
        alpha (float): decay of the mean. Default: 0.99.
        eps (float): added to the denominator. Default: 1e-8.
        weight_decay (float): Default: 0.
        momentum (float): Default: 0.
        centered (bool): divide by the deviation from a running mean of gradients. Default: False.
        capturable, foreach: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is negative.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.RMSprop([p], lr=0.01)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.9000])
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
                 capturable=False, foreach=None, maximize=False, differentiable=False):
        check_options(self, alpha=alpha)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable})

    def _first_state(self, group, param):
        options = ["momentum_buffer"] * (group["momentum"] > 0) + ["grad_avg"] * bool(group["centered"])
        return self._zeros(param, "square_avg", *options)

    def _update(self, group, params, grads):
        squares, steps = self._columns(group, params, "square_avg", "step")
        means = self._columns(group, params, "grad_avg")[0] if group["centered"] else None
        buffers = self._columns(group, params, "momentum_buffer")[0] if group["momentum"] > 0 else None
        _update(params, grads, squares, means, buffers, steps, group["lr"], group["alpha"], group["eps"],
                group["weight_decay"], group["momentum"], group["maximize"])
