"""Convolutions and transposed convolutions."""
import math

from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.utils import _pair, _reverse_repeat_tuple, _single, _triple
from rushlight.nn.parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    __constants__ = [
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    ]

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
        bias,
        padding_mode,
        device=None,
        dtype=None,
    ):
        super().__init__()
        _check_arguments(in_channels, out_channels, stride, padding, groups, padding_mode)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.transposed, self.output_padding = transposed, output_padding
        self.groups, self.padding_mode = groups, padding_mode
        self._reversed_padding_repeated_twice = _amounts_to_pad(padding, kernel_size, dilation)
        channels = (
            (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        )
        self.weight = Parameter(core.empty((*channels, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(core.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw new values: weight and bias uniform within 1 / sqrt(fan_in) of zero."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = init._fans(self.weight)[0]
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self):
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        ones, zeros = (1,) * len(self.dilation), (0,) * len(self.output_padding)
        if self.padding != (0,) * len(self.padding):
            text += f", padding={self.padding}"
        if self.dilation != ones:
            text += f", dilation={self.dilation}"
        if self.output_padding != zeros:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


def _check_arguments(in_channels, out_channels, stride, padding, groups, padding_mode):
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups:
        raise ValueError("out_channels must be divisible by groups")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'valid', 'same'}}")
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in _PADDING_MODES:
        raise ValueError(
            f"padding_mode must be one of {set(_PADDING_MODES)}, but got padding_mode='{padding_mode}'"
        )


def _amounts_to_pad(padding, kernel_size, dilation):
    # In the order of F.pad: last dimension first, left before right.
    if padding == "valid":
        return [0] * (2 * len(kernel_size))
    if padding != "same":
        return _reverse_repeat_tuple(padding, 2)
    amounts = []
    for size, step in zip(reversed(kernel_size), reversed(dilation)):
        total = step * (size - 1)
        amounts += [total // 2, total - total // 2]
    return amounts


class _Conv(_ConvNd):
    # Subclasses set _tuple (one number per spatial dimension) and _function.

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        numbers = self._tuple
        padding = padding if isinstance(padding, str) else numbers(padding)
        super().__init__(
            in_channels,
            out_channels,
            numbers(kernel_size),
            numbers(stride),
            padding,
            numbers(dilation),
            False,
            numbers(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input, weight, bias):
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return self._function(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Conv):
    """Convolution over one spatial dimension.

    Args:
        in_channels (int): channels of the input.
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride (int or tuple): step of the kernel. Default: 1.
        padding (int, tuple or str): added on both sides; "same" and "valid" too. Default: 0.
        dilation (int or tuple): distance between the kernel's elements. Default: 1.
        groups (int): groups of channels that do not see each other. Default: 1.
        bias (bool): add a learned bias. Default: True.
        padding_mode (str): "zeros", "reflect", "replicate" or "circular". Default: "zeros".
        device, dtype: where and how the parameters are made.

    Raises:
        ValueError: `groups`, `padding` or `padding_mode` is not possible.

    Shape:
        (N, C_in, L) or (C_in, L) to (N, C_out, L_out) or (C_out, L_out).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Conv1d(2, 4, 3)(rl.zeros(1, 2, 8)).shape == (1, 4, 6)
        True
    """

    _tuple = staticmethod(_single)
    _function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Convolution over two spatial dimensions.

    Args:
        in_channels (int): channels of the input.
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride (int or tuple): step of the kernel. Default: 1.
        padding (int, tuple or str): added on both sides; "same" and "valid" too. Default: 0.
        dilation (int or tuple): distance between the kernel's elements. Default: 1.
        groups (int): groups of channels that do not see each other. Default: 1.
        bias (bool): add a learned bias. Default: True.
        padding_mode (str): "zeros", "reflect", "replicate" or "circular". Default: "zeros".
        device, dtype: where and how the parameters are made.

    Raises:
        ValueError: `groups`, `padding` or `padding_mode` is not possible.

    Shape:
        (N, C_in, H, W) or (C_in, H, W) to (N, C_out, H_out, W_out) or (C_out, H_out, W_out).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Conv2d(1, 4, 3, padding=1)(rl.zeros(2, 1, 8, 8)).shape == (2, 4, 8, 8)
        True
    """

    _tuple = staticmethod(_pair)
    _function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Convolution over three spatial dimensions.

    Args:
        in_channels (int): channels of the input.
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride (int or tuple): step of the kernel. Default: 1.
        padding (int, tuple or str): added on both sides; "same" and "valid" too. Default: 0.
        dilation (int or tuple): distance between the kernel's elements. Default: 1.
        groups (int): groups of channels that do not see each other. Default: 1.
        bias (bool): add a learned bias. Default: True.
        padding_mode (str): "zeros", "reflect", "replicate" or "circular". Default: "zeros".
        device, dtype: where and how the parameters are made.

    Raises:
        ValueError: `groups`, `padding` or `padding_mode` is not possible.

    Shape:
        (N, C_in, D, H, W) or (C_in, D, H, W) to (N, C_out, D_out, H_out, W_out) or the same without N.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Conv3d(1, 2, 3)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 2, 2, 2, 2)
        True
    """

    _tuple = staticmethod(_triple)
    _function = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        numbers = self._tuple
        super().__init__(
            in_channels,
            out_channels,
            numbers(kernel_size),
            numbers(stride),
            numbers(padding),
            numbers(dilation),
            True,
            numbers(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input, output_size=None):
        output_padding = (
            self.output_padding if output_size is None else self._output_padding(input, output_size)
        )
        return self._function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )

    def _output_padding(self, input, output_size):
        # Which of the sizes that the convolution maps to the input's size is wanted.
        spatial = len(self.kernel_size)
        has_batch = input.dim() == spatial + 2
        output_size = tuple(output_size)
        if len(output_size) == spatial + (2 if has_batch else 1):
            output_size = output_size[-spatial:]
        if len(output_size) != spatial:
            raise ValueError(
                f"ConvTranspose{spatial}D: for {input.dim()}D input, output_size must have {spatial} or "
                f"{input.dim()} elements (got {len(output_size)})"
            )
        extra = []
        for i, wanted in enumerate(output_size):
            smallest = ((input.size(i - spatial) - 1) * self.stride[i] - 2 * self.padding[i]
                        + self.dilation[i] * (self.kernel_size[i] - 1) + 1)
            if not smallest <= wanted <= smallest + self.stride[i] - 1:
                raise ValueError(
                    f"{self._get_name()}: output_size={output_size} is not possible for input of shape "
                    f"{tuple(input.shape)}; expected between {smallest} and "
                    f"{smallest + self.stride[i] - 1} in dimension {i}"
                )
            extra.append(wanted - smallest)
        return tuple(extra)


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution (the gradient of `Conv1d`) over one spatial dimension.

    Args:
        in_channels (int): channels of the input.
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride (int or tuple): step of the kernel on the output. Default: 1.
        padding (int or tuple): taken off both sides of the output. Default: 0.
        output_padding (int or tuple): added to one side of the output. Default: 0.
        groups (int): groups of channels that do not see each other. Default: 1.
        bias (bool): add a learned bias. Default: True.
        dilation (int or tuple): distance between the kernel's elements. Default: 1.
        padding_mode (str): only "zeros".
        device, dtype: where and how the parameters are made.

    Raises:
        ValueError: `groups` or `padding_mode` is not possible.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ConvTranspose1d(2, 1, 3, stride=2)(rl.zeros(1, 2, 4)).shape == (1, 1, 9)
        True
    """

    _tuple = staticmethod(_single)
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution (the gradient of `Conv2d`) over two spatial dimensions.

    Args:
        in_channels (int): channels of the input.
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride (int or tuple): step of the kernel on the output. Default: 1.
        padding (int or tuple): taken off both sides of the output. Default: 0.
        output_padding (int or tuple): added to one side of the output. Default: 0.
        groups (int): groups of channels that do not see each other. Default: 1.
        bias (bool): add a learned bias. Default: True.
        dilation (int or tuple): distance between the kernel's elements. Default: 1.
        padding_mode (str): only "zeros".
        device, dtype: where and how the parameters are made.

    Raises:
        ValueError: `groups` or `padding_mode` is not possible.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ConvTranspose2d(2, 1, 2, stride=2)(rl.zeros(1, 2, 4, 4)).shape == (1, 1, 8, 8)
        True
    """

    _tuple = staticmethod(_pair)
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution (the gradient of `Conv3d`) over three spatial dimensions.

    Args:
        in_channels (int): channels of the input.
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride (int or tuple): step of the kernel on the output. Default: 1.
        padding (int or tuple): taken off both sides of the output. Default: 0.
        output_padding (int or tuple): added to one side of the output. Default: 0.
        groups (int): groups of channels that do not see each other. Default: 1.
        bias (bool): add a learned bias. Default: True.
        dilation (int or tuple): distance between the kernel's elements. Default: 1.
        padding_mode (str): only "zeros".
        device, dtype: where and how the parameters are made.

    Raises:
        ValueError: `groups` or `padding_mode` is not possible.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ConvTranspose3d(1, 1, 2, stride=2)(rl.zeros(1, 1, 2, 2, 2)).shape == (1, 1, 4, 4, 4)
        True
    """

    _tuple = staticmethod(_triple)
    _function = staticmethod(F.conv_transpose3d)
