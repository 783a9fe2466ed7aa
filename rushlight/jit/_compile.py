"""`compile`: calls captured as graphs, guarded by what the capture took for granted."""
import functools
import types

from rushlight import _C
from rushlight._C import Tensor
from rushlight.functional._warning import warn
from rushlight.jit._captured import CaptureError, capture_step
from rushlight.jit._guards import Surroundings
from rushlight.jit._structure import flatten
from rushlight.jit._symbolic import CallsBySize
from rushlight.nn.modules.module import Module

_RECAPTURES = 64
_WARM_UPS = 3                                        # calls after which nothing new is expected to stay in Python
_MOST_SIZES = 64                                     # of the calls that were derived from others
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

    def holds(self, tensors):
        if self.surroundings is not None and not self.surroundings.hold():
            return False
        return isinstance(self.found, _Refusal) or self.found.fits(tensors)


class CompiledFunction(_C.graph.CompiledCall):
    """A compiled function: call it as the function.

    Attributes:
        captured: by shapes, dtypes and values of the arguments and by modes, the captured calls, the latest first.
    """

    def __init__(self, function, module, fullgraph, dynamic=None):
        super().__init__()
        functools.update_wrapper(self, function)
        self.function = function
        self.module = module
        self.fullgraph = fullgraph
        self.captured = {}
        self.name = getattr(function, "__name__", type(function).__name__)
        self._dynamic = dynamic
        self._sizes = {}                             # by what is the same of the arguments: surroundings, CallsBySize
        self._derived = 0
        self._count = 0
        self._warm_ups, self._literals = {}, {}

    def _guard(self, tensors, form):
        """What must be the same of the arguments; None where something can't be compared."""
        text = form if form == _ONE_TENSOR else repr(form) if _is_plain(form) else None
        if text is None:
            return None
        guard = [text, _C.get_default_dtype(), _C._autocast() and _C._autocast_dtype(), _C.is_grad_enabled(),
                 _C.is_inference_mode_enabled()]
        for t in tensors:
            guard += (t.dtype, t.shape, t.stride(), t.requires_grad)
        return tuple(guard)

    def __reduce__(self):
        """Copies and pickles hold the function; it is captured again."""
        return type(self), (self.function, self.module, self.fullgraph, self._dynamic)

    def __get__(self, owner, kind=None):
        return self if owner is None else types.MethodType(self, owner)

    def _call(self, *args, **kwargs):
        """The call where the native part knows no captured one that does."""
        if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            tensors, form = args, _ONE_TENSOR
        else:
            tensors, form = flatten([list(args), dict(kwargs)], self.name, values=True)
        if _C.graph._is_capturing() or _C.is_anomaly_enabled():
            return self.function(*args, **kwargs)
        guard = self._guard(tensors, form)
        for entry in self.captured.get(guard, ()):
            if entry.holds(tensors):
                found = entry.found
                return self.function(*args, **kwargs) if isinstance(found, _Refusal) else found(list(tensors))
        found = self._at_this_size(guard, args, kwargs)
        return self._capture(guard, args, kwargs) if found is None else found(list(tensors))

    def _any_size(self, guard):
        """The guard without the size of the first dimension, and this size; None where that does not vary."""
        sizes = [part[0] for part in guard or () if isinstance(part, _C.Size) and part]
        if self._dynamic is False or not sizes or sizes[0] < 2:
            return None, None
        return tuple(("N", *part[1:]) if isinstance(part, _C.Size) and part and part[0] == sizes[0] else part
                     for part in guard), sizes[0]

    def _at_this_size(self, guard, args, kwargs):
        """A call that was derived from those captured at other sizes; None where there is none."""
        key, size = self._any_size(guard)
        surroundings, calls = self._sizes.get(key, (None, None))
        if calls is None or not surroundings.hold():
            return None
        found = calls.at(size, self._dynamic)
        if found is not None and self._derived < _MOST_SIZES:
            self._derived += 1
            self.captured.setdefault(guard, []).insert(0, _Entry(found, surroundings))
            self._shorten(args, kwargs, surroundings, found)
        return found

    def _note_size(self, guard, surroundings, found):
        key, size = self._any_size(guard)
        if key is None:
            return
        known, calls = self._sizes.get(key, (None, None))
        if calls is None or not known.hold():
            calls = CallsBySize()
        calls.add(size, found)
        self._sizes[key] = surroundings, calls

    def _surroundings(self):
        return Surroundings(self.function if self.module is None else self.module)

    def _capture(self, guard, args, kwargs):
        if guard is None or self._count >= _RECAPTURES:
            self._refuse(guard, None, "an argument can't be told from the next call's" if guard is None else
                         f"it was captured {_RECAPTURES} times for different arguments or surroundings")
            return self.function(*args, **kwargs)
        before = self._surroundings()
        found, result = capture_step(self.function, args, kwargs, before.tensors(), self.name)
        after = self._surroundings()
        if isinstance(found, CaptureError):
            self._refuse(guard, after, str(found))
        elif found.escapes:
            how, where = found.escapes[0]
            self._refuse(guard, after, f"at {where} a tensor's value leaves to Python by {how}()")
        elif after.unsteady:
            self._refuse(guard, after, f"it takes what {after.unsteady} gives, which may be something else each time")
        elif why := _what_stays(found, before.difference(after)) or self._what_varies(guard, after, found):
            self._warm_up(guard, why)
        else:
            self._warm_ups.pop(guard, None)
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
        kind = found.gives if isinstance(found.gives, str) else found.gives[0]
        flat = kind == "tensor" or (kind in ("tuple", "list") and all(part == "tensor" for part in found.gives[1]))
        self._add(args, found.step, surroundings.places, found.numbers, found.recorded, kind if flat else "other",
                  found.finish)

    def _keep(self, guard, surroundings, found):
        self._count += 1
        self.captured.setdefault(guard, []).insert(0, _Entry(found, surroundings))

    def _what_varies(self, guard, surroundings, found):
        """Tensors of unknown origin may be literals, or what an iterator gave: they must be equal at two calls."""
        now = surroundings.unknown(found.graph.constants)
        before, self._literals[guard] = self._literals.get(guard), now
        same = not now or (before is not None and len(before) == len(now) and all(map(_equal, before, now)))
        return None if same else (f"it reads a tensor of shape {tuple(now[0].shape)} that is no argument and in no "
                                  "variable that it names, and had other values at the call before")

    def _warm_up(self, guard, why):
        """What a first call creates is there at the next one."""
        self._warm_ups[guard] = self._warm_ups.get(guard, 0) + 1
        if self._warm_ups[guard] >= _WARM_UPS:
            self._refuse(guard, None, why)

    def _refuse(self, guard, surroundings, why):
        if self.fullgraph:
            raise RuntimeError(f"compile: {self.name} is no single graph: {why}")
        self._keep(guard, surroundings, _Refusal(why))
        warn(f"compile: {self.name} runs as it is written: {why}", CompileWarning)

    def _found(self):
        return [entry.found for entries in self.captured.values() for entry in reversed(entries)]

    def report(self):
        """For each captured call how many nodes it has, how many call their kernels directly, which were fused and why
        an element-wise one was not; or why there is no graph."""
        lines = []
        for found in self._found():
            if isinstance(found, _Refusal):
                lines.append(f"runs as it is written: {found.why}")
            else:
                direct, funnel = found.program.planned
                shapes = ", ".join(f"{dtype} {tuple(sizes)}" for _, dtype, sizes in found.graph.inputs)
                how = ("recorded on the tape" if found.recorded else f"planned: {direct} direct, {funnel} dispatched"
                       if direct or funnel else "not planned: no call has come again")
                lines.append(f"({shapes}): {len(found.graph.nodes)} nodes; {how}")
                lines += [f"    {line}" for line in found.program.report]
        return "\n".join(lines)

    @property
    def calls(self):
        """The captured calls, in the order in which they were captured for the same arguments."""
        return [found for found in self._found() if not isinstance(found, _Refusal)]

    @property
    def graphs(self):
        """The captured graphs; printing one shows its text."""
        return [found.graph for found in self.calls]


