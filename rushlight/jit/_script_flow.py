"""Statements of scripted programs: what a branch or loop changes becomes a result of its node.

Where a function returns, or a loop breaks, below a condition that only the run knows, the name `FLOW` holds how the
function goes on, and what follows runs where it goes on normally. A branch that leaves for good takes no part in
what follows: the rest of the statements moves into the other branch, so that the usual early return costs nothing.
"""
import ast

from rushlight.jit import _script_types as ty
from rushlight.jit._script_graph import Block, Node, literal
from rushlight.jit._script_values import (
    LITERALS,
    NOTHING,
    Bound,
    Conflict,
    Dyn,
    Instance,
    Map,
    Seq,
    Shape,
    Static,
    fork,
    leaves,
    told,
    type_of,
)

RUN, BREAK, CONTINUE, RETURN, RAISED = range(5)
FLOW, RESULT, VALUE = "$flow", "$result", "$value"
_MISSING = object()
_DEEP = 24                               # bodies nest no deeper for early returns; graphs allow 64


# Constructs whose names are their own.
_OWN_NAMES = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp)


class Unreachable(Exception):
    """What is being evaluated raises whenever it runs: nothing after it does."""


class Side:
    """One branch: its block, and what the names of all frames mean at its end, with the types of variables."""

    def __init__(self, block, envs, types):
        self.block, self.envs, self.types = block, envs, types

    @property
    def flow(self):
        return self.envs[-1][FLOW]

    def ends(self, *how):
        return isinstance(self.flow, Static) and self.flow.obj in how


def names_set(statements):
    """The names that statements may assign, in order."""
    found = {}
    pending = list(statements)
    while pending:
        node = pending.pop(0)
        if isinstance(node, _OWN_NAMES):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id != "_":
            found[node.id] = True
        pending += ast.iter_child_nodes(node)
    return list(found)


def lists_grown(statements):
    """The names of lists that statements append to."""
    calls = [node.func for statement in statements for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return [f.value.id for f in calls if isinstance(f, ast.Attribute) and f.attr == "append"
            and isinstance(f.value, ast.Name)]


def escapes(statements, kinds, in_loop=False):
    """Whether statements hold a break or continue of this loop, or a return, of `kinds`."""
    for node in statements:
        if isinstance(node, kinds) and not (in_loop and not isinstance(node, ast.Return)):
            return True
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.expr):
            continue
        inner = in_loop or isinstance(node, ast.For | ast.While)
        if escapes(list(ast.iter_child_nodes(node)), kinds, inner):
            return True
    return False


