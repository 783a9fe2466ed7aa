"""What refused calls say: the name that the user called, the argument, what arrived and what was expected."""
import pytest

import rushlight as rl
from rushlight.functional._composite import COMPOSITES

F = rl.nn.functional
BIG = 2**70
X = rl.ones(3)
INTS = rl.tensor([1, 2])


# Composites in C++ and in Python: none lets an operator that it calls speak in its own name.
@pytest.mark.parametrize("name, call", [
    ("take_along_dim", lambda: rl.take_along_dim(rl.ones(2, 2), rl.tensor([[5]]), 1)),
    ("take", lambda: X.take(rl.tensor([7]))),
    ("put", lambda: X.put(rl.tensor([7]), X[:1])),
    ("index_put", lambda: X.index_put((rl.tensor([7]),), X[0])),
    ("slice_scatter", lambda: rl.slice_scatter(X, X, step=0)),
    ("masked_fill", lambda: X.clone().masked_fill_(rl.ones(2, dtype=rl.bool), 1.0)),
    ("narrow", lambda: X.narrow(3, 0, 1)),
    ("batch_norm", lambda: F.batch_norm(rl.ones(2, 3), rl.ones(2), rl.ones(2))),
    ("layer_norm", lambda: F.layer_norm(rl.ones(2, 3), (4,))),
    ("group_norm", lambda: F.group_norm(rl.ones(2, 3), 2)),
    ("cross_entropy", lambda: F.cross_entropy(rl.ones(2, 3), rl.tensor([0, 1, 2]))),
    ("max_pool2d", lambda: F.max_pool2d(rl.ones(1, 1, 2, 2), 5)),
    ("interpolate", lambda: F.interpolate(rl.ones(1, 1, 2, 2), size=0)),
    ("fold", lambda: F.fold(rl.ones(1, 3, 4), 4, 2)),
    ("glu", lambda: F.glu(rl.ones(2, 2), dim=5)),
    ("softmin", lambda: F.softmin(X, dim=2)),
    ("addmm", lambda: rl.addmm(X, rl.ones(2, 3), rl.ones(2, 3))),
    ("baddbmm", lambda: rl.baddbmm(X, rl.ones(1, 2, 3), rl.ones(1, 2, 3))),
    ("where", lambda: rl.where(X > 0, X, rl.ones(2))),
    ("trapezoid", lambda: rl.trapezoid(X, dim=3)),
    ("unique", lambda: rl.unique(rl.zeros(2, dtype=rl.complex64))),
    ("bucketize", lambda: rl.bucketize(X, rl.zeros(2, dtype=rl.complex64))),
    ("leaky_relu", lambda: F.leaky_relu(INTS)),
    ("index", lambda: X[rl.tensor([5])]),
    ("index", lambda: X.clone().__setitem__(rl.tensor([5]), 1.0)),
    ("index", lambda: X.clone().__setitem__(slice(None), rl.ones(2))),
])
def test_a_composite_speaks_for_itself(name, call):
    with pytest.raises((RuntimeError, IndexError, ValueError)) as caught:
        call()
    assert str(caught.value).startswith(f"{name}: ")


def test_every_composite_has_code_of_its_own():
    codes = [id(function.__code__) for function, _ in COMPOSITES]
    assert len(set(codes)) == len(codes)


def test_an_operator_called_by_the_user_keeps_its_name():
    def mine(x):
        return x.narrow(0, 0, 9)

    with pytest.raises(RuntimeError, match=r"^narrow: "):
        mine(X)


@pytest.mark.parametrize("says, call", [
    ("add: argument 'other'", lambda: X + BIG), ("add: argument 'other'", lambda: rl.add(X, BIG)),
    ("sub: argument 'input'", lambda: BIG - X), ("zeros: argument 'size'", lambda: rl.zeros(BIG)),
    ("zeros: argument 'size'", lambda: rl.zeros((2, BIG))), ("zeros: argument 'size'", lambda: rl.zeros(2, BIG)),
    ("sum: argument 'dim'", lambda: X.sum(BIG)), ("size: argument 'dim'", lambda: X.size(BIG)),
    ("tensor: argument 'data'", lambda: rl.tensor([BIG])), ("fill_: argument 'value'", lambda: X.clone().fill_(BIG)),
    ("clamp: argument 'max'", lambda: X.clamp(0, BIG)), ("index", lambda: X[BIG]),
    ("index", lambda: X.clone().__setitem__(0, BIG)),
])
def test_integers_beyond_64_bits(says, call):
    with pytest.raises(OverflowError, match=rf"^{says}: {BIG} does not fit into a 64-bit integer$"):
        call()


@pytest.mark.parametrize("call", [
    lambda: INTS**-1, lambda: rl.pow(INTS, -2), lambda: INTS.clone().pow_(-1), lambda: rl.tensor([True]) ** -1,
])
def test_integers_have_no_negative_powers(call):
    with pytest.raises(RuntimeError, match=r"^pow: other=-"):
        call()


