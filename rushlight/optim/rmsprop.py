"""RMSprop."""
from rushlight.functional._core import core
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["RMSprop"]


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
        if not alpha >= 0.0:
            raise ValueError(f"Invalid alpha value: {alpha}")
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable})

    def _update(self, group, params, grads):
        centered, momentum = group["centered"], float(group["momentum"])

        def first_state(param):
            names = ["square_avg"] + ["momentum_buffer"] * (momentum > 0) + ["grad_avg"] * bool(centered)
            zeros = {name: core.zeros_like(param, requires_grad=False) for name in names}
            return {"step": core.tensor(0.0, dtype=core.float32), **zeros}

        states = self._states(params, first_state)
        core.optim.rmsprop_(
            params,
            grads,
            [state["square_avg"] for state in states],
            [state["grad_avg"] for state in states] if centered else None,
            [state["momentum_buffer"] for state in states] if momentum > 0 else None,
            [state["step"] for state in states],
            float(group["lr"]),
            float(group["alpha"]),
            float(group["eps"]),
            float(group["weight_decay"]),
            momentum,
            group["maximize"],
        )