class Flow:
    """Statements; a part of the compiler."""

    def run(self, statements):
        for at, statement in enumerate(statements):
            flow = self.frame.env[FLOW]
            if isinstance(flow, Dyn) and self.graph.block.depth > _DEEP:
                self._when_running(statement, lambda one=statement: self.run([one]))
                continue
            if isinstance(flow, Dyn):
                self._when_running(statement, lambda rest=statements[at:]: self.run(rest))
                return
            if flow.obj != RUN:
                return
            try:
                if isinstance(statement, ast.If):
                    if self._if(statement, statements[at + 1:]):
                        return
                else:
                    self._statement(statement)
            except Unreachable:
                self.frame.env[FLOW] = Static(RAISED)

    def _statement(self, node):
        do = getattr(self, "do_" + type(node).__name__, None)
        if do is None:
            self.unsupported(node)
        do(node)

    def _when_running(self, node, body):
        """Runs `body` where the function goes on normally."""
        flow = self.frame.env[FLOW]

        def on():
            self.frame.env[FLOW] = Static(RUN)
            body()

        def off():
            self.set_flow(self.flows_of(flow) - {RUN})
        self.branch(self.prim("num_eq", [flow, Static(RUN)], ty.BOOL, node), [on, off], node)

    def flows_of(self, flow):
        """How the function may go on."""
        return {flow.obj} if isinstance(flow, Static) else self.ways.get(flow.ref, {RUN, BREAK, CONTINUE, RETURN})

    def set_flow(self, ways):
        """It is known to be one of these ways."""
        env = self.frame.env
        if len(ways) == 1:
            env[FLOW] = Static(*ways)
        elif isinstance(env[FLOW], Dyn):             # the same value under another name, of which more is known
            env[FLOW] = self.prim("same", [env[FLOW]], ty.INT, None)
            self.ways[env[FLOW].ref] = set(ways)

    # -- if

    def _if(self, node, rest):
        """Whether the rest of the statements has run too, in one of the branches."""
        test = self.condition(node.test)
        if isinstance(test, bool):
            self.refine(node.test, test)
            self.run(node.body if test else node.orelse)
            return False

        def side(truth):
            self.refine(node.test, truth)
            self.run(node.body if truth else node.orelse)
        took = self.branch(test, [lambda: side(True), lambda: side(False)], node, rest)
        if len(self.left) == 1:                      # the other branch raises
            self.refine(node.test, self.left[0] == 0)
        return took

    def branch(self, test, bodies, node, rest=()):
        """An `if` of the graph. Of `rest`, the statements after it, says whether they have run within it."""
        before = [f.env for f in self.frames]
        sides = [self._side(before, body) for body in bodies]
        took = False
        if rest and self.graph.block.depth <= _DEEP:
            going = [side for side in sides if side.ends(RUN)]
            if len(going) == 1 and any(side.ends(BREAK, CONTINUE, RETURN) for side in sides):
                self._resume(going[0], lambda: self.run(rest))
                took = True
        for frame, env in zip(self.frames, before, strict=True):
            frame.env = env
        Merge(self, sides, node).finish(test)
        self.left = [i for i, side in enumerate(sides) if not side.ends(RAISED)]
        return took

    def _side(self, before, body):
        memo = {}
        envs = [fork(env, memo) for env in before]
        side = Side(Block(self.graph.block), envs, [dict(f.types) for f in self.frames])
        self._resume(side, body)
        return side

    def _resume(self, side, body):
        outer, outer_types = self.graph.block, [frame.types for frame in self.frames]
        for frame, env, kinds in zip(self.frames, side.envs, side.types, strict=True):
            frame.env, frame.types = env, kinds
        self.graph.block = side.block
        depth = len(self.frames)
        try:
            body()
        except Unreachable:
            del self.frames[depth:]
            self.frame.env[FLOW] = Static(RAISED)
        finally:
            self.graph.block = outer
        side.envs = [frame.env for frame in self.frames]
        for frame, kinds in zip(self.frames, outer_types, strict=True):
            frame.types = kinds

    def choose(self, test, node, yes, no):
        """The value of an expression with two branches: `yes()` where `test` holds, else `no()`."""
        def put(make):
            self.frame.env[VALUE] = make()
        if isinstance(test, bool):
            return yes() if test else no()
        self.branch(test, [lambda: put(yes), lambda: put(no)], node)
        if self.frame.env[FLOW].obj == RAISED if isinstance(self.frame.env[FLOW], Static) else False:
            raise Unreachable
        found = self.frame.env.pop(VALUE)
        if isinstance(found, Conflict):
            raise self.error(node, f"{found.why}; expected the same type in both branches")
        return found

    # -- simple statements

    def do_Return(self, node):
        value = NOTHING if node.value is None else self.eval(node.value)
        self.leave(value, node)

    def leave(self, value, node):
        frame = self.frame
        frame.env[RESULT] = self.returned(value, node)
        frame.env[FLOW] = Static(RETURN)

    def returned(self, value, node):
        frame = self.frame
        if frame.library:
            return value
        if frame.returns is not None:
            return self.convert(value, frame.returns, node,
                                lambda got: f"{frame.name}: the return value is {got}; expected {frame.returns}, as "
                                            "the "
                                            "function is annotated")
        kind = type_of(value)
        if kind is None and frame.inlined:
            return value
        if kind is None:
            raise self.error(node, f"{frame.name}: the return value is {told(value)}; expected a value")
        value = self.settled(value, node)
        kind = type_of(value)
        if frame.result_type is not None and not ty.fits(kind, frame.result_type):
            raise self.error(node, f"{frame.name}: an earlier return statement returned a value of type "
                                   f"{frame.result_type} and "
                            f"this return statement returns a value of type {kind}; expected the same type of all "
                            f"(annotate the function with -> Optional[...] where None is meant)")
        frame.result_type = frame.result_type or kind
        return value

    def do_Break(self, node):
        self.frame.env[FLOW] = Static(BREAK)

    def do_Continue(self, node):
        self.frame.env[FLOW] = Static(CONTINUE)

    def do_Pass(self, node):
        pass

    def do_Expr(self, node):
        if not isinstance(node.value, ast.Constant):
            self.eval(node.value)

    def do_Assert(self, node):
        test = self.condition(node.test)
        if test is not True:
            def fail():
                text = Static("") if node.msg is None else self.text_of(self.eval(node.msg), node)
                self.raise_error("AssertionError", text, node)
            if test is False:
                fail()
            self.branch(test, [lambda: None, fail], node)
        self.refine(node.test, True)

    def do_Raise(self, node):
        if node.exc is None:
            self.unsupported(node, "raise without an exception")
        kind, text = self.exception(node.exc)
        self.raise_error(kind, text, node)

    def raise_error(self, kind, text, node):
        self.effect("raise", [Static(kind), text], node)
        raise Unreachable

    def do_With(self, node):
        for item in node.items:
            self.enter(item.context_expr, item.optional_vars)
        try:
            self.run(node.body)
        finally:
            for _ in node.items:
                self.no_grad.pop()

    def do_FunctionDef(self, node):
        if not self.frame.library:
            self.unsupported(node, "a function within a function")
        self.frame.env[node.name] = self.closure(node)

    def do_Try(self, node):
        if not self.frame.library:
            self.unsupported(node)
        self.run(node.body)                          # our own code turns one error into another: both name the cause

    # -- loops

    def do_While(self, node):
        if node.orelse:
            self.unsupported(node, "else after a loop")
        if self.frame.library and self._known_turns(node):
            self._after(node)
            return
        self._loop(node, lambda: self.condition(node.test), lambda _: self.run(node.body), node.body)

    def _known_turns(self, node):
        """Runs our own loop as long as its condition is known; whether that was to its end."""
        while True:
            test = self.condition(node.test)
            if not test or not isinstance(test, bool):
                return test is False
            self.run(node.body)
            self._again(node)
            flow = self.frame.env[FLOW]
            if isinstance(flow, Dyn):
                self._when_running(node, lambda: self.do_While(node))
                return True
            if flow.obj != RUN:
                return True

    def do_For(self, node):
        if node.orelse:
            self.unsupported(node, "else after a loop")
        items = self.items_of(self.eval(node.iter), node.iter)
        if items.parts is not None:
            self._unroll(node, items.parts)
            self._after(node)
            return

        def body(k):
            self.assign(node.target, items.at(k))
            self.run(node.body)
        self._loop(node, items.count, body, node.body, [node.target])

    def _unroll(self, node, parts):
        for at, part in enumerate(parts):
            self.assign(node.target, part)
            self.run(node.body)
            self._again(node)
            flow = self.frame.env[FLOW]
            if isinstance(flow, Dyn):
                rest = parts[at + 1:]
                if rest:
                    self._when_running(node, lambda rest=rest: self._unroll(node, rest))
                return
            if flow.obj != RUN:
                return

    def _again(self, node, how=CONTINUE):
        """At the end of a turn (after the loop): who continues (broke) goes on."""
        flow = self.frame.env[FLOW]
        if isinstance(flow, Static):
            if flow.obj == how:
                self.frame.env[FLOW] = Static(RUN)
            return
        ways = self.flows_of(flow)
        if how not in ways:
            return
        if ways <= {RUN, how}:
            self.frame.env[FLOW] = Static(RUN)
            return

        def on():
            self.frame.env[FLOW] = Static(RUN)
        self.branch(self.prim("num_eq", [flow, Static(how)], ty.BOOL, node),
                    [on, lambda: self.set_flow(ways - {how})], node)

    def _after(self, node):
        self._again(node, BREAK)

    def _loop(self, node, head, body, statements, targets=()):
        """A loop of the graph: `head` is the number of turns or, of `while`, gives the condition."""
        for name in lists_grown(statements):
            known = self.frame.env.get(name)
            if isinstance(known, Seq) and known.kind == "list" and type_of(known) is not None:
                self.frame.env[name] = self.made(known, node)
        carried = {(len(self.frames) - 1, name) for name in names_set([*statements, *targets])
                   if not isinstance(self.frame.env.get(name, Conflict("")), Conflict)}
        breaks = escapes(statements, (ast.Break, ast.Return))
        if breaks:
            carried.add((len(self.frames) - 1, FLOW))
        if escapes(statements, ast.Return) and RESULT in self.frame.env:
            carried.add((len(self.frames) - 1, RESULT))
        hints = {}
        for _ in range(20):
            loop = Loop(self, node, head, body, carried, hints, breaks)
            if loop.done():
                break
        else:
            raise self.error(node, "the loop's variables take ever new types; expected one type of each")
        self._after_loop(node, statements, breaks)

    def _after_loop(self, node, statements, breaks):
        env = self.frame.env
        if not breaks or not escapes(statements, ast.Return):
            env[FLOW] = Static(RUN)
        else:
            self._after(node)


