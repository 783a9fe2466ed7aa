"""`Module`: what every layer and network is."""
import functools
import itertools
import sys
import types
import warnings
from collections import OrderedDict

from rushlight.autograd import no_grad
from rushlight.functional._core import Tensor, core
from rushlight.nn.modules._global_hooks import (  # noqa: F401  PyTorch keeps these names in this module
    GLOBAL,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from rushlight.nn.modules._hooks import BackwardWatch
from rushlight.nn.modules._members import BUFFER, MODULE, PARAMETER, Members, record, touch
from rushlight.nn.modules._place import name_place
from rushlight.nn.modules._state import Stateful
from rushlight.nn.parameter import Buffer, Parameter

__all__ = ["Module"]

_EXPECTED = {PARAMETER: ("parameter", "nn.Parameter"), BUFFER: ("buffer", "Tensor"),
             MODULE: ("child module", "nn.Module")}
_HOOK_TABLES = frozenset((
    "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"))
_CALL_TABLES = frozenset(name for name in _HOOK_TABLES if "state" not in name)


def _add_indent(text, spaces):
    first, *rest = text.split("\n")
    return "\n".join([first] + [" " * spaces + line for line in rest])


def _type_name(value):
    return value.type() if isinstance(value, Tensor) else type(value).__name__


def _parse_to(
    first=None,
    second=None,
    non_blocking=False,
    *,
    device=None,
    dtype=None,
    tensor=None,
    other=None,
    memory_format=None,
    copy=False,
):
    # The forms of Module.to, as (device, dtype, non_blocking, memory_format).
    like = tensor if tensor is not None else other
    for value in (first, second):
        if isinstance(value, Tensor):
            like = value
        elif isinstance(value, core.dtype):
            dtype = value
        elif isinstance(value, bool):
            non_blocking = value
        elif value is not None:
            device = value
    if like is not None:
        device, dtype = like.device, like.dtype
    return device, dtype, non_blocking, memory_format


def _in_shared_memory(tensor):
    import mmap  # needed by few programs

    if tensor.numel() == 0:
        return tensor
    memory = mmap.mmap(-1, tensor.numel() * tensor.element_size())
    shared = core.frombuffer(memory, dtype=tensor.dtype, count=tensor.numel()).view(tensor.shape)
    return shared.copy_(tensor)


class Module(Stateful):
    """Base class of all layers and networks.

    A subclass creates its parameters and children in `__init__` (after `super().__init__()`) and computes in
    `forward`. Parameters, buffers and modules that are assigned as attributes are registered.

    Example:
        >>> import rushlight as rl
        >>> class Net(rl.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = rl.nn.Linear(4, 2)
        ...     def forward(self, x):
        ...         return self.layer(x)
        >>> Net()
        Net(
          (layer): Linear(in_features=4, out_features=2, bias=True)
        )
    """

    training: bool
    dump_patches = False
    _version = 1
    call_super_init = False
    # Becomes true in the instance when a hook table is first touched.
    _hooked = False
    _is_full_backward_hook = None
    _compiled_call_impl = None

    def __init__(self, *args, **kwargs):
        if not self.call_super_init and (args or kwargs):
            name = next(iter(kwargs), None)
            what = f"got an unexpected keyword argument '{name}'" if kwargs else \
                f"takes 1 positional argument but {len(args) + 1} were given"
            raise TypeError(f"{type(self).__name__}.__init__() {what}")
        attributes = self.__dict__
        attributes["training"] = True
        attributes["_kinds"] = {}
        attributes["_transient"] = set()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input):
        """What the module computes; every subclass defines it.

        Raises:
            NotImplementedError: the subclass does not.
        """
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # ---- calling -------------------------------------------------------------------------------------------

    def __call__(self, *args, **kwargs):
        try:
            if self._hooked or GLOBAL.any:
                if self._compiled_call_impl is None or GLOBAL.any:
                    return self._call_impl(*args, **kwargs)
                return self._compiled_call_impl(self._hook_numbers(), *args, **kwargs)
            return self.forward(*args, **kwargs)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            name_place(self, error)
            raise

    def _call_by(self, forward, args, kwargs):
        # With another function in the place of forward: hooks run, and errors name the place.
        try:
            if self._hooked or GLOBAL.any:
                return self._call_hooked(forward, args, kwargs)
            return forward(*args, **kwargs)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            name_place(self, error)
            raise

    def compile(self, *args, **kwargs):
        """Compiles this module's calls in place: from now on they are captured as graphs, hooks included.

        Args:
            args, kwargs: of `rushlight.compile`.

        Example:
            >>> import rushlight as rl
            >>> model = rl.nn.Sequential(rl.nn.Linear(2, 1), rl.nn.ReLU())
            >>> model.compile()
            >>> with rl.no_grad():
            ...     model(rl.ones(3, 2)).shape
            rushlight.Size([3, 1])
        """
        def call(self, hooks, *args, **kwargs):
            return self._call_impl(*args, **kwargs)

        call.__name__ = type(self).__name__
        # By its public name: what compiles is made of modules.
        compiled = sys.modules["rushlight"].compile(types.MethodType(call, self), *args, **kwargs)
        self.__dict__.update(_compiled_call_impl=compiled, _hooked=True)

    def _hook_numbers(self):
        # They are part of what a compiled call takes for granted: each hook has a number of its own.
        return [number for name in _CALL_TABLES for number in self.__dict__.get(name, ())]

    def _call_impl(self, *args, **kwargs):
        return self._call_hooked(self.forward, args, kwargs)

    def _call_hooked(self, forward, args, kwargs):
        args, kwargs = self._run_pre_hooks(args, kwargs)
        backward = [*GLOBAL.backward.values(), *self._backward_hooks.values()]
        backward_pre = [*GLOBAL.backward_pre.values(), *self._backward_pre_hooks.values()]
        pending = dict.fromkeys(itertools.chain(GLOBAL.forward_always, self._forward_hooks_always_called))
        watch = BackwardWatch(self, backward, backward_pre) if backward or backward_pre else None
        try:
            if watch:
                args = watch.watch_inputs(args)
            output = self._run_forward_hooks(args, kwargs, forward(*args, **kwargs), pending)
            return watch.watch_output(output) if watch else output
        except Exception:
            self._run_pending_hooks(args, kwargs, pending)
            raise

    def _run_pre_hooks(self, args, kwargs):
        with_kwargs = self._forward_pre_hooks_with_kwargs
        for key, hook in (*GLOBAL.forward_pre.items(), *self._forward_pre_hooks.items()):
            if key not in with_kwargs:
                result = hook(self, args)
                if result is not None:
                    args = result if isinstance(result, tuple) else (result,)
                continue
            result = hook(self, args, kwargs)
            if result is None:
                continue
            if not isinstance(result, tuple) or len(result) != 2:
                raise RuntimeError(
                    "forward_pre_hook: with_kwargs=True returned "
                    f"{type(result).__name__}; expected None or a tuple of new args and kwargs"
                )
            args, kwargs = result
        return args, kwargs

    def _forward_hook_calls(self, args, kwargs):
        # Pairs of a key and a function of the output.
        with_kwargs = (*GLOBAL.forward_with_kwargs, *self._forward_hooks_with_kwargs)
        for key, hook in (*GLOBAL.forward.items(), *self._forward_hooks.items()):
            given = (self, args, kwargs) if key in with_kwargs else (self, args)
            yield key, functools.partial(hook, *given)

    def _run_forward_hooks(self, args, kwargs, output, pending):
        for key, call in self._forward_hook_calls(args, kwargs):
            pending.pop(key, None)
            result = call(output)
            output = output if result is None else result
        return output

    def _run_pending_hooks(self, args, kwargs, pending):
        # After an error: hooks registered with always_call that have not run see None, and cannot hide that
        # error.
        for key, call in self._forward_hook_calls(args, kwargs):
            if key not in pending:
                continue
            try:
                call(None)
            except Exception as error:
                warnings.warn(f"module forward hook with ``always_call=True`` raised an exception "
                              f"that was silenced as another error was raised in forward: {error}")

    # ---- attributes ----------------------------------------------------------------------------------------

    def __getattr__(self, name):
        # Reached only when ordinary access fails. Hook tables come into being when first touched.
        if name in _HOOK_TABLES and "_kinds" in self.__dict__:
            table = self.__dict__[name] = OrderedDict()
            if name in _CALL_TABLES:
                self.__dict__["_hooked"] = True
            return table
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)

    def __setattr__(self, name, value):
        if name not in self.__dict__.get("_kinds", ()) and not isinstance(value, (Tensor, Module)):
            object.__setattr__(self, name, value)
            touch()
        else:
            self._set_member(name, value)

    def _set_member(self, name, value):
        kinds = self.__dict__.get("_kinds", {})
        kind = kinds.get(name)
        if isinstance(value, Parameter):
            if kind != PARAMETER:
                self._forget(name)
            self.register_parameter(name, value)
        elif isinstance(value, Module) and kind != PARAMETER:
            record(self.__dict__, name, MODULE, GLOBAL.registered(MODULE, self, name, value))
        elif isinstance(value, Buffer) or (kind == BUFFER and isinstance(value, Tensor)):
            persistent = value.persistent if isinstance(value, Buffer) else name not in self._transient
            if kind != BUFFER:
                self._forget(name)
            self.register_buffer(name, value, persistent)
        elif kind is None:
            object.__setattr__(self, name, value)
            touch()
        elif value is None:
            self.__dict__[name] = None
            touch()
        else:
            what, expected = _EXPECTED[kind]
            raise TypeError(
                f"cannot assign '{_type_name(value)}' as {what} '{name}' ({expected} or None expected)"
            )

    def _forget(self, name):
        self.__dict__.pop(name, None)
        if self.__dict__.get("_kinds", {}).pop(name, None):
            self._transient.discard(name)

    def __delattr__(self, name):
        object.__delattr__(self, name)
        touch()
        kinds = self.__dict__.get("_kinds")
        if kinds and kinds.pop(name, None):
            self._transient.discard(name)

    def __dir__(self):
        names = {*dir(type(self)), *self.__dict__}
        return sorted(name for name in names if not name[0].isdigit())

    def __getstate__(self):
        # What was compiled is made of this very module: copies are not compiled.
        return {name: value for name, value in self.__dict__.items() if name != "_compiled_call_impl"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        # A shallow copy must be able to change its members without changing its original's.
        self.__dict__["_kinds"] = dict(state.get("_kinds", ()))
        self.__dict__["_transient"] = set(state.get("_transient", ()))

    def _replace_members(self, kind, values):
        members = Members(self, kind)
        values = dict(values)
        members.clear()
        members.update(values)

    _parameters = property(lambda self: Members(self, PARAMETER),
                           lambda self, values: self._replace_members(PARAMETER, values))
    _buffers = property(lambda self: Members(self, BUFFER),
                        lambda self, values: self._replace_members(BUFFER, values))
    _modules = property(lambda self: Members(self, MODULE),
                        lambda self, values: self._replace_members(MODULE, values))
    _non_persistent_buffers_set = property(lambda self: self.__dict__["_transient"])

    # ---- registration --------------------------------------------------------------------------------------

    def _check_name(self, name, kind):
        if self.__dict__.get("_kinds") is None:
            raise AttributeError(f"cannot assign {kind}s before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if self._kinds.get(name) != kind and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')

    def register_parameter(self, name, param):
        """Add a parameter.

        Args:
            name (str): its attribute name.
            param (Parameter or None): the parameter; None reserves the name.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: `param` is not a Parameter.
            ValueError: `param` is the result of an operation.

        Example:
            >>> import rushlight as rl
            >>> module = rl.nn.Module()
            >>> module.register_parameter("scale", rl.nn.Parameter(rl.ones(1)))
            >>> [name for name, _ in module.named_parameters()]
            ['scale']
        """
        self._check_name(name, PARAMETER)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(f"cannot assign '{_type_name(param)}' object to parameter '{name}' "
                                "(nn.Parameter or None required)")
            if param.grad_fn is not None:
                raise ValueError(
                    f"register_parameter: param '{name}' is the result of an operation; expected a leaf. "
                    "Assign a Parameter, and compute with it in forward()"
                )
            param = GLOBAL.registered(PARAMETER, self, name, param)
        record(self.__dict__, name, PARAMETER, param)

    def register_buffer(self, name, tensor, persistent=True):
        """Add a tensor that belongs to the module's state and is not trained.

        Args:
            name (str): its attribute name.
            tensor (Tensor or None): the buffer; None reserves the name.
            persistent (bool): whether it is part of the state dict. Default: True.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: `tensor` is not a tensor.

        Example:
            >>> import rushlight as rl
            >>> module = rl.nn.Module()
            >>> module.register_buffer("mean", rl.zeros(1))
            >>> list(module.state_dict())
            ['mean']
        """
        self._check_name(name, BUFFER)
        if tensor is not None:
            if not isinstance(tensor, Tensor):
                raise TypeError(f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' "
                                "(Tensor or None required)")
            tensor = GLOBAL.registered(BUFFER, self, name, tensor)
        record(self.__dict__, name, BUFFER, tensor)
        if persistent:
            self._transient.discard(name)
        else:
            self._transient.add(name)

    def add_module(self, name, module):
        """Add a child module.

        Args:
            name (str): its attribute name.
            module (Module or None): the child.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: `module` is not a Module.

        Example:
            >>> import rushlight as rl
            >>> net = rl.nn.Module()
            >>> net.add_module("act", rl.nn.ReLU())
            >>> net.act
            ReLU()
        """
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        self._check_name(name, MODULE)
        record(self.__dict__, name, MODULE, GLOBAL.registered(MODULE, self, name, module))

    def register_module(self, name, module):
        """The same as `add_module`.

        Args:
            name (str): its attribute name.
            module (Module or None): the child.
        """
        self.add_module(name, module)

    # ---- looking up by path --------------------------------------------------------------------------------

    def get_submodule(self, target):
        """The descendant at a dotted path; the module itself for "".

        Args:
            target (str): for instance "encoder.0.act".

        Raises:
            AttributeError: there is none.

        Example:
            >>> import rushlight as rl
            >>> rl.nn.Sequential(rl.nn.Sequential(rl.nn.Tanh())).get_submodule("0.0")
            Tanh()
        """
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target, module, strict=False):
        """Replace the descendant at a dotted path, or add it when `strict` is false.

        Args:
            target (str): the path.
            module (Module): what to put there.
            strict (bool): refuse paths where there is nothing yet. Default: False.

        Raises:
            ValueError: the path is empty, or `module` is not a Module.
            AttributeError: the parent does not exist, or the place holds no module.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target):
        """The parameter at a dotted path.

        Args:
            target (str): for instance "encoder.weight".

        Raises:
            AttributeError: there is none.

        Example:
            >>> import rushlight as rl
            >>> rl.nn.Sequential(rl.nn.Linear(2, 3)).get_parameter("0.bias").shape[0]
            3
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if not isinstance(getattr(module, name), Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return getattr(module, name)

    def get_buffer(self, target):
        """The buffer at a dotted path.

        Args:
            target (str): for instance "norm.running_mean".

        Raises:
            AttributeError: there is none.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return getattr(module, name)

    # ---- walking -------------------------------------------------------------------------------------------

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """Every module of the tree with its dotted name, the module itself first.

        Args:
            memo (set, optional): modules to leave out; those found are added.
            prefix (str): put before the names. Default: "".
            remove_duplicate (bool): yield a shared module once. Default: True.

        Example:
            >>> import rushlight as rl
            >>> [name for name, _ in rl.nn.Sequential(rl.nn.ReLU()).named_modules()]
            ['', '0']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._present(MODULE):
            yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def _present(self, kind):
        # Registered members of one kind that are not None.
        attributes = self.__dict__
        return [(name, attributes[name]) for name, own in attributes["_kinds"].items()
                if own == kind and attributes[name] is not None]

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate=True):
        seen = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, value in get_members_fn(module):
                if value is None or value in seen:
                    continue
                if remove_duplicate:
                    seen.add(value)
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """Every parameter with its dotted name.

        Args:
            prefix (str): put before the names. Default: "".
            recurse (bool): descend into children. Default: True.
            remove_duplicate (bool): yield a shared parameter once. Default: True.

        Example:
            >>> import rushlight as rl
            >>> [name for name, _ in rl.nn.Sequential(rl.nn.Linear(2, 2)).named_parameters()]
            ['0.weight', '0.bias']
        """
        yield from self._named_members(
            lambda module: module._present(PARAMETER), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse=True):
        """Every parameter, shared ones once.

        Args:
            recurse (bool): descend into children. Default: True.

        Example:
            >>> import rushlight as rl
            >>> sum(p.numel() for p in rl.nn.Linear(2, 3).parameters())
            9
        """
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """Every buffer with its dotted name.

        Args:
            prefix (str): put before the names. Default: "".
            recurse (bool): descend into children. Default: True.
            remove_duplicate (bool): yield a shared buffer once. Default: True.

        Example:
            >>> import rushlight as rl
            >>> [name for name, _ in rl.nn.BatchNorm1d(2).named_buffers()]
            ['running_mean', 'running_var', 'num_batches_tracked']
        """
        yield from self._named_members(
            lambda module: module._present(BUFFER), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse=True):
        """Every buffer, shared ones once.

        Args:
            recurse (bool): descend into children. Default: True.
        """
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_children(self):
        """The direct children with their names, a shared one once.

        Example:
            >>> import rushlight as rl
            >>> list(rl.nn.Sequential(rl.nn.ReLU()).named_children())
            [('0', ReLU())]
        """
        seen = set()
        for name, module in self._present(MODULE):
            if module not in seen:
                seen.add(module)
                yield name, module

    def children(self):
        """The direct children, a shared one once."""
        for _, module in self.named_children():
            yield module

    def modules(self, remove_duplicate=True):
        """Every module of the tree, itself first.

        Args:
            remove_duplicate (bool): yield a shared module once. Default: True.

        Example:
            >>> import rushlight as rl
            >>> layer = rl.nn.ReLU()
            >>> both = rl.nn.Sequential(layer, layer)
            >>> len(list(both.modules())), len(list(both.modules(remove_duplicate=False)))
            (2, 3)
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def apply(self, fn):
        """Call `fn` on every descendant, children before parents, and on the module itself.

        Args:
            fn (callable): takes a module.

        Returns:
            Module: itself.

        Example:
            >>> import rushlight as rl
            >>> _ = rl.nn.Sequential(rl.nn.ReLU()).apply(lambda module: print(type(module).__name__))
            ReLU
            Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- modes and gradients -------------------------------------------------------------------------------

    def train(self, mode=True):
        """Set training mode, here and in all descendants.

        Args:
            mode (bool): training or evaluation. Default: True.

        Returns:
            Module: itself.

        Raises:
            ValueError: `mode` is not a bool.

        Example:
            >>> import rushlight as rl
            >>> rl.nn.Dropout().train(False).training
            False
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Set evaluation mode, here and in all descendants.

        Returns:
            Module: itself.
        """
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Say whether the tape records operations on the parameters.

        Args:
            requires_grad (bool): Default: True.

        Returns:
            Module: itself.

        Example:
            >>> import rushlight as rl
            >>> rl.nn.Linear(1, 1).requires_grad_(False).weight.requires_grad
            False
        """
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters.

        Args:
            set_to_none (bool): drop them instead of filling them with zeros. Default: True.
        """
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
                continue
            parameter.grad.detach_()
            parameter.grad.zero_()

    # ---- conversion ----------------------------------------------------------------------------------------

    def _apply(self, fn, recurse=True):
        # fn maps a tensor to a tensor; parameters keep their identity, so optimizers that hold them stay
        # right.
        if recurse:
            for module in self.children():
                module._apply(fn)
        for _, parameter in self._present(PARAMETER):
            with no_grad():
                parameter.data = fn(parameter.data)
                if parameter.grad is not None:
                    gradient = fn(parameter.grad)
                    parameter.grad = None
                    parameter.grad = gradient
        for name, buffer in self._present(BUFFER):
            self.__dict__[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """Move to a device, or convert floating parameters and buffers to a dtype; in place.

        Called as `to(device)`, `to(dtype)`, `to(device, dtype)` or `to(tensor)`.

        Returns:
            Module: itself.

        Raises:
            TypeError: the dtype is neither floating nor complex.

        Example:
            >>> import rushlight as rl
            >>> rl.nn.Linear(1, 1).to(rl.float64).weight.dtype == rl.float64
            True
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError("nn.Module.to only accepts floating point or complex dtypes, "
                            f"but got desired dtype={dtype}")
        options = {"non_blocking": non_blocking}
        if device is not None:
            options["device"] = device

        def convert(tensor):
            floating = tensor.is_floating_point() or tensor.is_complex()
            chosen = dict(options, dtype=dtype) if dtype is not None and floating else options
            if memory_format is not None and tensor.dim() in (4, 5):
                chosen = dict(chosen, memory_format=memory_format)
            return tensor.to(**chosen) if len(chosen) > 1 else tensor

        return self._apply(convert)

    def type(self, dst_type):
        """Convert all parameters and buffers to a dtype, integer ones included.

        Args:
            dst_type (dtype): the dtype.

        Returns:
            Module: itself.
        """
        return self._apply(lambda tensor: tensor.type(dst_type))

    def _to_floating(self, dtype):
        return self._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def float(self):
        """Convert floating parameters and buffers to float32; returns the module."""
        return self._to_floating(core.float32)

    def double(self):
        """Convert floating parameters and buffers to float64; returns the module."""
        return self._to_floating(core.float64)

    def half(self):
        """Convert floating parameters and buffers to float16; returns the module."""
        return self._to_floating(core.float16)

    def bfloat16(self):
        """Convert floating parameters and buffers to bfloat16; returns the module."""
        return self._to_floating(core.bfloat16)

    def cpu(self):
        """Move parameters and buffers to the CPU; returns the module."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device=None):
        """Move parameters and buffers to a CUDA device; returns the module.

        Args:
            device (int, optional): its index.
        """
        return self.to("cuda" if device is None else f"cuda:{device}")

    def to_empty(self, *, device, recurse=True):
        """Give parameters and buffers fresh, uninitialised memory on a device; returns the module.

        Args:
            device (device or str): where.
            recurse (bool): descend into children. Default: True.
        """
        return self._apply(lambda tensor: core.empty_like(tensor, device=device), recurse)

    def share_memory(self):
        """Move parameters and buffers into memory that processes forked later share; returns the module."""
        return self._apply(_in_shared_memory)

    # ---- text ----------------------------------------------------------------------------------------------

    def _get_name(self):
        return type(self).__name__

    def extra_repr(self):
        """What stands between the parentheses of the module's `repr`; a subclass defines it."""
        return ""

    def __repr__(self):
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        attributes = self.__dict__
        children = [f"({name}): {_add_indent(repr(attributes[name]), 2)}"
                    for name, kind in attributes["_kinds"].items() if kind == MODULE]
        if not children and len(lines) < 2:
            return f"{self._get_name()}({extra})"
        return self._get_name() + "(\n  " + "\n  ".join(lines + children) + "\n)"

    # ---- hooks ---------------------------------------------------------------------------------------------

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Call `hook(module, args)` before each `forward`; a result other than None replaces the arguments.

        Args:
            hook (callable): the hook.
            prepend (bool): run before the hooks that exist. Default: False.
            with_kwargs (bool): call `hook(module, args, kwargs)`, which returns both. Default: False.

        Returns:
            RemovableHandle: takes the hook away.

        Example:
            >>> import rushlight as rl
            >>> layer = rl.nn.Identity()
            >>> handle = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
            >>> layer(rl.tensor(3))
            tensor(6)
        """
        marks = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return self._add_hook(self._forward_pre_hooks, hook, marks, prepend)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """Call `hook(module, args, output)` after each `forward`; a result but None replaces the output.

        Args:
            hook (callable): the hook.
            prepend (bool): run before the hooks that exist. Default: False.
            with_kwargs (bool): call `hook(module, args, kwargs, output)`. Default: False.
            always_call (bool): call it even when `forward` raises. Default: False.

        Returns:
            RemovableHandle: takes the hook away.

        Example:
            >>> import rushlight as rl
            >>> layer = rl.nn.Identity()
            >>> handle = layer.register_forward_hook(lambda module, args, output: output + 1)
            >>> layer(rl.tensor(3))
            tensor(4)
        """
        marks = ([self._forward_hooks_with_kwargs] if with_kwargs else []) + \
            ([self._forward_hooks_always_called] if always_call else [])
        return self._add_hook(self._forward_hooks, hook, marks, prepend)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Call `hook(module, grad_output)` when the gradient of the output arrives; a result replaces it.

        Args:
            hook (callable): the hook.
            prepend (bool): run before the hooks that exist. Default: False.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self._add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

        Args:
            hook (callable): the hook; a result other than None replaces `grad_input`.
            prepend (bool): run before the hooks that exist. Default: False.

        Returns:
            RemovableHandle: takes the hook away.

        Example:
            >>> import rushlight as rl
            >>> layer = rl.nn.Linear(1, 1)
            >>> handle = layer.register_full_backward_hook(lambda module, gi, go: print(go[0].item()))
            >>> layer(rl.ones(1, 1)).sum().backward()
            1.0
        """
        return self._add_hook(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook):
        """The older name of `register_full_backward_hook`, with the newer meaning.

        Args:
            hook (callable): the hook.

        Returns:
            RemovableHandle: takes the hook away.
        """
        return self.register_full_backward_hook(hook)
