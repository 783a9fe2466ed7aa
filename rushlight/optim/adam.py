"""Adam and AdamW."""
from rushlight.functional._core import Tensor, core
from rushlight.optim._checks import check_options
from rushlight.optim.optimizer import FusedOptimizer

__all__ = ["Adam", "AdamW"]

_update = core._groups["_ops"]["adam_update"]


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
        check_options(self, betas=betas)
        tensors = {"lr": isinstance(lr, Tensor)} | {f"betas[{i}]": isinstance(betas[i], Tensor) for i in range(2)}
        if tensors["betas[0]"] != tensors["betas[1]"]:
            raise self._error(ValueError, f"betas={tuple(betas)}; expected two numbers or two tensors")
        for name, is_tensor in tensors.items():
            if is_tensor and foreach and not capturable:
                raise self._error(ValueError, f"{name} is a tensor; expected a number for foreach=True and "
                                              "capturable=False")
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

    def _first_state(self, group, param):
        return self._zeros(param, "exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * bool(group["amsgrad"]))

    def _update(self, group, params, grads):
        means, squares, steps = self._columns(group, params, "exp_avg", "exp_avg_sq", "step")
        largest = self._columns(group, params, "max_exp_avg_sq")[0] if group["amsgrad"] else None
        _update(params, grads, means, squares, largest, steps, group["lr"], *group["betas"], group["eps"],
                group["weight_decay"], group["decoupled_weight_decay"], group["maximize"])


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
