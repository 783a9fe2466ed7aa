"""Hooks that fire for every module of the process."""
from collections import OrderedDict

from rushlight.nn.modules._hooks import RemovableHandle
from rushlight.nn.modules._members import BUFFER, MODULE, PARAMETER


class _Handle(RemovableHandle):
    """The handle of a hook for all modules: when the last one goes, calls are as fast as before."""

    def remove(self):
        super().remove()
        GLOBAL.look()


class _GlobalHooks:
    def __init__(self):
        self.forward_pre, self.forward = OrderedDict(), OrderedDict()
        self.forward_with_kwargs, self.forward_always = OrderedDict(), OrderedDict()
        self.backward_pre, self.backward = OrderedDict(), OrderedDict()
        self.registration = {PARAMETER: OrderedDict(), BUFFER: OrderedDict(), MODULE: OrderedDict()}
        # Whether there is any: as long as there is none, a call checks this one value.
        self.any = False

    def look(self):
        """Finds out whether there is any hook."""
        self.any = any((self.forward_pre, self.forward, self.backward_pre, self.backward,
                        *self.registration.values()))

    def add(self, table, hook, extra=()):
        handle = _Handle(table, extra_dict=list(extra))
        for entry in (table, *extra):
            entry[handle.id] = hook if entry is table else True
        self.any = True
        return handle

    def registered(self, kind, module, name, value):
        for hook in self.registration[kind].values():
            changed = hook(module, name, value)
            value = value if changed is None else changed
        return value


GLOBAL = _GlobalHooks()


def register_module_forward_pre_hook(hook):
    """Call `hook(module, args)` before the `forward` of every module.

    Args:
        hook (callable): the hook; a result other than None replaces the arguments.

    Returns:
        RemovableHandle: takes the hook away.
    """
    return GLOBAL.add(GLOBAL.forward_pre, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Call `hook(module, args, output)` after the `forward` of every module.

    Args:
        hook (callable): the hook; a result other than None replaces the output.
        with_kwargs (bool): call `hook(module, args, kwargs, output)`. Default: False.
        always_call (bool): call it even when `forward` raises. Default: False.

    Returns:
        RemovableHandle: takes the hook away.
    """
    marks = ([GLOBAL.forward_with_kwargs] if with_kwargs else []) + (
        [GLOBAL.forward_always] if always_call else []
    )
    return GLOBAL.add(GLOBAL.forward, hook, marks)


def register_module_full_backward_pre_hook(hook):
    """Call `hook(module, grad_output)` in the backward pass of every module.

    Args:
        hook (callable): the hook; a result other than None replaces the gradients.

    Returns:
        RemovableHandle: takes the hook away.
    """
    return GLOBAL.add(GLOBAL.backward_pre, hook)


def register_module_full_backward_hook(hook):
    """Call `hook(module, grad_input, grad_output)` in the backward pass of every module.

    Args:
        hook (callable): the hook; a result other than None replaces `grad_input`.

    Returns:
        RemovableHandle: takes the hook away.
    """
    return GLOBAL.add(GLOBAL.backward, hook)


def register_module_backward_hook(hook):
    """The older name of `register_module_full_backward_hook`, with the newer meaning.

    Args:
        hook (callable): the hook.

    Returns:
        RemovableHandle: takes the hook away.
    """
    return register_module_full_backward_hook(hook)


def register_module_parameter_registration_hook(hook):
    """Call `hook(module, name, parameter)` whenever a module registers a parameter; a result replaces it.

    Args:
        hook (callable): the hook.

    Returns:
        RemovableHandle: takes the hook away.
    """
    return GLOBAL.add(GLOBAL.registration[PARAMETER], hook)


def register_module_buffer_registration_hook(hook):
    """Call `hook(module, name, buffer)` whenever a module registers a buffer; a result replaces it.

    Args:
        hook (callable): the hook.

    Returns:
        RemovableHandle: takes the hook away.
    """
    return GLOBAL.add(GLOBAL.registration[BUFFER], hook)


def register_module_module_registration_hook(hook):
    """Call `hook(module, name, child)` whenever a module registers a child; a result replaces it.

    Args:
        hook (callable): the hook.

    Returns:
        RemovableHandle: takes the hook away.
    """
    return GLOBAL.add(GLOBAL.registration[MODULE], hook)