class Merge:
    """What names mean after an `if`: where its branches differ, a result of it."""

    def __init__(self, compiler, sides, node):
        self.c, self.sides, self.node = compiler, sides, node
        self.results, self.yields = [], ([], [])
        self._made, self._known = {}, {}

    def finish(self, test):
        live = [i for i, side in enumerate(self.sides) if not side.ends(RAISED)]
        last = len(self.c.frames) - 1
        for depth, frame in enumerate(self.c.frames):
            first, second = (side.envs[depth] for side in self.sides)
            merged = {}
            for name in first if first.keys() == second.keys() else {**first, **second}:
                a, b = first.get(name, _MISSING), second.get(name, _MISSING)
                if a is b:                           # as it was before both
                    merged[name] = a
                elif not live:
                    merged[name] = a if a is not _MISSING else b
                elif len(live) == 1:
                    found = (a, b)[live[0]]
                    if found is not _MISSING:
                        merged[name] = self._one(found, live[0])
                else:
                    merged[name] = self._both(a, b, name, frame, depth == last)
            if not live and depth == last:
                merged[FLOW] = Static(RAISED)
            frame.env = merged
            self._declare(frame, depth, live)
        if not self.results and not any(side.block.nodes for side in self.sides):
            return
        for side, yields in zip(self.sides, self.yields, strict=True):
            side.block.yields = yields
        self.c.add_if(test, self.results, [side.block for side in self.sides], self.node)

    def _declare(self, frame, depth, live):
        """Variables that came up in the branches have the types that they have there."""
        for i in live:
            for name, kind in self.sides[i].types[depth].items():
                if name in frame.types or isinstance(frame.env.get(name, Conflict("")), Conflict):
                    continue
                kinds = {self.sides[k].types[depth].get(name, kind) for k in live}
                frame.types[name] = kind if len(kinds) == 1 else type_of(frame.env[name])

    def _result(self, type, operands):
        key = tuple(operands)
        if key not in self._made:
            made = self._made[key] = self.c.graph.fresh(type)
            self.results.append(made)
            for yields, operand in zip(self.yields, operands, strict=True):
                yields.append(operand)
        return self._made[key]

    def _operand(self, i, value, type):
        """What branch `i` yields for a value; where it has none, any of the type."""
        graph = self.c.graph
        outer, graph.block = graph.block, self.sides[i].block
        try:
            return self.c.placeholder(type) if value is _MISSING else self.c.operand(
                self.c.convert(value, type, self.node), self.node)
        finally:
            graph.block = outer

    def _one(self, value, i):
        """A value that only branch `i` has."""
        origin = getattr(value, "origin", None)
        if all(self.c.graph.is_seen(leaf) for leaf in leaves(value)):
            return value
        if origin is not None and self.c.graph.is_seen(origin):
            return origin
        if id(value) in self._known:
            return self._known[id(value)][1]

        def inner(item):
            return self._one(item, i)
        if isinstance(value, Dyn | Shape):
            type = type_of(value)
            operands = [self._operand(k, value if k == i else _MISSING, type) for k in (0, 1)]
            return self._result(type, operands)
        return self._rebuilt(value, id(value), inner)

    def _rebuilt(self, value, key, inner, other=None):
        """A container of the same kind, of items that `inner` makes (of pairs, with `other`)."""
        made = Seq(value.kind, [], value.cls) if isinstance(value, Seq) else Map({}) if isinstance(value, Map) else (
            Instance(value.cls, {}) if isinstance(value, Instance) else None)
        self._known[key] = (value, made, other)
        if isinstance(value, Seq):
            pairs = zip(value.items, other.items, strict=True) if other is not None else ((x,) for x in value.items)
            made.items.extend(inner(*pair) for pair in pairs)
        elif isinstance(value, Map | Instance):
            old, new = (value.items, made.items) if isinstance(value, Map) else (value.attrs, made.attrs)
            more = None if other is None else other.items if isinstance(value, Map) else other.attrs
            for name, item in old.items():
                new[name] = inner(item) if more is None else inner(item, more[name])
        elif isinstance(value, Bound):
            made = Bound(inner(value.owner) if other is None else inner(value.owner, other.owner), value.function)
        return value if made is None else made

    def _both(self, a, b, name, frame, innermost):
        a, b = (a, b) if a is b else _origin(a, b)
        if a is b:
            return a
        if a is _MISSING or b is _MISSING:
            i = int(a is _MISSING)
            found = b if a is _MISSING else a
            gone = self.sides[1 - i]
            if name in (RESULT, VALUE) or not gone.ends(RUN) or not innermost:
                return self._one(found, i)
            return Conflict(f"{name} is not defined in the {('true', 'false')[1 - i]} branch of the if at line "
                            f"{frame.source.line(self.node)}")
        left = [i for i, side in enumerate(self.sides) if not side.ends(RUN)]
        found = self._joined(a, b)
        if name == FLOW and isinstance(found, Dyn):
            self.c.ways[found.ref] = self.c.flows_of(a) | self.c.flows_of(b)
        if isinstance(found, Conflict):
            if (name == RESULT and len(left) < 2) or (innermost and len(left) == 1 and name != RESULT):
                return self._one((a, b)[1 - left[0]] if name != RESULT else (a, b)[left[0]] if left else a, 1 - left[0]
                                 if name != RESULT else left[0] if left else 0)
            if name in frame.types or name == RESULT:
                raise self.c.error(self.node, f"{'the result' if name == RESULT else name} {found.why}; expected one "
                                              "type")
            return Conflict(f"{name} {found.why}")
        return found

    def _joined(self, a, b):
        if isinstance(a, Conflict) or isinstance(b, Conflict):
            return a if isinstance(a, Conflict) else b
        if _same(a, b):                              # None that is known on one side and assigned on the other is None
            return Static(a.obj) if getattr(a, "origin", None) is not getattr(b, "origin", None) else a
        key = (id(a), id(b))
        if key in self._known:
            return self._known[key][1]
        if self.c.frame.library and isinstance(a, Seq) and isinstance(b, Seq) and a.kind != b.kind:
            a, b = Seq("tuple", a.items), Seq("tuple", b.items)
        if type(a) is type(b) and _same_form(a, b):
            made = self._rebuilt(a, key, self._joined_item, b)
            return made
        types = type_of(a), type_of(b)
        both = None if None in types else ty.join(*types)
        if both is None and self.c.frame.library and None not in types:
            both = _wide(*types)
        if both is None or both.kind in ("object",):
            return Conflict(f"is {told(a)} in the true branch and {told(b)} in the false branch of the if at line "
                            f"{self.c.frame.source.line(self.node)}")
        return self._result(both, [self._operand(0, a, both), self._operand(1, b, both)])

    def _joined_item(self, a, b):
        found = self._joined(a, b)
        if isinstance(found, Conflict):
            raise self.c.error(self.node, f"an item {found.why}; expected one type")
        return found


