"""Layers that are quantized as one: convolution, batch norm, ReLU."""
import copy

from rushlight import nn
from rushlight.nn import intrinsic
from rushlight.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

__all__ = ["fuse_modules", "fuse_modules_qat"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fuse_modules(model, modules_to_fuse, inplace=False):
    """The model with layers that follow each other joined: the first becomes both, the others `nn.Identity`.

    Convolution or linear layer, then batch norm, ReLU or both. Batch norms become part of the weights, so the model
    must be in evaluation mode where there are any.

    Args:
        model (Module): in evaluation mode.
        modules_to_fuse (list): names of layers that follow each other, or a list of such lists.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: the model with fused layers.

    Raises:
        NotImplementedError: the layers do not fit together.
        AssertionError: a batch norm is to be folded in training mode.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Conv2d(1, 2, 3), rl.nn.BatchNorm2d(2), rl.nn.ReLU()).eval()
        >>> [type(layer).__name__ for layer in rl.quantization.fuse_modules(model, ["0", "1", "2"])]
        ['ConvReLU2d', 'Identity', 'Identity']
    """
    return _fuse(model, modules_to_fuse, inplace, _folded)


def fuse_modules_qat(model, modules_to_fuse, inplace=False):
    """The same for quantization-aware training: batch norms stay, and go on learning.

    Args:
        model (Module): in training mode.
        modules_to_fuse (list): see `fuse_modules`.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: the model with fused layers.

    Raises:
        NotImplementedError: the layers do not fit together.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Conv2d(1, 2, 3), rl.nn.BatchNorm2d(2), rl.nn.ReLU())
        >>> [type(layer).__name__ for layer in rl.quantization.fuse_modules_qat(model, ["0", "1", "2"])]
        ['ConvBnReLU2d', 'Identity', 'Identity']
    """
    return _fuse(model, modules_to_fuse, inplace, _joined)


def _fuse(model, groups, inplace, join):
    model = model if inplace else copy.deepcopy(model)
    for names in [groups] if groups and isinstance(groups[0], str) else groups:
        made = join(*(model.get_submodule(name) for name in names))
        for name, module in zip(names, [made] + [nn.Identity()] * (len(names) - 1), strict=True):
            above, _, last = name.rpartition(".")
            setattr(model.get_submodule(above), last, module.train(model.training))
    return model


def _folded(layer, *rest):
    if rest and isinstance(rest[0], _NORMS):
        if layer.training:
            raise AssertionError("fuse_modules: a batch norm in training mode; expected model.eval(), or "
                                 "fuse_modules_qat")
        norm, *rest = rest
        layer = (fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval)(layer, norm)
    return _joined(layer, *rest)


def _joined(*layers):
    kinds = "".join("C" if isinstance(m, _CONVOLUTIONS) else "L" if isinstance(m, nn.Linear) else
                    "B" if isinstance(m, _NORMS) else "R" if isinstance(m, nn.ReLU) else "?" for m in layers)
    names = {"CR": "ConvReLU", "CB": "ConvBn", "CBR": "ConvBnReLU"}
    if kinds in ("C", "L"):
        return layers[0]
    if kinds == "LR":
        return intrinsic.LinearReLU(*layers)
    if kinds not in names:
        raise NotImplementedError(f"fuse_modules: {', '.join(type(m).__name__ for m in layers)}; expected a "
                                  "convolution or linear layer, then batch norm, ReLU or both")
    rank = _CONVOLUTIONS.index(next(kind for kind in _CONVOLUTIONS if isinstance(layers[0], kind))) + 1
    return getattr(intrinsic, f"{names[kinds]}{rank}d")(*layers)
