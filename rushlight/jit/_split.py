"""Functions in parts: the statements that no graph can hold run as they are written, those between them as graphs."""
import ast
import copy
import functools
import linecache
import re
import sys
import threading
import types
from collections import Counter

from rushlight.jit._captured import CaptureError, own_folder
from rushlight.nn.modules.module import Module

_MOST_CHILDREN = 64                                  # functions and modules that statements as written call
_FUTURES = 0x1FF0000                                 # of a code's flags: what it imports from __future__
_PART, _CALL = "__rushlight_part_", "__rushlight_call"
_LOCATED = re.compile(r"\(at (.+?:\d+)\)")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_LOOPS = (ast.For, ast.While)
_NEVER = (ast.Return, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Delete, ast.Try, ast.Match, *_SCOPES)
_COMPUTES = (ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.AugAssign)


class _Unsplittable(Exception):
    """Why a function's source can't be taken apart."""


class Split:
    """A function that runs in parts, once it is known where it breaks.

    Args:
        function (callable): a function, a method or a module.
        make (callable): compiles a function or module: `make(function, listener)` tells the listener where it breaks,
            `make(function, None)` gives one that is split by itself.

    Attributes:
        parts: the compiled parts, and the compiled functions that statements between them call.
        why: why the function is not split, as a sentence; None where it is.
    """

    def __init__(self, function, make):
        self.why = None
        self._function, self._make = function, make
        self._module = function if isinstance(function, Module) else None
        whole = function.forward if self._module is not None else function
        self._owner = getattr(whole, "__self__", None)
        self._whole = getattr(whole, "__func__", whole)
        self._broken, self._parts, self._children = set(), [], {}
        self._codes = {getattr(self._whole, "__code__", None)}
        self._glue = self._tree = None
        self._noted = threading.local()              # lines by places that the thread's latest capture asked for
        self._lock = threading.RLock()               # of what is known of breaks, the parts and the children

    @property
    def active(self):
        """Whether it runs in parts."""
        return self._glue is not None

    @property
    def parts(self):
        return [*self._parts, *(child for _, child in list(self._children.values()))]

    def __call__(self, *args, **kwargs):
        if not self.active:
            return self._function(*args, **kwargs)
        glue = self._glue if self._owner is None else types.MethodType(self._glue, self._owner)
        return glue(*args, **kwargs) if self._module is None else self._module._call_by(glue, args, kwargs)

    # ---- where it breaks -------------------------------------------------------------------------------------

    def watch(self):
        """What tells a capture where the program is; lines of this function are noted."""
        self._noted.lines = lines = {}
        return functools.partial(self._where, lines)

    def _where(self, lines):
        frame, source = sys._getframe(1), "<unknown>"
        while frame is not None:
            code = frame.f_code
            if source == "<unknown>" and not code.co_filename.startswith(own_folder):
                source = f"{code.co_filename}:{frame.f_lineno}"
            if code in self._codes:
                lines.setdefault(source, set()).add(frame.f_lineno)
                break
            frame = frame.f_back
        return source

    def learn(self, found, culprit):
        """Takes note of where a capture of the function, or of a part of it, was refused.

        Args:
            found: a CaptureError, or a captured call that was not kept.
            culprit (str): the variable that did it; "" where it is not known.
        """
        with self._lock:
            self._learn(found, culprit)

    def _learn(self, found, culprit):
        if isinstance(found, CaptureError):
            sources = _LOCATED.findall(str(found))
        else:
            # A first call may keep what later ones find: whether it is so is seen when nothing else breaks.
            sources = [] if culprit else [where for _, where in found.escapes or found.held]
        lines = {line for source in sources for line in self._noted.lines.get(source, ())}
        try:
            if culprit:
                self._tree = self._tree or _tree_of(self._whole)
                lines |= _lines_naming(self._tree, culprit)
            if lines - self._broken:
                self._broken |= lines
                self._build()
            elif not self.active and self.why is None:
                raise _Unsplittable("no line of its own tells where it breaks")
        except _Unsplittable as error:
            self.why = f"it can't be split: {error}"

    # ---- parts -----------------------------------------------------------------------------------------------

    def _build(self):
        self._tree = self._tree or _tree_of(self._whole)
        code = self._whole.__code__
        splitter = _Splitter(self._tree, code, self._broken)
        glue = splitter.glue()
        names = [*code.co_freevars, _CALL, *(part.name for part in splitter.parts)]
        maker = _definition("make", names, [glue, *splitter.parts])
        module = ast.fix_missing_locations(ast.Module([maker], []))
        made = compile(module, code.co_filename, "exec", flags=code.co_flags & _FUTURES, dont_inherit=True)
        codes = {c.co_name: c for c in _codes_in(next(_codes_in(made)))}
        cells = dict(zip(code.co_freevars, self._whole.__closure__ or (), strict=True))
        cells[_CALL] = types.CellType(self._call)
        self._parts = []
        for part in splitter.parts:
            function = self._function_of(codes[part.name], part.name, cells)
            function.__name__ = f"{code.co_name}, lines {part.lineno} to {part.end_lineno}"
            self._parts.append(self._make(function, self))
            cells[part.name] = types.CellType(self._parts[-1])
        whole = codes[glue.name].replace(co_qualname=code.co_qualname)
        self._codes = {code, whole, *(codes[part.name] for part in splitter.parts)}
        self._glue = self._function_of(whole, code.co_name, cells)
        self._glue.__defaults__, self._glue.__kwdefaults__ = self._whole.__defaults__, self._whole.__kwdefaults__

    def _function_of(self, code, name, cells):
        return types.FunctionType(code, self._whole.__globals__, name, None,
                                  tuple(cells[free] for free in code.co_freevars))

    def _call(self, function, *args, **kwargs):
        """A call by a statement that runs as it is written: of the user's functions and modules, compiled in turn."""
        child = self._child(function)
        return (function if child is None else child)(*args, **kwargs)

    def _child(self, function):
        if getattr(function, "__func__", None) is Module._call_impl:         # of a module that is compiled in place
            function = function.__self__
        plain = isinstance(function, types.FunctionType | types.MethodType) and isinstance(
            getattr(function, "__func__", function), types.FunctionType) and not (
            function.__code__.co_filename.startswith((own_folder, sys.prefix, sys.base_prefix)))
        if not plain and type(function).__call__ is not Module.__call__:
            return None
        key = (id(getattr(function, "__self__", None)), id(getattr(function, "__func__", function)))
        with self._lock:
            if key not in self._children:
                if len(self._children) >= _MOST_CHILDREN or function is self._function:
                    return None
                self._children[key] = function, self._make(function, None)
            return self._children[key][1]


