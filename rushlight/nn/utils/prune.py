"""Pruning: parts of a parameter are held at zero by a mask."""
import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable

from rushlight.functional._core import core
from rushlight.nn.utils.convert_parameters import parameters_to_vector

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove"]


def _ones(tensor):
    return core.ones_like(tensor, requires_grad=False)


class BasePruningMethod(ABC):
    """Base class of the ways to prune; a subclass defines `compute_mask` and `PRUNING_TYPE`.

    An instance is a hook: before each call of the module it multiplies the parameter, kept under its name with "_orig",
    by the buffer with "_mask".
    """

    _tensor_name = None

    def __call__(self, module, inputs):
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t, default_mask):
        """The new mask.

        Args:
            t (Tensor): how important each element is.
            default_mask (Tensor): the mask so far; what it prunes stays pruned.

        Returns:
            Tensor: ones and zeros.
        """

    def apply_mask(self, module):
        """The pruned parameter of a module.

        Args:
            module (Module): the owner.
        """
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prune a parameter, on top of what has been pruned of it.

        Args:
            module (Module): the owner.
            name (str): its parameter.
            args, kwargs: for the constructor.
            importance_scores (Tensor, optional): how important each element is; the parameter itself when None.

        Returns:
            BasePruningMethod: the hook.

        Raises:
            AssertionError: the scores have another shape than the parameter.
        """
        method = _joined(module, name, cls(*args, **kwargs))
        original = getattr(module, name)
        scores = original if importance_scores is None else importance_scores
        if scores.shape != original.shape:
            raise AssertionError(f"importance_scores should have the same shape as parameter {name} of {module}, got "
                                 f"{scores.shape} vs {original.shape}")
        first = not isinstance(method, PruningContainer)
        mask = _ones(original) if first else getattr(module, name + "_mask").detach().clone()
        # Nothing is changed before the mask is there.
        mask = method.compute_mask(scores, default_mask=mask)
        if first:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        for key in _hooks_of(module, name):
            del module._forward_pre_hooks[key]
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t, default_mask=None, importance_scores=None):
        """A pruned tensor.

        Args:
            t (Tensor): what to prune.
            default_mask (Tensor, optional): a mask to begin with.
            importance_scores (Tensor, optional): how important each element is; `t` itself when None.

        Raises:
            AssertionError: the scores have another shape than `t`.

        Example:
            >>> import rushlight as rl
            >>> rl.nn.utils.prune.L1Unstructured(amount=1).prune(rl.tensor([3.0, -1.0, 2.0]))
            tensor([3., -0., 2.])
        """
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as tensor t, got {scores.shape} vs {t.shape}")
        mask = _ones(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module):
        """Make the pruned values the parameter's own; it can grow again from then on.

        Args:
            module (Module): the owner.
        """
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        pruned = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters[name + "_orig"]
        original.data = pruned.data
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def _hooks_of(module, name):
    return [key for key, hook in module._forward_pre_hooks.items()
            if isinstance(hook, BasePruningMethod) and hook._tensor_name == name]


def _joined(module, name, method):
    # The method, after those by which the parameter has been pruned before.
    method._tensor_name = name
    known = [module._forward_pre_hooks[key] for key in _hooks_of(module, name)]
    if not known:
        return method
    before, = known
    container = PruningContainer(*(before if isinstance(before, PruningContainer) else [before]))
    container._tensor_name = name
    container.add_pruning_method(method)
    return container


class PruningContainer(BasePruningMethod):
    """Several ways to prune one parameter, one after the other.

    Args:
        args (BasePruningMethod): the ways.
    """

    def __init__(self, *args):
        self._pruning_methods = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method):
        """Add a way, to be the last.

        Args:
            method (BasePruningMethod): of the same parameter.

        Raises:
            TypeError: it is no `BasePruningMethod`.
            ValueError: it prunes a parameter of another name.
        """
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to "
                             f"PruningContainer {self}. Found '{method._tensor_name}'")
        self._pruning_methods += (method,)

    def __len__(self):
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, idx):
        return self._pruning_methods[idx]

    def compute_mask(self, t, default_mask):
        """The mask that the last way adds to.

        Args:
            t (Tensor): how important each element is.
            default_mask (Tensor): the mask so far.

        Raises:
            ValueError: its `PRUNING_TYPE` is unknown.
            AttributeError: it prunes whole slices, and does not say along which `dim`.
        """
        method, rank = self._pruning_methods[-1], t.dim()
        mask = default_mask.to(dtype=t.dtype).clone()
        part = (slice(None),) * rank
        if method.PRUNING_TYPE == "unstructured":
            part = mask == 1
        elif method.PRUNING_TYPE == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError(
                    'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.')
            dim = method.dim + rank if method.dim < 0 else method.dim
            if dim < 0:
                raise IndexError(f"Index is out of bounds for tensor with dimensions {rank}")
            kept = mask.sum(dim=[d for d in range(rank) if d != dim]) != 0
            part = (*part[:dim], kept, *part[dim + 1:])
        elif method.PRUNING_TYPE != "global":
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        mask[part] = method.compute_mask(t[part], default_mask=mask[part]).to(dtype=mask.dtype)
        return mask


def _check_amount(amount):
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or (not isinstance(amount, numbers.Integral) and amount > 1.0):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")


def _how_many(amount, size):
    count = amount if isinstance(amount, numbers.Integral) else round(amount * size)
    if count > size:
        raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={size}")
    return count


def _check_slices(t, dim):
    if t.dim() <= 1:
        raise ValueError("Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                         f"{t.shape} with {t.dim()} dims")
    if dim >= t.dim():
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


def _slices(t, dim, kept):
    # Ones in the slices that are kept, which a mask or indices tell.
    mask = core.zeros_like(t, requires_grad=False)
    mask[(*[slice(None)] * (dim % t.dim()), kept)] = 1
    return mask


class Identity(BasePruningMethod):
    """Prunes nothing, but makes the mask."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask


class _Unstructured(BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        count, mask = _how_many(self.amount, t.numel()), default_mask.clone()
        if count != 0:
            mask.view(-1)[self._pruned(t, count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes elements by chance.

    Args:
        amount (int or float): how many, or which part of them.

    Raises:
        TypeError: it is no number.
        ValueError: it is out of range.
    """

    def _pruned(self, t, count):
        return core.rand_like(t, requires_grad=False).view(-1).topk(count).indices


class L1Unstructured(_Unstructured):
    """Prunes the smallest elements.

    Args:
        amount (int or float): how many, or which part of them.

    Raises:
        TypeError: it is no number.
        ValueError: it is out of range.
    """

    def _pruned(self, t, count):
        return t.detach().abs().reshape(-1).topk(count, largest=False).indices


class RandomStructured(BasePruningMethod):
    """Prunes slices by chance.

    Args:
        amount (int or float): how many, or which part of them.
        dim (int): the dimension that they are slices of. Default: -1.

    Raises:
        TypeError: `amount` is no number.
        ValueError: it is out of range.
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        _check_amount(amount)
        self.amount, self.dim = amount, dim

    def compute_mask(self, t, default_mask):
        _check_slices(t, self.dim)
        size = t.shape[self.dim]
        count = _how_many(self.amount, size)
        if count == 0:
            return default_mask
        chance = core.rand(size)
        return _slices(t, self.dim, chance > chance.kthvalue(count).values) * default_mask.to(dtype=t.dtype)


class LnStructured(BasePruningMethod):
    """Prunes the slices of the smallest norm.

    Args:
        amount (int or float): how many, or which part of them.
        n (float or str): the norm, as of `norm`.
        dim (int): the dimension that they are slices of. Default: -1.

    Raises:
        TypeError: `amount` is no number.
        ValueError: it is out of range.
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount, n, dim=-1):
        _check_amount(amount)
        self.amount, self.n, self.dim = amount, n, dim

    def compute_mask(self, t, default_mask):
        _check_slices(t, self.dim)
        size = t.shape[self.dim]
        count = _how_many(self.amount, size)
        if count == 0:
            return default_mask
        others = [d for d in range(t.dim()) if d != self.dim % t.dim()]
        kept = core.norm(t.detach(), p=self.n, dim=others).topk(size - count).indices
        return _slices(t, self.dim, kept) * default_mask.to(dtype=t.dtype)


class CustomFromMask(BasePruningMethod):
    """Prunes where a given mask is zero.

    Args:
        mask (Tensor): of the parameter's shape.
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}")
        return default_mask * self.mask.to(dtype=default_mask.dtype)


def identity(module, name):
    """Give a parameter a mask of ones.

    Args:
        module (Module): the owner.
        name (str): its parameter.

    Returns:
        Module: the owner.

    Example:
        >>> import rushlight as rl
        >>> list(rl.nn.utils.prune.identity(rl.nn.Linear(1, 1, bias=False), "weight").state_dict())
        ['weight_orig', 'weight_mask']
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module, name, amount):
    """Prune elements of a parameter by chance.

    Args:
        module (Module): the owner.
        name (str): its parameter.
        amount (int or float): how many, or which part of them.

    Returns:
        Module: the owner.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.prune.random_unstructured(rl.nn.Linear(4, 1), "weight", 3).weight_mask.sum()
        tensor(1.)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name, amount, importance_scores=None):
    """Prune the smallest elements of a parameter.

    Args:
        module (Module): the owner.
        name (str): its parameter.
        amount (int or float): how many, or which part of them.
        importance_scores (Tensor, optional): how important each element is; the parameter itself when None.

    Returns:
        Module: the owner.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.prune.l1_unstructured(rl.nn.Linear(4, 1), "weight", 0.5).weight_mask.sum()
        tensor(2.)
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module, name, amount, dim):
    """Prune slices of a parameter by chance.

    Args:
        module (Module): the owner.
        name (str): its parameter.
        amount (int or float): how many, or which part of them.
        dim (int): the dimension that they are slices of.

    Returns:
        Module: the owner.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.prune.random_structured(rl.nn.Linear(2, 3), "weight", 1, 0).weight_mask.sum()
        tensor(4.)
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name, amount, n, dim, importance_scores=None):
    """Prune the slices of the smallest norm.

    Args:
        module (Module): the owner.
        name (str): its parameter.
        amount (int or float): how many, or which part of them.
        n (float or str): the norm.
        dim (int): the dimension that they are slices of.
        importance_scores (Tensor, optional): how important each element is; the parameter itself when None.

    Returns:
        Module: the owner.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.prune.ln_structured(rl.nn.Linear(2, 3), "weight", 1, 2, 0).weight_mask.sum()
        tensor(4.)
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module, name, mask):
    """Prune a parameter where a mask is zero.

    Args:
        module (Module): the owner.
        name (str): its parameter.
        mask (Tensor): of its shape.

    Returns:
        Module: the owner.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.utils.prune.custom_from_mask(rl.nn.Linear(2, 1), "bias", rl.zeros(1))
        >>> layer.bias.item() == 0
        True
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs):
    """Prune elements of several parameters as if they were one.

    Args:
        parameters (iterable): pairs of module and name.
        pruning_method (type): an unstructured way to prune.
        importance_scores (dict, optional): by such pairs, how important each element is; else the parameters.
        kwargs: for the constructor of the way.

    Raises:
        TypeError: `parameters` is no iterable, the scores are no dict, or the way is not unstructured.

    Example:
        >>> import rushlight as rl
        >>> net = rl.nn.Sequential(rl.nn.Linear(2, 2), rl.nn.Linear(2, 2))
        >>> chosen = [(net[0], "weight"), (net[1], "weight")]
        >>> rl.nn.utils.prune.global_unstructured(chosen, rl.nn.utils.prune.L1Unstructured, amount=3)
        >>> int(net[0].weight_mask.sum() + net[1].weight_mask.sum())
        5
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    parameters = list(parameters)
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError('Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
                        f"{pruning_method} of type {method.PRUNING_TYPE}")
    tensors = [getattr(module, name) for module, name in parameters]
    known = [getattr(module, name + "_mask", None) for module, name in parameters]
    masks = [_ones(tensor) if mask is None else mask for tensor, mask in zip(tensors, known)]
    method._tensor_name = "temp"
    mask = PruningContainer(method).compute_mask(
        parameters_to_vector([scores.get(pair, tensor) for pair, tensor in zip(parameters, tensors)]),
        parameters_to_vector(masks))
    start = 0
    for (module, name), tensor in zip(parameters, tensors):
        custom_from_mask(module, name, mask[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


def remove(module, name):
    """Make the pruned values of a parameter its own, and take the mask away.

    Args:
        module (Module): the owner.
        name (str): its parameter.

    Returns:
        Module: the owner.

    Raises:
        ValueError: it is not pruned.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.utils.prune.identity(rl.nn.Linear(1, 1, bias=False), "weight")
        >>> list(rl.nn.utils.prune.remove(layer, "weight").state_dict())
        ['weight']
    """
    for key in _hooks_of(module, name):
        module._forward_pre_hooks[key].remove(module)
        del module._forward_pre_hooks[key]
        return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module):
    """Whether a parameter of a module, or of one in it, is pruned.

    Args:
        module (Module): the module.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.prune.is_pruned(rl.nn.Linear(1, 1))
        False
    """
    return any(isinstance(hook, BasePruningMethod) for part in module.modules()
               for hook in part._forward_pre_hooks.values())
