"""Where PyTorch 2 keeps quantization: `rushlight.ao.quantization` is `rushlight.quantization` itself, and
`rushlight.ao.nn` `rushlight.nn`, so that programs of either spelling run."""
import sys

from rushlight import nn, quantization

for _name, _module in (("nn", nn), ("quantization", quantization), ("nn.quantized", nn.quantized),
                       ("nn.quantized.dynamic", nn.quantized.dynamic), ("nn.intrinsic", nn.intrinsic),
                       ("nn.intrinsic.qat", nn.intrinsic.qat), ("nn.intrinsic.quantized", nn.intrinsic.quantized),
                       ("nn.qat", nn.qat)):
    sys.modules[f"rushlight.ao.{_name}"] = _module

__all__ = ["nn", "quantization"]
