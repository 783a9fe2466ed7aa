"""Graphs whose sizes may vary: found by capturing a program at several sizes and comparing the texts."""
import functools
import itertools
import re
import threading
from fractions import Fraction

from rushlight import _C
from rushlight._C import graph
from rushlight.jit._captured import Captured
from rushlight.jit._structure import flatten, input_names, rebuild

#: Sizes at which a program is captured to see what follows from them. 1 is apart: programs may treat it differently.
POINTS = (2, 3)
CHECK = 5
_MOST_CALLS = 16                     # captured at other sizes, that are compared

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|%[\w.]+|[A-Za-z_][\w.]*|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|.', re.DOTALL)
_INTEGER = re.compile(r"-?\d+")
_REAL = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def generalize(names, texts, points=POINTS):
    """The text with expressions of sizes where the captured texts differ.

    Args:
        names (list of str): of the sizes.
        texts (dict): for each combination of two sizes, in the order of the names, the text captured at these sizes.
        points (tuple): the two sizes.

    Returns:
        str, or None where the texts differ in more than numbers that follow from the sizes.
    """
    places = list(itertools.product(points, repeat=len(names)))
    tokens = [_TOKEN.findall(texts[place]) for place in places]
    if len({len(t) for t in tokens}) != 1:
        return None
    out = []
    for row in zip(*tokens, strict=True):
        same = len(set(row)) == 1
        text = row[0] if same else _expression(names, dict(zip(places, row, strict=True)), points)
        if text is None:
            return None
        out.append(text)
    return "".join(out)


def _expression(names, values, points):
    if all(_INTEGER.fullmatch(v) for v in values.values()):
        return _sum(names, {place: int(v) for place, v in values.items()}, points)
    if all(_REAL.fullmatch(v) for v in values.values()):
        return _quotient(names, {place: float(v) for place, v in values.items()})
    return None


def _sum(names, values, points):
    """`<2*N+1>`: the one polynomial, linear in each size, that has these values."""
    for axis in range(len(names)):
        reduced = {}
        for place in values:
            if place[axis] != points[0]:
                continue
            low = values[place]
            slope = Fraction(values[(*place[:axis], points[1], *place[axis + 1:])] - low, points[1] - points[0])
            reduced[(*place[:axis], "", *place[axis + 1:])] = low - slope * points[0]
            reduced[(*place[:axis], names[axis], *place[axis + 1:])] = slope
        values = reduced
    if any(factor.denominator != 1 for factor in values.values()):
        return None
    terms = []
    for place, factor in sorted(values.items(), key=lambda item: (-len("".join(item[0])), item[0])):
        product = "*".join(name for name in place if name)
        if factor:
            terms.append(f"{factor}*{product}" if product and factor != 1 else product or str(factor))
    return "<" + "+".join(terms).replace("+-", "-") + ">"


def _quotient(names, values):
    """`<0.5/N>`: a number over one of the sizes."""
    for axis, name in enumerate(names):
        place, value = next(iter(values.items()))
        over = value * place[axis]
        for candidate in (float(round(over)), over):
            if all(candidate / p[axis] == v for p, v in values.items()):
                return f"<{candidate!r}/{name}>"
    return None


def _resized(tensor, sizes):
    """The tensor with other sizes: its values repeat, so that indices and labels stay valid."""
    for dim, size in sizes.items():
        if tensor.shape[dim] != size:
            tensor = tensor.index_select(dim, _C.arange(size) % tensor.shape[dim])
    return tensor


