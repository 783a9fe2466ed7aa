"""Python's own functions, and the methods of texts, lists and dicts, in scripted programs."""
import ast
import builtins
import inspect
import math
import types
import typing
import warnings

from rushlight import _C
from rushlight._C import Tensor
from rushlight.functional import _warning
from rushlight.jit import _script_types as ty
from rushlight.jit._script_calls import as_items
from rushlight.jit._script_values import (
    NOTHING,
    Bound,
    Closure,
    Dyn,
    Instance,
    Items,
    Map,
    Seq,
    Shape,
    Static,
    is_known,
    lift,
    lower,
    told,
    type_of,
)

HANDLERS = {}
_CHANGES = ("append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort", "update", "setdefault", "[]")
_NUMERIC = (*ty.NUMBERS, ty.NUMBER)


def handles(*functions):
    """Registers how calls of some functions are written."""
    def register(handler):
        for function in functions:
            HANDLERS[id(function)] = (function, handler)
        return handler
    return register


def bound_to(names, args, kwargs):
    """Arguments by name, None where not given."""
    given = dict(zip(names, args, strict=False)) | kwargs
    return [given.get(name) for name in names]


@handles(len)
def _len(c, args, kwargs, node):
    value = args[0]
    if isinstance(value, Seq | Map):
        return Static(len(value.items))
    if isinstance(value, Static) and hasattr(value.obj, "__len__"):
        return Static(len(value.obj))
    if isinstance(value, Shape):
        return c.prim("tensor_dim", [value.tensor], ty.INT, node)
    kind = type_of(value)
    if isinstance(value, Instance):
        return c.call(c.attribute(value, "__len__", node), [], {}, node)
    if kind is None or kind.kind not in ("tensor", "list", "dict", "tuple", "str"):
        raise c.error(node, f"len() of {told(value)}; expected a list, tuple, dict, str or Tensor")
    if kind.kind == "tuple":
        return Static(len(kind.args))
    return c.prim(f"{kind.kind}_len", [value], ty.INT, node)


@handles(range)
def _range(c, args, kwargs, node):
    args = [c.number(a, ty.INT, node) if type_of(a) == ty.TENSOR else a for a in args]
    for a in args:
        if type_of(a) not in (ty.INT, ty.BOOL):
            raise c.error(node, f"range() of {told(a)}; expected ints")
    start, stop = (Static(0), args[0]) if len(args) == 1 else args[:2]
    return as_items(c, start, stop, args[2] if len(args) == 3 else Static(1), node)


@handles(enumerate)
def _enumerate(c, args, kwargs, node):
    items = c.items_of(args[0], node)
    start = kwargs.get("start", args[1] if len(args) > 1 else Static(0))

    def number(k):
        return c.binary(ast.Add, start, k, node) if not (is_known(start) and lower(start) == 0) else k
    if items.parts is not None:
        return Items(parts=[Seq("tuple", [number(Static(i)), part]) for i, part in enumerate(items.parts)])
    return Items(items.count, lambda k: Seq("tuple", [number(k), items.at(k)]))


@handles(zip)
def _zip(c, args, kwargs, node):
    all_items = [c.items_of(a, node) for a in args]
    if all(items.parts is not None for items in all_items):
        return Items(parts=[Seq("tuple", list(parts)) for parts in zip(*(i.parts for i in all_items), strict=False)])
    known = [len(items.parts) for items in all_items if items.parts is not None]
    if known and not c.frame.library:
        all_items = [i if i.parts is None or type_of(Seq("list", i.parts)) is None else c.items_of(
            c.made(Seq("list", i.parts), node), node) for i in all_items]
        known = [len(items.parts) for items in all_items if items.parts is not None]
    if known:                                        # unrolled: there are as many turns as known items
        return Items(parts=[Seq("tuple", [i.parts[k] if i.parts is not None else i.at(Static(k)) for i in all_items])
                            for k in range(min(known))])
    counts = [items.count for items in all_items]
    count = counts[0] if len(counts) == 1 else c.prim("num_min", counts, ty.INT, node)
    return Items(count, lambda k: Seq("tuple", [items.at(k) for items in all_items]))


