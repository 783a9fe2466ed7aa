"""What a compiled function finds around it: the variables that it reads, and the modules and optimizers among them."""
import builtins
import collections
import dis
import functools
import gc
import itertools
import operator
import re
import sys
import sysconfig
import threading
import types
import weakref

from rushlight import _C
from rushlight._C import Tensor
from rushlight.jit._captured import own_folder
from rushlight.nn.modules.module import Module

_MOST_ITEMS = 16                                     # of a list or dict whose items are places of their own
_MOST_ROWS = 256                                     # of a table whose rows are looked into, not only compared
_MOST_PLACES = 2048                                  # that are worth comparing before each call
_MOST_BYTES = 1 << 16                                # of an array
_DEEPEST = 24                                        # attributes of attributes, functions that functions name
_OWN_CLASSES = ("builtins", "typing", "abc")
_CALLED_UNNAMED = frozenset(f"__{name}__" for name in (
    "call enter exit getattr getattribute getitem len iter contains bool int float index add radd sub rsub mul "
    "rmul truediv rtruediv pow rpow neg eq lt le gt ge").split())
_NOT_BY_PROGRAMS = frozenset(f"__{name}__" for name in (
    "repr del reduce reduce_ex getstate setstate copy deepcopy init_subclass set_name class_getitem").split())
_OF_MAKING = ("__init__", "__new__", "__post_init__")
_OF_FUNCTIONS = ("forward", "backward", "setup_context")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_STANDARD = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_RANDOM = ("random", "numpy.random")                 # where types of generators come from
_UNSTEADY = ("random", "secrets", "time", "datetime", "uuid", "numpy.random")
_UNSTEADY_NAMES = {"numpy": ("random",), "os": ("environ", "getenv", "urandom")}
_READS_ANYTHING = ("globals",)
_BY_TEXT = frozenset(("getattr", "hasattr", "vars", "__dict__", "attrgetter"))
_PLAIN = (int, float, complex, str, bytes, Tensor, types.NoneType, type(...), range, slice, re.Pattern, _C.dtype)
_VIEWS = (types.MappingProxyType, type({}.keys()), type({}.values()), type({}.items()))
_UNSEEN = (collections.deque, bytearray, memoryview, threading.local)
_UNSEEN_MODULES = frozenset(("array", "mmap", "_ctypes", "_queue"))     # of classes in C with state
_NOW = ("now", "today", "utcnow")                    # methods of Python's classes that read the clock


def _attributes_of(value):
    """The `__dict__` of an object, or None, without asking its class's `__getattr__`."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None


def _is_optimizer(value):
    attributes = _attributes_of(value) or {}
    return isinstance(attributes.get("param_groups"), list) and isinstance(attributes.get("state"), dict)


def _is_unsteady(value):
    """A function of Python's own that gives something else each time, as `from uuid import uuid4` has it."""
    module = getattr(value, "__module__", None)
    return module in _UNSTEADY or value.__name__ in _UNSTEADY_NAMES.get(module, ())


def _is_of_the_user(file):
    return file is not None and not file.startswith((own_folder, *_STANDARD, "<frozen"))


def _is_users_class(kind):
    return _is_of_the_user(getattr(sys.modules.get(kind.__module__), "__file__", None)) or kind.__module__ == "__main__"


class _Everything:
    """The names of a program that makes up names."""

    def __contains__(self, name):
        return True


