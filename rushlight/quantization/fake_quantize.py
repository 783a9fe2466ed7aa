"""Modules that round values as quantization will, while the network trains."""
from rushlight.functional._core import core
from rushlight.nn import Module
from rushlight.quantization.observer import (
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    with_args,
)

__all__ = [
    "FakeQuantize", "default_fake_quant", "default_per_channel_weight_fake_quant", "default_weight_fake_quant",
    "disable_fake_quant", "disable_observer", "enable_fake_quant", "enable_observer",
]


class FakeQuantize(Module):
    """Observes values and rounds them to what their integers will stand for; gradients pass where nothing is cut.

    Args:
        observer (callable): makes the observer. Default: MovingAverageMinMaxObserver.
        quant_min, quant_max (int, optional): the integers to use; the observer's when None.
        observer_kwargs: for the observer.

    Shape:
        Any to the same.

    Example:
        >>> import rushlight as rl
        >>> rounded = rl.quantization.FakeQuantize()(rl.tensor([0.0, 0.3, 2.55]))
        >>> rounded
        tensor([0.0000, 0.3000, 2.5500])
    """

    def __init__(self, observer=MovingAverageMinMaxObserver, quant_min=None, quant_max=None, **observer_kwargs):
        super().__init__()
        self.activation_post_process = observer(quant_min=quant_min, quant_max=quant_max, **observer_kwargs)
        if not isinstance(self.activation_post_process, MinMaxObserver):
            raise TypeError(f"FakeQuantize: observer makes a {type(self.activation_post_process).__name__}; expected "
                            "an observer of ranges")
        self.quant_min, self.quant_max = self.activation_post_process.quant_min, self.activation_post_process.quant_max
        self.dtype, self.ch_axis = self.activation_post_process.dtype, getattr(
            self.activation_post_process, "ch_axis", None)
        self.register_buffer("fake_quant_enabled", core.tensor([1], dtype=core.uint8))
        self.register_buffer("observer_enabled", core.tensor([1], dtype=core.uint8))
        self.register_buffer("scale", core.ones(1))
        self.register_buffer("zero_point", core.zeros(1, dtype=core.int32))

    with_args = classmethod(with_args)

    def enable_fake_quant(self, enabled=True):
        """Round from now on, or not."""
        self.fake_quant_enabled[0] = int(enabled)

    def disable_fake_quant(self):
        """Pass values as they are from now on."""
        self.enable_fake_quant(False)

    def enable_observer(self, enabled=True):
        """Follow the range from now on, or not."""
        self.observer_enabled[0] = int(enabled)

    def disable_observer(self):
        """Keep scale and zero point from now on."""
        self.enable_observer(False)

    def calculate_qparams(self):
        """The scale and zero point in use."""
        return self.scale, self.zero_point

    def forward(self, X):
        if self.observer_enabled[0]:
            self.activation_post_process(X.detach())
            self.scale, self.zero_point = self.activation_post_process.calculate_qparams()
        if not self.fake_quant_enabled[0]:
            return X
        if self.ch_axis is None:
            return core.fake_quantize_per_tensor_affine(X, self.scale, self.zero_point, self.quant_min, self.quant_max)
        return core.fake_quantize_per_channel_affine(X, self.scale, self.zero_point, self.ch_axis, self.quant_min,
                                                     self.quant_max)

    def extra_repr(self):
        return f"scale={self.scale.tolist()}, zero_point={self.zero_point.tolist()}, dtype={self.dtype}"

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        for name in ("scale", "zero_point"):                 # one for each slice, where slices were seen
            if prefix + name in state_dict:
                given = state_dict[prefix + name]
                setattr(self, name, core.zeros(given.shape, dtype=given.dtype))
        super()._load_from_state_dict(state_dict, prefix, *rest)


default_fake_quant = FakeQuantize.with_args(observer=MovingAverageMinMaxObserver, dtype=core.uint8)
default_weight_fake_quant = FakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver, dtype=core.int8, qscheme="per_tensor_symmetric")
default_per_channel_weight_fake_quant = FakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver, dtype=core.int8, qscheme="per_channel_symmetric")


def _switch(name, text):
    def switch(module):
        if isinstance(module, FakeQuantize):
            getattr(module, name)()

    switch.__name__ = switch.__qualname__ = name
    switch.__doc__ = f"""{text}: for `model.apply`.

    Args:
        module (Module): any; others than `FakeQuantize` are left alone.

    Example:
        >>> import rushlight as rl
        >>> _ = rl.quantization.FakeQuantize().apply(rl.quantization.{name})
    """
    return switch


enable_fake_quant = _switch("enable_fake_quant", "Let a module round values from now on")
disable_fake_quant = _switch("disable_fake_quant", "Let a module pass values as they are from now on")
enable_observer = _switch("enable_observer", "Let a module follow the range of its values from now on")
disable_observer = _switch("disable_observer", "Let a module keep its scale and zero point from now on")