def _what_stays(found, changed):
    """What a call leaves in Python that a replay would not, as a sentence; None where there is nothing."""
    if changed is not None:
        return f"it changes {changed}, which it reads"
    if not found.held:
        return None
    shape, where = found.held[0]
    at = f" at {where}" if where else ""
    return f"Python keeps a tensor of shape {tuple(shape)} that the call made{at}"


def _equal(a, b):
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all()))


def _is_plain(form):
    """Whether every value in a description is one whose text tells it from others."""
    if form in ("tensor", "none"):
        return True
    kind, parts = form
    if kind == "value":
        return isinstance(parts, int | float | complex | str | bytes | _C.dtype) or parts is ...
    return all(_is_plain(part) for part in ([p for _, p in parts] if kind == "dict" else parts))


class OptimizedModule(Module):
    """A compiled module: called, it runs captured graphs; everything else is the module's own (`_orig_mod`)."""

    def __init__(self, module, fullgraph, dynamic=None):
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        object.__setattr__(self, "_compiled", CompiledFunction(module, module, fullgraph, dynamic))

    def __reduce__(self):
        """Copies and pickles hold the module; it is captured again."""
        compiled = self._compiled
        return type(self), (self._orig_mod, compiled.fullgraph, compiled._dynamic)

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


def compile(model=None, *, fullgraph=False, dynamic=None, backend=None, mode=None, options=None, name=None,
            disable=False, recompile_limit=None, isolate_recompiles=False, shapes_spec=None):
    """A function or module whose calls are captured as graphs and then run without Python.

    A call is captured when it comes first, and again where something changed that it took for granted: shapes,
    strides, dtypes and values of arguments, modes, variables that the function reads, what modules and optimizers are
    made of. Walks backwards and updates of optimizers are captured like everything else, so that a function may be a
    whole training step; a call in which Python came to hold new tensors, as the first step of an optimizer, only warms
    up. Learning rates, momentum and betas may change without a new capture.

    Programs that no graph can hold run as they are written: a CompileWarning says once why, with file and line.
    Printing and other effects in Python happen when a call is captured, and not when it is replayed. Changes that no
    guard sees: attributes set past `setattr`, items of lists and dicts of more than 16, Python's state outside of what
    the function and the functions that it names read.

    Args:
        model (callable, optional): what to compile; without it, a decorator is returned.
        fullgraph (bool): raise where the program can't be captured. Default: False.
        disable (bool): gives back what it is given. Default: False.
        dynamic (bool, optional): whether calls that differ in the size of their first dimension share a graph: False
            captures each; True shares one as soon as three sizes were captured and agree. Default: None, shares it for
            sizes between those.
        backend, mode, options, name, recompile_limit, isolate_recompiles, shapes_spec: without effect.

    Returns:
        A CompiledFunction with `graphs` and `report()`, or an OptimizedModule, which has them too.

    Raises:
        TypeError: `model` is not callable.

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
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, dynamic=dynamic, disable=disable)
    if not callable(model):
        raise TypeError(f"compile: model={model!r} is a {type(model).__name__}; expected a function or a module")
    if disable:
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph, dynamic)
    owner = getattr(model, "__self__", None)
    return CompiledFunction(model, owner if isinstance(owner, Module) else None, fullgraph, dynamic)
