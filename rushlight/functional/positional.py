"""Functions of the front page that take the arguments of their namesakes of `nn.functional` in another order, or say
the reduction by a number: 0 none, 1 mean, 2 sum.
"""
from rushlight.functional import dropout, embedding, loss, normalization, unpooling  # noqa: F401  defines the namesakes
from rushlight.functional._composite import composite
from rushlight.functional._core import core, native
from rushlight.functional.loss import numbered_reduction

_ops = core._groups["_ops"]


@composite("kl_div", "widen")
def kl_div(input, target, reduction=1, *, log_target=False):
    """`nn.functional.kl_div` with the reduction as a number.

    Args:
        input, target, log_target: as there.
        reduction (int): 0 none, 1 mean, 2 sum. Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.kl_div(rl.zeros(2), rl.ones(2), 2)
        tensor(0.)
    """
    return native.kl_div(input, target, reduction=numbered_reduction("kl_div", reduction), log_target=log_target)


@composite("binary_cross_entropy_with_logits", "widen")
def binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None, reduction=1):
    """`nn.functional.binary_cross_entropy_with_logits` with the reduction as a number.

    Args:
        input, target, weight, pos_weight: as there.
        reduction (int): 0 none, 1 mean, 2 sum. Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.binary_cross_entropy_with_logits(rl.zeros(2), rl.ones(2))
        tensor(0.6931)
    """
    return native.binary_cross_entropy_with_logits(
        input, target, weight, pos_weight=pos_weight,
        reduction=numbered_reduction("binary_cross_entropy_with_logits", reduction))


@composite("cosine_embedding_loss", "widen")
def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=1):
    """`nn.functional.cosine_embedding_loss` with the reduction as a number.

    Args:
        input1, input2, target, margin: as there.
        reduction (int): 0 none, 1 mean, 2 sum. Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.cosine_embedding_loss(rl.ones(1, 2), rl.ones(1, 2), rl.ones(1), reduction=2).item() < 1e-6
        True
    """
    return native.cosine_embedding_loss(input1, input2, target, margin,
                                        reduction=numbered_reduction("cosine_embedding_loss", reduction))


@composite("hinge_embedding_loss", "widen")
def hinge_embedding_loss(input, target, margin=1.0, reduction=1):
    """`nn.functional.hinge_embedding_loss` with the reduction as a number.

    Args:
        input, target, margin: as there.
        reduction (int): 0 none, 1 mean, 2 sum. Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.hinge_embedding_loss(rl.ones(2), rl.ones(2), reduction=2)
        tensor(2.)
    """
    return native.hinge_embedding_loss(input, target, margin,
                                       reduction=numbered_reduction("hinge_embedding_loss", reduction))


@composite("margin_ranking_loss", "widen")
def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=1):
    """`nn.functional.margin_ranking_loss` with the reduction as a number.

    Args:
        input1, input2, target, margin: as there.
        reduction (int): 0 none, 1 mean, 2 sum. Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.margin_ranking_loss(rl.zeros(2), rl.ones(2), rl.ones(2), reduction=2)
        tensor(2.)
    """
    return native.margin_ranking_loss(input1, input2, target, margin,
                                      reduction=numbered_reduction("margin_ranking_loss", reduction))


@composite("poisson_nll_loss", "widen")
def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """`nn.functional.poisson_nll_loss` with every argument given, the reduction as a number.

    Args:
        input, target, log_input, full, eps: as there.
        reduction (int): 0 none, 1 mean, 2 sum.

    Example:
        >>> import rushlight as rl
        >>> rl.poisson_nll_loss(rl.zeros(2), rl.ones(2), True, False, 1e-8, 2)
        tensor(2.)
    """
    return native.poisson_nll_loss(input, target, log_input, full, eps=eps,
                                   reduction=numbered_reduction("poisson_nll_loss", reduction))


@composite("triplet_margin_loss", "widen")
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-06, swap=False, reduction=1):
    """`nn.functional.triplet_margin_loss` with the reduction as a number.

    Args:
        anchor, positive, negative, margin, p, eps, swap: as there.
        reduction (int): 0 none, 1 mean, 2 sum. Default: 1.

    Example:
        >>> import rushlight as rl
        >>> rl.triplet_margin_loss(rl.ones(1, 2), rl.ones(1, 2), rl.ones(1, 2)).item()
        1.0
    """
    return native.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap,
                                      reduction=numbered_reduction("triplet_margin_loss", reduction))


@composite("batch_norm")
def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled=False):
    """`nn.functional.batch_norm` with weight and bias before the running statistics.

    Args:
        input, weight, bias, running_mean, running_var, training, momentum, eps: as there.
        cudnn_enabled (bool): accepted; there is no cuDNN.

    Example:
        >>> import rushlight as rl
        >>> rl.batch_norm(rl.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 0.0, False)
        tensor([[-1.],
                [ 1.]])
    """
    return _ops["batch_norm_forward"](input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


@composite("instance_norm")
def instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled=False):
    """`nn.functional.instance_norm` with weight and bias before the running statistics.

    Args:
        input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps: as there.
        cudnn_enabled (bool): accepted; there is no cuDNN.

    Example:
        >>> import rushlight as rl
        >>> rl.instance_norm(rl.tensor([[[1.0, 3.0]]]), None, None, None, None, True, 0.1, 0.0, False)
        tensor([[[-1.,  1.]]])
    """
    return native.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


