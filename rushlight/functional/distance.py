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


@composite("nn.functional.one_hot")
def one_hot(tensor, num_classes=-1):
    """A new last dimension that is 1 at the class and 0 elsewhere.

    Args:
        tensor (Tensor): classes, int64, not negative.
        num_classes (int): its size; one more than the largest class when -1. Default: -1.

    Raises:
        RuntimeError: the dtype is not int64, a class is negative or not below `num_classes`, or there is no
            class to
            find their number from.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.one_hot(rl.tensor([0, 2]))
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    if tensor.dtype != core.int64:
        raise RuntimeError(f"one_hot: tensor has dtype {tensor.dtype}; expected int64")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError(
                "one_hot: tensor has no elements, so num_classes can't be inferred; expected a positive "
                "num_classes"
            )
        return core.zeros((*tensor.shape, num_classes), dtype=core.int64)
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0:
        raise RuntimeError(f"one_hot: tensor has class {low}; expected classes of at least 0")
    if num_classes == -1:
        num_classes = high + 1
    if high >= num_classes:
        raise RuntimeError(
            f"one_hot: tensor has class {high}; expected classes smaller than num_classes={num_classes}"
        )
    result = core.zeros((*tensor.shape, num_classes), dtype=core.int64)
    return result.scatter_(-1, tensor.unsqueeze(-1), 1)


@composite("bilinear nn.functional.bilinear")
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
