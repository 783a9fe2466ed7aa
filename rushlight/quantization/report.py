"""What quantization saves and what it costs."""
import copy
import math
from dataclasses import dataclass, field

from rushlight.autograd import no_grad
from rushlight.functional._core import Tensor, core

__all__ = ["Report", "report", "to_bfloat16"]


@dataclass
class Report:
    """Sizes and errors of a quantized model beside its float model; printed, a table.

    Attributes:
        float_bytes, quantized_bytes (int): of parameters and buffers.
        noise (float): decibels by which the results' power exceeds that of their errors; None without data.
        largest_error (float): of any element of the results.
        agreement (float): the share of rows whose largest element is at the same place.
        accuracy (tuple): the shares of right rows, float and quantized; None without targets.
        layers (list): (name, kind, bytes) of each layer with parameters or buffers of its own.

    Example:
        >>> import rushlight as rl
        >>> rl.quantization.Report(400, 100).ratio
        4.0
    """

    float_bytes: int
    quantized_bytes: int
    noise: float | None = None
    largest_error: float | None = None
    agreement: float | None = None
    accuracy: tuple | None = None
    layers: list = field(default_factory=list)

    @property
    def ratio(self):
        """How many times smaller the quantized model is (float)."""
        return self.float_bytes / max(self.quantized_bytes, 1)

    def __str__(self):
        lines = [f"{name:<40} {kind:<24} {size:>12,}" for name, kind, size in self.layers]
        lines.append(f"size: {self.float_bytes:,} bytes to {self.quantized_bytes:,}, {self.ratio:.2f} times smaller")
        if self.noise is not None:
            lines.append(f"results: {self.noise:.1f} dB above their errors, largest error {self.largest_error:.3g}, "
                         f"{100 * self.agreement:.2f} % of rows agree")
        if self.accuracy is not None:
            lines.append("accuracy: {:.2%} to {:.2%}".format(*self.accuracy))
        return "\n".join(lines)


def _bytes(module, recurse=True):
    tensors = [*module.parameters(recurse), *module.buffers(recurse)]
    return sum(t.numel() * t.element_size() for t in tensors)


def _batches(data):
    return [data] if isinstance(data, Tensor) else list(data)


def report(model, quantized, data=None, targets=None):
    """Compare a quantized model with its float model.

    Args:
        model (Module): of floats.
        quantized (Module): what was made of it.
        data (Tensor | iterable, optional): one batch, or batches, each a tensor or a tuple of arguments. The models'
            results are tensors whose last dimension are classes or features.
        targets (Tensor | iterable, optional): the right class of each row, by batch.

    Returns:
        Report: print it, or read its attributes.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Linear(64, 10))
        >>> r = rl.quantization.report(model, rl.quantization.quantize_dynamic(model), rl.randn(100, 64))
        >>> r.ratio > 3, r.noise > 30
        (True, True)
    """
    made = Report(_bytes(model), _bytes(quantized))
    made.layers = [(name, type(part).__name__, _bytes(part, False)) for name, part in quantized.named_modules()
                   if _bytes(part, False)]
    if data is None:
        return made
    batches = _batches(data)
    rights = [None] * len(batches) if targets is None else _batches(targets)
    rows = same = signal = error = largest = 0
    right = [0, 0]
    states = [(m, m.training) for m in (model, quantized)]
    with no_grad():
        for m, _ in states:
            m.eval()
        for batch, target in zip(batches, rights, strict=True):
            arguments = batch if isinstance(batch, (tuple, list)) else (batch,)
            x, y = model(*arguments).to(core.float64), quantized(*arguments).to(core.float64)
            chosen = x.argmax(-1), y.argmax(-1)
            rows += chosen[0].numel()
            same += int((chosen[0] == chosen[1]).sum())
            signal += float((x * x).sum())
            error += float(((x - y) ** 2).sum())
            largest = max(largest, float((x - y).abs().max()))
            if target is not None:
                right = [n + int((c == target).sum()) for n, c in zip(right, chosen, strict=True)]
    for m, training in states:
        m.train(training)
    made.noise = math.inf if error == 0 else 10 * math.log10(max(signal, 1e-300) / error)
    made.largest_error, made.agreement = largest, same / max(rows, 1)
    made.accuracy = None if targets is None else tuple(n / max(rows, 1) for n in right)
    return made


def to_bfloat16(model, inplace=False):
    """The model with all floating parameters and buffers in bfloat16; floats go in and come out as before.

    Args:
        model (Module): the float model.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: floating arguments are converted to bfloat16, floating results to float32.

    Example:
        >>> import rushlight as rl
        >>> model = rl.quantization.to_bfloat16(rl.nn.Linear(4, 3))
        >>> model.weight.dtype, model(rl.ones(1, 4)).dtype
        (rushlight.bfloat16, rushlight.float32)
    """
    model = (model if inplace else copy.deepcopy(model)).to(core.bfloat16)
    model.register_forward_pre_hook(lambda module, args: _each(args, core.float32, core.bfloat16))
    model.register_forward_hook(lambda module, args, result: _each(result, core.bfloat16, core.float32))
    return model


def _each(value, from_dtype, to_dtype):
    if isinstance(value, Tensor):
        return value.to(to_dtype) if value.dtype == from_dtype else value
    if isinstance(value, (tuple, list)):
        return type(value)(_each(item, from_dtype, to_dtype) for item in value)
    return value