def _origin(a, b):
    """Both values; what they are refinements of where that is the same."""
    origins = [getattr(x, "origin", None) or x for x in (a, b)]
    return origins if origins[0] is origins[1] else (a, b)


def _wide(a, b):
    """The type that our own code, which is not typed, has in mind where it gives either."""
    if {a, b} <= set(ty.NUMBERS):
        return ty.FLOAT if ty.FLOAT in (a, b) else ty.INT
    if {a.kind, b.kind} <= {"tuple", "list"} and {*a.args, *b.args} == {ty.INT}:
        return ty.list_of(ty.INT)
    return None


def _same(a, b):
    if a is b:
        return True
    if isinstance(a, Dyn) and isinstance(b, Dyn):
        return a.ref == b.ref
    if isinstance(a, Shape) and isinstance(b, Shape):
        return a.tensor.ref == b.tensor.ref
    if isinstance(a, Static) and isinstance(b, Static):
        return a.obj is b.obj or (isinstance(a.obj, LITERALS) and type(a.obj) is type(b.obj)
                                  and literal(a.obj) == literal(b.obj))
    return False


def _same_form(a, b):
    if isinstance(a, Seq):
        return (a.kind, a.cls, len(a.items)) == (b.kind, b.cls, len(b.items))
    if isinstance(a, Map):
        return list(a.items) == list(b.items)
    if isinstance(a, Instance):
        return a.cls is b.cls and a.attrs.keys() == b.attrs.keys()
    return isinstance(a, Bound) and a.function is b.function


