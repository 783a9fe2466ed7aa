"""`compile`: calls captured as graphs, guarded by what the capture took for granted."""
import functools
import threading
import types

from rushlight import _C
from rushlight._C import Tensor
from rushlight.functional._warning import warn
from rushlight.jit._captured import CaptureError, capture_step
from rushlight.jit._guards import Surroundings
from rushlight.jit._split import Split
from rushlight.jit._structure import flatten_call, is_named
from rushlight.jit._symbolic import CallsBySize
from rushlight.nn.modules.module import Module

_MOST_GRAPHS = 64                                    # that are kept; the one that ran longest ago is let go
_MOST_OF_PARTS = 4                                   # after which those of a part must have been worth it
_WORTH = 8                                           # runs that a further capture is worth
_MOST_OBJECTS = 8                                    # that come as one argument, one after the other
_MOST_KEPT = 256                                     # of what is noted of calls that were not captured
_WARM_UPS = 3                                        # calls after which nothing new is expected to stay in Python
_ON_BREAK = ("eager", "split", "raise")
_ONE_TENSOR = "one tensor"


class CompileWarning(Warning):
    """A compiled program runs as it is written, and why."""


class _Refusal:
    """Why calls run as they are written."""

    def __init__(self, why):
        self.why = why


class _Entry:
    """A captured call, or a refusal, and the surroundings for which it does."""

    def __init__(self, found, surroundings):
        self.found = found
        self.surroundings = surroundings
        modules = surroundings.modules if surroundings is not None else ()
        self.training = {m.training for _, module in modules for m in module.modules()}

    def holds(self, tensors):
        if self.surroundings is not None and not self.surroundings.hold():
            return False
        return isinstance(self.found, _Refusal) or self.found.fits(tensors)


