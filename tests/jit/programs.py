"""Small programs that the tests of graphs share."""
import numpy as np

import rushlight as rl


def convolutional():
    """A network with constants, state that is only read, and several kinds of layers."""
    rl.manual_seed(0)
    return rl.nn.Sequential(rl.nn.Conv2d(3, 4, 3), rl.nn.BatchNorm2d(4), rl.nn.ReLU(), rl.nn.MaxPool2d(2),
                            rl.nn.Flatten(), rl.nn.Linear(36, 5)).eval()


def perceptron():
    rl.manual_seed(0)
    return rl.nn.Sequential(rl.nn.Linear(4, 8), rl.nn.ReLU(), rl.nn.Linear(8, 2)).eval()


def views_and_writes(x):
    """Views of memory that is written through other views of it."""
    y = x * 2
    flat = y.view(-1)
    flat.add_(1)
    before = y.t().contiguous()
    y[0] = 5
    left, right = rl.split(y, [1, y.shape[0] - 1])
    return before + y.t(), left, right.detach(), rl.nonzero(y > 1)


def draws(x):
    return rl.dropout(x, 0.5, True) + rl.rand(3)


def bits(t):
    """All that there is to compare; which NaN an addition of two NaN gives is the compiler's choice."""
    values = np.array((t.float() if t.dtype == rl.bfloat16 else t).detach().numpy(), order="C")
    if values.dtype.kind in "fc":
        parts = values.reshape(-1).view(values.real.dtype)
        parts[np.isnan(parts)] = np.nan
    return t.dtype, t.shape, t.stride(), values.tobytes()