class Loop:
    """A loop of the graph, emitted with guesses of what it carries; `done` says whether they held."""

    def __init__(self, compiler, node, head, body, carried, hints, breaks):
        self.c, self.node, self.head, self.body = compiler, node, head, body
        self.carried, self.hints, self.breaks = carried, hints, breaks
        self.starts, self.template = [], {}
        self._memo = {}

    def done(self):
        c = self.c
        outer, envs = c.graph.block, [f.env for f in c.frames]
        mark = len(outer.nodes)
        memo = {}
        self.before = [fork(env, memo) for env in envs]
        inside = Block(outer)
        for depth, name in sorted(self.carried):
            self.before[depth][name] = self._carry(envs[depth].get(name, NOTHING), depth, name, inside,
                                                    c.frames[depth].types.get(name))
        is_while = callable(self.head)
        counter = None if is_while else c.graph.fresh(ty.INT, inside)
        blocks = []
        if is_while or self.breaks:
            if counter is not None:
                self.starts.append((counter, "0"))
            blocks.append(self._test(inside, counter))
        side, ok = self._turn(inside, counter)
        blocks.append(side.block)
        for frame, env in zip(c.frames, envs, strict=True):
            frame.env = env
        if not ok:
            del outer.nodes[mark:]
            return False
        self._finish(blocks, counter, is_while, envs)
        return True

    def _carry(self, value, depth, name, inside, declared=None):
        """A value whose leaves are variables of the loop; `declared` is the type that its name has."""
        if id(value) in self._memo:
            return self._memo[id(value)]
        whole = name == RESULT and type_of(value) is not None        # a result is one value, of the function's type
        if isinstance(value, Seq | Instance | Map) and not whole:
            return self._carry_items(value, depth, name, inside, declared)
        kind = type_of(value)
        if kind is None or kind.kind == "object":
            return value
        kind = self.hints.get((depth, name)) or (self.c.frames[depth].returns if whole else declared) or kind
        start = self.c.placeholder(kind) if name == RESULT and kind != ty.NONE and not _has(value) else (
            self.c.operand(self.c.convert(value, kind, self.node), self.node))
        made = self.c.graph.fresh(kind, inside)
        self.starts.append((made, start))
        if name == FLOW:
            self.c.ways[made.ref] = self._ways()
        return made

    def _carry_items(self, value, depth, name, inside, declared):
        made = (Seq(value.kind, [], value.cls) if isinstance(value, Seq) else Map({}) if isinstance(value, Map)
                else Instance(value.cls, {}))
        self._memo[id(value)] = made
        if isinstance(value, Seq):
            kinds = declared.args if declared is not None and declared.kind == "tuple" else [None] * len(value.items)
            made.items.extend(self._carry(item, depth, (name, i), inside, kind)
                              for i, (item, kind) in enumerate(zip(value.items, kinds, strict=True)))
        else:
            old, new = (value.items, made.items) if isinstance(value, Map) else (value.attrs, made.attrs)
            new.update((key, self._carry(item, depth, (name, key), inside)) for key, item in old.items())
        return made

    def _ways(self):
        """How a turn may end."""
        statements = getattr(self.node, "body", ())
        return {RUN} | ({BREAK} if escapes(statements, ast.Break) else set()) | (
            {RETURN} if escapes(statements, ast.Return) else set())

    def _test(self, inside, counter):
        """The block that says whether there is another turn."""
        c = self.c
        block = Block(inside)
        side = Side(block, [dict(env) for env in self.before], [dict(f.types) for f in c.frames])

        def decide():
            flow = c.frame.env[FLOW]
            def ask():
                if callable(self.head):
                    return c.as_value(self.head())
                return c.prim("num_lt", [counter, self.head], ty.BOOL, self.node)
            if self.breaks:
                go = c.prim("num_eq", [flow, Static(RUN)], ty.BOOL, self.node)
                c.frame.env[FLOW] = Static(RUN)
                endless = is_true(getattr(self.node, "test", None))
                found = go if endless else c.choose(go, self.node, ask, lambda: Static(False))
            else:
                found = ask()
            block.yields.append(c.operand(found, self.node))
        c._resume(side, decide)
        return block

    def _turn(self, inside, counter):
        c = self.c
        block = Block(inside)
        memo = {}
        side = Side(block, [fork(env, memo) for env in self.before],
                    [dict(f.types) for f in c.frames])
        def turn():
            c.frame.env[FLOW] = Static(RUN)
            if callable(self.head):
                c.refine(self.node.test, True)
            self.body(counter)
            c._again(self.node)
        c._resume(side, turn)
        return side, self._check(side, counter)

    def _check(self, side, counter):
        """Whether all that the turn changed is carried, under the types that it has at the end; fills in the yields."""
        ok = True
        for depth, env in enumerate(self.before):
            for name, value in env.items():
                now = side.envs[depth].get(name, value)
                if (depth, name) not in self.carried and name not in (FLOW, RESULT, "_") and not _unchanged(value, now):
                    self.carried.add((depth, name))
                    ok = False
        found, place = side.envs[-1].get(RESULT), (len(self.before) - 1, RESULT)
        if found is not None and place not in self.carried and self.breaks:
            frame = self.c.frame                     # the first return: what type it gives is known now
            self.hints[place] = frame.returns or type_of(found)
            self.carried.add(place)
            return False
        if not ok:
            return False
        c = self.c
        outer, c.graph.block = c.graph.block, side.block
        seen = set()
        try:
            if not side.ends(RAISED):
                for depth, name in sorted(self.carried):
                    ok = self._yield(self.before[depth][name], side.envs[depth].get(name, NOTHING), depth, name, side,
                                     seen) and ok
            else:
                side.block.yields = [c.placeholder(v.type) for v, _ in self.starts if v is not counter]
            if counter is not None and self.breaks:
                side.block.yields.append(c.prim("num_add", [counter, Static(1)], ty.INT, self.node).ref)
        finally:
            c.graph.block = outer
        return ok

    def _yield(self, variable, value, depth, name, side, seen):
        c = self.c
        if isinstance(variable, Seq | Map | Instance):
            if id(variable) in seen:
                return True
            seen.add(id(variable))
            if type(value) is not type(variable) or not _same_form(variable, value):
                raise c.error(self.node, f"{_last(name)} is {told(variable)} before the loop and {told(value)} after "
                                         "a turn; "
                                  "expected one type and, of what the front end takes apart, one length")
            fits = [self._yield(a, b, depth, (name, key), side, seen) for key, a, b in _pairs(variable, value)]
            return all(fits)                         # each of them yields
        if not isinstance(variable, Dyn):
            return True
        if isinstance(value, Conflict):
            raise c.error(self.node, f"{value.why}; expected a value at the end of each turn of the loop")
        kind = type_of(value)
        if kind is not None and ty.fits(kind, variable.type):
            side.block.yields.append(c.operand(c.convert(value, variable.type, self.node), self.node))
            return True
        frame = c.frames[depth]
        wide = None if kind is None else kind if name == RESULT and variable.type == ty.NONE and (
            frame.returns is None) else ty.join(kind, variable.type)
        if name == RESULT and frame.returns is not None:
            wide = frame.returns
        if wide is None and frame.library and {kind, variable.type} <= set(ty.NUMBERS):
            wide = ty.FLOAT if ty.FLOAT in (kind, variable.type) else ty.INT
        if wide is None or wide == variable.type or not (frame.library or name == RESULT):
            raise c.error(self.node, f"variable '{_last(name)}' has type {variable.type} before the loop and "
                              f"{told(value)} after a turn; expected one type")
        self.hints[(depth, name)] = wide
        return False

    def _finish(self, blocks, counter, is_while, envs):
        c = self.c
        results = {v.ref: c.graph.fresh(v.type) for v, _ in self.starts}
        for v, _ in self.starts:
            if v.ref in c.ways:
                c.ways[results[v.ref].ref] = c.ways[v.ref]
        turned = {}
        for depth, frame in enumerate(c.frames):
            env = dict(envs[depth])
            for name in {n for d, n in self.carried if d == depth}:
                env[name] = _replaced(self.before[depth][name], results, turned)
            frame.env = env
        what = "while" if len(blocks) == 2 else f"for {counter.ref}: int in {c.operand(self.head, self.node)}"
        c.graph.block.nodes.append(Node(list(results.values()), what, c.place(self.node), blocks, self.starts))
        frame = c.frame
        for name in names_set([self.node]):
            if name not in frame.env:
                frame.env[name] = Conflict(f"{name} is defined in the loop at line {frame.source.line(self.node)}, "
                                           "which "
                                           "may not run once")


