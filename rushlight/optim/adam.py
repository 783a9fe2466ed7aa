"""Adam and AdamW."""
from rushlight.functional._core import core
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["Adam", "AdamW"]


class Adam(FusedOptimizer):
    """Adam (Kingma and Ba, 2014): steps scaled by running means of gradients and of their squares.

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1e-3.
        betas (tuple of float): decay of the two means. Default: (0.9, 0.999).
        eps (float): added to the denominator. Default: 1e-8.
        weight_decay (float): Default: 0.
        amsgrad (bool): use the largest mean of squares so far (Reddi et al., 2018). Default: False.
        maximize (bool): climb instead of descend. Default: False.
        foreach, fused, capturable: accepted; the update is always fused.
        differentiable (bool): must be False.
        decoupled_weight_decay (bool): decay as AdamW does. Default: False.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.Adam([p], lr=0.1)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.9000])
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
        fused=None,
        decoupled_weight_decay=False,
    ):
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _update(self, group, params, grads):
        amsgrad = group["amsgrad"]

        def first_state(param):
            names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if amsgrad else ("exp_avg", "exp_avg_sq")
            zeros = {name: core.zeros_like(param, requires_grad=False) for name in names}
            return {"step": core.tensor(0.0, dtype=core.float32), **zeros}

        states = self._states(params, first_state)
        beta1, beta2 = group["betas"]
        core.optim.adam_(
            params,
            grads,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [state["max_exp_avg_sq"] for state in states] if amsgrad else None,
            [state["step"] for state in states],
            float(group["lr"]),
            float(beta1),
            float(beta2),
            float(group["eps"]),
            float(group["weight_decay"]),
            group["decoupled_weight_decay"],
            group["maximize"],
        )


class AdamW(Adam):
    """Adam with weight decay that does not pass through the means (Loshchilov and Hutter, 2017).

    Args:
        params (iterable): parameters or groups; see `Optimizer`.
        lr (float): learning rate. Default: 1e-3.
        betas (tuple of float): decay of the two means. Default: (0.9, 0.999).
        eps (float): added to the denominator. Default: 1e-8.
        weight_decay (float): Default: 1e-2.
        amsgrad (bool): use the largest mean of squares so far. Default: False.
        maximize (bool): climb instead of descend. Default: False.
        foreach, fused, capturable: accepted; the update is always fused.
        differentiable (bool): must be False.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([1.0]))
        >>> optimizer = rl.optim.AdamW([p], lr=0.1, weight_decay=0.0)
        >>> (p * p).sum().backward()
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.9000])
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
                 maximize=False, foreach=None, capturable=False, differentiable=False, fused=None):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state):
        super().__setstate__(state)
        # Files of PyTorch before 2.6 do not say it.
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
