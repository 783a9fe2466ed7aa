"""Hypothesis strategies: arrays of any dtype, shape and values, in any arrangement of memory that NumPy has."""
import numpy as np
from hypothesis import strategies as st

import rushlight as rl

FLOATS = {np.dtype("f4"): 32, np.dtype("f8"): 64}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan]
#: Lengths on both sides of what vectors, tiles and small buffers hold.
LENGTHS = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 257]


def values(dtype, low, high):
    """Numbers of `dtype`, or of an interval: what is infinite, NaN, denormal or huge included where it is unbounded."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        low, high = max(low, info.min), min(high, info.max)
        if np.ceil(low) > np.floor(high):                         # no whole number inside: those next to it
            low, high = np.floor(low), np.ceil(high)
        edges = [v for v in (0, 1, low, high, low + 1, high - 1) if low <= v <= high]
        return st.integers(int(np.ceil(low)), int(np.floor(high))) | st.sampled_from([int(v) for v in edges])
    if np.isinf(low) and np.isinf(high):
        info = np.finfo(dtype)
        edges = [info.max, -info.max, info.smallest_normal, info.smallest_subnormal, -info.smallest_subnormal]
        return st.floats(width=FLOATS[dtype]) | st.sampled_from([*SPECIAL, *map(float, edges)])
    inside = np.array([low, high], dtype)
    inside = np.where([inside[0] < low, inside[1] > high], np.nextafter(inside, inside[::-1]), inside)
    return st.floats(*map(float, inside), width=FLOATS[dtype], allow_subnormal=False)


@st.composite
def shapes(draw, dims=4, elements=2000, empty=True):
    """Shapes of up to `dims` dimensions: 0-d and empty ones too."""
    shape, left = [], elements
    for _ in range(draw(st.integers(0, dims))):
        size = draw(st.sampled_from([n for n in LENGTHS if n <= left and (empty or n)]))
        shape.append(size)
        left //= max(size, 1)
    return tuple(shape)


def _spread(draw, shape, fill):
    steps = [draw(st.integers(1, 3)) for _ in shape]
    start = [draw(st.integers(0, 2)) for _ in shape]
    wide = fill([s * n + b for s, n, b in zip(steps, shape, start)])
    return wide[tuple(slice(b, b + s * n, s) for b, s, n in zip(start, steps, shape))]


def _permuted(draw, shape, fill):
    order = draw(st.permutations(range(len(shape))))
    return fill([shape[d] for d in order]).transpose(np.argsort(order))


def _expanded(draw, shape, fill):
    kept = [1 if draw(st.booleans()) else n for n in shape]
    return np.broadcast_to(fill(kept), shape)


def _overlapping(draw, shape, fill):
    strides = [draw(st.integers(0, 3)) for _ in shape]
    line = fill([1 + sum(s * max(n - 1, 0) for s, n in zip(strides, shape))])
    return np.lib.stride_tricks.as_strided(line, shape, [s * line.itemsize for s in strides])


def _reversed(draw, shape, fill):
    return fill(shape)[tuple(slice(None, None, -1 if draw(st.booleans()) else 1) for _ in shape)]


LAYOUTS = {"plain": lambda draw, shape, fill: fill(shape), "spread": _spread, "permuted": _permuted,
           "expanded": _expanded, "overlapping": _overlapping, "reversed": _reversed}


@st.composite
def arrays(draw, dtype, shape, low=-np.inf, high=np.inf):
    """An array of that dtype and shape: a few drawn numbers, repeated, in a drawn arrangement."""
    numbers = draw(st.lists(values(dtype, low, high), min_size=1, max_size=12))
    layout = draw(st.sampled_from(list(LAYOUTS)))
    return LAYOUTS[layout](draw, shape, lambda size: np.resize(np.array(numbers, dtype), size))


def tensor_over(array):
    """A tensor over the array's memory where tensors can be that, a copy of it where strides are negative."""
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    return rl.from_numpy(array)


@st.composite
def broadcast_shapes(draw, count):
    """`count` shapes that broadcast with each other."""
    full = draw(shapes())
    if count == 1:
        return [full]
    return [tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in full)[draw(st.sampled_from([0, 0, 1])):]
            for _ in range(count)]
