"""Linear algebra: products of matrices and vectors, powers, and what is said in them."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core
from rushlight.functional.linalg_solve import need_matrix

linalg = core._groups["linalg"]


def _same_dtype(name, *pairs):
    first = pairs[0]
    for t in pairs[1:]:
        if t.dtype != first.dtype:
            raise RuntimeError(f"{name}: the arguments have dtypes {first.dtype} and {t.dtype}; expected equal dtypes")


@composite("linalg.diagonal")
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """A view of the diagonal of each matrix.

    Args:
        A (Tensor): of two or more dimensions.
        offset (int): how far above the main diagonal. Default: 0.
        dim1, dim2 (int): the dimensions of the matrices. Default: the last two.

    Returns:
        Tensor: the diagonal is its last dimension.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.diagonal(rl.tensor([[1, 2], [3, 4]])).tolist()
        [1, 4]
    """
    return A.diagonal(offset, dim1, dim2)


@composite("trace Tensor.trace out", "widen")
def trace(input):
    """The sum of the diagonal of a matrix.

    Args:
        input (Tensor): (m, n).

    Returns:
        Tensor: of no dimensions; of integers int64.

    Raises:
        RuntimeError: the input is no matrix.

    Example:
        >>> import rushlight as rl
        >>> rl.trace(rl.tensor([[1.0, 2.0], [3.0, 4.0]])).item()
        5.0
    """
    if input.dim() != 2:
        raise RuntimeError(f"trace: input has shape {tuple(input.shape)}; expected a matrix")
    return input.diagonal().sum()


@composite("linalg.vecdot out", "lower")
def vecdot(x, y, *, dim=-1):
    """The sum of conj(x) * y along `dim`.

    Args:
        x, y (Tensor): broadcast to one shape.
        dim (int): the dimension of the vectors. Default: -1.

    Returns:
        Tensor: without `dim`.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.vecdot(rl.tensor([1.0, 2.0]), rl.tensor([3.0, 4.0])).item()
        11.0
    """
    if x.dtype != y.dtype:
        raise RuntimeError(f"vecdot: x has dtype {x.dtype} and y {y.dtype}; expected equal dtypes")
    if dim == -1 and x.dim() and y.dim() and x.dtype.is_floating_point and x.shape[-1] == y.shape[-1]:
        return (x.unsqueeze(-2) @ y.unsqueeze(-1)).squeeze(-1).squeeze(-1)
    return ((x.conj() if x.is_complex() else x) * y).sum(dim, dtype=x.dtype)


@composite("linalg.cross out")
def linalg_cross(input, other, *, dim=-1):
    """The cross product of vectors of three elements.

    Args:
        input, other (Tensor): of as many dimensions, broadcast to one shape, with 3 elements along `dim`.
        dim (int): the dimension of the vectors. Default: -1.

    Returns:
        Tensor: of the common shape.

    Raises:
        RuntimeError: there are not 3 elements along `dim`.
        IndexError: `dim` is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.cross(rl.tensor([1, 0, 0]), rl.tensor([0, 1, 0])).tolist()
        [0, 0, 1]
    """
    return _cross("linalg.cross", input, other, dim)


def _cross(name, a, b, dim):
    rank = a.dim()
    shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
    if rank != b.dim():
        raise RuntimeError(f"{name}: input and other have shapes {shapes}; expected as many dimensions")
    if not -rank <= dim < rank:
        raise IndexError(f"{name}: dim={dim} is out of range for shapes {shapes}; expected {-rank} <= dim < {rank}")
    if a.shape[dim] != 3 or b.shape[dim] != 3:
        raise RuntimeError(f"{name}: dim={dim} for shapes {shapes}; expected 3 elements along it")
    a, b = core.broadcast_tensors(a, b)
    x, y, z = a.unbind(dim)
    u, v, w = b.unbind(dim)
    return core.stack((y * w - z * v, z * u - x * w, x * v - y * u), dim)


@composite("cross Tensor.cross out")
def cross(input, other, dim=None):
    """The cross product of vectors of three elements.

    Args:
        input, other (Tensor): broadcast to one shape.
        dim (int, optional): the dimension of the vectors. Default: the first of 3 elements.

    Returns:
        Tensor: of the common shape.

    Raises:
        RuntimeError: there are not 3 elements along `dim`, or along any.
        IndexError: `dim` is out of range.

    Example:
        >>> import rushlight as rl
        >>> rl.cross(rl.tensor([1, 0, 0]), rl.tensor([0, 1, 0])).tolist()
        [0, 0, 1]
    """
    if dim is None:
        found = [i for i, n in enumerate(input.shape) if n == 3]
        if not found:
            raise RuntimeError(f"cross: input has shape {tuple(input.shape)}; expected a dimension of 3 elements")
        dim = found[0]
    return _cross("cross", input, other, dim)


@composite("kron Tensor.kron out")
def kron(input, other):
    """The Kronecker product: a block of `other` for each element of `input`.

    Args:
        input, other (Tensor): the one with fewer dimensions gets leading ones.

    Returns:
        Tensor: each size is the product of both.

    Example:
        >>> import rushlight as rl
        >>> rl.kron(rl.tensor([1, 10]), rl.tensor([1, 2])).tolist()
        [1, 2, 10, 20]
    """
    rank = max(input.dim(), other.dim())
    a = input.reshape((1,) * (rank - input.dim()) + tuple(input.shape))
    b = other.reshape((1,) * (rank - other.dim()) + tuple(other.shape))
    blocks = a.reshape([n for size in a.shape for n in (size, 1)])
    blocks = blocks * b.reshape([n for size in b.shape for n in (1, size)])
    return blocks.reshape([p * q for p, q in zip(a.shape, b.shape)])


# ---- powers ---------------------------------------------------------------------------------------------------------


def _identity_like(A):
    return core.eye(A.shape[-1], dtype=A.dtype).expand(A.shape)


@composite("linalg.matrix_power matrix_power Tensor.matrix_power out")
def matrix_power(A, n):
    """The n-th power of each matrix, by repeated squaring; of the inverse where n is negative.

    Args:
        A (Tensor): (..., m, m).
        n (int): the exponent.

    Returns:
        Tensor: (..., m, m).

    Raises:
        RuntimeError: the matrices are not square.
        LinAlgError: n is negative and a matrix singular.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.matrix_power(rl.tensor([[1, 1], [0, 1]]), 5).tolist()
        [[1, 5], [0, 1]]
    """
    need_matrix("matrix_power", "A", A, square=True)
    if n == 0:
        return A.clone().copy_(_identity_like(A))
    square, n = (core.linalg.inv(A), -n) if n < 0 else (A, n)
    result = None
    while n:
        if n & 1:
            result = square if result is None else result @ square
        n >>= 1
        if n:
            square = square @ square
    return result.clone() if result is A else result


#: The coefficients of the [13/13] Pade approximant of exp, and the 1-norm up to which it is exact in float64.
_PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
         10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)
_PADE_NORM = 5.371920351148152


@composite("linalg.matrix_exp matrix_exp Tensor.matrix_exp")
def matrix_exp(A):
    """The exponential of each matrix, by scaling and squaring: Higham, "The scaling and squaring method for the matrix
    exponential revisited" (2005).

    Args:
        A (Tensor): (..., n, n), float32, float64, complex64 or complex128.

    Returns:
        Tensor: (..., n, n).

    Raises:
        RuntimeError: the matrices are not square.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.matrix_exp(rl.tensor([[0.0, 1.0], [0.0, 0.0]])).tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    need_matrix("matrix_exp", "A", A, square=True)
    if A.dtype not in (core.float32, core.float64, core.complex64, core.complex128):
        raise RuntimeError(f"matrix_exp: A has dtype {A.dtype}; expected float32, float64, complex64 or complex128")
    if A.numel() == 0:
        return A.clone()
    if A.dtype in (core.float32, core.complex64):                      # squaring loses digits at each step
        return core.linalg.matrix_exp(A.to(core.promote_types(A.dtype, core.float64))).to(A.dtype)
    norm = linalg["vector_norm"](A.detach(), 1, -2, True).amax(-1, True)
    halvings = (norm / _PADE_NORM).log2().ceil().clamp(min=0)
    halvings = core.where(halvings < 2000, halvings, 0)                # neither NaN nor infinities can be halved
    X = A * core.exp2(-halvings)
    I, b = _identity_like(A), _PADE
    X2 = X @ X
    X4 = X2 @ X2
    X6 = X4 @ X2
    odd = X @ (X6 @ (b[13] * X6 + b[11] * X4 + b[9] * X2) + b[7] * X6 + b[5] * X4 + b[3] * X2 + b[1] * I)
    even = X6 @ (b[12] * X6 + b[10] * X4 + b[8] * X2) + b[6] * X6 + b[4] * X4 + b[2] * X2 + b[0] * I
    result = core.linalg.solve_ex(even - odd, even + odd)[0]
    for i in range(int(halvings.max().item())):
        result = core.where(halvings > i, result @ result, result)
    return result


