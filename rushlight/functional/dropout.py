"""Dropout of channels and self-normalising dropout, drawing from the random stream as PyTorch does."""
import math

from rushlight.functional._composite import composite
from rushlight.functional._core import core

# The negative saturation value of SELU.
_ALPHA = 1.7580993408473766


def _check_probability(name, p):
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p={p} is out of range; expected 0 <= p <= 1")


def _feature_noise(input):
    if input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return core.empty((*input.shape[:2], *(1 for _ in input.shape[2:])), dtype=input.dtype)


def _drop(input, noise, p, inplace):
    if p == 1:
        return input.zero_() if inplace else input * core.zeros_like(input)
    noise = noise.bernoulli_(1 - p).div_(1 - p)
    return input.mul_(noise) if inplace else input * noise


def _alpha_drop(input, noise, p, inplace):
    if p == 1:
        return input.zero_() if inplace else input * core.zeros_like(input)
    scale = 1.0 / math.sqrt((_ALPHA**2 * p + 1) * (1 - p))
    noise = noise.bernoulli_(1 - p)
    offset = noise.add(-1).mul_(_ALPHA * scale).add_(_ALPHA * scale * p)
    noise = noise.mul_(scale)
    return input.mul_(noise).add_(offset) if inplace else input * noise + offset


@composite("nn.functional.alpha_dropout")
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean and variance of inputs that SELU made.

    Args:
        input (Tensor): floating.
        p (float): probability that an element is dropped. Default: 0.5.
        training (bool): drop at all. Default: False.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.alpha_dropout(rl.ones(2), training=False)
        tensor([1., 1.])
    """
    _check_probability("alpha_dropout", p)
    if not training or p == 0 or input.numel() == 0:
        return input
    return _alpha_drop(input, core.empty_like(input, requires_grad=False), p, inplace)


@composite("nn.functional.feature_alpha_dropout")
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels.

    Args:
        input (Tensor): floating, (N, C, ...).
        p (float): probability that a channel is dropped. Default: 0.5.
        training (bool): drop at all. Default: False.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.
        RuntimeError: fewer than two dimensions.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.feature_alpha_dropout(rl.ones(1, 2), training=False)
        tensor([[1., 1.]])
    """
    _check_probability("feature_alpha_dropout", p)
    if not training or p == 0 or input.numel() == 0:
        return input
    return _alpha_drop(input, _feature_noise(input), p, inplace)


def _feature_dropout(name, input, p, training, inplace, dims):
    # dims: the dimensions of an unbatched input, or None where dimension 0 always counts as the batch.
    _check_probability(name, p)
    if not training or p == 0 or input.numel() == 0:
        return input
    if input.dim() != dims:
        return _drop(input, _feature_noise(input), p, inplace)
    batched = input.unsqueeze(0)
    return _drop(batched, _feature_noise(batched), p, inplace).squeeze(0)


@composite("nn.functional.dropout1d")
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Drop whole channels of sequences, scaling the rest by 1 / (1 - p).

    Args:
        input (Tensor): floating, (N, C, L) or (C, L).
        p (float): probability that a channel is dropped. Default: 0.5.
        training (bool): drop at all. Default: True.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.
        RuntimeError: wrong number of dimensions.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.dropout1d(rl.ones(1, 1, 2), training=False)
        tensor([[[1., 1.]]])
    """
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input")
    return _feature_dropout("dropout1d", input, p, training, inplace, 2)


@composite("nn.functional.dropout2d")
def dropout2d(input, p=0.5, training=True, inplace=False):
    """Drop whole channels of images, scaling the rest by 1 / (1 - p).

    Args:
        input (Tensor): floating, (N, C, H, W).
        p (float): probability that a channel is dropped. Default: 0.5.
        training (bool): drop at all. Default: True.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.dropout2d(rl.ones(1, 1, 1, 2), training=False)
        tensor([[[[1., 1.]]]])
    """
    # As in PyTorch, three dimensions are read as (N, C, L) here.
    return _feature_dropout("dropout2d", input, p, training, inplace, None)


@composite("nn.functional.dropout3d")
def dropout3d(input, p=0.5, training=True, inplace=False):
    """Drop whole channels of volumes, scaling the rest by 1 / (1 - p).

    Args:
        input (Tensor): floating, (N, C, D, H, W) or (C, D, H, W).
        p (float): probability that a channel is dropped. Default: 0.5.
        training (bool): drop at all. Default: True.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.dropout3d(rl.ones(1, 1, 1, 1, 2), training=False)
        tensor([[[[[1., 1.]]]]])
    """
    return _feature_dropout("dropout3d", input, p, training, inplace, 4)
