"""Random tensors: shapes, values at the edges of their dtypes, and every way of lying in memory."""

import numpy as np

import rushlight as rl

DTYPES = [rl.bool, rl.uint8, rl.int8, rl.int16, rl.int32, rl.int64, rl.float16, rl.bfloat16, rl.float32, rl.float64,
          rl.complex64]
EXTREMES = [np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e-42, 1.7e308, 3.4e38]
WHOLE_EXTREMES = [2**62, -(2**63), 2**63 - 1, 2**31, -(2**31), 127, -128, 255, -1, 1_000_000]
INTS = [-1, 0, 1, 2, 3, 4, 5, 7, -2, -3, -9, 64, 65, 1000, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, -(2**63),
        -(2**62), 2**64, -(2**31)]
FLOATS = [0.0, 1.0, -1.0, 0.5, 2.0, float("nan"), float("inf"), -float("inf"), 1e300, -1e30, 5e-324, 0, 1, 3, -1, 2**63,
          2**70, True]


def an_int(random):
    return random.choice(INTS[:9] if random.random() < 0.7 else INTS)


def a_shape(random):
    rank = random.choice([0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
    return tuple(random.choice([0, 1, 2, 2, 3, 3, 4, 5, 17]) for _ in range(rank))


def some_values(random, shape, whole):
    numbers = np.random.default_rng(random.getrandbits(30))
    mood = random.choice(["ordinary", "ordinary", "ordinary", "small", "small", "extreme", "large", "zero"])
    if mood == "zero":
        return np.zeros(shape)
    if whole:
        values = numbers.integers(-3 if mood == "ordinary" else 0, 5, shape)
        values = np.asarray(values, np.int64)
        if mood in ("large", "extreme") and values.size:
            values.flat[numbers.integers(0, values.size)] = random.choice(WHOLE_EXTREMES)
        return values
    values = np.asarray(numbers.normal(size=shape) * 3)
    if mood == "small":
        values = np.rint(values)
    if mood == "large":
        values = values * 1e30
    if mood == "extreme" and values.size:
        values.flat[numbers.integers(0, values.size, max(1, values.size // 3))] = random.choice(EXTREMES)
    return values


def a_plain_tensor(random, shape, dtype):
    if dtype.is_floating_point or dtype.is_complex:
        values = np.ascontiguousarray(some_values(random, shape, whole=False)).reshape(shape)
        return rl.tensor(values).to(dtype)
    values = np.ascontiguousarray(some_values(random, shape, whole=True)).reshape(shape)
    return rl.tensor(values != 0) if dtype == rl.bool else rl.tensor(values).to(dtype)


def transposed(random, t):
    if t.dim() < 2:
        return t
    first, second = random.sample(range(t.dim()), 2)
    return t.transpose(first, second).contiguous().transpose(first, second)


def expanded(random, t):
    if 0 in t.shape or not t.dim():
        return t
    return t.narrow(random.randrange(t.dim()), 0, 1).expand(t.shape)


def every_second(random, t):
    if not t.dim():
        return t
    dim, sizes = random.randrange(t.dim()), list(t.shape)
    sizes[dim] *= 2
    wide = rl.zeros(sizes, dtype=t.dtype)
    view = wide[(slice(None),) * dim + (slice(None, None, 2),)]
    return view.copy_(t)


def offset(random, t):
    return rl.cat([rl.zeros(3, dtype=t.dtype), t.reshape(-1)])[3:].reshape(t.shape)


def overlapping(random, t):
    if sum(size - 1 for size in t.shape) >= t.numel():
        return t
    return rl.as_strided(t.contiguous(), tuple(t.shape), (1,) * t.dim())


def channels_last(random, t):
    return t.contiguous(memory_format=rl.channels_last) if t.dim() == 4 else t


def from_numpy(random, t):
    return t if t.dtype == rl.bfloat16 else rl.from_numpy(as_numpy(t))


LAYOUTS = [transposed, expanded, every_second, offset, overlapping, channels_last, from_numpy]


def laid_out(random, t):
    """The tensor in another layout; some of them repeat elements, so that the values may change."""
    return t if random.random() < 0.3 else random.choice(LAYOUTS)(random, t)


def a_tensor(random, like=None):
    """A tensor; mostly one that nearly fits beside `like`."""
    if like is None or random.random() < 0.3:
        return laid_out(random, a_plain_tensor(random, a_shape(random), random.choice(DTYPES)))
    shape, dtype = list(like.shape), like.dtype
    change = random.random()
    if change < 0.35 and shape:
        shape[random.randrange(len(shape))] = random.choice([0, 1, 2, 3, 4, 6, 7])
    elif change < 0.45:
        shape.append(random.choice([0, 1, 2]))
    elif change < 0.55:
        shape = shape[1:]
    elif change < 0.6:
        random.shuffle(shape)
    if random.random() < 0.3:
        dtype = random.choice(DTYPES)
    return laid_out(random, a_plain_tensor(random, tuple(shape), dtype))


def tensors_of(value):
    """The tensors in arguments or results, flat."""
    if isinstance(value, rl.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [t for item in value for t in tensors_of(item)]


def as_numpy(t):
    t = t.detach()
    return (t.float() if t.dtype == rl.bfloat16 else t).numpy().copy()


def compact(value):
    """The same arguments, every tensor a plain one of its own."""
    if isinstance(value, rl.Tensor):
        return rl.empty(tuple(value.shape), dtype=value.dtype).copy_(value.detach())
    if isinstance(value, (list, tuple)):
        return type(value)([compact(item) for item in value])
    if isinstance(value, dict):
        return {name: compact(item) for name, item in value.items()}
    return value
