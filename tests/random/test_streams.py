"""Random streams: against NumPy's mt19937 always, and against PyTorch's CPU generator where it is installed."""

# ruff: noqa: B023
# Each lambda is called before its loop goes on.
import math
import os
import pickle
import threading

import numpy as np
import pytest

import rushlight

FLOATING = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
SIZES = [0, 1, 2, 15, 16, 17, 31, 32, 100, 623, 624, 625, 1000, 4099]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def words(seed, count):
    """The stream of 32-bit words by NumPy's own mt19937."""
    bits = np.random.MT19937()
    bits._legacy_seeding(seed)
    return bits.random_raw(count).astype(np.uint64)


def values(tensor):
    """A tensor of either library as exact Python numbers, nan as None."""
    flat = tensor.reshape(-1).tolist()
    return [None if v != v else v for v in flat]


def same_stream(torch, draw, seed=7, repeat=2):
    """`draw(library)` twice from the same seed: equal values, then equal generator states."""
    torch.manual_seed(seed)
    rushlight.manual_seed(seed)
    for _ in range(repeat):
        theirs, ours = draw(torch), draw(rushlight)
        assert str(ours.dtype).rpartition(".")[2] == str(theirs.dtype).rpartition(".")[2]
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert values(ours) == values(theirs)
    assert rushlight.get_rng_state().tolist() == torch.get_rng_state().tolist()


# ---- against NumPy ----


def test_float32_takes_24_bits_of_each_word():
    rushlight.manual_seed(123)
    expected = (words(123, 1000) & 0xFFFFFF) / np.float64(2**24)
    assert rushlight.rand(1000).tolist() == expected.tolist()


def test_float64_takes_53_bits_of_two_words():
    rushlight.manual_seed(5)
    w = words(5, 200)
    pairs = (w[0::2] << np.uint64(32)) | w[1::2]
    expected = (pairs & np.uint64(2**53 - 1)) / np.float64(2**53)
    assert rushlight.rand(100, dtype=rushlight.float64).tolist() == expected.tolist()


def test_randint_takes_the_remainder_of_one_word():
    rushlight.manual_seed(9)
    assert rushlight.randint(3, 20, (500,)).tolist() == [int(w) % 17 + 3 for w in words(9, 500)]


def test_randint_of_a_wide_range_takes_two_words():
    rushlight.manual_seed(9)
    w = [int(v) for v in words(9, 100)]
    expected = [((a << 32) | b) % 2**40 for a, b in zip(w[0::2], w[1::2], strict=True)]
    assert rushlight.randint(0, 2**40, (50,)).tolist() == expected


def test_randperm_is_a_forward_shuffle():
    rushlight.manual_seed(11)
    expected = list(range(30))
    for i, w in enumerate(words(11, 29)):
        j = i + int(w) % (30 - i)
        expected[i], expected[j] = expected[j], expected[i]
    assert rushlight.randperm(30).tolist() == expected


def test_normal_has_the_moments_and_tails_of_a_normal_distribution():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    rushlight.manual_seed(0)
    for sample in (rushlight.randn(200_000), rushlight.randn(200_000, dtype=rushlight.float64)):
        assert stats.kstest(np.array(sample.tolist()), "norm").pvalue > 1e-3


def test_the_seed_decides_the_stream():
    rushlight.manual_seed(1)
    first = rushlight.rand(10).tolist()
    rushlight.manual_seed(2)
    assert rushlight.rand(10).tolist() != first
    rushlight.manual_seed(1)
    assert rushlight.rand(10).tolist() == first
    assert rushlight.initial_seed() == 1


def test_a_state_continues_the_stream():
    rushlight.manual_seed(4)
    rushlight.randn(5)  # an odd number of pairs: one value waits
    state = rushlight.get_rng_state()
    expected = (rushlight.randn(3).tolist(), rushlight.rand(700).tolist())
    rushlight.manual_seed(99)
    rushlight.set_rng_state(state)
    assert (rushlight.randn(3).tolist(), rushlight.rand(700).tolist()) == expected


@pytest.mark.parametrize("spoil", ["short", "zeros", "inconsistent"])
def test_a_wrong_state_is_refused_and_changes_nothing(spoil):
    rushlight.manual_seed(4)
    state = rushlight.get_rng_state()
    wrong = {"short": state[:5000], "zeros": rushlight.zeros(5056, dtype=rushlight.uint8)}.get(spoil)
    if wrong is None:
        wrong = state.clone()
        wrong[8], wrong[16] = 200, 250
    with pytest.raises(RuntimeError, match="set_state"):
        rushlight.set_rng_state(wrong)
    assert rushlight.get_rng_state().tolist() == state.tolist()


def test_generators_are_apart_and_can_be_pickled():
    rushlight.manual_seed(1)
    g = rushlight.Generator()
    g.manual_seed(8)
    first = rushlight.rand(5, generator=g).tolist()
    twin = pickle.loads(pickle.dumps(g))
    assert rushlight.rand(5, generator=g).tolist() == rushlight.rand(5, generator=twin).tolist() != first
    rushlight.manual_seed(8)
    assert rushlight.rand(5).tolist() == first


def test_seed_draws_a_new_one():
    assert len({rushlight.seed() for _ in range(8)}) == 8


# ---- against PyTorch ----


@pytest.mark.parametrize("dtype", FLOATING + COMPLEX)
@pytest.mark.parametrize("size", SIZES)
def test_uniform_and_normal_equal_pytorch(torch, dtype, size):
    for low, high in ((0, 1), (-0.3, 2.7), (5, 5)):
        same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).uniform_(low, high))
    for mean, std in ((0, 1), (1.5, 0.02), (-3, 2.2), (1, 0)):
        same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).normal_(mean, std))
    same_stream(torch, lambda lib: lib.randn(size, dtype=getattr(lib, dtype)))
    same_stream(torch, lambda lib: lib.rand(size, dtype=getattr(lib, dtype)))


@pytest.mark.parametrize("size", [3, 31, 1000])
def test_a_value_waiting_from_a_pair_serves_every_dtype(torch, size):
    def draw(lib):
        parts = [
            lib.empty(n, dtype=getattr(lib, d)).normal_()
            for n, d in ((3, "float32"), (size, "float64"), (5, "float16"), (size, "float32"))
        ]
        return lib.cat([p.to(lib.float64) for p in parts])

    same_stream(torch, draw)


def test_strided_tensors_are_filled_in_the_order_of_memory(torch):
    for fill in (lambda t: t.uniform_(), lambda t: t.normal_(1.5, 0.3), lambda t: t.exponential_()):
        same_stream(torch, lambda lib: fill(lib.empty(40, 20).t()))
        same_stream(torch, lambda lib: fill(lib.empty(3, 4, 5).permute(2, 0, 1)))
        same_stream(torch, lambda lib: fill(lib.zeros(12, 10).t()[::2, 1::3]))


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("size", [1, 16, 1000])
def test_continuous_distributions_equal_pytorch(torch, dtype, size):
    same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).exponential_(1.7))
    same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).cauchy_(0.5, 1.7))
    same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).log_normal_(0.5, 1.7))


@pytest.mark.parametrize("dtype", [*FLOATING, *INTEGERS, "bool"])
def test_integers_equal_pytorch(torch, dtype):
    ranges = [
        (0, 1),
        (0, 2),
        (0, 10),
        (3, 100),
        (-5, 120),
        (-128, 127),
        (0, 60000),
        (-30000, 32767),
        (0, 2**27),
        (0, 2**28 - 1),
        (0, 2**28),
        (-(2**31), 2**31 - 1),
        (0, 2**32),
        (0, 2**40),
        (-(2**63), 2**63 - 1),
    ]
    if dtype == "bfloat16":
        ranges.pop()  # PyTorch's upper limit overflows there: docs/decisions/random-streams.md
    torch_dtype = getattr(torch, dtype)
    for size in (3, 1000):
        same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).random_())
        for low, high in ranges:
            try:
                torch.empty(1, dtype=torch_dtype).random_(low, high)
            except RuntimeError:
                with pytest.raises(RuntimeError):
                    rushlight.empty(1, dtype=getattr(rushlight, dtype)).random_(low, high)
                continue
            same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).random_(low, high))


@pytest.mark.filterwarnings("ignore:.*out of bounds")
@pytest.mark.parametrize("size", [0, 1, 2, 100, 5000])
def test_randint_and_randperm_equal_pytorch(torch, size):
    same_stream(torch, lambda lib: lib.randint(0, 10, (size,)))
    same_stream(torch, lambda lib: lib.randint(7, (size, 2)))
    same_stream(torch, lambda lib: lib.randperm(size))
    same_stream(torch, lambda lib: lib.randperm(size, dtype=lib.float32))


@pytest.mark.parametrize("dtype", [*FLOATING, "int64", "bool"])
def test_discrete_distributions_equal_pytorch(torch, dtype):
    for size in (1, 1000):
        same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).bernoulli_(0.3))
        if dtype != "bool":
            same_stream(torch, lambda lib: lib.empty(size, dtype=getattr(lib, dtype)).geometric_(0.3))
    if dtype in FLOATING:
        same_stream(torch, lambda lib: lib.bernoulli(lib.linspace(0, 1, 500).to(getattr(lib, dtype))))


@pytest.mark.parametrize("dtype", FLOATING)
def test_poisson_equals_pytorch(torch, dtype):
    rates = [0.0, 0.1, 1.0, 5.0, 9.9, 10.0, 12.5, 50.0, 1000.0] * 40
    same_stream(torch, lambda lib: lib.poisson(lib.tensor(rates, dtype=getattr(lib, dtype))))


def test_like_factories_and_own_generators_equal_pytorch(torch):
    same_stream(torch, lambda lib: lib.rand_like(lib.zeros(3, 7)))
    same_stream(torch, lambda lib: lib.randn_like(lib.zeros(5, 7, dtype=lib.float64)))
    same_stream(torch, lambda lib: lib.randint_like(lib.zeros(30), 3, 17))
    theirs, ours = torch.Generator().manual_seed(12), rushlight.Generator().manual_seed(12)
    for draw in ("rand", "randn", "randperm"):
        assert (
            getattr(rushlight, draw)(40, generator=ours).tolist()
            == getattr(torch, draw)(40, generator=theirs).tolist()
        )


def test_initialisers_equal_pytorch(torch):
    for name, options in (
        ("xavier_uniform_", {}),
        ("xavier_normal_", {"gain": 2.0}),
        ("kaiming_uniform_", {"a": 0.5}),
        ("kaiming_normal_", {"mode": "fan_out"}),
        ("trunc_normal_", {"std": 0.02}),
        ("trunc_normal_", {"mean": 1.0, "std": 2.0}),
        ("trunc_normal_", {"a": 2.5, "b": 4.0}),
        ("uniform_", {"a": -1.0}),
        ("normal_", {"std": 0.3}),
    ):
        torch.manual_seed(3)
        rushlight.manual_seed(3)
        theirs = getattr(torch.nn.init, name)(torch.empty(8, 5), **options).tolist()
        ours = getattr(rushlight.nn.init, name)(rushlight.empty(8, 5), **options).tolist()
        # The factor may be computed in another order: a few ULP.
        assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-9), name
        assert rushlight.get_rng_state().tolist() == torch.get_rng_state().tolist(), name


def test_a_forked_child_continues_the_stream():
    rushlight.manual_seed(6)
    rushlight.randn(100_000)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, repr(rushlight.rand(5).tolist()).encode())
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        assert answer.read() == repr(rushlight.rand(5).tolist())
    assert os.waitpid(child, 0)[1] == 0


def test_threads_may_share_a_generator():
    rushlight.manual_seed(6)
    drawn = []
    threads = [
        threading.Thread(target=lambda: drawn.extend(rushlight.rand(1000).tolist() for _ in range(20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rushlight.manual_seed(6)
    assert sorted(drawn) == sorted(rushlight.rand(1000).tolist() for _ in range(80))


def test_dropout_equals_pytorch(torch):
    for p in (0.1, 0.5, 0.9):
        same_stream(torch, lambda lib: lib.nn.functional.dropout(lib.ones(33, 7), p))


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_equals_pytorch(torch, replacement):
    weights = [[0.1 + (i * j) % 7 for j in range(50)] for i in range(4)]
    for samples in (1, 20):
        same_stream(torch, lambda lib: lib.multinomial(lib.tensor(weights), samples, replacement))
        same_stream(torch, lambda lib: lib.multinomial(lib.tensor(weights[1]), samples, replacement))


def test_normal_with_tensors_equals_pytorch(torch):
    mean = [0.5 * i for i in range(20)]
    std = [0.1 + i for i in range(20)]
    same_stream(torch, lambda lib: lib.normal(lib.tensor(mean), lib.tensor(std)))
    same_stream(torch, lambda lib: lib.normal(lib.tensor(mean), 2.0))
    same_stream(torch, lambda lib: lib.normal(1.0, lib.tensor(std)))
    same_stream(torch, lambda lib: lib.normal(0.0, 2.0, (3, 4)))


@pytest.mark.parametrize("drawn", [0, 1, 3, 623, 624, 625, 1000, 1248])
def test_states_move_both_ways(torch, drawn):
    torch.manual_seed(5)
    torch.rand(drawn)
    torch.randn(1)
    rushlight.set_rng_state(rushlight.tensor(torch.get_rng_state().tolist(), dtype=rushlight.uint8))
    assert rushlight.randn(3).tolist() == torch.randn(3).tolist()
    assert rushlight.rand(2000).tolist() == torch.rand(2000).tolist()
    torch.set_rng_state(torch.tensor(rushlight.get_rng_state().tolist(), dtype=torch.uint8))
    assert rushlight.randn(100).tolist() == torch.randn(100).tolist()


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 + 5, 2**64 - 1, -1])
def test_seeds_are_taken_as_pytorch_takes_them(torch, seed):
    same_stream(torch, lambda lib: lib.rand(5), seed=seed)
    assert rushlight.initial_seed() == torch.initial_seed()


# ---- refusals ----


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.uniform_(2, 1),
        lambda t: t.normal_(0, -1),
        lambda t: t.exponential_(0),
        lambda t: t.exponential_(-1),
        lambda t: t.geometric_(0),
        lambda t: t.geometric_(1),
        lambda t: t.cauchy_(0, 0),
        lambda t: t.log_normal_(0, 0),
        lambda t: t.bernoulli_(1.5),
        lambda t: t.bernoulli_(-0.1),
        lambda t: t.random_(5, 5),
        lambda t: t.random_(5, 1),
        lambda t: t.uniform_(0, math.inf),
        lambda t: t.bernoulli_(math.nan),
    ],
)
def test_wrong_parameters_raise_and_write_nothing(call):
    t = rushlight.full((4,), 3.0)
    with pytest.raises(RuntimeError):
        call(t)
    assert t.tolist() == [3.0] * 4


@pytest.mark.parametrize("n", [-1, -(2**63)])
def test_randperm_of_a_negative_number_raises(n):
    with pytest.raises(RuntimeError, match="randperm"):
        rushlight.randperm(n)
