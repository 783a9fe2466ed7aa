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


SCORES, FEW = O(5, 4), O(5)
SIGNAL = rl.signal.windows


# A composite shows its own arguments where an operator that it calls can't broadcast two shapes.
@pytest.mark.parametrize("name, shown, call", [
    ("soft_margin_loss", "input has shape (5, 4), target (5,)", lambda: F.soft_margin_loss(SCORES, FEW)),
    ("poisson_nll_loss", "input has shape (5, 4), target (5,)", lambda: F.poisson_nll_loss(SCORES, FEW)),
    ("l1_loss", "input has shape (5, 4), target (5,)", lambda: F.l1_loss(SCORES, FEW)),
    ("gaussian_nll_loss", "input has shape (5, 4), target (5,), var (5, 4)",
     lambda: F.gaussian_nll_loss(SCORES, FEW, SCORES)),
    ("triplet_margin_loss", "anchor has shape (5, 4), positive (5, 3), negative (5, 4)",
     lambda: F.triplet_margin_loss(SCORES, O(5, 3), SCORES)),
    ("margin_ranking_loss", "input1 has shape (5, 4), input2 (5, 4), target (5, 2)",
     lambda: rl.margin_ranking_loss(SCORES, SCORES, O(5, 2))),
    ("add", "input has shape (5, 4), other (5,)", lambda: SCORES + FEW),
    ("addcmul", "input has shape (5, 4), tensor1 (5, 4), tensor2 (5,)", lambda: rl.addcmul(SCORES, SCORES, FEW)),
])
def test_shapes_that_do_not_broadcast(name, shown, call):
    with pytest.raises(RuntimeError, match="broadcast together") as caught:
        call()
    assert str(caught.value).startswith(f"{name}: ") and str(caught.value).endswith(f" ({shown})")


def test_code_of_the_user_that_a_composite_calls_keeps_its_words():
    def distance(a, b):
        raise ValueError("mine: no distance today")

    with pytest.raises(ValueError, match=r"^mine: no distance today$"):
        F.triplet_margin_with_distance_loss(SCORES, SCORES, SCORES, distance_function=distance)


REFUSED = {
    "signal.windows.hann": (ValueError, r"^hann: M=-1 ", lambda: SIGNAL.hann(-1)),
    "signal.windows.blackman": (ValueError, r"^blackman: dtype=rushlight.int64;",
                                lambda: SIGNAL.blackman(3, dtype=rl.int64)),
    "triplet_margin_loss": (ValueError, r"^triplet_margin_loss: margin=-1;",
                            lambda: F.triplet_margin_loss(SCORES, SCORES, SCORES, margin=-1)),
    "gaussian_nll_loss": (ValueError, r"^gaussian_nll_loss: var has shape \(2,\)",
                          lambda: F.gaussian_nll_loss(SCORES, SCORES, O(2))),
    "gaussian_nll_loss values": (ValueError, r"^gaussian_nll_loss: var holds -1.0,",
                                 lambda: F.gaussian_nll_loss(FEW, FEW, -FEW)),
    "linear_cross_entropy": (RuntimeError, r"^linear_cross_entropy: linear_bias has shape \(3,\); expected \(2,\)",
                             lambda: F.linear_cross_entropy(O(2, 3), O(2, 3), CLASSES, linear_bias=O(3))),
    "multi_margin_loss": (RuntimeError, r"^multi_margin_loss: target has dtype .*float32;",
                          lambda: F.multi_margin_loss(SCORES, FEW)),
    "rrelu": (RuntimeError, r"^rrelu: lower=0.5 and upper=0.1;", lambda: F.rrelu(FEW, 0.5, 0.1)),
    "hardtanh": (ValueError, r"^hardtanh: min_val=2 and max_val=1;", lambda: F.hardtanh(FEW, 2, 1)),
    "softshrink": (RuntimeError, r"^softshrink: lambd=-1;", lambda: F.softshrink(FEW, -1)),
    "softshrink infinite": (RuntimeError, r"^softshrink: lambd=inf;", lambda: F.softshrink(FEW, float("inf"))),
    "instance_norm": (ValueError, r"^instance_norm: input has shape \(1, 2, 1\);",
                      lambda: F.instance_norm(O(1, 2, 1))),
    "local_response_norm": (ValueError, r"^local_response_norm: input has shape \(3,\);",
                            lambda: F.local_response_norm(X, 2)),
    "isclose": (RuntimeError, r"^isclose: rtol=-1 ", lambda: rl.isclose(FEW, FEW, rtol=-1)),
    "allclose": (RuntimeError, r"^allclose: atol=-1 ", lambda: rl.allclose(FEW, FEW, atol=-1)),
    "hypot": (RuntimeError, r"^hypot: input has dtype int64, other int64; expected", lambda: rl.hypot(INTS, INTS)),
    "neg": (RuntimeError, r"^neg: input has dtype bool; expected", lambda: -rl.tensor([True])),
    "amax": (RuntimeError, r"^amax: input of shape \(2, 0\) is empty;", lambda: O(2, 0).amax()),
    "amax of a dim": (IndexError, r"^amax: dimension 1 of input of shape \(2, 0\)", lambda: O(2, 0).amax(1)),
    "arange": (RuntimeError, r"^arange: start=0 and end=inf ", lambda: rl.arange(0, float("inf"))),
    "arange of integers": (ValueError, r"^arange: step=0.5 ", lambda: rl.arange(0, 5, 0.5, dtype=rl.int64)),
    "fliplr": (RuntimeError, r"^fliplr: input has shape \(1,\);", lambda: rl.fliplr(O(1))),
    "flipud": (RuntimeError, r"^flipud: input has shape \(\);", lambda: rl.flipud(O(()))),
    "roll": (IndexError, r"^roll: dims=\(0,\) for input of shape \(\);", lambda: O(()).roll(0, 0)),
    "item": (RuntimeError, r"^item: input of shape \(3,\) has numel=3;", lambda: X.item()),
    "narrow": (RuntimeError, r"^narrow: input has shape \(\);", lambda: O(()).narrow(0, 0, 1)),
    "unbind": (IndexError, r"^unbind: input has shape \(\);", lambda: O(()).unbind()),
    "sum_to_size": (RuntimeError, r"^sum_to_size: size=\(2,\)", lambda: X.sum_to_size(2)),
    "multinomial": (RuntimeError, r"^multinomial: row 1 of input sums to 0;",
                    lambda: rl.tensor([[1.0, 0.0], [0.0, 0.0]]).multinomial(1)),
    "linspace": (RuntimeError, r"^linspace: start has shape \(2,\);", lambda: rl.linspace(O(2), 1, 3)),
    "logspace": (RuntimeError, r"^logspace: end has shape \(1,\);", lambda: rl.logspace(0, O(1), 3)),
    "masked_fill": (RuntimeError, r"^masked_fill: the value 0\+1j can't be stored as float32;",
                    lambda: X.masked_fill(X > 0, 1j)),
    "masked_fill of a tensor": (RuntimeError, r"^masked_fill: the value 1\+2j can't be stored as int64;",
                                lambda: INTS.masked_fill(INTS > 0, rl.tensor(1 + 2j))),
    "masked_fill of a large one": (RuntimeError, r"^masked_fill: the value 1e\+20 can't be stored as int64 without",
                                   lambda: INTS.masked_fill(INTS > 0, rl.tensor(1e20, dtype=rl.float64))),
}


@pytest.mark.parametrize("kind, says, call", REFUSED.values(), ids=REFUSED)
def test_refusals_name_what_they_refuse(kind, says, call):
    with pytest.raises(kind, match=says):
        call()


def test_sequences_between_tensors_of_one_number():
    assert rl.linspace(rl.tensor(1.0), rl.tensor(3), 3).tolist() == [1, 2, 3]
    assert rl.logspace(rl.tensor(0), rl.tensor(2.0), 3).tolist() == [1, 10, 100]
    assert rl.linspace(rl.tensor(1 + 1j), 1, 2).tolist() == [1 + 1j, 1]
    assert not rl.linspace(rl.tensor(1.0, requires_grad=True), 3, 3).requires_grad
    assert rl.logspace(0, 1, 2, device="cpu", requires_grad=True).requires_grad


@pytest.mark.parametrize("name", ["scatter", "scatter_add"])
def test_one_number_is_no_source_of_many(name):
    with pytest.raises(RuntimeError, match=rf"{name}: index has shape \(3,\) and src shape \(\); expected"):
        getattr(X, name)(0, rl.tensor([2, 2, 2]), rl.tensor(1.0))
    assert getattr(X, name)(0, rl.tensor([2]), rl.tensor(4.0)).shape == (3,)
