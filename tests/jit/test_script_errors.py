# ruff: noqa: B007, F841, RET503, RUF015
"""jit.script: what it can't hold is refused when it is scripted, with file, line, source, and what is expected."""
import enum
from typing import Dict, List, Optional, Union  # noqa: UP035  as programs write them

import pytest

import rushlight as rl
from rushlight import Tensor
from rushlight.jit.frontend import FrontendError, NotSupportedError, UnsupportedNodeError

CASES = []
SCALE = 3


def refused(match, kind=FrontendError):
    """Registers a program with what its error says."""
    def register(function):
        CASES.append((function, match, kind))
        return function
    return register


# -- types

@refused("variable 'x' had type int and is assigned a value of type str; expected one type")
def changes_type():
    x = 1
    x = "one"
    return x


@refused("y is int in the true branch and Tensor in the false branch")
def branches_differ(x):
    if x.sum() > 0:
        y = 1
    else:
        y = x
    return y


@refused("z is not defined in the false branch of the if at line")
def defined_in_one_branch(x):
    if x.sum() > 0:
        z = x
    return z


@refused("an earlier return statement returned a value of type Tensor and this return statement returns a value of "
         "type int")
def mixed_returns(x):
    if x.sum() > 0:
        return x
    return 1


@refused("returns a value of type NoneType")
def returns_sometimes(x):
    if x.sum() > 0:
        return x


@refused("the return value is of type float; expected int, as the function is annotated")
def wrong_result(x: float) -> int:
    return x


@refused("an item is of type str|the item is of type str; expected int, as the list is List\\[int\\]")
def wrong_item(xs: List[int]):  # noqa: UP006
    xs.append("a")


@refused("the list holds items of types int, str; expected one type")
def mixed_list():
    xs = [1, "a"]
    return xs


@refused("variable 'k' has type int before the loop|variable 'k' had type int and is assigned a value of type float")
def loop_changes_type(n: int):
    k = 0
    for i in range(n):
        k = k * 0.5
    return k


@refused("attribute 'sum' of Optional\\[Tensor\\], which may be None; expected a check before it")
def unchecked_optional(x: Optional[Tensor]):  # noqa: UP045
    return x.sum()


@refused("argument 'n' is of type int; expected Tensor \\(an argument without annotation is a Tensor\\)")
def passes_int():
    return takes_tensor(3)


def takes_tensor(n):
    return n


@refused("linear: argument 'weight' is of type str; expected Tensor")
def wrong_argument(x):
    return rl.nn.functional.linear(x, "w")


@refused("sum: unexpected argument 'dimension'")
def wrong_keyword(x):
    return x.sum(dimension=1)


@refused("argument 'n' has type Tensor and the default 3; expected an annotation")
def default_without_annotation(x, n=3):
    return x * n


@refused("is a union of several types; expected Optional")
def union_of_types(x: Union[int, str]):  # noqa: UP007
    return x


@refused("says not what it holds")
def bare_list(x: list):
    return x


@refused("the annotation Missing can't be read")
def unknown_annotation(x: "Missing"):  # noqa: F821
    return x


@refused("\\+ of int and str; expected operands")
def adds_text(n: int, s: str):
    return n + s


@refused("the condition is str; expected bool, int, float or a Tensor")
def condition_of_text(s: str):
    if s:
        return 1
    return 2


@refused("has 2 items; expected 3")
def unpacks_too_few():
    a, b, c = 1, 2
    return a


@refused("index 5 is out of range for a tuple of 2 items")
def tuple_out_of_range():
    t = (1, 2)
    return t[5]


@refused("the index into Tuple\\[int, str\\] is only known when the program runs")
def tuple_by_value(n: int):
    t = (1, "a")
    return [t for _ in range(n)][0][n]


@refused("keys of type|differ in type; expected one type of each")
def mixed_dict():
    return {"a": 1, "b": "c"}


@refused("expected str, int, float, bool or Tensor")
def odd_keys(d: Dict[List[int], int]):  # noqa: UP006
    return d


# -- constructs

@refused("try is not supported", UnsupportedNodeError)
def tries(x):
    try:
        return x
    except ValueError:
        return x * 2


@refused("a lambda is not supported", UnsupportedNodeError)
def has_lambda(x):
    f = lambda y: y  # noqa: E731
    return f(x)


@refused("a function within a function is not supported", NotSupportedError)
def nested_function(x):
    def inner(y):
        return y
    return inner(x)


@refused("yield is not supported", UnsupportedNodeError)
def yields(x):
    yield x


@refused("global is not supported", UnsupportedNodeError)
def sets_global(x):
    global SCALE
    SCALE = 3
    return x


@refused("import is not supported", UnsupportedNodeError)
def imports(x):
    import math  # noqa: F401
    return x


@refused("a set is not supported", UnsupportedNodeError)
def makes_set(x: int):
    return {x, 1}


@refused("else after a loop is not supported", NotSupportedError)
def loop_else(n: int):
    for i in range(n):
        pass
    else:  # noqa: PLW0120
        n = 0
    return n


@refused("an argument \\*args or \\*\\*kwargs is not supported", NotSupportedError)
def star_arguments(*xs):
    return xs


