"""What a compiled function finds around it: the variables that it reads, and the modules and optimizers among them."""
import functools
import sys
import sysconfig
import types

from rushlight import _C
from rushlight._C import Tensor
from rushlight.jit._captured import own_folder
from rushlight.nn.modules.module import Module

_MOST_ITEMS = 16                                     # of a list or dict that is looked into
_DEEPEST = 4                                         # attributes of attributes, functions that functions name
_OWN_CLASSES = ("builtins", "typing", "abc")
_CALLED_UNNAMED = frozenset(f"__{name}__" for name in (
    "call enter exit getattr getattribute getitem len iter contains bool int float index add radd sub rsub mul "
    "rmul truediv rtruediv pow rpow neg eq lt le gt ge").split())
_OF_FUNCTIONS = ("forward", "backward", "setup_context")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_STANDARD = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_RANDOM = ("random", "numpy.random")                # where types of generators come from
_UNSTEADY = ("random", "secrets", "time", "datetime", "numpy.random")


def _is_optimizer(value):
    return isinstance(getattr(value, "param_groups", None), list) and isinstance(getattr(value, "state", None), dict)


def _is_of_the_user(file):
    return file is not None and not file.startswith((own_folder, *_STANDARD, "<frozen"))


#: What is looked into in another way, or not at all.
_KNOWN = (Module, Tensor, int, float, complex, str, bytes, list, tuple, dict, type, types.FunctionType,
          types.BuiltinFunctionType, types.MethodType, types.ModuleType, types.NoneType, _C.graph.CompiledCall)


