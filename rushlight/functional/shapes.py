"""Composites that arrange tensors: grids, stacks of blocks, splits by dimension, the forms of `where` and `nonzero`."""
from itertools import combinations as choose
from itertools import combinations_with_replacement as choose_again

from rushlight.functional._composite import composite
from rushlight.functional._core import core

_where = core._groups["_ops"]["where"]
_argwhere = core.argwhere


def _many(tensors):
    """Arguments given one by one, or as one list."""
    return tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors


def _raised(tensors, lift):
    tensors = _many(tensors)
    return lift(tensors[0]) if len(tensors) == 1 else tuple(lift(t) for t in tensors)


@composite("atleast_1d")
def atleast_1d(*tensors):
    """Zero-dimensional tensors as vectors of one element, others as they are.

    Args:
        tensors (Tensor): one or several, or a list of them.

    Returns:
        Tensor | tuple: one result for each.

    Example:
        >>> import rushlight as rl
        >>> rl.atleast_1d(rl.tensor(3))
        tensor([3])
    """
    return _raised(tensors, lambda t: t.reshape(1) if t.dim() == 0 else t)


@composite("atleast_2d")
def atleast_2d(*tensors):
    """Tensors of fewer than two dimensions as rows, others as they are.

    Args:
        tensors (Tensor): one or several, or a list of them.

    Example:
        >>> import rushlight as rl
        >>> rl.atleast_2d(rl.tensor([1, 2])).shape
        rushlight.Size([1, 2])
    """
    return _raised(tensors, lambda t: t.reshape(1, -1) if t.dim() < 2 else t)


@composite("atleast_3d")
def atleast_3d(*tensors):
    """Tensors of at least three dimensions: a vector becomes (1, n, 1), a matrix (n, m, 1).

    Args:
        tensors (Tensor): one or several, or a list of them.

    Example:
        >>> import rushlight as rl
        >>> rl.atleast_3d(rl.tensor([1, 2])).shape
        rushlight.Size([1, 2, 1])
    """
    def lift(t):
        return t.reshape(1, -1, 1) if t.dim() < 2 else t.unsqueeze(-1) if t.dim() == 2 else t

    return _raised(tensors, lift)


@composite("broadcast_shapes")
def broadcast_shapes(*shapes):
    """The shape that all the given ones broadcast to.

    Args:
        shapes (tuple | int): sizes.

    Raises:
        RuntimeError: two sizes differ and neither is 1.

    Example:
        >>> import rushlight as rl
        >>> rl.broadcast_shapes((2, 1), (3,))
        rushlight.Size([2, 3])
    """
    shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    sizes = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for i in range(-len(shape), 0):
            if shape[i] < 0:
                raise RuntimeError(f"broadcast_shapes: shape {shape} has a negative size")
            if shape[i] != 1 and sizes[i] not in (1, shape[i]):
                every = ", ".join(map(str, shapes))
                raise RuntimeError(f"broadcast_shapes: the shapes {every} can't be broadcast together; "
                                   f"at dimension {i} sizes {sizes[i]} and {shape[i]} differ and neither is 1")
            if shape[i] != 1:
                sizes[i] = shape[i]
    return core.Size(sizes)


@composite("broadcast_tensors")
def broadcast_tensors(*tensors):
    """Views of the tensors, expanded to the shape that all of them broadcast to.

    Args:
        tensors (Tensor): any number of them.

    Returns:
        tuple: one view for each.

    Raises:
        RuntimeError: the shapes do not broadcast.

    Example:
        >>> import rushlight as rl
        >>> [t.shape for t in rl.broadcast_tensors(rl.zeros(2, 1), rl.zeros(3))]
        [rushlight.Size([2, 3]), rushlight.Size([2, 3])]
    """
    tensors = _many(tensors)
    shape = broadcast_shapes(*[t.shape for t in tensors])
    return tuple(t.expand(shape) for t in tensors)


