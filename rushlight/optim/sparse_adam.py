"""The name of an optimizer for sparse gradients, which there are none of here."""
from rushlight.optim.optimizer import Optimizer

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Refuses: it takes sparse gradients only, and sparse layouts are out of scope. `Adam` takes dense ones.

    Args:
        params, lr, betas, eps, maximize: PyTorch's.

    Raises:
        NotImplementedError: always.

    Example:
        >>> try:
        ...     rushlight.optim.SparseAdam([rushlight.nn.Parameter(rushlight.ones(2))])
        ... except NotImplementedError:
        ...     print("dense gradients go to Adam")
        dense gradients go to Adam
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        raise NotImplementedError(
            "SparseAdam: sparse layouts are out of scope; docs/out-of-scope.md says why. Adam takes dense gradients")
