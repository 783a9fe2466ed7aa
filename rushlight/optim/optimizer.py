"""What all optimizers share: parameter groups, state, and their dictionaries."""
import warnings
import weakref
from collections import OrderedDict, defaultdict
from copy import deepcopy

from rushlight import _C
from rushlight.autograd import enable_grad
from rushlight.functional._core import Tensor, core
from rushlight.nn.modules._hooks import RemovableHandle
from rushlight.optim._checks import check_options, refusal

__all__ = ["Optimizer"]


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()

_HOOK_TABLES = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
                "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks",
                "_optimizer_load_state_dict_post_hooks")

_global_optimizer_pre_hooks, _global_optimizer_post_hooks = OrderedDict(), OrderedDict()
_optimizers = weakref.WeakSet()


class _Handle(RemovableHandle):
    """The handle of an optimizer's hook: when the last one around steps goes, `step` is what it was."""

    def remove(self):
        super().remove()
        for optimizer in list(_optimizers):
            optimizer._unhook_step()


def _add_global_hook(table, hook):
    for optimizer in _optimizers:
        optimizer._hook_step()
    handle = _Handle(table)
    table[handle.id] = hook
    return handle


def register_optimizer_step_pre_hook(hook):
    """Call `hook(optimizer, args, kwargs)` before each step of every optimizer; what it returns replaces both.

    Args:
        hook (callable): the hook.

    Returns:
        RemovableHandle: takes the hook away.
    """
    return _add_global_hook(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook):
    """Call `hook(optimizer, args, kwargs)` after each step of every optimizer.

    Args:
        hook (callable): the hook.

    Returns:
        RemovableHandle: takes the hook away.

    Example:
        >>> import rushlight as rl
        >>> from rushlight.optim.optimizer import register_optimizer_step_post_hook
        >>> optimizer = rl.optim.SGD([rl.ones(1, requires_grad=True)], lr=0.1)
        >>> with register_optimizer_step_post_hook(lambda optimizer, args, kwargs: print("a step")):
        ...     optimizer.step()
        a step
    """
    return _add_global_hook(_global_optimizer_post_hooks, hook)


