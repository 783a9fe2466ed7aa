"""Scaling of losses, so that small gradients do not vanish in float16."""

from rushlight import _C
from rushlight.autograd import no_grad
from rushlight.functional._warning import warn


class GradScaler:
    """Multiplies losses before the backward walk and divides the gradients before the step.

    A step whose gradients hold an infinity or NaN is left out, and the scale shrinks; after `growth_interval` steps
    without one it grows.

    Args:
        device (str): 'cpu'. For another the scaler is off, with a warning. Default: 'cuda'.
        init_scale (float): Default: 2 ** 16.
        growth_factor (float): greater than 1. Default: 2.
        backoff_factor (float): less than 1. Default: 0.5.
        growth_interval (int): Default: 2000.
        enabled (bool): False: every method passes through. Default: True.

    Raises:
        ValueError: a factor is out of range.

    Example:
        >>> import rushlight as rl
        >>> w = rl.ones(1, requires_grad=True)
        >>> optimizer, scaler = rl.optim.SGD([w], lr=0.5), rl.amp.GradScaler("cpu", init_scale=4.0)
        >>> scaler.scale((w * 3).sum()).backward()
        >>> scaler.step(optimizer); scaler.update()
        >>> w.item()
        -0.5
    """

    def __init__(self, device="cuda", init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000,
                 enabled=True):
        if enabled and device != "cpu":
            warn(f"GradScaler: device='{device}' is not available; the scaler is off")
            enabled = False
        if enabled and growth_factor <= 1:
            raise ValueError(f"GradScaler: growth_factor={growth_factor}; expected growth_factor > 1")
        if enabled and backoff_factor >= 1:
            raise ValueError(f"GradScaler: backoff_factor={backoff_factor}; expected backoff_factor < 1")
        self._device, self._enabled = device, enabled
        self._scale, self._tracker = float(init_scale), 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._seen = {}                    # id of the optimizer: [stage, found a gradient that is not finite]

    def scale(self, outputs):
        """The outputs times the scale.

        Args:
            outputs (Tensor, or list, tuple or generator of them): losses.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, _C.Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(one) for one in outputs)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError(f"scale: outputs is {type(outputs).__name__}; expected Tensors")

    def unscale_(self, optimizer):
        """Divides the gradients of the optimizer's parameters by the scale: before clipping them.

        Args:
            optimizer (Optimizer): whose gradients.

        Raises:
            RuntimeError: they were divided since the last update already.
            ValueError: a gradient is float16: the parameters must be float32.
        """
        if not self._enabled:
            return
        state = self._seen.setdefault(id(optimizer), ["ready", False])
        if state[0] != "ready":
            raise RuntimeError(f"unscale_: called after {state[0]}; expected once since the last update()")
        inverse, found = 1.0 / self._scale, False
        with no_grad():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is None:
                        continue
                    if parameter.grad.dtype is _C.float16:
                        raise ValueError("unscale_: a gradient has dtype float16; expected float32 parameters")
                    parameter.grad.mul_(inverse)
                    found = found or not _C.isfinite(parameter.grad).all().item()
        state[:] = "unscale_()", found

    def step(self, optimizer, *args, **kwargs):
        """`optimizer.step`, unless a gradient is not finite.

        Args:
            optimizer (Optimizer): steps with the other arguments.

        Returns:
            what `optimizer.step` returns, or None.

        Raises:
            RuntimeError: called twice without update(), or with a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("step: a closure can't be used with GradScaler; expected none")
        state = self._seen.setdefault(id(optimizer), ["ready", False])
        if state[0] == "step()":
            raise RuntimeError("step: called twice; expected update() between")
        if state[0] == "ready":
            self.unscale_(optimizer)
        state[0] = "step()"
        return None if state[1] else optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        """Shrinks the scale after a step that was left out, lets it grow after many that were not.

        Args:
            new_scale (float or Tensor, optional): the scale from now on, instead.

        Raises:
            AssertionError: no gradient was looked at since the last update.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            assert self._seen, "update: no gradient was looked at since the last update()"
            if any(found for _, found in self._seen.values()):
                self._scale, self._tracker = self._scale * self._backoff_factor, 0
            else:
                self._tracker += 1
                if self._tracker == self._growth_interval:
                    self._scale, self._tracker = self._scale * self._growth_factor, 0
        self._seen = {}

    def get_scale(self):
        """The scale; 1 when the scaler is off."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self):
        """By what the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        """Sets by what the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        """By what the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        """Sets by what the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        """After how many steps the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        """Sets after how many steps the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self):
        """Is the scaler on?"""
        return self._enabled

    def state_dict(self):
        """The scale and its settings by PyTorch's keys; {} when the scaler is off."""
        if not self._enabled:
            return {}
        return {"scale": self._scale, "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
                "growth_interval": self._growth_interval, "_growth_tracker": self._tracker}

    def load_state_dict(self, state_dict):
        """Takes the settings that `state_dict` gave.

        Args:
            state_dict (dict): not empty.

        Raises:
            RuntimeError: it is empty: the scaler that wrote it was off.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("load_state_dict: state_dict is empty; expected that of a scaler that was on")
        self._scale, self._tracker = float(state_dict["scale"]), state_dict["_growth_tracker"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
