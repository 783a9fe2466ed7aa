"""The 8-bit operators against sums of int64 in NumPy, on every route that this processor has."""
import os
import subprocess
import sys
from itertools import product

import integer_reference as reference
import numpy as np
import pytest

import rushlight as rl

OPS = rl._C._groups["_ops"]
DTYPES = {np.uint8: rl.uint8, np.int8: rl.int8, np.float32: rl.float32}
RNG = np.random.default_rng(0)

#: channels, outputs, kernel, stride, padding, dilation, groups, size
CONVOLUTIONS = [(3, 8, 3, 1, 1, 1, 1, 9), (16, 32, 1, 1, 0, 1, 1, 8), (16, 32, 3, 2, 1, 1, 1, 8),
                (64, 64, 3, 1, 1, 1, 1, 7), (8, 8, 3, 1, 1, 1, 8, 6), (32, 32, 3, 1, 2, 2, 4, 7),
                (5, 7, 3, 1, 1, 1, 1, 5), (96, 45, 1, 1, 0, 1, 1, 6),
                (1, 1, 1, 1, 0, 1, 1, 1)]


def integers(shape, dtype):
    return RNG.integers(*reference.RANGES[np.dtype(dtype)], shape, endpoint=True).astype(dtype)


def weights(*shape):
    scales = RNG.uniform(0.001, 0.02, shape[0]).astype(np.float32)
    return integers(shape, np.int8), scales, RNG.normal(size=shape[0]).astype(np.float32)


def assert_near(got, want):
    """Floats by their precision; integers equal but where a tie or a float's last bit moves them by one."""
    assert got.shape == want.shape
    if want.dtype == float:
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max(initial=1))
    else:
        apart = np.abs(got.astype(int) - want)
        assert apart.max(initial=0) <= 1 and apart.sum() <= max(1, apart.size // 100)


@pytest.mark.parametrize("zero, dtype", [(100, np.uint8), (0, np.uint8), (-3, np.int8)])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5, 7, 9), (2, 3, 40, 41)])
def test_quantize_and_back(shape, zero, dtype):
    x = (RNG.normal(size=shape) * 3).astype(np.float32)
    q = OPS["quantize"](rl.tensor(x), 0.05, zero, DTYPES[dtype])
    np.testing.assert_array_equal(q.numpy(), reference.quantize(x, 0.05, zero, dtype))
    want = (q.numpy().astype(np.float32) - zero) * np.float32(0.05)
    np.testing.assert_array_equal(OPS["dequantize"](q, 0.05, zero).numpy(), want)


def test_quantize_rounds_ties_to_even_and_cuts():
    x = rl.tensor([0.5, 1.5, 2.5, -0.5, 1e9, -1e9, float("inf"), float("-inf")])
    assert OPS["quantize"](x, 1.0, 0, rl.int8).tolist() == [0, 2, 2, 0, 127, -128, 127, -128]
    assert OPS["quantize"](x.to(rl.float64), 1.0, 3, rl.uint8).tolist() == [3, 5, 5, 3, 255, 0, 255, 0]


