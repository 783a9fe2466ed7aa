"""Instance normalisation."""
import warnings

from rushlight.nn import functional as F
from rushlight.nn.modules.batchnorm import _NormBase

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input):
        self._check_input_dim(input)
        unbatched = input.dim() == self._dims[0]
        channel = 0 if unbatched else 1
        if input.size(channel) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={channel} to match num_features ({self.num_features}), "
                    f"but got: {input.size(channel)}."
                )
            warnings.warn(
                f"input's size at dim={channel} does not match num_features. You can silence this warning by "
                "not passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        result = F.instance_norm(
            input.unsqueeze(0) if unbatched else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return result.squeeze(0) if unbatched else result


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample over its places.

    Args:
        num_features (int): C.
        eps (float): added to the variance. Default: 1e-5.
        momentum (float): share of the new batch in the running statistics. Default: 0.1.
        affine (bool): learn a weight and a bias per channel. Default: False.
        track_running_stats (bool): keep running statistics, which evaluation uses. Default: False.
        device, dtype: where and how parameters and buffers are made.
        bias (bool): when `affine`, learn the bias too. Default: True.

    Raises:
        ValueError: wrong number of dimensions or channels, or only one place.

    Shape:
        (N, C, L) or (C, L), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.InstanceNorm1d(1)(rl.zeros(1, 1, 4)).abs().max().item()
        0.0
    """

    _dims, _dims_text = (2, 3), "2D or 3D"


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each sample over its places.

    Args:
        num_features (int): C.
        eps (float): added to the variance. Default: 1e-5.
        momentum (float): share of the new batch in the running statistics. Default: 0.1.
        affine (bool): learn a weight and a bias per channel. Default: False.
        track_running_stats (bool): keep running statistics, which evaluation uses. Default: False.
        device, dtype: where and how parameters and buffers are made.
        bias (bool): when `affine`, learn the bias too. Default: True.

    Raises:
        ValueError: wrong number of dimensions or channels, or only one place.

    Shape:
        (N, C, H, W) or (C, H, W), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.InstanceNorm2d(1)(rl.zeros(1, 1, 4, 4)).abs().max().item()
        0.0
    """

    _dims, _dims_text = (3, 4), "3D or 4D"


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each sample over its places.

    Args:
        num_features (int): C.
        eps (float): added to the variance. Default: 1e-5.
        momentum (float): share of the new batch in the running statistics. Default: 0.1.
        affine (bool): learn a weight and a bias per channel. Default: False.
        track_running_stats (bool): keep running statistics, which evaluation uses. Default: False.
        device, dtype: where and how parameters and buffers are made.
        bias (bool): when `affine`, learn the bias too. Default: True.

    Raises:
        ValueError: wrong number of dimensions or channels, or only one place.

    Shape:
        (N, C, D, H, W) or (C, D, H, W), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.InstanceNorm3d(1)(rl.zeros(1, 1, 4, 4, 4)).abs().max().item()
        0.0
    """

    _dims, _dims_text = (4, 5), "4D or 5D"