class Surroundings:
    """The places that a function reads besides its arguments, with what is there now.

    Places are variables of functions, their code and defaults, global names, attributes of objects, classes, items of
    lists and dicts, options and state of optimizers: those are compared before each call. Of objects, all attributes
    are places that any of the functions names. What modules are made of is compared after something was set in some
    module.

    Args:
        function (callable): what is looked at, and all functions of the user's that it names.
        objects (sequence): arguments that are no tensors, containers or plain values.

    Attributes:
        modules: (name, module) of the modules found, without their children.
        reads_options (bool): the program itself reads options of optimizers.
        unseen (str): why changes would not be seen, as a sentence: it takes what an iterator, a clock or Python's
            random numbers give, or there is too much; None where there is nothing like that.
        culprit (str): the name of that.
    """

    def __init__(self, function, objects=()):
        self.names, found = frozenset(), None
        while found is None or not (isinstance(self.names, _Everything) or found <= self.names):
            self.names = _Everything() if found and found & _BY_TEXT else frozenset(found or ())
            self._begin()
            self._visit(function, "", 0)
            for value in objects:
                self._visit(value, "an argument", 1)
            for module in self._all_modules():
                self._visit_module(module)
            found = self._found
        self._trees = self._all_modules()
        if len(self._places) > _MOST_PLACES:
            self._tell("", f"it reads more of Python's state than is compared before each call: {len(self._places)} "
                       "variables, attributes and items")
            del self._places[_MOST_PLACES:]
        self.places = _C.graph.Places(self._places)
        self.places.epoch = _C.graph._touched()
        self._members = self._members_now()

    def _begin(self):
        self.modules = []
        self.reads_options = False
        self.unseen = self.culprit = None
        self._places, self._names, self._seen, self._found = [], [], {}, set()

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

    def held(self):
        """The identities of the tensors that places and modules hold."""
        held = [*(value for _, _, value in self._places), *self._members]
        held += [item for value in held if type(value) is tuple for item in value]
        return {id(value) for value in held if isinstance(value, Tensor)}

    def unknown(self, constants):
        """Those of a graph's constants that no place and no module holds."""
        known = self.held()
        return [t for key, t in constants.items() if id(t) not in known and not key.startswith("literal.")]

    def difference(self, later):
        """A name of something that differs between this, looked at again, and later surroundings; or None."""
        changed = self.places.changed()
        if changed >= 0:
            return self._names[changed]
        ours, theirs = set(self._names), set(later._names)
        for name in (*self._names, *later._names):
            if name not in ours or name not in theirs:
                return name
        return None if _same(self._members, later._members) else "an attribute of a module"

    @property
    def known(self):
        """The identities of all that was found."""
        return {*map(id, self._seen.values()), *(id(value) for _, _, value in self._places)}

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
            out.append(type(module))
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

    def _tell(self, culprit, why):
        if self.unseen is None:
            self.unseen, self.culprit = why, culprit

    def _tell_unsteady(self, name):
        self._tell(name, f"it takes what {name} gives, which may be something else each time")

    def _tell_unseen(self, name, value, what=""):
        self._tell(name, f"it reads {name}, a {type(value).__name__}{what} whose changes can't be seen")

    def _visit(self, value, name, depth):
        """Finds the places of a value, whatever it is."""
        if isinstance(value, _PLAIN) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if depth > _DEEPEST:
            self._tell(name, f"it reads {name}, which lies too deep")
        elif isinstance(value, type):
            if _is_users_class(value):
                self._visit_class(value, name, depth, makes=not issubclass(value, Module))
            elif value.__module__ == "datetime" and any(now in self.names for now in _NOW):
                self._tell_unsteady(name)
        elif hasattr(type(value), "__next__") or str(type(value).__module__).startswith(_RANDOM):
            self._tell_unsteady(name)
        elif isinstance(value, types.ModuleType):
            self._visit_python_module(value, name, depth)
        elif isinstance(value, Module):
            self.modules.append((name, value))
        elif isinstance(value, types.FunctionType):
            if depth == 0 or _is_of_the_user(value.__code__.co_filename):
                self._visit_function(value, depth)
            elif _is_unsteady(value):
                self._tell_unsteady(name)
        elif isinstance(value, types.MethodType | types.BuiltinFunctionType):
            self._visit(value.__self__, name, depth)
            self._visit(getattr(value, "__func__", None), name, depth)
        elif isinstance(value, weakref.ref):
            self._visit(value(), name, depth)
        elif isinstance(value, _VIEWS):
            for viewed in gc.get_referents(value):
                self._visit(viewed, name, depth)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self._visit(part, name, depth + 1)
        elif isinstance(value, _C.graph.CompiledCall):
            self._visit(value.function, name, depth)
        elif _is_optimizer(value):
            self._visit_optimizer(value, name)
        else:
            self._visit_object(value, name, depth)

    def _visit_object(self, value, name, depth):
        """Items, attributes and slots of an object of any class."""
        if isinstance(value, list | tuple | dict):
            self._visit_items(value, name, depth)
        elif isinstance(value, set | frozenset):
            self._visit_set(value, name)
        elif isinstance(value, _UNSEEN) or not _UNSEEN_MODULES.isdisjoint(k.__module__ for k in type(value).__mro__):
            self._tell_unseen(name, value)
        elif isinstance(value, operator.attrgetter | operator.methodcaller):
            self._found.add("getattr")
        elif str(type(value).__module__).startswith("numpy"):
            self._visit_array(value, name)
        if callable((_attributes_of(value) or {}).get("__wrapped__")):
            self._visit(value.__wrapped__, name, depth)
        self._visit_attributes(value, name, depth)
        self._visit_class(type(value), name, depth)
        if _is_users_class(type(value)):
            self._place(f"{name}.__class__", value, "__class__", type(value))
        for kind in type(value).__mro__:
            for slot in vars(kind).values():
                if isinstance(slot, types.MemberDescriptorType) and slot.__name__ in self.names and (
                        _is_users_class(kind)):
                    self._visit_slot(slot, value, f"{name}.{slot.__name__}", depth)

    def _visit_slot(self, slot, owner, name, depth):
        try:
            found = slot.__get__(owner)
        except AttributeError:                       # nothing is there yet
            found = ...
        self._place(name, owner, slot.__name__, found)
        self._visit(found, name, depth + 1)

    def _all_modules(self):
        return [m for _, module in self.modules for m in module.modules()]

    def _visit_python_module(self, module, name, depth):
        if module.__name__ in _UNSTEADY:
            self._tell_unsteady(name)
        if _is_of_the_user(getattr(module, "__file__", None)):
            self._visit_named(vars(module), name, depth)

    def _visit_module(self, module):
        """What its forward, the methods that this names, and its hooks read."""
        members = vars(module)
        for hook in (h for name in _HOOKS for h in members.get(name, {}).values()):
            self._visit(hook, "a hook", 1)
        if _is_users_class(type(module)):
            self._visit_class(type(module), "", 1)
            for name, value in list(members.items()):
                if name in self.names and not name.startswith("_"):
                    self._place(name, members, name, value)
                    self._visit(value, name, 1)
        elif "forward" in members:
            self._visit(members["forward"], "forward", 1)

    def _names_in(self, function):
        names = _names_in(function.__code__)
        self._found.update(names)
        return names

    def _visit_function(self, function, depth):
        names = self._names_in(function)
        self.reads_options = self.reads_options or "param_groups" in names
        self._place(f"{function.__name__}()", function, None,
                    (function.__code__, function.__defaults__, function.__kwdefaults__))
        if vars(function):
            self._visit_attributes(function, function.__name__, depth)
        variables = function.__globals__
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:                       # not assigned yet
                continue
            self._place(name, cell, None, value)
            self._visit(value, name, depth + 1)
        for name in names:
            if name in variables:
                self._place(name, variables, name, variables[name])
                self._visit(variables[name], name, depth + 1)
                for part in _UNSTEADY_NAMES.get(getattr(variables[name], "__name__", ""), ()):
                    if part in names and _reads_attribute(function.__code__, name, part):
                        self._tell_unsteady(f"{name}.{part}")
            elif hasattr(builtins, name):            # until a global variable hides it
                self._place(name, variables, name, ...)
            if name in _READS_ANYTHING and name not in variables and _names_variable(function.__code__, name):
                self._tell_unsteady(f"{name}()")
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._visit(value, function.__name__, depth + 1)
        for key, value in (function.__kwdefaults__ or {}).items():
            self._place(f"{function.__name__}.{key}", function.__kwdefaults__, key, value)

    def _visit_attributes(self, owner, path, depth):
        """Of all that is named, what the object has; and how many attributes, since new ones hide its class's."""
        attributes = _attributes_of(owner)
        if attributes is not None:
            self._place(f"vars({path})", attributes, None, len(attributes))
            self._visit_named(attributes, path, depth)

    def _visit_named(self, attributes, path, depth):
        for name, value in list(attributes.items()):
            if name in self.names and not (isinstance(self.names, _Everything) and str(name).startswith("__")):
                full = f"{path}.{name}" if path else name
                self._place(full, attributes, name, value)
                self._visit(value, full, depth + 1)

    def _visit_class(self, kind, path, depth, makes=False):
        """The class, and what the methods, properties and values of it read that are named, or that operators and
        statements call; what makes objects only where the program names the class."""
        if ("class", id(kind), makes) in self._seen:
            return
        self._seen["class", id(kind), makes] = kind
        if _is_users_class(kind):
            self._place(kind.__qualname__, kind, None, None)
            if _is_users_class(type(kind)):
                self._visit_class(type(kind), kind.__qualname__, depth + 1)
        for base in kind.__mro__:
            members = {} if base.__module__ in _OWN_CLASSES else vars(base)
            for name, member in list(members.items()):
                if not self._may_call(kind, base, name, makes):
                    continue
                function = getattr(member, "fget", getattr(member, "__func__", member))
                if isinstance(function, types.FunctionType):
                    self._visit_method(function, f"{path}.{name}" if path else name, depth)
                elif _is_users_class(base) and not name.startswith("__"):
                    self._visit(member, f"{kind.__qualname__}.{name}", depth + 1)

    def _may_call(self, kind, base, name, makes):
        if name in _OF_MAKING:
            return makes
        if name in self.names or name in _CALLED_UNNAMED:
            return True
        if name in _OF_FUNCTIONS:
            return issubclass(kind, Module) or "apply" in self.names
        return _is_users_class(base) and name.startswith("__") and name.endswith("__") and name not in _NOT_BY_PROGRAMS

    def _visit_method(self, function, name, depth):
        if _is_of_the_user(function.__code__.co_filename):
            self._visit(function, name, depth + 1)
        else:
            self._names_in(function)

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
        """Items of a short list or dict are places of their own; those of a long one are compared together."""
        keyed = isinstance(items, dict)
        if not isinstance(items, tuple):
            self._place(f"len({name})", items, None, len(items))
            if len(items) > _MOST_ITEMS or (keyed and (None in items or ... in items)):
                self._place(name, items, ..., dict(items) if keyed else tuple(items))
            else:
                for key, value in items.items() if keyed else enumerate(items):
                    self._place(f"{name}[{key!r}]", items, key, value)
        table = len(items) > _MOST_ROWS
        for key, value in items.items() if keyed else enumerate(items):
            if table and isinstance(value, list | tuple | dict):
                continue
            self._visit(value, f"{name}[{key!r}]" if isinstance(key, int | str) else name, depth + 1)

    def _visit_set(self, items, name):
        plain = all(isinstance(item, int | float | str | bytes | types.NoneType) for item in items)
        if not plain:
            self._tell_unseen(name, items, " of objects")
        elif isinstance(items, set):
            self._place(name, items, ..., frozenset(items))

    def _visit_array(self, array, name):
        if not hasattr(array, "nbytes") or not hasattr(array, "setflags"):
            return                                   # one of its numbers, or a dtype
        if array.nbytes > _MOST_BYTES or array.dtype.hasobject or not array.flags.c_contiguous:
            self._tell_unseen(name, array, f" of {array.size} elements")
        else:
            self._place(name, array, ..., array.copy())


