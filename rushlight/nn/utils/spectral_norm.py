"""The older form of spectral normalisation, by a hook before each call."""
from rushlight.autograd import no_grad
from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from rushlight.nn.parameter import Parameter, is_lazy

__all__ = ["remove_spectral_norm", "spectral_norm"]


class SpectralNorm:
    """The hook: before each call it divides the weight by its largest singular value.

    Args:
        name (str): the weight's. Default: "weight".
        n_power_iterations (int): in each call in training mode. Default: 1.
        dim (int): the dimension of the outputs. Default: 0.
        eps (float): the smallest norm that is divided by. Default: 1e-12.

    Raises:
        ValueError: there are no iterations.
    """

    _version = 1

    def __init__(self, name="weight", n_power_iterations=1, dim=0, eps=1e-12):
        if n_power_iterations <= 0:
            raise ValueError("Expected n_power_iterations to be positive, but got "
                             f"n_power_iterations={n_power_iterations}")
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def reshape_weight_to_matrix(self, weight):
        """The weight with a row for each output.

        Args:
            weight (Tensor): the weight.
        """
        return weight.movedim(self.dim, 0).reshape(weight.size(self.dim), -1)

    def compute_weight(self, module, do_power_iteration):
        """The weight as it is now.

        Args:
            module (Module): the owner.
            do_power_iteration (bool): come nearer to the largest singular value.
        """
        weight, u, v = (getattr(module, self.name + part) for part in ("_orig", "_u", "_v"))
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.t() @ u, dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix @ v, dim=0, eps=self.eps))
                # The next call changes the vectors in place, and the backward walk wants those of this one.
                u, v = u.clone(), v.clone()
        return weight / core.dot(u, matrix @ v)

    @staticmethod
    def apply(module, name, n_power_iterations, dim, eps):
        """Put the weight under another name and add the hook.

        Args:
            module (Module): the owner.
            name (str): the weight's.
            n_power_iterations, dim, eps: see the class.

        Returns:
            SpectralNorm: the hook.
        """
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
        hook, weight = SpectralNorm(name, n_power_iterations, dim, eps), module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if is_lazy(weight):
            raise ValueError("The module passed to `SpectralNorm` can't have uninitialized parameters: call it with a "
                             "batch first")
        with no_grad():
            u, v = (F.normalize(weight.new_empty(size).normal_(0, 1), dim=0, eps=eps)
                    for size in hook.reshape_weight_to_matrix(weight).shape)
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        setattr(module, name, weight.data)
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        hook.handles = [module.register_forward_pre_hook(hook), module._register_state_dict_hook(_NoteVersion(hook)),
                        module._register_load_state_dict_pre_hook(_TakeOldFiles(hook))]
        return hook

    def remove(self, module):
        """Put the weight back as an ordinary parameter, and take the hooks away.

        Args:
            module (Module): the owner.
        """
        for handle in self.handles:
            handle.remove()
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for part in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + part)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))


class _NoteVersion:
    def __init__(self, hook):
        self.hook = hook

    def __call__(self, module, state_dict, prefix, local_metadata):
        noted = local_metadata.setdefault("spectral_norm", {})
        key = self.hook.name + ".version"
        if key in noted:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        noted[key] = self.hook._version


class _TakeOldFiles:
    # Files of PyTorch before 1.0 have the weight as it was computed, and no v: it follows from both and u.

    def __init__(self, hook):
        self.hook = hook

    def __call__(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        hook, key = self.hook, prefix + self.hook.name
        version = local_metadata.get("spectral_norm", {}).get(hook.name + ".version")
        if version is not None and version >= 1:
            return
        complete = key not in state_dict and all(key + part in state_dict for part in ("_orig", "_u", "_v"))
        if version is None and complete:
            return
        missing = [key + part for part in ("_orig", "", "_u") if key + part not in state_dict]
        if missing:
            if strict:
                missing_keys.extend(missing)
            return
        with no_grad():
            original, u = state_dict[key + "_orig"], state_dict[key + "_u"]
            sigma = (original / state_dict.pop(key)).mean()
            matrix = hook.reshape_weight_to_matrix(original)
            v = core.linalg.pinv(matrix.t() @ matrix) @ (matrix.t() @ u)
            state_dict[key + "_v"] = v * (sigma / core.dot(u, matrix @ v))


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a weight by its largest singular value, found by power iteration (Miyato et al., 2018).

    `nn.utils.parametrizations.spectral_norm` is the newer form.

    Args:
        module (Module): the owner.
        name (str): its weight. Default: "weight".
        n_power_iterations (int): in each call in training mode. Default: 1.
        eps (float): the smallest norm that is divided by. Default: 1e-12.
        dim (int, optional): the dimension of the outputs: 1 for transposed convolutions, else 0.

    Returns:
        Module: the owner.

    Raises:
        RuntimeError: the weight has such a hook already.
        ValueError: there is no weight, it has no shape yet, or there are no iterations.

    Example:
        >>> import rushlight as rl
        >>> list(rl.nn.utils.spectral_norm(rl.nn.Linear(4, 3, bias=False)).state_dict())
        ['weight_orig', 'weight_u', 'weight_v']
    """
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module, name="weight"):
    """Put a normalised weight back as an ordinary parameter.

    Args:
        module (Module): the owner.
        name (str): its weight. Default: "weight".

    Returns:
        Module: the owner.

    Raises:
        ValueError: it is not normalised.
    """
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            return module
    raise ValueError(f"spectral_norm of '{name}' not found in {module}")