# ---- chains ---------------------------------------------------------------------------------------------------------


def _cheapest_order(sizes):
    """Where to split each run of matrices, by dynamic programming over the products' costs."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))
    return split


def _multiply(tensors, split, i, j):
    if i == j:
        return tensors[i]
    k = split[i][j]
    return _multiply(tensors, split, i, k) @ _multiply(tensors, split, k + 1, j)


@composite("linalg.multi_dot out")
def multi_dot(tensors):
    """The product of several matrices, in the order that takes the fewest multiplications.

    Args:
        tensors (list of Tensor): two or more matrices; the first and the last may be vectors.

    Returns:
        Tensor: the product.

    Raises:
        RuntimeError: the tensors are fewer than two, or their shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.multi_dot([rl.ones(2, 3), rl.ones(3, 4), rl.ones(4)]).tolist()
        [12.0, 12.0]
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot: {len(tensors)} tensors were given; expected at least two")
    for i, t in enumerate(tensors):
        if t.dim() != 2 and not (t.dim() == 1 and i in (0, len(tensors) - 1)):
            raise RuntimeError(f"multi_dot: tensor {i} has shape {tuple(t.shape)}; expected a matrix, or a vector "
                               "at an end")
    _same_dtype("multi_dot", *tensors)
    row, column = tensors[0].dim() == 1, tensors[-1].dim() == 1
    tensors[0] = tensors[0].unsqueeze(0) if row else tensors[0]
    tensors[-1] = tensors[-1].unsqueeze(-1) if column else tensors[-1]
    sizes = [tensors[0].shape[0]] + [t.shape[1] for t in tensors]
    for i, t in enumerate(tensors):
        if t.shape[0] != sizes[i]:
            raise RuntimeError(f"multi_dot: tensor {i} has {t.shape[0]} rows; expected {sizes[i]}")
    product = _multiply(tensors, _cheapest_order(sizes), 0, len(tensors) - 1)
    product = product.squeeze(-1) if column else product
    return product.squeeze(0) if row else product


