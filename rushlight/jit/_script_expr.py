"""Expressions of scripted programs: operators, comparisons, containers, and what is known of None."""
import ast
import operator

from rushlight.jit import _script_types as ty
from rushlight.jit._script_graph import Block, literal
from rushlight.jit._script_values import (
    LITERALS,
    NOTHING,
    Bound,
    Closure,
    Conflict,
    Dyn,
    Instance,
    Items,
    Map,
    Seq,
    Shape,
    Slice,
    Static,
    is_known,
    lift,
    lower,
    told,
    type_of,
)

# Of Python's operators: the function, the operator of tensors, the primitive of numbers.
BINARY = {ast.Add: (operator.add, "add", "num_add"), ast.Sub: (operator.sub, "sub", "num_sub"),
          ast.Mult: (operator.mul, "mul", "num_mul"), ast.Div: (operator.truediv, "div", "num_div"),
          ast.FloorDiv: (operator.floordiv, "floor_divide", "num_floordiv"),
          ast.Mod: (operator.mod, "remainder", "num_mod"), ast.Pow: (operator.pow, "pow", "num_pow"),
          ast.MatMult: (operator.matmul, "matmul", None), ast.BitAnd: (operator.and_, "bitwise_and", "int_and"),
          ast.BitOr: (operator.or_, "bitwise_or", "int_or"), ast.BitXor: (operator.xor, "bitwise_xor", "int_xor"),
          ast.LShift: (operator.lshift, "bitwise_left_shift", "int_lshift"),
          ast.RShift: (operator.rshift, "bitwise_right_shift", "int_rshift")}
COMPARE = {ast.Eq: (operator.eq, "eq"), ast.NotEq: (operator.ne, "ne"), ast.Lt: (operator.lt, "lt"),
           ast.LtE: (operator.le, "le"), ast.Gt: (operator.gt, "gt"), ast.GtE: (operator.ge, "ge")}
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
          ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
          ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in"}
_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_NUMERIC = (ty.INT, ty.FLOAT, ty.BOOL, ty.NUMBER)


def _known_item(kind):
    """The type of an empty list that nothing says more of: of Tensors, as in PyTorch."""
    return ty.list_of(ty.TENSOR) if kind == ty.list_of(ty.UNKNOWN) else kind


