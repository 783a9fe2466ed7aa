"""Looking rows up by number."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core

_rows = core.embedding


@composite("nn.functional.embedding")
def embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    """Rows of a table.

    Args:
        input (Tensor): numbers of rows, any shape.
        weight (Tensor): the table, (rows, size).
        padding_idx (int, optional): a row that gets no gradient.
        max_norm (float, optional): rows that are looked up are first scaled, in the table, to have no larger
            norm.
        norm_type (float): the norm for `max_norm`. Default: 2.
        scale_grad_by_freq (bool): divide gradients by how often a row occurs. Default: False.
        sparse (bool): accepted; gradients are dense. Default: False.

    Raises:
        AssertionError: `padding_idx` is out of range.
        IndexError: a number is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.embedding(rl.tensor([1]), rl.tensor([[1., 2.], [3., 4.]]))
        tensor([[3., 4.]])
    """
    if padding_idx is None:
        padding_idx = -1
    else:
        rows = weight.shape[0]
        if not -rows <= padding_idx < rows:
            raise AssertionError(
                f"embedding: padding_idx={padding_idx} is out of range; expected {-rows} <= padding_idx "
                f"< {rows}"
            )
        padding_idx %= rows
    if max_norm is not None:
        _limit_rows(weight.detach(), input.reshape(-1), max_norm, norm_type)
    return _rows(weight, input, padding_idx, scale_grad_by_freq, sparse)


def _limit_rows(weight, numbers, max_norm, norm_type):
    # A row that is listed twice is written twice with the same values.
    rows = weight[numbers]
    norms = core.linalg.vector_norm(rows, norm_type, -1, True)
    scale = core.where(norms > max_norm, max_norm / (norms + 1e-7), core.ones_like(norms))
    weight.index_copy_(0, numbers, rows * scale)
