"""Every sample call of the operators on shapes and indices, with its integers replaced by hostile ones.

There is a result or an exception of an expected type, never a crash.
"""

import random
import re

import pytest

import rushlight as rl
from rushlight import _C

ROOMS = """
    view reshape flatten unflatten transpose permute movedim expand squeeze unsqueeze slice narrow
    select unbind split_with_sizes split chunk tensor_split unfold diagonal as_strided tril triu
    diag_embed diag cat stack repeat tile repeat_interleave flip roll rot90 gather scatter scatter_add
    scatter_reduce index_select index_add index_copy index_fill embedding index index_write index_put
    take put take_along_dim select_scatter slice_scatter diagonal_scatter arange linspace logspace eye
    tril_indices triu_indices empty_strided full zeros new_zeros new_full masked_select masked_scatter
""".split()
HOSTILE = [-1, 0, 1, 2, 3, 7, -2, -9, 65, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63), -(2**62), 2**64]
EXPECTED = (RuntimeError, IndexError, ValueError, TypeError, OverflowError, MemoryError)
# Sizes below memory's limit that would still take minutes.
SLOW = {2**31}


def calls():
    for op in _C.operators():
        if op["id"] in ROOMS and op["samples"]:
            for call in op["samples"].split(";"):
                if call.strip():
                    yield op["id"], call.strip()


def namespace():
    names = {name: getattr(_C, name) for name in _C._public}
    names.update(
        T=lambda *size: rl.arange(max(int(rl.zeros(size).numel()), 0)).double().reshape(size),
        tensor=rl.tensor,
        int64=rl.int64,
    )
    return names


@pytest.mark.parametrize("op, call", list(calls()), ids=lambda v: str(v)[:40])
def test_hostile_integers(op, call):
    rng = random.Random(call)
    places = [m.span() for m in re.finditer(r"(?<![\w.])\d+(?![\w.])", call)]
    for _ in range(60):
        text = call
        for begin, end in sorted(rng.sample(places, min(len(places), rng.choice([1, 1, 2]))), reverse=True):
            inside_source = re.search(r"T\([^()]*$", text[:begin]) is not None
            value = rng.choice([0, 1, 2, 3, 7] if inside_source else [v for v in HOSTILE if v not in SLOW])
            text = text[:begin] + f"({value})" + text[end:]
        try:
            eval(text, namespace())
        except EXPECTED as e:
            assert str(e), text


class Changing:
    """An item that changes the list it stands in while it is read."""

    def __init__(self, change):
        self.change, self.items = change, None

    def __index__(self):
        self.change(self.items)
        return 1

    def __float__(self):
        return float(self.__index__())


READERS = {
    "zeros": lambda items: rl.zeros(items),
    "tensor": lambda items: rl.tensor(items),
    "as_tensor": lambda items: rl.as_tensor(items, dtype=rl.float64),
    "index": lambda items: rl.zeros(5)[items],
    "index_tuple": lambda items: rl.zeros([2] * 20)[[*items[:1], slice(0, 1), *items[1:]]],
    "interpolate": lambda items: rl.nn.functional.interpolate(rl.zeros(1, 1, 4), scale_factor=items),
}


@pytest.mark.parametrize("change", [list.clear, lambda items: items.extend([1] * 100000), lambda items: items.pop()],
                         ids=["clear", "extend", "pop"])
@pytest.mark.parametrize("rest", [[2.5] * 12, [2] * 12, [[2]] * 100000], ids=["floats", "ints", "lists"])
@pytest.mark.parametrize("reader", READERS)
def test_lists_that_change_while_they_are_read(reader, rest, change):
    item = Changing(change)
    item.items = [item, *rest]
    try:
        READERS[reader](item.items)
    except EXPECTED as e:
        assert str(e)


class NotATruth:
    """An object that is neither true nor false."""

    def __bool__(self):
        raise ZeroDivisionError("asked for a truth")


@pytest.mark.parametrize("call", [
    lambda o: rl.zeros(2, requires_grad=o), lambda o: rl.zeros(2).to(rl.int64, copy=o),
    lambda o: rl.ones(2, requires_grad=True).sum().backward(retain_graph=o), lambda o: rl.zeros(2)[o],
    lambda o: rl.zeros(2).__setitem__(o, 1)])
def test_what_asking_for_a_truth_raises_comes_through(call):
    pretender = type("numpy.bool", (NotATruth,), {})()                         # by its name, a flag in an index
    with pytest.raises(ZeroDivisionError, match="asked for a truth"):
        call(pretender)


@pytest.mark.parametrize("call", [
    lambda s: rl.zeros(2, **{s: 1}), lambda s: rl.zeros(2).to(**{s: 1}), lambda s: rl.zeros(2).to(s),
    lambda s: rl.zeros(2).type(s), lambda s: rl.zeros(2, device=s), lambda s: rl._C.operator(s),
    lambda s: rl.nn.functional.gelu(rl.zeros(2), approximate=s),
    lambda s: rl.ones(1, requires_grad=True).backward(**{s: 1})])
def test_text_that_is_no_unicode_is_refused(call):
    with pytest.raises((UnicodeEncodeError, TypeError), match=r"surrogates|unexpected"):
        call("\ud800")


class Speechless(int):
    """An integer whose text is no Unicode."""

    def __str__(self):
        return "\ud800"

    __repr__ = __str__


@pytest.mark.parametrize(("number", "words"), [
    (Speechless(2**70), "1180591620717411303424"), (1 << 20000, "thousands of digits")], ids=["mute", "long"])
def test_large_integers_are_named_whatever_they_say(number, words):
    with pytest.raises(OverflowError, match=words):
        rl.zeros(number)
    with pytest.raises(OverflowError, match=words):
        rl.zeros(2)[number]


def test_the_number_of_elements_of_a_size():
    assert rl.Size([2**62, 4]).numel() == 2**64
    with pytest.raises(TypeError):
        rl.Size(["a", 2]).numel()


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_a_choice_among_nothing_is_refused(shape):
    for replacement, samples in [(True, 2), (True, 1), (False, 1)]:
        with pytest.raises(RuntimeError, match=r"^multinomial: "):
            rl.zeros(shape).multinomial(samples, replacement)
    assert rl.zeros(0, 3).multinomial(2, True).shape == rl.zeros(0, 0).multinomial(2, True).shape == (0, 2)


@pytest.mark.parametrize(("grad", "indices", "words"), [
    (rl.ones(0, 4, 3), [[0, 4], [2, 2]], "shape"), (rl.ones(3, 0, 0), rl.zeros(0, 0, dtype=rl.int64), "shape"),
    (rl.ones(2, 3, dtype=rl.int8), [0, 1], "dtype"), (rl.ones(2, 3), [0, 5], "5")])
def test_a_gradient_that_does_not_fit_its_indices_is_refused(grad, indices, words):
    backward = _C.operator("embedding_backward")
    with pytest.raises((RuntimeError, IndexError), match=words):
        backward(grad, rl.as_tensor(indices), 5, -1, False)
    assert backward(rl.ones(2, 0), rl.tensor([0, 1]), 2**60, -1, True).shape == (2**60, 0)
