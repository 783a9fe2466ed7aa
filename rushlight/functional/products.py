"""Matrix products composed of `matmul`: addmm and its family, einsum, tensordot."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core, native

_wide = core._groups["_ops"]["wide_product"]
_RANKS = {core.mm: (2, 2), core.bmm: (3, 3), core.mv: (2, 1)}


def _factor(value, dtype):
    """`value` as PyTorch's addmm and its kin take it: of the product's kind, 0.5 is 0 among integers."""
    if dtype.is_floating_point or dtype.is_complex:
        return value
    return bool(value) if dtype == core.bool else int(value)


def _add_product(name, multiply, input, a, b, beta, alpha):
    narrow = a.dtype in (core.float16, core.bfloat16) and a.dtype == b.dtype == input.dtype
    if not narrow:
        return _add_factored(name, multiply(a, b), input, beta, alpha)
    # Rounded once at the end, and not the product, its factor and the sum each.
    if (a.dim(), b.dim()) != _RANKS.get(multiply) or a.shape[:-2] != b.shape[:-2]:
        product = multiply(a.float(), b.float())
    elif multiply is core.mm and input.shape == b.shape[1:] and a.shape[1] == b.shape[0] and alpha == beta == 1:
        return native.linear(a, b.t(), input)
    else:
        product = _wide(a, b)
    return _add_factored(name, product, input, beta, alpha).to(a.dtype)


def _add_factored(name, product, input, beta, alpha):
    given, shape = input.shape, product.shape
    if given != shape and (len(given) > len(shape) or any(n not in (1, m) for n, m in zip(given[::-1], shape[::-1]))):
        raise RuntimeError(f"{name}: input has shape {tuple(given)}; expected one that broadcasts to the product's, "
                           f"{tuple(shape)}")
    beta, alpha = _factor(beta, product.dtype), _factor(alpha, product.dtype)
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return product + input if beta == 1 else core.add(product, input, alpha=beta)


def _family(name, multiply, first, second):
    def add_product(input, a, b, *, beta=1, alpha=1):
        return _add_product(name, multiply, input, a, b, beta, alpha)

    def in_place(input, a, b, *, beta=1, alpha=1):
        return input.copy_(_add_product(name + "_", multiply, input, a, b, beta, alpha))

    add_product.__name__ = add_product.__qualname__ = name
    in_place.__name__ = in_place.__qualname__ = name + "_"
    doc = (
        f"beta * input + alpha * ({first} @ {second}).\n\n    Args:\n"
        "        input (Tensor): broadcasts to the product's shape.\n"
        f"        {first}, {second} (Tensor): the factors.\n        beta, alpha (float): Default: 1.\n\n    Example:\n"
        "        >>> import rushlight as rl\n        >>> rl.addmm(rl.ones(1), rl.ones(2, 3), rl.ones(3, 1)).tolist()\n"
        "        [[4.0], [4.0]]\n    "
    )
    add_product.__doc__ = doc
    in_place.__doc__ = "In place: " + doc
    composite(f"{name} Tensor.{name} out", "lower" if multiply is not core.outer and multiply is not core.mv else None)(
        add_product)
    composite(f"Tensor.{name}_")(in_place)


def _total_product(a, b):
    product = core.bmm(a, b)
    return product.sum(0, dtype=product.dtype)      # integers would become int64


_family("addmm", core.mm, "mat1", "mat2")
_family("addmv", core.mv, "mat", "vec")
_family("addbmm", _total_product, "batch1", "batch2")
_family("baddbmm", core.bmm, "batch1", "batch2")
_family("addr", core.outer, "vec1", "vec2")


@composite("inner Tensor.inner out")
def inner(input, other):
    """The sums of products along the last dimensions of both; of a number and a tensor, their product.

    Args:
        input, other (Tensor): of one dtype, with last dimensions of one size, or one of them zero-dimensional.

    Returns:
        Tensor: of shape input.shape[:-1] + other.shape[:-1].

    Raises:
        RuntimeError: the last sizes or the dtypes differ.

    Example:
        >>> import rushlight as rl
        >>> rl.inner(rl.tensor([1, 2]), rl.tensor([3, 4])).item()
        11
    """
    if input.dim() == 0 or other.dim() == 0:
        return input * other
    if input.dim() == other.dim() == 1:
        return core.dot(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner: input has shape {tuple(input.shape)} and other {tuple(other.shape)}; "
                           "expected equal last sizes")
    return core.tensordot(input, other, [[-1], [-1]])


@composite("tensordot out")
def tensordot(a, b, dims=2):
    """The sum of products over several dimensions.

    Args:
        a, b (Tensor): the factors.
        dims (int or two lists of int): how many last dimensions of `a` meet the first of `b`, or which meet which.

    Raises:
        RuntimeError: the sizes of dimensions that meet differ.

    Example:
        >>> import rushlight as rl
        >>> rl.tensordot(rl.ones(2, 3), rl.ones(3, 4), 1).shape
        rushlight.Size([2, 4])
    """
    if isinstance(dims, int):
        if not 0 <= dims <= (a.dim() if a.dim() < b.dim() else b.dim()):
            shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
            raise RuntimeError(f"tensordot: dims={dims} is out of range for shapes {shapes}")
        left, right = list(range(a.dim() - dims, a.dim())), list(range(dims))
    else:
        left = [d % a.dim() for d in ([dims[0]] if isinstance(dims[0], int) else dims[0])]
        right = [d % b.dim() for d in ([dims[1]] if isinstance(dims[1], int) else dims[1])]
    if len(left) == len(right):  # what one side has once is repeated: the other side is summed
        for i, k in zip(left, right, strict=True):
            a = a.sum(i, keepdim=True, dtype=a.dtype) if b.shape[k] == 1 != a.shape[i] else a
            b = b.sum(k, keepdim=True, dtype=b.dtype) if a.shape[i] == 1 != b.shape[k] else b
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise RuntimeError(
            f"tensordot: dims {left} of a, shape {tuple(a.shape)}, and dims {right} of b, "
            f"shape {tuple(b.shape)}, differ in size"
        )
    kept_a = [i for i in range(a.dim()) if i not in left]
    kept_b = [i for i in range(b.dim()) if i not in right]
    size = 1
    for i in left:
        size *= a.shape[i]
    rows = a.permute(kept_a + left).reshape(-1, size) if size else a.new_zeros((_product(a, kept_a), 0))
    columns = b.permute(right + kept_b).reshape(size, -1) if size else b.new_zeros((0, _product(b, kept_b)))
    return (rows @ columns).reshape([a.shape[i] for i in kept_a] + [b.shape[i] for i in kept_b])


def _product(t, dims):
    n = 1
    for i in dims:
        n *= t.shape[i]
    return n


@composite("einsum")
def einsum(equation, *operands):
    """Sums of products, written with an index letter for each dimension.

    Args:
        equation (str): as 'bij,bjk->bik'; '...' stands for dimensions that broadcast. Instead, each operand may be
            followed by a list of its indices, numbers from 0 to 51 or `...`; a last list is the result's.
        operands (Tensor): one for each comma-separated part.

    Raises:
        RuntimeError: the equation does not fit the operands.
        ValueError: an index is not from 0 to 51.

    Example:
        >>> import rushlight as rl
        >>> rl.einsum("ij,jk->ik", rl.ones(2, 3), rl.ones(3, 4)).shape
        rushlight.Size([2, 4])
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists(equation, *operands)
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    inputs, output = _parse(equation.replace(" ", ""), operands)
    total, labels = _diagonals(operands[0], inputs[0])
    for k in range(1, len(operands)):
        later = set(output).union(*inputs[k + 1:])
        other, other_labels = _diagonals(operands[k], inputs[k])
        total, labels = _contract(total, labels, other, other_labels, later)
    extra = tuple(i for i, label in enumerate(labels) if label not in output)
    if extra:
        total = total.sum(extra)
        labels = [label for label in labels if label in output]
    return total.permute([labels.index(label) for label in output]) if labels != list(output) else total