@composite("chain_matmul out")
def chain_matmul(*matrices):
    """The older form of `linalg.multi_dot`.

    Args:
        matrices (Tensor): one or more matrices.

    Returns:
        Tensor: the product.

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.chain_matmul(rl.ones(2, 3), rl.ones(3, 1)).tolist()
        [[3.0], [3.0]]
    """
    if not matrices:
        raise RuntimeError("chain_matmul: no matrices were given; expected at least one")
    for i, t in enumerate(matrices):
        if t.dim() != 2:
            raise RuntimeError(f"chain_matmul: matrix {i} has shape {tuple(t.shape)}; expected 2 dimensions")
    return core.linalg.multi_dot(matrices) if len(matrices) > 1 else matrices[0]


# ---- tensors as matrices --------------------------------------------------------------------------------------------


def _product(sizes):
    n = 1
    for size in sizes:
        n *= size
    return n


@composite("linalg.tensorinv out", "widen")
def tensorinv(A, ind=2):
    """The inverse of A as a map from its last dimensions to its first `ind` ones.

    Args:
        A (Tensor): the product of its first `ind` sizes is that of the others.
        ind (int): how many dimensions come first. Default: 2.

    Returns:
        Tensor: of shape A.shape[ind:] + A.shape[:ind].

    Raises:
        RuntimeError: the sizes do not fit, or A is singular (LinAlgError).

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.tensorinv(2.0 * rl.eye(4).reshape(2, 2, 4)).shape
        rushlight.Size([4, 2, 2])
    """
    if ind <= 0:
        raise RuntimeError(f"tensorinv: ind={ind}; expected ind > 0")
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n = _product(last)
    if _product(first) != n:
        raise RuntimeError(f"tensorinv: A has shape {tuple(A.shape)} and ind={ind}; expected prod(A.shape[:ind]) == "
                           "prod(A.shape[ind:])")
    return core.linalg.inv(A.reshape(n, n)).reshape(last + first)