@handles(reversed)
def _reversed(c, args, kwargs, node):
    items = c.items_of(args[0], node)
    if items.parts is not None:
        return Items(parts=items.parts[::-1])
    last = c.prim("num_sub", [items.count, Static(1)], ty.INT, node)
    return Items(items.count, lambda k: items.at(c.prim("num_sub", [last, k], ty.INT, node)))


@handles(map)
def _map(c, args, kwargs, node):
    function, *rest = args
    items = _zip(c, rest, {}, node)
    if items.parts is None:
        return Items(items.count, lambda k: c.call(function, items.at(k).items, {}, node))
    return Seq("list", [c.call(function, part.items, {}, node) for part in items.parts])


@handles(list, tuple)
def _list(c, args, kwargs, node):
    kind = "tuple" if c.eval_callee is tuple else "list"
    if not args:
        return Seq(kind, [])
    value = args[0]
    if isinstance(value, Seq):
        return Seq(kind, list(value.items))
    if kind == "tuple" and isinstance(value, Shape) and c.frame.library:
        return value
    made = type_of(value)
    if made is not None and made.kind == "list":
        if kind == "tuple" and not c.frame.library:
            raise c.error(node, f"tuple() of {made}, whose length only the run knows; expected a list")
        whole = value if isinstance(value, Dyn) else c.made(value, node)
        return whole if isinstance(value, Shape) else c.prim("list_copy", [whole], whole.type, node)
    items = c.items_of(value, node)
    return Seq(kind, items.parts) if items.parts is not None else c.as_list(items, node)


@handles(_C.Size)
def _size(c, args, kwargs, node):
    return args[0] if args else Seq("tuple", [])


@handles(set, frozenset)
def _set(c, args, kwargs, node):
    if not c.frame.library:
        raise c.error(node, "a set; expected a list, tuple or dict")
    items = (c.items_of(args[0], node).parts or []) if args else []
    if all(map(is_known, items)):
        return Static(set(map(lower, items)))
    kept = []
    for item in items:
        if not any(a is item or (is_known(a) and is_known(item) and lower(a) == lower(item)) for a in kept):
            kept.append(item)
    return Seq("list", kept)


@handles(dict)
def _dict(c, args, kwargs, node):
    if args:
        kind = type_of(args[0])
        if isinstance(args[0], Items | Seq):
            pairs = [c.unpacked(part, node, 2) for part in c.items_of(args[0], node).parts or ()]
            if pairs and all(is_known(key) for key, _ in pairs):
                return Map({lower(key): value for key, value in pairs})
        if kind is None or kind.kind != "dict" or kwargs:
            raise c.error(node, f"dict() of {told(args[0])}; expected a dict")
        return Map(dict(args[0].items)) if isinstance(args[0], Map) else c.prim("dict_copy", args, kind, node)
    return Map(dict(kwargs))


def _number(kind):
    def make(c, args, kwargs, node):
        if not args:
            return Static({"int": 0, "float": 0.0, "bool": False}[kind.kind])
        given = type_of(args[0])
        if given not in (*_NUMERIC, ty.TENSOR, ty.STR) or (given == ty.STR and kind == ty.BOOL):
            if kind == ty.BOOL and c.frame.library:
                return c.as_value(c.truth(args[0], node))
            raise c.error(node, f"{kind}() of {told(args[0])}; expected a number"
                                f"{', str' if kind != ty.BOOL else ''} or a Tensor of one element")
        return c.number(args[0], kind, node)
    return make


for _kind, _function in ((ty.INT, int), (ty.FLOAT, float), (ty.BOOL, bool)):
    handles(_function)(_number(_kind))


