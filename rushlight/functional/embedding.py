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
        padding_idx = padding_idx % rows
    if max_norm is not None:
        _limit_rows(weight.detach(), input, padding_idx, max_norm, norm_type)
    return _rows(weight, input, padding_idx, scale_grad_by_freq, sparse)


def _limit_rows(weight, numbers, padding_idx, max_norm, norm_type):
    # The lookup refuses what does not fit before a row of the table changes. A row that is listed twice is written
    # twice with the same values.
    rows = _rows(weight, numbers, padding_idx)
    norms = core.linalg.vector_norm(rows, norm_type, -1, True)
    scale = core.where(norms > max_norm, max_norm / (norms + 1e-7), core.ones_like(norms))
    weight.index_copy_(0, numbers.reshape(-1), (rows * scale).reshape(numbers.numel(), weight.shape[1]))


@composite("nn.functional.embedding_bag")
def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
                  sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None):
    """Rows of a table, looked up in bags, and reduced by bag; an empty bag gives zeros.

    Args:
        input (Tensor): numbers of rows: (B, N), bags of one size, or all bags one after another in one dimension.
        weight (Tensor): the table, (rows, size).
        offsets (Tensor, optional): where each bag starts in an input of one dimension.
        max_norm (float, optional): rows that are looked up are first scaled, in the table, to have no larger norm.
        norm_type (float): the norm for `max_norm`. Default: 2.
        scale_grad_by_freq (bool): divide gradients by how often a row occurs; not in mode "max". Default: False.
        mode (str): "sum", "mean" or "max". Default: "mean".
        sparse (bool): accepted; gradients are dense. Default: False.
        per_sample_weights (Tensor, optional): what each row is multiplied by, in mode "sum"; of the input's shape.
        include_last_offset (bool): the last offset is the end of the last bag. Default: False.
        padding_idx (int, optional): a row that counts as not being there.

    Returns:
        Tensor: (bags, size).

    Raises:
        ValueError: shapes, dtypes or the mode do not fit.
        RuntimeError: offsets or `padding_idx` are out of range.

    Example:
        >>> import rushlight as rl
        >>> table = rl.tensor([[1., 2.], [3., 4.], [5., 6.]])
        >>> rl.nn.functional.embedding_bag(rl.tensor([0, 1, 2]), table, rl.tensor([0, 2]), mode="sum")
        tensor([[4., 6.],
                [5., 6.]])
    """
    _check_bags(input, weight, offsets, mode, scale_grad_by_freq, per_sample_weights)
    if input.dim() == 2:
        bags = input.shape[0]
        bag = core.arange(bags).repeat_interleave(input.shape[1])
        input = input.reshape(-1)
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    else:
        starts = _bag_starts(offsets, len(input), include_last_offset)
        bags = len(starts)
        bag = core.searchsorted(starts, core.arange(len(input), dtype=starts.dtype), right=True) - 1
    if max_norm is not None:
        _limit_rows(weight.detach(), input, -1, max_norm, norm_type)
    rows = _rows(weight, input, -1, scale_grad_by_freq, sparse)
    if padding_idx is not None:
        count = weight.shape[0]
        if not -count <= padding_idx < count:
            raise RuntimeError(f"embedding_bag: padding_idx={padding_idx} is out of range; expected {-count} <= "
                               f"padding_idx < {count}")
        kept = input != padding_idx % count
        rows, bag = rows[kept], bag[kept]
        per_sample_weights = None if per_sample_weights is None else per_sample_weights[kept]
    if mode == "max":
        return _bag_maxima(rows, bag, bags)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    total = core.zeros(bags, weight.shape[1], dtype=weight.dtype).index_add(0, bag, rows)
    if mode == "sum":
        return total
    return total / core.bincount(bag, minlength=bags).clamp(min=1).unsqueeze(1).to(weight.dtype)


def _check_bags(input, weight, offsets, mode, scale_grad_by_freq, per_sample_weights):
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode={mode!r}; expected 'sum', 'mean' or 'max'")
    if input.dim() == 2 and offsets is not None:
        raise ValueError(f"embedding_bag: offsets is given for input of shape {tuple(input.shape)}, whose rows are the "
                         "bags; expected None")
    if input.dim() == 1 and (offsets is None or offsets.dim() != 1):
        raise ValueError("embedding_bag: input has 1 dimension; expected offsets with 1 dimension")
    if input.dim() not in (1, 2):
        raise ValueError(f"embedding_bag: input has shape {tuple(input.shape)}; expected 1 or 2 dimensions")
    if mode == "max" and scale_grad_by_freq:
        raise RuntimeError("embedding_bag: scale_grad_by_freq=True in mode='max'; expected 'sum' or 'mean'")
    for name, numbers in (("input", input), ("offsets", offsets)):
        if numbers is not None and numbers.dtype not in (core.int64, core.int32):
            raise RuntimeError(f"embedding_bag: {name} has dtype {numbers.dtype}; expected int64 or int32")
    if offsets is not None and offsets.dtype != input.dtype:
        raise RuntimeError(f"embedding_bag: input has dtype {input.dtype} and offsets {offsets.dtype}; expected the "
                           "same dtype")
    if weight.dim() != 2:
        raise RuntimeError(f"embedding_bag: weight has shape {tuple(weight.shape)}; expected 2 dimensions")
    if per_sample_weights is None:
        return
    if mode != "sum":
        raise NotImplementedError(f"embedding_bag: per_sample_weights in mode='{mode}'; expected mode='sum'")
    if per_sample_weights.shape != input.shape:
        raise ValueError(f"embedding_bag: per_sample_weights has shape {tuple(per_sample_weights.shape)}; expected "
                         f"{tuple(input.shape)}, the shape of input")
    if per_sample_weights.dtype != weight.dtype:
        raise RuntimeError(f"embedding_bag: per_sample_weights has dtype {per_sample_weights.dtype} and weight "
                           f"{weight.dtype}; expected the same dtype")


def _bag_starts(offsets, count, include_last_offset):
    places = offsets.tolist()
    if include_last_offset and not places:
        raise RuntimeError("embedding_bag: offsets is empty; expected the end of the last bag with "
                           "include_last_offset=True")
    if places and (places[0] != 0 or places[-1] > count):
        raise RuntimeError(f"embedding_bag: offsets run from {places[0]} to {places[-1]}; expected from 0 to at most "
                           f"{count}, the length of input")
    if places != sorted(places):
        raise RuntimeError("embedding_bag: offsets fall; expected them in order")
    return offsets[:-1] if include_last_offset else offsets


def _bag_maxima(rows, bag, bags):
    # The first of equal rows is the one that gets the gradient.
    if rows.numel() == 0:
        return core.zeros(bags, rows.shape[1], dtype=rows.dtype) + rows.sum()
    there = bag.unsqueeze(1).expand(rows.shape)
    values = rows.detach()
    most = core.zeros(bags, rows.shape[1], dtype=rows.dtype)
    most = most.scatter_reduce(0, there, values, "amax", include_self=False)
    number = core.arange(len(rows)).unsqueeze(1).expand(rows.shape)
    number = core.where((values == most[bag]) | values.isnan(), number, len(rows))
    first = core.full(most.shape, len(rows)).scatter_reduce(0, there, number, "amin")
    picked = rows.gather(0, first.clamp(max=len(rows) - 1))
    return core.where(first < len(rows), picked, core.zeros_like(picked))