class Expressions:
    """Expressions; a part of the compiler."""

    # -- values of the graph

    def prim(self, name, values, type, node):
        """A value primitive's result."""
        return self.line(f"{name}({', '.join(self.operand(v, node) for v in values)})", [type], node)[0]

    def effect(self, name, values, node):
        """A value primitive without result."""
        self.line(f"{name}({', '.join(self.operand(v, node) for v in values)})", [], node)

    def line(self, what, types, node):
        return self.graph.add(what + (" no_grad" if any(self.no_grad) else ""), types, self.place(node))

    def placeholder(self, type):
        """An operand of a type that nobody reads."""
        return "None" if type == ty.NONE else self.graph.add("unset()", [type])[0].ref

    def operand(self, value, node):
        """How the graph writes a value."""
        if isinstance(value, Dyn):
            return value.ref
        if isinstance(value, Static):
            if isinstance(value.obj, LITERALS):
                return self.written(value.obj, node)
            raise self.error(node, f"{told(value)} is no value; expected a tensor, number, text, list, tuple or dict")
        if isinstance(value, Conflict):
            raise self.error(node, f"{value.why}; expected a value on every way to here")
        return self.made(value, node).ref

    def written(self, obj, node):
        try:
            return literal(obj)
        except OverflowError as error:
            raise self.error(node, str(error)) from None

    def made(self, value, node, wanted=None):
        """A container as a value of the graph."""
        kind = type_of(value)
        if kind is None:
            raise self.error(node, f"{told(value)} is no value; expected items of one type, which are no functions or "
                                   "modules")
        kind = _known_item(wanted or kind)
        if isinstance(value, Shape):
            return self.prim("tensor_shape", [value.tensor], kind, node)
        if isinstance(value, Seq) and value.kind == "tuple":
            items = [self.convert(v, t, node) for v, t in zip(value.items, kind.args, strict=True)]
            return self.prim("tuple_make", items, kind, node)
        if isinstance(value, Seq):
            return self.prim("list_make", [self.convert(v, kind.args[0], node) for v in value.items], kind, node)
        if isinstance(value, Map):
            items = [x for key, item in value.items.items()
                     for x in (lift(key), self.convert(item, kind.args[1], node))]
            return self.prim("dict_make", items, kind, node)
        raise self.error(node, f"{told(value)} is no value of a scripted program")

    def settled(self, value, node):
        """A value as a variable of the user's program holds it: lists and dicts are the graph's."""
        if self.frame.library:
            return value
        if isinstance(value, Seq) and value.kind == "tuple":
            return Seq("tuple", [self.settled(item, node) for item in value.items], value.cls)
        if isinstance(value, Seq) and type_of(value) is None:
            kinds = [type_of(item) for item in value.items]
            if None in kinds:
                return value
            raise self.error(node, f"the list holds items of types {', '.join(map(str, kinds))}; expected one type")
        return self.made(value, node) if isinstance(value, Seq | Map | Shape) else value

    def convert(self, value, wanted, node, complaint=None):
        """A value as one of the wanted type, where it fits."""
        kind = type_of(value)
        if isinstance(value, Seq | Map | Shape) and kind is not None and self._as_wanted(value, kind, wanted):
            return self._container(value, wanted, node)
        if kind is not None and ty.fits(kind, wanted):
            return value
        if self.frame.library and isinstance(value, Seq) and wanted.kind == "list" and value.kind == "tuple":
            return self.made(Seq("list", value.items), node, wanted)
        if wanted == ty.FLOAT and kind in (ty.INT, ty.BOOL) and (self.frame.library or complaint is None):
            return self.number(value, ty.FLOAT, node)
        if wanted == ty.INT and kind == ty.BOOL and self.frame.library:
            return self.prim("to_int", [value], ty.INT, node)
        got = f"of type {kind}" if kind is not None else told(value)
        raise self.error(node, complaint(got) if complaint else f"found a value {got}; expected {wanted}")

    def _as_wanted(self, value, kind, wanted):
        inner = wanted.args[0] if wanted.kind == "optional" else wanted
        if kind.kind != inner.kind:
            return False
        if isinstance(value, Seq) and value.kind == "list":
            return all(self._can(item, inner.args[0]) for item in value.items)
        if isinstance(value, Map):
            return all(self._can(item, inner.args[1]) for item in value.items.values())
        if isinstance(value, Seq):
            return len(value.items) == len(inner.args) and all(map(self._can, value.items, inner.args))
        return ty.fits(kind, inner)

    def _can(self, value, wanted):
        kind = type_of(value)
        return kind is not None and (ty.fits(kind, wanted) or (isinstance(value, Seq | Map | Shape)
                                                              and self._as_wanted(value, kind, wanted)))

    def _container(self, value, wanted, node):
        inner = wanted.args[0] if wanted.kind == "optional" else wanted
        if isinstance(value, Seq) and value.kind == "tuple":
            return Seq("tuple", [self.convert(v, t, node) for v, t in zip(value.items, inner.args, strict=True)],
                       value.cls)
        return self.made(value, node, inner)

    # -- evaluation

    def eval(self, node):
        do = getattr(self, "eval_" + type(node).__name__, None)
        if do is None:
            self.unsupported(node)
        return do(node)

    def eval_Constant(self, node):
        if node.value is Ellipsis or isinstance(node.value, bytes | complex):
            if node.value is not Ellipsis:
                self.unsupported(node, f"a constant of type {type(node.value).__name__}")
        return Static(node.value)

    def eval_Name(self, node):
        value = self.lookup(node.id, node)
        if isinstance(value, Conflict):
            raise self.error(node, f"{value.why}; expected a value on every way to here")
        return value

    def eval_Tuple(self, node):
        return self._display("tuple", node)

    def eval_List(self, node):
        return self._display("list", node)

    def _display(self, kind, node):
        items = []
        for at, item in enumerate(node.elts):
            if not isinstance(item, ast.Starred):
                items.append(self.eval(item))
                continue
            value = self.eval(item.value)
            parts = self.items_of(value, item).parts
            if parts is None:                        # of unknown length: all of it is one list
                return self._spliced(items, value, node.elts[at + 1:], node)
            items += parts
        return Seq(kind, items)

    def _spliced(self, before, value, rest, node):
        whole = self.as_list(value, node)
        if before:
            whole = self.prim("list_add", [self.made(Seq("list", before), node, whole.type), whole], whole.type, node)
        for item in rest:
            more = self.as_list(self.eval(item.value), node) if isinstance(item, ast.Starred) else self.made(
                Seq("list", [self.eval(item)]), node, whole.type)
            whole = self.prim("list_add", [whole, more], whole.type, node)
        return whole

    def as_list(self, value, node):
        """Anything that has items as a list of the graph."""
        kind = type_of(value)
        if isinstance(value, Seq):
            return self.made(Seq("list", value.items), node)
        if kind is not None and kind.kind == "list":
            return value if isinstance(value, Dyn) else self.made(value, node)
        items = self.items_of(value, node)
        if items.parts is not None:
            return self.made(Seq("list", items.parts), node)
        return self.listed(items, lambda item: item, node)

    def eval_Dict(self, node):
        if any(key is None for key in node.keys):
            self.unsupported(node, "** in a dict")
        keys, values = [self.eval(k) for k in node.keys], [self.eval(v) for v in node.values]
        if all(map(is_known, keys)) and self.frame.library:
            return Map({lower(k): v for k, v in zip(keys, values, strict=True)})
        if not keys:
            return Map({})
        kinds = [type_of(Seq("list", part)) for part in (keys, values)]
        if None in kinds:
            raise self.error(node, "the dict's keys or values differ in type; expected one type of each")
        kind = ty.dict_of(kinds[0].args[0], kinds[1].args[0])
        return self.prim("dict_make", [x for k, v in zip(keys, values, strict=True)
                                       for x in (k, self.convert(v, kind.args[1], node))], kind, node)

    def eval_IfExp(self, node):
        test = self.condition(node.test)

        def side(truth, part):
            self.refine(node.test, truth)
            return self.eval(part)
        return self.choose(test, node, lambda: side(True, node.body), lambda: side(False, node.orelse))

    def eval_NamedExpr(self, node):
        value = self.eval(node.value)
        self.assign(node.target, value)
        return value

    def eval_JoinedStr(self, node):
        pattern, values = "", []
        for part in node.values:
            if isinstance(part, ast.Constant):
                pattern += part.value.replace("{", "{{").replace("}", "}}")
                continue
            value = self.eval(part.value)
            if part.conversion in (114, 97):
                value = self.representation(value, part)
            spec = "" if part.format_spec is None else lower(self.eval(part.format_spec))
            pattern += "{:" + spec + "}" if spec else "{}"
            values.append(value)
        return self.formatted(pattern, values, node)

    def formatted(self, pattern, values, node):
        """`pattern.format(*values)`."""
        values = [Static(self.name_of(v)) if isinstance(v, Static) and not isinstance(v.obj, LITERALS) else v
                  for v in values]
        if all(is_known(v) for v in values):
            return Static(pattern.format(*map(lower, values)))
        return self.prim("str_format", [Static(pattern), *values], ty.STR, node)

    def name_of(self, value):
        return str(value.obj)

    def representation(self, value, node):
        return Static(repr(lower(value))) if is_known(value) else self.prim("repr", [value], ty.STR, node)

    def text_of(self, value, node):
        """str(value)."""
        if type_of(value) == ty.STR:
            return value
        return Static(str(lower(value))) if is_known(value) else self.prim("to_str", [value], ty.STR, node)

    # -- truth

    def condition(self, node):
        """True or False where it is known, else a bool of the graph."""
        if isinstance(node, ast.BoolOp):
            return self.truth(self.eval_BoolOp(node, True), node)
        return self.truth(self.eval(node), node)

    def truth(self, value, node):
        if isinstance(value, Static):
            return bool(value.obj) if isinstance(value.obj, (*LITERALS, tuple, list, dict)) or hasattr(
                value.obj, "__len__") else True
        if isinstance(value, Seq | Map):
            return bool(value.items)
        if isinstance(value, Bound | Closure | Instance):
            return True
        kind = type_of(value)
        if kind == ty.BOOL:
            return value
        if kind in (ty.TENSOR, *_NUMERIC) or (self.frame.library and kind is not None):
            return self.prim("to_bool", [value], ty.BOOL, node)
        raise self.error(node, f"the condition is {told(value)}; expected bool, int, float or a Tensor of one element")

    def as_value(self, truth):
        return Static(truth) if isinstance(truth, bool) else truth

    def eval_BoolOp(self, node, truth=False):
        stops = isinstance(node.op, ast.Or)          # the truth at which the rest is not looked at
        truth = truth or not self.frame.library      # our own code may mean the value, as in `stride or kernel_size`

        def rest(parts):
            first = self.eval(parts[0])
            if len(parts) == 1:
                return self.as_value(self.truth(first, parts[0])) if truth else first
            test = self.truth(first, parts[0])
            kept = self.as_value(test) if truth else first
            if isinstance(test, bool):
                if test == stops:
                    return kept
                self.refine(parts[0], test)
                return rest(parts[1:])

            def go_on():
                self.refine(parts[0], not stops)
                return rest(parts[1:])
            ways = (lambda: kept, go_on)
            return self.choose(test, node, *(ways if stops else ways[::-1]))
        before = dict(self.frame.env)
        found = rest(node.values)
        for name, value in before.items():           # what the parts know of None ends with the expression
            now = self.frame.env.get(name)
            if now is not value and getattr(now, "origin", None) is value:
                self.frame.env[name] = value
        return found

    def eval_UnaryOp(self, node):
        if isinstance(node.op, ast.Not):
            test = self.condition(node.operand)
            return Static(not test) if isinstance(test, bool) else self.prim("bool_not", [test], ty.BOOL, node)
        value = self.eval(node.operand)
        kind = type_of(value)
        if isinstance(value, Static) and kind in _NUMERIC:
            return Static({ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert}[type(node.op)](
                value.obj))
        if isinstance(node.op, ast.UAdd):
            return value
        if kind == ty.TENSOR:
            return self.operate("neg" if isinstance(node.op, ast.USub) else "bitwise_not", [value], node)
        if kind in _NUMERIC:
            name = "num_neg" if isinstance(node.op, ast.USub) else "int_invert"
            return self.prim(name, [value], ty.INT if kind == ty.BOOL else kind, node)
        raise self.error(node, f"{told(value)} has no such operator; expected a number or Tensor")

    def refine(self, test, truth):
        """What a condition that came out as `truth` says of names that may be None."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.refine(test.operand, not truth)
        elif isinstance(test, ast.BoolOp) and truth == isinstance(test.op, ast.And):
            for part in test.values:
                self.refine(part, truth)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1:
            left, op, right = test.left, test.ops[0], test.comparators[0]
            if isinstance(right, ast.Constant) and right.value is None and isinstance(
                    op, ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
                self._known_none(left, isinstance(op, ast.Is | ast.Eq) == truth)
        elif isinstance(test, ast.Call) and isinstance(test.func, ast.Name | ast.Attribute) and truth and test.args:
            if getattr(test.func, "id", getattr(test.func, "attr", "")) == "isinstance":
                self._known_none(test.args[0], False)
        elif isinstance(test, ast.Name) and truth:
            self._known_none(test, False)

    def _known_none(self, node, none):
        if not isinstance(node, ast.Name):
            return
        value = self.frame.env.get(node.id)
        if isinstance(value, Dyn) and value.type.kind == "optional":
            if none:
                self.frame.env[node.id] = Static(None, value)
            else:
                made = self.prim("unwrap", [value], value.type.args[0], node)
                made.origin = value
                self.frame.env[node.id] = made

    # -- operators

    def eval_BinOp(self, node):
        return self.binary(type(node.op), self.eval(node.left), self.eval(node.right), node)

    def binary(self, kind, a, b, node):
        function, on_tensors, on_numbers = BINARY[kind]
        folded = self._folded(function, a, b)
        if folded is not None:
            return folded
        types = ta, tb = type_of(a), type_of(b)
        if isinstance(a, Map) and isinstance(b, Map) and kind is ast.BitOr:
            return Map(a.items | b.items)
        if ty.TENSOR in types and all(t == ty.TENSOR or t in _NUMERIC for t in types):
            return self.operate(on_tensors, [a, b], node)
        if all(t in _NUMERIC for t in types) and on_numbers:
            return self._arithmetic(kind, on_numbers, a, b, types, node)
        if kind is ast.Add:
            found = self._concatenated(a, b, ta, tb, node)
        elif kind is ast.Mult:
            found = self._repeated(a, b, ta, tb, node)
        elif kind is ast.Mod and ta == ty.STR:
            values = b.items if isinstance(b, Seq) and b.kind == "tuple" else [b]
            found = self.prim("str_percent", [a, *values], ty.STR, node)
        else:
            found = None
        if found is None:
            raise self.error(node, f"{_SIGNS[kind]} of {told(a)} and {told(b)}; expected operands that Python's "
                                   f"{_SIGNS[kind]} "
                            "takes, of known type")
        return found

    def _folded(self, function, a, b):
        if not (isinstance(a, Static) and isinstance(b, Static)):
            return None
        if not (isinstance(a.obj, bool | int | float | str) and isinstance(b.obj, bool | int | float | str)):
            return None
        try:
            made = function(a.obj, b.obj)
        except (ArithmeticError, ValueError, TypeError):
            return None
        fine = isinstance(made, str | float) or (isinstance(made, int) and -2**63 <= made < 2**63)
        return Static(made) if fine else None

    def _arithmetic(self, kind, name, a, b, types, node):
        if name.startswith("int_"):
            if not all(t in (ty.INT, ty.BOOL) for t in types):
                raise self.error(node, f"{_SIGNS[kind]} of {told(a)} and {told(b)}; expected ints or bools")
            both = types == (ty.BOOL, ty.BOOL) and kind not in (ast.LShift, ast.RShift)
            return self.prim(name, [a, b], ty.BOOL if both else ty.INT, node)
        made = ty.FLOAT if kind is ast.Div or ty.FLOAT in types else ty.NUMBER if ty.NUMBER in types else ty.INT
        if kind is ast.Pow and made == ty.INT and isinstance(b, Static) and b.obj < 0:
            made = ty.FLOAT
        if made == ty.FLOAT and kind is not ast.Div:
            a, b = (self.prim("to_float", [v], ty.FLOAT, node) if t == ty.NUMBER else Static(float(v.obj))
                    if isinstance(v, Static) else v for v, t in zip((a, b), types, strict=True))
        return self.prim(name, [a, b], made, node)

    def _concatenated(self, a, b, ta, tb, node):
        if ta == tb == ty.STR:
            return self.prim("str_add", [a, b], ty.STR, node)
        if isinstance(a, Seq) and isinstance(b, Seq) and a.kind == b.kind:
            return Seq(a.kind, a.items + b.items)
        if None in (ta, tb):
            return None
        if ta.kind == tb.kind == "tuple":
            return Seq("tuple", self.unpacked(a, node) + self.unpacked(b, node))
        if (ta.kind == "list" and tb.kind in ("list", "tuple")) or (tb.kind == "list" and ta.kind == "tuple"):
            wanted = ta if ta.kind == "list" and ta.args[0] != ty.UNKNOWN else tb
            a, b = (self.convert(Seq("list", v.items) if isinstance(v, Seq) else v, wanted, node) for v in (a, b))
            return self.prim("list_add", [a, b], wanted, node)
        return None

    def _repeated(self, a, b, ta, tb, node):
        if ta in (ty.INT, ty.BOOL):
            a, b, ta, tb = b, a, tb, ta
        if tb not in (ty.INT, ty.BOOL):
            return None
        if ta == ty.STR:
            return self.prim("str_mul", [a, b], ty.STR, node)
        if isinstance(a, Seq) and isinstance(b, Static):
            return Seq(a.kind, a.items * int(b.obj))
        if ta is not None and (ta.kind == "list" or isinstance(a, Seq)):
            whole = self.as_list(a, node)
            return self.prim("list_mul", [whole, b], whole.type, node)
        return None

    def eval_Compare(self, node):
        left = self.eval(node.left)

        def rest(left, at):
            right = self.eval(node.comparators[at])
            found = self.compared(type(node.ops[at]), left, right, node)
            if at + 1 == len(node.ops):
                return found
            test = self.truth(found, node)
            return self.choose(test, node, lambda: rest(right, at + 1), lambda: Static(False))
        return rest(left, 0)

    def compared(self, kind, a, b, node):
        if kind in (ast.Is, ast.IsNot):
            return self._identical(a, b, kind is ast.Is, node)
        if kind in (ast.In, ast.NotIn):
            found = self.contained(a, b, node)
            if kind is ast.In:
                return found
            return Static(not found.obj) if isinstance(found, Static) else self.prim("bool_not", [found], ty.BOOL, node)
        function, name = COMPARE[kind]
        if is_known(a) and is_known(b):
            return Static(bool(function(lower(a), lower(b))))
        ta, tb = type_of(a), type_of(b)
        if ty.NONE in (ta, tb) and kind in (ast.Eq, ast.NotEq):
            return self._identical(a, b, kind is ast.Eq, node)
        if ty.TENSOR in (ta, tb) and all(t == ty.TENSOR or t in _NUMERIC for t in (ta, tb)):
            if ta != ty.TENSOR:
                a, b, name = b, a, _MIRRORED.get(name, name)
            return self.operate(name, [a, b], node)
        if ta in _NUMERIC and tb in _NUMERIC:
            return self.prim("num_" + name, [a, b], ty.BOOL, node)
        if ta == tb == ty.STR and name not in ("eq", "ne"):
            return self.prim("str_" + name, [a, b], ty.BOOL, node)
        if name in ("eq", "ne") and None not in (ta, tb):
            return self._equal(a, b, ta, tb, name, node)
        raise self.error(node, f"{_SIGNS[kind]} of {told(a)} and {told(b)}; expected operands that can be compared")

    def _equal(self, a, b, ta, tb, name, node):
        if self.frame.library and {ta.kind, tb.kind} <= {"list", "tuple"}:      # sizes: tuples that are lists here
            a, b = self.as_list(a, node), self.as_list(b, node)
            ta, tb = type_of(a), type_of(b)
        both = ty.join(ta, tb)
        if both is None:
            return Static(name == "ne")              # values of different types are never equal
        a, b = (self.convert(v, both, node) for v in (a, b))
        return self.prim("value_" + name, [a, b], ty.BOOL, node)

    def _identical(self, a, b, same, node):
        if isinstance(a, Static) and isinstance(b, Static):
            return Static((a.obj is b.obj) == same)
        one, other = (a, b) if isinstance(b, Static) and b.obj is None else (b, a)
        if isinstance(other, Static) and other.obj is None:
            kind = type_of(one)
            if kind is None or kind.kind != "optional":
                return Static((kind == ty.NONE) == same)
            found = self.prim("is_none", [one], ty.BOOL, node)
            return found if same else self.prim("bool_not", [found], ty.BOOL, node)
        if self.frame.library:
            alike = isinstance(a, Dyn) and isinstance(b, Dyn)
            if not alike or a.ref == b.ref or not a.type == b.type == ty.TENSOR:
                return Static((a is b or (alike and a.ref == b.ref)) == same)
            found = self.prim("tensor_is", [a, b], ty.BOOL, node)
            return found if same else self.prim("bool_not", [found], ty.BOOL, node)
        if {type_of(a), type_of(b)} == {ty.BOOL}:
            return self.prim("num_eq" if same else "num_ne", [a, b], ty.BOOL, node)
        raise self.error(node, f"`is` of {told(a)} and {told(b)}; expected a comparison with None, True or False")

    def contained(self, item, whole, node):
        """`item in whole`."""
        if is_known(item) and is_known(whole):
            return Static(lower(item) in lower(whole))
        kind = type_of(whole)
        if isinstance(whole, Static) and isinstance(whole.obj, dict):
            whole = lift(whole.obj)
        if isinstance(whole, Map) and is_known(item):
            return Static(lower(item) in whole.items)
        if isinstance(whole, Seq):
            found = Static(False)
            for one in whole.items:
                test = self.truth(found, node)
                found = self.choose(test, node, lambda: Static(True),
                                    lambda one=one: self.compared(ast.Eq, item, one, node))
            return found
        if kind is not None and kind.kind in ("list", "dict"):
            return self.prim(f"{kind.kind}_contains", [whole, self.convert(item, kind.args[0], node)], ty.BOOL, node)
        if kind == type_of(item) == ty.STR:
            return self.prim("str_contains", [whole, item], ty.BOOL, node)
        raise self.error(node, f"`in` of {told(item)} and {told(whole)}; expected a list, dict or str")

    # -- comprehensions and what loops go over

    def eval_ListComp(self, node):
        return self._comprehension(node, lambda: self.eval(node.elt))

    eval_GeneratorExp = eval_ListComp

    def eval_SetComp(self, node):
        return self._comprehension(node, lambda: self.eval(node.elt)) if self.frame.library else self.unsupported(node)

    def eval_DictComp(self, node):
        pairs = self._comprehension(node, lambda: Seq("tuple", [self.eval(node.key), self.eval(node.value)]))
        if isinstance(pairs, Seq) and all(is_known(pair.items[0]) for pair in pairs.items):
            made = Map({lower(pair.items[0]): pair.items[1] for pair in pairs.items})
            return made if self.frame.library else self.settled(made, node)
        key, value = pairs.type.args[0].args
        made = self.prim("dict_make", [], ty.dict_of(key, value), node)

        def put(pair):
            self.effect("dict_set", [made, *self.unpacked(pair, node)], node)
        self.each(self.items_of(pairs, node), put, node)
        return made

    def _comprehension(self, node, make):
        names = [n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)]
        kept = {name: self.frame.env.pop(name, None) for name in names}
        try:
            return self._generated(node, node.generators, make)
        finally:
            for name, value in kept.items():
                self.frame.env.pop(name, None)
                if value is not None:
                    self.frame.env[name] = value

    def _generated(self, node, generators, make):
        first, *rest = generators
        items = self.items_of(self.eval(first.iter), first.iter)

        def inner(item):
            self.bind(first.target, item)
            return self._generated(node, rest, make) if rest else make()
        if items.parts is None:
            return self._chained(items, first, rest, make, node) if rest else self.listed(items, inner, node, first)
        found = []
        for part in items.parts:
            self.bind(first.target, part)
            if not self._wanted(first.ifs, node):
                continue
            found.append(inner(part))
        if not rest:
            return Seq("list", found)
        if all(isinstance(made, Seq) for made in found):
            return Seq("list", [item for made in found for item in made.items])
        whole, *more = [self.as_list(made, node) for made in found]
        for made in more:
            whole = self.prim("list_add", [whole, made], whole.type, node)
        return whole

    def _chained(self, items, first, rest, make, node):
        """The list of several `for`: each turn of the first adds a list to it."""
        def inner(item):
            self.bind(first.target, item)
            return self.as_list(self._generated(node, rest, make), node)
        kind = self._item_type(items, inner, node)
        whole = self.prim("list_make", [], kind, node)

        def put(item):
            def extend():
                self.effect("list_extend", [whole, self.convert(inner(item), kind, node)], node)
            self._where(first, item, extend, node)
        self.each(items, put, node)
        return whole

    def _where(self, generator, item, do, node):
        """Runs `do` where the generator's `if` hold for the item."""
        if not generator.ifs:
            do()
            return
        self.bind(generator.target, item)
        tests = list(generator.ifs)
        test = self.condition(ast.BoolOp(ast.And(), tests) if len(tests) > 1 else tests[0])
        if isinstance(test, bool):
            if test:
                do()
        else:
            self.branch(test, [do, lambda: None], node)

    def bind(self, target, value):
        """Assigns a comprehension's variable, which may have another type outside."""
        if isinstance(target, ast.Name):
            self.frame.env[target.id] = value
            return
        for part, item in zip(target.elts, self.unpacked(value, target, len(target.elts)), strict=True):
            self.bind(part, item)

    def _wanted(self, ifs, node):
        for test in ifs:
            found = self.condition(test)
            if not isinstance(found, bool):
                self.unsupported(node, "a comprehension's if that only the run knows, over items that are known")
            if not found:
                return False
        return True

    def listed(self, items, make, node, generator=None):
        """The list of what `make` gives of each item; the graph loops."""
        kind = ty.list_of(self._item_type(items, make, node))
        made = self.prim("list_make", [], kind, node)

        def put(item):
            def append():
                self.effect("list_append", [made, self.convert(make(item), kind.args[0], node)], node)
            if generator is None:
                append()
            else:
                self._where(generator, item, append, node)
        self.each(items, put, node)
        return made

    def _item_type(self, items, make, node):
        """What type `make` gives, found by trying."""
        outer, env = self.graph.block, dict(self.frame.env)
        self.graph.block = Block(outer)
        try:
            kind = type_of(make(items.at(self.graph.fresh(ty.INT))))
        finally:
            self.graph.block, self.frame.env = outer, env
        if kind is None:
            raise self.error(node, "the items of the list are no values; expected items of one type")
        return kind

    def each(self, items, do, node):
        """A loop of the graph over items."""
        self._loop(node, items.count, lambda k: do(items.at(k)), [])

    def items_of(self, value, node):
        """What a loop over a value goes over."""
        if isinstance(value, Items):
            return value
        if isinstance(value, Seq):
            return Items(parts=list(value.items))
        if isinstance(value, Map):
            return Items(parts=[lift(key) for key in value.items])
        if isinstance(value, Static):
            found = self.static_items(value.obj, node)
            if found is not None:
                return Items(parts=found)
        kind = type_of(value)
        if isinstance(value, Shape):
            value = self.made(value, node)
        if kind == ty.TENSOR:
            return Items(self.prim("tensor_len", [value], ty.INT, node), lambda k: self.operate(
                "select", [value, Static(0), k], node))
        if kind is not None and kind.kind == "dict":
            value, kind = self.prim("dict_keys", [value], ty.list_of(kind.args[0]), node), ty.list_of(kind.args[0])
        if kind is not None and kind.kind == "list":
            return Items(self.prim("list_len", [value], ty.INT, node), lambda k: self.prim(
                "list_index", [value, k], kind.args[0], node))
        if kind == ty.STR:
            return Items(self.prim("str_len", [value], ty.INT, node), lambda k: self.prim(
                "str_index", [value, k], ty.STR, node))
        if kind is not None and kind.kind == "tuple":
            return Items(parts=self.unpacked(value, node))
        raise self.error(node, f"{told(value)} can't be looped over; expected range, a list, tuple, dict, str, Tensor, "
                        "enumerate, zip, or a container of modules")

    def unpacked(self, value, node, count=None):
        """The items of a value; `count` of them are wanted where only the run knows how many there are."""
        if isinstance(value, Seq):
            parts = list(value.items)
        elif isinstance(value, Dyn) and value.type.kind == "tuple":
            parts = self.line(f"tuple_unpack({value.ref})", value.type.args, node) if value.type.args else []
        else:
            items = self.items_of(value, node)
            parts = items.parts
            if parts is None:
                if count is None:
                    raise self.error(node, f"{told(value)} has a number of items that only the run knows; expected a "
                                           "tuple")
                if type_of(value) == ty.TENSOR:
                    value = self.operate("unbind", [value], node)
                whole = self.as_list(value, node)
                return self.line(f"list_unpack({whole.ref})", [whole.type.args[0]] * count, node)
        if count is not None and len(parts) != count:
            raise self.error(node, f"{told(value)} has {len(parts)} items; expected {count}")
        return parts

    # -- assignment

    def do_Assign(self, node):
        value = self.eval(node.value)
        for target in node.targets:
            self.assign(target, value)

    def do_AnnAssign(self, node):
        kind = self.annotation(node.annotation)
        if not isinstance(node.target, ast.Name):
            if node.value is not None:
                self.assign(node.target, self._annotated(node, kind))
            return
        if kind.kind == "object" and ty.is_interface(kind.args[0]):
            self.frame.env[node.target.id] = self._of_interface(self.eval(node.value), kind.args[0], node)
            return
        known = self.frame.types.get(node.target.id)
        if known is not None and known != kind and not self.frame.library:
            raise self.error(node, f"variable '{node.target.id}' is annotated as {kind} and had type {known}; "
                                   "expected one type")
        self.frame.types[node.target.id] = kind
        if node.value is not None:
            self.frame.env[node.target.id] = self._annotated(node, kind)

    def _of_interface(self, value, cls, node):
        obj = value.obj if isinstance(value, Static) else None
        missing = [name for name in cls.__rushlight_interface__ if not hasattr(obj, name)]
        if obj is None or missing:
            raise self.error(node, f"the variable is annotated as interface {cls.__name__} and assigned {told(value)}; "
                                   f"expected a module with the methods {', '.join(cls.__rushlight_interface__)}")
        return value

    def _annotated(self, node, kind):
        value = self.eval(node.value)
        made = self.convert(value, kind, node, lambda got: f"the variable is annotated as {kind} and assigned a value "
                                                           f"{got}; expected one type")
        return self.settled(made, node)

    def assign(self, target, value):
        if isinstance(target, ast.Name):
            self.frame.env[target.id] = self._variable(target, value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.eval(target.value), target.attr, value, target)
        elif isinstance(target, ast.Subscript):
            self.set_item(self.eval(target.value), self.index(target.slice), value, target)
        else:
            self.unsupported(target)

    def _variable(self, target, value):
        frame, name = self.frame, target.id
        if isinstance(value, Conflict):
            raise self.error(target, value.why)
        if frame.library or name == "_":             # which nobody reads
            return value
        known, kind = frame.types.get(name), type_of(value)
        if known is not None:
            value = self.convert(value, known, target, lambda got: (
                f"variable '{name}' had type {known} and is assigned a value {got}; expected one type for each "
                "variable"))
            return self.settled(value, target)
        value = self.settled(value, target)
        if kind is not None:
            frame.types[name] = type_of(value)
        return value

    def _unpack(self, target, value):
        starred = [i for i, t in enumerate(target.elts) if isinstance(t, ast.Starred)]
        if not starred:
            for part, item in zip(target.elts, self.unpacked(value, target, len(target.elts)), strict=True):
                self.assign(part, item)
            return
        at, after = starred[0], len(target.elts) - starred[0] - 1
        kind = type_of(value)
        if not isinstance(value, Seq) and kind is not None and kind.kind == "list":
            self._unpack_list(target, value if isinstance(value, Dyn) else self.made(value, target), at, after)
            return
        parts = self.unpacked(value, target)
        if len(parts) < len(target.elts) - 1:
            raise self.error(target, f"{told(value)} has {len(parts)} items; expected at least {len(target.elts) - 1}")
        middle = Seq("list", parts[at:len(parts) - after])
        for part, item in zip(target.elts, [*parts[:at], middle, *parts[len(parts) - after:]], strict=True):
            self.assign(part.value if isinstance(part, ast.Starred) else part, item)

    def _unpack_list(self, target, value, at, after):
        """a, *b, c = a list of unknown length."""
        item, stop = value.type.args[0], Static(-after) if after else NOTHING
        parts = [self.prim("list_index", [value, Static(i)], item, target)
                 for i in range(at)]
        parts.append(self.prim("list_slice", [value, Static(at), stop, NOTHING], value.type, target))
        parts += [self.prim("list_index", [value, Static(i - after)], item, target) for i in range(after)]
        for part, found in zip(target.elts, parts, strict=True):
            self.assign(part.value if isinstance(part, ast.Starred) else part, found)

    def do_AugAssign(self, node):
        kind = type(node.op)
        if isinstance(node.target, ast.Name):
            self.assign(node.target, self.augmented(kind, self.eval_Name(node.target), self.eval(node.value), node))
        elif isinstance(node.target, ast.Attribute):
            owner = self.eval(node.target.value)
            old = self.attribute(owner, node.target.attr, node.target)
            made = self.augmented(kind, old, self.eval(node.value), node)
            self.set_attribute(owner, node.target.attr, made, node.target)
        else:
            owner, index = self.eval(node.target.value), self.index(node.target.slice)
            made = self.augmented(kind, self.item(owner, index, node.target), self.eval(node.value), node)
            self.set_item(owner, index, made, node.target)

    def augmented(self, kind, old, value, node):
        if type_of(old) == ty.TENSOR:
            return self.operate(BINARY[kind][1], [old, value], node, in_place=True)
        if kind is ast.Add and isinstance(old, Seq) and old.kind == "list":
            old.items += self.unpacked(value, node)
            return old
        if kind is ast.Add and isinstance(old, Dyn) and old.type.kind == "list":
            self.effect("list_extend", [old, self.convert(value, old.type, node)], node)
            return old
        return self.binary(kind, old, value, node)

    def do_Delete(self, node):
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id in self.frame.env:
                del self.frame.env[target.id]
            elif isinstance(target, ast.Subscript):
                owner, index = self.eval(target.value), self.index(target.slice)
                kind = type_of(owner)
                if kind is None or kind.kind not in ("list", "dict") or isinstance(index, Slice):
                    raise self.error(node, f"del of an item of {told(owner)}; expected a list or dict")
                self.effect(f"{kind.kind}_del", [owner, index], node)
            else:
                self.unsupported(node)

    def index(self, node):
        return self.eval(node)

    def eval_Slice(self, node):
        return Slice(*(NOTHING if part is None else self.eval(part) for part in (node.lower, node.upper, node.step)))

    def eval_Subscript(self, node):
        return self.item(self.eval(node.value), self.index(node.slice), node)