@handles(str)
def _str(c, args, kwargs, node):
    return c.text_of(args[0], node) if args else Static("")


@handles(repr)
def _repr(c, args, kwargs, node):
    return c.representation(args[0], node)


@handles(print)
def _print(c, args, kwargs, node):
    if kwargs:
        c.unsupported(node, "print() with sep, end, file or flush")
    c.effect("print", args, node)
    return NOTHING


@handles(abs)
def _abs(c, args, kwargs, node):
    kind = type_of(args[0])
    if kind == ty.TENSOR:
        return c.operate("abs", args, node)
    if is_known(args[0]):
        return Static(abs(lower(args[0])))
    if kind not in _NUMERIC:
        raise c.error(node, f"abs() of {told(args[0])}; expected a number or Tensor")
    return c.prim("num_abs", args, ty.INT if kind == ty.BOOL else kind, node)


@handles(round)
def _round(c, args, kwargs, node):
    if all(map(is_known, args)):
        return Static(round(*map(lower, args)))
    if type_of(args[0]) == ty.TENSOR:
        return c.tensor_method(args[0], "round", args[1:], {}, node)
    kind = type_of(args[0]) if len(args) > 1 else ty.INT
    return c.prim("num_round", args, ty.INT if kind == ty.BOOL else kind, node)


@handles(pow)
def _pow(c, args, kwargs, node):
    return c.binary(ast.Pow, args[0], args[1], node)


@handles(divmod)
def _divmod(c, args, kwargs, node):
    return Seq("tuple", [c.binary(ast.FloorDiv, *args, node), c.binary(ast.Mod, *args, node)])


def _parts(c, value, name, node):
    """The numbers that a function takes of one argument."""
    found = c.items_of(value, node).parts
    if not found:
        raise c.error(node, f"{name}() of {told(value)}; expected numbers")
    return found


def _extreme(name):
    def make(c, args, kwargs, node):
        if len(args) == 1:
            kind = type_of(args[0])
            if kind == ty.TENSOR:
                return c.tensor_method(args[0], name, [], {}, node)
            if not isinstance(args[0], Seq | Items) and kind is not None and kind.kind == "list":
                return c.prim("list_" + name, args, kind.args[0], node)
            args = _parts(c, args[0], name, node)
        if all(map(is_known, args)):
            return Static({"min": min, "max": max}[name](*map(lower, args)))
        kinds = [type_of(a) for a in args]
        if any(kind not in _NUMERIC for kind in kinds):
            raise c.error(node, f"{name}() of {', '.join(map(told, args))}; expected numbers")
        kind = kinds[0] if len(set(kinds)) == 1 and kinds[0] != ty.BOOL else ty.NUMBER if ty.NUMBER in kinds else (
            ty.FLOAT if ty.FLOAT in kinds else ty.INT)
        return c.prim("num_" + name, [c.convert(a, kind, node) for a in args], kind, node)
    return make


handles(min)(_extreme("min"))
handles(max)(_extreme("max"))


@handles(sum)
def _sum(c, args, kwargs, node):
    value = args[0]
    kind = type_of(value)
    if kind == ty.TENSOR:
        return c.tensor_method(value, "sum", [Static(0)], {}, node)
    if not isinstance(value, Seq) and kind is not None and kind.kind == "list" and kind.args[0] in ty.NUMBERS:
        return c.prim("list_sum", [value], ty.INT if kind.args[0] == ty.BOOL else kind.args[0], node)
    parts = c.items_of(value, node).parts
    if parts is None:
        raise c.error(node, f"sum() of {told(value)}; expected a list of numbers")
    total = args[1] if len(args) > 1 else Static(0)
    for part in parts:
        total = c.binary(ast.Add, total, part, node)
    return total


