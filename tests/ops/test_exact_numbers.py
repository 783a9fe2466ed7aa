"""Integer attributes beyond 2**53 stay exact, and nan_to_num stays within a dtype's own range."""
import pytest

import rushlight as rl

BIG = 2**60 + 1


def test_integer_limits():
    assert rl.tensor([2**62, -(2**62), 5]).clamp(min=-BIG, max=BIG).tolist() == [BIG, -BIG, 5]
    assert rl.tensor([2**62, 3]).clamp(max=BIG).tolist() == [BIG, 3]


def test_integer_alpha():
    x, y = rl.tensor([1, -7]), rl.tensor([1, 3])
    assert rl.add(x, y, alpha=BIG).tolist() == [1 + BIG, -7 + 3 * BIG]
    assert rl.sub(x, y, alpha=BIG).tolist() == [1 - BIG, -7 - 3 * BIG]


LARGEST = {rl.float16: 65504.0, rl.bfloat16: (2 - 2**-7) * 2.0**127, rl.float32: (2 - 2**-23) * 2.0**127,
           rl.float64: (2 - 2**-52) * 2.0**1023}


@pytest.mark.parametrize("dtype, largest", LARGEST.items(), ids=str)
def test_nan_to_num(dtype, largest):
    x = rl.tensor([float("inf"), -float("inf"), float("nan"), 2.0], dtype=dtype)
    assert x.nan_to_num().tolist() == [largest, -largest, 0.0, 2.0]
    assert x.nan_to_num(nan=1.0, posinf=3.0, neginf=-4.0).tolist() == [3.0, -4.0, 1.0, 2.0]
    assert x.nan_to_num(nan=None).tolist() == [largest, -largest, 0.0, 2.0]
