"""Batch normalisation, and what it shares with instance normalisation."""
from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]


class _NormBase(Module):
    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            values = Parameter(core.empty(num_features, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, values)
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", core.zeros(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "running_var", core.ones(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer("num_batches_tracked", core.tensor(0, dtype=core.int64) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self):
        """Forget the running statistics: mean 0, variance 1, no batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """Forget the running statistics; weight 1, bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input):
        if input.dim() not in self._dims:
            raise ValueError(f"expected {self._dims_text} input (got {input.dim()}D input)")

    def extra_repr(self):
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        key = prefix + "num_batches_tracked"
        if (local_metadata.get("version") or 0) < 2 and self.track_running_stats and key not in state_dict:
            # Files older than PyTorch 0.4.1 do not have the counter.
            known = self.num_batches_tracked
            state_dict[key] = known if known is not None else core.tensor(0, dtype=core.int64)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    def forward(self, input):
        self._check_input_dim(input)
        average = 0.0 if self.momentum is None else self.momentum
        training, mean, var = self.training, self.running_mean, self.running_var
        if training:
            if not self.track_running_stats:
                mean = var = None
            elif self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
                if self.momentum is None:
                    average = 1.0 / float(self.num_batches_tracked)
        elif mean is None and var is None:
            training = True
        return F.batch_norm(input, mean, var, self.weight, self.bias, training, average, self.eps)


class BatchNorm1d(_BatchNorm):
    """Normalises each channel over the batch (and its places), then scales and shifts it.

    Args:
        num_features (int): C.
        eps (float): added to the variance. Default: 1e-5.
        momentum (float or None): share of the new batch in the running statistics; None averages all.
            Default: 0.1.
        affine (bool): learn a weight and a bias per channel. Default: True.
        track_running_stats (bool): keep running statistics, which evaluation uses. Default: True.
        device, dtype: where and how parameters and buffers are made.
        bias (bool): when `affine`, learn the bias too. Default: True.

    Raises:
        ValueError: wrong number of dimensions; or, when training, only one value per channel.

    Shape:
        (N, C) or (N, C, L), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.BatchNorm1d(3).eval()(rl.zeros(2, 3)).abs().max().item()
        0.0
    """

    _dims, _dims_text = (2, 3), "2D or 3D"


class BatchNorm2d(_BatchNorm):
    """Normalises each channel over the batch and its places, then scales and shifts it.

    Args:
        num_features (int): C.
        eps (float): added to the variance. Default: 1e-5.
        momentum (float or None): share of the new batch in the running statistics; None averages all.
            Default: 0.1.
        affine (bool): learn a weight and a bias per channel. Default: True.
        track_running_stats (bool): keep running statistics, which evaluation uses. Default: True.
        device, dtype: where and how parameters and buffers are made.
        bias (bool): when `affine`, learn the bias too. Default: True.

    Raises:
        ValueError: wrong number of dimensions; or, when training, only one value per channel.

    Shape:
        (N, C, H, W), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.BatchNorm2d(3).eval()(rl.zeros(2, 3, 1, 1)).abs().max().item()
        0.0
    """

    _dims, _dims_text = (4,), "4D"


class BatchNorm3d(_BatchNorm):
    """Normalises each channel over the batch and its places, then scales and shifts it.

    Args:
        num_features (int): C.
        eps (float): added to the variance. Default: 1e-5.
        momentum (float or None): share of the new batch in the running statistics; None averages all.
            Default: 0.1.
        affine (bool): learn a weight and a bias per channel. Default: True.
        track_running_stats (bool): keep running statistics, which evaluation uses. Default: True.
        device, dtype: where and how parameters and buffers are made.
        bias (bool): when `affine`, learn the bias too. Default: True.

    Raises:
        ValueError: wrong number of dimensions; or, when training, only one value per channel.

    Shape:
        (N, C, D, H, W), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.BatchNorm3d(3).eval()(rl.zeros(2, 3, 1, 1, 1)).abs().max().item()
        0.0
    """

    _dims, _dims_text = (5,), "5D"


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over all processes of a group: of the one process that there is, for inputs of any rank.

    Args:
        num_features (int): C.
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `BatchNorm2d`.
        process_group (optional): kept, and has no effect.

    Raises:
        ValueError: the input has fewer than two dimensions, or no channels.

    Shape:
        (N, C, ...), the same out.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.SyncBatchNorm.convert_sync_batchnorm(rl.nn.Sequential(rl.nn.BatchNorm1d(3)))
        Sequential(
          (0): SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        )
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, process_group=None,
                 device=None, dtype=None, *, bias=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input):
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """Put a `SyncBatchNorm` in the place of every batch normalisation, with its parameters and statistics.

        Args:
            module (Module): the model.
            process_group (optional): what the new layers keep.

        Returns:
            Module: the model, or what replaces it.
        """
        result = module
        if isinstance(module, _BatchNorm):
            result = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats,
                         process_group, bias=module.bias is not None)
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(result, name, getattr(module, name))
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result