def _truths(stops):
    def make(c, args, kwargs, node):
        value = args[0]
        kind = type_of(value)
        if kind == ty.TENSOR:
            return c.tensor_method(value, "any" if stops else "all", [], {}, node)
        if not isinstance(value, Seq) and kind is not None and kind.kind == "list" and kind.args[0] == ty.BOOL:
            return c.prim("list_any" if stops else "list_all", [value], ty.BOOL, node)
        parts = c.items_of(value, node).parts
        if parts is None:
            raise c.error(node, f"{'any' if stops else 'all'}() of {told(value)}; expected bools")
        tests = [c.truth(part, node) for part in parts]
        if stops in tests:
            return Static(stops)
        tests = [test for test in tests if not isinstance(test, bool)]
        if not tests:
            return Static(not stops)
        found = tests[0]
        for test in tests[1:]:
            found = c.prim("int_or" if stops else "int_and", [found, test], ty.BOOL, node)
        return found
    return make


handles(any)(_truths(True))
handles(all)(_truths(False))


@handles(sorted)
def _sorted(c, args, kwargs, node):
    if set(kwargs) - {"reverse"}:
        c.unsupported(node, "sorted() with a key")
    if is_known(args[0]):
        return c.settled(lift(sorted(lower(args[0]))), node)
    whole = c.as_list(args[0], node)
    return c.prim("list_sorted", [whole, kwargs.get("reverse", Static(False))], whole.type, node)


@handles(isinstance)
def _isinstance(c, args, kwargs, node):
    value, wanted = args
    classes = lower(wanted) if isinstance(wanted, Seq) else (wanted.obj,)
    classes = [part for cls in classes
               for part in (typing.get_args(cls) if isinstance(cls, types.UnionType) else [cls])]
    if isinstance(value, Static) and not isinstance(value.obj, Tensor):
        return Static(any(isinstance(value.obj, cls) for cls in classes if isinstance(cls, type)))
    if isinstance(value, Instance):
        return Static(any(issubclass(value.cls, cls) for cls in classes if isinstance(cls, type)))
    kind = type_of(value)
    if kind is not None and kind.kind == "optional":
        if _is_of(kind.args[0], value, classes):
            return c.prim("bool_not", [c.prim("is_none", [value], ty.BOOL, node)], ty.BOOL, node)
        return c.prim("is_none", [value], ty.BOOL, node) if type(None) in classes else Static(False)
    return Static(_is_of(kind, value, classes))


def _is_of(kind, value, classes):
    plain = {"tensor": Tensor, "int": int, "float": float, "bool": bool, "str": str, "dict": dict, "list": list,
             "tuple": tuple, "dtype": _C.dtype}
    own = value.kind if isinstance(value, Seq) else None if kind is None else kind.kind
    own = plain.get("tuple" if isinstance(value, Shape) else own)
    for cls in classes:
        if isinstance(cls, type) and own is not None and issubclass(own, cls):
            return True
        if isinstance(value, Seq) and value.cls is not None and isinstance(cls, type) and issubclass(value.cls, cls):
            return True
        if typing.get_origin(cls) is not None and kind is not None and kind == ty.of_annotation(cls):
            return True
    return False


@handles(hasattr)
def _hasattr(c, args, kwargs, node):
    value, name = args[0], lower(args[1])
    if isinstance(value, Static):
        return Static(hasattr(value.obj, name))
    if isinstance(value, Instance):
        return Static(name in value.attrs or hasattr(value.cls, name))
    if isinstance(value, Seq) and value.cls is not None:
        return Static(hasattr(value.cls, name))
    return Static(type_of(value) == ty.TENSOR and hasattr(Tensor, name))


@handles(getattr)
def _getattr(c, args, kwargs, node):
    if not is_known(args[1]):
        raise c.error(node, "getattr() with a name that only the run knows; expected a literal")
    if len(args) == 3 and not lower(_hasattr(c, args[:2], {}, node)):
        return args[2]
    return c.attribute(args[0], lower(args[1]), node)


