"""What compiled functions read of Python's state: every change is seen, or the function runs as it is written."""
import array
import builtins
import collections
import ctypes
import dataclasses
import operator
import types
import warnings
import weakref
from datetime import datetime
from os import getenv
from time import time_ns
from uuid import uuid4

import numpy as np
import pytest

import rushlight as rl
from rushlight.jit import CompileWarning


class Slotted:
    __slots__ = ("k", "unset")


@dataclasses.dataclass(slots=True)
class Options:
    k: float = 1.0


def _nested(depth, innermost):
    for _ in range(depth):
        innermost = [innermost]
    return innermost


CASES = {}


def case(make):
    """Keeps what makes a function, and what sets the number that it reads."""
    CASES[make.__name__] = make
    return make


@case
def defaults():
    def scaled(x, k=1.0):
        return x * k

    def set_to(k):
        scaled.__defaults__ = (k,)
    return lambda x: scaled(x), set_to


@case
def keyword_defaults():
    def scaled(x, *, k=1.0):
        return x * k

    def set_to(k):
        scaled.__kwdefaults__ = {"k": k}
    return scaled, set_to


@case
def code():
    def scaled(x):
        return x * 1.0

    def set_to(k):
        scaled.__code__ = (lambda x: x * 1.0).__code__.replace(co_consts=(None, k))
    return lambda x: scaled(x), set_to


@case
def class_attribute():
    class Scaled:
        k = 1.0

        def __call__(self, x):
            return x * self.k

    return Scaled(), lambda k: setattr(Scaled, "k", k)


@case
def attribute_that_hides_the_class_s():
    class Scaled:
        k = 1.0

        def __call__(self, x):
            return x * self.k

    scaled = Scaled()
    return scaled, lambda k: setattr(scaled, "k", k)


@case
def class_attribute_of_a_module():
    class Scaled(rl.nn.Module):
        k = 1.0

        def forward(self, x):
            return x * self.k

    return Scaled(), lambda k: setattr(Scaled, "k", k)


@case
def method_of_a_base_class():
    class Base:
        def k(self):
            return 1.0

    class Scaled(Base):
        def __call__(self, x):
            return x * self.k()

    return Scaled(), lambda k: setattr(Base, "k", lambda self: k)


@case
def slots():
    holder = Slotted()
    holder.k = 1.0
    return lambda x: x * holder.k, lambda k: setattr(holder, "k", k)


@case
def slots_of_a_dataclass():
    holder = Options()
    return lambda x: x * holder.k, lambda k: setattr(holder, "k", k)


@case
def sets():
    found = {1.0}

    def set_to(k):
        found.clear()
        found.add(k)
    return lambda x: x * max(found), set_to


@case
def arrays():
    factors = np.ones(3)

    def set_to(k):
        factors[1] = k
    return lambda x: x * float(factors[1]), set_to


@case
def tensors_made_of_arrays():
    factors = np.ones(2, dtype=np.float32)

    def set_to(k):
        factors[:] = k
    return lambda x: x * rl.tensor(factors), set_to


@case
def attributes_by_text():
    holder = types.SimpleNamespace(k=1.0)
    return lambda x: x * vars(holder)["k"], lambda k: vars(holder).update(k=k)


@case
def attributes_by_names_that_are_made_up():
    holder = types.SimpleNamespace(factor_1=1.0)
    return lambda x: x * getattr(holder, f"factor_{len(x) - 1}"), lambda k: setattr(holder, "factor_1", k)


@case
def attributes_that_come():
    holder = types.SimpleNamespace()
    return lambda x: x * getattr(holder, "k", 1.0), lambda k: setattr(holder, "k", k)


@case
def parameters_of_helpers():
    holder = types.SimpleNamespace(inner=types.SimpleNamespace(k=1.0))

    def scaled(by, x):
        return x * by.k
    return lambda x: scaled(holder.inner, x), lambda k: setattr(holder.inner, "k", k)


@case
def what_helpers_give():
    holder = types.SimpleNamespace(k=1.0)

    def found():
        return holder
    return lambda x: x * found().k, lambda k: setattr(holder, "k", k)


@case
def long_lists():
    factors = [1.0] * 100

    def set_to(k):
        factors[50] = k
    return lambda x: x * factors[50], set_to


@case
def long_dicts():
    factors = {i: types.SimpleNamespace(k=1.0) for i in range(100)}
    return lambda x: x * factors[50].k, lambda k: setattr(factors[50], "k", k)


