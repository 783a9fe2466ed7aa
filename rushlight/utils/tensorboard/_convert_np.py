"""Whatever a user logs, as a NumPy array."""
import numpy as np

from rushlight._C import Tensor, bfloat16


def make_np(x):
    """A tensor, a number, a list of numbers, or an array, as an array; a number becomes one of one element.

    Args:
        x: what to convert.

    Raises:
        NotImplementedError: something else.
    """
    if isinstance(x, Tensor):
        x = x.detach()
        return (x.float() if x.dtype == bfloat16 else x).numpy()
    if isinstance(x, list | tuple):
        return np.array([make_np(one).item() if isinstance(one, Tensor) else one for one in x])
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x) and not isinstance(x, str | bytes):
        return np.array([x])
    raise NotImplementedError(f"SummaryWriter: got a {type(x).__name__}; expected a Tensor, an array or a number")