@composite("linalg.tensorsolve out", "widen")
def tensorsolve(A, B, dims=None):
    """The X for which tensordot(A, X, X.dim()) is B.

    Args:
        A (Tensor): of shape B.shape + X.shape, once `dims` have moved to its end.
        B (Tensor): the right side.
        dims (tuple of int, optional): dimensions of A to move to its end first.

    Returns:
        Tensor: X.

    Raises:
        RuntimeError: the sizes do not fit, or A is singular (LinAlgError).

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.tensorsolve(2.0 * rl.eye(4).reshape(2, 2, 4), rl.ones(2, 2)).tolist()
        [0.5, 0.5, 0.5, 0.5]
    """
    if dims is not None:
        dims = [dims] if isinstance(dims, int) else list(dims)
        A = A.movedim(dims, list(range(A.dim() - len(dims), A.dim())))
    last = tuple(A.shape[B.dim():])
    n = _product(last)
    if _product(A.shape[:B.dim()]) != n or B.numel() != n:
        raise RuntimeError(f"tensorsolve: A has shape {tuple(A.shape)} and B {tuple(B.shape)}; expected as many "
                           "elements in the first dimensions of A, which B has, as in the others")
    return core.linalg.solve(A.reshape(n, n), B.flatten()).reshape(last)


@composite("linalg.vander")
def linalg_vander(x, N=None):
    """A matrix whose columns are the powers of x, from 0 on.

    Args:
        x (Tensor): (..., n).
        N (int, optional): how many columns. Default: n.

    Returns:
        Tensor: (..., n, N).

    Raises:
        RuntimeError: N is less than 2.

    Example:
        >>> import rushlight as rl
        >>> rl.linalg.vander(rl.tensor([2, 3]), 3).tolist()
        [[1, 2, 4], [1, 3, 9]]
    """
    x = x if x.dim() else x.reshape(1)
    if N is not None and N <= 1:
        raise RuntimeError(f"vander: N={N}; expected N > 1")
    columns = x.shape[-1] if N is None else N
    x = x.long() if not (x.is_floating_point() or x.is_complex()) else x
    return _powers(x, columns)


def _powers(x, columns):
    ones = x.new_ones((*x.shape, 1))
    if columns < 2:
        return ones[..., :columns]
    repeated = x.unsqueeze(-1).expand((*x.shape, columns - 1))
    return core.cat((ones, repeated.cumprod(-1)), -1)


@composite("vander")
def vander(x, N=None, increasing=False):
    """A matrix whose columns are the powers of x, the highest first.

    Args:
        x (Tensor): (n,).
        N (int, optional): how many columns. Default: n.
        increasing (bool): from power 0 on. Default: False.

    Returns:
        Tensor: (n, N).

    Raises:
        RuntimeError: x is no vector, or N is negative.

    Example:
        >>> import rushlight as rl
        >>> rl.vander(rl.tensor([2, 3]), 3).tolist()
        [[4, 2, 1], [9, 3, 1]]
    """
    if x.dim() != 1:
        raise RuntimeError(f"vander: x has shape {tuple(x.shape)}; expected a vector")
    if N is not None and N < 0:
        raise RuntimeError(f"vander: N={N}; expected N >= 0")
    powers = _powers(x if x.is_floating_point() or x.is_complex() else x.long(), x.shape[0] if N is None else N)
    return powers if increasing else powers.flip(-1)
