"""Dropout layers."""
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    __constants__ = ["p", "inplace"]

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input):
        return self._function(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """When training, drops elements at random and scales the rest by 1 / (1 - p).

    Args:
        p (float): probability that something is dropped. Default: 0.5.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Dropout().eval()(rl.ones(2)).sum()
        tensor(2.)
    """

    _function = staticmethod(F.dropout)


class Dropout1d(_DropoutNd):
    """When training, drops channels of sequences at random and scales the rest by 1 / (1 - p).

    Args:
        p (float): probability that something is dropped. Default: 0.5.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Dropout1d().eval()(rl.ones(1, 1, 2)).sum()
        tensor(2.)
    """

    _function = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """When training, drops channels of images at random and scales the rest by 1 / (1 - p).

    Args:
        p (float): probability that something is dropped. Default: 0.5.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Dropout2d().eval()(rl.ones(1, 1, 1, 2)).sum()
        tensor(2.)
    """

    _function = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """When training, drops channels of volumes at random and scales the rest by 1 / (1 - p).

    Args:
        p (float): probability that something is dropped. Default: 0.5.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Dropout3d().eval()(rl.ones(1, 1, 1, 1, 2)).sum()
        tensor(2.)
    """

    _function = staticmethod(F.dropout3d)


class AlphaDropout(_DropoutNd):
    """When training, drops elements at random so that mean and variance after SELU stay.

    Args:
        p (float): probability that something is dropped. Default: 0.5.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.AlphaDropout().eval()(rl.ones(2)).sum()
        tensor(2.)
    """

    _function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_DropoutNd):
    """When training, drops channels at random so that mean and variance after SELU stay.

    Args:
        p (float): probability that something is dropped. Default: 0.5.
        inplace (bool): overwrite the input. Default: False.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.FeatureAlphaDropout().eval()(rl.ones(1, 2)).sum()
        tensor(2.)
    """

    _function = staticmethod(F.feature_alpha_dropout)