@refused("with anything but no_grad\\(\\) and enable_grad\\(\\) is not supported", NotSupportedError)
def opens_file(x):
    with open("file") as f:  # noqa: F841, PTH123
        pass
    return x


@refused("'SCALE' is a global int, which may change after the program is scripted; expected an argument")
def reads_global(x):
    return x * SCALE


@refused("name 'missing' is not defined")
def unknown_name(x):
    return x + missing  # noqa: F821


@refused("has no attribute 'nothing'|'nothing' of a Tensor")
def unknown_method(x):
    return x.nothing()


@refused("'numpy' of a Tensor; expected a method or attribute that a program without Python has")
def to_numpy(x):
    return x.numpy()


@refused("'sleep' can't be called; expected an operator of Rushlight, a function that can be scripted")
def calls_python(x):
    import_time.sleep(1)
    return x


import time as import_time  # noqa: E402


class Color(enum.Enum):
    RED = 1


@refused("class Plain is not scripted; expected @jit.script on it")
def plain_class(x):
    p = Plain()
    return x


class Plain:
    pass


@refused("tolist\\(\\) of a Tensor gives a type that only the run knows; expected an annotated variable")
def to_list(x):
    return x.tolist()


@refused("odd calls itself, and the type of its result is not known yet; expected an annotation|recursion")
def recursion(n: int):
    return odd(n)


def odd(n: int):
    return True if n == 1 else odd(n - 2)


@pytest.mark.parametrize(("function", "match", "kind"), CASES, ids=[f.__name__ for f, _, _ in CASES])
def test_refusal(function, match, kind):
    with pytest.raises(kind, match=match) as caught:
        rl.jit.script(function)
    text = str(caught.value)
    assert "test_script_errors.py\", line " in text
    assert "^" in text


# -- classes

def test_classes():
    with pytest.raises(FrontendError, match=r"attribute 'y' is set in set_y and not in __init__; expected all"):
        @rl.jit.script
        class BadClass:
            def __init__(self, x):
                self.x = x

            def set_y(self, y):
                self.y = y

    with pytest.raises(NotSupportedError, match="its body holds more than methods"):
        @rl.jit.script
        class Holds:
            size = 3

            def __init__(self):
                self.x = 1

    with pytest.raises(NotSupportedError, match="it inherits from Plain; expected a class without bases"):
        @rl.jit.script
        class Inherits(Plain):
            def __init__(self):
                self.x = 1


@rl.jit.script
class Box:
    def __init__(self, n: int):
        self.n = n


def box_takes_text():
    box = Box(1)
    box.n = "a"
    return box.n


def box_takes_more():
    box = Box(1)
    box.m = 2
    return box.n


def test_objects():
    with pytest.raises(FrontendError, match="attribute 'n' had type int and is assigned a value of type str"):
        rl.jit.script(box_takes_text)
    with pytest.raises(FrontendError, match="attribute 'm' of class Box is first assigned outside __init__"):
        rl.jit.script(box_takes_more)


# -- modules

class Net(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.size = 3
        self.names = ["a"]
        self.linear = rl.nn.Linear(2, 2)

    def forward(self, x):
        return x


def net_with(**methods):
    return type("Other", (Net,), methods)()


def sets_outside(self, x):
    self.other = x
    return x


def changes_attribute(self, x):
    self.size = "three"
    return x


def unknown_attribute(self, x):
    return self.missing(x)


def changes_list(self, x):
    self.names.append("b")
    return x


def by_value(self, n: int):
    return self.linears[n]


@rl.jit.ignore
def stays(self, x):
    return x.numpy()


def calls_ignored(self, x):
    return self.stays(x)


@pytest.mark.parametrize(("forward", "match"), [
    (sets_outside, "attribute 'other' of module Other is first assigned outside __init__"),
    (changes_attribute, "attribute 'size' had type int and is assigned a value of type str"),
    (unknown_attribute, "module Other has no attribute 'missing'"),
    (changes_list, r"List\[str\] of the module is changed by append"),
    (calls_ignored, "stays is marked ignore, and runs in Python"),
])
def test_modules(forward, match):
    with pytest.raises(FrontendError, match=match):
        rl.jit.script(net_with(forward=forward, stays=stays))


def test_what_is_scripted():
    with pytest.raises(FrontendError, match="class Net is a module's; expected a module"):
        rl.jit.script(Net)
    with pytest.raises(FrontendError, match="obj=3 is a int; expected a function, module or class"):
        rl.jit.script(3)
    with pytest.raises(FrontendError, match=r"source of .* can't be read"):
        rl.jit.script(eval("lambda x: x"))  # noqa: S307
    with pytest.raises(UnsupportedNodeError, match="a lambda is not supported"):
        rl.jit.script(lambda x: x)
    table = {"a": lambda x: x,
             "b": lambda x: -x}
    with pytest.raises(FrontendError, match="in the middle of an expression and can't be read; expected def"):
        rl.jit.script(table["b"])
    net = Net()
    net.register_forward_hook(lambda *args: None)
    with pytest.raises(FrontendError, match="hooks"):
        rl.jit.script(rl.nn.Sequential(net))