@composite("alpha_dropout")
def alpha_dropout(input, p, train):
    """`nn.functional.alpha_dropout` with every argument given.

    Args:
        input (Tensor), p (float): as there.
        train (bool): drop at all.

    Example:
        >>> import rushlight as rl
        >>> rl.alpha_dropout(rl.ones(2), 0.5, False)
        tensor([1., 1.])
    """
    return native.alpha_dropout(input, p, train)


@composite("feature_alpha_dropout")
def feature_alpha_dropout(input, p, train):
    """`nn.functional.feature_alpha_dropout` with every argument given.

    Args:
        input (Tensor), p (float): as there.
        train (bool): drop at all.

    Example:
        >>> import rushlight as rl
        >>> rl.feature_alpha_dropout(rl.ones(1, 2), 0.5, False)
        tensor([[1., 1.]])
    """
    return native.feature_alpha_dropout(input, p, train)


@composite("feature_dropout")
def feature_dropout(input, p, train):
    """Drops whole channels of any number of dimensions, scaling the rest by 1 / (1 - p).

    Args:
        input (Tensor): (N, C, ...).
        p (float): probability that a channel is dropped.
        train (bool): drop at all.

    Example:
        >>> import rushlight as rl
        >>> rl.feature_dropout(rl.ones(1, 2), 0.5, False)
        tensor([[1., 1.]])
    """
    return native.dropout2d(input, p, train)


@composite("adaptive_avg_pool1d")
def adaptive_avg_pool1d(input, output_size):
    """`nn.functional.adaptive_avg_pool1d`.

    Args:
        input (Tensor), output_size (int): as there.

    Example:
        >>> import rushlight as rl
        >>> rl.adaptive_avg_pool1d(rl.tensor([[[1.0, 3.0]]]), 1)
        tensor([[[2.]]])
    """
    return native.adaptive_avg_pool1d(input, output_size)


@composite("adaptive_max_pool1d")
def adaptive_max_pool1d(input, output_size):
    """`nn.functional.adaptive_max_pool1d` with the indices.

    Args:
        input (Tensor), output_size (int): as there.

    Returns:
        tuple of Tensor: maxima, indices.

    Example:
        >>> import rushlight as rl
        >>> rl.adaptive_max_pool1d(rl.tensor([[[1.0, 3.0]]]), 1)[1]
        tensor([[[1]]])
    """
    return native.adaptive_max_pool1d_with_indices(input, output_size)


@composite("max_pool1d_with_indices")
def max_pool1d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """`nn.functional.max_pool1d` with the indices.

    Args:
        input (Tensor), kernel_size (int), ...: as there.

    Returns:
        tuple of Tensor: maxima, indices.

    Example:
        >>> import rushlight as rl
        >>> rl.max_pool1d_with_indices(rl.tensor([[[1.0, 3.0]]]), 2)[1]
        tensor([[[1]]])
    """
    return native.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


@composite("constant_pad_nd")
def constant_pad_nd(input, pad, value=0):
    """`nn.functional.pad` with a constant.

    Args:
        input (Tensor), pad (tuple of int): as there.
        value (number): Default: 0.

    Example:
        >>> import rushlight as rl
        >>> rl.constant_pad_nd(rl.ones(1), (1, 0), 5)
        tensor([5., 1.])
    """
    return native.pad(input, pad, "constant", value)


@composite("native_layer_norm")
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """`layer_norm` with the means and inverse standard deviations that it used.

    Args:
        input, normalized_shape, weight, bias, eps: as in `nn.functional.layer_norm`.

    Returns:
        tuple of Tensor: result, means, inverse standard deviations.

    Example:
        >>> import rushlight as rl
        >>> rl.native_layer_norm(rl.tensor([[1.0, 3.0]]), (2,), None, None, 0.0)[1]
        tensor([[2.]])
    """
    result, mean, rstd = _ops["layer_norm_forward"](input, normalized_shape, weight, bias, eps)
    kept = input.dim() - len(normalized_shape)
    shape = [*input.shape[:kept], *[1] * len(normalized_shape)]
    return result, mean.reshape(shape), rstd.reshape(shape)


@composite("native_batch_norm out")
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """`batch_norm` with the means and inverse standard deviations of the batch; empty when not training.

    Args:
        input, weight, bias, running_mean, running_var, training, momentum, eps: as in `batch_norm`.

    Returns:
        tuple of Tensor: result, means, inverse standard deviations.

    Example:
        >>> import rushlight as rl
        >>> rl.native_batch_norm(rl.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 0.0)[1]
        tensor([2.])
    """
    found = _ops["batch_norm_forward"](input, weight, bias, running_mean, running_var, training, momentum, eps)
    if training:
        return tuple(found)
    nothing = core.empty(0, dtype=found[1].dtype)
    return found[0], nothing, nothing.clone()


