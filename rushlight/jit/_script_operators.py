"""Calls of registered operators from scripted programs: arguments as the operator's signature binds them."""
import ast
from functools import cache
from typing import NamedTuple

from rushlight import _C
from rushlight.jit import _script_types as ty
from rushlight.jit._script_values import NOTHING, Dyn, Seq, Shape, Static, told, type_of

Operator = type(_C.add)
_IGNORED = ("device", "layout", "pin_memory", "memory_format", "names", "generator")
_KEYWORDS = {"axis": "dim", "keepdims": "keepdim", "self": "input", "x": "input", "a": "input", "x2": "other"}
_DTYPES = {float: _C.float64, int: _C.int64, bool: _C.bool}


class Param(NamedTuple):
    name: str
    types: frozenset                     # "Tensor", "int", "int[]", "None", ...
    default: object                      # a value, or None where the argument must be given
    keyword_only: bool
    repeat: int                          # 2 of int[2], 0 of int[]
    text: str


class Record(NamedTuple):
    id: str
    name: str
    params: tuple
    returns: str
    writes_first: bool
    in_place: bool
    spread: int


@cache
def _records():
    """All operators by signature, and by id."""
    found = _C.operators()
    return {op["signature"]: op for op in found}, {op["id"]: op for op in found}


@cache
def _record(signature, id=None):
    op = _records()[1][id] if id else _records()[0][signature]
    inside, returns = op["signature"].split("(", 1)[1].rsplit(" -> ", 1)
    params, keyword_only = [], False
    for text in _split(inside.strip()[:-1]):
        if text == "*":
            keyword_only = True
            continue
        name, _, rest = text.partition(":")
        kind, equals, default = rest.partition("=")
        params.append(_param(name.strip(), kind.strip(), default.strip() if equals else None, keyword_only))
    spread = next((i for i, p in enumerate(params) if "int[]" in p.types and not p.repeat), -1)
    return Record(op["id"], op["name"], tuple(params), returns.strip(), op["writes_first"], op["in_place"], spread)


def _param(name, kind, default, keyword_only):
    types, repeat = set(), 0
    for part in kind.split("|"):
        word, bracket, count = part.strip().partition("[")
        if bracket and count != "]":
            repeat = int(count[:-1])
        types.add(word + "[]" if bracket else word)
    if default is not None:
        default = Static(ast.literal_eval(default))
        if isinstance(default.obj, tuple):
            default = Seq("tuple", [Static(x) for x in default.obj])
    return Param(name, frozenset(types), default, keyword_only, repeat, kind)


def _split(text):
    """Splits at commas outside brackets and quotes."""
    parts, depth, quoted, begin = [], 0, "", 0
    for at, mark in enumerate(text):
        if quoted:
            quoted = "" if mark == quoted else quoted
        elif mark in "'\"":
            quoted = mark
        elif mark in "([":
            depth += 1
        elif mark in ")]":
            depth -= 1
        elif mark == "," and not depth:
            parts.append(text[begin:at].strip())
            begin = at + 1
    return [part for part in [*parts, text[begin:].strip()] if part]


def record_of(operator):
    """What is known of a public operator."""
    signature = operator.__doc__.split("\n\n")[0]
    try:
        return _record(signature)
    except KeyError:
        return _record(None, operator.__name__)


