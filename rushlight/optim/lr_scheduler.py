"""Learning-rate schedules.

Each computes the next rate from the present one, as PyTorch's do, so that they can be chained and the sequences are
equal.
"""
import math
import types
import warnings
from bisect import bisect_right
from collections import Counter

from rushlight.optim._checks import check_numbers, refusal
from rushlight.optim._lr_base import (
    EPOCH_WARNING,
    LRScheduler,
    check_choice,
    check_count,
    check_optimizer,
    for_each_group,
    numbers_per_group,
    set_lr,
)
from rushlight.optim._lr_cycles import CyclicLR, OneCycleLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

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
        check_optimizer(self, optimizer)
        self.optimizer = optimizer
        self.lr_lambdas = _functions(self, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self):
        return _without_functions(self)

    def load_state_dict(self, state_dict):
        _load_functions(self, state_dict)

    def get_lr(self):
        self._warn_outside_step()
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas)]


def _functions(schedule, given):
    functions = for_each_group(schedule, "lr_lambda", given)
    for function in functions:
        if not callable(function):
            raise refusal(schedule, TypeError, f"lr_lambda={function!r} is of type {type(function).__name__}; expected "
                                               "a function of the step")
    return functions


def _without_functions(scheduler):
    # Functions cannot be saved; objects that can be called are saved by their attributes.
    state = {
        key: value for key, value in scheduler.__dict__.items() if key not in ("optimizer", "lr_lambdas")
    }
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
        check_optimizer(self, optimizer)
        self.optimizer = optimizer
        self.lr_lambdas = _functions(self, lr_lambda)
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
        check_numbers(self, step_size=step_size, gamma=gamma)
        if step_size == 0:
            raise refusal(self, ValueError, "step_size=0; expected a number of steps above 0")
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
        check_numbers(self, gamma=gamma)
        if milestones is not None and not hasattr(milestones, "__iter__"):
            raise refusal(self, TypeError, f"milestones={milestones!r} is of type {type(milestones).__name__}; "
                                           "expected an iterable of steps")
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        # Unlike its fellows, a milestone at the first step counts.
        self._warn_outside_step()
        factor = self.gamma ** self.milestones[self.last_epoch]
        return (
            [lr * factor for lr in self._current()] if self.last_epoch in self.milestones else self._current()
        )

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
        check_numbers(self, factor=factor, total_iters=total_iters)
        if factor > 1.0 or factor < 0:
            raise refusal(self, ValueError, f"factor={factor} is out of range; expected 0 <= factor <= 1")
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
        check_numbers(self, start_factor=start_factor, end_factor=end_factor, total_iters=total_iters)
        if start_factor > 1.0 or start_factor <= 0:
            raise refusal(self, ValueError, f"start_factor={start_factor} is out of range; expected "
                                            "0 < start_factor <= 1")
        if end_factor > 1.0 or end_factor < 0:
            raise refusal(self, ValueError, f"end_factor={end_factor} is out of range; expected 0 <= end_factor <= 1")
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
        return [
            base * (self.start_factor + (self.end_factor - self.start_factor) * share)
            for base in self.base_lrs
        ]


class ExponentialLR(_Factored):
    """Times `gamma` at each step.

    Args:
        optimizer (Optimizer): whose rates to set.
        gamma (float): the factor.
        last_epoch (int): see `LRScheduler`. Default: -1.
    """

    def __init__(self, optimizer, gamma, last_epoch=-1):
        check_numbers(self, gamma=gamma)
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
        check_numbers(self, total_iters=total_iters, power=power)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        self._warn_outside_step()
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        left, before = (
            1.0 - self.last_epoch / self.total_iters,
            1.0 - (self.last_epoch - 1) / self.total_iters,
        )
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
        check_numbers(self, T_max=T_max, eta_min=eta_min)
        if T_max == 0:
            raise refusal(self, ValueError, "T_max=0; expected a number of steps above 0")
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
        check_count(self, "T_0", T_0)
        check_count(self, "T_mult", T_mult)
        if not isinstance(eta_min, (float, int)):
            raise refusal(self, ValueError, f"eta_min={eta_min!r} is of type {type(eta_min).__name__}; expected float "
                                            "or int")
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
            raise refusal(self, ValueError, f"epoch={epoch} is out of range; expected epoch >= 0")
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

    def __init__(
        self,
        optimizer,
        mode="min",
        factor=0.1,
        patience=10,
        threshold=1e-4,
        threshold_mode="rel",
        cooldown=0,
        min_lr=0,
        eps=1e-8,
        verbose=None,
    ):
        check_numbers(self, factor=factor, patience=patience, threshold=threshold, cooldown=cooldown, eps=eps)
        if factor >= 1.0:
            raise refusal(self, ValueError, f"factor={factor} is out of range; expected factor < 1")
        check_optimizer(self, optimizer)
        check_choice(self, "mode", mode, ("min", "max"))
        check_choice(self, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.optimizer, self.factor = optimizer, factor
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = numbers_per_group(self, "min_lr", min_lr)
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
            warnings.warn(EPOCH_WARNING, stacklevel=2)
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
                set_lr(group, after)


class _Several(LRScheduler):
    # Schedules made of schedules: their state dicts hold those of the parts.

    def state_dict(self):
        state = {
            key: value for key, value in self.__dict__.items() if key not in ("optimizer", "_schedulers")
        }
        return dict(state, _schedulers=[scheduler.state_dict() for scheduler in self._schedulers])

    def load_state_dict(self, state_dict):
        state_dict = dict(state_dict)
        parts = state_dict.pop("_schedulers")
        self.__dict__.update(state_dict)
        for scheduler, state in zip(self._schedulers, parts, strict=True):
            scheduler.load_state_dict(state)


def _check_parts(schedule, optimizer, schedulers):
    if not isinstance(schedulers, (list, tuple)):
        raise refusal(schedule, TypeError, f"schedulers is of type {type(schedulers).__name__}; expected a list of "
                                           "schedules")
    if not schedulers:
        raise refusal(schedule, ValueError, "schedulers is empty; expected at least one")
    for i, part in enumerate(schedulers):
        kind = type(part).__name__
        if not hasattr(part, "optimizer"):
            raise refusal(schedule, TypeError, f"schedulers[{i}] is of type {kind}, which has no optimizer; expected a "
                                               "schedule")
        if isinstance(part, ReduceLROnPlateau):
            raise refusal(schedule, ValueError, f"schedulers[{i}] is a ReduceLROnPlateau, whose steps need a metric; "
                                                "expected a schedule whose steps do not")
        if part.optimizer is not (optimizer or schedulers[0].optimizer):
            raise refusal(schedule, ValueError, f"schedulers[{i}], a {kind}, belongs to another optimizer; expected "
                                                "one optimizer for all")


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
        check_optimizer(self, optimizer)
        _check_parts(self, optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise refusal(self, ValueError, f"milestones has {len(milestones)} steps for {len(schedulers)} schedules; "
                                            f"expected {len(schedulers) - 1}, one less than schedules")
        self._schedulers, self._milestones = schedulers, milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            set_lr(group, group["initial_lr"])
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
        _check_parts(self, optimizer, schedulers)
        optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        self._schedulers, self.optimizer = schedulers, optimizer
        self._last_lr = self._current()

    def step(self):
        """Step all schedules."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()