@composite("native_group_norm")
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """`group_norm` with the means and inverse standard deviations that it used.

    Args:
        input, weight, bias, eps: as in `nn.functional.group_norm`.
        N, C, HxW (int): the sizes of the input: batch, channels, all others.
        group (int): how many groups.

    Returns:
        tuple of Tensor: result, means, inverse standard deviations, both (N, group).

    Example:
        >>> import rushlight as rl
        >>> rl.native_group_norm(rl.tensor([[1.0, 3.0]]), None, None, 1, 2, 1, 1, 0.0)[1]
        tensor([[2.]])
    """
    result, mean, rstd = _ops["group_norm_forward"](input, group, weight, bias, eps)
    if input.requires_grad:                                        # the operator's own serve its gradient only
        groups = input.reshape(N, group, C // group * HxW)
        mean, rstd = groups.mean(-1), core.rsqrt(core.var(groups, -1, correction=0) + eps)
    return result, mean.reshape(N, group), rstd.reshape(N, group)


@composite("native_dropout")
def native_dropout(input, p, train):
    """`dropout` with the mask of what it kept.

    Args:
        input (Tensor), p (float): as in `nn.functional.dropout`.
        train (bool, optional): drop at all; None is True.

    Returns:
        tuple of Tensor: result, bool mask.

    Example:
        >>> import rushlight as rl
        >>> rl.native_dropout(rl.ones(2), 0.5, False)[1]
        tensor([True, True])
    """
    if train is False or input.numel() == 0:
        return input.clone(), core.ones_like(input, dtype=core.bool)
    mask = core.empty_like(input, dtype=core.bool, requires_grad=False).bernoulli_(1 - p)
    return input * mask * (0.0 if p == 1 else 1 / (1 - p)), mask


@composite("native_dropout_backward")
def native_dropout_backward(grad_output, mask, scale):
    """The gradient of `native_dropout`: grad_output * mask * scale.

    Args:
        grad_output (Tensor): the gradient of the result.
        mask (Tensor): bool.
        scale (float): 1 / (1 - p).

    Example:
        >>> import rushlight as rl
        >>> rl.native_dropout_backward(rl.ones(2), rl.tensor([True, False]), 2.0)
        tensor([2., 0.])
    """
    return grad_output * mask * scale


def _method_as_function(name, arguments, shown):
    def function(input, *args, **named):
        return getattr(input, name)(*args, **named)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""`Tensor.{name}` as a function: changes the tensor in place and returns it.

    Args:
        input (Tensor): is overwritten.
        args, named: as the method takes them.

    Example:
        >>> import rushlight as rl
        >>> rl.{name}({arguments})
        {shown}
    """
    composite(name)(function)


for _name, _arguments, _shown in [
    ("detach_", "rl.tensor([1])", "tensor([1])"),
    ("resize_as_", "rl.tensor([1, 2]), rl.tensor([3])", "tensor([1])"),
    ("addmv_", "rl.ones(1), rl.ones(1, 2), rl.ones(2)", "tensor([3.])"),
    ("index_put_", "rl.zeros(2), (rl.tensor([1]),), rl.ones(1)", "tensor([0., 1.])"),
    ("ldexp_", "rl.ones(1), rl.tensor([3])", "tensor([8.])"),
]:
    _method_as_function(_name, _arguments, _shown)


@composite("norm_except_dim")
def norm_except_dim(v, pow=2, dim=0):
    """The p-norms of the slices that `dim` counts, with all dimensions kept.

    Args:
        v (Tensor): floating.
        pow (int): the order of the norm. Default: 2.
        dim (int): the dimension that is left; -1: none. Default: 0.

    Example:
        >>> import rushlight as rl
        >>> rl.norm_except_dim(rl.tensor([[3.0, 4.0]]))
        tensor([[5.]])
    """
    if dim == -1:
        return core.norm(v, pow)
    return core.norm(v, pow, [d for d in range(v.dim()) if d != dim % v.dim()], True)


@composite("convolution")
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """The convolution of one to three dimensions, or the transposed one, with every argument given.

    Args:
        input, weight, bias, stride, padding, dilation, output_padding, groups: as in `conv2d` and `conv_transpose2d`.
        transposed (bool): the transposed convolution.

    Example:
        >>> import rushlight as rl
        >>> rl.convolution(rl.ones(1, 1, 3), rl.ones(1, 1, 2), None, [1], [0], [1], False, [0], 1)
        tensor([[[2., 2.]]])
    """
    rank = input.dim() - 2
    if transposed:
        apply = {1: core.conv_transpose1d, 2: core.conv_transpose2d, 3: core.conv_transpose3d}[rank]
        return apply(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return {1: core.conv1d, 2: core.conv2d, 3: core.conv3d}[rank](
        input, weight, bias, stride, padding, dilation, groups)