@case
def dicts_of_other_classes():
    factors = collections.OrderedDict(k=1.0)
    return lambda x: x * factors["k"], lambda k: factors.update(k=k)


@case
def odd_keys():
    factors = {None: 1.0, ...: 2.0}
    return lambda x: x * factors[None], lambda k: factors.update({None: k})


@case
def deep_lists():
    inner = [1.0]
    outer = _nested(10, inner)

    def scaled(x):
        found = outer
        while isinstance(found, list):
            found = found[0]
        return x * found

    def set_to(k):
        inner[0] = k
    return scaled, set_to


@case
def functions_of_functions():
    holder = types.SimpleNamespace(k=1.0)
    made = [lambda x: x * holder.k]
    for _ in range(8):
        made.append(lambda x, inner=made[-1]: inner(x))
    return made[-1], lambda k: setattr(holder, "k", k)


@case
def attributes_of_modules_set_past_them():
    class Scaled(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.k = 1.0

        def forward(self, x):
            return x * self.k

    module = Scaled()
    return module, lambda k: vars(module).update(k=k)


@case
def slots_that_are_not_set():
    holder = Slotted()
    return lambda x: x * (holder.unset if hasattr(holder, "unset") else 1.0), lambda k: setattr(holder, "unset", k)


@case
def attributes_of_functions():
    def scaled(x):
        return x * scaled.k
    scaled.k = 1.0
    return scaled, lambda k: setattr(scaled, "k", k)


@case
def globals_that_hide_builtins():
    def scaled(x):
        return x * pow(1.0, 1)
    scaled = types.FunctionType(scaled.__code__, {"__builtins__": builtins}, "scaled")
    return scaled, lambda k: scaled.__globals__.update(pow=lambda *args: k)


def _objects_that(method, read):
    """A case for a class with a special method that reads a dict, and a function that lets Python call it."""
    def make():
        table = {"k": 1.0}
        kind = type("Special", (), {} if method == "__init__" else {method: lambda *args: read(table["k"])})
        holder, owner = kind(), type("Owner", (), {"held": kind()})()
        functions = {
            "__str__": lambda x: x * float(str(holder)), "__format__": lambda x: x * float(f"{holder}"),
            "__and__": lambda x: x * (holder & 1), "__invert__": lambda x: x * ~holder,
            "__getattr__": lambda x: x * holder.absent, "__get__": lambda x: x * owner.held,
            "__init__": lambda x: x * Made().k}

        class Made:
            def __init__(self):
                self.k = table["k"]
        return functions[method], lambda k: table.update(k=k)
    return make


for _method in ("__str__", "__format__", "__and__", "__invert__", "__getattr__", "__get__", "__init__"):
    CASES[_method] = _objects_that(_method, str if _method in ("__str__", "__format__") else lambda k: k)


@case
def metaclasses():
    class Kind(type):
        k = 1.0

    class Scaled(metaclass=Kind):
        pass
    return lambda x: x * Scaled.k, lambda k: setattr(Kind, "k", k)


@case
def classes_of_objects():
    kinds = {k: type("Scaled", (), {"k": k}) for k in (1.0, 2.0, 3.0)}
    holder = kinds[1.0]()
    return lambda x: x * holder.k, lambda k: setattr(holder, "__class__", kinds[k])


@case
def views_of_dicts():
    table = {"k": 1.0}
    values, proxy = table.values(), types.MappingProxyType(table)
    return lambda x: x * sum(values) * proxy["k"] / proxy["k"], lambda k: table.update(k=k)


@case
def weak_references():
    def holder():
        return holder.k
    holder.k = 1.0
    reference = weakref.ref(holder)
    return lambda x: x * reference()(), lambda k: setattr(holder, "k", k)


@case
def getters():
    holder = types.SimpleNamespace(k=1.0)
    getter = operator.attrgetter("k")
    return lambda x: x * getter(holder), lambda k: setattr(holder, "k", k)


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_seen(name):
    function, set_to = CASES[name]()
    compiled = rl.compile(function, fullgraph=True)
    x = rl.ones(2)
    for k in (None, 2.0, 2.0, 3.0):
        if k is not None:
            set_to(k)
        for _ in range(2):
            assert compiled(x).tolist() == function(x).tolist() == [k or 1.0] * 2


def test_what_stays_the_same_is_captured_once():
    class Config:
        scale, table = 2.0, {"a": [1, 2, 3]}

        def __init__(self):
            self.seen = {1, 2}
            self.weights = np.ones(4)

    config, long = Config(), list(range(300))

    def function(x, by):
        return x * config.scale * config.table["a"][1] + max(config.seen) + float(config.weights[0]) + long[200] + by.k

    by = types.SimpleNamespace(k=1.0)
    compiled = rl.compile(function, fullgraph=True)
    for _ in range(5):
        compiled(rl.ones(2), by)
    assert len(compiled.graphs) == 1


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda: collections.deque([1.0]), "a deque whose changes can't be seen"),
    (lambda: np.ones(100_000), "a ndarray of 100000 elements whose changes can't be seen"),
    (lambda: np.array([1.0, None], dtype=object), "a ndarray of 2 elements"),
    (lambda: {types.SimpleNamespace}, "a set of objects whose changes can't be seen"),
    (lambda: array.array("d", [1.0]), "a array whose changes can't be seen"),
    (lambda: (ctypes.c_double * 2)(1.0, 2.0), "a c_double_Array_2 whose changes can't be seen"),
    (lambda: [types.SimpleNamespace(k=i) for i in range(3000)], "more of Python's state than is compared"),
])
def test_what_can_not_be_seen_is_refused(make, sentence):
    held = make()

    def function(x):
        return x * (held[0] if isinstance(held, collections.deque) else 2) + len(held) * getattr(held, "k", 0)

    compiled = rl.compile(function)
    with pytest.warns(CompileWarning, match=sentence):
        first = compiled(rl.ones(2))
    assert compiled(rl.ones(2)).equal(first) and not compiled.graphs


