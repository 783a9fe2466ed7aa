"""Rows of a table by index."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core

_embedding = core.embedding


@composite("nn.functional.embedding")
def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """The rows of `weight` that `input` names.

    Args:
        input (Tensor): indices, int64 or int32, of any shape.
        weight (Tensor): (rows, width).
        padding_idx (int, optional): a row that gets no gradient.
        max_norm (float, optional): rows that are named and longer than this are shortened to it, in place.
        norm_type (float): which norm max_norm means. Default: 2.
        scale_grad_by_freq (bool): divide each row's gradient by how often it is named.
        sparse (bool): only dense gradients exist; True raises when the gradient is asked for.

    Returns:
        Tensor: (*input.shape, width).

    Raises:
        IndexError: an index is not in [0, rows).
        AssertionError: padding_idx is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.embedding(rl.tensor([1]), rl.tensor([[1.0], [2.0]])).tolist()
        [[2.0]]
    """
    if padding_idx is not None:
        rows = weight.shape[0]
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"embedding: padding_idx={padding_idx} is out of range; expected {-rows} <= padding_idx < {rows}")
        padding_idx = padding_idx % rows
    if max_norm is not None:
        with no_grad():
            used = core.unique(input) if hasattr(core, "unique") else input.reshape(-1)
            rows = weight[used]
            norms = rows.norm(norm_type, 1, keepdim=True)
            weight[used] = core.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)
    return _embedding(weight, input, -1 if padding_idx is None else padding_idx, scale_grad_by_freq, sparse)
