"""Matrix products and convolutions of the compute room against float64 NumPy, in every shape that is awkward."""

import os
import signal
import threading
import zlib

import numpy as np
import pytest
from driver import (
    DTYPES,
    ONEDNN,
    REFERENCE,
    Case,
    Compute,
    Unavailable,
    address,
    decode,
    encode,
    laid_out,
    logical,
)

EPS = {"float32": 2.0**-24, "float64": 2.0**-53, "float16": 2.0**-11, "bfloat16": 2.0**-8}


@pytest.fixture(scope="session")
def compute():
    try:
        return Compute()
    except Unavailable as why:
        pytest.skip(f"the compute room's C face: {why}")


@pytest.fixture(scope="session")
def onednn(compute):
    if missing := compute.face.onednn_missing():
        pytest.skip(missing.decode())


def within(got, want, magnitude, terms, dtype):
    """Rounding alone: each of `terms` sums of products loses at most an epsilon of the products' magnitudes."""
    # 16-bit floats are summed in float32 and rounded once.
    eps = EPS["float32"] if dtype in ("float16", "bfloat16") else EPS[dtype]
    bound = (terms + 8) * eps * magnitude + 2 * EPS[dtype] * np.abs(want) + 1e-30
    if dtype == "float16":
        bound = bound + 2.0**-24
    assert got.shape == want.shape
    worst = np.max(np.abs(got - want) / bound, initial=0.0)
    assert worst <= 1.0, f"error is {worst:.3g} times what rounding allows"


# ---- products ----------------------------------------------------------------------------------------------------

SHAPES = [(1, 1, 1), (8, 8, 8), (1, 33, 17), (33, 1, 17), (5, 7, 0), (0, 4, 3), (3, 0, 5), (2, 64, 100), (4, 100, 33),
          (63, 65, 64), (17, 129, 40), (130, 50, 257), (1, 700, 300), (700, 1, 300), (3, 5, 3000), (200, 300, 150),
          (257, 33, 129)]


def product_inputs(rng, dtype, batch, m, n, k, a_order, b_order):
    if dtype == "bool":
        make = lambda *shape: rng.random(shape) < 0.2
    elif dtype in EPS:
        make = lambda *shape: decode(encode(rng.standard_normal(shape), dtype), dtype)
    else:
        info = np.iinfo(dtype)
        make = lambda *shape: rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    a, b, bias = make(batch, m, k), make(batch, k, n), make(n)
    turned = lambda x, order: encode(np.swapaxes(x, 1, 2), dtype).swapaxes(1, 2) if order == "t" else encode(x, dtype)
    spread = lambda x: np.repeat(np.repeat(x, 2, 1), 3, 2)[:, ::2, ::3]
    place = lambda x, order: spread(encode(x, dtype)) if order == "strided" else turned(x, order)
    return a, b, bias, place(a, a_order), place(b, b_order)


