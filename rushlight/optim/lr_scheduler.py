"""Learning-rate schedules. Each computes the next rate from the present one, as PyTorch's do, so that they can be chained and
the sequences are equal."""
import functools
import math
import types
import warnings
import weakref
from bisect import bisect_right
from collections import Counter

from rushlight.functional._core import Tensor
from rushlight.optim.optimizer import Optimizer

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR"]

_EPOCH_WARNING = ("The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
                  "Please use `scheduler.step()` to step the scheduler.")


def _values_of(optimizer, key):
    return [value.clone() if isinstance(value, Tensor) else value
            for value in (group[key] for group in optimizer.param_groups)]


def _set_lr(group, value):
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(value)
    else:
        group["lr"] = value


def _per_group(name, optimizer, value):
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
                         f"param_groups has {count}.")
    return list(value)


class LRScheduler:
    """Base class of the schedules; a subclass defines `get_lr`.

    Args:
        optimizer (Optimizer): whose rates to set.
        last_epoch (int): -1 to begin, else the last step of a run that is taken up again. Default: -1.

    Raises:
        TypeError: it is not an optimizer.
        KeyError: a run is taken up again, and a group has no "initial_lr".

    Example:
        >>> import rushlight as rl
        >>> optimizer = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=1.0)
        >>> schedule = rl.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [0.25]
    """

    _get_lr_called_within_step = False

    def __init__(self, optimizer, last_epoch=-1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.clone() if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                               "last_epoch >= 0: load the optimizer's state first")
        self.base_lrs = _values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def state_dict(self):
        """Everything but the optimizer.

        Returns:
            dict: from attribute to value.
        """
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict):
        """Take what `state_dict` returned.

        Args:
            state_dict (dict): of a schedule of the same kind.
        """
        self.__dict__.update(state_dict)

    def get_last_lr(self):
        """The present rate of each group."""
        return self._last_lr

    def get_lr(self):
        """The next rate of each group; called within `step`.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError

    def _current(self):
        return _values_of(self.optimizer, "lr")

    def _warn_outside_step(self):
        if not self._get_lr_called_within_step:
            warnings.warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                          stacklevel=3)

    def step(self, epoch=None):
        """Set the next rates; call it after the optimizer's step.

        Args:
            epoch (int, optional): go to this step instead of the next; deprecated.
        """
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(_EPOCH_WARNING, stacklevel=2)
        self._update_lr(epoch)

    def _check_order(self):
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn("Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                          "initialization. Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`.",
                          stacklevel=3)
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn("Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite "
                          "order: otherwise the first value of the learning rate schedule is skipped.", stacklevel=3)

    def _update_lr(self, epoch=None):
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = getattr(self, "_get_closed_form_lr", None) if epoch is not None else None
            values = (closed or self.get_lr)()
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            _set_lr(group, value)
        self._last_lr = self._current()


class _LRScheduler(LRScheduler):
    """The older name of `LRScheduler`.

    Args:
        optimizer, last_epoch: the same.
    """


def _note_steps(optimizer):
    # The optimizer remembers that it has stepped, for the warning about the order of the two steps.
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    step = optimizer.step
    function = getattr(step, "__func__", step)
    owner = weakref.ref(optimizer) if isinstance(step, types.MethodType) else None

    @functools.wraps(function)
    def noted(*args, **kwargs):
        self = owner() if owner else optimizer
        self._opt_called = True
        return function(self, *args, **kwargs) if owner else function(*args, **kwargs)

    noted._wrapped_by_lr_sched = True
    optimizer.step = noted


class _Factored(LRScheduler):
    # Schedules that multiply the present rate by a factor; `_factor` returns it, or None to leave the rates.

    def get_lr(self):
        self._warn_outside_step()
        factor = None if self.last_epoch == 0 else self._factor(self.last_epoch)
        return self._current() if factor is None else [lr * factor for lr in self._current()]

    def _get_closed_form_lr(self):
        return [base * self._total(self.last_epoch) for base in self.base_lrs]


class LambdaLR(LRScheduler):
    """The first rate times a function of the step.

    Args:
        optimizer (Optimizer): whose rates to set.
        lr_lambda (callable or list): takes the step, returns the factor; one, or one for each group.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: not one function for each group.

    Example:
        >>> import rushlight as rl
        >>> optimizer = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=1.0)
        >>> rl.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 ** (step + 1)).get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        self.optimizer = optimizer
        self.lr_lambdas = _functions(optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self):
        return _without_functions(self)

    def load_state_dict(self, state_dict):
        _load_functions(self, state_dict)

    def get_lr(self):
        self._warn_outside_step()
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas)]


