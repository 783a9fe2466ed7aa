"""State dicts: how a module writes its state down and takes it back."""
from collections import OrderedDict, namedtuple

from rushlight.autograd import no_grad
from rushlight.functional._core import Tensor
from rushlight.nn.modules._hooks import RemovableHandle
from rushlight.nn.parameter import Parameter, is_lazy

_EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `Module.load_state_dict` returns: the keys that did not match.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.Linear(2, 2)
        >>> layer.load_state_dict(layer.state_dict())
        <All keys matched successfully>
    """

    __slots__ = ()

    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class _InPlaceHook:
    # A public state-dict hook: it may change the dict, and must not return another one.
    def __init__(self, hook):
        self.hook = hook

    def __call__(self, *args):
        if self.hook(*args) is not None:
            raise RuntimeError("state_dict post-hook must return None")


class _LoadHook:
    def __init__(self, hook, with_module):
        self.hook, self.with_module = hook, with_module

    def __call__(self, module, *args):
        return self.hook(module, *args) if self.with_module else self.hook(*args)


class Stateful:
    """The part of `Module` that saves and restores state."""

    _version = 1

    def get_extra_state(self):
        """State beyond tensors that belongs in the state dict; a subclass may define it and `set_extra_state`."""
        raise RuntimeError(
            f"get_extra_state: {self._get_name()} has none; expected the subclass to define it"
        )

    def set_extra_state(self, state):
        """Take what `get_extra_state` returned out of a state dict.

        Args:
            state (object): that value.
        """
        raise RuntimeError(
            f"set_extra_state: {self._get_name()} has none; expected the subclass to define it"
        )

    def _state_members(self):
        # Names and values of parameters, then of persistent buffers, None included.
        transient = self._transient
        yield from self._parameters.items()
        yield from ((name, value) for name, value in self._buffers.items() if name not in transient)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for name, value in self._state_members():
            if value is not None:
                destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """The parameters and persistent buffers of the tree, by dotted name; they share the module's memory.

        Args:
            destination (dict, optional): put them here instead of into a new OrderedDict.
            prefix (str): put before the names. Default: "".
            keep_vars (bool): keep the parameters themselves instead of detached tensors. Default: False.

        Returns:
            OrderedDict: from name to tensor.

        Example:
            >>> import rushlight as rl
            >>> list(rl.nn.Linear(2, 3).state_dict())
            ['weight', 'bias']
        """
        destination, prefix, keep_vars = (*args, *(destination, prefix, keep_vars)[len(args):])[:3]
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._own("_state_dict_pre_hooks"):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._own("_state_dict_hooks"):
            changed = hook(self, destination, prefix, local_metadata)
            destination = destination if changed is None else changed
        return destination

    def _own(self, table):
        return list(self.__dict__.get(table, {}).values())

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                              error_msgs):
        for hook in self._own("_load_state_dict_pre_hooks"):
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        members = {name: value for name, value in self._state_members() if value is not None}
        for name, value in members.items():
            key = prefix + name
            if key in state_dict:
                error = self._load_member(name, value, state_dict[key], key, assign)
                if error:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)
        has_extra = type(self).set_extra_state is not Stateful.set_extra_state
        if has_extra and prefix + _EXTRA_STATE in state_dict:
            self.set_extra_state(state_dict[prefix + _EXTRA_STATE])
        elif has_extra and strict:
            missing_keys.append(prefix + _EXTRA_STATE)
        if strict:
            known = {*members, _EXTRA_STATE} if has_extra else members
            unexpected_keys.extend(self._unexpected(state_dict, prefix, known))

    def _unexpected(self, state_dict, prefix, known):
        for key in state_dict:
            if key.startswith(prefix):
                name, dot, _ = key[len(prefix):].partition(".")
                if name not in (self._modules if dot else known):
                    yield key

    def _load_member(self, name, value, source, key, assign):
        # Returns what is wrong with the source, or None.
        if is_lazy(value) and is_lazy(source):
            return None
        if not isinstance(source, Tensor):
            return (f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object '
                    f"from checkpoint but received {type(source)}")
        if value.dim() == 0 and source.dim() == 1 and source.numel() == 1:
            source = source[0]  # scalars were saved with one dimension by old versions of PyTorch
        if source.shape != value.shape:
            return (f"size mismatch for {key}: copying a param with shape {source.shape} from checkpoint, "
                    f"the shape in current model is {value.shape}.")
        try:
            with no_grad():
                if not assign:
                    value.copy_(source)
                elif isinstance(value, Parameter) and not isinstance(source, Parameter):
                    setattr(self, name, Parameter(source, requires_grad=value.requires_grad))
                else:
                    setattr(self, name, source.requires_grad_(value.requires_grad))
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are {value.size()} '
                f"and whose dimensions in the checkpoint are {source.size()}, an exception occurred : {error.args}."
            )
        return None

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy the tensors of a state dict into the module's parameters and persistent buffers.

        Args:
            state_dict (Mapping): from dotted name to tensor.
            strict (bool): raise when names are missing or unknown. Default: True.
            assign (bool): make the given tensors the module's own instead of copying them. Default: False.

        Returns:
            _IncompatibleKeys: with `missing_keys` and `unexpected_keys`.

        Raises:
            TypeError: `state_dict` is not a mapping.
            RuntimeError: a shape differs; or, when strict, names are missing or unknown. Everything wrong is
                listed.

        Example:
            >>> import rushlight as rl
            >>> source, target = rl.nn.Linear(2, 2), rl.nn.Linear(2, 2)
            >>> target.load_state_dict(source.state_dict())
            <All keys matched successfully>
        """
        if not (hasattr(state_dict, "keys") and hasattr(state_dict, "__getitem__")):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing_keys, unexpected_keys, error_msgs = [], [], []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata
        reports = (missing_keys, unexpected_keys, error_msgs)
        self._load_tree(state_dict, "", assign, reports)
        if strict:
            error_msgs[:0] = [*_listed("Missing", missing_keys), *_listed("Unexpected", unexpected_keys)]
        if error_msgs:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {self._get_name()}:\n\t" + "\n\t".join(error_msgs)
            )
        return _IncompatibleKeys(missing_keys, unexpected_keys)

    def _load_tree(self, state_dict, prefix, assign, reports):
        metadata = getattr(state_dict, "_metadata", None)
        local_metadata = dict(metadata.get(prefix[:-1], {})) if metadata is not None else {}
        if assign:
            local_metadata["assign_to_params_buffers"] = True
        self._load_from_state_dict(state_dict, prefix, local_metadata, True, *reports)
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}{name}."
                part = OrderedDict((key, value) for key, value in state_dict.items() if key.startswith(below))
                if metadata is not None:
                    part._metadata = metadata
                module._load_tree(part, below, assign, reports)
        incompatible = _IncompatibleKeys(*reports[:2])
        for hook in self._own("_load_state_dict_post_hooks"):
            if hook(self, incompatible) is not None:
                raise AssertionError("Hooks registered with ``register_load_state_dict_post_hook`` are not "
                                     "expected to return new values")

    # ---- hooks ---------------------------------------------------------------------------------------------

    def _add_hook(self, table, hook, marks=(), prepend=False):
        # marks: further tables, keyed by the same id, that say how this hook is called.
        handle = RemovableHandle(table, extra_dict=list(marks))
        table[handle.id] = hook
        for mark in marks:
            mark[handle.id] = True
        if prepend:
            table.move_to_end(handle.id, last=False)
        return handle

    def register_state_dict_pre_hook(self, hook):
        """Call `hook(module, prefix, keep_vars)` before the module's part of a state dict is made.

        Args:
            hook (callable): the hook.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """Call `hook(module, state_dict, prefix, local_metadata)` after it; it changes `state_dict` in place.

        Args:
            hook (callable): the hook.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._add_hook(self._state_dict_hooks, _InPlaceHook(hook))

    def _register_state_dict_hook(self, hook):
        return self._add_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook):
        """Call `hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)` before loading.

        Args:
            hook (callable): the hook.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return self._add_hook(self._load_state_dict_pre_hooks, _LoadHook(hook, with_module))

    def register_load_state_dict_post_hook(self, hook):
        """Call `hook(module, incompatible_keys)` after loading; it may change the two lists in place.

        Args:
            hook (callable): the hook.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._add_hook(self._load_state_dict_post_hooks, hook)


def _listed(what, keys):
    if keys:
        names = ", ".join(f'"{key}"' for key in keys)
        yield f"{what} key(s) in state_dict: {names}. "