def _codes_in(code):
    return (const for const in code.co_consts if isinstance(const, types.CodeType))


def _tree_of(function):
    """The definition of a function in its file, with the lines that it has there."""
    if not isinstance(function, types.FunctionType):
        raise _Unsplittable(f"it is a {type(function).__name__}")
    code = function.__code__
    if code.co_flags & (0x20 | 0x80 | 0x200):        # generators, coroutines
        raise _Unsplittable("it is a generator")
    source = "".join(linecache.getlines(code.co_filename, function.__globals__))
    try:
        whole = ast.parse(source, code.co_filename)
        compiled = compile(whole, code.co_filename, "exec", dont_inherit=True)
    except SyntaxError:
        raise _Unsplittable("its file is no Python any more") from None
    if not any(_same_code(found, code) for found in _all_codes(compiled)):
        raise _Unsplittable("its source is not there")
    for node in ast.walk(whole):
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) if isinstance(node, ast.FunctionDef) else 0
        if first == code.co_firstlineno and node.name == code.co_name:
            _refuse_odd(node)
            return node
    raise _Unsplittable("it is no `def`")


def _all_codes(code):
    for inner in _codes_in(code):
        yield inner
        yield from _all_codes(inner)


def _same_code(a, b):
    return (a.co_firstlineno, a.co_name, a.co_names, a.co_varnames, a.co_freevars) == (
        b.co_firstlineno, b.co_name, b.co_names, b.co_varnames, b.co_freevars) and a.co_code == b.co_code


def _refuse_odd(node):
    for inner in ast.walk(node):
        name = getattr(inner, "id", getattr(inner, "attr", ""))
        if name.startswith("__") and not name.endswith("__"):
            raise _Unsplittable(f"it names {name}, which its class renames")
        if isinstance(inner, ast.Name) and name in ("locals", "vars", "eval", "exec"):
            raise _Unsplittable(f"it calls {name}()")


def _lines_naming(tree, culprit):
    """The first lines of the innermost statements that name a variable or attribute, as "a.b[0]"."""
    names = set(re.findall(r"[A-Za-z_]\w*", culprit))
    last = next(iter(reversed(re.findall(r"[A-Za-z_]\w*", re.sub(r"\[.*", "", culprit)))), None)
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and getattr(node, "id", getattr(node, "attr", "")) in (
                {last} if last else names):
            lines.add(node.lineno)
    return lines


