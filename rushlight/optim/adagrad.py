"""Adagrad."""
from rushlight.functional._core import core
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["Adagrad"]


class Adagrad(FusedOptimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al., 2011).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1e-2.
        lr_decay (float): the rate is divided by 1 + lr_decay * steps. Default: 0.
        weight_decay (float): Default: 0.
        initial_accumulator_value (float): what the sums begin with. Default: 0.
        eps (float): added to the denominator. Default: 1e-10.
        foreach, fused: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is negative.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.Adagrad([p], lr=0.1)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.9000])
    """

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10,
                 foreach=None, *, maximize=False, differentiable=False, fused=None):
        for name, value in (("lr_decay", lr_decay), ("initial_accumulator_value", initial_accumulator_value)):
            if not value >= 0.0:
                raise ValueError(f"Invalid {name} value: {value}")
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused})
        # As in PyTorch, the state exists before the first step.
        for group in self.param_groups:
            self._states(group["params"], lambda param, group=group: self._first_state(group, param))

    def _first_state(self, group, param):
        total = core.full_like(param, group["initial_accumulator_value"], requires_grad=False)
        return {"step": core.tensor(0.0, dtype=core.float32), "sum": total}

    def _update(self, group, params, grads):
        states = self._states(params, lambda param: self._first_state(group, param))
        core.optim.adagrad_(
            params,
            grads,
            [state["sum"] for state in states],
            [state["step"] for state in states],
            float(group["lr"]),
            float(group["lr_decay"]),
            float(group["weight_decay"]),
            float(group["eps"]),
            group["maximize"],
        )