class Example:
    """Arguments of a program, small, with the dimensions that may vary.

    Args:
        args, kwargs: of the call.
        dynamic_shapes (sequence, optional): for each tensor a dict of dimensions and names, or None.

    Raises:
        ValueError: `dynamic_shapes` does not fit the tensors.
    """

    def __init__(self, args, kwargs, dynamic_shapes=None):
        tensors, self._form = flatten([list(args), dict(kwargs)], "trace: the arguments")
        if dynamic_shapes is None:
            leading = tensors[0].shape[:1] if tensors else ()
            dynamic_shapes = [{0: "N"} if t.shape[:1] == leading and leading else None for t in tensors]
        self._dims = self._checked(tensors, dynamic_shapes)
        self.names = sorted({name for dims in self._dims for name in dims.values()})
        self._sizes = {name: t.shape[dim] for t, dims in zip(tensors, self._dims, strict=True)
                       for dim, name in dims.items()}
        if min(self._sizes.values(), default=1) == 0:
            self.names = []                          # nothing to repeat
            return
        self._tensors = [_resized(t.detach(), {dim: min(t.shape[dim], CHECK) for dim in dims}).clone()
                         .requires_grad_(t.requires_grad) for t, dims in zip(tensors, self._dims, strict=True)]

    @staticmethod
    def _checked(tensors, dynamic_shapes):
        if len(dynamic_shapes) != len(tensors):
            raise ValueError(f"trace: dynamic_shapes has {len(dynamic_shapes)} entries for {len(tensors)} tensors")
        out = []
        for i, (tensor, dims) in enumerate(zip(tensors, dynamic_shapes, strict=True)):
            dims = dict(dims or {})
            for dim, name in dims.items():
                if not -tensor.ndim <= dim < tensor.ndim or not str(name).isidentifier() or len(str(name)) > 32:
                    raise ValueError(f"trace: dynamic_shapes[{i}] names dimension {dim} {name!r}; expected names for "
                                     f"dimensions of a tensor of shape {tuple(tensor.shape)}")
            out.append({dim % tensor.ndim: str(name) for dim, name in dims.items()})
        return out

    def _at(self, sizes):
        tensors = []
        for t, dims in zip(self._tensors, self._dims, strict=True):
            there = _resized(t.detach(), {dim: sizes[name] for dim, name in dims.items()})
            tensors.append(there.requires_grad_(t.requires_grad))
        args, kwargs = rebuild(self._form, iter(tensors))
        return tuple(args), kwargs

    def families(self, first, capture_at):
        """Graphs that together do for all sizes; none where the program wants the sizes that it was traced with.

        Where it does something else for sizes of 1, there is a graph for each choice of them.

        Args:
            first (Captured): what the program did for the example.
            capture_at (callable): captures it with other arguments.

        Returns:
            (list of Family, list of Captured): the latter for all sizes 1.
        """
        if not 0 < len(self.names) <= 3:
            return [], []

        def captured(sizes):
            found = capture_at(*self._at(sizes))
            if (found.takes, found.gives) != (first.takes, first.gives):
                raise _Different
            if not _same_constants(found, first):
                raise _Different
            return found
        dtypes = [dtype for _, dtype, _ in first.graph.inputs]

        def family(text, least):
            return Family(text, first.takes, first.gives, first.constants, dtypes, least)
        try:
            text = self._text(self.names, {}, captured)
            if 1 not in self._sizes.values() and graph.instantiate(text, self._sizes) != first.text:
                return [], []
        except _REFUSALS:
            return [], []
        try:
            ones = captured(dict.fromkeys(self.names, 1))
        except _REFUSALS:
            return [family(text, 2)], []
        if graph.instantiate(text, dict.fromkeys(self.names, 1)) == ones.text:
            return [family(text, 1)], []
        found = [family(text, 2)]
        for count in range(1, len(self.names)):
            for pinned in itertools.combinations(self.names, count):
                rest = [name for name in self.names if name not in pinned]
                try:
                    found.append(family(self._text(rest, dict.fromkeys(pinned, 1), captured), 2))
                except _REFUSALS:
                    continue
        return found, [ones]

    @staticmethod
    def _text(names, pinned, captured):
        """The text for all sizes from 2 on of these names, with others pinned."""
        places = itertools.product(POINTS, repeat=len(names))
        text = generalize(names, {place: captured(dict(zip(names, place, strict=True)) | pinned).text
                                  for place in places})
        check = dict.fromkeys(names, CHECK)
        if text is None or graph.instantiate(text, check) != captured(check | pinned).text:
            raise _Different
        return text


class _Different(Exception):
    """At another size the program takes, gives, reads or does something else."""


#: What a program raises that wants the sizes that it was traced with.
_REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, _Different)


def _same_constants(a, b):
    """Whether two graphs read the same tensors, and write the same: equal values do for those that they only read."""
    ours, theirs, written = a.constants, b.constants, set(a.states) | set(b.states)

    def same(key, t, other):
        if t is other or (t.shape == other.shape and t.dtype == other.dtype and t.data_ptr() == other.data_ptr()):
            return True
        return key not in written and t.dtype == other.dtype and t.equal(other)
    return ours.keys() == theirs.keys() and all(same(key, t, theirs[key]) for key, t in ours.items())


