"""The types of scripted programs: read from annotations and values, compared, joined and written."""
import enum
import inspect
import types
import typing
from typing import NamedTuple

from rushlight import _C
from rushlight._C import Tensor
from rushlight.jit._futures import Future, FutureOf


class Type(NamedTuple):
    """A type: its kind and what it is made of, as `list` of one type.

    Kinds are those of the graph (tensor, int, float, bool, str, none, dtype, number, list, tuple, dict, optional),
    `object` of a scripted class or an enum, which only the front end knows, and `unknown`, the items of an empty list.
    """

    kind: str
    args: tuple = ()
    fields: tuple = ()                   # of a named tuple: (name of the type, names)

    def __str__(self):
        shown = _SHOWN.get(self.kind, self.kind)
        if self.kind == "object":
            return self.args[0].__name__
        if self.fields:
            return self.fields[0]
        return f"{shown}[{', '.join(map(str, self.args))}]" if self.args else shown

    @property
    def text(self):
        """As graphs write it."""
        if self.kind == "tuple" and not self.args:
            return "tuple[]"
        if self.kind == "unknown":
            return "tensor"
        return f"{self.kind}[{', '.join(a.text for a in self.args)}]" if self.args else self.kind


_SHOWN = {"tensor": "Tensor", "list": "List", "dict": "Dict", "tuple": "Tuple", "optional": "Optional",
          "none": "NoneType"}

TENSOR, INT, FLOAT, BOOL, STR, NONE, DTYPE, NUMBER = map(
    Type, ("tensor", "int", "float", "bool", "str", "none", "dtype", "number"))
UNKNOWN = Type("unknown")
NUMBERS = (INT, FLOAT, BOOL)


def list_of(item):
    return Type("list", (item,))


def dict_of(key, value):
    return Type("dict", (key, value))


def tuple_of(*items, fields=()):
    return Type("tuple", tuple(items), fields)


def optional_of(item):
    return item if item.kind in ("optional", "none") else Type("optional", (item,))


_PLAIN = {Tensor: TENSOR, int: INT, float: FLOAT, bool: BOOL, str: STR, None: NONE, type(None): NONE,
          _C.dtype: DTYPE}
_BARE = {"list": list_of(TENSOR), "List": list_of(TENSOR), "dict": dict_of(STR, TENSOR), "Dict": dict_of(STR, TENSOR)}


def of_annotation(made):
    """The type that an annotation, already evaluated, means.

    Raises:
        TypeError: it means none that scripted programs have.
    """
    plain = _PLAIN.get(made) if isinstance(made, type | type(None)) else None
    if plain is not None:
        return plain
    origin, args = typing.get_origin(made), typing.get_args(made)
    if origin in (typing.Union, types.UnionType):
        return _of_union(made, args)
    if origin is list or origin is dict or origin is tuple:
        if origin is tuple and (args == ((),) or not args):
            return tuple_of()
        if Ellipsis in args:
            raise TypeError(f"{made} has no fixed length; expected Tuple[T1, T2, ...] or List[T]")
        parts = tuple(of_annotation(a) for a in args)
        if origin is dict and parts[0] not in (STR, INT, FLOAT, BOOL, TENSOR):
            raise TypeError(f"{made} has keys of type {parts[0]}; expected str, int, float, bool or Tensor")
        return Type(origin.__name__, parts)
    if isinstance(made, FutureOf) or made is Future:         # what is waited for is there
        return TENSOR if made is Future else of_annotation(made.item)
    if made in (list, dict, tuple, typing.Optional):
        raise TypeError(f"{made} says not what it holds; expected as List[int], Dict[str, Tensor], Tuple[int, Tensor]")
    if origin is not None and getattr(origin, "__name__", "") == "Final":
        return of_annotation(args[0])
    if inspect.isclass(made):
        return _of_class(made)
    raise TypeError(f"{made!r} is no type of scripted programs; expected Tensor, int, float, bool, str, List, Dict, "
                    "Tuple, Optional, a scripted class or a NamedTuple")