class _Same:
    """An argument that is told from others by being another object."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self):
        return id(self.value)


class CompiledFunction(_C.graph.CompiledCall):
    """A compiled function: call it as the function.

    Attributes:
        captured: by shapes, dtypes and values of the arguments and by modes, the captured calls, the latest first.
        parts: the compiled parts of a function that was split.
    """

    def __init__(self, function, module, on_break="eager", dynamic=None, listener=None):
        super().__init__()
        functools.update_wrapper(self, function)
        self.function = function
        self.module = module
        self.on_break = on_break
        self.captured = {}
        self.name = getattr(function, "__name__", type(function).__name__)
        self._split = Split(function, self._compiled) if on_break == "split" else None
        self._listener = listener or self._split     # is told where it breaks
        self._dynamic = dynamic
        self._sizes = {}                             # by what is the same of the arguments: surroundings, CallsBySize
        self._count = self._runs = 0                 # of captures; of runs of the captured calls that were let go
        self._warm_ups, self._literals, self._objects, self._told = {}, {}, {}, set()
        self._why = "no call has come"               # nothing is captured, so far
        self._lock = threading.Lock()                # of what `captured` holds

    def _guard(self, tensors, form):
        """What must be the same of the arguments, and those of them that are told by identity."""
        objects = []
        text = form if form == _ONE_TENSOR else repr(_without_objects(form, objects))
        guard = [text, _C.get_default_dtype(), _C._autocast() and _C._autocast_dtype(), _C.is_grad_enabled(),
                 _C.is_inference_mode_enabled(), *map(_Same, objects)]
        for t in tensors:
            guard += (t.dtype, t.shape, t.stride(), t.requires_grad)
        return tuple(guard), objects

    def _compiled(self, function, listener):
        """A part, where there is a listener, or a function that a part calls."""
        owner = function if listener is None and isinstance(function, Module) else None
        return CompiledFunction(function, owner, "part" if listener else "split", self._dynamic, listener)

    def __reduce__(self):
        """Copies and pickles hold the function; it is captured again."""
        return type(self), (self.function, self.module, self.on_break, self._dynamic)

    def __get__(self, owner, kind=None):
        return self if owner is None else types.MethodType(self, owner)

    def _call(self, *args, **kwargs):
        """The call where the native part knows no captured one that does."""
        if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            tensors, form = args, _ONE_TENSOR
        else:
            tensors, form = flatten_call(args, kwargs, self.name)
        if _C.graph._is_capturing() or _C.is_anomaly_enabled():
            return self.function(*args, **kwargs)
        if self._split is not None and self._split.active:
            return self._split(*args, **kwargs)
        guard, objects = self._guard(tensors, form)
        for entry in self.captured.get(guard, ()):
            if entry.holds(tensors):
                found = entry.found
                return self._as_written(args, kwargs) if isinstance(found, _Refusal) else found(list(tensors))
        found = self._at_this_size(guard, args, kwargs)
        if found is None or not found.fits(tensors):
            return self._capture(guard, objects, args, kwargs)
        return found(list(tensors))

    def _as_written(self, args, kwargs):
        """Runs the function, or its parts."""
        return (self._split or self.function)(*args, **kwargs)

    def _any_size(self, guard):
        """The guard without sizes, and these; strides stay where they do not follow from the sizes."""
        if self._dynamic is False:
            return None, ()
        parts = list(guard)
        sizes = ()
        for i, part in enumerate(guard):
            if isinstance(part, _C.Size):
                sizes += part
                parts[i] = len(part)
                if guard[i + 1] == _contiguous(part):
                    parts[i + 1] = None
        return tuple(parts), sizes

    def _at_this_size(self, guard, args, kwargs):
        """A call that was derived from those captured at other sizes; None where there is none."""
        key, sizes = self._any_size(guard)
        surroundings, calls = self._sizes.get(key, (None, None))
        if calls is None or not surroundings.hold():
            return None
        found = calls.at(sizes, self._dynamic)
        if found is not None:
            self._keep(guard, surroundings, found)
            self._shorten(args, kwargs, surroundings, found)
        return found

    def _note_size(self, guard, surroundings, found):
        key, sizes = self._any_size(guard)
        if not sizes:
            return
        known, calls = self._sizes.get(key, (None, None))
        if calls is None or not known.hold():
            calls = CallsBySize()
        calls.add(sizes, found)
        _put(self._sizes, key, (surroundings, calls))

    def _surroundings(self, objects):
        return Surroundings(self.function if self.module is None else self.module, objects)

    def _why_not(self, guard, objects):
        """Why a call is not captured at all, as a sentence; None where it is."""
        if objects:
            _put(self._objects, guard[0], self._objects.get(guard[0], 0) + 1)
            if self._objects[guard[0]] > _MOST_OBJECTS:
                return f"an argument is another {type(objects[0]).__name__} at each of {_MOST_OBJECTS} calls"
        if self._count >= (_MOST_GRAPHS if self.on_break != "part" else _MOST_OF_PARTS) and (
                self._runs + sum(found.step.runs for found in self.calls) < _WORTH * self._count):
            return f"it was captured {self._count} times, and hardly any of these graphs ran again"
        return None

    def _capture(self, guard, objects, args, kwargs):
        why = self._why_not(guard, objects)
        if why is not None:
            self._why = why
            self._tell(why)
            return self._as_written(args, kwargs)
        before = self._surroundings(objects)
        where = self._listener.watch() if self._listener else None
        last = self._warm_ups.get(guard, 0) == _WARM_UPS - 1
        found, result = capture_step(self.function, args, kwargs, before.tensors(), self.name, where, last)
        after = self._surroundings(objects)
        why, culprit = None, ""
        if isinstance(found, CaptureError):
            why = str(found)
        elif found.escapes:
            how, where = found.escapes[0]
            why = f"at {where} a tensor's value leaves to Python by {how}()"
        elif after.unseen:
            why, culprit = after.unseen, after.culprit
        else:
            why = _what_is_shared(found, args, kwargs, result, after)
        if why is not None:
            self._refuse(guard, after, why, found, culprit)
        elif changed := before.difference(after):
            self._warm_up(guard, f"it changes {changed}, which it reads", found, changed)
        elif why := _what_stays(found) or self._what_varies(guard, after, found):
            self._warm_up(guard, why, found)
        else:
            self._warm_ups.pop(guard, None)
            self._count += 1
            self._keep(guard, after, found)
            self._shorten(args, kwargs, after, found)
            self._note_size(guard, after, found)
        return result

    def _shorten(self, args, kwargs, surroundings, found):
        """Lets the native part know a captured call."""
        if not surroundings.reads_options:
            for group, key, _, _ in found.numbers:
                surroundings.release(group, key)
        if kwargs or any(isinstance(a, list | tuple | dict) for a in args):
            return
        tensors = [id(a) for a in args if isinstance(a, Tensor)]
        if len(set(tensors)) < len(tensors):
            return
        kind = found.gives if isinstance(found.gives, str) else found.gives[0]
        flat = kind == "tensor" or (kind in ("tuple", "list") and all(part == "tensor" for part in found.gives[1]))
        self._add(args, found.step, surroundings.places, found.numbers, found.recorded, kind if flat else "other",
                  found.finish)

    def _keep(self, guard, surroundings, found):
        """Keeps an entry, and lets go the graph that ran longest ago where there are many, or an old refusal."""
        entry = _Entry(found, surroundings)
        _C.graph._log(f"{self.name}: {self._told_of(guard, entry)[0]}")
        with self._lock:
            self.captured.setdefault(guard, []).insert(0, entry)
            alike = [(0 if isinstance(found, _Refusal) else e.found.step.last_run, key, e)
                     for key, entries in self.captured.items() for e in entries
                     if e is not entry and isinstance(e.found, _Refusal) == isinstance(found, _Refusal)]
            if len(alike) >= _MOST_GRAPHS:
                self._let_go(*min(alike, key=lambda one: one[0])[1:])

    def _let_go(self, guard, entry):
        self.captured[guard].remove(entry)
        if not self.captured[guard]:
            del self.captured[guard]
        if not isinstance(entry.found, _Refusal):
            self._runs += entry.found.step.runs
            self._drop(entry.found.step)

    def _what_varies(self, guard, surroundings, found):
        """Tensors of unknown origin may be literals, or what an iterator gave: they must be equal at two calls."""
        now = surroundings.unknown(found.graph.constants)
        before = self._literals.get(guard)
        _put(self._literals, guard, now)
        same = not now or (before is not None and len(before) == len(now) and all(map(_equal, before, now)))
        return None if same else (f"it reads a tensor of shape {tuple(now[0].shape)} that is no argument and in no "
                                  "variable that it names, and had other values at the call before")

    def _warm_up(self, guard, why, found, culprit=""):
        """What a first call creates is there at the next one."""
        self._why = why
        _put(self._warm_ups, guard, self._warm_ups.get(guard, 0) + 1)
        if self._warm_ups[guard] >= _WARM_UPS:
            self._refuse(guard, None, why, found, culprit)

    def _refuse(self, guard, surroundings, why, found, culprit=""):
        self._keep(guard, surroundings, _Refusal(why))
        if self._listener:
            self._listener.learn(found, culprit)
        self._tell(why)

    def _tell(self, why):
        if self.on_break == "raise":
            raise RuntimeError(f"compile: {self.name} is no single graph: {why}")
        if self.on_break == "split":
            why = None if self._split.active else f"{why}; {self._split.why}"
        if why and why not in self._told and self.on_break != "part":
            self._told.add(why)
            warn(f"compile: {self.name} runs as it is written: {why}", CompileWarning)

    def _found(self):
        return [entry.found for entries in list(self.captured.values()) for entry in entries[::-1]]

    def report(self):
        """For each captured call its arguments and modes, how many nodes it has, how many call their kernels directly,
        the memory that it takes, which nodes were fused and why an element-wise one was not; or why there is no graph.
        RUSHLIGHT_LOG=graph shows the same as it comes to be."""
        lines = []
        for guard, entries in list(self.captured.items()):
            for entry in entries[::-1]:
                lines += self._told_of(guard, entry)
        for part in self.parts:
            told = part.report() or f"no graph: {part._why}"
            lines += [f"part {part.name}:", *(f"    {line}" for line in told.splitlines())]
        return "\n".join(lines)

    def _told_of(self, guard, entry):
        if isinstance(entry.found, _Refusal):
            return [f"runs {'in parts' if self.parts else 'as it is written'}: {entry.found.why}"]
        return _described(guard, entry)

    @property
    def parts(self):
        return self._split.parts if self._split else []

    @property
    def calls(self):
        """The captured calls, in the order in which they were captured for the same arguments."""
        return [found for found in self._found() if not isinstance(found, _Refusal)]

    @property
    def graphs(self):
        """The captured graphs, those of parts included; printing one shows its text."""
        return [found.graph for found in self.calls] + [graph for part in self.parts for graph in part.graphs]


def _described(guard, entry):
    """What a captured call is for, and what was made of it: lines."""
    found, program = entry.found, entry.found.program
    shapes = ", ".join(f"{dtype} {tuple(sizes)}" for _, dtype, sizes in found.graph.inputs)
    direct, funnel = program.planned
    how = ("recorded on the tape, which keeps what a walk needs" if found.recorded else
           f"planned: {direct} direct, {funnel} dispatched" if direct or funnel else
           "not planned: no call has come again")
    modes = [mode for mode, on in (("no gradients", not guard[3]), (f"autocast to {guard[2]}", guard[2]),
                                   ("walks backwards", found.step.walks)) if on]
    modes += {(True,): ["training"], (False,): ["evaluation"], (False, True): ["training and evaluation"]}.get(
        tuple(sorted(entry.training)), [])
    constants = sum(t.numel() * t.element_size() for t in found.constants.values())
    lines = [f"({shapes}){' in ' + ', '.join(modes) if modes else ''}: {len(found.graph.nodes)} nodes; {how}; "
             f"{constants} bytes of constants"]
    return lines + [f"    {line}" for line in program.report]


def _contiguous(sizes):
    """The strides of a tensor without gaps."""
    strides = [1] * len(sizes)
    for i in range(len(sizes) - 1, 0, -1):
        strides[i - 1] = strides[i] * max(sizes[i], 1)
    return tuple(strides)


def _put(table, key, value):
    """Keeps the latest items of a dict only."""
    table[key] = value
    for old in list(table)[:-_MOST_KEPT]:
        table.pop(old, None)


def _what_stays(found):
    """What a call leaves in Python that a replay would not, as a sentence; None where there is nothing."""
    if not found.held:
        return None
    shape, where = found.held[0]
    at = f" at {where}" if where else ""
    return f"Python keeps a tensor of shape {tuple(shape)} that the call made{at}"


def _what_is_shared(found, args, kwargs, result, surroundings):
    """Why the result, or what arguments are, can't be so again, as a sentence; None where it can."""
    tensors, now = flatten_call(args, kwargs, "")
    if not _alike(found.takes, now):
        return "it changes an argument"
    if not surroundings.held().isdisjoint(map(id, tensors)):
        return "an argument is a tensor that it finds in a variable too; a graph takes it for one of both"
    known = set(surroundings.known)
    _containers([list(args), dict(kwargs)], known, known.add)
    twice, others = [], []
    _containers(result, known, lambda i: twice.append(i) if i in known else known.add(i), others)
    if twice:
        return "its result holds a list or dict that is somewhere else too"
    made = next((value for value in others if id(value) not in known), None)
    return None if made is None else f"its result holds a {type(made).__name__} that it made"


