"""What the front end of scripted programs computes with: values of the run, and what is known at script time.

A program is evaluated at script time as far as it goes: numbers that are written in it, modules, functions, and the
structure of tuples are known then; everything else is a value of the graph (`Dyn`). Lists and dicts of the user's
program are values of the graph too, since loops fill them; those of our own Python code (composites, modules) are
known, with values of the graph in them.
"""
from rushlight import _C
from rushlight._C import Tensor
from rushlight.jit import _script_types as ty


class Dyn:
    """A value of the graph; `origin` is the Optional that this is what is in."""

    __slots__ = ("origin", "ref", "type")

    def __init__(self, ref, type, origin=None):
        self.ref, self.type, self.origin = ref, type, origin


class Static:
    """A Python object that is known at script time; `origin` is the Optional that is known to be None here."""

    __slots__ = ("obj", "origin")

    def __init__(self, obj, origin=None):
        self.obj, self.origin = obj, origin


class Seq:
    """A tuple or list whose items are known one by one; `cls` of a named tuple."""

    __slots__ = ("cls", "items", "kind")

    def __init__(self, kind, items, cls=None):
        self.kind, self.items, self.cls = kind, items, cls


class Map:
    """A dict whose keys are known."""

    __slots__ = ("items",)

    def __init__(self, items):
        self.items = items


class Instance:
    """An object of a scripted class: its attributes are values."""

    __slots__ = ("attrs", "cls")

    def __init__(self, cls, attrs):
        self.cls, self.attrs = cls, attrs


class Bound:
    """A method of a value: a Python function, or the name of one of its type's own."""

    __slots__ = ("function", "owner")

    def __init__(self, owner, function):
        self.owner, self.function = owner, function


class Closure:
    """A function that our own code defines within another."""

    __slots__ = ("frame", "node")

    def __init__(self, node, frame):
        self.node, self.frame = node, frame


class Items:
    """What a loop goes over: how many items (a value), and which value is the k-th; of `parts` all are known."""

    __slots__ = ("at", "count", "parts")

    def __init__(self, count=None, at=None, parts=None):
        self.count, self.at, self.parts = count, at, parts


class Shape:
    """The sizes of a tensor, not yet taken out of it."""

    __slots__ = ("tensor",)

    def __init__(self, tensor):
        self.tensor = tensor


class Slice:
    """A slice; parts are values."""

    __slots__ = ("start", "step", "stop")

    def __init__(self, start, stop, step):
        self.start, self.stop, self.step = start, stop, step


class Conflict:
    """A name that has no usable value, and why."""

    __slots__ = ("why",)

    def __init__(self, why):
        self.why = why


NOTHING = Static(None)
_CONTAINERS = frozenset((Seq, Map, Instance, Bound))
LITERALS = (bool, int, float, str, type(None), _C.dtype)


def lift(obj):
    """A Python object as a value; tensors are for the caller to place."""
    if isinstance(obj, _C.Size):
        return Seq("tuple", [Static(int(n)) for n in obj])
    if type(obj) in (list, tuple) or (isinstance(obj, tuple) and hasattr(obj, "_fields")):
        kind = "list" if isinstance(obj, list) else "tuple"
        return Seq(kind, [lift(item) for item in obj], type(obj) if hasattr(obj, "_fields") else None)
    if type(obj) is dict:
        return Map({key: lift(value) for key, value in obj.items()})
    return Static(obj)


def lower(value):
    """The Python object that a value is, where all of it is known.

    Raises:
        LookupError: it is not.
    """
    if isinstance(value, Static):
        if isinstance(value.obj, Tensor):
            raise LookupError
        return value.obj
    if isinstance(value, Seq):
        items = [lower(item) for item in value.items]
        if value.cls is not None:
            return value.cls(*items) if hasattr(value.cls, "_fields") else value.cls(items)
        return items if value.kind == "list" else tuple(items)
    if isinstance(value, Map):
        return {key: lower(item) for key, item in value.items.items()}
    if isinstance(value, Slice):
        return slice(*(lower(part) for part in (value.start, value.stop, value.step)))
    raise LookupError