@pytest.mark.parametrize("unsteady", [uuid4, getenv, datetime.now, time_ns], ids=lambda f: f.__name__)
def test_functions_that_give_something_else_each_time_are_refused(unsteady):
    def function(x):
        return x * (unsteady("NOT_SET") is None) if unsteady is getenv else x * (hash(unsteady()) % 1009)

    compiled = rl.compile(function)
    with pytest.warns(CompileWarning, match="which may be something else each time"):
        compiled(rl.ones(2))
    assert not compiled.graphs


def test_attributes_that_can_not_be_asked_for_are_not():
    class Table:
        def __init__(self):
            self.rows = {"k": 2.0}

        def __getattr__(self, name):
            return self.rows[name]               # a KeyError, where Python expects an AttributeError

    table = Table()
    assert rl.compile(lambda x: x * table.k)(rl.ones(2)).tolist() == [2.0, 2.0]


def test_an_argument_that_is_a_variable_too_is_not_taken_for_both():
    held, net = rl.tensor([1.0, 2.0]), rl.nn.Linear(2, 2, bias=False)
    for function, first in ((lambda x: x * held, held), (lambda x: x @ net.weight.t(), net.weight)):
        compiled = rl.compile(function)
        with pytest.warns(CompileWarning, match="a tensor that it finds in a variable too"), rl.no_grad():
            for x in (first, first, rl.ones(2, 2)[:len(first)] * 3):
                assert compiled(x).equal(function(x))


def test_arguments_that_were_apart_and_are_not():
    factor = rl.ones(3, requires_grad=True)

    def step(x, y):
        loss = (x * factor * 2).sum() + (y * 3).sum()
        loss.backward()
        return loss

    def writes(x, y):
        loss = (x * factor).sum()
        y.add_(1)
        loss.backward()
        return loss

    compiled, a = rl.compile(step), rl.ones(3, requires_grad=True)
    for other in (rl.ones(3, requires_grad=True),) * 3 + (a, factor):
        for x, y in ((a, other), (other, a)):
            gradients = []
            for function in (step, compiled):
                a.grad = other.grad = factor.grad = None
                function(x, y)
                gradients.append([t.grad.tolist() for t in (a, other, factor)])
            assert gradients[0] == gradients[1]
    compiled, x = rl.compile(writes), rl.ones(3)
    for _ in range(3):
        compiled(x, rl.ones(3))
    assert compiled.graphs
    for y in (x, x[:]):
        with pytest.raises(RuntimeError, match="needed for the gradient, has been"):
            compiled(x, y)
    compiled = rl.compile(lambda x, y: x + 1 if x is y else x - y)
    assert [compiled(x, y).tolist() for y in (x * 3, x * 3, x)] == [[t - 3 * t for t in x.tolist()]] * 2 + [
        [t + 1 for t in x.tolist()]]


