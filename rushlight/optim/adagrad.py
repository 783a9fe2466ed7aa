"""Adagrad."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_options
from rushlight.optim.optimizer import FusedOptimizer, scalar

__all__ = ["Adagrad"]

_update = core._groups["_ops"]["adagrad_update"]


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
        check_options(self, lr_decay=lr_decay, initial_accumulator_value=initial_accumulator_value)
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused})
        # As in PyTorch, the state exists before the first step.
        for group in self.param_groups:
            self._columns(group, group["params"])

    def _first_state(self, group, param):
        first = group["initial_accumulator_value"]
        first = complex(first, first) if param.is_complex() else first
        return {"step": scalar(0.0), "sum": core.full_like(param, first, requires_grad=False)}

    def share_memory(self):
        """Put the state into memory that processes share: refuses, since tensors are sent to processes by value.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "share_memory: memory shared between processes is out of scope; docs/out-of-scope.md says why")

    def _update(self, group, params, grads):
        _update(params, grads, *self._columns(group, params, "sum", "step"), group["lr"], group["lr_decay"],
                group["weight_decay"], group["eps"], group["maximize"])