class Operators:
    """Calls of operators; a part of the compiler."""

    def operate(self, id, values, node, in_place=False):
        """The result of the operator of this id."""
        return self.call_record(_record(None, id), values, {}, node, in_place)

    def call_operator(self, operator, args, kwargs, node):
        record = record_of(operator)
        name = operator.__name__
        in_place = record.writes_first or (name[-1] == "_" != name[-2:-1] and not record.name.endswith("_"))
        return self.call_record(record, args, kwargs, node, in_place)

    def call_record(self, record, args, kwargs, node, in_place=False):
        bound, kwargs = {}, dict(kwargs)
        out = kwargs.pop("out", NOTHING)
        self._bind_positions(record, args, bound, node)
        for key, value in kwargs.items():
            name = key if any(p.name == key for p in record.params) else _KEYWORDS.get(key, key)
            if not any(p.name == name for p in record.params):
                self._option(record, key, value, node)
                continue
            if name in bound:
                raise self.error(node, f"{record.name}: got several values for argument '{name}'")
            bound[name] = value
        texts = []
        for p in record.params:
            value = bound.get(p.name, p.default)
            if value is None:
                raise self.error(node, f"{record.name}: missing argument '{p.name}'; expected {p.text}")
            text = self._argument(record, p, value, node)
            texts.append(f"{p.name}={text}" if p.keyword_only else text)
        into = f" into {texts[0]}" if in_place or record.writes_first else ""
        found = self._results(record, f"{record.id}({', '.join(texts)}){into}", node)
        if isinstance(out, Static) and out.obj is None:
            return found
        for target, value in zip(self.unpacked(out, node) if isinstance(out, Seq) else [out],
                                 found.items if isinstance(found, Seq) else [found], strict=True):
            self.operate("copy_", [target, value], node)
        return out

    def _bind_positions(self, record, args, bound, node):
        positional = [p for p in record.params if not p.keyword_only]
        for at, value in enumerate(args):
            if at >= len(positional):
                raise self.error(node, f"{record.name}: takes {len(positional)} positional arguments but {len(args)} "
                                       "were given")
            p, rest = positional[at], args[at:]
            last = at == len(positional) - 1
            if at == record.spread and _is_int(value) and (last or len(rest) > len(positional) - at):
                bound[p.name] = Seq("list", list(rest))
                return
            bound[p.name] = value

    def _option(self, record, key, value, node):
        if key in _IGNORED or (key == "requires_grad" and isinstance(value, Static) and not value.obj):
            return
        raise self.error(node, f"{record.name}: unexpected argument '{key}'; expected "
                        f"{', '.join(p.name for p in record.params)}")

    def _results(self, record, what, node):
        returns = record.returns
        if returns == "None":
            self.line(what, [], node)
            return NOTHING
        if returns == "Tensor":
            return self.line(what, [ty.TENSOR], node)[0]
        if returns == "Tensor[]":
            return self.line(what, [ty.list_of(ty.TENSOR)], node)[0]
        count = returns.count(":")
        linalg = f"linalg_{record.name}"
        cls = _C._return_types.get(record.name) or _C._return_types.get(linalg)
        found = self.line(what, [ty.TENSOR] * count, node)
        return found[0] if count == 1 else Seq("tuple", found, cls)

    def _argument(self, record, p, value, node):
        found = self._written(p, value, node)
        if found is None:
            raise self.error(node, f"{record.name}: argument '{p.name}' is {_of_type(value)}; expected {p.text}")
        return found

    def _written(self, p, value, node):
        """The text of an argument, or None where it does not fit."""
        kind, types = type_of(value), p.types
        if isinstance(value, Static) and value.obj in _DTYPES and "dtype" in types:
            return self.written(_DTYPES[value.obj], node)
        if isinstance(value, Static) and value.obj is None:
            return "None" if types & {"None", "Generator"} else None
        if kind is None:
            return self._list(p, value, node) if isinstance(value, Seq) else None
        if kind.kind == "optional":
            return self._optional(p, value, kind, node)
        if kind == ty.TENSOR:
            if "Tensor" in types:
                return self.operand(value, node)
            if types & {"Number", "float", "int"}:
                return self._number_of_tensor(types, value, node)
            return None
        if kind in (*ty.NUMBERS, ty.NUMBER):
            return self._number(p, value, kind, node)
        if (kind == ty.STR and "str" in types) or (kind == ty.DTYPE and "dtype" in types):
            return self.operand(value, node)
        return self._list(p, value, node)

    def _optional(self, p, value, kind, node):
        if "None" not in p.types:
            return None
        inner, types = kind.args[0], p.types
        wanted = {ty.TENSOR: ("Tensor",), ty.INT: ("int", "float", "Number"), ty.FLOAT: ("float", "Number"),
                  ty.BOOL: ("bool",), ty.STR: ("str",), ty.DTYPE: ("dtype",), ty.list_of(ty.INT): ("int[]",)}
        fits = types & set(wanted.get(inner, ()))
        return self.operand(value, node) if fits else None

    def _number_of_tensor(self, types, value, node):
        if "Number" in types:
            return self.prim("tensor_item", [value], ty.NUMBER, node).ref
        if "float" in types:
            return self.prim("to_float", [value], ty.FLOAT, node).ref
        return self.prim("to_int", [value], ty.INT, node).ref

    def _number(self, p, value, kind, node):
        types = p.types
        if "Number" in types or (kind == ty.BOOL and "bool" in types):
            return self.operand(value, node)
        if kind == ty.BOOL or (kind == ty.INT and not types & {"int", "int[]"}):
            wanted = ty.INT if "int" in types else ty.FLOAT if "float" in types else None
            if wanted is not None:
                value = self._cast(value, wanted, node)
                return self.operand(value, node)
        if kind == ty.INT and "bool" in types and isinstance(value, Static):
            return str(bool(value.obj))
        if kind == ty.INT and "int" in types:
            return self.operand(value, node)
        if kind in (ty.FLOAT, ty.NUMBER) and "float" in types:
            return self.operand(self._cast(value, ty.FLOAT, node) if kind == ty.NUMBER else value, node)
        if kind in (ty.INT, ty.BOOL) and "int[]" in types:
            return f"[{', '.join([self.operand(value, node)] * max(1, p.repeat))}]"
        return None

    def _cast(self, value, wanted, node):
        if isinstance(value, Static):
            return Static((int if wanted == ty.INT else float)(value.obj))
        return self.prim("to_int" if wanted == ty.INT else "to_float", [value], wanted, node)

    def _list(self, p, value, node):
        if not isinstance(value, Seq):
            kind = type_of(value)
            item = kind.args[0] if kind is not None and kind.kind == "list" else None
            fits = (item == ty.TENSOR and "Tensor[]" in p.types) or (item == ty.INT and "int[]" in p.types) or (
                item in (ty.INT, ty.FLOAT) and "float[]" in p.types)
            if item is None and kind is not None and kind.kind == "tuple":
                return self._list(p, Seq("tuple", self.unpacked(value, node)), node)
            if not fits:
                return None
            return (self.made(value, node) if isinstance(value, Shape) else value).ref
        items = value.items
        kinds = [type_of(item) for item in items]
        if "Tensor[]" in p.types and all(kind == ty.TENSOR for kind in kinds):
            return f"[{', '.join(self.operand(item, node) for item in items)}]"
        if "int[]" in p.types and all(kind in (ty.INT, ty.BOOL, ty.TENSOR) for kind in kinds):
            texts = [self.operand(self._cast(item, ty.INT, node) if kind != ty.INT else item, node)
                     for item, kind in zip(items, kinds, strict=True)]
            return f"[{', '.join(texts * p.repeat if p.repeat > 1 and len(texts) == 1 else texts)}]"
        if "float[]" in p.types and all(kind in ty.NUMBERS for kind in kinds):
            texts = [self.operand(self._cast(item, ty.FLOAT, node) if kind != ty.FLOAT else item, node)
                     for item, kind in zip(items, kinds, strict=True)]
            if all(isinstance(item, Static) for item in items):
                return f"[{', '.join(texts)}]"
            return self.made(Seq("list", [self._cast(i, ty.FLOAT, node) for i in items]), node,
                             ty.list_of(ty.FLOAT)).ref
        return None


def _is_int(value):
    kind = type_of(value)
    return kind == ty.INT or (kind == ty.TENSOR and isinstance(value, Dyn))


def _of_type(value):
    kind = type_of(value)
    return f"of type {kind}" if kind is not None else told(value)
