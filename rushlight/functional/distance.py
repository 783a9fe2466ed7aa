"""Distances, similarities and normalisation of vectors."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core
from rushlight.functional.shapes import broadcast_tensors


@composite("cosine_similarity nn.functional.cosine_similarity")
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (|x1| |x2|) along `dim`, each norm being at least `eps`.

    Args:
        x1 (Tensor): floating.
        x2 (Tensor): broadcast with `x1`.
        dim (int): the dimension of the vectors. Default: 1.
        eps (float): smallest norm. Default: 1e-8.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.cosine_similarity(rl.tensor([1., 0.]), rl.tensor([1., 1.]), dim=0)
        tensor(0.7071)
    """
    x1, x2 = broadcast_tensors(x1, x2)
    return ((x1 / _norm(x1, dim).clamp(min=eps)) * (x2 / _norm(x2, dim).clamp(min=eps))).sum(dim)


def _norm(x, dim):
    return core.linalg.vector_norm(x, 2, dim, True)


@composite("pairwise_distance nn.functional.pairwise_distance")
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps along the last dimension.

    Args:
        x1 (Tensor): floating, (..., D).
        x2 (Tensor): broadcast with `x1`.
        p (float): the norm. Default: 2.
        eps (float): keeps the gradient finite where the vectors are equal. Default: 1e-6.
        keepdim (bool): keep the last dimension with size one. Default: False.

    Example:
        >>> import rushlight as rl
        >>> round(rl.nn.functional.pairwise_distance(rl.tensor([[3., 0.]]), rl.tensor([[0., 4.]])).item(), 4)
        5.0
    """
    return core.linalg.vector_norm(x1 - x2 + eps, p, -1, keepdim)


_CDIST_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
_CDIST_ROWS = 25                                  # from here PyTorch forms euclidean distances by a product


@composite("cdist", "widen")
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norms of all differences between the rows of `x1` and those of `x2`.

    Args:
        x1 (Tensor): floating, (..., P, M).
        x2 (Tensor): floating, (..., R, M); leading sizes are broadcast.
        p (float): the norm, at least 0. Default: 2.
        compute_mode (str): whether p=2 is formed by a matrix product, which is faster and less exact where rows are
            close: 'use_mm_for_euclid_dist_if_necessary' (from 26 rows on), 'use_mm_for_euclid_dist' or
            'donot_use_mm_for_euclid_dist'. Default: the first.

    Returns:
        Tensor: (..., P, R).

    Raises:
        RuntimeError: shapes or dtypes do not agree, or `p` is negative.
        ValueError: no such mode.

    Example:
        >>> import rushlight as rl
        >>> rl.cdist(rl.tensor([[0., 0.]]), rl.tensor([[3., 4.], [0., 1.]]))
        tensor([[5., 1.]])
    """
    if compute_mode not in _CDIST_MODES:
        raise ValueError(f"cdist: compute_mode={compute_mode!r}; expected one of {', '.join(_CDIST_MODES)}")
    for name, x in (("x1", x1), ("x2", x2)):
        if not x.dtype.is_floating_point:
            raise RuntimeError(f"cdist: {name} has dtype {x.dtype}; expected a floating dtype")
        if x.dim() < 2:
            raise RuntimeError(f"cdist: {name} has shape {tuple(x.shape)}; expected at least 2 dimensions")
    if x1.dtype != x2.dtype:
        raise RuntimeError(f"cdist: x1 has dtype {x1.dtype} and x2 has dtype {x2.dtype}; expected the same dtype")
    if x1.size(-1) != x2.size(-1):
        raise RuntimeError(f"cdist: x1 has shape {tuple(x1.shape)} and x2 has shape {tuple(x2.shape)}; "
                           "expected equal last sizes")
    if not p >= 0:
        raise RuntimeError(f"cdist: p={p}; expected p >= 0")
    many = x1.size(-2) > _CDIST_ROWS or x2.size(-2) > _CDIST_ROWS
    if p == 2 and (compute_mode == _CDIST_MODES[1] or (compute_mode == _CDIST_MODES[0] and many)):
        return _euclidean(x1, x2)
    return core.linalg.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def _euclidean(x1, x2):
    # |x|^2 + |y|^2 - 2 x.y, which rounding can bring below zero; at zero the gradient is zero.
    # All in one product, which rounds once.
    first, second = (x1 * x1).sum(-1, keepdim=True), (x2 * x2).sum(-1, keepdim=True)
    left = core.cat([-2 * x1, first, core.ones_like(first)], -1)
    right = core.cat([x2, core.ones_like(second), second], -1)
    squares = left @ right.transpose(-1, -2)
    apart = squares > 0
    return core.where(apart, core.where(apart, squares, 1.0).sqrt(), 0.0)