@handles(type)
def _type(c, args, kwargs, node):
    value = args[0]
    if isinstance(value, Static):
        return Static(type(value.obj))
    if isinstance(value, Instance):
        return Static(value.cls)
    kind = type_of(value)
    if kind is None or not c.frame.library:
        raise c.error(node, f"type() of {told(value)}; expected isinstance")
    return Static({"tensor": Tensor}.get(kind.kind) or getattr(builtins, kind.kind))


@handles(callable)
def _callable(c, args, kwargs, node):
    return Static(isinstance(args[0], Bound | Closure) or (isinstance(args[0], Static) and callable(args[0].obj)))


@handles(math.prod)
def _prod(c, args, kwargs, node):
    kind = type_of(args[0])
    if not isinstance(args[0], Seq) and kind == ty.list_of(ty.INT):
        return c.call_helper("product", args, node)
    total = Static(1)
    for part in _parts(c, args[0], "math.prod", node):
        total = c.binary(ast.Mult, total, part, node)
    return total


@handles(warnings.warn, _warning.warn)
def _warn(c, args, kwargs, node):
    return NOTHING                                   # a warning is for who writes the program, not for who runs it


@handles(_C.tensor, _C.as_tensor)
def _tensor(c, args, kwargs, node):
    data, dtype = bound_to(["data", "dtype"], args, kwargs)
    dtype = NOTHING if dtype is None else dtype
    if type_of(data) == ty.TENSOR:
        made = c.operate("clone", [c.operate("detach", [data], node)], node)
        return made if dtype is NOTHING else c.operate("to_dtype", [made, dtype], node)
    if isinstance(dtype, Static) and dtype.obj in (int, float, bool):
        dtype = Static({int: _C.int64, float: _C.float64, bool: _C.bool}[dtype.obj])
    return c.prim("tensor_make", [_widened(data), dtype], ty.TENSOR, node)


def _widened(value):
    """Numbers of a list as one type, as Tensors hold them."""
    if not isinstance(value, Seq):
        return value
    items = [_widened(item) for item in value.items]
    kinds = {type_of(item) for item in items}
    if ty.FLOAT in kinds and kinds <= set(ty.NUMBERS) and all(map(is_known, items)):
        items = [Static(float(lower(item))) for item in items]
    elif kinds == {ty.INT, ty.BOOL} and all(map(is_known, items)):
        items = [Static(int(lower(item))) for item in items]
    return Seq("list", items)


@handles(_C.is_grad_enabled)
def _is_grad_enabled(c, args, kwargs, node):
    if c.no_grad:
        return Static(not c.no_grad[-1])
    return c.prim("grad_enabled", [], ty.BOOL, node)


@handles(_C._autocast)
def _autocast(c, args, kwargs, node):
    return Static(False)


