"""What a layer is quantized with: an observer for its result and one for its weight."""
from collections import namedtuple

from rushlight.functional._core import core
from rushlight.quantization.fake_quantize import (
    default_fake_quant,
    default_per_channel_weight_fake_quant,
    default_weight_fake_quant,
)
from rushlight.quantization.observer import (
    PlaceholderObserver,
    default_dynamic_quant_observer,
    default_float_qparams_observer,
    default_histogram_observer,
    default_observer,
    default_per_channel_weight_observer,
    default_weight_observer,
)

__all__ = [
    "QConfig", "bfloat16_dynamic_qconfig", "default_dynamic_qconfig", "default_per_channel_qconfig",
    "default_qat_qconfig", "default_qconfig", "float16_dynamic_qconfig", "float_qparams_weight_only_qconfig",
    "get_default_qat_qconfig", "get_default_qconfig", "per_channel_dynamic_qconfig",
]


class QConfig(namedtuple("QConfig", ["activation", "weight"])):
    """How a layer is quantized.

    Args:
        activation (callable): makes the observer, or FakeQuantize, of the layer's result.
        weight (callable): that of its weight.

    Raises:
        ValueError: an argument is an observer rather than what makes one.

    Example:
        >>> import rushlight as rl
        >>> q = rl.quantization.QConfig(rl.quantization.MinMaxObserver.with_args(dtype=rl.quint8),
        ...                             rl.quantization.default_per_channel_weight_observer)
        >>> q.activation().dtype
        rushlight.quint8
    """

    __slots__ = ()

    def __new__(cls, activation, weight):
        for name, maker in (("activation", activation), ("weight", weight)):
            if hasattr(maker, "calculate_qparams") and not isinstance(maker, type):
                raise ValueError(f"QConfig: {name} is a {type(maker).__name__}; expected what makes one, such as "
                                 f"{type(maker).__name__}.with_args()")
        return super().__new__(cls, activation, weight)


default_qconfig = QConfig(default_observer, default_weight_observer)
default_per_channel_qconfig = QConfig(default_observer, default_per_channel_weight_observer)
default_dynamic_qconfig = QConfig(default_dynamic_quant_observer, default_per_channel_weight_observer)
per_channel_dynamic_qconfig = default_dynamic_qconfig
float16_dynamic_qconfig = QConfig(PlaceholderObserver, PlaceholderObserver.with_args(dtype=core.float16))
bfloat16_dynamic_qconfig = QConfig(PlaceholderObserver, PlaceholderObserver.with_args(dtype=core.bfloat16))
float_qparams_weight_only_qconfig = QConfig(PlaceholderObserver, default_float_qparams_observer)
default_qat_qconfig = QConfig(default_fake_quant, default_weight_fake_quant)

_BACKENDS = ("x86", "fbgemm", "qnnpack", "onednn")


def _check_backend(name, backend):
    if backend not in _BACKENDS:
        raise AssertionError(f"{name}: backend={backend!r}; expected one of {', '.join(_BACKENDS)}")


def get_default_qconfig(backend="x86", version=0):
    """Histograms for results, one scale per channel for weights. All backends are the same here.

    Args:
        backend (str): "x86", "fbgemm", "qnnpack" or "onednn". Default: "x86".
        version (int): accepted.

    Returns:
        QConfig: all 8 bits are used, since no kernel here saturates between.

    Raises:
        AssertionError: `backend` is another.

    Example:
        >>> import rushlight as rl
        >>> rl.quantization.get_default_qconfig("fbgemm").activation().reduce_range
        False
    """
    _check_backend("get_default_qconfig", backend)
    return QConfig(default_histogram_observer, default_per_channel_weight_observer)


def get_default_qat_qconfig(backend="x86", version=1):
    """The same for quantization-aware training: moving averages of ranges.

    Args:
        backend (str): "x86", "fbgemm", "qnnpack" or "onednn". Default: "x86".
        version (int): accepted.

    Returns:
        QConfig: of FakeQuantize modules.

    Raises:
        AssertionError: `backend` is another.

    Example:
        >>> import rushlight as rl
        >>> type(rl.quantization.get_default_qat_qconfig().weight()).__name__
        'FakeQuantize'
    """
    _check_backend("get_default_qat_qconfig", backend)
    return QConfig(default_fake_quant, default_per_channel_weight_fake_quant)
