"""Integer attributes beyond 2**53 stay exact, nan_to_num stays within a dtype's own range, sums of 16-bit values are
rounded once, sums and products of integers fit the dtype asked for."""
import numpy as np
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


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("alpha", [-1, -3, 2**31 - 1])
def test_integer_factors_wrap_and_bounds_do_not(name, alpha):
    a, b = np.array([1, 0, 100], name), np.array([1, 2, 99], name)
    x, y, factor = rl.from_numpy(a), rl.from_numpy(b), np.array(alpha).astype(name)
    assert rl.add(x, y, alpha=alpha).tolist() == (a + factor * b).tolist()
    assert rl.sub(x, y, alpha=alpha).tolist() == (a - factor * b).tolist()
    assert rl.addcmul(x, x, y, value=alpha).tolist() == (a + factor * a * b).tolist()
    assert rl.nn.functional.threshold(x, 1, alpha).tolist() == np.where(a > 1, a, factor).tolist()
    assert rl.rsub(x, y, alpha=alpha).tolist() == (b - factor * a).tolist()
    least, most = np.iinfo(name).min, np.iinfo(name).max
    assert x.clamp(min=alpha).tolist() == [min(max(int(value), alpha), int(most)) for value in a]
    assert x.clamp(max=alpha).tolist() == [max(min(int(value), alpha), int(least)) for value in a]


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64"])
def test_negative_numbers_beside_unsigned_ones_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    numbers = [1, 0, 100, 127]
    for call in (
        lambda m, x: x + -1, lambda m, x: x - -1, lambda m, x: -3 - x, lambda m, x: m.rsub(x, -1),
        lambda m, x: m.add(x, x, alpha=-1), lambda m, x: m.sub(x, x, alpha=-3), lambda m, x: m.rsub(x, x, alpha=-2),
        lambda m, x: m.addcmul(x, x, x, value=-1), lambda m, x: m.nn.functional.threshold(x, 5, -1),
        lambda m, x: m.nn.functional.threshold(x, -1, 5), lambda m, x: x.masked_fill(x > 1, -1),
    ):
        want = call(torch, torch.tensor(numbers, dtype=getattr(torch, name)))
        got = call(rl, rl.tensor(numbers, dtype=getattr(rl, name)))
        assert got.tolist() == want.tolist() and str(got.dtype).endswith(name)


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64", "float16"])
def test_addbmm_keeps_the_dtype(name):
    a = np.arange(12).reshape(3, 2, 2).astype(name)
    x = rl.from_numpy(a)
    got = rl.addbmm(x[0], x, x)
    assert got.dtype == x.dtype
    assert got.tolist() == (a[0] + (a @ a).sum(0).astype(name)).tolist()


LARGEST = {rl.float16: 65504.0, rl.bfloat16: (2 - 2**-7) * 2.0**127, rl.float32: (2 - 2**-23) * 2.0**127,
           rl.float64: (2 - 2**-52) * 2.0**1023}


@pytest.mark.parametrize("dtype, largest", LARGEST.items(), ids=str)
def test_nan_to_num(dtype, largest):
    x = rl.tensor([float("inf"), -float("inf"), float("nan"), 2.0], dtype=dtype)
    assert x.nan_to_num().tolist() == [largest, -largest, 0.0, 2.0]
    assert x.nan_to_num(nan=1.0, posinf=3.0, neginf=-4.0).tolist() == [3.0, -4.0, 1.0, 2.0]
    assert x.nan_to_num(nan=None).tolist() == [largest, -largest, 0.0, 2.0]


HALVES = [rl.float16, rl.bfloat16]
MANY = 3001


def halves(dtype, *shape):
    """Values that both 16-bit types hold, and their sums in float64."""
    values = np.random.default_rng(5).integers(1, 16, shape) / 8
    return rl.tensor(values).to(dtype), values


def rounded(values, dtype):
    return rl.tensor(values).to(rl.float32).to(dtype).tolist()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("shape, dim", [((MANY,), 0), ((3, MANY), 1), ((MANY, 5), 0), ((2, MANY, 300), 1)])
