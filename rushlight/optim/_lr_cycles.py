"""Learning-rate schedules that go up and down within a run."""
import math
import types

from rushlight.optim._checks import check_numbers, refusal
from rushlight.optim._lr_base import (
    LRScheduler,
    check_choice,
    check_count,
    check_optimizer,
    numbers_per_group,
    set_lr,
)


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and far down in one cycle (Smith and Topin, 2017); step after each batch.

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

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps=None,
        epochs=None,
        steps_per_epoch=None,
        pct_start=0.3,
        anneal_strategy="cos",
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
        last_epoch=-1,
    ):
        check_optimizer(self, optimizer)
        self.optimizer = optimizer
        self.total_steps = _cycle_length(self, total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise refusal(self, ValueError, f"pct_start={pct_start!r}; expected a float with 0 <= pct_start <= 1")
        check_choice(self, "anneal_strategy", anneal_strategy, ("cos", "linear"))
        for name, factor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            check_numbers(self, **{name: factor})
            if factor == 0:
                raise refusal(self, ValueError, f"{name}=0; expected a number other than 0")
        self._schedule_phases = _phases(pct_start, self.total_steps, three_phase)
        self._anneal_func_type = anneal_strategy
        for group, largest in zip(optimizer.param_groups, numbers_per_group(self, "max_lr", max_lr)):
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
            raise refusal(self, ValueError, f"cycle_momentum=True for {type(optimizer).__name__}, which has neither "
                                            "momentum nor betas; expected cycle_momentum=False")
        self.use_beta1 = "betas" in optimizer.defaults
        largest, smallest = (numbers_per_group(self, name, value) for name, value in
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
            raise refusal(self, ValueError, f"step {step} of {self.total_steps}; expected no step after the last, or "
                                            "more total_steps")
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


def _cycle_length(schedule, total_steps, epochs, steps_per_epoch):
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise refusal(schedule, ValueError, f"total_steps=None, epochs={epochs} and steps_per_epoch={steps_per_epoch}; "
                                            "expected total_steps, or both others")
    given = {"total_steps": total_steps} if total_steps is not None else {
        "epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for name, value in given.items():
        check_count(schedule, name, value)
    return math.prod(given.values())


def _phases(share, steps, three_phase):
    def phase(end, start_lr, end_lr, start_momentum, end_momentum):
        return {"end_step": end, "start_lr": start_lr, "end_lr": end_lr, "start_momentum": start_momentum,
                "end_momentum": end_momentum}

    rise = phase(float(share * steps) - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three_phase:
        return [rise, phase(steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    return [
        rise,
        phase(float(2 * share * steps) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
        phase(steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
    ]


class CyclicLR(LRScheduler):
    """Up and down between two rates, again and again (Smith, 2015); step after each batch.

    Args:
        optimizer (Optimizer): whose rates to set.
        base_lr, max_lr (float or list): the two rates.
        step_size_up (int): steps of a rise. Default: 2000.
        step_size_down (int, optional): steps of a fall; the same when None.
        mode (str): "triangular", "triangular2" (half the height each time) or "exp_range". Default:
            "triangular".
        gamma (float): of "exp_range": the height is gamma ** steps. Default: 1.
        scale_fn (callable, optional): the height, instead of a mode.
        scale_mode (str): whether `scale_fn` takes the "cycle" or the "iterations". Default: "cycle".
        cycle_momentum (bool): move the momentum the other way. Default: True.
        base_momentum, max_momentum (float or list): its limits. Default: 0.8 and 0.9.
        last_epoch (int): see `LRScheduler`. Default: -1.

    Raises:
        ValueError: an unknown mode, or the optimizer has no momentum to cycle.
    """

    def __init__(
        self,
        optimizer,
        base_lr,
        max_lr,
        step_size_up=2000,
        step_size_down=None,
        mode="triangular",
        gamma=1.0,
        scale_fn=None,
        scale_mode="cycle",
        cycle_momentum=True,
        base_momentum=0.8,
        max_momentum=0.9,
        last_epoch=-1,
    ):
        check_optimizer(self, optimizer)
        if scale_fn is None:
            check_choice(self, "mode", mode, ("triangular", "triangular2", "exp_range"))
        check_numbers(self, gamma=gamma)
        self.optimizer = optimizer
        down = step_size_up if step_size_down is None else step_size_down
        for name, size in (("step_size_up", step_size_up), ("step_size_down", down)):
            check_numbers(self, **{name: size})
            if not size > 0:
                raise refusal(self, ValueError, f"{name}={size}; expected a number of steps above 0")
        self.max_lrs = numbers_per_group(self, "max_lr", max_lr)
        for group, lr in zip(optimizer.param_groups, numbers_per_group(self, "base_lr", base_lr)):
            if last_epoch == -1:
                set_lr(group, lr)
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = numbers_per_group(self, "base_lr", base_lr)

    def _begin_momentum(self, optimizer, base_momentum, max_momentum, last_epoch):
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise refusal(self, ValueError, f"cycle_momentum=True for {type(optimizer).__name__}, which has neither "
                                            "momentum nor betas; expected cycle_momentum=False")
        self.use_beta1 = "betas" in optimizer.defaults
        self.base_momentums = numbers_per_group(self, "base_momentum", base_momentum)
        self.max_momentums = numbers_per_group(self, "max_momentum", max_momentum)
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
        return [
            base + (largest - base) * height * scale for base, largest in zip(self.base_lrs, self.max_lrs)
        ]

    def state_dict(self):
        state = super().state_dict()
        function = state.pop("_scale_fn_custom")
        saved = (
            None if function is None or isinstance(function, types.FunctionType) else dict(function.__dict__)
        )
        return dict(state, _scale_fn_custom=saved)

    def load_state_dict(self, state_dict):
        state_dict = dict(state_dict)
        attributes = state_dict.pop("_scale_fn_custom")
        super().load_state_dict(state_dict)
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)