def test_quantize_of_a_permuted_tensor():
    x = rl.randn(4, 6, 5)
    got = OPS["quantize"](x.permute(2, 0, 1), 0.1, 0, rl.int8)
    assert got.tolist() == OPS["quantize"](x, 0.1, 0, rl.int8).permute(2, 0, 1).tolist()


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("input_dtype, input_zero", [(np.uint8, 0), (np.uint8, 5), (np.int8, 0), (np.int8, -9)])
def test_convolution(case, input_dtype, input_zero):
    channels, outputs, kernel, stride, padding, dilation, groups, size = case
    x = integers((2, channels, size, size), input_dtype)
    w, scales, bias = weights(outputs, channels // groups, kernel, kernel)
    sums = reference.convolution_sums(x.astype(int) - input_zero, w, stride, padding, dilation, groups)
    for output, adds, relu, biased in product(
            [None, (0, np.uint8), (11, np.uint8), (-7, np.int8)], (False, True), (False, True), (False, True)):
        b = bias if biased else None
        plain = reference.finish(sums, 0.03, scales, b, None, False, None)
        step = float(np.float32(np.abs(plain).max() / 100))
        zero, dtype = output or (0, np.float32)
        addend = numbers = None
        if adds and dtype == np.float32:
            addend = numbers = RNG.normal(size=sums.shape).astype(np.float32)
        elif adds:
            addend = integers(sums.shape, dtype)
            numbers = (addend.astype(int) - 4) * (step * 0.7)
        want = reference.finish(sums, 0.03, scales, b, numbers, relu, output and (step, *output))
        got = OPS["quantized_convolution"](
            rl.tensor(x), rl.tensor(w), rl.tensor(scales), None if b is None else rl.tensor(b),
            None if addend is None else rl.tensor(addend), (stride,) * 2, (padding,) * 2, (dilation,) * 2, groups, 0.03,
            input_zero, DTYPES[dtype], step, zero, relu, step * 0.7 if output else 1.0, 4 if output else 0)
        assert_near(got.numpy(), want)


@pytest.mark.parametrize("rank", [1, 3])
def test_convolution_of_other_ranks(rank):
    x, (w, scales, bias) = integers((2, 4) + (5,) * rank, np.uint8), weights(6, 4, *(3,) * rank)
    args = (rl.tensor(scales), rl.tensor(bias), None, (1,) * rank, (1,) * rank, (1,) * rank, 1, 0.02, 3, rl.float32)
    got = OPS["quantized_convolution"](rl.tensor(x), rl.tensor(w), *args)
    convolve = {1: rl.nn.functional.conv1d, 3: rl.nn.functional.conv3d}[rank]
    sums = convolve((rl.tensor(x).to(rl.float64) - 3), rl.tensor(w).to(rl.float64), padding=1).numpy()
    along = (-1,) + (1,) * rank
    want = sums * (np.float32(0.02) * scales).reshape(along) + bias.reshape(along)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("rows, inputs, outputs", [(1, 5, 3), (7, 64, 10), (33, 300, 70), (0, 4, 2), (1, 1024, 512)])
@pytest.mark.parametrize("input_dtype, input_zero", [(np.uint8, 0), (np.uint8, 128), (np.int8, 0)])
def test_linear(rows, inputs, outputs, input_dtype, input_zero):
    x, (w, scales, bias) = integers((rows, inputs), input_dtype), weights(outputs, inputs)
    sums = (x.astype(int) - input_zero) @ w.T.astype(int)
    for output, relu in product([None, (0.5, 7, np.uint8), (0.5, 0, np.int8)], (False, True)):
        want = reference.finish(sums, 0.03, scales, bias, None, relu, output)
        step, zero, dtype = output or (1.0, 0, np.float32)
        got = OPS["quantized_linear"](rl.tensor(x), rl.tensor(w), rl.tensor(scales), rl.tensor(bias), 0.03, input_zero,
                                      DTYPES[dtype], step, zero, relu)
        assert_near(got.numpy(), want)


def test_weights_serve_products_of_any_height():
    """Packed once for each kernel, and kernels differ by the number of rows."""
    for inputs, outputs in ((40, 40), (64, 17), (200, 130)):
        w, scales, bias = weights(outputs, inputs)
        args = rl.tensor(w), rl.tensor(scales), rl.tensor(bias)
        for rows in (5, 1, 27, 3, 48, 2, 36, 1, 64):
            for dtype, zero in ((np.uint8, 0), (np.int8, 0), (np.uint8, 5)):
                x = integers((rows, inputs), dtype)
                want = reference.finish((x.astype(int) - zero) @ w.T.astype(int), 0.03, scales, bias, None, False, None)
                assert_near(OPS["quantized_linear"](rl.tensor(x), *args, 0.03, zero, rl.float32).numpy(), want)


@pytest.mark.parametrize("shape", [(8,), (5, 8), (2, 3, 300), (1, 768)])
def test_dynamic_linear(shape):
    x, (w, scales, bias) = RNG.normal(size=shape).astype(np.float32), weights(20, shape[-1])
    row = np.abs(x).max(-1, keepdims=True) / np.float32(127)
    q = np.rint(x * (np.float32(1) / row)).astype(int)
    want = (q @ w.T.astype(int)) * (row * scales).astype(float) + bias
    got = OPS["dynamic_linear"](rl.tensor(x), rl.tensor(w), rl.tensor(scales), rl.tensor(bias))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-4)


def test_a_row_does_not_depend_on_the_others():
    x, (w, scales, bias) = rl.randn(9, 100), map(rl.tensor, weights(20, 100))
    together = OPS["dynamic_linear"](x, w, scales, bias)
    x[3:] *= 1000
    assert OPS["dynamic_linear"](x, w, scales, bias)[:3].tolist() == together[:3].tolist()


def test_rows_of_zeros_small_numbers_and_nan():
    x = rl.zeros(4, 3)
    x[1] = 1e-42
    x[2, 0] = float("nan")
    x[3] = 1e30
    w, scales = rl.ones(2, 3, dtype=rl.int8), rl.ones(2)
    y = OPS["dynamic_linear"](x, w, scales, rl.tensor([0.5, 0.25]))
    assert y[:2].tolist() == [[0.5, 0.25]] * 2
    assert y[2].isnan().all() and rl.allclose(y[3], rl.tensor(3e30))


def test_a_changed_weight_is_seen():
    x, w, scales = rl.ones(2, 64, dtype=rl.uint8), rl.ones(64, 64, dtype=rl.int8), rl.ones(64)
    for value in (1, 2):
        w.fill_(value)
        y = OPS["quantized_linear"](x, w, scales, None, 1.0, 0, rl.float32)
        assert y.unique().tolist() == [64.0 * value]


