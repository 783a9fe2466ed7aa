"""Adafactor."""
from rushlight._dtype_info import finfo
from rushlight.functional._core import core
from rushlight.optim._checks import check_numbers, check_pair
from rushlight.optim.optimizer import FusedOptimizer, scalar

__all__ = ["Adafactor"]

_update = core._groups["_ops"]["adafactor_update"]


class Adafactor(FusedOptimizer):
    """Steps scaled by mean squares that are kept as one number per row and column (Shazeer and Stern, 2018).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): the largest relative step, and the rate of the decay. Default: 1e-2.
        beta2_decay (float): the means take in step ** beta2_decay of the new squares. Default: -0.8.
        eps (tuple of float): the smallest root of a mean square, None for the dtype's own; and the smallest size of a
            parameter that steps are relative to. Default: (None, 1e-3).
        d (float): the largest root of the mean square of a step before scaling. Default: 1.
        weight_decay (float): decoupled. Default: 0.
        foreach: accepted; the update is always fused.
        maximize (bool): climb instead of descend. Default: False.

    Raises:
        ValueError: an option is out of range.
        RuntimeError: a parameter is complex.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.Adafactor([p], lr=0.1)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.9000])
    """

    _not_negative = ("lr", "weight_decay")

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None,
                 maximize=False):
        check_numbers(self, beta2_decay=beta2_decay, d=d)
        if not beta2_decay <= 0.0:
            raise ValueError(f"Adafactor: beta2_decay={beta2_decay} is out of range; expected beta2_decay <= 0")
        check_pair(self, "eps", eps, may_lack=True)
        for i, value in enumerate(eps):
            if value is not None and not value >= 0.0:
                raise ValueError(f"Adafactor: eps[{i}]={value} is out of range; expected eps[{i}] >= 0")
        if not d >= 1.0:
            raise ValueError(f"Adafactor: d={d} is out of range; expected d >= 1")
        super().__init__(params, {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize})

    def _first_state(self, group, param):
        if param.is_complex():
            raise self._error(RuntimeError, f"params holds a parameter of dtype {param.dtype}; expected real ones")
        if param.dim() < 2:
            return {"step": scalar(0.0), "variance": core.zeros_like(param, requires_grad=False)}
        *batches, rows, columns = param.shape
        return {"step": scalar(0.0), "row_var": param.new_zeros((*batches, rows, 1)),
                "col_var": param.new_zeros((*batches, 1, columns))}

    def _update(self, group, params, grads):
        steps, = self._columns(group, params, "step")
        states = [self.state[param] for param in params]
        columns = [state.get("col_var", state.get("variance")) for state in states]
        rows = [state.get("row_var", column) for state, column in zip(states, columns)]
        eps1, eps2 = group["eps"]
        eps1 = finfo(params[0].dtype).eps if eps1 is None else eps1
        _update(params, grads, rows, columns, steps, group["lr"], group["beta2_decay"], eps1, eps2, group["d"],
                group["weight_decay"], group["maximize"])