@composite("nn.functional.normalize")
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """Vectors along `dim`, divided by their p-norm (at least `eps`).

    Args:
        input (Tensor): floating.
        p (float): the norm. Default: 2.
        dim (int or tuple): the dimension. Default: 1.
        eps (float): smallest norm. Default: 1e-12.
        out (Tensor, optional): where to put the result.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.normalize(rl.tensor([[3., 4.]]))
        tensor([[0.6000, 0.8000]])
    """
    scale = core.linalg.vector_norm(input, p, dim, True).clamp(min=eps).expand_as(input)
    return input / scale if out is None else core.div(input, scale, out=out)


@composite("bilinear nn.functional.bilinear", "keep")
def bilinear(input1, input2, weight, bias=None):
    """`input1 @ weight[k] @ input2 + bias[k]` for each k.

    Args:
        input1 (Tensor): (..., D1).
        input2 (Tensor): (..., D2), of the same leading sizes.
        weight (Tensor): (K, D1, D2).
        bias (Tensor, optional): (K).

    Raises:
        RuntimeError: sizes do not agree.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.bilinear(rl.ones(1, 2), rl.ones(1, 3), rl.ones(4, 2, 3))
        tensor([[6., 6., 6., 6.]])
    """
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(f"bilinear: input1 has shape {tuple(input1.shape)} and input2 has shape "
                           f"{tuple(input2.shape)}; expected equal leading sizes")
    if weight.dim() != 3 or weight.shape[1:] != (input1.shape[-1], input2.shape[-1]):
        raise RuntimeError(f"bilinear: weight has shape {tuple(weight.shape)}; expected (out_features, "
                           f"{input1.shape[-1]}, {input2.shape[-1]})")
    features, size1, size2 = weight.shape
    rows = input1.reshape(-1, size1) @ weight.permute(1, 0, 2).reshape(size1, features * size2)
    paired = rows.reshape(-1, features, size2) * input2.reshape(-1, 1, size2)
    result = paired.sum(-1).reshape(*input1.shape[:-1], features)
    return result if bias is None else result + bias


@composite("pdist nn.functional.pdist")
def pdist(input, p=2.0):
    """The p-norm distances of every pair of rows: those of `cdist` right of its diagonal, row by row.

    Args:
        input (Tensor): floating, (N, M).
        p (float): the norm, 0 or more. Default: 2.

    Returns:
        Tensor: N (N - 1) / 2 distances.

    Raises:
        RuntimeError: wrong number of dimensions, dtype, or a negative `p`.

    Example:
        >>> import rushlight as rl
        >>> rl.pdist(rl.tensor([[0., 0.], [3., 4.], [0., 1.]]))
        tensor([5.0000, 1.0000, 4.2426])
    """
    if input.dim() != 2:
        raise RuntimeError(f"pdist: input has shape {tuple(input.shape)}; expected 2 dimensions")
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"pdist: input has dtype {input.dtype}; expected a floating dtype")
    if not p >= 0:
        raise RuntimeError(f"pdist: p={p}; expected p >= 0")
    first, second = core.triu_indices(len(input), len(input), 1).unbind()
    return core.linalg.vector_norm(input[first] - input[second], p, -1)
