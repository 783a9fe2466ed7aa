"""What passes between quantized modules: 8-bit integers with their scale and zero point."""
from functools import partial

from rushlight.functional._core import Tensor, core

_ops = core._groups["_ops"]
_SHAPE = frozenset("dim ndim ndimension size shape numel nelement stride is_contiguous device requires_grad".split())
_INTEGERS = {"quint8": core.uint8, "qint8": core.int8, "uint8": core.uint8, "int8": core.int8}


def integer_dtype(dtype):
    """The dtype that holds the integers: of PyTorch's `quint8` and `qint8` uint8 and int8.

    Args:
        dtype (dtype): quint8, qint8, uint8 or int8.

    Raises:
        TypeError: it is another.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.integer_dtype(rl.qint8)
        rushlight.int8
    """
    found = _INTEGERS.get(str(dtype).rpartition(".")[2])
    if found is None:
        raise TypeError(f"quantization: dtype={dtype}; expected quint8 (uint8) or qint8 (int8)")
    return found


class QuantizedTensor:
    """8-bit integers that stand for (q - zero_point) * scale. It is no Tensor: operators that only move elements, take
    maxima or cut keep its scale; means and pooling keep it too, with their results rounded; all others refuse it.

    Args:
        values (Tensor | callable): uint8 or int8; or what computes them when they are first wanted.
        scale (float): positive.
        zero_point (int): what stands for 0.

    Example:
        >>> import rushlight as rl
        >>> q = rl.nn.quantized.quantize_per_tensor(rl.tensor([[0.5, -1.0]]), 0.25, 10, rl.quint8)
        >>> q.int_repr(), q.flatten().dequantize()
        (tensor([[12,  6]], dtype=rushlight.uint8), tensor([ 0.5000, -1.0000]))
    """

    __slots__ = ("_scale", "_values", "_zero_point")
    is_quantized = True
    _script_refusal = ("integers between quantized modules have no type in scripts; expected jit.trace of the module "
                       "from its QuantStub to its DeQuantStub, whose batch may vary")

    def __init__(self, values, scale, zero_point):
        self._values, self._scale, self._zero_point = values, scale, zero_point

    def int_repr(self):
        """The integers (Tensor)."""
        if not isinstance(self._values, Tensor):
            self._values = self._values()
        return self._values

    def pending(self):
        """What computes the integers, where they have not been wanted yet, or None."""
        return None if isinstance(self._values, Tensor) else self._values

    def q_scale(self):
        """The scale (float)."""
        return self._scale

    def q_zero_point(self):
        """The zero point (int)."""
        return self._zero_point

    def dequantize(self):
        """The numbers (Tensor): float32."""
        return _ops["dequantize"](self.int_repr(), self._scale, self._zero_point)

    def _like(self, values):
        return QuantizedTensor(values, self._scale, self._zero_point)

    def __repr__(self):
        return f"QuantizedTensor({self.int_repr()!r}, scale={self._scale:.6g}, zero_point={self._zero_point})"

    def __getattr__(self, name):
        if name in _SHAPE:
            return getattr(self.int_repr(), name)
        return partial(getattr(Tensor, name), self)

    def __getitem__(self, index):
        return self._like(self.int_repr()[index])

    def __len__(self):
        return len(self.int_repr())

    def _refuse(self, other):
        raise TypeError("QuantizedTensor: arithmetic needs the scale of its result; expected "
                        "nn.quantized.FloatFunctional, or dequantize() first")

    __add__ = __radd__ = __iadd__ = __mul__ = __rmul__ = __imul__ = __sub__ = __truediv__ = __matmul__ = _refuse

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """`func` of arguments of which this is one."""
        answer = _ANSWERS.get(func.__name__)
        if answer is None:
            raise TypeError(f"{func.__name__}: input is quantized; expected a Tensor: dequantize() it first")
        return answer(self, func, args, kwargs or {})