FACTOR = 2.0


def test_variables_that_are_read_by_text():
    global FACTOR
    evaluated = rl.compile(lambda x: x * eval("FACTOR"), fullgraph=True)
    for FACTOR in (2.0, 2.0, 3.0):
        assert evaluated(rl.ones(1)).item() == FACTOR
    with pytest.raises(RuntimeError, match=r"it takes what globals\(\) gives"):
        rl.compile(lambda x: x * globals().get("missing", 2), fullgraph=True)(rl.ones(2))


def test_methods_of_these_names_are_none_of_them():
    layer = rl.nn.Dropout(0.5)
    space = types.SimpleNamespace(globals=lambda: 2)
    compiled = rl.compile(lambda x: layer.eval()(x) * space.globals(), fullgraph=True)
    for _ in range(5):
        assert compiled(rl.ones(2)).tolist() == [2, 2]


def test_objects_are_arguments():
    class Scale:
        def __init__(self, k):
            self.k = k

    def scaled(x, by):
        return x * by.k

    compiled = rl.compile(scaled, fullgraph=True)
    one, two = Scale(1.0), Scale(2.0)
    for _ in range(3):
        assert compiled(rl.ones(1), one).item() == 1 and compiled(rl.ones(1), by=two).item() == 2
    assert len(compiled.graphs) == 2
    one.k = 5.0
    for _ in range(2):
        assert compiled(rl.ones(1), one).item() == 5 and compiled(rl.ones(1), by=two).item() == 2
    layer = rl.nn.Linear(2, 2)
    through = rl.compile(lambda layer, x: layer(x), fullgraph=True)
    for _ in range(3):
        assert through(layer, rl.ones(1, 2)).equal(layer(rl.ones(1, 2)))
    layer.weight = rl.nn.Parameter(rl.zeros(2, 2))
    assert through(layer, rl.ones(1, 2)).equal(layer(rl.ones(1, 2)))


def test_arguments_that_are_changed():
    def counts(x, seen):
        seen["n"] += 1
        return x * seen["n"]

    def collects(x, seen):
        seen.append(x * 2)
        return x

    def gives_back(x, seen):
        seen[0] = 3
        return seen

    def marks(x, by):
        by.k = 2
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        for function, make in ((counts, lambda: {"n": 0}), (collects, list), (gives_back, lambda: [1]),
                               (marks, lambda: types.SimpleNamespace(k=1))):
            compiled = rl.compile(function)
            for _ in range(6):
                ours, theirs = make(), make()
                a, b = compiled(rl.ones(1), ours), function(rl.ones(1), theirs)
                assert str(a) == str(b) and str(ours) == str(theirs)
                assert not isinstance(a, list) or a is ours


def test_results_that_are_kept_elsewhere():
    kept = dict.fromkeys(range(20))

    class Holder:
        pass

    holder = Holder()

    def keeps(x, key):
        out = x * 2
        kept[key] = out
        vars(holder)["las" + "t"] = out
        return out

    compiled = rl.compile(keeps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        for i in range(6):
            out = compiled(rl.full((1,), float(i)), 3)
            assert kept[3] is out and holder.last is out


def test_a_list_that_is_there_twice_is_one_list():
    def twice(x):
        both = [x + 1]
        return both, both

    compiled = rl.compile(twice)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        for _ in range(4):
            a, b = compiled(rl.ones(1))
            assert a is b


def test_new_objects_are_made_anew():
    compiled = rl.compile(lambda x: (x + 1, {1, 2}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        first, second = compiled(rl.ones(1))[1], compiled(rl.ones(1))[1]
    assert first == second and first is not second


@pytest.mark.parametrize("function", [
    lambda x: x * x.storage_offset(), lambda x: x.as_strided((2,), (1,), 4) * 2,
    lambda x: x.as_strided((2,), (1,)) * 2])
@pytest.mark.filterwarnings("ignore::rushlight.jit.CompileWarning")
def test_where_an_argument_begins_in_its_memory(function):
    memory = rl.arange(10.)
    compiled = rl.compile(function)
    for rows in (slice(1, 3), slice(1, 3), slice(3, 5), slice(3, 5), slice(1, 3)):
        assert compiled(memory[rows]).equal(function(memory[rows]))