class Optimizer:
    """Base class of all optimizers.

    Args:
        params (iterable): parameters, pairs of name and parameter, or dicts with a key "params" and options
            of their own.
        defaults (dict): options of groups that do not state them.

    Raises:
        TypeError: `params` is a tensor or nothing to iterate over, or holds something else than tensors.
        KeyError: a group has no "params".
        ValueError: there are no parameters, one occurs in two groups or is not a leaf.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.Linear(1, 1)
        >>> groups = [{"params": [layer.weight]}, {"params": [layer.bias], "lr": 0.1}]
        >>> optimizer = rl.optim.SGD(groups, lr=0.01)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.01, 0.1]
    """

    def __init__(self, params, defaults):
        self._make_hook_tables()
        self.defaults = defaults
        if isinstance(params, Tensor):
            raise self._error(TypeError, f"params is a Tensor of shape {tuple(params.shape)}; expected an iterable of "
                                         "Tensors or dicts")
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = self._listed(params, "an iterable of Tensors or dicts, for instance model.parameters()")
        if not groups:
            raise self._error(ValueError, "params is empty; expected at least one parameter")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _error(self, kind, text):
        return refusal(self, kind, text)

    def _listed(self, params, expected):
        if not (hasattr(params, "__iter__") or hasattr(params, "__getitem__")):
            raise self._error(TypeError, f"params is of type {type(params).__name__}; expected {expected}")
        return list(params)

    def _make_hook_tables(self):
        _optimizers.add(self)
        if _global_optimizer_pre_hooks or _global_optimizer_post_hooks:
            self._hook_step()
        for name in _HOOK_TABLES:
            self.__dict__.setdefault(name, OrderedDict())

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._make_hook_tables()
        # Files of older versions may lack options that came later.
        for group in self.param_groups:
            for name, value in self.__dict__.get("defaults", {}).items():
                if value is not required:
                    group.setdefault(name, value)

    def __repr__(self):
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"

    # ---- groups --------------------------------------------------------------------------------------------

    def add_param_group(self, param_group):
        """Add parameters with options of their own, for instance layers that are unfrozen later.

        Args:
            param_group (dict): with a key "params"; missing options are the optimizer's defaults.

        Raises:
            TypeError: it is not a dict, its parameters are no list or an unordered set, or one is not a tensor.
            KeyError: it has no "params".
            ValueError: a required option is missing, a parameter is not a leaf or is in another group
                already.

        Example:
            >>> import rushlight as rl
            >>> layer = rl.nn.Linear(1, 1)
            >>> optimizer = rl.optim.SGD([layer.weight], lr=0.1)
            >>> optimizer.add_param_group({"params": layer.bias, "lr": 0.2})
            >>> len(optimizer.param_groups)
            2
        """
        if not isinstance(param_group, dict):
            raise self._error(TypeError, f"param_group is of type {type(param_group).__name__}; expected dict")
        if "params" not in param_group:
            raise self._error(KeyError, f"param_group has the keys {sorted(map(str, param_group))}; expected 'params' "
                                        "among them")
        params = param_group["params"]
        if isinstance(params, set):
            raise self._error(TypeError, "params is a set, whose order changes between runs; expected a list")
        params = [params] if isinstance(params, Tensor) else self._listed(params, "a Tensor or an iterable of Tensors")
        if any(isinstance(param, tuple) for param in params):
            if not all(isinstance(param, tuple) for param in params):
                named = sum(isinstance(param, tuple) for param in params)
                raise self._error(ValueError, f"params has names for {named} of {len(params)} parameters; expected "
                                              "names for all or for none")
            param_group["param_names"] = [name for name, _ in params]
            params = [param for _, param in params]
        param_group["params"] = params
        self._check_params(params)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise self._error(ValueError, f"param_group has no {name!r}, an option without a default; "
                                              "expected a value")
            param_group.setdefault(name, default)
        self._check_against_groups(param_group)
        self.param_groups.append(param_group)

    def _check_params(self, params):
        for param in params:
            if not isinstance(param, Tensor):
                raise self._error(TypeError, f"params holds a value of type {type(param).__name__}; expected Tensors")
            if not (param.is_leaf or self.defaults.get("differentiable")):
                raise self._error(ValueError, f"params holds a tensor of shape {tuple(param.shape)} that was computed "
                                              "from others; expected leaves")
        twice = len(params) - len(set(params))
        if twice:
            warnings.warn(
                f"{type(self).__name__}: params of one group holds {twice} duplicate parameters; in future, this "
                "will cause an error",
                stacklevel=4,
            )

    def _check_against_groups(self, param_group):
        known = {param for group in self.param_groups for param in group["params"]}
        if self.param_groups and ("param_names" in param_group) != ("param_names" in self.param_groups[0]):
            has, had = ("has", "have none") if "param_names" in param_group else ("has no", "have")
            raise self._error(ValueError, f"params of group {len(self.param_groups)} {has} names, those before {had}; "
                                          "expected names for all or for none")
        for param in param_group["params"]:
            if param in known:
                raise self._error(ValueError, f"params holds a parameter of shape {tuple(param.shape)} in two groups; "
                                              "expected it in one")

    # ---- steps ---------------------------------------------------------------------------------------------

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters.

        Args:
            set_to_none (bool): drop them instead of filling them with zeros. Default: True.

        Example:
            >>> import rushlight as rl
            >>> p = rl.nn.Parameter(rl.ones(1))
            >>> p.sum().backward()
            >>> rl.optim.SGD([p]).zero_grad()
            >>> p.grad is None
            True
        """
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad.detach_()
                    param.grad.zero_()

    def step(self, closure=None):
        """Update the parameters from their gradients; every subclass defines it.

        Args:
            closure (callable, optional): computes the loss and its gradients again, and returns the loss.

        Raises:
            NotImplementedError: the subclass does not.
        """
        raise NotImplementedError

    def _hook_step(self):
        # As long as there is no hook, `step` is called directly. While there is one, the instance has a step of its
        # own.
        if getattr(self.step, "_runs_hooks", False):
            return
        # The closure must not own the optimizer, which owns it: it keeps the method without its object.
        owner, method = weakref.ref(self), getattr(self.step, "__func__", None)
        replaced = self.step if method is None else None

        def step(*args, **kwargs):
            self = owner()
            for hook in (*_global_optimizer_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not isinstance(changed, tuple) or len(changed) != 2:
                        raise RuntimeError(
                            f"step_pre_hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                        )
                    args, kwargs = changed
            result = replaced(*args, **kwargs) if method is None else method(self, *args, **kwargs)
            for hook in (*self._optimizer_step_post_hooks.values(), *_global_optimizer_post_hooks.values()):
                hook(self, args, kwargs)
            return result

        step._runs_hooks = True
        if hasattr(self.step, "_wrapped_by_lr_sched"):
            step._wrapped_by_lr_sched = True
        self.step = self._step_with_hooks = step
        self._step_before_hooks = replaced

    def _unhook_step(self):
        # A step that has been wrapped or replaced since stays: what wraps it calls it.
        hooked = self.__dict__.get("_step_with_hooks")
        if hooked is None or self.step is not hooked or any((
                _global_optimizer_pre_hooks, _global_optimizer_post_hooks, self._optimizer_step_pre_hooks,
                self._optimizer_step_post_hooks)):
            return
        del self.step, self._step_with_hooks
        if self._step_before_hooks is not None:
            self.step = self._step_before_hooks

    def _add_hook(self, table, hook, prepend=False):
        handle = _Handle(table)
        table[handle.id] = hook
        if prepend:
            table.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` before each step; a result other than None replaces both.

        Args:
            hook (callable): the hook.

        Returns:
            RemovableHandle: takes the hook away.
        """
        self._hook_step()
        return self._add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` after each step.

        Args:
            hook (callable): the hook.

        Returns:
            RemovableHandle: takes the hook away.
        """
        self._hook_step()
        return self._add_hook(self._optimizer_step_post_hooks, hook)

    # ---- state dicts ---------------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` before a state dict is made.

        Args:
            hook (callable): the hook.
            prepend (bool): run before the hooks that exist. Default: False.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` on a new state dict; a result other than None replaces it.

        Args:
            hook (callable): the hook.
            prepend (bool): run before the hooks that exist. Default: False.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._add_hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` before loading; a result other than None replaces the dict.

        Args:
            hook (callable): the hook.
            prepend (bool): run before the hooks that exist. Default: False.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` after loading.

        Args:
            hook (callable): the hook.
            prepend (bool): run before the hooks that exist. Default: False.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def state_dict(self):
        """The state as PyTorch lays it out: "state" by the parameter's number, and "param_groups".

        Returns:
            dict: sharing the memory of the state's tensors.

        Example:
            >>> import rushlight as rl
            >>> p = rl.nn.Parameter(rl.ones(1))
            >>> rl.optim.SGD([p], lr=0.1).state_dict()["param_groups"][0]["params"]
            [0]
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers, groups = {}, []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for param in group["params"]:
                numbers.setdefault(param, len(numbers))
            packed["params"] = [numbers[param] for param in group["params"]]
            groups.append(packed)
        state = {
            numbers.get(key, key) if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        packed = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, packed)
            packed = packed if changed is None else changed
        return packed

    def load_state_dict(self, state_dict):
        """Take the state and the options of a state dict.

        Args:
            state_dict (dict): from `state_dict`, of this library or PyTorch.

        Raises:
            ValueError: numbers of groups, or of parameters in a group, differ.

        Example:
            >>> import rushlight as rl
            >>> p = rl.nn.Parameter(rl.ones(1))
            >>> optimizer = rl.optim.SGD([p], lr=0.1)
            >>> optimizer.load_state_dict(rl.optim.SGD([p], lr=0.5).state_dict())
            >>> optimizer.param_groups[0]["lr"]
            0.5
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(group["params"]) != len(other["params"]) for group, other in zip(groups, saved)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                "group"
            )
        by_number = {number: param for group, other in zip(groups, saved)
                     for number, param in zip(other["params"], group["params"])}
        state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            param = by_number.get(key)
            state[key if param is None else param] = value if param is None else _fitted(param, value)
        for group, other in zip(groups, saved):
            other["params"] = group["params"]
            if "param_names" in group:
                other["param_names"] = group["param_names"]
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)


def _fitted(param, value, key=None):
    # State tensors take the parameter's dtype, except step counts, which need float32's range.
    if isinstance(value, Tensor):
        return value.to(dtype=param.dtype) if key != "step" and param.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _fitted(param, part, name) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fitted(param, part) for part in value)
    return value


def scalar(value):
    """A number as the state keeps it: a tensor, which dict and file hold like any other.

    Args:
        value (float): the number.
    """
    return core.tensor(float(value), dtype=core.float64 if core.get_default_dtype() == core.float64 else core.float32)


class FusedOptimizer(Optimizer):
    """Optimizers whose update of a whole group is one native call; a subclass defines `_update` and `_first_state`.

    Args:
        params (iterable): as for `Optimizer`.
        defaults (dict): options of the groups.

    Raises:
        TypeError: an option that is a number is something else.
        ValueError: an option is out of range.
        RuntimeError: an option asks for something that is not there, or two contradict each other.
    """

    #: Options that every `_update` passes to its operator and uses for nothing else, but to ask whether they are zero:
    #: the operator's names for them.
    _handed_on = {"lr": "lr", "momentum": "momentum", "betas": ("beta1", "beta2")}
    #: State that is one number; PyTorch before 1.12 wrote Python numbers.
    _numbers = ("step",)
    #: Options that are one number, at least 0.
    _not_negative = ("lr", "eps", "weight_decay", "momentum")

    def __init__(self, params, defaults):
        check_options(self, **{name: defaults[name] for name in self._not_negative if name in defaults})
        if defaults.get("fused"):
            for name in ("differentiable", "foreach"):
                if defaults.get(name):
                    raise RuntimeError(f"{type(self).__name__}: fused=True and {name}=True exclude each other")
        if defaults.get("differentiable"):
            raise RuntimeError(f"{type(self).__name__}: differentiable=True is not supported; expected False")
        super().__init__(params, defaults)

    def __setstate__(self, state):
        super().__setstate__(state)
        for values in self.state.values():
            for name in self._numbers:
                if name in values and not isinstance(values[name], Tensor):
                    values[name] = scalar(values[name])

    def step(self, closure=None):
        """Update the parameters from their gradients; those without a gradient stay.

        Args:
            closure (callable, optional): computes the loss and its gradients again, and returns the loss.

        Returns:
            Tensor: what the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = group["params"]
            grads = [param.grad for param in params]
            if any([grad is None for grad in grads]):  # noqa: C419  a list is faster here
                params = [param for param, grad in zip(params, grads) if grad is not None]
                grads = [grad for grad in grads if grad is not None]
            if params:
                if _C.graph._is_capturing():
                    self._update_captured(group, params, grads)
                else:
                    self._update(group, params, grads)
        return loss

    def _update_captured(self, group, params, grads):
        # Options that the update takes as they are may be others at the next call.
        for option, names in self._handed_on.items():
            value = group.get(option)
            if type(value) is float:
                _C.graph._mark(group, option, -1, names)
            elif type(value) is tuple and all(type(number) is float for number in value):
                for i, name in enumerate(names):
                    _C.graph._mark(group, option, i, name)
        self._update(group, params, grads)
        _C.graph._unmark()

    def _columns(self, group, params, *names):
        # The state of all parameters by name, one list each; where a parameter has none yet, its first state is made.
        state = self.state
        found = [state[param] for param in params]
        for param, values in zip(params, found):
            if not values:
                values.update(self._first_state(group, param))
        return [[values[name] for values in found] for name in names]

    def _zeros(self, param, *names):
        # A first state of zeros, and a count of steps.
        zeros = {name: core.zeros_like(param, requires_grad=False) for name in names}
        return {"step": scalar(0.0), **zeros}
