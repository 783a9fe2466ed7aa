"""What the 8-bit operators mean, in NumPy: sums of int64, one rounding at the end."""
import numpy as np

RANGES = {np.dtype("uint8"): (0, 255), np.dtype("int8"): (-128, 127)}


def quantize(x, scale, zero, dtype):
    low, high = RANGES[np.dtype(dtype)]
    steps = np.asarray(x, np.float32) * (np.float32(1) / np.float32(scale))
    return np.clip(np.rint(steps).astype(float) + zero, low, high).astype(dtype)


def convolution_sums(x, w, stride, padding, dilation, groups):
    """Exact sums of a 2-d convolution of int64; padding stands for 0."""
    n, c, height, width = x.shape
    outputs, per_group, kh, kw = w.shape
    padded = np.zeros((n, c, height + 2 * padding, width + 2 * padding), np.int64)
    padded[:, :, padding:padding + height, padding:padding + width] = x
    out_h = (height + 2 * padding - dilation * (kh - 1) - 1) // stride + 1
    out_w = (width + 2 * padding - dilation * (kw - 1) - 1) // stride + 1
    y = np.zeros((n, outputs, out_h, out_w), np.int64)
    for o in range(outputs):
        first = o // (outputs // groups) * per_group
        for i in range(kh):
            for j in range(kw):
                seen = padded[:, first:first + per_group, i * dilation:, j * dilation:]
                seen = seen[:, :, :(out_h - 1) * stride + 1:stride, :(out_w - 1) * stride + 1:stride]
                y[:, o] += (seen * w[o, :, i, j, None, None].astype(np.int64)).sum(1)
    return y


def finish(sums, scale, weight_scale, bias, addend, relu, output):
    """Numbers of the sums; `output` is None or (scale, zero, dtype), `addend` None or the numbers to add."""
    along = (-1,) + (1,) * (sums.ndim - 2) if sums.ndim == 4 else (-1,)
    y = sums * (np.float32(scale) * weight_scale.astype(float)).reshape(along)
    y = y if bias is None else y + bias.reshape(along)
    y = y if addend is None else y + addend
    y = np.maximum(y, 0) if relu else y
    return y if output is None else quantize(y, *output)
