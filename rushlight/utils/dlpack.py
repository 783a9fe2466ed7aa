"""The older names of the exchange of memory by DLPack: `from_dlpack` and `Tensor.__dlpack__` are the newer ones."""
from rushlight._C import from_dlpack  # noqa: F401


def to_dlpack(tensor):
    """A capsule that another library's `from_dlpack` turns into an array in the same memory, once.

    Args:
        tensor (Tensor): one that does not require grad.

    Raises:
        BufferError, RuntimeError: as `Tensor.__dlpack__` does.

    Example:
        >>> import rushlight as rl
        >>> rl.utils.dlpack.from_dlpack(rl.utils.dlpack.to_dlpack(rl.tensor([1, 2])))
        tensor([1, 2])
    """
    return tensor.__dlpack__()