def _of_integers(q, func, args, kwargs):
    result = func(q.int_repr(), *args[1:], **kwargs)
    if isinstance(result, Tensor):
        return q._like(result)
    if isinstance(result, tuple) and func.__name__.startswith(("max_pool", "adaptive_max_pool")):
        return q._like(result[0]), result[1]
    return tuple(map(q._like, result)) if isinstance(result, tuple) else result


def _rectified(q, func, args, kwargs):
    return q._like(q.int_repr().clamp(min=q.q_zero_point()))


def _cut(q, func, args, kwargs):
    if func.__name__ == "relu6":
        low, high = 0, 6
    else:
        low, high = (*args[1:3], None, None)[:2]
        low = kwargs.get("min", kwargs.get("min_val", low))
        high = kwargs.get("max", kwargs.get("max_val", high))
    first = 0 if q.int_repr().dtype == core.uint8 else -128
    ends = [end if number is None else min(max(round(number / q.q_scale()) + q.q_zero_point(), first), first + 255)
            for number, end in ((low, first), (high, first + 255))]
    return q._like(q.int_repr().clamp(*ends))


def _of_numbers(q, func, args, kwargs):
    return quantize_per_tensor(func(q.dequantize(), *args[1:], **kwargs), q.q_scale(), q.q_zero_point(),
                               q.int_repr().dtype)


def _joined(q, func, args, kwargs):
    parts, *rest = args
    if any((p.q_scale(), p.q_zero_point()) != (q.q_scale(), q.q_zero_point()) for p in parts):
        return _of_numbers(q, lambda _: func([p.dequantize() for p in parts], *rest, **kwargs), (q,), {})
    return q._like(func([p.int_repr() for p in parts], *rest, **kwargs))


def _itself(q, func, args, kwargs):
    return q


_ANSWERS = {name: answer for answer, names in {
    _of_integers:
        "view reshape flatten unflatten permute transpose t squeeze unsqueeze contiguous expand repeat narrow select "
        "slice split chunk unbind movedim flip roll clone max_pool1d max_pool2d max_pool3d "
        "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d pixel_shuffle pixel_unshuffle",
    _rectified: "relu relu_",
    _of_numbers:
        "mean avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
        "leaky_relu leaky_relu_ interpolate",
    _cut: "clamp hardtanh hardtanh_ relu6",
    _joined: "cat stack",
    _itself: "detach dropout dropout_ dropout2d",
}.items() for name in names.split()}


def quantize_per_tensor(input, scale, zero_point, dtype):
    """The integers nearest to input / scale + zero_point, ties to even, within the range of `dtype`.

    Args:
        input (Tensor): floating.
        scale (float): positive.
        zero_point (int): stands for 0.
        dtype (dtype): quint8 (uint8) or qint8 (int8).

    Returns:
        QuantizedTensor: the shape of `input`.

    Raises:
        RuntimeError: `scale` or `zero_point` is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.quantize_per_tensor(rl.tensor([1.0]), 0.25, 0, rl.qint8).int_repr()
        tensor([4], dtype=rushlight.int8)
    """
    return QuantizedTensor(_ops["quantize"](input, float(scale), int(zero_point), integer_dtype(dtype)), float(scale),
                           int(zero_point))


def quantize_weight(weight, scale, axis=0):
    """Weights as int8, symmetric about 0, with one scale for each slice along `axis`.

    Args:
        weight (Tensor): floating.
        scale (Tensor): one for each slice.
        axis (int): Default: 0.

    Returns:
        Tensor: int8, the shape of `weight`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.quantize_weight(rl.eye(2), rl.tensor([0.5, 0.1]))
        tensor([[ 2,  0],
                [ 0, 10]], dtype=rushlight.int8)
    """
    along = [1] * weight.dim()
    along[axis] = -1
    return (weight.detach() * (1.0 / scale.reshape(along))).round().clamp(-128, 127).to(core.int8)