@functools.lru_cache(maxsize=4096)
def _names_in(code):
    names = dict.fromkeys(code.co_names)
    if not _BY_TEXT.isdisjoint(names):
        names.update(dict.fromkeys(c for c in code.co_consts if isinstance(c, str)))
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names.update(dict.fromkeys(_names_in(inner)))
        elif isinstance(inner, str) and ("eval" in names or "exec" in names):
            names.update(dict.fromkeys(re.findall(r"[A-Za-z_]\w*", inner)))
    return tuple(names)


def _names_variable(code, name):
    """Whether a name is a variable's, and not only an attribute's: `globals()`, not `state.globals()`."""
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return any(i.argval == name and i.opname in ("LOAD_GLOBAL", "LOAD_NAME") for i in dis.get_instructions(code)) or (
        any(_names_variable(const, name) for const in inner))


def _reads_attribute(code, name, attribute):
    """Whether `name.attribute` stands somewhere, where the name is a global variable's."""
    steps = list(dis.get_instructions(code))
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return any(a.argval == name and b.argval == attribute and a.opname in ("LOAD_GLOBAL", "LOAD_NAME") and (
        b.opname.startswith("LOAD_")) for a, b in itertools.pairwise(steps)) or any(
        _reads_attribute(const, name, attribute) for const in inner)


def _same(before, now):
    return len(before) == len(now) and all(
        a is b or (type(a) is type(b) and isinstance(a, int | float | str | complex) and repr(a) == repr(b))
        for a, b in zip(before, now, strict=True))
