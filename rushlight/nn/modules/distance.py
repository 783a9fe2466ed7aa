"""Distances as modules."""
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last dimension.

    Args:
        p (float): the norm. Default: 2.
        eps (float): keeps the gradient finite where the vectors are equal. Default: 1e-6.
        keepdim (bool): keep the last dimension with size one. Default: False.

    Example:
        >>> import rushlight as rl
        >>> round(rl.nn.PairwiseDistance()(rl.tensor([[3., 0.]]), rl.tensor([[0., 4.]])).item(), 4)
        5.0
    """

    __constants__ = ["norm", "eps", "keepdim"]

    def __init__(self, p=2.0, eps=1e-6, keepdim=False):
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1, x2):
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """x1 . x2 / (|x1| |x2|) along a dimension.

    Args:
        dim (int): the dimension of the vectors. Default: 1.
        eps (float): smallest norm. Default: 1e-8.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CosineSimilarity(dim=0)(rl.tensor([1., 0.]), rl.tensor([1., 1.]))
        tensor(0.7071)
    """

    __constants__ = ["dim", "eps"]

    def __init__(self, dim=1, eps=1e-8):
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1, x2):
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