class Surroundings:
    """The places that a function reads besides its arguments, with what is there now.

    Places are variables of functions, global names, attributes of objects, items of short lists and dicts, options and
    state of optimizers: those are compared before each call. What modules are made of is compared after something was
    set in some module.

    Attributes:
        modules: (name, module) of the modules found, without their children.
        reads_options (bool): the program itself reads options of optimizers.
        unsteady (str): a name of something that answers differently each time: an iterator, a clock, Python's or
            NumPy's random numbers; None where there is none.
    """

    def __init__(self, function):
        self.modules = []
        self.reads_options = False
        self.unsteady = None
        self._places, self._names, self._seen = [], [], set()
        self._visit(function, "", 0)
        for module in self._all_modules():
            self._visit_module(module)
        self._trees = self._all_modules()
        self.places = _C.graph.Places(self._places)
        self.places.epoch = _C.graph._touched()
        self._members = self._members_now()

    def hold(self):
        """Whether everything is as it was."""
        return self.places.hold() and (self.places.epoch == _C.graph._touched() or self._modules_hold())

    def release(self, container, key):
        """The item of a dict is no longer looked at."""
        self.places.release(container, key)

    def tensors(self):
        """(name, tensor) of all parameters and buffers of the modules."""
        named = {}
        for name, module in self.modules:
            prefix = name if len(self.modules) > 1 else ""
            for key, tensor in (*module.named_parameters(prefix), *module.named_buffers(prefix)):
                named.setdefault(id(tensor), (key, tensor))
        return list(named.values())

    def unknown(self, constants):
        """Those of a graph's constants that no place and no module holds."""
        held = [*(value for _, _, value in self._places), *self._members]
        known = {id(value) for value in held if isinstance(value, Tensor)}
        return [t for key, t in constants.items() if id(t) not in known and not key.startswith("literal.")]

    def difference(self, later):
        """A name of something that differs between this and later surroundings, or None."""
        ours = dict(zip(self._names, self._places, strict=True))
        theirs = dict(zip(later._names, later._places, strict=True))
        for name in {**ours, **theirs}:
            if name not in ours or name not in theirs or not _same([ours[name][2]], [theirs[name][2]]):
                return name
        return None if _same(self._members, later._members) else "an attribute of a module"

    def _modules_hold(self):
        epoch = _C.graph._touched()
        if not _same(self._members, self._members_now()):
            return False
        self.places.epoch = epoch
        return True

    def _members_now(self):
        out = []
        for module in self._trees:
            members = vars(module)
            out += members
            for value in members.values():
                out.append(value)
                if type(value) in (list, tuple) or isinstance(value, dict):
                    out.append(len(value))
                    out += value.values() if isinstance(value, dict) else value
        return out

    # ---- finding places --------------------------------------------------------------------------------------

    def _place(self, name, container, key, value):
        self._names.append(name)
        self._places.append((container, key, value))

    def _visit(self, value, name, depth):
        if value is None or isinstance(value, int | float | str | bytes | complex | Tensor | type) or depth > _DEEPEST:
            return
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        if hasattr(type(value), "__next__") or str(type(value).__module__).startswith(_RANDOM):
            self.unsteady = name
        elif isinstance(value, types.ModuleType):
            if value.__name__ in _UNSTEADY:
                self.unsteady = name
        elif isinstance(value, Module):
            self.modules.append((name, value))
        elif isinstance(value, types.MethodType):
            self._visit_object(value.__self__, value.__func__, depth)
            self._visit(value.__func__, name, depth)
        elif isinstance(value, types.FunctionType):
            if depth == 0 or _is_of_the_user(value.__code__.co_filename):
                self._visit_function(value, depth)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords, *value.args, *value.keywords.values()):
                self._visit(part, name, depth + 1)
        elif _is_optimizer(value):
            self._visit_optimizer(value, name)
        elif type(value) in (list, tuple, dict) and len(value) <= _MOST_ITEMS:
            self._visit_items(value, name, depth)
        elif hasattr(value, "__wrapped__") and callable(value):
            self._visit(value.__wrapped__, name, depth)

    def _all_modules(self):
        return [m for _, module in self.modules for m in module.modules()]

    def _visit_module(self, module):
        """What its forward, the methods that this names, and its hooks read."""
        members, kind = vars(module), type(module)
        for hook in (h for name in _HOOKS for h in members.get(name, {}).values()):
            self._visit(hook, "a hook", 1)
        names = {"forward": None}
        for name in (pending := list(names)):
            function = getattr(kind, name, None)
            function = getattr(function, "fget", function)
            if isinstance(function, types.FunctionType) and _is_of_the_user(function.__code__.co_filename):
                self._visit(function, name, 1)
                found = [n for n in _names_in(function.__code__) if n not in names]
                names.update(dict.fromkeys(found))
                pending += found
        for name in names:
            if name in members and not name.startswith("__"):
                self._visit(members[name], name, 1)
                self._visit_objects(members[name], names, name, 1)

    def _visit_function(self, function, depth):
        names = _names_in(function.__code__)
        self.reads_options = self.reads_options or "param_groups" in names
        found = []
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                found.append((name, cell, None, cell.cell_contents))
            except ValueError:                       # not assigned yet
                continue
        variables = function.__globals__
        found += [(name, variables, name, variables[name]) for name in names if name in variables]
        for name, container, key, value in found:
            self._place(name, container, key, value)
            self._visit(value, name, depth + 1)
            if isinstance(value, types.ModuleType):
                if value.__name__ == "numpy" and "random" in names:
                    self.unsteady = f"{name}.random"
                if _is_of_the_user(getattr(value, "__file__", None)):
                    self._visit_attributes(value, names, name, depth)
            else:
                self._visit_objects(value, names, name, depth)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._visit(value, function.__name__, depth + 1)
            self._visit_objects(value, names, function.__name__, depth)
        for key, value in (function.__kwdefaults__ or {}).items():
            self._place(f"{function.__name__}.{key}", function.__kwdefaults__, key, value)

    def _visit_objects(self, value, names, path, depth):
        """The attributes of an object, and of objects in a short list, tuple or dict."""
        if type(value) in (list, tuple, dict):
            if len(value) <= _MOST_ITEMS and depth < _DEEPEST:
                for key, item in value.items() if type(value) is dict else enumerate(value):
                    self._visit_objects(item, names, f"{path}[{key!r}]", depth + 1)
        elif isinstance(value, type):
            if _is_of_the_user(getattr(sys.modules.get(value.__module__), "__file__", None)):
                self._visit_class(value, names, path, depth)
        elif not isinstance(value, _KNOWN) and not _is_optimizer(value):
            self._visit_attributes(value, names, path, depth)

    def _visit_object(self, owner, function, depth):
        if isinstance(owner, Module):
            self._visit(owner, "", depth)
        else:
            self._visit_attributes(owner, _names_in(function.__code__), "", depth)

    def _visit_attributes(self, owner, names, path, depth):
        """Of all that is named, what the object has."""
        attributes = getattr(owner, "__dict__", None)
        if not isinstance(attributes, dict) or depth > _DEEPEST:
            return
        for name in names:
            full = f"{path}.{name}" if path else name
            if name in attributes:
                self._place(full, attributes, name, attributes[name])
                self._visit(attributes[name], full, depth + 1)
                self._visit_objects(attributes[name], names, full, depth + 1)
        if not isinstance(owner, types.ModuleType):
            self._visit_class(owner, names, path, depth)

    def _visit_class(self, owner, names, path, depth):
        """Methods and properties of an object that are named, or that operators and statements call."""
        for kind in (owner if isinstance(owner, type) else type(owner)).__mro__:
            members = {} if kind.__module__ in _OWN_CLASSES else vars(kind)
            for name, member in list(members.items()):
                function = getattr(member, "fget", getattr(member, "__func__", member))
                if isinstance(function, types.FunctionType) and (
                        name in names or name in _CALLED_UNNAMED or (name in _OF_FUNCTIONS and "apply" in names)):
                    self._visit_method(owner, function, f"{path}.{name}" if path else name, depth)

    def _visit_method(self, owner, function, name, depth):
        if (id(owner), id(function)) in self._seen:
            return
        self._seen.add((id(owner), id(function)))
        self._visit_object(owner, function, depth + 1)
        self._visit(function, name, depth + 1)

    def _visit_optimizer(self, optimizer, name):
        for part in ("param_groups", "state"):
            self._place(f"{name}.{part}", vars(optimizer), part, getattr(optimizer, part))
        for i, group in enumerate(optimizer.param_groups):
            for key, value in group.items():
                self._place(f"{name}.param_groups[{i}][{key!r}]", group, key, value)
        self._place(f"{name}.state", optimizer.state, None, len(optimizer.state))
        for number, (param, values) in enumerate(optimizer.state.items()):
            if not isinstance(values, dict):
                continue
            self._place(f"{name}.state[{number}]", optimizer.state, param, values)
            for key, value in values.items():
                self._place(f"{name}.state[{number}][{key!r}]", values, key, value)

    def _visit_items(self, items, name, depth):
        if type(items) is not tuple:
            self._place(f"len({name})", items, None, len(items))
        for key, value in items.items() if type(items) is dict else enumerate(items):
            if type(items) is not tuple:
                self._place(f"{name}[{key!r}]", items, key, value)
            self._visit(value, name, depth + 1)


def _names_in(code):
    names = dict.fromkeys(code.co_names)
    if "getattr" in names:
        names.update(dict.fromkeys(c for c in code.co_consts if isinstance(c, str)))
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names.update(dict.fromkeys(_names_in(inner)))
    return names


def _same(before, now):
    return len(before) == len(now) and all(
        a is b or (type(a) is type(b) and isinstance(a, int | float | str | complex) and repr(a) == repr(b))
        for a, b in zip(before, now, strict=True))