def test_sums_of_many_16_bit_values_are_rounded_once(dtype, shape, dim):
    source, values = halves(dtype, *shape)
    index = np.random.default_rng(6).integers(0, 2, MANY)
    start = np.ones([4 if d == dim else s for d, s in enumerate(shape)])
    want = start.copy()
    np.add.at(np.moveaxis(want, dim, 0), index, np.moveaxis(values, dim, 0))
    x, rows = rl.tensor(start).to(dtype), rl.tensor(index)
    wide = rl.tensor(np.broadcast_to(index.reshape([-1 if d == dim else 1 for d in range(len(shape))]), shape).copy())
    put = x.clone()
    put.movedim(dim, 0).index_put_((rows,), source.movedim(dim, 0), accumulate=True)
    for got in (x.index_add(dim, rows, source), x.scatter_add(dim, wide, source), put,
                x.scatter_reduce(dim, wide, source, "sum")):
        assert got.dtype == dtype
        assert got.tolist() == rounded(want, dtype)
    assert x.index_add(dim, rows, source, alpha=0.5).tolist() == rounded((want - start) / 2 + start, dtype)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_means_and_products_of_many_16_bit_values(dtype):
    source, values = halves(dtype, MANY)
    index = rl.zeros(MANY, dtype=rl.int64)
    mean = rl.ones(2).to(dtype).scatter_reduce(0, index, source, "mean", include_self=False)
    assert mean.tolist() == rounded(np.array([values.mean(), 1]), dtype)
    near_one = rl.tensor([1.0625] * 40).to(dtype)
    product = rl.ones(1).to(dtype).scatter_reduce(0, index[:40], near_one, "prod")
    assert product.tolist() == rounded(np.array([1.0625**40]), dtype)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("read", [
    lambda x, i: x.gather(0, i), lambda x, i: x.index_select(0, i), lambda x, i: x[i], lambda x, i: x.take(i),
    lambda x, i: rl.nn.functional.embedding(i, x.unsqueeze(1)), lambda x, i: x.expand(MANY, 2)[:, 0],
], ids=["gather", "index_select", "getitem", "take", "embedding", "expand"])
def test_gradients_of_values_that_are_read_often(dtype, read):
    x = rl.ones(2, dtype=dtype, requires_grad=True)
    read(x, rl.zeros(MANY, dtype=rl.int64)).sum().backward()
    assert x.grad.tolist() == rounded(np.array([MANY, 0]), dtype)


