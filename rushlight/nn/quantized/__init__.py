"""Modules that compute with 8-bit integers, and what passes between them."""
from rushlight.nn.quantized import dynamic
from rushlight.nn.quantized._arithmetic import FloatFunctional, QFunctional
from rushlight.nn.quantized._modules import (
    Conv1d,
    Conv2d,
    Conv3d,
    DeQuantize,
    Embedding,
    EmbeddingBag,
    Linear,
    Quantize,
    weight_scales,
)
from rushlight.nn.quantized._tensor import QuantizedTensor, integer_dtype, quantize_per_tensor, quantize_weight

__all__ = ["Conv1d", "Conv2d", "Conv3d", "DeQuantize", "Embedding", "EmbeddingBag", "FloatFunctional", "Linear",
           "QFunctional", "Quantize", "QuantizedTensor", "dynamic", "integer_dtype", "quantize_per_tensor",
           "quantize_weight", "weight_scales"]