def _functions(optimizer, given):
    count = len(optimizer.param_groups)
    if not isinstance(given, (list, tuple)):
        return [given] * count
    if len(given) != count:
        raise ValueError(f"Expected {count} lr_lambdas, but got {len(given)}")
    return list(given)


def _without_functions(scheduler):
    # Functions cannot be saved; objects that can be called are saved by their attributes.
    state = {key: value for key, value in scheduler.__dict__.items() if key not in ("optimizer", "lr_lambdas")}
    state["lr_lambdas"] = [None if isinstance(function, types.FunctionType) else dict(function.__dict__)
                           for function in scheduler.lr_lambdas]
    return state


def _load_functions(scheduler, state_dict):
    state_dict = dict(state_dict)
    saved = state_dict.pop("lr_lambdas")
    scheduler.__dict__.update(state_dict)
    for function, attributes in zip(scheduler.lr_lambdas, saved):
        if attributes is not None:
            function.__dict__.update(attributes)


class MultiplicativeLR(LRScheduler):
    """The present rate times a function of the step.

    Args:
        optimizer (Optimizer): whose rates to set.
        lr_lambda (callable or list): takes the step, returns the factor; one, or one for each group.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: not one function for each group.
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        self.optimizer = optimizer
        self.lr_lambdas = _functions(optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self):
        return _without_functions(self)

    def load_state_dict(self, state_dict):
        _load_functions(self, state_dict)

    def get_lr(self):
        self._warn_outside_step()
        if self._is_initial:
            return self._current()
        return [lr * function(self.last_epoch) for lr, function in zip(self._current(), self.lr_lambdas)]


class StepLR(_Factored):
    """Times `gamma` every `step_size` steps.

    Args:
        optimizer (Optimizer): whose rates to set.
        step_size (int): steps between changes.
        gamma (float): the factor. Default: 0.1.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Example:
        >>> import rushlight as rl
        >>> optimizer = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=1.0)
        >>> schedule = rl.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch):
        return None if epoch % self.step_size else self.gamma

    def _total(self, epoch):
        return self.gamma ** (epoch // self.step_size)


class MultiStepLR(_Factored):
    """Times `gamma` at each milestone.

    Args:
        optimizer (Optimizer): whose rates to set.
        milestones (list of int): the steps.
        gamma (float): the factor. Default: 0.1.
        last_epoch (int): see `LRScheduler`. Default: -1.
    """

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        # Unlike its fellows, a milestone at the first step counts.
        self._warn_outside_step()
        factor = self.gamma ** self.milestones[self.last_epoch]
        return [lr * factor for lr in self._current()] if self.last_epoch in self.milestones else self._current()

    def _total(self, epoch):
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), epoch)


class ConstantLR(LRScheduler):
    """The first rate times `factor` for the first `total_iters` steps.

    Args:
        optimizer (Optimizer): whose rates to set.
        factor (float): between 0 and 1. Default: 1/3.
        total_iters (int): Default: 5.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: `factor` is out of range.
    """

    def __init__(self, optimizer, factor=1.0 / 3, total_iters=5, last_epoch=-1):
        if factor > 1.0 or factor < 0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        self._warn_outside_step()
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._current()]
        if self.last_epoch == self.total_iters:
            return [lr * (1.0 / self.factor) for lr in self._current()]
        return self._current()

    def _get_closed_form_lr(self):
        return [base * (self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor))
                for base in self.base_lrs]


class LinearLR(LRScheduler):
    """From `start_factor` to `end_factor` times the first rate, in equal parts over `total_iters` steps.

    Args:
        optimizer (Optimizer): whose rates to set.
        start_factor (float): above 0, at most 1. Default: 1/3.
        end_factor (float): between 0 and 1. Default: 1.
        total_iters (int): Default: 5.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: a factor is out of range.
    """

    def __init__(self, optimizer, start_factor=1.0 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.")
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        self._warn_outside_step()
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._current()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [lr * (1.0 + rise / before) for lr in self._current()]

    def _get_closed_form_lr(self):
        share = min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (self.start_factor + (self.end_factor - self.start_factor) * share) for base in self.base_lrs]


class ExponentialLR(_Factored):
    """Times `gamma` at each step.

    Args:
        optimizer (Optimizer): whose rates to set.
        gamma (float): the factor.
        last_epoch (int): see `LRScheduler`. Default: -1.
    """

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        self._warn_outside_step()
        return self._current() if self._is_initial else [lr * self.gamma for lr in self._current()]

    def _total(self, epoch):
        return self.gamma**epoch


