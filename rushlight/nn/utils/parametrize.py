"""Parameters that are computed from others each time they are read."""
import contextlib
from copy import deepcopy

from rushlight.autograd import no_grad
from rushlight.functional._core import Tensor
from rushlight.nn.modules.container import ModuleDict, ModuleList
from rushlight.nn.parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations"]


class _Cache:
    # What has been computed while `cached` is entered: by module and name.
    depth = 0
    values = {}  # noqa: RUF012  one for the process


@contextlib.contextmanager
def cached():
    """Within this context each parametrized tensor is computed once, however often it is read.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.utils.parametrizations.weight_norm(rl.nn.Linear(2, 2))
        >>> with rl.nn.utils.parametrize.cached():
        ...     layer.weight is layer.weight
        True
    """
    _Cache.depth += 1
    try:
        yield
    finally:
        _Cache.depth -= 1
        if not _Cache.depth:
            _Cache.values = {}


def _register(module, name, tensor):
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _require_alike(what, before, after, unless_unsafe=True):
    # The tensor may not change its kind behind the back of the code that reads it.
    unsafe = ", unless the `unsafe` flag is enabled" if unless_unsafe else ""
    if not isinstance(after, Tensor):
        raise ValueError(f"{what} must return a tensor. Got {type(after).__name__}.")
    for quality in ("dtype", "shape"):
        was, now = getattr(before, quality), getattr(after, quality)
        if was != now:
            raise ValueError(f"{what} may not change the {quality} of the tensor{unsafe}: it was {was} and is {now}")


class ParametrizationList(ModuleList):
    """The tensors that a parametrized one is computed from, and the modules that compute it one after the other.

    Its tensor is `original`, or `original0`, `original1`, ... where the first module takes several.

    Args:
        modules (list of Module): at least one.
        original (Tensor or Parameter): the tensor before it was parametrized.
        unsafe (bool): do not check that dtype and shape stay. Default: False.

    Raises:
        ValueError: there is no module, or one changes dtype or shape.
    """

    def __init__(self, modules, original, unsafe=False):
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shown = original.detach().clone()
        new = self._first_values(original)
        if not isinstance(new, (Tensor, list, tuple)):
            raise ValueError("'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                             f"Got {type(new).__name__}")
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if original.dtype != new.dtype:
                raise ValueError(f"When `right_inverse` outputs one tensor, it may not change the dtype: it was "
                                 f"{original.dtype} and is {new.dtype}")
            with no_grad():
                original.set_(new)
            _register(self, "original", original)
        else:
            self._register_several(new, original)
        if not unsafe:
            _require_alike("Registering a parametrization", shown, self())

    def _first_values(self, original):
        with no_grad():
            new = original
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    # Without an inverse the parametrization begins with the tensor itself.
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        return new

    def _register_several(self, tensors, original):
        for i, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                raise ValueError("'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                                 f"element {i} of the sequence with type {type(tensor).__name__}.")
            if isinstance(original, Parameter):
                tensor = Parameter(tensor, original.requires_grad)
            tensor.requires_grad_(original.requires_grad)
            _register(self, f"original{i}", tensor)

    def originals(self):
        """The tensors, in order."""
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value):
        """Set the tensors so that the parametrized one becomes `value`.

        Args:
            value (Tensor): what it shall be.

        Raises:
            RuntimeError: a module has no `right_inverse`.
            ValueError: it returns something else than is kept here.
        """
        with no_grad():
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            originals, values = self.originals(), [value] if self.is_tensor else value
            if not isinstance(values, (list, tuple)) or len(values) != len(originals):
                raise ValueError(f"'right_inverse' must return a sequence of tensors of length {len(originals)}. "
                                 f"Got {type(value).__name__}.")
            for i, (original, new) in enumerate(zip(originals, values)):
                if not isinstance(new, Tensor):
                    raise ValueError(
                        f"`right_inverse` must return tensors. Got element {i} of type {type(new).__name__}")
                if original.dtype != new.dtype:
                    raise ValueError(f"The tensor {i} returned by `right_inverse` has dtype {new.dtype} while the "
                                     f"original has dtype {original.dtype}")
                original.set_(new)

    def forward(self):
        first, *rest = self
        value = first(*self.originals())
        for module in rest:
            value = module(value)
        return value


def _get(self, name):
    computation = self.parametrizations[name]
    if not _Cache.depth:
        return computation()
    key = id(self), name
    if key not in _Cache.values:
        _Cache.values[key] = computation()
    return _Cache.values[key]


def _copy(self, memo):
    if id(self) not in memo:
        memo[id(self)] = replica = self.__new__(type(self))
        replica.__dict__.update(deepcopy(self.__dict__, memo))
    return memo[id(self)]


def _refuse_state(self):
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(): save that, and register the "
        "parametrizations again before loading it")