@pytest.mark.parametrize("wanted", ["bool", "uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("given", ["bool", "int16", "int64", "float32"])
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_reductions_into_narrow_integers(name, given, wanted):
    values = np.random.default_rng(3).integers(1, 3, (4, 70, 5)).astype(given)
    x = rl.tensor(values)
    for dim in (0, 1, 2):
        exact = getattr(np, name)(values.astype(wanted).astype(np.int64), axis=dim)
        assert getattr(x, name)(dim, dtype=getattr(rl, wanted)).tolist() == exact.astype(wanted).tolist()
    assert getattr(x[2, 3, 1], name)(dtype=getattr(rl, wanted)).item() == values[2, 3, 1].astype(wanted)


@pytest.mark.parametrize("largest", [9, 2**31, 2**51, 2**52, 2**62, 2**63 - 1], ids="below {}".format)
@pytest.mark.parametrize("divisors", [9, 2**31, 2**53, 2**63 - 1], ids="by {}".format)
def test_quotients_of_large_integers(largest, divisors):
    random = np.random.default_rng(8)
    a, b = random.integers(-largest, largest, 2000), random.integers(1, divisors, 2000) * random.choice([-1, 1], 2000)
    whole = a // b * b                                             # next to a multiple, on either side and on it
    near = np.where(np.abs(whole) < 2**62, whole + random.integers(-1, 2, 2000), a)
    for x in (a, near):
        assert np.array_equal(rl.floor_divide(rl.tensor(x), rl.tensor(b)).numpy(), x // b)


@pytest.mark.parametrize("dtype", [rl.float32, rl.float64, rl.float16, rl.int64, rl.int16, rl.uint8], ids=str)
@pytest.mark.parametrize("values", ["spread", "few", "equal"])
def test_order_statistics_of_many(dtype, values):
    random = np.random.default_rng(9)
    x = {"spread": random.normal(size=20_001) * 50, "few": random.integers(0, 4, 20_001), "equal": np.full(20_001, 3)}
    x = np.abs(x[values]) if dtype == rl.uint8 else x[values]
    t = rl.tensor(x).to(dtype)
    ordered = np.sort(t.numpy())
    for k in (1, 2, 7000, 10_001, 20_000, 20_001):
        value, index = t.kthvalue(k)
        assert value.item() == ordered[k - 1] == t[index].item()
    assert t.median().item() == ordered[10_000]


def divided(total, divisor):
    return abs(total) // abs(divisor) * (1 if (total < 0) == (divisor < 0) else -1)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("divisor", [None, 1, -3])
def test_averages_of_large_integers(ceil, padded, divisor):
    x = np.random.default_rng(5).integers(-2**60, 2**60, (2, 7, 6))
    got = rl.nn.functional.avg_pool2d(rl.from_numpy(x), (3, 2), 2, 1, ceil, padded, divisor).tolist()
    assert len(got[0]) == 4 and len(got[0][0]) == 4
    for channel in range(2):
        for i in range(4):
            for j in range(4):
                rows, columns = (2 * i - 1, min(2 * i + 2, 8)), (2 * j - 1, min(2 * j + 1, 7))
                window = x[channel, max(rows[0], 0):min(rows[1], 7), max(columns[0], 0):min(columns[1], 6)]
                count = (rows[1] - rows[0]) * (columns[1] - columns[0]) if padded else window.size
                assert got[channel][i][j] == divided(sum(window.ravel().tolist()), divisor or count)


def test_taking_along_a_dimension_from_the_end():
    x, rng = np.arange(60).reshape(3, 4, 5), np.random.default_rng(6)
    for dim in range(3):
        for low in (0, -x.shape[dim]):
            index = rng.integers(low, x.shape[dim], x.shape)
            for given in (rl.from_numpy(index), rl.from_numpy(index.T.copy()).permute(2, 1, 0)):
                got = rl.take_along_dim(rl.from_numpy(x), given, dim)
                assert np.array_equal(got.numpy(), np.take_along_axis(x, index, dim))


@pytest.mark.parametrize("dtype, rtol", [(rl.float32, 1e-4), (rl.float64, 1e-12)], ids=str)
@pytest.mark.parametrize("values", [[0, 100], [100, 0], [-500, 0, 500], [500, 0, -500], [-np.inf, -np.inf, 1, -3, 700],
                                    [2, -np.inf, 900, -np.inf], [-np.inf, -np.inf], [-1e30, 0, 1e30]], ids=str)
def test_gradients_of_running_exponentials_that_lie_far_apart(values, dtype, rtol):
    """The Jacobian of logcumsumexp holds exp(x_k - y_i): a softmax of each beginning of x."""
    x = np.array(values, np.float64)
    n = len(x)
    jacobian = np.zeros((n, n))
    for i in range(n):
        begin = x[:i + 1]
        if begin.max() > -np.inf:
            e = np.exp(begin - begin.max())
            jacobian[i, :i + 1] = e / e.sum()
    given = rl.tensor(values, dtype=dtype, requires_grad=True)
    y = rl.logcumsumexp(given, 0)
    np.testing.assert_allclose(y.detach().numpy(), np.logaddexp.accumulate(x), rtol=1e-6, atol=1e-30)
    for g in (np.ones(n), -np.ones(n), np.arange(n) - 0.75, np.eye(n)[-1]):
        slope = rl.tensor(g, dtype=dtype, requires_grad=True)
        found, = rl.autograd.grad(y, given, slope, create_graph=True)
        np.testing.assert_allclose(found.detach().numpy(), g @ jacobian, rtol=rtol, atol=1e-30)
        # What flows in counts linearly, where it is zero too.
        v = np.linspace(1, 2, n)
        back, twice = rl.autograd.grad(found, (slope, given), rl.tensor(v, dtype=dtype), retain_graph=True)
        np.testing.assert_allclose(back.numpy(), jacobian @ v, rtol=rtol, atol=1e-30)
        wanted = sum(g[i] * (jacobian[i] * v - jacobian[i] * (jacobian[i] @ v)) for i in range(n))
        np.testing.assert_allclose(twice.numpy(), wanted, rtol=rtol, atol=4 * rtol)


def test_running_exponentials_of_many_have_their_gradients():
    random = np.random.default_rng(10)
    x, g = random.normal(size=(3, 1000, 2)) * 200, random.normal(size=(3, 1000, 2))
    y = np.logaddexp.accumulate(x, 1)
    weights = np.exp(np.minimum(x[:, None] - y[:, :, None], 0)) * np.tri(1000)[None, :, :, None]
    t = rl.tensor(x, requires_grad=True)
    rl.logcumsumexp(t, 1).backward(rl.tensor(g))
    np.testing.assert_allclose(t.grad.numpy(), np.einsum("bikc,bic->bkc", weights, g), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [rl.float16, rl.bfloat16])
@pytest.mark.parametrize("in_place", [False, True])
def test_sums_of_narrow_products_are_rounded_once(dtype, in_place):
    rng = np.random.default_rng(0)
    c, a, b = (rl.from_numpy(rng.normal(size=s)).to(dtype) for s in ((9, 7), (9, 5), (5, 7)))
    exact = 3.4445 * c.double().numpy() - 4.775 * (a.double().numpy() @ b.double().numpy())
    want = rl.from_numpy(exact).float().to(dtype)
    form = c.clone().addmm_ if in_place else c.addmm
    assert rl.equal(form(a, b, beta=3.4445, alpha=-4.775), want)
