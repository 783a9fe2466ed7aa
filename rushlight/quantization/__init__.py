"""Quantization: models of 8-bit integers, calibrated, trained or converted at once, under PyTorch's names."""
from rushlight.quantization.fake_quantize import (
    FakeQuantize,
    default_fake_quant,
    default_per_channel_weight_fake_quant,
    default_weight_fake_quant,
    disable_fake_quant,
    disable_observer,
    enable_fake_quant,
    enable_observer,
)
from rushlight.quantization.fuse_modules import (
    fuse_modules,
    fuse_modules_qat,
)
from rushlight.quantization.observer import (
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    NoopObserver,
    ObserverBase,
    PerChannelMinMaxObserver,
    PlaceholderObserver,
    default_dynamic_quant_observer,
    default_float_qparams_observer,
    default_histogram_observer,
    default_observer,
    default_per_channel_weight_observer,
    default_placeholder_observer,
    default_weight_observer,
)
from rushlight.quantization.qconfig import (
    QConfig,
    bfloat16_dynamic_qconfig,
    default_dynamic_qconfig,
    default_per_channel_qconfig,
    default_qat_qconfig,
    default_qconfig,
    float16_dynamic_qconfig,
    float_qparams_weight_only_qconfig,
    get_default_qat_qconfig,
    get_default_qconfig,
    per_channel_dynamic_qconfig,
)
from rushlight.quantization.quantize import (
    convert,
    prepare,
    prepare_qat,
    propagate_qconfig_,
    quantize,
    quantize_dynamic,
    quantize_qat,
)
from rushlight.quantization.report import (
    Report,
    report,
    to_bfloat16,
)
from rushlight.quantization.stubs import (
    DeQuantStub,
    QuantStub,
    QuantWrapper,
)

__all__ = [
    "DeQuantStub", "FakeQuantize", "HistogramObserver", "MinMaxObserver", "MovingAverageMinMaxObserver",
    "MovingAveragePerChannelMinMaxObserver", "NoopObserver", "ObserverBase", "PerChannelMinMaxObserver",
    "PlaceholderObserver", "QConfig", "QuantStub", "QuantWrapper", "Report", "bfloat16_dynamic_qconfig", "convert",
    "default_dynamic_qconfig", "default_dynamic_quant_observer", "default_fake_quant",
    "default_float_qparams_observer", "default_histogram_observer", "default_observer",
    "default_per_channel_qconfig", "default_per_channel_weight_fake_quant", "default_per_channel_weight_observer",
    "default_placeholder_observer", "default_qat_qconfig", "default_qconfig", "default_weight_fake_quant",
    "default_weight_observer", "disable_fake_quant", "disable_observer", "enable_fake_quant", "enable_observer",
    "float16_dynamic_qconfig", "float_qparams_weight_only_qconfig", "fuse_modules", "fuse_modules_qat",
    "get_default_qat_qconfig", "get_default_qconfig", "per_channel_dynamic_qconfig", "prepare", "prepare_qat",
    "propagate_qconfig_", "quantize", "quantize_dynamic", "quantize_qat", "report", "to_bfloat16",
]
