"""Batch normalisations folded into the layers before them, for evaluation."""
from copy import deepcopy

from rushlight.functional._core import core
from rushlight.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _fused(weight, bias, mean, variance, eps, scale, shift, shape):
    given = bias
    bias = core.zeros_like(mean) if bias is None else bias
    factor = core.rsqrt(variance + eps)
    factor = factor if scale is None else factor * scale
    moved = (bias - mean) * factor
    moved = moved if shift is None else moved + shift
    moved = moved.expand(weight.shape[shape.index(-1)]).clone()
    scaled = (weight * factor.reshape(shape)).to(weight.dtype)
    moved = moved.to(weight.dtype if given is None else given.dtype)
    return (Parameter(scaled.detach(), weight.requires_grad),
            Parameter(moved.detach(), given is not None and given.requires_grad))


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """The weight and bias of a convolution that does what a convolution and a batch normalisation after it did.

    Args:
        conv_w (Tensor): the convolution's weight.
        conv_b (Tensor or None): its bias.
        bn_rm, bn_rv (Tensor): the running mean and variance.
        bn_eps (float): what the normalisation adds to the variance.
        bn_w, bn_b (Tensor or None): its weight and bias.
        transpose (bool): the convolution is transposed. Default: False.

    Returns:
        tuple of Parameter: weight and bias.
    """
    shape = [1, -1] if transpose else [-1, 1]
    shape += [1] * (conv_w.dim() - 2)
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """The weight and bias of a linear layer that does what it and a batch normalisation after it did.

    Args:
        linear_w (Tensor): the layer's weight.
        linear_b (Tensor or None): its bias.
        bn_rm, bn_rv (Tensor): the running mean and variance.
        bn_eps (float): what the normalisation adds to the variance.
        bn_w, bn_b (Tensor or None): its weight and bias.

    Returns:
        tuple of Parameter: weight and bias.
    """
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _check(layer, bn):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """A copy of a convolution that does the batch normalisation after it too.

    Args:
        conv (Module): the convolution, in evaluation mode.
        bn (Module): the normalisation, in evaluation mode.
        transpose (bool): the convolution is transposed. Default: False.

    Raises:
        AssertionError: one of them is in training mode, or there are no running statistics.

    Example:
        >>> import rushlight as rl
        >>> conv, bn = rl.nn.Conv2d(3, 4, 1).eval(), rl.nn.BatchNorm2d(4).eval()
        >>> x = rl.randn(1, 3, 2, 2)
        >>> rl.allclose(rl.nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-5)
        True
    """
    _check(conv, bn)
    fused = deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose)
    return fused


def fuse_linear_bn_eval(linear, bn):
    """A copy of a linear layer that does the batch normalisation after it too.

    Args:
        linear (Linear): in evaluation mode.
        bn (Module): the normalisation, in evaluation mode, of as many features or of one.

    Raises:
        AssertionError: one of them is in training mode, sizes differ, or there are no running statistics.

    Example:
        >>> import rushlight as rl
        >>> linear, bn = rl.nn.Linear(3, 4).eval(), rl.nn.BatchNorm1d(4).eval()
        >>> x = rl.randn(2, 3)
        >>> rl.allclose(rl.nn.utils.fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-5)
        True
    """
    _check(linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
                             f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}")
    fused = deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    return fused
