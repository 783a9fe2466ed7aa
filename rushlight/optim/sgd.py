"""Stochastic gradient descent."""
from rushlight.functional._core import core
from rushlight.optim._checks import check_numbers
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["SGD"]

_update = core._groups["_ops"]["sgd_update"]


class SGD(FusedOptimizer):
    """Stochastic gradient descent, with momentum, Nesterov's momentum and weight decay.

    Each step: g = grad + weight_decay * p; buffer = momentum * buffer + (1 - dampening) * g (g itself at
        first);
    p -= lr * (g + momentum * buffer with Nesterov, else the buffer, or g without momentum).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1e-3.
        momentum (float): Default: 0.
        dampening (float): Default: 0.
        weight_decay (float): Default: 0.
        nesterov (bool): Default: False.
        maximize (bool): climb instead of descend. Default: False.
        foreach, fused (bool, optional): accepted; the update is always fused.
        differentiable (bool): must be False.

    Raises:
        ValueError: a negative option, or Nesterov's momentum without momentum or with dampening.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.SGD([p], lr=0.5)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.item()
        0.0
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
    ):
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        check_numbers(self, momentum=momentum, dampening=dampening)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise self._error(ValueError, f"nesterov=True with momentum={momentum} and dampening={dampening}; expected "
                                          "a momentum above 0 and no dampening")
        super().__init__(params, defaults)

    def _update(self, group, params, grads):
        momentum = group["momentum"]
        if momentum == 0:
            self._apply(group, params, grads, None, group["dampening"])
            return
        state = self.state
        buffers = [state[param].get("momentum_buffer") for param in params]
        fresh = [i for i, buffer in enumerate(buffers) if buffer is None]
        if not fresh:
            self._apply(group, params, grads, buffers, group["dampening"])
            return
        # The first step takes the gradient undampened: that is a buffer of zeros and no dampening.
        for i in fresh:
            buffers[i] = state[params[i]]["momentum_buffer"] = core.zeros_like(params[i], requires_grad=False)
        known = [i for i in range(len(params)) if i not in set(fresh)]
        for places, dampening in ((fresh, 0.0), (known, group["dampening"])):
            chosen = [[values[i] for i in places] for values in (params, grads, buffers)]
            if places:
                self._apply(group, *chosen, dampening)

    def _apply(self, group, params, grads, buffers, dampening):
        _update(params, grads, buffers, group["lr"], group["momentum"], dampening, group["weight_decay"],
                group["nesterov"], group["maximize"])