@composite("meshgrid")
def meshgrid(*tensors, indexing="ij"):
    """Grids of coordinates: result k has the values of vector k along dimension k.

    Args:
        tensors (Tensor): vectors or zero-dimensional tensors of one dtype, one by one or as a list.
        indexing (str): 'ij', or 'xy' to exchange the first two dimensions. Default: 'ij'.

    Returns:
        tuple: as many views as vectors, each with one dimension for each vector.

    Example:
        >>> import rushlight as rl
        >>> rl.meshgrid(rl.tensor([1, 2]), rl.tensor([3, 4, 5]))[0]
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    tensors = _many(tensors)
    if not tensors:
        raise RuntimeError("meshgrid: no tensors were given; expected at least one")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing={indexing!r}; expected 'ij' or 'xy'")
    for i, t in enumerate(tensors):
        if t.dim() > 1:
            raise RuntimeError(f"meshgrid: tensors[{i}] has shape {tuple(t.shape)}; expected at most 1 dimension")
        if t.dtype != tensors[0].dtype:
            raise RuntimeError(f"meshgrid: tensors[{i}] has dtype {t.dtype}; expected {tensors[0].dtype}")
    vectors = [t.reshape(-1) for t in tensors]
    exchanged = indexing == "xy" and len(vectors) >= 2
    if exchanged:
        vectors[0], vectors[1] = vectors[1], vectors[0]
    shape = [t.numel() for t in vectors]
    grids = [t.view([1] * i + [t.numel()] + [1] * (len(shape) - 1 - i)).expand(shape) for i, t in enumerate(vectors)]
    if exchanged:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@composite("cartesian_prod")
def cartesian_prod(*tensors):
    """All combinations of one element of each vector, one row each, the last vector's changing fastest.

    Args:
        tensors (Tensor): vectors.

    Example:
        >>> import rushlight as rl
        >>> rl.cartesian_prod(rl.tensor([1, 2]), rl.tensor([3, 4]))
        tensor([[1, 3],
                [1, 4],
                [2, 3],
                [2, 4]])
    """
    tensors = _many(tensors)
    if len(tensors) == 1:
        return tensors[0]
    return core.stack([g.reshape(-1) for g in meshgrid(*tensors)], 1)


@composite("diagflat Tensor.diagflat")
def diagflat(input, offset=0):
    """A matrix with all elements of the input along a diagonal, zeros elsewhere.

    Args:
        input (Tensor): any shape; taken in row-major order.
        offset (int): the diagonal, 0 the main one, above it for positive numbers. Default: 0.

    Example:
        >>> import rushlight as rl
        >>> rl.diagflat(rl.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    return core.diag(input.reshape(-1), offset)


@composite("combinations")
def combinations(input, r=2, with_replacement=False):
    """All choices of r elements of a vector, one row each, in the order of their positions.

    Args:
        input (Tensor): a vector.
        r (int): how many elements. Default: 2.
        with_replacement (bool): an element may be chosen again. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.combinations(rl.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    if input.dim() != 1:
        raise RuntimeError(f"combinations: input has shape {tuple(input.shape)}; expected 1 dimension")
    if r < 0:
        raise RuntimeError(f"combinations: r={r} is negative")
    if r == 0:
        return input.new_empty(0)
    rows = list((choose_again if with_replacement else choose)(range(input.numel()), r))
    return input[core.tensor(rows, dtype=core.int64).reshape(-1)].reshape(len(rows), r)


@composite("block_diag")
def block_diag(*tensors):
    """A matrix with the given matrices along its diagonal and zeros elsewhere.

    Args:
        tensors (Tensor): of at most two dimensions; vectors count as rows.

    Example:
        >>> import rushlight as rl
        >>> rl.block_diag(rl.tensor([[1, 2]]), rl.tensor(3))
        tensor([[1, 2, 0],
                [0, 0, 3]])
    """
    blocks = [atleast_2d(t) for t in _many(tensors)]
    for i, b in enumerate(blocks):
        if b.dim() > 2:
            raise RuntimeError(f"block_diag: tensors[{i}] has shape {tuple(b.shape)}; expected at most 2 dimensions")
    if not blocks:
        return core.empty(1, 0)
    width, rows, start = sum(b.size(1) for b in blocks), [], 0
    for b in blocks:
        rows.append(core.cat([b.new_zeros(b.size(0), start), b, b.new_zeros(b.size(0), width - start - b.size(1))], 1))
        start += b.size(1)
    return core.cat(rows, 0)


def _split_along(name, input, parts, dim, least):
    if input.dim() < least:
        many = "s" * (least > 1)
        raise RuntimeError(f"{name}: input has shape {tuple(input.shape)}; expected at least {least} dimension{many}")
    if isinstance(parts, int) and (parts < 1 or input.size(dim) % parts):
        raise RuntimeError(f"{name}: indices_or_sections={parts} does not divide {input.size(dim)}, "
                           f"the size of dimension {dim}")
    return core.tensor_split(input, parts, dim)


@composite("hsplit Tensor.hsplit")
def hsplit(input, indices_or_sections):
    """Views along dimension 1 (0 of a vector): so many of equal size, or those between the given cuts.

    Args:
        input (Tensor): at least one dimension.
        indices_or_sections (int | list): a divisor of the size, or cuts.

    Example:
        >>> import rushlight as rl
        >>> rl.hsplit(rl.tensor([1, 2, 3, 4]), 2)
        (tensor([1, 2]), tensor([3, 4]))
    """
    return _split_along("hsplit", input, indices_or_sections, 0 if input.dim() == 1 else 1, 1)


@composite("vsplit Tensor.vsplit")
def vsplit(input, indices_or_sections):
    """Views along dimension 0: so many of equal size, or those between the given cuts.

    Args:
        input (Tensor): at least two dimensions.
        indices_or_sections (int | list): a divisor of the size, or cuts.

    Example:
        >>> import rushlight as rl
        >>> [t.shape for t in rl.vsplit(rl.zeros(4, 2), 2)]
        [rushlight.Size([2, 2]), rushlight.Size([2, 2])]
    """
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


@composite("dsplit Tensor.dsplit")
def dsplit(input, indices_or_sections):
    """Views along dimension 2: so many of equal size, or those between the given cuts.

    Args:
        input (Tensor): at least three dimensions.
        indices_or_sections (int | list): a divisor of the size, or cuts.

    Example:
        >>> import rushlight as rl
        >>> [t.shape for t in rl.dsplit(rl.zeros(1, 2, 4), 2)]
        [rushlight.Size([1, 2, 2]), rushlight.Size([1, 2, 2])]
    """
    return _split_along("dsplit", input, indices_or_sections, 2, 3)


@composite("where")
def where(condition, input=None, other=None, *, out=None):
    """`input` where the condition holds, `other` where it does not; of a condition alone, the indices where it holds.

    Args:
        condition (Tensor): bool.
        input (Tensor | Number | None): broadcast with the condition.
        other (Tensor | Number | None): broadcast with the condition.
        out (Tensor | None): where to write the result.

    Returns:
        Tensor | tuple: the choice; or one vector of indices for each dimension.

    Example:
        >>> import rushlight as rl
        >>> rl.where(rl.tensor([True, False]), rl.tensor([1, 2]), 0)
        tensor([1, 0])
        >>> rl.where(rl.tensor([False, True]))
        (tensor([1]),)
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return _where(condition, input, other, out=out)


@composite("Tensor.where")
def where_method(self, condition, other):
    """The tensor's elements where the condition holds, `other` where it does not; see where.

    Args:
        condition (Tensor): bool.
        other (Tensor | Number): broadcast with the tensor.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1, 2]).where(rl.tensor([True, False]), 0)
        tensor([1, 0])
    """
    return _where(condition, self, other)


@composite("nonzero Tensor.nonzero")
def nonzero(input, *, as_tuple=False, out=None):
    """The indices of the elements that are not zero.

    Args:
        input (Tensor): any dtype.
        as_tuple (bool): one vector for each dimension instead of one row for each element. Default: False.
        out (Tensor, optional): where the rows go.

    Returns:
        Tensor | tuple: int64.

    Raises:
        TypeError: `out` is given where the result is a tuple.

    Example:
        >>> import rushlight as rl
        >>> rl.nonzero(rl.tensor([0, 5, 6]))
        tensor([[1],
                [2]])
    """
    if not as_tuple:
        return _argwhere(input, out=out)
    if out is not None:
        raise TypeError("nonzero: out= with as_tuple=True; expected one of the two at most")
    return core.unbind(_argwhere(input.reshape(1) if input.dim() == 0 else input), 1)
