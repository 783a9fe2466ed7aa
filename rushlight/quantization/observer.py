"""Observers: they watch the values that pass and choose the scale and zero point to quantize them with."""
from functools import partial

from rushlight.functional._core import core
from rushlight.nn import Module
from rushlight.nn.quantized import integer_dtype

__all__ = [
    "HistogramObserver", "MinMaxObserver", "MovingAverageMinMaxObserver", "MovingAveragePerChannelMinMaxObserver",
    "NoopObserver", "ObserverBase", "PerChannelMinMaxObserver", "PlaceholderObserver", "default_dynamic_quant_observer",
    "default_float_qparams_observer", "default_histogram_observer", "default_observer",
    "default_per_channel_weight_observer", "default_placeholder_observer", "default_weight_observer",
]

_EPS = 1.1920928955078125e-07


def with_args(cls, **arguments):
    """The class with some arguments fixed, to be called like it; `with_args` of that fixes more."""
    made = partial(cls, **arguments)
    made.with_args = partial(with_args, made)
    return made


class ObserverBase(Module):
    """What observers share. Subclasses define `forward`, which returns its input, and `calculate_qparams`.

    Args:
        dtype (dtype): quint8 or qint8 (uint8 and int8).

    Example:
        >>> import rushlight as rl
        >>> rl.quantization.MinMaxObserver.with_args(dtype=rl.qint8)().dtype
        rushlight.qint8
    """

    def __init__(self, dtype, **ignored):
        super().__init__()
        self.dtype = dtype

    with_args = classmethod(with_args)

    def calculate_qparams(self):
        """The scale (float32) and zero point (int32), one for each slice or one."""
        raise NotImplementedError(f"{type(self).__name__}: calculate_qparams; expected the subclass to define it")