class PolynomialLR(LRScheduler):
    """(1 - step / total_iters) ** power times the first rate, then zero.

    Args:
        optimizer (Optimizer): whose rates to set.
        total_iters (int): Default: 5.
        power (float): Default: 1.
        last_epoch (int): see `LRScheduler`. Default: -1.
    """

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        self._warn_outside_step()
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        left, before = 1.0 - self.last_epoch / self.total_iters, 1.0 - (self.last_epoch - 1) / self.total_iters
        return [lr * (left / before) ** self.power for lr in self._current()]

    def _get_closed_form_lr(self):
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """From the first rate to `eta_min` along half a cosine of `T_max` steps, and back.

    Args:
        optimizer (Optimizer): whose rates to set.
        T_max (int): steps to the smallest rate.
        eta_min (float): the smallest rate. Default: 0.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Example:
        >>> import rushlight as rl
        >>> optimizer = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=1.0)
        >>> schedule = rl.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [0.0]
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        self._warn_outside_step()
        if self._is_initial:
            return self._current()
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # At the turn the quotient below would divide by zero.
            return [lr + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
                    for lr, base in zip(self._current(), self.base_lrs)]
        now = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        return [now / before * (lr - self.eta_min) + self.eta_min for lr in self._current()]

    def _get_closed_form_lr(self):
        height = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the first rate to `eta_min`, again and again (Loshchilov and Hutter, 2016).

    Args:
        optimizer (Optimizer): whose rates to set.
        T_0 (int): steps to the first restart.
        T_mult (int): each period is so many times as long as the one before. Default: 1.
        eta_min (float): the smallest rate. Default: 0.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: a period is not a positive int, or `eta_min` not a number.
    """

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0, last_epoch=-1):
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min, self.T_cur = T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        self._warn_outside_step()
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]

    def step(self, epoch=None):
        """Set the next rates.

        Args:
            epoch (float, optional): go to this step, which may be a fraction.

        Raises:
            ValueError: it is negative.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._go_to(epoch)
        self._update_lr(math.floor(epoch))

    def _go_to(self, epoch):
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        restarts = 0
        if epoch >= self.T_0 and self.T_mult > 1:
            restarts = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
        if epoch < self.T_0:
            self.T_cur, self.T_i = epoch, self.T_0
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            self.T_cur = epoch - self.T_0 * (self.T_mult**restarts - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**restarts


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and down far below the first rate, in one cycle (Smith and Topin, 2017); step after each batch.

    Args:
        optimizer (Optimizer): whose rates to set.
        max_lr (float or list): the largest rate.
        total_steps (int, optional): length of the cycle; else `epochs` times `steps_per_epoch`.
        epochs, steps_per_epoch (int, optional): see above.
        pct_start (float): share of the cycle in which the rate rises. Default: 0.3.
        anneal_strategy (str): "cos" or "linear". Default: "cos".
        cycle_momentum (bool): move the momentum the other way. Default: True.
        base_momentum, max_momentum (float or list): its limits. Default: 0.85 and 0.95.
        div_factor (float): the first rate is max_lr / div_factor. Default: 25.
        final_div_factor (float): the last rate is the first / final_div_factor. Default: 1e4.
        three_phase (bool): fall back to the first rate before falling further. Default: False.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: an option is out of range, or the optimizer has no momentum to cycle.
    """

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3,
                 anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0,
                 final_div_factor=1e4, three_phase=False, last_epoch=-1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        self.total_steps = _cycle_length(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._schedule_phases = _phases(pct_start, self.total_steps, three_phase)
        self._anneal_func_type = anneal_strategy
        for group, largest in zip(optimizer.param_groups, _per_group("max_lr", optimizer, max_lr)):
            if last_epoch == -1:
                group["initial_lr"] = largest / div_factor
                group["max_lr"] = largest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _begin_momentum(self, optimizer, base_momentum, max_momentum, last_epoch):
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        largest, smallest = (_per_group(name, optimizer, value) for name, value in
                             (("max_momentum", max_momentum), ("base_momentum", base_momentum)))
        for group, high, low in zip(optimizer.param_groups, largest, smallest):
            if last_epoch == -1:
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low

    def _set_momentum(self, group, value):
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value

    def _anneal(self, start, end, share):
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)

    def get_lr(self):
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        start, phase = 0.0, self._schedule_phases[0]
        for following in self._schedule_phases[1:]:
            if step <= phase["end_step"]:
                break
            start, phase = phase["end_step"], following
        share = (step - start) / (phase["end_step"] - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._anneal(*ends, share))
        return rates