def _give_own_class(module):
    # A property belongs to a class, so that the module needs one of its own.
    own = type(module)
    members = {"__getstate__": _refuse_state}
    if not hasattr(own, "__deepcopy__"):
        members["__deepcopy__"] = _copy
    module.__class__ = type(f"Parametrized{own.__name__}", (own,), members)


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Compute a parameter or buffer by a module, from a tensor that takes its place in the optimizer and state dict.

    The module may define `right_inverse`, which gives the tensors to begin with, and for assignments.

    Args:
        module (Module): the owner.
        tensor_name (str): its parameter or buffer; if it is parametrized already, the new module comes last.
        parametrization (Module): takes the tensor (or tensors), returns what is read.
        unsafe (bool): do not check that dtype and shape stay. Default: False.

    Returns:
        Module: the owner.

    Raises:
        ValueError: there is no such tensor, or the module changes dtype or shape.

    Example:
        >>> import rushlight as rl
        >>> class Symmetric(rl.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).T
        >>> layer = rl.nn.Linear(3, 3)
        >>> _ = rl.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
        >>> rl.equal(layer.weight, layer.weight.T)
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_next(module, tensor_name, parametrization)
        known = module.parametrizations[tensor_name]
        known.append(parametrization)
        known.unsafe |= unsafe
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
                         f"'{tensor_name}'")
    computation = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _give_own_class(module)
        module.parametrizations = ModuleDict()

    def set_value(self, value):
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(lambda self: _get(self, tensor_name), set_value))
    module.parametrizations[tensor_name] = computation
    return module


def _check_next(module, tensor_name, parametrization):
    before = getattr(module, tensor_name)
    after = parametrization(before)
    _require_alike("Registering a parametrization", before, after)
    if hasattr(parametrization, "right_inverse"):
        with contextlib.suppress(NotImplementedError):
            _require_alike("parametrization.right_inverse", before, parametrization.right_inverse(after))


def is_parametrized(module, tensor_name=None):
    """Whether a module has parametrized tensors, or this one is.

    Args:
        module (Module): the module.
        tensor_name (str, optional): the tensor.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.parametrize.is_parametrized(rl.nn.Linear(1, 1))
        False
    """
    known = getattr(module, "parametrizations", None)
    if not isinstance(known, ModuleDict):
        return False
    return len(known) > 0 if tensor_name is None else tensor_name in known


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Make a parametrized tensor an ordinary one again.

    Args:
        module (Module): the owner.
        tensor_name (str): the tensor.
        leave_parametrized (bool): keep what it was computed to be, else the tensor that it was computed from.
            Default: True.

    Returns:
        Module: the owner.

    Raises:
        ValueError: it is not parametrized; or what it was computed from, which are several tensors, shall stay.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.utils.parametrizations.weight_norm(rl.nn.Linear(2, 2))
        >>> rl.nn.utils.parametrize.remove_parametrizations(layer, "weight")
        Linear(in_features=2, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    computation = module.parametrizations[tensor_name]
    if computation.is_tensor:
        original = computation.original
        if leave_parametrized:
            with no_grad():
                original.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in "
                         "terms of a sequence of tensors.")
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module):
    """The class of a module as it was made.

    Args:
        module (Module): parametrized or not.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.utils.parametrizations.weight_norm(rl.nn.Linear(2, 2))
        >>> rl.nn.utils.parametrize.type_before_parametrizations(layer) is rl.nn.Linear
        True
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """Let a module share the parametrizations of another, and the tensors they compute from.

    Args:
        from_module (Module): whose parametrizations.
        to_module (Module): who shall have them.
        tensor_name (str, optional): only those of this tensor.

    Returns:
        Module: `to_module`.
    """
    if not is_parametrized(from_module):
        return to_module
    for name in from_module.parametrizations if tensor_name is None else [tensor_name]:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        for key in ["original"] if source.is_tensor else [f"original{i}" for i in range(source.ntensors)]:
            setattr(target, key, getattr(source, key))
    return to_module
