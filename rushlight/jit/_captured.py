"""One captured call: the program, and what it takes and gives."""
import copy
import functools
import gc
import os
import sys
from collections import Counter

from rushlight import _C
from rushlight.jit._kept_calls import KeptCalls, keeping
from rushlight.jit._structure import flatten, flatten_call, input_names, rebuild

own_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_C.graph._set_own_folder(own_folder)


def signature_of(tensors, form):
    """What a captured call is good for: shapes and dtypes of its tensors, and how they are arranged."""
    return (repr(form), *((t.dtype, tuple(t.shape)) for t in tensors))


def arguments_of(args, kwargs, what):
    """The tensors of a call, and the description of ((args), {kwargs})."""
    return flatten([list(args), dict(kwargs)], what)


class CaptureError(RuntimeError):
    """A program did something that no graph can hold."""


class Captured:
    """A program with the structures of its arguments and results.

    Attributes:
        program: the native program.
        takes, gives: descriptions as `flatten` makes them.
        escapes: (how, file:line) of values that left to Python.
        functions: names of custom functions that went onto the tape.
        loses_history (bool): a tensor with a gradient was read after a detached one changed its memory.
        called (list of Graph): the graphs that it calls; `tensors` are theirs by key.
    """

    functions, loses_history = (), False

    def __init__(self, program, takes, gives, escapes=(), called=(), tensors=()):
        self.program = program
        self.called, self.tensors = list(called), dict(tensors)
        self.takes = takes
        self.gives = gives
        self.escapes = list(escapes)

    def __call__(self, tensors):
        return rebuild(self.gives, iter(self.program.run(*tensors)))

    def changed(self, change):
        """The call after a pass over its graph; those that it calls stay.

        Args:
            change (callable): from a graph to a graph.
        """
        graph = change(self.graph)
        program = _C.graph.Program(graph, graph.constants | self.tensors, self.called)
        return Captured(program, self.takes, self.gives, self.escapes, self.called, self.tensors)

    @property
    def graph(self):
        """The graph; printing it shows its text."""
        return self.program.graph

    @property
    def text(self):
        """The text of the graph and of those that it calls, as files hold it."""
        return "".join(graph.text() for graph in (self.graph, *self.called))

    @property
    def names(self):
        """Of the inputs, as the program's file tells them."""
        return input_names(self.takes, [name for name, _, _ in self.graph.inputs])

    @property
    def constants(self):
        """The tensors of all graphs by key."""
        return self.graph.constants | self.tensors

    @property
    def states(self):
        """The keys of tensors that the program may write; where it hands them on there is no telling which."""
        written = any(writes for graph in self.called for _, _, _, writes in graph.nodes)
        return list(self.constants) if written else self.graph.states


def names_of(tensors):
    """A name for each input."""
    return ["input"] if len(tensors) == 1 else [f"input.{i}" for i in range(len(tensors))]


class CapturedStep(Captured):
    """A captured call that may walk backwards and change gradients and state.

    Attributes:
        step: the native program with the gradients that it finds and leaves.
        recorded (bool): its calls go on the tape.
        numbers: (dict, key, place in a tuple or -1, value) of options of optimizers that are read anew for each call.
    """

    def __init__(self, step, takes, gives, recorded, escapes=(), called=(), tensors=()):
        super().__init__(step.program, takes, gives, escapes, called, tensors)
        self.step = step
        self.recorded = recorded
        self.numbers = []
        self.held = []                               # (shape, file:line) of tensors that Python keeps beyond the call

    def __call__(self, tensors):
        numbers = [group[key] if place < 0 else group[key][place] for group, key, place, _ in self.numbers]
        return self.finish(self.step.run(self.recorded, numbers, *tensors))

    def at(self, text):
        """The same call for inputs of other sizes, of its graph's text."""
        other = copy.copy(self)
        other.step = self.step.at(_C.graph.parse_all(text)[0])
        other.program = other.step.program
        return other

    def finish(self, tensors):
        """The result of the call, of its tensors."""
        return rebuild(self.gives, iter(tensors))

    def fits(self, tensors):
        """Whether numbers, gradients and flags are such as the call was captured with."""
        for group, key, place, before in self.numbers:
            now = group.get(key)
            if place >= 0:
                now = now[place] if type(now) is tuple and len(now) > place else None
            if type(now) not in (int, float) or bool(now) != bool(before):
                return False
        return self.step.fits(*tensors)


