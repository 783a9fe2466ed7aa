"""Modules of 8-bit integers: in and out go quantized tensors."""
from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.utils import _pair, _single, _triple
from rushlight.nn.quantized._tensor import (
    QuantizedTensor,
    integer_dtype,
    quantize_per_tensor,
    quantize_weight,
)

_ops = core._groups["_ops"]


class _Scaled(Module):
    """Keeps `scale` and `zero_point` of the result: numbers that the state dict holds as tensors, as PyTorch's does."""

    def __init__(self, dtype):
        super().__init__()
        self.scale, self.zero_point, self.dtype = 1.0, 0, integer_dtype(dtype)

    def set_output(self, observer):
        """Take scale, zero point and dtype from an observer.

        Args:
            observer (Module): with `calculate_qparams` and `dtype`.
        """
        scale, zero_point = observer.calculate_qparams()
        self.scale, self.zero_point = float(scale), int(zero_point)
        self.dtype = integer_dtype(observer.dtype)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "scale"] = core.tensor(self.scale)
        destination[prefix + "zero_point"] = core.tensor(self.zero_point)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, *rest):
        for name in ("scale", "zero_point"):
            if prefix + name in state_dict:
                setattr(self, name, state_dict.pop(prefix + name).item())
            elif strict:
                missing_keys.append(prefix + name)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, *rest)

    def extra_repr(self):
        return f"scale={self.scale:.6g}, zero_point={self.zero_point}"

    def _require_quantized(self, input):
        if not isinstance(input, QuantizedTensor):
            raise TypeError(f"{type(self).__name__}: input is a {type(input).__name__}; expected a QuantizedTensor: "
                            "place a QuantStub before this module")

    def _integers(self, input):
        self._require_quantized(input)
        return input.int_repr()


class Quantize(_Scaled):
    """Quantizes floats with a fixed scale: what a `QuantStub` becomes.

    Args:
        scale (float): positive.
        zero_point (int): stands for 0.
        dtype (dtype): quint8 or qint8.

    Shape:
        Any Tensor to a QuantizedTensor of that shape.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.Quantize(0.5, 3, rl.quint8)(rl.ones(2)).int_repr()
        tensor([5, 5], dtype=rushlight.uint8)
    """

    def __init__(self, scale, zero_point, dtype):
        super().__init__(dtype)
        self.scale, self.zero_point = float(scale), int(zero_point)

    @classmethod
    def from_float(cls, module):
        made = cls(1.0, 0, core.uint8)
        made.set_output(module.activation_post_process)
        return made

    def forward(self, input):
        return quantize_per_tensor(input, self.scale, self.zero_point, self.dtype)


class DeQuantize(Module):
    """The floats that a quantized tensor stands for: what a `DeQuantStub` becomes. Floats pass.

    Shape:
        Any QuantizedTensor to a Tensor of that shape.

    Example:
        >>> import rushlight as rl
        >>> q = rl.nn.quantized.quantize_per_tensor(rl.ones(2), 0.5, 3, rl.quint8)
        >>> rl.nn.quantized.DeQuantize()(q)
        tensor([1., 1.])
    """

    @classmethod
    def from_float(cls, module):
        return cls()

    def forward(self, input):
        return input.dequantize() if isinstance(input, QuantizedTensor) else input


def weight_scales(observer, weight):
    """The scales of a weight's outputs by an observer, which sees the weight first.

    Args:
        observer (Module): of int8, symmetric about 0.
        weight (Tensor): its first dimension counts the outputs.

    Raises:
        ValueError: the observer's integers are not symmetric about 0.

    Example:
        >>> import rushlight as rl
        >>> from rushlight.nn.quantized import weight_scales
        >>> weight_scales(rl.quantization.default_weight_observer(), rl.ones(2, 3)).shape
        rushlight.Size([2])
    """
    observer(weight)
    scale, zero_point = observer.calculate_qparams()
    if integer_dtype(observer.dtype) != core.int8 or bool((zero_point != 0).any()):
        raise ValueError("quantization: weights need a qint8 observer whose zero point is 0; expected qscheme="
                         "per_channel_symmetric or per_tensor_symmetric")
    return scale.to(core.float32).expand(weight.shape[0]).contiguous()