def _of_union(made, args):
    rest = [a for a in args if a is not type(None)]
    if len(rest) == 1 and len(args) == 2:
        return optional_of(of_annotation(rest[0]))
    raise TypeError(f"{made} is a union of several types; expected Optional[T], that is Union[T, None]")


def _of_class(made):
    if issubclass(made, tuple) and hasattr(made, "_fields"):
        hints = typing.get_type_hints(made) if getattr(made, "__annotations__", None) else {}
        parts = [of_annotation(hints[name]) if name in hints else TENSOR for name in made._fields]
        return Type("tuple", tuple(parts), (made.__name__, *made._fields))
    if issubclass(made, Tensor):
        return TENSOR
    if issubclass(made, enum.Enum) or hasattr(made, "__rushlight_script_class__") or is_interface(made):
        return Type("object", (made,))
    raise TypeError(f"class {made.__name__} is not scripted; expected a type of scripted programs, or @jit.script on "
                    "the class")


def is_interface(made):
    return "__rushlight_interface__" in vars(made)


def of_value(value):
    """The type of a Python value, or None where it has none."""
    if isinstance(value, Tensor):
        return TENSOR
    if isinstance(value, bool):
        return BOOL
    for kind, made in ((int, INT), (float, FLOAT), (str, STR), (type(None), NONE), (_C.dtype, DTYPE)):
        if isinstance(value, kind):
            return made if not isinstance(value, enum.Enum) else Type("object", (type(value),))
    if isinstance(value, list):
        return _of_items(value)
    if isinstance(value, tuple):
        parts = [of_value(item) for item in value]
        names = (type(value).__name__, *value._fields) if hasattr(value, "_fields") else ()
        return None if None in parts else Type("tuple", tuple(parts), names)
    if isinstance(value, dict):
        keys, values = _of_items(list(value)), _of_items(list(value.values()))
        return None if not value or keys is None or values is None else dict_of(keys.args[0], values.args[0])
    if isinstance(value, enum.Enum):
        return Type("object", (type(value),))
    return None


def _of_items(values):
    if not values:
        return list_of(UNKNOWN)
    parts = [of_value(v) for v in values]
    if None in parts:
        return None
    item = parts[0]
    for part in parts[1:]:
        item = join(item, part)
        if item is None:
            return None
    return list_of(item)


def fits(given, wanted):
    """Whether a value of one type may stand where another is wanted."""
    if given == wanted or (given.kind, given.args) == (wanted.kind, wanted.args):
        return True
    if wanted.kind == "optional":
        return given == NONE or fits(given.args[0] if given.kind == "optional" else given, wanted.args[0])
    if given.kind == "unknown" or (wanted == NUMBER and given in NUMBERS):
        return True
    if given.kind == wanted.kind == "tuple":
        return len(given.args) == len(wanted.args) and all(map(fits, given.args, wanted.args))
    if given.kind == wanted.kind and given.kind in ("list", "dict"):
        return all(a == b or a.kind == "unknown" or _alike(a, b) for a, b in zip(given.args, wanted.args, strict=True))
    return False


def _alike(a, b):
    return a.kind == b.kind and len(a.args) == len(b.args) and all(
        x == y or x.kind == "unknown" or _alike(x, y) for x, y in zip(a.args, b.args, strict=True))


def join(a, b):
    """The type that holds values of both, or None."""
    if fits(a, b):
        return b
    if fits(b, a):
        return a
    if NONE in (a, b):
        return optional_of(b if a == NONE else a)
    if "optional" in (a.kind, b.kind):
        inner = join(*(t.args[0] if t.kind == "optional" else t for t in (a, b)))
        return None if inner is None else optional_of(inner)
    if a.kind == b.kind == "tuple" and len(a.args) == len(b.args):
        parts = [join(x, y) for x, y in zip(a.args, b.args, strict=True)]
        return None if None in parts else Type("tuple", tuple(parts), a.fields if a.fields == b.fields else ())
    return None