@pytest.mark.parametrize("orders", ["nn", "nt", "tn", "tt", "strided"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_matmul(compute, dtype, shape, orders):
    rng = np.random.default_rng(zlib.crc32(repr((shape, orders)).encode()))
    m, n, k = shape
    a_order, b_order = ("strided", "strided") if orders == "strided" else orders
    for batch in (1, 3):
        a, b, bias, pa, pb = product_inputs(rng, dtype, batch, m, n, k, a_order, b_order)
        for extras in ({}, {"bias": True}, {"accumulate": True, "bias": True, "relu": True}):
            start = decode(encode(rng.standard_normal((batch, m, n)), dtype), dtype)
            wide = np.zeros((batch, m, n + 3), encode(start, dtype).dtype)
            c = wide[:, :, :n]
            c[...] = encode(start, dtype)
            compute.matmul(pa, pb, c, dtype=dtype, bias=encode(bias, dtype) if "bias" in extras else None,
                           accumulate="accumulate" in extras, relu="relu" in extras)
            want, size = a @ b, np.abs(a) @ np.abs(b)
            if "bias" in extras:
                want, size = want + bias, size + np.abs(bias)
            if "accumulate" in extras:
                want, size = want + start, size + np.abs(start)
            if "relu" in extras:
                want = np.maximum(want, 0)
            within(decode(np.ascontiguousarray(c), dtype), want, size, k, dtype)
            assert not wide[:, :, n:].any(), "wrote outside its columns"


@pytest.mark.parametrize("orders", ["nn", "nt", "tn", "strided"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "bool"])
def test_matmul_of_integers_wraps(compute, dtype, orders):
    rng = np.random.default_rng(5)
    a_order, b_order = ("strided", "strided") if orders == "strided" else orders
    for m, n, k in [(1, 1, 1), (1, 9, 4), (9, 1, 4), (31, 17, 23), (70, 90, 80), (4, 5, 0)]:
        for batch in (1, 2):
            a, b, _, pa, pb = product_inputs(rng, dtype, batch, m, n, k, a_order, b_order)
            c = np.empty((batch, m, n), dtype)
            compute.matmul(pa, pb, c)
            if dtype == "bool":
                want = (a.astype("i8") @ b.astype("i8")) > 0
            else:
                with np.errstate(over="ignore"):
                    want = (a.astype("i8") @ b.astype("i8")).astype(dtype)
            np.testing.assert_array_equal(c, want)


def test_matmul_broadcasts_over_the_batch(compute):
    rng = np.random.default_rng(1)
    for m, n, k in [(6, 5, 4), (64, 70, 80)]:
        a, b = rng.standard_normal((7, m, k), "f4"), rng.standard_normal((1, k, n), "f4")
        c = np.empty((7, m, n), "f4")
        compute.matmul(a, np.broadcast_to(b, (7, k, n)), c)
        within(c.astype("f8"), a.astype("f8") @ b, np.abs(a.astype("f8")) @ np.abs(b), k, "float32")
        a1, b7 = a[:1], rng.standard_normal((7, k, n), "f4")
        compute.matmul(np.broadcast_to(a1, a.shape), b7, c)
        within(c.astype("f8"), a1.astype("f8") @ b7, np.abs(a1.astype("f8")) @ np.abs(b7), k, "float32")


def test_matmul_keeps_not_a_number(compute):
    a, b = np.ones((1, 5, 5), "f4"), np.ones((1, 5, 5), "f4")
    a[0, 2, 3] = np.nan
    b[0, 0, 4] = np.inf
    c = np.empty((1, 5, 5), "f4")
    compute.matmul(a, b, c)
    np.testing.assert_array_equal(np.isnan(c), np.arange(5)[None, :, None] == np.full((1, 5, 5), 2))
    assert np.isinf(c[0, 0, 4])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_matmul_with_packed_weights(compute, dtype):
    rng = np.random.default_rng(2)
    packed = compute.face.packed_new()
    b = rng.standard_normal((1, 96, 200))
    for m in (3, 50, 50, 128):
        a, c = rng.standard_normal((1, m, 96)), np.empty((1, m, 200), encode(b, dtype).dtype)
        ea, eb = encode(a, dtype), encode(b, dtype)
        compute.matmul(ea, eb, c, dtype=dtype, packed=packed)
        a, b64 = decode(ea, dtype), decode(eb, dtype)
        within(decode(c, dtype), a @ b64, np.abs(a) @ np.abs(b64), 96, dtype)
    compute.face.packed_delete(packed)


# ---- convolutions ------------------------------------------------------------------------------------------------

CASES = [
    Case(2, 3, 4, (9, 8), 3),
    Case(2, 3, 16, (16, 16), 7, stride=2, padding=3),
    Case(3, 1, 6, (12, 12), 5, padding=2),
    Case(1, 16, 32, (7, 7), 1),
    Case(2, 32, 16, (14, 14), 1, stride=2),
    Case(4, 16, 16, (6, 6), 3, padding=1),
    Case(2, 8, 8, (5, 5), 3, padding=4),                            # padding larger than the kernel
    Case(2, 5, 7, (11, 10), 2, stride=3),                           # stride larger than the kernel, ragged end
    Case(2, 4, 6, (13, 9), (3, 2), stride=(2, 1), padding=(1, 0), dilation=(2, 3)),
    Case(2, 32, 32, (10, 10), 3, padding=1, groups=32),             # depthwise
    Case(2, 16, 32, (8, 8), 3, padding=1, groups=16),               # depthwise with a multiplier
    Case(2, 12, 18, (8, 8), 3, padding=1, groups=3),
    Case(1, 17, 33, (6, 5), 3, padding=2, dilation=2),
    Case(0, 3, 4, (5, 5), 3),                                       # empty batch
    Case(2, 3, 4, (3, 3), 3),                                       # one position
    Case(2, 1, 1, (6, 6), 3, padding=1),
    Case(3, 4, 8, (20,), 3, padding=1),
    Case(2, 16, 16, (50,), 2, padding=8, dilation=8),
    Case(2, 16, 20, (50,), 2, dilation=8),                          # gradients longer than what comes in
    Case(3, 5, 7, (40,), 4, padding=1, dilation=3),
    Case(2, 6, 6, (31,), 5, stride=2, groups=2),
    Case(2, 3, 8, (5, 6, 7), 3, padding=1),
    Case(1, 8, 4, (6, 6, 6), 2, stride=2),
    Case(1, 4, 8, (5, 7, 6), (1, 3, 2), padding=(0, 1, 1), dilation=(1, 2, 1), groups=2),
    Case(2, 64, 64, (20, 20), 3, padding=1),
    # Few channels in wide rows: several strips, kernels that stick out of the image, one slice of sums and many.
    Case(2, 40, 3, (70, 31), 3, padding=1),
    Case(2, 3, 6, (20, 28), 7, padding=(8, 9)),
    Case(37, 1, 9, (11, 12), (2, 4)),
    Case(2, 2, 5, (13, 14), (4, 5), padding=(6, 1)),
    Case(1, 6, 16, (14, 14), 5),
]
LAYOUTS = [(0, 0, 0), (1, 1, 0), (1, 1, 1), (0, 1, 0), (1, 0, 1)]
ROUTES = [("float32", "room"), ("float32", "reference"), ("float64", "room"), ("bfloat16", "room"), ("float16", "room")]


@pytest.mark.parametrize("case", CASES, ids=repr)
@pytest.mark.parametrize(("dtype", "route"), ROUTES, ids=["-".join(route) for route in ROUTES])
def test_convolution(compute, case, dtype, route):
    rng = np.random.default_rng(3)
    way = REFERENCE if route == "reference" else 0
    x, w, bias, g = (decode(encode(t, dtype), dtype) for t in case.arrays(rng))
    positions = case.batch * int(np.prod(case.output))
    fan_in = int(np.prod(w.shape[1:]))
    fan_out = int(np.prod(case.kernel)) * case.outs // case.groups
    y, ys = case.forward(x, w, bias), case.forward(np.abs(x), np.abs(w), np.abs(bias))
    gx, gxs = case.backward_input(g, w), case.backward_input(np.abs(g), np.abs(w))
    gw, gws = case.backward_weights(x, g), case.backward_weights(np.abs(x), np.abs(g))
    axes = (0, *range(2, g.ndim))
    for li, lo, lw in LAYOUTS if dtype in ("float32", "float64") else LAYOUTS[:2]:
        px, pw = encode(laid_out(x, li), dtype), encode(laid_out(w, lw), dtype)
        pg, pb = encode(laid_out(g, lo), dtype), encode(bias, dtype)
        v = compute.convolution(case, (li, lo, lw), dtype)
        out = np.full_like(pg, 7)
        compute.forward(v, px, pw, pb, out, way)
        within(logical(decode(out, dtype), lo), y, ys, fan_in, dtype)
        out_x = np.full_like(px, 7)
        compute.backward_input(v, pg, pw, None, out_x, way)
        within(logical(decode(out_x, dtype), li), gx, gxs, fan_out, dtype)
        out_w, out_b = np.full_like(pw, 7), np.full_like(pb, 7)
        compute.backward_weights(v, px, pg, out_w, out_b, way)
        within(logical(decode(out_w, dtype), lw), gw, gws, positions, dtype)
        within(decode(out_b, dtype), g.sum(axes), np.abs(g).sum(axes), positions, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", [0, 1])
def test_convolution_extras(compute, dtype, layout):
    """relu and accumulate in the forward, a bias for the transposed convolution, gradients that are not wanted."""
    rng = np.random.default_rng(4)
    for case in (CASES[0], CASES[3], CASES[11], CASES[16], CASES[-2]):
        x, w, bias, g = (decode(encode(t, dtype), dtype) for t in case.arrays(rng))
        size = case.forward(np.abs(x), np.abs(w), np.abs(bias)) + np.abs(g)
        fan_in = int(np.prod(w.shape[1:]))
        px, pw, pb = encode(laid_out(x, layout), dtype), encode(w, dtype), encode(bias, dtype)
        out = encode(laid_out(g, layout), dtype).copy()
        v = compute.convolution(case, (layout, layout, 0), dtype, relu=True, accumulate=True)
        compute.forward(v, px, pw, pb, out)
        within(logical(decode(out, dtype), layout), np.maximum(case.forward(x, w, bias) + g, 0), size, fan_in, dtype)

        v = compute.convolution(case, (layout, layout, 0), dtype)
        pg, channel_bias = encode(laid_out(g, layout), dtype), rng.standard_normal(case.channels).astype(dtype)
        out_x = np.empty_like(px)
        compute.backward_input(v, pg, pw, channel_bias, out_x)
        column = channel_bias.reshape(1, -1, *[1] * len(case.input)).astype("f8")
        gxs = case.backward_input(np.abs(g), np.abs(w)) + np.abs(column)
        within(logical(decode(out_x, dtype), layout), case.backward_input(g, w) + column, gxs,
               int(np.prod(case.kernel)) * case.outs, dtype)

        axes = (0, *range(2, g.ndim))
        out_b = np.empty(case.outs, dtype)
        compute.backward_weights(v, px, pg, None, out_b)
        within(decode(out_b, dtype), g.sum(axes), np.abs(g).sum(axes), g.size, dtype)
        out_w = np.empty_like(pw)
        compute.backward_weights(v, px, pg, out_w, None)
        within(decode(out_w, dtype), case.backward_weights(x, g), case.backward_weights(np.abs(x), np.abs(g)), g.size,
               dtype)


def test_convolution_with_packed_weights(compute):
    rng = np.random.default_rng(6)
    packed = compute.face.packed_new()
    _, w, _, _ = Case(1, 32, 48, (9, 9), 3).arrays(rng)
    pw = encode(w, "float32")
    for batch in (1, 4, 4, 1):
        case = Case(batch, 32, 48, (9, 9), 3, padding=1)
        x, _, bias, _ = case.arrays(rng)
        out = np.empty((batch, 48, 9, 9), "f4")
        compute.forward(compute.convolution(case), encode(x, "float32"), pw, encode(bias, "float32"), out, 0, packed)
        within(out.astype("f8"), case.forward(encode(x, "float32").astype("f8"), pw.astype("f8"), bias),
               case.forward(np.abs(x), np.abs(w), np.abs(bias)), 32 * 9, "float32")
    compute.face.packed_delete(packed)


def test_against_pytorch(compute):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(7)
    for case in CASES:
        if case.batch == 0:
            continue
        x, w, bias, g = (t.astype("f4") for t in case.arrays(rng))
        tx, tw, tb = (torch.tensor(t, requires_grad=True) for t in (x, w, bias))
        ty = torch.ops.aten.convolution(tx, tw, tb, case.stride, case.padding, case.dilation, False,
                                        [0] * len(case.input), case.groups)
        ty.backward(torch.tensor(g))
        v, out, gx, gw, gb = compute.convolution(case), *map(np.empty_like, (g, x, w, bias))
        compute.forward(v, x, w, bias, out)
        compute.backward_input(v, g, w, None, gx)
        compute.backward_weights(v, x, g, gw, gb)
        for ours, theirs in ((out, ty), (gx, tx.grad), (gw, tw.grad), (gb, tb.grad)):
            theirs = theirs.detach().numpy()
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-5 * np.abs(theirs).max())


# ---- the machinery -----------------------------------------------------------------------------------------------


def small_problem(compute, rng=None):
    case = Case(4, 16, 32, (12, 12), 3, padding=1)
    x, w, bias, _ = (encode(t, "float32") for t in case.arrays(rng or np.random.default_rng(8)))
    v = compute.convolution(case, (1, 1, 0))
    px = laid_out(x, 1)

    def run():
        y = np.empty((4, 12, 12, 32), "f4")
        compute.forward(v, px, w, bias, y)
        return y

    return run, case.forward(x.astype("f8"), w.astype("f8"), bias)


def test_threads_do_not_change_the_forward(compute):
    run, want = small_problem(compute)
    before = compute.face.get_threads()
    try:
        results = []
        for n in (1, 2, 3, 5):
            compute.face.set_threads(n)
            results.append(run())
            np.testing.assert_allclose(logical(results[-1], 1), want, rtol=1e-4, atol=1e-4)
    finally:
        compute.face.set_threads(before)


def test_two_threads_at_once(compute, onednn):
    problems = [small_problem(compute, np.random.default_rng(seed)) for seed in range(4)]
    wrong = []

    def work(run, want):
        for _ in range(50):
            if not np.allclose(logical(run(), 1), want, rtol=1e-4, atol=1e-4):
                wrong.append(1)

    threads = [threading.Thread(target=work, args=p) for p in problems]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_forked_child_works(compute, onednn):
    """300 children, each forked after threaded work, and while another thread works."""
    run, want = small_problem(compute)
    stop = threading.Event()

    def keep_busy():
        other, _ = small_problem(compute, np.random.default_rng(11))
        while not stop.is_set():
            other()

    busy = threading.Thread(target=keep_busy)
    busy.start()
    failures = []
    try:
        for i in range(300):
            run()
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                good = np.allclose(logical(run(), 1), want, rtol=1e-4, atol=1e-4)
                os._exit(0 if good else 1)
            _, status = os.waitpid(child, 0)
            if status:
                failures.append((i, status))
    finally:
        stop.set()
        busy.join()
    assert not failures


def test_the_cache_is_bounded(compute, onednn):
    holder = np.zeros(4, "i8")
    counts = address(holder)
    rng = np.random.default_rng(9)
    big = rng.standard_normal((1, 1200, 64)).astype("f4")
    b = rng.standard_normal((1, 64, 64)).astype("f4")
    for m in range(100, 1200):
        compute.matmul(big[:, :m], b, np.empty((1, m, 64), "f4"))
    compute.face.cache_counts(counts)
    assert holder[0] <= 1024 and holder[3] >= 1100 - 1024
    hits = holder[1]
    compute.matmul(big, b, c := np.empty((1, 1200, 64), "f4"))
    compute.matmul(big, b, c)
    compute.face.cache_counts(counts)
    assert holder[1] > hits


def test_errors_have_words(compute, onednn):
    case = Case(1, 4, 4, (5, 5), 3)
    x, w, _, g = (encode(t, "float32") for t in case.arrays(np.random.default_rng(10)))
    v = compute.convolution(case)
    v[0] = DTYPES["int32"]
    with pytest.raises(RuntimeError, match="int32"):
        compute.forward(v, x, w, None, g, ONEDNN)