def _containers(tree, known, note, others=None):
    """Tells the identities of lists and dicts, and collects values that are neither plain nor containers."""
    if isinstance(tree, list | dict):
        note(id(tree))
    if type(tree) in (list, tuple, dict) or is_named(tree):
        for part in tree.values() if type(tree) is dict else tree:
            _containers(part, known, note, others)
    elif others is None:
        known.add(id(tree))
    elif not isinstance(tree, (*_PLAIN, Tensor, types.NoneType, _C.Size, type, types.FunctionType, Module)):
        others.append(tree)


def _equal(a, b):
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all()))


def _alike(a, b):
    """Whether two descriptions are the same; values that are not plain by identity."""
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    (kind, parts), (other, others) = a, b
    if kind != other:
        return False
    if kind == "again":
        return parts == others
    if kind == "value":
        return parts is others or (type(parts) is type(others) and isinstance(parts, _PLAIN) and
                                   repr(parts) == repr(others))
    if len(parts) != len(others):
        return False
    if kind == "dict":
        return all(_alike(p, q) and (m is n or m == n) for (m, p), (n, q) in zip(parts, others, strict=True))
    return all(map(_alike, parts, others))


_PLAIN = (int, float, complex, str, bytes, _C.dtype, type(...), slice, range)


def _without_objects(form, objects):
    """The description with marks in place of values that are no numbers or texts; these are collected."""
    if isinstance(form, str):
        return form
    kind, parts = form
    if kind == "again":
        return form
    if kind == "value":
        if isinstance(parts, _PLAIN):
            return form
        objects.append(parts)
        return ["object", type(parts).__name__]
    if kind == "dict":
        return [kind, [(key, _without_objects(part, objects)) for key, part in parts]]
    return [kind, [_without_objects(part, objects) for part in parts]]


