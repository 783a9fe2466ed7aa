"""Layers that belong together, of 8-bit integers."""
from rushlight.nn.quantized._modules import Linear, convolution

__all__ = ["ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "LinearReLU"]


class LinearReLU(Linear):
    """`nn.quantized.Linear` and `nn.ReLU` in one.

    Args:
        in_features, out_features, bias_, dtype: see `nn.quantized.Linear`.

    Example:
        >>> import rushlight as rl
        >>> q = rl.nn.quantized.quantize_per_tensor(rl.ones(2, 3), 0.1, 0, rl.quint8)
        >>> rl.nn.intrinsic.quantized.LinearReLU(3, 4)(q).shape
        rushlight.Size([2, 4])
    """

    _relu = True


ConvReLU1d, ConvReLU2d, ConvReLU3d = (convolution(rank, True) for rank in (1, 2, 3))