def _from_lists(*args):
    """The equation and the operands of tensor, indices, tensor, indices, ..., perhaps the result's indices."""
    operands, lists = args[:len(args) // 2 * 2:2], args[1::2]
    if not operands:
        raise ValueError("einsum: one operand and no list of its indices; expected an equation, or a list after each")
    for t, indices in zip(operands, lists, strict=True):
        if not isinstance(t, Tensor) or not isinstance(indices, (list, tuple)):
            raise TypeError(f"einsum: {type(t).__name__} and {type(indices).__name__} are given; expected an "
                            "equation, or tensors each followed by a list of its indices")
    equation = ",".join(map(_letters, lists))
    return (f"{equation}->{_letters(args[-1])}" if len(args) % 2 else equation), operands


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _letters(indices):
    for i in indices:
        if i is not ... and not (isinstance(i, int) and 0 <= i < len(_LETTERS)):
            raise ValueError(f"einsum: index {i!r} of {list(indices)} is out of range; expected 0 to 51, or ...")
    return "".join("..." if i is ... else _LETTERS[i] for i in indices)


def _parse(equation, operands):
    left, arrow, right = equation.partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        raise RuntimeError(f"einsum: equation '{equation}' has {len(parts)} operands and {len(operands)} were given")
    inputs, sizes, ellipsis = [], {}, 0
    for part, t in zip(parts, operands, strict=True):
        named = part.replace("...", "")
        if "..." in part:
            ellipsis = t.dim() - len(named) if t.dim() - len(named) > ellipsis else ellipsis
        if (t.dim() != len(named) and "..." not in part) or t.dim() < len(named):
            raise RuntimeError(
                f"einsum: '{part}' of '{equation}' has {len(named)} indices and its operand shape {tuple(t.shape)}"
            )
        spread = [("...", i) for i in range(t.dim() - len(named))][::-1]
        at = part.find("...")
        labels = list(part) if at < 0 else list(part[:at]) + spread + list(part[at + 3:])
        for label, n in zip(labels, t.shape, strict=True):
            if sizes.get(label, 1) not in (1, n) and n != 1:
                raise RuntimeError(f"einsum: index '{label}' of '{equation}' has sizes {sizes[label]} and {n}")
            sizes[label] = n if n != 1 else sizes.get(label, 1)
        inputs.append(labels)
    spread = [("...", i) for i in range(ellipsis)][::-1]
    if arrow:
        at = right.find("...")
        output = list(right) if at < 0 else list(right[:at]) + spread + list(right[at + 3:])
    else:
        counts = {}
        for labels in inputs:
            for label in labels:
                counts[label] = counts.get(label, 0) + 1
        output = spread + sorted(label for label, n in counts.items() if n == 1 and isinstance(label, str))
    for label in output:
        if label not in sizes or output.count(label) > 1:
            raise RuntimeError(f"einsum: index '{label}' of the result of '{equation}' appears in no operand, or twice")
    return inputs, output


def _diagonals(t, labels):
    """Takes the diagonal where an index appears twice in one operand."""
    labels = list(labels)
    for label in list(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            t = t.diagonal(0, first, second)
            labels.pop(second)
            labels.pop(first)
            labels.append(label)
    return t, labels


def _contract(a, a_labels, b, b_labels, later):
    """One product of two operands: batch, kept and summed indices become one matrix product."""
    shared = [label for label in a_labels if label in b_labels]
    summed = [label for label in shared if label not in later]
    batch = [label for label in shared if label in later]
    for label in [x for x in a_labels if x not in shared and x not in later]:
        a = a.sum(a_labels.index(label))
        a_labels = [x for x in a_labels if x != label]
    for label in [x for x in b_labels if x not in shared and x not in later]:
        b = b.sum(b_labels.index(label))
        b_labels = [x for x in b_labels if x != label]
    only_a = [x for x in a_labels if x not in shared]
    only_b = [x for x in b_labels if x not in shared]
    size = {}
    for t, labels in ((a, a_labels), (b, b_labels)):
        for label, n in zip(labels, t.shape, strict=True):
            size[label] = n if n != 1 else size.get(label, 1)

    def matrix(t, labels, order, shape):
        t = t.permute([labels.index(x) for x in order])
        return t.expand([size[x] for x in order]).reshape(shape)

    def count(labels):
        n = 1
        for x in labels:
            n *= size[x]
        return n

    left = matrix(a, a_labels, batch + only_a + summed, [count(batch), count(only_a), count(summed)])
    right = matrix(b, b_labels, batch + summed + only_b, [count(batch), count(summed), count(only_b)])
    labels = batch + only_a + only_b
    return core.bmm(left, right).reshape([size[x] for x in labels]), labels


@composite("conv_tbc nn.functional.conv_tbc")
def conv_tbc(input, weight, bias, pad=0):
    """`conv1d` of sequences whose first dimension is time.

    Args:
        input (Tensor): floating, (time, batch, in_channels).
        weight (Tensor): (kernel, in_channels, out_channels).
        bias (Tensor): (out_channels).
        pad (int): zeros at both ends. Default: 0.

    Returns:
        Tensor: (time, batch, out_channels).

    Raises:
        RuntimeError: numbers of dimensions do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.conv_tbc(rl.ones(3, 1, 2), rl.ones(2, 2, 1), rl.zeros(1)).flatten()
        tensor([4., 4.])
    """
    if not input.dim() == weight.dim() == 3 or bias.dim() != 1:
        raise RuntimeError(f"conv_tbc: input, weight and bias have {input.dim()}, {weight.dim()} and {bias.dim()} "
                           "dimensions; expected 3, 3 and 1")
    return native.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)