class MinMaxObserver(ObserverBase):
    """The range of all values seen.

    Args:
        dtype (dtype): quint8 (uint8) or qint8 (int8). Default: quint8.
        qscheme (str): per_tensor_affine, per_tensor_symmetric, and per channel in the classes named so; symmetric
            ranges have 0 in their middle. Default: per_tensor_affine.
        reduce_range (bool): one bit less. Default: False.
        quant_min, quant_max (int, optional): the integers to use; the dtype's when None.
        eps (float): the least scale.

    Raises:
        ValueError: it is shown NaN or infinities.

    Example:
        >>> import rushlight as rl
        >>> observer = rl.quantization.MinMaxObserver()
        >>> _ = observer(rl.tensor([-1.0, 4.1]))
        >>> observer.calculate_qparams()
        (tensor([0.0200]), tensor([50], dtype=rushlight.int32))
    """

    def __init__(self, dtype=core.uint8, qscheme="per_tensor_affine", reduce_range=False, quant_min=None,
                 quant_max=None, eps=_EPS, **ignored):
        super().__init__(dtype)
        self.qscheme, self.reduce_range, self.eps = str(qscheme).rpartition(".")[2], reduce_range, eps
        low, high = (0, 255) if integer_dtype(dtype) == core.uint8 else (-128, 127)
        if reduce_range:
            if low == 0 and "symmetric" in self.qscheme:
                raise NotImplementedError(f"{type(self).__name__}: reduce_range=True with qscheme={qscheme} and dtype="
                                          f"{dtype}; expected qint8, or an affine scheme")
            low, high = low // 2, high // 2
        self.quant_min = low if quant_min is None else quant_min
        self.quant_max = high if quant_max is None else quant_max
        self.register_buffer("min_val", core.tensor(float("inf")))
        self.register_buffer("max_val", core.tensor(float("-inf")))

    def forward(self, x_orig):
        if x_orig.numel():
            low, high = self._range(x_orig.detach().to(core.float32))
            if not bool((low.isfinite() & high.isfinite()).all()):
                raise ValueError(f"{type(self).__name__}: input of shape {tuple(x_orig.shape)} holds NaN or "
                                 "infinities; expected finite values, since no range of integers has others")
            self._see(low, high)
        return x_orig

    def _range(self, x):
        return x.amin(), x.amax()

    def _see(self, low, high):
        if self.min_val.shape == low.shape:
            low, high = core.minimum(self.min_val, low), core.maximum(self.max_val, high)
        self.min_val, self.max_val = low, high

    @property
    def saw_values(self):
        """Whether there is a range."""
        return bool((self.min_val <= self.max_val).all())

    def calculate_qparams(self):
        """The scale and zero point of the range from the smallest to the largest value seen."""
        return self._qparams_of(self.min_val, self.max_val)

    def _qparams_of(self, low, high):
        if bool((low > high).any()):
            raise RuntimeError(f"{type(self).__name__}: has seen no values; expected a forward pass with data before "
                               "calculate_qparams")
        low, high = low.clamp(max=0).reshape(-1), high.clamp(min=0).reshape(-1)
        if "symmetric" in self.qscheme:
            scale = core.maximum(-low, high) / ((self.quant_max - self.quant_min) / 2)
            zero = core.zeros(scale.shape) + (self.quant_min + self.quant_max + 1) // 2
            return scale.clamp(min=self.eps), zero.to(core.int32)
        scale = ((high - low) / (self.quant_max - self.quant_min)).clamp(min=self.eps)
        zero = self.quant_min - (low / scale).round()
        return scale, zero.clamp(self.quant_min, self.quant_max).to(core.int32)

    def reset_min_max_vals(self):
        """Forget what was seen."""
        self.min_val, self.max_val = core.tensor(float("inf")), core.tensor(float("-inf"))

    def extra_repr(self):
        return f"min_val={self.min_val.tolist()}, max_val={self.max_val.tolist()}"

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        for name in ("min_val", "max_val"):                  # one for each slice, where slices were seen
            if prefix + name in state_dict:
                setattr(self, name, core.zeros(state_dict[prefix + name].shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class MovingAverageMinMaxObserver(MinMaxObserver):
    """The moving average of each batch's range.

    Args:
        averaging_constant (float): the weight of a new batch. Default: 0.01.
        dtype, qscheme, reduce_range, quant_min, quant_max, eps: see `MinMaxObserver`.

    Example:
        >>> import rushlight as rl
        >>> observer = rl.quantization.MovingAverageMinMaxObserver(averaging_constant=0.5)
        >>> for high in (1.0, 2.0):
        ...     _ = observer(rl.tensor([0.0, high]))
        >>> observer.max_val
        tensor(1.5000)
    """

    def __init__(self, averaging_constant=0.01, **arguments):
        super().__init__(**arguments)
        self.averaging_constant = averaging_constant

    def _see(self, low, high):
        if self.min_val.shape == low.shape and not bool((self.min_val > self.max_val).any()):
            low = self.min_val + self.averaging_constant * (low - self.min_val)
            high = self.max_val + self.averaging_constant * (high - self.max_val)
        self.min_val, self.max_val = low, high


class _PerChannel:
    def __init__(self, *args, ch_axis=0, qscheme="per_channel_affine", **arguments):
        super().__init__(*args, qscheme=qscheme, **arguments)
        self.ch_axis = ch_axis

    def _range(self, x):
        others = [i for i in range(x.dim()) if i != self.ch_axis % x.dim()]
        return (x.amin(others), x.amax(others)) if others else (x, x)


class PerChannelMinMaxObserver(_PerChannel, MinMaxObserver):
    """The range of all values seen, for each slice along one dimension.

    Args:
        ch_axis (int): the dimension. Default: 0.
        dtype, qscheme, reduce_range, quant_min, quant_max, eps: see `MinMaxObserver`. Default: per_channel_affine.

    Example:
        >>> import rushlight as rl
        >>> observer = rl.quantization.PerChannelMinMaxObserver(dtype=rl.qint8)
        >>> _ = observer(rl.tensor([[0.0, 1.0], [-2.0, 3.1]]))
        >>> observer.calculate_qparams()[0]
        tensor([0.0039, 0.0200])
    """


class MovingAveragePerChannelMinMaxObserver(_PerChannel, MovingAverageMinMaxObserver):
    """The moving average of each batch's range, for each slice along one dimension.

    Args:
        ch_axis (int): the dimension. Default: 0.
        averaging_constant (float): the weight of a new batch. Default: 0.01.
        dtype, qscheme, reduce_range, quant_min, quant_max, eps: see `MinMaxObserver`.

    Example:
        >>> import rushlight as rl
        >>> observer = rl.quantization.MovingAveragePerChannelMinMaxObserver()
        >>> observer(rl.ones(2, 3)).shape, observer.max_val
        (rushlight.Size([2, 3]), tensor([1., 1.]))
    """


class HistogramObserver(MinMaxObserver):
    """The range that loses least: values beyond it are cut, those within are rounded to coarser or finer steps.

    A histogram of all values gives the expected squared error of every range that is tried; 0, which every range
    represents exactly, is not counted.

    Args:
        bins (int): of the histogram. Default: 2048.
        dtype, qscheme, reduce_range, quant_min, quant_max, eps: see `MinMaxObserver`.

    Example:
        >>> import rushlight as rl
        >>> observer = rl.quantization.HistogramObserver()
        >>> _ = observer(rl.cat([rl.linspace(0, 1, 100000), rl.tensor([100.0])]))
        >>> float(observer.calculate_qparams()[0]) < 0.9 * 100 / 255
        True
    """

    _tried = 100                                             # ends of the range, on each side

    def __init__(self, bins=2048, **arguments):
        super().__init__(**arguments)
        self.bins = bins
        self.register_buffer("histogram", core.zeros(bins))

    def _see(self, low, high):
        before = (self.min_val, self.max_val)
        super()._see(low.clamp(max=0), high.clamp(min=0))
        if bool((before[0] <= before[1]) & ((self.min_val < before[0]) | (self.max_val > before[1]))):
            self.histogram = self._counts(self._centres(*before), self.histogram)

    def forward(self, x_orig):
        super().forward(x_orig)
        x = x_orig.detach().to(core.float32).flatten()
        if x.numel() and bool(self.min_val < self.max_val):
            self.histogram = self.histogram + core.histc(x[x != 0], self.bins, self.min_val.item(), self.max_val.item())
        return x_orig

    def _centres(self, low, high):
        return low + (core.arange(self.bins) + 0.5) * ((high - low) / self.bins)

    def _counts(self, centres, counts):
        """Counts at places of an older, narrower histogram, in the bins of this one."""
        width = (self.max_val - self.min_val) / self.bins
        at = ((centres - self.min_val) / width).floor().clamp(0, self.bins - 1).to(core.int64)
        return core.zeros(self.bins).index_add(0, at, counts)

    def calculate_qparams(self):
        """The scale and zero point of the range that loses least of what was seen."""
        if not float(self.histogram.sum()):
            return super().calculate_qparams()
        x, counts = self._centres(self.min_val, self.max_val).to(core.float64), self.histogram.to(core.float64)
        cut = core.arange(1, self._tried + 1, dtype=core.float64) / self._tried
        lows, highs = self.min_val * cut, self.max_val * cut
        if "symmetric" in self.qscheme:
            highs = core.maximum(-self.min_val, self.max_val) * cut
            lows = -highs
        else:
            lows, highs = (ends.flatten() for ends in core.meshgrid(lows, highs, indexing="ij"))
        error = self._beyond(x, counts, lows, True) + self._beyond(x, counts, highs, False)
        best = (error + self._rounding(x, counts, lows, highs)).argmin()
        return self._qparams_of(lows[best].to(core.float32), highs[best].to(core.float32))

    def _rounding(self, x, counts, lows, highs):
        """The error of what lies within: uniform within a step."""
        steps = (highs - lows) / (self.quant_max - self.quant_min)
        return (self._sums(x, counts, highs)[0] - self._sums(x, counts, lows)[0]) * steps**2 / 12

    def _beyond(self, x, counts, ends, below):
        """The error of what is cut: squared distances from the end."""
        n, of_x, of_squares = self._sums(x, counts, ends)
        if not below:
            n, of_x, of_squares = counts.sum() - n, (counts * x).sum() - of_x, (counts * x * x).sum() - of_squares
        return (of_squares - 2 * ends * of_x + ends * ends * n).clamp(min=0)

    @staticmethod
    def _sums(x, counts, ends):
        """Sums of 1, x and x * x over what lies below each end."""
        at = core.searchsorted(x, ends)
        zero = core.zeros(1, dtype=core.float64)
        return [core.cat([zero, weight.cumsum(0)])[at] for weight in (counts, counts * x, counts * x * x)]


class PlaceholderObserver(ObserverBase):
    """Observes nothing: stands for a dtype that needs no range.

    Args:
        dtype (dtype): Default: float32.

    Example:
        >>> import rushlight as rl
        >>> rl.quantization.PlaceholderObserver(rl.float16)(rl.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, dtype=core.float32, **ignored):
        super().__init__(dtype)

    def forward(self, x):
        return x


class NoopObserver(PlaceholderObserver):
    """Observes nothing.

    Args:
        dtype (dtype): Default: float16.

    Example:
        >>> import rushlight as rl
        >>> rl.quantization.NoopObserver()(rl.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, dtype=core.float16, **ignored):
        super().__init__(dtype)


default_observer = MinMaxObserver.with_args(dtype=core.uint8)
default_histogram_observer = HistogramObserver.with_args(dtype=core.uint8)
default_weight_observer = MinMaxObserver.with_args(dtype=core.int8, qscheme="per_tensor_symmetric")
default_per_channel_weight_observer = PerChannelMinMaxObserver.with_args(
    dtype=core.int8, qscheme="per_channel_symmetric")
default_placeholder_observer = PlaceholderObserver
default_dynamic_quant_observer = PlaceholderObserver.with_args(dtype=core.uint8)
default_float_qparams_observer = PerChannelMinMaxObserver.with_args(dtype=core.uint8)
