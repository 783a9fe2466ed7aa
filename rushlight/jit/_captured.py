"""One captured call: the program, and what it takes and gives."""
import copy
import gc
import os

from rushlight import _C
from rushlight.jit._structure import flatten, rebuild

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
    """

    def __init__(self, program, takes, gives, escapes=()):
        self.program = program
        self.takes = takes
        self.gives = gives
        self.escapes = list(escapes)

    def __call__(self, tensors):
        return rebuild(self.gives, iter(self.program.run(*tensors)))

    @property
    def graph(self):
        """The graph; printing it shows its text."""
        return self.program.graph

    @property
    def text(self):
        """The graph's text, as files hold it."""
        return self.graph.text()

    @property
    def constants(self):
        """The graph's tensors by key."""
        return self.graph.constants


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

    def __init__(self, step, takes, gives, recorded, escapes=()):
        super().__init__(step.program, takes, gives, escapes)
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
        other.step = self.step.at(_C.graph.parse(text))
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


def capture_step(function, args, kwargs, known, what):
    """Runs `function` once and keeps what it did, walks backwards included.

    Args:
        function, args, kwargs, known, what: as for `capture`; values other than tensors stay as they are.

    Returns:
        (CapturedStep, what the function gave). Where the program can't be captured, a CaptureError in place of it.
    """
    tensors, takes = flatten([list(args), dict(kwargs)], f"{what}: the arguments", True)
    inputs = list(zip(names_of(tensors), tensors, strict=True))
    try:
        recording = _C.graph.Capture(inputs, known)
    except RuntimeError as error:
        return CaptureError(str(error)), function(*args, **kwargs)
    try:
        result = function(*args, **kwargs)
        outputs, gives = flatten(result, f"{what}: the result", True)
        try:
            graph = _C.graph.simplify(recording.finish(outputs))
        except (RuntimeError, ValueError) as error:
            return CaptureError(str(error)), result
        escapes, held, numbers = recording.escapes, recording.held(outputs), recording.numbers
        if held:
            gc.collect()
            held = recording.held(outputs)
    finally:
        recording.close()
    recorded = any(t.requires_grad and (not recording.walks or _C.graph.can_walk(t)) for t in outputs)
    if recorded and recording.loses_history:
        return CaptureError("it reads a tensor with a gradient after a detached one changed its memory"), result
    found = CapturedStep(_C.graph.Step(graph, recording), takes, gives, recorded, escapes)
    found.held, found.numbers = held, numbers
    return found, result


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
    tensors, takes = flatten([list(args), dict(kwargs)], f"{what}: the arguments")
    inputs = list(zip(names_of(tensors), tensors, strict=True))
    try:
        recording = _C.graph.Capture(inputs, known)
    except RuntimeError as error:
        return CaptureError(str(error)), function(*args, **kwargs)
    try:
        result = function(*args, **kwargs)
        escapes = recording.escapes
        outputs, gives = flatten(result, f"{what}: the result")
        try:
            graph = _C.graph.simplify(recording.finish(outputs))
        except RuntimeError as error:
            return CaptureError(str(error)), result
        if recording.uses_gradients:
            return CaptureError(f"{what}: the program uses the gradients that tensors keep, which a file can't hold; "
                                "expected autograd.grad(), or compile()"), result
    finally:
        recording.close()
    return Captured(_C.graph.Program(graph), takes, gives, escapes), result