def test_other_negative_powers():
    assert (INTS**-1.0).tolist() == [1.0, 0.5] and (rl.tensor([2.0]) ** -1).tolist() == [0.5]
    assert (INTS ** rl.tensor(-1)).tolist() == [1, 0]


@pytest.mark.parametrize("call", [
    lambda e: e[0], lambda e: e[rl.tensor([0])], lambda e: e.select(0, 0), lambda e: e.__setitem__(rl.tensor([0]), 1.0),
    lambda e: e.index_select(0, rl.tensor([0])),
])
def test_an_empty_dimension_has_no_index(call):
    with pytest.raises(IndexError, match=r"shape \(0, 3\); the dimension is empty$"):
        call(rl.ones(0, 3))


def test_equal_elements_may_share_a_place():
    assert rl.zeros(1).expand(3).fill_(2).tolist() == [2, 2, 2]
    base = rl.ones(2, 1)
    assert base.expand(2, 3).zero_().tolist() == [[0] * 3] * 2 and base.tolist() == [[0], [0]]
    with pytest.raises(RuntimeError, match=r"^copy_: .* several elements in one place"):
        rl.zeros(1).expand(3).copy_(X)
    with pytest.raises(RuntimeError, match=r"^index: .* several elements in one place"):
        rl.zeros(1).expand(3)[:] = 2.0


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), (2.0, float("nan"))])
def test_factors_without_a_size(factor):
    with pytest.raises(RuntimeError, match=r"^interpolate: scale_factor="):
        F.interpolate(rl.ones(1, 1, 4, 4), scale_factor=factor)


def test_a_factor_must_be_a_number():
    with pytest.raises(TypeError, match=r"^interpolate: scale_factor=.'a', 2.0.; expected a number"):
        F.interpolate(rl.ones(1, 1, 4, 4), scale_factor=("a", 2.0))


def test_size_and_stride_know_one_keyword():
    x = rl.ones(2, 3)
    assert x.size(dim=1) == 3 and x.stride(dim=0) == 3 and x.stride(-1) == 1 and x.stride() == (3, 1)
    for call in (lambda: x.size(axis=1), lambda: x.stride(0, 1)):
        with pytest.raises(TypeError):
            call()
    for call in (lambda: x.size(2), lambda: x.stride(-3), lambda: rl.tensor(1.0).size(0)):
        with pytest.raises(IndexError):
            call()


O = rl.ones
CLASSES = rl.tensor([0, 2])
INCONSISTENT = {
    "softmax_grad": [
        (O(3, 4), O(3), 1),
        (O(3, 4), O(3, 4), 2),
        (O(3, 4), O(3, 4).double(), 1),
        (O(3, 4), O(3, 4), 2**31),
    ],
    "log_softmax_grad": [(O(3, 4), O(0, 4), 1), (O(3, 4).long(), O(3, 4).long(), 1)],
    "pad_grad": [
        (O(3, 5), (3, 4), (1, 2), "reflect"),
        (O(3, 7), (3, 4), (1,), "reflect"),
        (O(3, 7).long(), (3, 4), (1, 2), "reflect"),
    ],
    "resize_grad": [
        (O(1, 2, 7), (1, 64, 4), (), "linear", False),
        (O(1, 2, 7), (1, 2, 4), (1.0, 2.0), "linear", False),
        (O(7), (4,), (), "linear", False),
        (O(1, 2, 7), (1, 2, -4), (), "linear", False),
    ],
    "resize": [(O(1, 2, 3, 3), (4, 4), (2.0,), "bilinear", False)],
    "nll_loss_grad": [
        (O(()), rl.tensor([0, 9]), None, O(()), (2, 3), -100, "mean"),
        (O(5), CLASSES, None, O(()), (2, 3), -100, "none"),
        (O(()), CLASSES, O(2), O(()), (2, 3), -100, "mean"),
        (O(()), CLASSES, None, O(0), (2, 3), -100, "mean"),
        (O(()), CLASSES, None, O(()), (-2, 3), -100, "mean"),
    ],
    "cross_entropy_grad": [
        (O(()), O(2, 3), CLASSES, None, O(1), O(()), -100, "mean", 0.0),
        (O(()), O(2, 3), rl.tensor([0, 9]), None, O(2), O(()), -100, "mean", 0.0),
        (O(()), O(2, 3), CLASSES, O(2), O(2), O(()), -100, "mean", 0.0),
        (O(()), O(2, 3), CLASSES, None, O(2), O(()).double(), -100, "mean", 0.0),
        (O(2), O(2, 3), CLASSES, None, O(2), O(()), -100, "mean", 0.0),
    ],
}
CALLS = [(op, arguments) for op, calls in INCONSISTENT.items() for arguments in calls]


@pytest.mark.parametrize("op, arguments", CALLS, ids=lambda v: str(v)[:20])
def test_gradients_called_by_name_check_their_arguments(op, arguments):
    with pytest.raises((RuntimeError, ValueError, IndexError), match=f"^{op}: "):
        rl._C.operator(op)(*arguments)
