"""Layers whose input sizes the first input tells; then they become the ordinary layers."""
from rushlight.autograd import no_grad
from rushlight.functional._core import core
from rushlight.nn.modules.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _BatchNorm
from rushlight.nn.modules.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from rushlight.nn.modules.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, _InstanceNorm
from rushlight.nn.modules.linear import Linear
from rushlight.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
    "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d",
    "LazyInstanceNorm3d", "LazyLinear"]


class LazyModuleMixin:
    """What a lazy layer adds to its ordinary class: mix it in first, and define `initialize_parameters`.

    Before its first call the layer has `UninitializedParameter`s. Optimizers are made after that call.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.LazyLinear(2)
        >>> layer(rl.zeros(5, 3)).shape == (5, 2)
        True
        >>> layer
        Linear(in_features=3, out_features=2, bias=True)
    """

    #: The class that an instance has after its first call.
    cls_to_become = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args, **kwargs):
        """Give parameters and buffers their shapes and first values, from the arguments of the first call.

        Args:
            args, kwargs: those of `forward`.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self):
        """Whether a parameter or buffer of this layer has no shape yet."""
        return any(is_lazy(value) for table in (self._parameters, self._buffers) for value in table.values())

    def _lazy_load_hook(self, state_dict, prefix, *rest):
        # What is loaded tells the shapes as well as an input does.
        for table in (self._parameters, self._buffers):
            for name, value in table.items():
                loaded = state_dict.get(prefix + name)
                if is_lazy(value) and loaded is not None and not is_lazy(loaded):
                    with no_grad():
                        value.materialize(loaded.shape)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for table in (self._parameters, self._buffers):
            for name, value in table.items():
                if value is not None and name not in self._non_persistent_buffers_set:
                    destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()

    def _infer_parameters(self, module, args, kwargs=None):
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` that learns `in_features` from its first input.

    Args:
        out_features (int): size of the last dimension of the output.
        bias (bool): add a learned bias. Default: True.
        device, dtype: where and how the parameters are made.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyLinear(2)(rl.zeros(5, 3)).shape == (5, 2)
        True
    """

    cls_to_become = Linear

    def __init__(self, out_features, bias=True, device=None, dtype=None):
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        """Draw new values, once there is a shape: weight and bias uniform within 1 / sqrt(in_features) of zero."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        """Take `in_features` from the input.

        Args:
            input (Tensor): (..., in_features).
        """
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()
        self.in_features = self.weight.shape[1]


class _LazyConv(LazyModuleMixin):
    # Goes before a convolution, whose constructor it calls with no channels.

    def _make_lazy(self, out_channels, bias, device, dtype):
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        """Draw new values, once there is a shape: weight and bias uniform within 1 / sqrt(fan_in) of zero."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input, *args, **kwargs):
        """Take `in_channels` from the input.

        Args:
            input (Tensor): (N, in_channels, ...) or (in_channels, ...).
            args, kwargs: what else `forward` got.

        Raises:
            RuntimeError: wrong number of dimensions.
            ValueError: the groups do not divide the channels.
        """
        if self.has_uninitialized_params():
            unbatched = len(self.kernel_size) + 1
            if input.dim() not in (unbatched, unbatched + 1):
                raise RuntimeError(
                    f"Expected {unbatched}D (unbatched) or {unbatched + 1}D (batched) input to {type(self).__name__}, "
                    f"but got input of size: {tuple(input.shape)}"
                )
            self.in_channels = input.shape[input.dim() - unbatched]
            if self.in_channels % self.groups != 0:
                raise ValueError("in_channels must be divisible by groups")
            channels = (self.in_channels, self.out_channels // self.groups) if self.transposed else \
                (self.out_channels, self.in_channels // self.groups)
            self.weight.materialize((*channels, *self.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()
        self.in_channels = self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.groups


class _LazyForwardConv(_LazyConv):
    def __init__(self, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", device=None, dtype=None):
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._make_lazy(out_channels, bias, device, dtype)


class _LazyTransposedConv(_LazyConv):
    def __init__(self, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
                 dilation=1, padding_mode="zeros", device=None, dtype=None):
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode,
                         device, dtype)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv1d(_LazyForwardConv, Conv1d):
    """A `Conv1d` that learns `in_channels` from its first input.

    Args:
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride, padding, dilation, groups, bias, padding_mode, device, dtype: those of `Conv1d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyConv1d(2, 2)(rl.zeros(1, 3, 4)).shape == (1, 2, 3)
        True
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyForwardConv, Conv2d):
    """A `Conv2d` that learns `in_channels` from its first input.

    Args:
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride, padding, dilation, groups, bias, padding_mode, device, dtype: those of `Conv2d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyConv2d(2, 2)(rl.zeros(1, 3, 4, 4)).shape == (1, 2, 3, 3)
        True
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyForwardConv, Conv3d):
    """A `Conv3d` that learns `in_channels` from its first input.

    Args:
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride, padding, dilation, groups, bias, padding_mode, device, dtype: those of `Conv3d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyConv3d(2, 2)(rl.zeros(1, 3, 4, 4, 4)).shape == (1, 2, 3, 3, 3)
        True
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposedConv, ConvTranspose1d):
    """A `ConvTranspose1d` that learns `in_channels` from its first input.

    Args:
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride, padding, output_padding, groups, bias, dilation, padding_mode, device, dtype: as of `ConvTranspose1d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyConvTranspose1d(2, 2)(rl.zeros(1, 3, 4)).shape == (1, 2, 5)
        True
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposedConv, ConvTranspose2d):
    """A `ConvTranspose2d` that learns `in_channels` from its first input.

    Args:
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride, padding, output_padding, groups, bias, dilation, padding_mode, device, dtype: as of `ConvTranspose2d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyConvTranspose2d(2, 2)(rl.zeros(1, 3, 4, 4)).shape == (1, 2, 5, 5)
        True
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposedConv, ConvTranspose3d):
    """A `ConvTranspose3d` that learns `in_channels` from its first input.

    Args:
        out_channels (int): channels of the output.
        kernel_size (int or tuple): size of the kernel.
        stride, padding, output_padding, groups, bias, dilation, padding_mode, device, dtype: as of `ConvTranspose3d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyConvTranspose3d(2, 2)(rl.zeros(1, 3, 4, 4, 4)).shape == (1, 2, 5, 5, 5)
        True
    """

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    # Goes before a normalisation, whose constructor it calls with no features.

    def __init__(self, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *,
                 bias=True):
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine, self.track_running_stats = affine, track_running_stats
        options = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**options)
            if bias:
                self.bias = UninitializedParameter(**options)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**options)
            self.running_var = UninitializedBuffer(**options)
            self.num_batches_tracked = core.tensor(0, dtype=core.int64)

    def reset_parameters(self):
        """Forget the running statistics, once there is a shape; weight 1, bias 0."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        """Take `num_features` from the input.

        Args:
            input (Tensor): (N, num_features, ...).
        """
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for value in (self.weight, self.bias, self.running_mean, self.running_var):
                if value is not None:
                    value.materialize((self.num_features,))
            self.reset_parameters()
        elif self.num_features == 0:
            self.num_features = input.shape[1]


class _LazyBatchNorm(_LazyNorm, _BatchNorm):
    pass


class _LazyInstanceNorm(_LazyNorm, _InstanceNorm):
    pass                                 # as in PyTorch, with a weight and running statistics unless told otherwise


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """A `BatchNorm1d` that learns `num_features` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: those of `BatchNorm1d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyBatchNorm1d()(rl.ones(2, 3, 4)).abs().max().item()
        0.0
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """A `BatchNorm2d` that learns `num_features` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: those of `BatchNorm2d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyBatchNorm2d()(rl.ones(2, 3, 4, 4)).abs().max().item()
        0.0
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """A `BatchNorm3d` that learns `num_features` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: those of `BatchNorm3d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyBatchNorm3d()(rl.ones(2, 3, 4, 4, 4)).abs().max().item()
        0.0
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """An `InstanceNorm1d` that learns `num_features` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: those of `InstanceNorm1d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyInstanceNorm1d()(rl.ones(2, 3, 4)).abs().max().item()
        0.0
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """An `InstanceNorm2d` that learns `num_features` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: those of `InstanceNorm2d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyInstanceNorm2d()(rl.ones(2, 3, 4, 4)).abs().max().item()
        0.0
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """An `InstanceNorm3d` that learns `num_features` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: those of `InstanceNorm3d`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LazyInstanceNorm3d()(rl.ones(2, 3, 4, 4, 4)).abs().max().item()
        0.0
    """

    cls_to_become = InstanceNorm3d