def _record(function, args, kwargs, known, what, values, finish, where=None):
    """Runs `function` once while what it does is noted.

    Args:
        function, args, kwargs, known, what: as for `capture`.
        values (bool): arguments and results may be other values than tensors.
        finish (callable): makes the captured call of the recording, the calls in it, the graph, what the program takes
            and gives, the resulting tensors, and those that it was given and wrote.
        where (callable, optional): gives the program's "file:line".

    Returns:
        (what `finish` gives, what the function gave). Where the program can't be captured, a CaptureError in place of
        the former.
    """
    given = f"{what}: the arguments"
    tensors, takes = flatten_call(args, kwargs, given) if values else arguments_of(args, kwargs, given)
    inputs = list(zip(names_of(tensors), tensors, strict=True))
    versions = [t._version for t in tensors]
    try:
        recording = _C.graph.Capture(inputs, known, where)
    except RuntimeError as error:
        return CaptureError(str(error)), function(*args, **kwargs)
    calls = KeptCalls(known, whole=not values)
    try:
        with keeping(calls):
            result = function(*args, **kwargs)
        outputs, gives = flatten(result, f"{what}: the result", values)
        try:
            graph = _C.graph.simplify(recording.finish(outputs))
        except (RuntimeError, ValueError) as error:
            return CaptureError(str(error)), result
        written = [t for t, version in zip(tensors, versions, strict=True) if t._version != version]
        written += [graph.constants[key] for key in graph.states]
        return finish(recording, calls, graph, takes, gives, outputs, written), result
    finally:
        recording.close()


def capture_step(function, args, kwargs, known, what, where=None, thorough=True):
    """Runs `function` once and keeps what it did, walks backwards included.

    Args:
        function, args, kwargs, known, what: as for `capture`; values other than tensors stay as they are.
        where (callable, optional): gives the program's "file:line".
        thorough (bool): before a tensor counts as kept by Python, all garbage is collected, and not the latest only.

    Returns:
        (CapturedStep, what the function gave). Where the program can't be captured, a CaptureError in place of it.
    """
    return _record(function, args, kwargs, known, what, True, functools.partial(_step_of, thorough), where)


def _step_of(thorough, recording, calls, graph, takes, gives, outputs, written):
    held = recording.held(outputs)
    if held:
        gc.collect(2 if thorough else 1)
        held = recording.held(outputs)
    held += [(t.shape, "") for t in _kept(recording, outputs)]
    changed = [t for t in written if t.grad_fn is not None]
    recorded = any(t.requires_grad and (not recording.walks or _C.graph.can_walk(t)) for t in (*outputs, *changed))
    if recorded and recording.loses_history:
        return CaptureError("it reads a tensor with a gradient after a detached one changed its memory")
    if recorded and recording.functions:
        return CaptureError(f"its result has a gradient through {recording.functions[0]}, whose backward a walk "
                            "outside of the call would not ask")
    step = _C.graph.Step(graph, recording, calls.tensors, calls.graphs)
    found = CapturedStep(step, takes, gives, recorded, recording.escapes, calls.graphs, calls.tensors)
    found.held, found.numbers = held, recording.numbers
    return found


def _kept(recording, outputs):
    """Tensors that the call made and gives, and that Python keeps elsewhere too."""
    times = Counter(map(id, outputs))
    # Each result is in the structure and in `outputs`; `t` and the argument of `getrefcount` come to that.
    return [t for t in outputs if recording.made(t) and sys.getrefcount(t) > 2 * times[id(t)] + 2]


def capture(function, args, kwargs, known, what):
    """Runs `function` once and keeps what it did.

    Args:
        function (callable): the program.
        args, kwargs: what it is called with; tensors in them are the inputs.
        known (list): (name, tensor) of tensors that keep their names: parameters and buffers.
        what (str): how errors begin.

    Returns:
        (Captured, what the function gave). Where the program can't be captured, a CaptureError in place of Captured.
    """
    def program_of(recording, calls, graph, takes, gives, outputs, written):
        if recording.uses_gradients:
            return CaptureError(f"{what}: the program uses the gradients that tensors keep, which a file can't hold; "
                                "expected autograd.grad(), or compile()")
        program = _C.graph.Program(graph, graph.constants | calls.tensors, calls.graphs)
        found = Captured(program, takes, gives, recording.escapes, calls.graphs, calls.tensors)
        found.functions, found.loses_history = list(dict.fromkeys(recording.functions)), recording.loses_history
        return found
    return _record(function, args, kwargs, known, what, False, program_of)