class CallsBySize:
    """Captured calls that differ in sizes only; those of which one size differs, wherever it stands, have a common
    text, if there is one."""

    def __init__(self):
        self._calls = {}                             # the latest, by the sizes of all dimensions
        self._texts = {}                             # by the other sizes: text, a call, smallest and largest size
        self._lock = threading.Lock()

    def add(self, sizes, found):
        """Takes note of a call that was captured with these sizes of all dimensions of all tensors."""
        with self._lock:
            self._calls.pop(sizes, None)
            self._calls[sizes] = found
            if len(self._calls) > _MOST_CALLS:
                del self._calls[next(iter(self._calls))]
            for pattern, calls in self._patterns(sizes).items():
                calls[next(sizes[i] for i, size in enumerate(pattern) if size is None)] = found
                self._learn(pattern, calls)

    def at(self, sizes, anywhere):
        """The call for other sizes; None where none follows from those that were captured.

        Args:
            sizes (tuple of int): of all dimensions.
            anywhere (bool): the size that differs may lie outside of those that were captured.
        """
        with self._lock:
            texts = list(self._texts.items())
        for pattern, (text, found, low, high) in texts:
            size = _size_in(pattern, sizes)
            if size is not None and (anywhere or low < size < high):
                return found.at(graph.instantiate(text, {"N": size}))
        return None

    def _patterns(self, sizes):
        """The calls that differ from these sizes in one, by what stays; None stands for the size that differs."""
        out = {}
        for other, found in self._calls.items():
            if other != sizes:
                pattern = tuple(None if a != b else a for a, b in zip(sizes, other, strict=True))
                size = _size_in(pattern, other)
                if size is not None and _size_in(pattern, sizes) is not None:
                    out.setdefault(pattern, {})[size] = found
        return out

    def _learn(self, pattern, calls):
        text, found, low, high = self._texts.get(pattern, (None, None, 0, 0))
        if text is None:
            text = _common_text(calls) if len(calls) >= 3 else None
        elif not all(graph.instantiate(text, {"N": size}) == one.text for size, one in calls.items()):
            return                                   # beyond some size it does something else
        if text is not None:
            self._texts[pattern] = text, found or next(iter(calls.values())), min(low or min(calls), *calls), max(
                high, *calls)
            if len(self._texts) > _MOST_CALLS:
                del self._texts[next(iter(self._texts))]


def _size_in(pattern, sizes):
    """The one size that stands where the pattern has None, 2 or more; None where the sizes do not fit it."""
    free = {size for size, fixed in zip(sizes, pattern, strict=True) if fixed is None}
    fits = all(fixed is None or fixed == size for size, fixed in zip(sizes, pattern, strict=True))
    return next(iter(free)) if fits and len(free) == 1 and min(free) > 1 else None


def _common_text(calls):
    points = min(calls), max(calls)
    text = generalize(["N"], {(size,): calls[size].text for size in points}, points)
    first = calls[points[0]]
    alike = text is not None and all(
        graph.instantiate(text, {"N": size}) == found.text and found.gives == first.gives
        and _same_constants(found, first) for size, found in calls.items())
    return text if alike else None


class Family:
    """A graph for every size of some dimensions.

    Attributes:
        text (str): with expressions of sizes.
        takes, gives: descriptions, as of a captured call.
        constants (dict): tensors by key.
        dtypes (list): of the inputs.
        least (int): the smallest size that it does for; 2 where the program treats 1 differently.
    """

    def __init__(self, text, takes, gives, constants, dtypes, least=1):
        self.text = text
        self.takes = takes
        self.gives = gives
        self.constants = constants
        self.dtypes = dtypes
        self.least = least
        self._form = repr(takes)

    @functools.cached_property
    def names(self):
        """Of the inputs, as the program's file tells them."""
        one = graph.parse_all(graph.instantiate(self.text, dict.fromkeys(graph.symbols(self.text), POINTS[0])))[0]
        return input_names(self.takes, [name for name, _, _ in one.inputs])

    def sizes_for(self, tensors, form):
        """What the varying sizes are for these inputs; None where they do not fit."""
        return self._fitting([(t.dtype, t.shape) for t in tensors], form)

    def covers(self, found):
        """Whether a captured call is one of the family."""
        return self._fitting([(dtype, shape) for _, dtype, shape in found.graph.inputs], found.takes) is not None

    def _fitting(self, types, form):
        if repr(form) != self._form or [dtype for dtype, _ in types] != self.dtypes:
            return None
        sizes = graph.solve(self.text, [list(shape) for _, shape in types])
        return None if sizes is None or any(size < self.least for size in sizes.values()) else sizes

    def at(self, sizes):
        """The captured call for these sizes."""
        main, *called = graph.parse_all(graph.instantiate(self.text, sizes))
        tensors = {key: self.constants[key] for one in called for key in one.constants}
        return Captured(graph.Program(main, self.constants, called), self.takes, self.gives, (), called, tensors)

    def changed(self, change):
        """The family after a pass over its graphs; None where the changed ones have no text in common.

        Args:
            change (callable): from a graph to a graph.
        """
        names = graph.symbols(self.text)

        def at(*place):
            return self.at(dict(zip(names, place, strict=True))).changed(change)
        made = {place: at(*place) for place in itertools.product(POINTS, repeat=len(names))}
        text = generalize(names, {place: one.text for place, one in made.items()})
        first = made[(POINTS[0],) * len(names)]
        for place in ((CHECK,) * len(names), (self.least,) * len(names)):
            one = at(*place)
            if text is None or not _same_constants(one, first):
                return None
            if graph.instantiate(text, dict(zip(names, place, strict=True))) != one.text:
                return None
        return Family(text, self.takes, self.gives, first.constants, self.dtypes, self.least)

    def describe(self):
        """What it takes: `input: float32[N, 3]`."""
        head = self.text.partition("\n")[0]
        takes = head[head.index("(") + 1 : head.rindex(")")].replace("%", "").replace("<", "").replace(">", "")
        return takes + (" with sizes from 2 on" if self.least == 2 else "")