def _cycle_length(total_steps, epochs, steps_per_epoch):
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    given = {"total_steps": total_steps} if total_steps is not None else {
        "epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    return math.prod(given.values())


def _phases(share, steps, three_phase):
    def phase(end, start_lr, end_lr, start_momentum, end_momentum):
        return {"end_step": end, "start_lr": start_lr, "end_lr": end_lr, "start_momentum": start_momentum,
                "end_momentum": end_momentum}

    rise = phase(float(share * steps) - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three_phase:
        return [rise, phase(steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    return [rise, phase(float(2 * share * steps) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            phase(steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum")]


class CyclicLR(LRScheduler):
    """Up and down between two rates, again and again (Smith, 2015); step after each batch.

    Args:
        optimizer (Optimizer): whose rates to set.
        base_lr, max_lr (float or list): the two rates.
        step_size_up (int): steps of a rise. Default: 2000.
        step_size_down (int, optional): steps of a fall; the same when None.
        mode (str): "triangular", "triangular2" (half the height each time) or "exp_range". Default: "triangular".
        gamma (float): of "exp_range": the height is gamma ** steps. Default: 1.
        scale_fn (callable, optional): the height, instead of a mode.
        scale_mode (str): whether `scale_fn` takes the "cycle" or the "iterations". Default: "cycle".
        cycle_momentum (bool): move the momentum the other way. Default: True.
        base_momentum, max_momentum (float or list): its limits. Default: 0.8 and 0.9.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: an unknown mode, or the optimizer has no momentum to cycle.
    """

    def __init__(self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None, mode="triangular", gamma=1.0,
                 scale_fn=None, scale_mode="cycle", cycle_momentum=True, base_momentum=0.8, max_momentum=0.9,
                 last_epoch=-1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.optimizer = optimizer
        for group, lr in zip(optimizer.param_groups, _per_group("base_lr", optimizer, base_lr)):
            if last_epoch == -1:
                _set_lr(group, lr)
        self.max_lrs = _per_group("max_lr", optimizer, max_lr)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = _per_group("base_lr", optimizer, base_lr)

    def _begin_momentum(self, optimizer, base_momentum, max_momentum, last_epoch):
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        self.base_momentums = _per_group("base_momentum", optimizer, base_momentum)
        self.max_momentums = _per_group("max_momentum", optimizer, max_momentum)
        if last_epoch == -1:
            for group, high, low in zip(optimizer.param_groups, self.max_momentums, self.base_momentums):
                OneCycleLR._set_momentum(self, group, high)
                group["max_momentum"], group["base_momentum"] = high, low

    def scale_fn(self, x):
        """The height of the cycle, between 0 and 1.

        Args:
            x (float): the cycle or the step; see `scale_mode`.
        """
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return {"triangular": 1.0, "triangular2": 1 / (2.0 ** (x - 1)), "exp_range": self.gamma**x}[self.mode]

    def get_lr(self):
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        place = 1.0 + self.last_epoch / self.total_size - cycle
        height = place / self.step_ratio if place <= self.step_ratio else (place - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, high, low in zip(self.optimizer.param_groups, self.max_momentums, self.base_momentums):
                OneCycleLR._set_momentum(self, group, high - (high - low) * height * scale)
        return [base + (largest - base) * height * scale for base, largest in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self):
        state = super().state_dict()
        function = state.pop("_scale_fn_custom")
        saved = None if function is None or isinstance(function, types.FunctionType) else dict(function.__dict__)
        return dict(state, _scale_fn_custom=saved)

    def load_state_dict(self, state_dict):
        state_dict = dict(state_dict)
        attributes = state_dict.pop("_scale_fn_custom")
        super().load_state_dict(state_dict)
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` when a metric has not improved for `patience` steps.

    Args:
        optimizer (Optimizer): whose rates to set.
        mode (str): "min" when smaller is better, "max" when larger is. Default: "min".
        factor (float): below 1. Default: 0.1.
        patience (int): steps without improvement that are let pass. Default: 10.
        threshold (float): the smallest improvement that counts. Default: 1e-4.
        threshold_mode (str): "rel"ative to the best or "abs"olute. Default: "rel".
        cooldown (int): steps after a change in which nothing is counted. Default: 0.
        min_lr (float or list): the smallest rate. Default: 0.
        eps (float): smaller changes are not made. Default: 1e-8.
        verbose: accepted; it changes nothing.

    Raises:
        ValueError: `factor` is not below 1, or a mode is unknown.

    Example:
        >>> import rushlight as rl
        >>> optimizer = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=1.0)
        >>> schedule = rl.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        >>> for loss in (3.0, 3.0, 3.0):
        ...     schedule.step(loss)
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel", cooldown=0,
                 min_lr=0, eps=1e-8, verbose=None):
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        self.optimizer, self.factor = optimizer, factor
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = _per_group("min_lr", optimizer, min_lr)
        self.patience, self.cooldown, self.eps = patience, cooldown, eps
        self.last_epoch = 0
        self._last_lr = self._current()
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self._reset()

    def _reset(self):
        self.best = self.mode_worse
        self.cooldown_counter = self.num_bad_epochs = 0

    @property
    def in_cooldown(self):
        """Whether nothing is counted at present."""
        return self.cooldown_counter > 0

    def _is_better(self, value):
        sign = -1.0 if self.mode == "min" else 1.0
        bound = self.best * (1.0 + sign * self.threshold) if self.threshold_mode == "rel" else \
            self.best + sign * self.threshold
        return value < bound if self.mode == "min" else value > bound

    def step(self, metrics, epoch=None):
        """Note the metric, and reduce the rates if it is time.

        Args:
            metrics (float or Tensor): the metric.
            epoch (int, optional): number of this step; deprecated.
        """
        value = float(metrics)
        if epoch is not None:
            warnings.warn(_EPOCH_WARNING, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._current()

    def _reduce(self):
        while len(self.min_lrs) < len(self.optimizer.param_groups) and self.default_min_lr is not None:
            self.min_lrs.append(self.default_min_lr)
        for group, smallest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            before = float(group["lr"])
            after = max(before * self.factor, smallest)
            if before - after > self.eps:
                _set_lr(group, after)


class _Several(LRScheduler):
    # Schedules made of schedules: their state dicts hold those of the parts.

    def state_dict(self):
        state = {key: value for key, value in self.__dict__.items() if key not in ("optimizer", "_schedulers")}
        return dict(state, _schedulers=[scheduler.state_dict() for scheduler in self._schedulers])

    def load_state_dict(self, state_dict):
        state_dict = dict(state_dict)
        parts = state_dict.pop("_schedulers")
        self.__dict__.update(state_dict)
        for scheduler, state in zip(self._schedulers, parts, strict=True):
            scheduler.load_state_dict(state)


def _check_parts(kind, optimizer, schedulers):
    for i, scheduler in enumerate(schedulers):
        if not hasattr(scheduler, "optimizer"):
            raise TypeError(f"{kind} at index {i} should have `optimizer` as its attribute.")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(f"{kind} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs "
                             f"to be specified when calling `step`, but got one at index {i} in the given schedulers "
                             "sequence.")
        if scheduler.optimizer is not optimizer:
            raise ValueError(f"{kind} expects all schedulers to belong to the same optimizer, but got scheduler "
                             f"{type(scheduler).__name__} at index {i} with another one")


class SequentialLR(_Several):
    """One schedule after the other.

    Args:
        optimizer (Optimizer): whose rates to set.
        schedulers (list of LRScheduler): of this optimizer.
        milestones (list of int): the step at which each but the first begins.
        last_epoch (int): -1.

    Raises:
        ValueError: numbers do not fit, or a schedule belongs to another optimizer.
    """

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1):
        if len(schedulers) < 1:
            raise ValueError(f"{type(self).__name__} expects at least one scheduler to be chained, but got none.")
        _check_parts(type(self).__name__, optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError("Sequential Schedulers expects number of schedulers provided to be one more than the number "
                             f"of milestone points, but got number of schedulers {len(schedulers)} and the number of "
                             f"milestones to be equal to {len(milestones)}")
        self._schedulers, self._milestones = schedulers, milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            _set_lr(group, group["initial_lr"])
        # Making the parts has stepped each of them once: only the one that runs first may have done so.
        _undo_first_steps(schedulers)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self):
        """Set the next rates."""
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _undo_first_steps(schedulers):
    for scheduler in schedulers:
        if hasattr(scheduler, "_schedulers"):
            _undo_first_steps(scheduler._schedulers)
        else:
            scheduler.last_epoch -= 1


class ChainedScheduler(_Several):
    """Several schedules, all at each step.

    Args:
        schedulers (list of LRScheduler): of one optimizer.
        optimizer (Optimizer, optional): that optimizer.

    Raises:
        ValueError: there is none, or they belong to different optimizers.
    """

    def __init__(self, schedulers, optimizer=None):
        if len(schedulers) < 1:
            raise ValueError(f"{type(self).__name__} expects at least one scheduler to be chained, but got none.")
        optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        _check_parts(type(self).__name__, optimizer, schedulers)
        self._schedulers, self.optimizer = schedulers, optimizer
        self._last_lr = self._current()

    def step(self):
        """Step all schedules."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()