class OptimizedModule(Module):
    """A compiled module: called, it runs captured graphs; everything else is the module's own (`_orig_mod`)."""

    def __init__(self, module, on_break="eager", dynamic=None):
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        object.__setattr__(self, "_compiled", CompiledFunction(module, module, on_break, dynamic))

    def __reduce__(self):
        """Copies and pickles hold the module; it is captured again."""
        compiled = self._compiled
        return type(self), (self._orig_mod, compiled.on_break, compiled._dynamic)

    def forward(self, *args, **kwargs):
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "_orig_mod":                  # not there yet
                raise
            return getattr(self._orig_mod, name)

    @property
    def graphs(self):
        """The captured graphs; printing one shows its text."""
        return self._compiled.graphs

    def report(self):
        """What was captured, and what runs as it is written, and why."""
        return self._compiled.report()


def compile(model=None, *, fullgraph=False, on_break="eager", dynamic=None, backend=None, mode=None, options=None,
            name=None, disable=False, recompile_limit=None, isolate_recompiles=False, shapes_spec=None):
    """A function or module whose calls are captured as graphs and then run without Python.

    A call is captured when it comes first, and again where something changed that it took for granted: shapes,
    strides, dtypes and values of arguments, modes, variables that the function reads, what modules and optimizers are
    made of. Walks backwards and updates of optimizers are captured like everything else, so that a function may be a
    whole training step; a call in which Python came to hold new tensors, as the first step of an optimizer, only warms
    up. Learning rates, momentum and betas may change without a new capture.

    Programs that no graph can hold run as they are written: a CompileWarning says once why, with file and line. With
    `on_break="split"` only the statements do so that need a tensor's value in Python, or do something else that can't
    be replayed; the statements between them are graphs of their own, and so are the functions and modules that the
    former call. That needs the function's source; a function that can't be taken apart runs as it is written.

    Printing and other effects in Python happen when a call is captured, and not when it is replayed; so do errors of
    calls whose results nobody reads. Changes that no guard sees: `__dict__` of an object replaced as a whole, state of
    Python's own (a file, a context variable), attributes of tensors, what extension modules keep. The 64 graphs that
    ran last are kept.

    Args:
        model (callable, optional): what to compile; without it, a decorator is returned.
        fullgraph (bool): `on_break="raise"`. Default: False.
        on_break (str): what happens where the program can't be captured: "eager" runs it as it is written, "split"
            runs it in parts, "raise" raises. Default: "eager".
        disable (bool): gives back what it is given. Default: False.
        dynamic (bool, optional): whether calls that differ in one size, wherever it stands, share a graph: False
            captures each; True shares one as soon as three sizes were captured and agree. Default: None, shares it for
            sizes between those.
        backend, mode, options, name, recompile_limit, isolate_recompiles, shapes_spec: without effect.

    Returns:
        A CompiledFunction with `graphs` and `report()`, or an OptimizedModule, which has them too.

    Raises:
        TypeError: `model` is not callable.
        ValueError: `on_break` is none of the three.
        RuntimeError: the program can't be captured, and `on_break` is "raise"; raised by the call.

    Example:
        >>> import rushlight as rl
        >>> scaled = rl.compile(lambda x, by: x * by + by)
        >>> scaled(rl.ones(2), 3)
        tensor([6., 6.])
        >>> print(scaled.graphs[0].text())
        graph forward(%input: float32[2]) {
          %1: float32[2] = mul(%input, 3)
          %2: float32[2] = add(%1, 3, alpha=1)
          return %2
        }
        <BLANKLINE>

        >>> layer = rl.nn.Linear(2, 1)
        >>> optimizer = rl.optim.SGD(layer.parameters(), lr=0.1)
        >>> @rl.compile
        ... def step(x):
        ...     optimizer.zero_grad()
        ...     loss = layer(x).pow(2).mean()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> losses = [step(rl.ones(4, 2)).item() for _ in range(20)]
        >>> losses[-1] < losses[0] and len(step.graphs) == 1
        True
    """
    if on_break not in _ON_BREAK:
        raise ValueError(f"compile: on_break={on_break!r}; expected 'eager', 'split' or 'raise'")
    on_break = "raise" if fullgraph else on_break
    if model is None:
        return functools.partial(compile, on_break=on_break, dynamic=dynamic, disable=disable)
    if not callable(model):
        raise TypeError(f"compile: model={model!r} is a {type(model).__name__}; expected a function or a module")
    if disable:
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, on_break, dynamic)
    owner = getattr(model, "__self__", None)
    return CompiledFunction(model, owner if isinstance(owner, Module) else None, on_break, dynamic)