class Methods:
    """Methods of texts, lists, dicts and tuples; a part of the compiler."""

    def handler_of(self, obj):
        found = HANDLERS.get(id(obj))
        if found is None or found[0] is not obj:
            return None
        self.eval_callee = obj
        return found[1]

    def method(self, owner, name, args, kwargs, node):
        kind = type_of(owner)
        if name == "wait" and not args and not kwargs:
            return owner
        if kind == ty.TENSOR:
            return self.tensor_method(owner, name, args, kwargs, node)
        if isinstance(owner, Static | Shape) and is_known(owner) and all(map(is_known, [*args, *kwargs.values()])):
            return self._known_method(owner, name, args, kwargs, node)
        self.refuse_frozen(owner, name, node)
        if isinstance(owner, Seq | Map):
            found = self._container_method(owner, name, args, kwargs, node)
            if found is not None:
                return found
        if isinstance(owner, Seq | Map | Shape):
            owner = self.made(owner, node)
        do = getattr(self, f"{'tensor' if kind is None else kind.kind}_{name}", None)
        if do is None or kind is None:
            raise self.error(node, f"{told(owner)} has no method '{name}' in scripted programs")
        spec = inspect.signature(do)
        try:
            spec.bind(owner, node, *args, **kwargs)
        except TypeError as error:
            raise self.error(node, f"{kind.kind}.{name}: {error}") from None
        return do(owner, node, *args, **kwargs)

    def refuse_frozen(self, owner, name, node):
        """Lists and dicts of a module are a part of the program, and can't be changed by it."""
        target = getattr(node, "func", node)
        if self.frame.library or not isinstance(owner, Seq | Map | Static) or name not in _CHANGES:
            return
        if isinstance(getattr(target, "value", None), ast.Attribute):
            raise self.error(node, f"{told(owner)} of the module is changed by {name}, and is a part of the program; "
                                   "expected a local variable, or a Tensor")

    def _known_method(self, owner, name, args, kwargs, node):
        try:
            function = getattr(lower(owner), name)
        except AttributeError:
            raise self.error(node, f"{told(owner)} has no method '{name}'") from None
        return lift(function(*map(lower, args), **{key: lower(value) for key, value in kwargs.items()}))

    def _container_method(self, owner, name, args, kwargs, node):
        """A method of a container that the front end knows; None where the graph does it."""
        if isinstance(owner, Map):
            if name in ("keys", "values", "items"):
                parts = {"keys": [lift(k) for k in owner.items], "values": list(owner.items.values()),
                         "items": [Seq("tuple", [lift(k), v]) for k, v in owner.items.items()]}[name]
                return Items(parts=parts)
            if name in ("get", "pop") and is_known(args[0]):
                found = owner.items.get(lower(args[0]), args[1] if len(args) > 1 else NOTHING)
                if name == "pop":
                    owner.items.pop(lower(args[0]), None)
                return found
            return None
        if owner.kind == "tuple":
            if name == "index" and all(map(is_known, [owner, *args])):
                return Static(lower(owner).index(*map(lower, args)))
            if name == "count" and all(map(is_known, [owner, *args])):
                return Static(lower(owner).count(*map(lower, args)))
            return None
        if not self.frame.library:
            return None
        if name == "append":
            owner.items.append(args[0])
        elif name == "extend":
            owner.items.extend(self.unpacked(args[0], node))
        elif name == "insert" and is_known(args[0]):
            owner.items.insert(lower(args[0]), args[1])
        elif name == "pop":
            return owner.items.pop(*map(lower, args))
        elif name == "reverse":
            owner.items.reverse()
        elif name == "copy":
            return Seq("list", list(owner.items))
        elif name in ("index", "count") and all(map(is_known, [owner, *args])):
            return Static(getattr(lower(owner), name)(*map(lower, args)))
        elif name == "sort" and is_known(owner):
            owner.items.sort(key=lower)
        else:
            return None
        return NOTHING

    # -- lists

    def _item(self, owner, value, node, what="item"):
        return self.convert(value, owner.type.args[0], node, lambda got: (
            f"the {what} is {got}; expected {owner.type.args[0]}, as the list is {owner.type}"))

    def list_append(self, owner, node, item):
        self.effect("list_append", [owner, self._item(owner, item, node)], node)
        return NOTHING

    def list_extend(self, owner, node, items):
        value = items if isinstance(items, Seq) else self.as_list(items, node)
        if isinstance(value, Seq):
            value = self.made(Seq("list", value.items), node, owner.type)
        self.effect("list_extend", [owner, self.convert(value, owner.type, node)], node)
        return NOTHING

    def list_insert(self, owner, node, at, item):
        self.effect("list_insert", [owner, at, self._item(owner, item, node)], node)
        return NOTHING

    def list_pop(self, owner, node, at=None):
        return self.prim("list_pop", [owner] if at is None else [owner, at], owner.type.args[0], node)

    def list_remove(self, owner, node, item):
        self.effect("list_remove", [owner, self._item(owner, item, node)], node)
        return NOTHING

    def list_clear(self, owner, node):
        self.effect("list_clear", [owner], node)
        return NOTHING

    def list_reverse(self, owner, node):
        self.effect("list_reverse", [owner], node)
        return NOTHING

    def list_sort(self, owner, node, reverse=None):
        self.effect("list_sort", [owner, reverse or Static(False)], node)
        return NOTHING

    def list_copy(self, owner, node):
        return self.prim("list_copy", [owner], owner.type, node)

    def list_index(self, owner, node, item):
        return self.prim("list_find", [owner, self._item(owner, item, node)], ty.INT, node)

    def list_count(self, owner, node, item):
        return self.prim("list_count", [owner, self._item(owner, item, node)], ty.INT, node)

    # -- dicts

    def dict_get(self, owner, node, key, default=None):
        key_type, value_type = owner.type.args
        key = self.convert(key, key_type, node)
        if default is None or default is NOTHING or (isinstance(default, Static) and default.obj is None):
            return self.prim("dict_find", [owner, key], ty.optional_of(value_type), node)
        return self.prim("dict_get", [owner, key, self.convert(default, value_type, node)], value_type, node)

    def dict_setdefault(self, owner, node, key, default):
        key_type, value_type = owner.type.args
        return self.prim("dict_setdefault", [owner, self.convert(key, key_type, node),
                                             self.convert(default, value_type, node)], value_type, node)

    def dict_pop(self, owner, node, key, default=None):
        key_type, value_type = owner.type.args
        more = [] if default is None else [self.convert(default, value_type, node)]
        return self.prim("dict_pop", [owner, self.convert(key, key_type, node), *more], value_type, node)

    def dict_keys(self, owner, node):
        return self.prim("dict_keys", [owner], ty.list_of(owner.type.args[0]), node)

    def dict_values(self, owner, node):
        return self.prim("dict_values", [owner], ty.list_of(owner.type.args[1]), node)

    def dict_items(self, owner, node):
        return self.prim("dict_items", [owner], ty.list_of(ty.tuple_of(*owner.type.args)), node)

    def dict_update(self, owner, node, other):
        self.effect("dict_update", [owner, self.convert(other, owner.type, node)], node)
        return NOTHING

    def dict_clear(self, owner, node):
        self.effect("dict_clear", [owner], node)
        return NOTHING

    def dict_copy(self, owner, node):
        return self.prim("dict_copy", [owner], owner.type, node)

    # -- texts

    def str_format(self, owner, node, *values):
        if not isinstance(owner, Static):
            return self.prim("str_format", [owner, *values], ty.STR, node)
        return self.formatted(owner.obj, values, node)

    def str_join(self, owner, node, items):
        return self.prim("str_join", [owner, self.as_list(items, node)], ty.STR, node)

    def str_split(self, owner, node, sep=NOTHING):
        return self.prim("str_split", [owner, sep], ty.list_of(ty.STR), node)

    def str_strip(self, owner, node, chars=NOTHING):
        return self.prim("str_strip", [owner, chars], ty.STR, node)

    def str_lstrip(self, owner, node, chars=NOTHING):
        return self.prim("str_lstrip", [owner, chars], ty.STR, node)

    def str_rstrip(self, owner, node, chars=NOTHING):
        return self.prim("str_rstrip", [owner, chars], ty.STR, node)

    def str_upper(self, owner, node):
        return self.prim("str_upper", [owner], ty.STR, node)

    def str_lower(self, owner, node):
        return self.prim("str_lower", [owner], ty.STR, node)

    def str_replace(self, owner, node, old, new):
        return self.prim("str_replace", [owner, old, new], ty.STR, node)

    def str_find(self, owner, node, part):
        return self.prim("str_find", [owner, part], ty.INT, node)

    def str_count(self, owner, node, part):
        return self.prim("str_count", [owner, part], ty.INT, node)

    def str_startswith(self, owner, node, part):
        return self.prim("str_startswith", [owner, part], ty.BOOL, node)

    def str_endswith(self, owner, node, part):
        return self.prim("str_endswith", [owner, part], ty.BOOL, node)