def _pairs(a, b):
    """The items of two containers of one form, with their places."""
    if isinstance(a, Seq):
        return [(i, x, y) for i, (x, y) in enumerate(zip(a.items, b.items, strict=True))]
    old, new = (a.items, b.items) if isinstance(a, Map) else (a.attrs, b.attrs)
    return [(key, item, new[key]) for key, item in old.items()]


def is_true(node):
    return isinstance(node, ast.Constant) and node.value is True


def _has(value):
    return not (isinstance(value, Static) and value.obj is None)


def _last(name):
    return name if isinstance(name, str) else f"{_last(name[0])}.{name[1]}"


def _unchanged(a, b):
    """Whether a name means after a turn what it meant before; containers were forked, and are compared by items."""
    if _same(a, b) or type(a) is not type(b):
        return _same(a, b)
    if isinstance(a, Seq | Map | Instance | Bound) and not _same_form(a, b):
        return False
    if isinstance(a, Seq):
        return all(map(_unchanged, a.items, b.items))
    if isinstance(a, Map):
        return all(_unchanged(a.items[k], b.items[k]) for k in a.items)
    if isinstance(a, Instance):
        return all(_unchanged(a.attrs[k], b.attrs[k]) for k in a.attrs)
    return isinstance(a, Bound) and _unchanged(a.owner, b.owner)


def _replaced(value, results, turned):
    if isinstance(value, Dyn):
        return results.get(value.ref, value)
    if isinstance(value, Seq | Map | Instance):
        if id(value) not in turned:
            made = turned[id(value)] = (Seq(value.kind, [], value.cls) if isinstance(value, Seq) else Map({})
                                        if isinstance(value, Map) else Instance(value.cls, {}))
            if isinstance(value, Seq):
                made.items.extend(_replaced(item, results, turned) for item in value.items)
            else:
                old, new = (value.items, made.items) if isinstance(value, Map) else (value.attrs, made.attrs)
                new.update((key, _replaced(item, results, turned)) for key, item in old.items())
        return turned[id(value)]
    return value
