"""What is out of scope refuses by name, and the page about it says so."""
import re
from pathlib import Path

import pytest

import rushlight as rl
from rushlight._outside import DTYPES, IN_ROOMS, METHODS, OUTSIDE, ROOMS

PAGE = (Path(__file__).parents[2] / "docs/out-of-scope.md").read_text()
FUNCTIONS = [name for names, _ in OUTSIDE.values() for name in names.split()]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_refuses(name):
    with pytest.raises(NotImplementedError, match=rf"^{name}: .* out of scope"):
        getattr(rl, name)(rl.ones(2))


@pytest.mark.parametrize("room", IN_ROOMS)
def test_rooms_refuse(room):
    for name in IN_ROOMS[room]:
        with pytest.raises(NotImplementedError, match=rf"^{room}\.{name}: .* are out of scope"):
            getattr(getattr(rl, room), name)(rl.ones(2))


@pytest.mark.parametrize("name", METHODS)
def test_method_refuses(name):
    with pytest.raises(NotImplementedError, match=rf"^{name}: .* out of scope"):
        getattr(rl.ones(2), name)()


@pytest.mark.parametrize("name", DTYPES)
def test_dtype_is_a_name_only(name):
    dtype = getattr(rl, name)
    assert dtype == getattr(rl, name) and dtype != rl.float32 and f"`{name}`" in PAGE
    x = rl.ones(2)
    for given in (lambda: rl.zeros(2, dtype=dtype), lambda: rl.tensor([1.0], dtype=dtype), lambda: x.to(dtype),
                  lambda: x.to(dtype=dtype), lambda: x.type(dtype), lambda: x.view(dtype), lambda: x.sum(dtype=dtype)):
        with pytest.raises(TypeError, match=r"^\w+: argument '\w+' must be .*, not dtype_out_of_scope$"):
            given()


def test_the_page_names_every_topic():
    topics = re.findall(r"^\| ([^|]+) \|", PAGE, re.MULTILINE)[2:]
    assert sorted(topics) == sorted({*OUTSIDE, *(topic for topic, _ in ROOMS.values())})


def test_no_name_of_the_page_is_in_use():
    for name in re.findall(r"`(sym_\w+|AliasDb|Tensor\.\w+)`", PAGE):
        owner = rl.Tensor if name.startswith("Tensor.") else rl
        assert not hasattr(owner, name.removeprefix("Tensor.")), name