def is_known(value):
    """Whether `lower` gives an object."""
    try:
        lower(value)
    except LookupError:
        return False
    return True


def type_of(value):
    """The type of a value; None of what has none, as a function."""
    if isinstance(value, Dyn):
        return value.type
    if isinstance(value, Static):
        return ty.of_value(value.obj)
    if isinstance(value, Shape):
        return ty.list_of(ty.INT)
    if isinstance(value, Seq):
        return _type_of_items(value)
    if isinstance(value, Map):
        if not value.items:
            return ty.dict_of(ty.STR, ty.TENSOR)
        keys, values = _joined(map(ty.of_value, value.items)), _joined(map(type_of, value.items.values()))
        return None if keys is None or values is None else ty.dict_of(keys, values)
    if isinstance(value, Instance):
        return ty.Type("object", (value.cls,))
    return None


def _type_of_items(value):
    parts = [type_of(item) for item in value.items]
    if None in parts:
        return None
    if value.kind == "tuple":
        return ty.Type("tuple", tuple(parts), (value.cls.__name__, *fields_of(value.cls)) if value.cls else ())
    if not parts:
        return ty.list_of(ty.UNKNOWN)
    item = _joined(parts)
    return None if item is None else ty.list_of(item)


def fields_of(cls):
    """The names of a named tuple's items."""
    return cls._fields if hasattr(cls, "_fields") else cls.__match_args__


def _joined(parts):
    found = None
    for part in parts:
        found = part if found is None else ty.join(found, part)
        if found is None:
            return None
    return found


def told(value):
    """How an error calls a value."""
    kind = type_of(value)
    if kind is not None:
        return str(kind)
    if isinstance(value, Static):
        name = getattr(value.obj, "__name__", None)
        return f"the {type(value.obj).__name__} {name}" if name else f"an object of class {type(value.obj).__name__}"
    if isinstance(value, Seq):
        return f"a {value.kind} of {', '.join(told(item) for item in value.items)}"
    if isinstance(value, Bound | Closure):
        return "a function"
    return f"a {type(value).__name__.lower()}"


def leaves(value):
    """The values of the graph in a value."""
    if isinstance(value, Dyn):
        yield value
    elif isinstance(value, Shape):
        yield value.tensor
    elif isinstance(value, Seq):
        for item in value.items:
            yield from leaves(item)
    elif isinstance(value, Map):
        for item in value.items.values():
            yield from leaves(item)
    elif isinstance(value, Instance):
        for item in value.attrs.values():
            yield from leaves(item)
    elif isinstance(value, Bound):
        if not isinstance(value.owner, str):
            yield from leaves(value.owner)
    elif isinstance(value, Slice):
        for item in (value.start, value.stop, value.step):
            yield from leaves(item)


def fork(names, memo):
    """Names and values of their own, for one of two ways that a program may go."""
    return {name: forked(value, memo) if value.__class__ in _CONTAINERS else value for name, value in names.items()}


def forked(value, memo):
    """A value whose containers are its own; `memo` by the address of the old ones keeps what is shared shared."""
    if isinstance(value, Seq) and (value.kind == "list" or any(isinstance(i, Seq | Map | Instance)
                                                              for i in value.items)):
        if id(value) not in memo:
            made = memo[id(value)] = Seq(value.kind, [], value.cls)
            made.items.extend(forked(item, memo) for item in value.items)
        return memo[id(value)]
    if isinstance(value, Map):
        if id(value) not in memo:
            made = memo[id(value)] = Map({})
            made.items.update((key, forked(item, memo)) for key, item in value.items.items())
        return memo[id(value)]
    if isinstance(value, Instance):
        if id(value) not in memo:
            made = memo[id(value)] = Instance(value.cls, {})
            made.attrs.update((key, forked(item, memo)) for key, item in value.attrs.items())
        return memo[id(value)]
    if isinstance(value, Bound):
        return Bound(forked(value.owner, memo), value.function)
    return value