def _definition(name, parameters, body, **at):
    """A function with this body; elsewhere than where its text is parsed."""
    node = ast.parse(f"def {name}({', '.join(parameters)}): pass").body[0]
    node.body = body
    for key, value in at.items():
        setattr(node, key, value)
    return node


class _Splitter:
    """Takes the body of a function apart, at the statements with certain lines."""

    def __init__(self, tree, code, broken):
        self.parts = []
        self._tree = copy.deepcopy(tree)
        self._locals = {*code.co_varnames, *code.co_cellvars}
        self._broken = broken
        self._reads = self._reads_in(self._tree.body)
        self._shared, self._loose = set(), set()     # names that inner functions use; that may become unset
        for node in ast.walk(self._tree):
            if isinstance(node, _SCOPES) and node is not self._tree:
                self._shared |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & self._locals
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
                self._loose.add(node.id)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                self._loose.add(node.name)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                self._loose.update(node.names)

    def glue(self):
        """The function with calls of the parts in the place of their statements."""
        node, arguments = self._tree, self._tree.args
        given = {a.arg for a in ast.walk(arguments) if isinstance(a, ast.arg)}
        for a in (a for a in ast.walk(arguments) if isinstance(a, ast.arg)):
            a.annotation = None
        arguments.defaults, arguments.kw_defaults = [], [None] * len(arguments.kwonlyargs)
        node.decorator_list, node.returns = [], None
        node.body = self._block(node.body, given - self._loose, False)
        return node

    # ---- names -----------------------------------------------------------------------------------------------

    def _reads_in(self, nodes):
        reads = Counter()
        for node in (n for top in nodes for n in ast.walk(top)):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
                reads[node.id] += 1
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                reads[node.target.id] += 1
        return reads

    def _stored_in(self, nodes):
        return {n.id for top in nodes for n in ast.walk(top) if isinstance(n, ast.Name) and isinstance(
            n.ctx, ast.Store)} & self._locals

    def _sure(self, statements):
        """Names that have a value after the statements, whatever way they took."""
        out = set()
        for s in statements:
            if isinstance(s, ast.Assign | ast.AnnAssign | ast.AugAssign):
                targets = s.targets if isinstance(s, ast.Assign) else [s.target] if s.value is not None else []
                out |= self._stored_in(targets)
            elif isinstance(s, ast.If):
                ends = [isinstance(branch[-1], ast.Return | ast.Raise) for branch in (s.body, s.orelse or [s])]
                body, other = self._sure(s.body), self._sure(s.orelse)
                out |= other if ends[0] else body if ends[1] else body & other
            elif isinstance(s, ast.With):
                out |= self._stored_in([i.optional_vars for i in s.items if i.optional_vars])
        return out - self._loose

    def _needs(self, statements, defined):
        """Local names that the statements may read before they set them."""
        defined, needs = set(defined), set()
        for s in statements:
            if isinstance(s, ast.If):
                inner = [s.test], (s.body, s.orelse), set()
            elif isinstance(s, ast.For):
                inner = [s.iter], (s.body, s.orelse), self._stored_in([s.target])
            elif isinstance(s, ast.While):
                inner = [s.test], (s.body, s.orelse), set()
            else:
                inner = [s], (), set()
            heads, bodies, more = inner
            needs |= {name for name in self._reads_in(heads) if name in self._locals} - defined
            for body in bodies:
                needs |= self._needs(body, defined | more)
            defined |= self._sure([s])
        return needs

    # ---- statements ------------------------------------------------------------------------------------------

    def _breaks(self, node):
        return any(node.lineno <= line <= node.end_lineno for line in self._broken)

    def _fits(self, s, run, defined, looped):
        """Whether a statement may be one of a part's, after those of the run."""
        if isinstance(s, ast.Return):
            return s.value is not None and not self._breaks(s) and self._is_calm(s.value) and (
                self._needs([ast.Expr(s.value)], set()) <= defined)
        if isinstance(s, _NEVER) or self._breaks(s) or not self._is_calm(s) or (
                self._stored_in([s]) & self._shared):            # what inner functions read is set where they read it
            return False
        stays = {name for name in self._stored_in([s]) if self._stays(name, [*run, s], looped)}
        return self._needs([s], set()) <= defined and stays <= defined | self._sure([s])

    def _is_calm(self, s, loops=0):
        """Nothing in it leaves it, prints, or makes a function that outlives it."""
        if isinstance(s, ast.Break | ast.Continue):
            return loops > 0
        if isinstance(s, (*_NEVER, ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.TryStar)):
            return False
        if isinstance(s, ast.Name) and s.id in ("super", "print", "__class__"):
            return False
        if isinstance(s, ast.Name) and isinstance(s.ctx, ast.Store) and s.id in self._loose:
            return False
        return all(self._is_calm(inner, loops + isinstance(s, _LOOPS)) for inner in ast.iter_child_nodes(s))

    def _stays(self, name, run, looped):
        """Whether somebody else than the run reads what it sets."""
        return self._reads[name] > self._reads_in(run)[name] or (looped and name in self._needs(run, set()))

    def _block(self, statements, defined, looped):
        out, run, before, defined = [], [], set(defined), set(defined)
        for s in statements:
            fits = self._fits(s, run, defined, looped)
            if fits:
                run.append(s)
            if not fits or isinstance(s, ast.Return):
                out += self._part(run, before, looped)
                run = []
            if not fits:
                out.append(self._as_written(s, defined, looped))
            defined |= self._sure([s])
            if not run:
                before = set(defined)
        return out + self._part(run, before, looped)

    def _as_written(self, s, defined, looped):
        if isinstance(s, ast.If):
            s.body, s.orelse = self._block(s.body, defined, looped), self._block(s.orelse, defined, looped)
        elif isinstance(s, _LOOPS):
            inside = defined | (self._stored_in([s.target]) - self._loose if isinstance(s, ast.For) else set())
            s.body, s.orelse = self._block(s.body, inside, True), self._block(s.orelse, defined, looped)
        elif isinstance(s, ast.With):
            inside = defined | (self._sure([s]))
            s.body = self._block(s.body, inside, looped)
        elif self._breaks(s) and not isinstance(s, _NEVER):
            return _Calls().visit(s)
        if isinstance(s, ast.Return) and self._breaks(s):
            return _Calls().visit(s)
        for head in ("test", "iter"):
            if isinstance(s, (ast.If, *_LOOPS)) and hasattr(s, head) and self._breaks(getattr(s, head)):
                setattr(s, head, _Calls().visit(getattr(s, head)))
        return s

    def _part(self, run, defined, looped):
        """The statements that call these as a part; themselves where there is nothing to compute."""
        if not any(isinstance(node, _COMPUTES) for s in run for node in ast.walk(s)):
            return run
        gives_back = isinstance(run[-1], ast.Return)
        stored = self._stored_in(run)
        stays = [] if gives_back else sorted(name for name in stored if self._stays(name, run, looped))
        takes = self._needs(run, set()) | {name for name in stays if name not in self._sure(run)}
        takes = sorted(takes & defined)
        name = f"{_PART}{len(self.parts)}"
        last = run[-1]
        at = {"lineno": run[0].lineno, "col_offset": run[0].col_offset, "end_lineno": last.end_lineno,
              "end_col_offset": last.end_col_offset}
        call = ast.Call(ast.Name(name, ast.Load()), [ast.Name(n, ast.Load()) for n in takes], [], **at)
        body = list(run)
        if not gives_back:
            given = [ast.Name(n, ast.Load()) for n in stays]
            value = given[0] if len(given) == 1 else ast.Tuple(given, ast.Load())
            ends = {"lineno": last.end_lineno, "end_lineno": last.end_lineno, "col_offset": 0, "end_col_offset": 0}
            body.append(ast.Return(value, **ends))
        self.parts.append(ast.fix_missing_locations(_definition(name, takes, body, **at)))
        targets = [ast.Name(n, ast.Store()) for n in stays]
        if gives_back:
            made = ast.Return(call, **at)
        elif not stays:
            made = ast.Expr(call, **at)
        else:
            made = ast.Assign([targets[0] if len(stays) == 1 else ast.Tuple(targets, ast.Store())], call, **at)
        return [ast.fix_missing_locations(made)]


class _Calls(ast.NodeTransformer):
    """Calls of names and attributes pass `Split._call`, so that what they call may be compiled."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("super", "isinstance", "len", "print", "locals"):
            return node
        called = ast.copy_location(ast.Name(_CALL, ast.Load()), node)
        return ast.copy_location(ast.Call(called, [node.func, *node.args], node.keywords), node)

    def _leave(self, node):
        return node

    visit_Lambda = visit_FunctionDef = visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _leave
