"""Weights kept orthogonal, of norm one, or split into length and direction."""
from rushlight._dtype_info import finfo
from rushlight.autograd import no_grad
from rushlight.functional._core import Tensor, core
from rushlight.nn import functional as F
from rushlight.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from rushlight.nn.modules.module import Module
from rushlight.nn.utils import parametrize

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _is_orthogonal(matrix):
    rows, columns = matrix.shape[-2:]
    tolerance = 10.0 * rows * finfo(matrix.dtype).eps
    return core.allclose(matrix.mH @ matrix, core.eye(columns, dtype=matrix.dtype), atol=tolerance)


def _made_orthogonal(matrix):
    # The Q of its QR decomposition whose R has a positive diagonal.
    factors, tau = core.geqrf(matrix)
    return core.linalg.householder_product(factors, tau) * factors.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    def __init__(self, weight, orthogonal_map, *, use_trivialization=True):
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X):
        transposed = X.size(-2) < X.size(-1)
        tall = X.mT if transposed else X
        Q = self._householder(tall) if self.orthogonal_map == "householder" else self._of_skew(tall)
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if transposed else Q

    def _of_skew(self, X):
        rows, columns = X.shape[-2:]
        X = X.tril()
        if rows != columns:
            X = core.cat([X, X.new_zeros(*X.shape[:-1], rows - columns)], dim=-1)
        A = X - X.mH
        if self.orthogonal_map == "matrix_exp":
            Q = core.linalg.matrix_exp(A)
        else:
            one = core.eye(rows, dtype=A.dtype)
            Q = core.linalg.solve(one - 0.5 * A, one + 0.5 * A)
        return Q[..., :columns]

    @staticmethod
    def _householder(X):
        A = X.tril(diagonal=-1)
        tau = 2.0 / (1.0 + (A * A).sum(dim=-2))
        return core.linalg.householder_product(A, tau) * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)

    @no_grad()
    def right_inverse(self, Q):
        """What to begin with so that the weight becomes `Q`, or orthogonal and near it.

        Args:
            Q (Tensor): of the weight's shape.
        """
        if Q.shape != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. "
                             f"Got a tensor of shape {Q.shape}.")
        transposed = Q.size(-2) < Q.size(-1)
        tall = Q.mT if transposed else Q
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError("It is not possible to assign to the matrix exponential or the Cayley "
                                          "parametrizations when use_trivialization=False.")
            A, tau = core.geqrf(tall)
            # The diagonal holds a sign for each column, turned where there is no reflection.
            diagonal = A.diagonal(dim1=-2, dim2=-1)
            signs = diagonal.sign()
            diagonal.copy_(core.where(tau == 0.0, -signs, signs))
            return A.mT if transposed else A
        rows, columns = tall.shape[-2:]
        if rows == columns:
            self.base = tall.clone() if _is_orthogonal(tall) else _made_orthogonal(tall)
        else:
            more = core.randn((*tall.shape[:-2], rows, rows - columns), dtype=tall.dtype)
            self.base = _made_orthogonal(core.cat([tall, more], dim=-1))
        result = core.zeros_like(Q)
        result.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return result


def _tensor_of(module, name):
    tensor = getattr(module, name, None)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return tensor


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Keep a matrix, or each of a batch, orthogonal: its rows or its columns, whichever are fewer, are orthonormal.

    Args:
        module (Module): the owner.
        name (str): its tensor. Default: "weight".
        orthogonal_map (str, optional): "matrix_exp", "cayley" or "householder"; the first for square and complex
            matrices, else the last.
        use_trivialization (bool): compute relative to a base that can be any orthogonal matrix (Lezcano-Casado, 2019).
            Default: True.

    Returns:
        Module: the owner.

    Raises:
        ValueError: there is no such tensor, it has fewer than two dimensions, or the map is unknown.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.utils.parametrizations.orthogonal(rl.nn.Linear(3, 2))
        >>> rl.allclose(layer.weight @ layer.weight.T, rl.eye(2), atol=1e-5)
        True
    """
    weight = _tensor_of(module, name)
    if weight.dim() < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    computation = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, computation, unsafe=True)


def with_lengths(v, g, dim):
    """Directions `v` with lengths `g`.

    Args:
        v (Tensor): the directions, of any length.
        g (Tensor): the lengths, one for each index of `dim`.
        dim (int): the dimension of the lengths, -1 for one length.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.parametrizations.with_lengths(rl.tensor([[3.0, 4.0]]), rl.tensor([[1.0]]), 0)
        tensor([[0.6000, 0.8000]])
    """
    return v * (g / core.norm_except_dim(v, 2, dim))


class _WeightNorm(Module):
    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return with_lengths(weight_v, weight_g, self.dim)

    def right_inverse(self, weight):
        """The lengths and the weight itself, as a direction.

        Args:
            weight (Tensor): the weight.
        """
        return core.norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """Split a weight into lengths ("original0") and directions ("original1") (Salimans and Kingma, 2016).

    Args:
        module (Module): the owner.
        name (str): its tensor. Default: "weight".
        dim (int or None): one length for each index of this dimension; None: one for all. Default: 0.

    Returns:
        Module: the owner.

    Example:
        >>> import rushlight as rl
        >>> list(rl.nn.utils.parametrizations.weight_norm(rl.nn.Linear(2, 3, bias=False)).state_dict())
        ['parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_older_names(state_dict, prefix, *rest):
        # Files of the older `nn.utils.weight_norm` say weight_g and weight_v.
        for old, new in (("g", "original0"), ("v", "original1")):
            if f"{prefix}{name}_{old}" in state_dict:
                state_dict[f"{prefix}parametrizations.{name}.{new}"] = state_dict.pop(f"{prefix}{name}_{old}")

    module._register_load_state_dict_pre_hook(take_older_names)
    return module


class _SpectralNorm(Module):
    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        super().__init__()
        rank = weight.dim()
        if not -rank <= dim < rank:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{rank}, {rank - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError("Expected n_power_iterations to be positive, but got "
                             f"n_power_iterations={n_power_iterations}")
        self.dim, self.eps = dim % rank, eps
        if rank > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._matrix(weight)
            u, v = (matrix.new_empty(size).normal_(0, 1) for size in matrix.shape)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _matrix(self, weight):
        return weight.movedim(self.dim, 0).flatten(1)

    @no_grad()
    def _power_method(self, matrix, n_power_iterations):
        for _ in range(n_power_iterations):
            self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.mH @ self._u, dim=0, eps=self.eps))

    def forward(self, weight):
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies: the next call changes the vectors in place, and the backward walk wants those of this one.
        return weight / core.vdot(self._u.clone(), matrix @ self._v.clone())

    def right_inverse(self, value):
        """The weight itself: it may have any norm.

        Args:
            value (Tensor): the weight.
        """
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a weight by its largest singular value, found by power iteration (Miyato et al., 2018).

    Args:
        module (Module): the owner.
        name (str): its tensor. Default: "weight".
        n_power_iterations (int): in each call in training mode. Default: 1.
        eps (float): the smallest norm that is divided by. Default: 1e-12.
        dim (int, optional): the dimension of the outputs: 1 for transposed convolutions, else 0.

    Returns:
        Module: the owner.

    Raises:
        ValueError: there is no such tensor, or no iterations.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.utils.parametrizations.spectral_norm(rl.nn.Linear(4, 3))
        >>> abs(rl.linalg.matrix_norm(layer.eval().weight, 2).item() - 1) < 0.05
        True
    """
    weight = _tensor_of(module, name)
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    return parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