class _Weighted(_Scaled):
    # Subclasses set _relu.
    _relu = False

    def _make_buffers(self, shape, bias):
        self.register_buffer("weight", core.zeros(shape, dtype=core.int8))
        self.register_buffer("weight_scale", core.ones(shape[0]))
        self.register_buffer("bias", core.zeros(shape[0]) if bias else None)

    def set_float(self, weight, bias, observer):
        """Take a float layer's weight and bias.

        Args:
            weight (Tensor): floating.
            bias (Tensor, optional): floating.
            observer (Module): chooses the scales.
        """
        self.weight_scale = weight_scales(observer, weight.detach())
        self.weight = quantize_weight(weight, self.weight_scale)
        self.bias = None if bias is None else bias.detach().to(core.float32).clone()

    def _take(self, module):
        observer = getattr(module, "weight_fake_quant", None)
        self.set_float(module.weight, module.bias, module.qconfig.weight() if observer is None else observer)
        self.set_output(module.activation_post_process)
        return self


class Linear(_Weighted):
    """`nn.Linear` of 8-bit integers.

    Args:
        in_features, out_features (int): sizes of the last dimension.
        bias_ (bool): add a bias. Default: True.
        dtype (dtype): of the result. Default: quint8.

    Shape:
        A QuantizedTensor (..., in_features) to one of (..., out_features). `weight`: int8; `weight_scale`, `bias`:
        float32, (out_features).

    Example:
        >>> import rushlight as rl
        >>> q = rl.nn.quantized.quantize_per_tensor(rl.ones(2, 3), 0.1, 0, rl.quint8)
        >>> rl.nn.quantized.Linear(3, 4)(q).shape
        rushlight.Size([2, 4])
    """

    def __init__(self, in_features, out_features, bias_=True, dtype=core.uint8):
        super().__init__(dtype)
        self.in_features, self.out_features = in_features, out_features
        self._make_buffers((out_features, in_features), bias_)

    @classmethod
    def from_float(cls, module):
        return cls(module.in_features, module.out_features, module.bias is not None)._take(module)

    def forward(self, input):
        q = _ops["quantized_linear"](self._integers(input), self.weight, self.weight_scale, self.bias, input.q_scale(),
                                     input.q_zero_point(), self.dtype, self.scale, self.zero_point, self._relu)
        return QuantizedTensor(q, self.scale, self.zero_point)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, {super().extra_repr()}"


