"""Averages of a model's parameters over training: equal weights (SWA) or exponentially falling ones (EMA)."""
import math
from copy import deepcopy
from itertools import chain

from rushlight.autograd import no_grad
from rushlight.functional._core import core
from rushlight.nn import Module
from rushlight.nn.modules.batchnorm import _BatchNorm
from rushlight.optim._checks import refusal
from rushlight.optim._lr_base import LRScheduler, check_choice, check_optimizer, numbers_per_group

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

_lerp = core._groups["_ops"]["lerp_tensors"]


def _check_decay(decay):
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _is_continuous(tensor):
    return tensor.is_floating_point() or tensor.is_complex()


def get_ema_multi_avg_fn(decay=0.999):
    """A function that moves a list of averages in place: decay * average + (1 - decay) * value.

    Args:
        decay (float): between 0 and 1. Default: 0.999.

    Returns:
        callable: takes the averages, the values and the number of models averaged.

    Raises:
        ValueError: `decay` is out of range.

    Example:
        >>> import rushlight as rl
        >>> average = rl.zeros(1)
        >>> rl.optim.swa_utils.get_ema_multi_avg_fn(0.75)([average], [rl.ones(1)], 1)
        >>> average
        tensor([0.2500])
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list, current_param_list, _):
        if _is_continuous(ema_param_list[0]):
            _lerp(list(ema_param_list), list(current_param_list), 1 - decay)
            return
        for average, value in zip(ema_param_list, current_param_list, strict=True):
            average.copy_(average * decay + value * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn():
    """A function that moves a list of means in place: mean + (value - mean) / (number + 1).

    Returns:
        callable: takes the means, the values and the number of models averaged so far.

    Example:
        >>> import rushlight as rl
        >>> mean = rl.zeros(1)
        >>> rl.optim.swa_utils.get_swa_multi_avg_fn()([mean], [rl.ones(1)], 3)
        >>> mean
        tensor([0.2500])
    """

    @no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged):
        if _is_continuous(averaged_param_list[0]):
            _lerp(list(averaged_param_list), list(current_param_list), 1 / (int(num_averaged) + 1))
            return
        for mean, value in zip(averaged_param_list, current_param_list, strict=True):
            mean.copy_(mean + (value - mean) / (int(num_averaged) + 1))

    return swa_update


def get_ema_avg_fn(decay=0.999):
    """A function of one average: decay * average + (1 - decay) * value.

    Args:
        decay (float): between 0 and 1. Default: 0.999.

    Returns:
        callable: takes the average, the value and the number of models averaged; returns the new average.

    Raises:
        ValueError: `decay` is out of range.
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """A function of one mean: mean + (value - mean) / (number + 1).

    Returns:
        callable: takes the mean, the value and the number of models averaged so far; returns the new mean.
    """

    @no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are the average of the model's (Izmailov et al., 2018).

    Args:
        model (Module): the model.
        device (optional): the CPU.
        avg_fn (callable, optional): the new average of one tensor, from average, value and number of models so far.
        multi_avg_fn (callable, optional): the same in place for lists of tensors. Default: equal weights.
        use_buffers (bool): average the buffers too instead of copying them. Default: False.

    Raises:
        AssertionError: both functions are given.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Linear(1, 1)
        >>> averaged = rl.optim.swa_utils.AveragedModel(model)
        >>> averaged.update_parameters(model)
        >>> averaged.n_averaged
        tensor(1)
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", core.tensor(0, dtype=core.int64))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        """What the averaged model returns.

        Args:
            args, kwargs: the model's.
        """
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model):
        """Take the model's present parameters into the average.

        Args:
            model (Module): the model that was copied, or one like it.
        """
        def averaged_of(owner):
            return list(chain(owner.parameters(), owner.buffers()) if self.use_buffers else owner.parameters())

        own = [tensor.detach() for tensor in averaged_of(self.module)]
        others = [tensor.detach() for tensor in averaged_of(model)]
        if self.n_averaged == 0:
            for average, value in zip(own, others):
                average.copy_(value)
        elif self.avg_fn is None:
            self._average_all(own, others)
        else:
            for average, value in zip(own, others, strict=True):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        if not self.use_buffers:
            for buffer, value in zip(self.module.buffers(), model.buffers(), strict=True):
                buffer.detach().copy_(value.detach())
        self.n_averaged += 1

    def _average_all(self, own, others):
        update = self.multi_avg_fn or get_swa_multi_avg_fn()
        by_dtype = {}
        for average, value in zip(own, others, strict=True):
            lists = by_dtype.setdefault(average.dtype, ([], []))
            lists[0].append(average)
            lists[1].append(value)
        for averages, values in by_dtype.values():
            update(averages, values, self.n_averaged)


@no_grad()
def update_bn(loader, model, device=None):
    """Compute the running statistics of all batch normalisations anew, by one pass over data.

    Args:
        loader (iterable): batches; of a list or tuple the first item is the model's input.
        model (Module): whose statistics to compute.
        device (optional): where the batches go first.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.BatchNorm1d(1)
        >>> rl.optim.swa_utils.update_bn([rl.tensor([[1.0], [3.0]])], model)
        >>> model.running_mean
        tensor([2.])
    """
    layers = {layer: layer.momentum for layer in model.modules() if isinstance(layer, _BatchNorm)}
    if not layers:
        return
    was_training = model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    for batch in loader:
        batch = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(batch if device is None else batch.to(device))
    for layer, momentum in layers.items():
        layer.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present rate to a constant one for averaging, in `anneal_epochs` steps.

    Args:
        optimizer (Optimizer): whose rates to set.
        swa_lr (float or list): the last rate, of all groups or of each.
        anneal_epochs (int): steps to it. Default: 10.
        anneal_strategy (str): "cos" or "linear". Default: "cos".
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import rushlight as rl
        >>> optimizer = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=1.0)
        >>> schedule = rl.optim.swa_utils.SWALR(optimizer, 0.5, anneal_epochs=1)
        >>> optimizer.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        check_optimizer(self, optimizer)
        self.optimizer = optimizer
        check_choice(self, "anneal_strategy", anneal_strategy, ("cos", "linear"))
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise refusal(self, ValueError, f"anneal_epochs={anneal_epochs!r}; expected a whole number, at least 0")
        for rate, group in zip(numbers_per_group(self, "swa_lr", swa_lr), optimizer.param_groups):
            group["swa_lr"] = rate
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t):
        """How much of the way is gone at `t`.

        Args:
            t (float): share of the steps.
        """
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self):
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = (self.anneal_func(max(0, min(1, at / max(1, self.anneal_epochs)))) for at in (step - 1, step))
        rates = []
        for group in self.optimizer.param_groups:
            lr, last = group["lr"], group["swa_lr"]
            first = last if before == 1 else (lr - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates
