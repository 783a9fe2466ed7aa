"""rushlight.testing: assert_close and make_tensor."""

import pytest

import rushlight as rl
from rushlight.testing import assert_allclose, assert_close, make_tensor

nan = float("nan")
inf = float("inf")


def test_default_tolerances_follow_the_dtype():
    assert_close(rl.ones(3), rl.ones(3) + 1e-6)
    assert_close(rl.ones(3, dtype=rl.float16), rl.ones(3, dtype=rl.float16) * 1.001)
    with pytest.raises(AssertionError):
        assert_close(rl.ones(3, dtype=rl.float64), rl.ones(3, dtype=rl.float64) + 1e-6)
    with pytest.raises(AssertionError):
        assert_close(rl.tensor([1, 2]), rl.tensor([1, 3]))
    with pytest.raises(AssertionError):
        assert_close(rl.tensor([2**60]), rl.tensor([2**60 + 1]))
    assert_close(1.0, 1.0 + 1e-8)
    assert_close([rl.ones(1), 2], (rl.ones(1), 2))
    assert_close({"a": rl.ones(1)}, {"a": rl.ones(1)})
    assert_close(None, None)
    assert_close(rl.tensor([inf, -inf]), rl.tensor([inf, -inf]))
    assert_close(rl.tensor([nan]), rl.tensor([nan]), equal_nan=True)
    assert_close(rl.empty(0), rl.empty(0))


CASES = [
    lambda m: (m.tensor([1.0, 2.0, 3.0]), m.tensor([1.0, 2.5, 3.0])),
    lambda m: (m.tensor([[1.0, 2.0], [3.0, 4.0]]), m.tensor([[1.0, 2.0], [3.1, 4.5]])),
    lambda m: (m.tensor([1, 2, 3]), m.tensor([1, 2, 4])),
    lambda m: (m.tensor([True, False]), m.tensor([True, True])),
    lambda m: (m.tensor([nan, 1.0]), m.tensor([nan, 1.0])),
    lambda m: (m.tensor([inf, 1.0]), m.tensor([-inf, 1.0])),
    lambda m: (m.ones(2), m.ones(3)),
    lambda m: (m.ones(2), m.ones(2, dtype=m.float64)),
    lambda m: (1.0, 1.5),
    lambda m: (1, 2),
    lambda m: (1, 1.0),
    lambda m: (m.ones(1), 1.0),
    lambda m: ([m.ones(1), m.ones(1)], [m.ones(1), m.zeros(1)]),
    lambda m: ([1.0], [1.0, 2.0]),
    lambda m: ({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 3.0}),
    lambda m: ({"a": 1.0}, {"b": 1.0}),
    lambda m: ("text", "text"),
]


@pytest.mark.torch
@pytest.mark.parametrize("case", range(len(CASES)))
def test_refusals_equal_pytorch(case):
    torch = pytest.importorskip("torch")
    with pytest.raises((AssertionError, TypeError)) as expected:
        torch.testing.assert_close(*CASES[case](torch))
    with pytest.raises(expected.type) as got:
        assert_close(*CASES[case](rl))
    if expected.type is AssertionError:
        keys = (
            "Mismatched elements",
            "Tensor-likes are",
            "Scalars are",
            "The failure occurred",
            "Greatest absolute",
        )
        for line in str(expected.value).split("\n"):
            if line.startswith(keys):
                assert line.split(" (up to")[0] in str(got.value).replace("rushlight", "torch")


def test_options():
    with pytest.raises(ValueError, match="rtol"):
        assert_close(1.0, 1.0, rtol=1e-3)
    assert_close(rl.ones(2), rl.ones(2, dtype=rl.float64), check_dtype=False)
    assert_close(1.0, 1.4, rtol=0, atol=0.5)
    with pytest.raises(AssertionError, match="stride"):
        assert_close(rl.ones(2, 2), rl.ones(2, 2).t(), check_stride=True)
    with pytest.raises(AssertionError, match=r"^my words$"):
        assert_close(1, 2, msg="my words")
    with pytest.raises(AssertionError, match=r"Scalars.*tail$"):
        assert_close(1, 2, msg=lambda text: text.replace("\n", " ") + " tail")
    assert_allclose(rl.ones(2), [1.0, 1.0])


@pytest.mark.parametrize(
    "dtype", [rl.bool, rl.uint8, rl.int64, rl.float16, rl.bfloat16, rl.float32, rl.float64, rl.complex64]
)
def test_make_tensor(dtype):
    t = make_tensor(40, 5, dtype=dtype)
    assert t.shape == (40, 5) and t.dtype == dtype
    part = make_tensor((6, 4), dtype=dtype, noncontiguous=True)
    assert not part.is_contiguous()
    assert make_tensor((), dtype=dtype).shape == ()
    if dtype in (rl.int64, rl.float32):
        values = make_tensor(500, dtype=dtype, low=-2, high=3, exclude_zero=True).tolist()
        assert min(values) >= -2 and max(values) <= 3 and 0 not in values and len(set(values)) > 2
    if dtype is rl.int64:
        with pytest.raises(ValueError, match="requires_grad"):
            make_tensor(2, dtype=dtype, requires_grad=True)
        with pytest.raises(ValueError, match="low"):
            make_tensor(2, dtype=dtype, low=3, high=3)
    elif dtype is rl.float32:
        assert make_tensor(2, dtype=dtype, requires_grad=True).requires_grad
