"""The older form of weight normalisation, by a hook before each call."""
import warnings

from rushlight.functional._core import core
from rushlight.nn.parameter import Parameter, is_lazy
from rushlight.nn.utils.parametrizations import with_lengths

__all__ = ["remove_weight_norm", "weight_norm"]


class WeightNorm:
    """The hook: before each call it computes the weight from its lengths and directions.

    Args:
        name (str): the weight's.
        dim (int): the dimension of the lengths, -1 for one length.
    """

    def __init__(self, name, dim):
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module):
        """The weight as it is now.

        Args:
            module (Module): the owner.
        """
        return with_lengths(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    @staticmethod
    def apply(module, name, dim):
        """Split the weight and add the hook.

        Args:
            module (Module): the owner.
            name (str): the weight's.
            dim (int or None): the dimension of the lengths.

        Returns:
            WeightNorm: the hook.
        """
        warnings.warn("`nn.utils.weight_norm` is deprecated in favor of `nn.utils.parametrizations.weight_norm`.",
                      FutureWarning, stacklevel=3)
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
        hook, weight = WeightNorm(name, dim), getattr(module, name)
        if is_lazy(weight):
            raise ValueError("The module passed to `WeightNorm` can't have uninitialized parameters: call it with a "
                             "batch first")
        del module._parameters[name]
        lengths = core.norm_except_dim(weight.detach(), 2, hook.dim)
        module.register_parameter(name + "_g", Parameter(lengths))
        module.register_parameter(name + "_v", Parameter(weight.data))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module):
        """Put the weight back as an ordinary parameter.

        Args:
            module (Module): the owner.
        """
        weight = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[self.name + "_g"]
        del module._parameters[self.name + "_v"]
        setattr(module, self.name, Parameter(weight.data))

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module, name="weight", dim=0):
    """Split a weight into lengths ("weight_g") and directions ("weight_v") (Salimans and Kingma, 2016).

    `nn.utils.parametrizations.weight_norm` is the newer form.

    Args:
        module (Module): the owner.
        name (str): its weight. Default: "weight".
        dim (int or None): one length for each index of this dimension; None: one for all. Default: 0.

    Returns:
        Module: the owner.

    Raises:
        RuntimeError: the weight is split already.
        ValueError: it has no shape yet.
    """
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module, name="weight"):
    """Put a split weight back as an ordinary parameter.

    Args:
        module (Module): the owner.
        name (str): its weight. Default: "weight".

    Returns:
        Module: the owner.

    Raises:
        ValueError: it is not split.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