@pytest.mark.parametrize("dtype", [rl.uint8, rl.int8])
@pytest.mark.parametrize("window", [(3, 2, 1), (2, 2, 0), (3, 1, 1)])
def test_pooling_of_integers_with_channels_last(dtype, window):
    """A convolution leaves its channels last; the same integers in plain order are the reference."""
    q = OPS["quantize"](rl.randn(2, 16, 19, 21), 0.02, 100 if dtype == rl.uint8 else 0, dtype)
    last = OPS["quantized_convolution"](q, (rl.randn(16, 16, 1, 1) * 30).to(rl.int8), rl.ones(16), None, None, (1, 1),
                                        (0, 0), (1, 1), 1, 0.02, 0, dtype)
    plain = rl.tensor(last.numpy().copy())
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(plain.numpy().astype(int), ((0, 0), (0, 0), (window[2],) * 2, (window[2],) * 2), constant_values=-999),
        (window[0],) * 2, (2, 3))[:, :, ::window[1], ::window[1]].max((-2, -1))
    for x in (last, plain):
        assert rl.nn.functional.max_pool2d(x, *window).tolist() == windows.tolist()


ERRORS = [
    (lambda: OPS["quantize"](rl.ones(2), 0.0, 0, rl.int8), RuntimeError, r"^quantize: scale=0"),
    (lambda: OPS["quantize"](rl.ones(2), 1.0, 200, rl.int8), RuntimeError, r"^quantize: zero_point=200 for int8"),
    (lambda: OPS["quantize"](rl.ones(2), 1.0, 0, rl.int16), TypeError, r"^quantize: dtype is int16; expected uint8"),
    (lambda: OPS["dequantize"](rl.ones(2), 1.0, 0), TypeError, r"^dequantize: input is float32"),
    (lambda: OPS["quantized_linear"](rl.ones(2, 3, dtype=rl.uint8), rl.ones(4, 3), rl.ones(4), None, 1.0, 0, rl.int8),
     TypeError, r"^quantized_linear: weight is float32; expected int8"),
    (lambda: OPS["quantized_linear"](rl.ones(2, 3, dtype=rl.uint8), rl.ones(4, 3, dtype=rl.int8), rl.ones(3), None, 1.0,
                                     0, rl.float32), RuntimeError, r"weight_scale is float32 of shape \(3,\)"),
    (lambda: OPS["dynamic_linear"](rl.ones(2, 5), rl.ones(4, 3, dtype=rl.int8), rl.ones(4)), RuntimeError,
     r"^dynamic_linear: input of shape \(2, 5\) does not fit weight of shape \(4, 3\)"),
    (lambda: OPS["quantized_convolution"](rl.ones(1, 3, 2, 2, dtype=rl.uint8), rl.ones(4, 3, 3, 3, dtype=rl.int8),
                                          rl.ones(4), None, None, (1, 1), (0, 0), (1, 1), 1, 1.0, 0, rl.uint8),
     RuntimeError, r"the kernel spans 3 elements at dimension 2"),
    (lambda: OPS["quantized_convolution"](rl.ones(1, 3, 4, 4, dtype=rl.uint8), rl.ones(4, 3, 3, 3, dtype=rl.int8),
                                          rl.ones(4), None, rl.ones(1, 4, 2, 2), (1, 1), (0, 0), (1, 1), 1, 1.0, 0,
                                          rl.uint8), RuntimeError, r"addend is float32 of shape \(1, 4, 2, 2\)"),
]


@pytest.mark.parametrize("call, error, text", ERRORS, ids=lambda v: None)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.skipif("RUSHLIGHT_TEST_ROUTE" in os.environ, reason="runs within itself")
@pytest.mark.parametrize("isa", ["AVX512_CORE_VNNI", "AVX512_CORE", "AVX2_VNNI"])
def test_other_routes(isa):
    """Without matrix tiles; without VNNI, where floats stand in for the integers."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa, "RUSHLIGHT_TEST_ROUTE": isa}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__], env=environment,
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("zero", [0, 17])
def test_beside_pytorch(relu, zero):
    """PyTorch's own kernels with the same integers and scales."""
    torch = pytest.importorskip("torch")
    if "x86" not in torch.backends.quantized.supported_engines:
        pytest.skip("PyTorch has no quantized kernels here")
    torch.backends.quantized.engine = "x86"
    x, (w, scales, bias) = integers((2, 6, 9, 8), np.uint8) // 2, weights(10, 6, 3, 3)
    step, output_zero = 0.4, 5
    theirs_x = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x), 0.03, zero)
    zeros, theirs_scales = torch.zeros(10, dtype=torch.int64), torch.from_numpy(scales).double()
    theirs_w = torch._make_per_channel_quantized_tensor(torch.from_numpy(w), theirs_scales, zeros, 0)
    packed = torch.ops.quantized.conv2d_prepack(theirs_w, torch.from_numpy(bias), [2, 1], [1, 1], [1, 1], 1)
    convolve = torch.ops.quantized.conv2d_relu if relu else torch.ops.quantized.conv2d
    want = convolve(theirs_x, packed, step, output_zero).int_repr().numpy()
    got = OPS["quantized_convolution"](rl.tensor(x), rl.tensor(w), rl.tensor(scales), rl.tensor(bias), None, (2, 1),
                                       (1, 1), (1, 1), 1, 0.03, zero, rl.uint8, step, output_zero, relu)
    assert_near(got.numpy(), want)