class _Conv(_Weighted):
    # Subclasses set _tuple.

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", dtype=core.uint8):
        super().__init__(dtype)
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ValueError(f"{type(self).__name__}: padding_mode={padding_mode!r}, padding={padding!r}; expected "
                             "'zeros' and numbers")
        numbers = self._tuple
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = numbers(kernel_size), numbers(stride)
        self.padding, self.dilation = numbers(padding), numbers(dilation)
        self._make_buffers((out_channels, in_channels // groups, *self.kernel_size), bias)

    @classmethod
    def from_float(cls, module):
        return cls(module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding,
                   module.dilation, module.groups, module.bias is not None, module.padding_mode)._take(module)

    def forward(self, input):
        q, scale, zero_point = self._integers(input), input.q_scale(), input.q_zero_point()

        def run(addend=None, output=(self.scale, self.zero_point), relu=self._relu):
            extra = () if addend is None else (addend.q_scale(), addend.q_zero_point())
            return _ops["quantized_convolution"](
                q, self.weight, self.weight_scale, self.bias, addend and addend.int_repr(), self.stride, self.padding,
                self.dilation, self.groups, scale, zero_point, self.dtype, *output, relu, *extra)

        if self._relu:
            return QuantizedTensor(run(), self.scale, self.zero_point)
        # An addition may follow, and takes the convolution in.
        run.dtype = self.dtype
        return QuantizedTensor(run, self.scale, self.zero_point)

    def extra_repr(self):
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"padding={self.padding}, groups={self.groups}, {super().extra_repr()}")


def convolution(rank, relu):
    name, place = f"Conv{'ReLU' * relu}{rank}d", "nn.intrinsic.quantized" if relu else "nn.quantized"
    text = f"""`nn.Conv{rank}d`{" and `nn.ReLU`" * relu} of 8-bit integers.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: see `nn.Conv{rank}d`.
        padding_mode (str): "zeros".
        dtype (dtype): of the result. Default: quint8.

    Shape:
        QuantizedTensors as the Tensors of `nn.Conv{rank}d`. `weight`: int8; `weight_scale`, `bias`: float32,
        (out_channels).

    Example:
        >>> import rushlight as rl
        >>> q = rl.nn.quantized.quantize_per_tensor(rl.ones(1, 2{", 4" * rank}), 0.1, 0, rl.quint8)
        >>> rl.{place}.{name}(2, 3, 3)(q).shape
        rushlight.Size([1, 3{", 2" * rank}])
    """
    numbers = (_single, _pair, _triple)[rank - 1]
    return type(name, (_Conv,), {"_tuple": staticmethod(numbers), "_relu": relu, "__doc__": text,
                                 "__module__": f"rushlight.{place}" if relu else __name__})


Conv1d, Conv2d, Conv3d = (convolution(rank, False) for rank in (1, 2, 3))


class Embedding(Module):
    """`nn.Embedding` with 8 bits for each element, and a scale and an offset for each row.

    Args:
        num_embeddings (int): rows.
        embedding_dim (int): columns.
        padding_idx (int, optional): kept for those who ask.

    Shape:
        (...) of integers to (..., embedding_dim), float32. `weight`: uint8; `weight_scale`, `weight_offset`: float32,
        (num_embeddings, 1).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.Embedding(10, 3)(rl.tensor([1, 2])).shape
        rushlight.Size([2, 3])
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None):
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.register_buffer("weight", core.zeros((num_embeddings, embedding_dim), dtype=core.uint8))
        self.register_buffer("weight_scale", core.ones((num_embeddings, 1)))
        self.register_buffer("weight_offset", core.zeros((num_embeddings, 1)))

    @classmethod
    def from_float(cls, module):
        made = cls(module.num_embeddings, module.embedding_dim, module.padding_idx)
        made._take_table(module.weight)
        return made

    def _take_table(self, weight):
        table = weight.detach()
        low, high = table.amin(1, keepdim=True), table.amax(1, keepdim=True)
        self.weight_scale, self.weight_offset = ((high - low) / 255).clamp(min=1e-30), low.clone()
        self.weight = ((table - low) / self.weight_scale).round().clamp(0, 255).to(core.uint8)

    def _rows(self, flat):
        values, scale, offset = (table.index_select(0, flat)
                                 for table in (self.weight, self.weight_scale, self.weight_offset))
        return values.to(core.float32) * scale + offset

    def forward(self, input):
        return self._rows(input.flatten()).reshape(*input.shape, self.embedding_dim)

    def extra_repr(self):
        return f"{self.num_embeddings}, {self.embedding_dim}, dtype={self.weight.dtype}"


class EmbeddingBag(Embedding):
    """`nn.EmbeddingBag` with 8 bits for each element, and a scale and an offset for each row.

    Args:
        num_embeddings (int): rows.
        embedding_dim (int): columns.
        mode (str): "sum", "mean" or "max". Default: "mean".
        include_last_offset (bool): whether the offsets end with the number of things. Default: False.
        padding_idx (int, optional): a row that does not count.

    Shape:
        As `nn.EmbeddingBag`. `weight`: uint8; `weight_scale`, `weight_offset`: float32, (num_embeddings, 1).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.EmbeddingBag(10, 3)(rl.tensor([1, 2, 4]), rl.tensor([0, 2])).shape
        rushlight.Size([2, 3])
    """

    def __init__(self, num_embeddings, embedding_dim, mode="mean", include_last_offset=False, padding_idx=None):
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        self.mode, self.include_last_offset = mode, include_last_offset

    @classmethod
    def from_float(cls, module):
        made = cls(module.num_embeddings, module.embedding_dim, module.mode, module.include_last_offset,
                   module.padding_idx)
        made._take_table(module.weight)
        return made

    def forward(self, input, offsets=None, per_sample_weights=None):
        flat = input.flatten()
        rows, places = self._rows(flat), core.arange(flat.numel())
        if self.padding_idx is not None:                     # a place of its own, behind the others
            rows = core.cat([rows, core.zeros(1, self.embedding_dim)])
            places = places.masked_fill(flat == self.padding_idx, flat.numel())
        return F.embedding_bag(
            places.reshape(input.shape), rows, offsets, mode=self.mode, per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=None if self.padding_idx is None else flat.numel())
