"""How tensors look: PyTorch's layout, character for character, made from `tolist()` and `narrow()` alone."""

_PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}
_options = {**_PROFILES["default"], "sci_mode": None}


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """Set how tensors are printed; what is not given stays, except `sci_mode`, which goes back to automatic.

    Args:
        precision: digits after the point of floating values (4 at first).
        threshold: tensors with more elements than this are summarised (1000 at first).
        edgeitems: elements shown at each end of a summarised dimension (3 at first).
        linewidth: characters per line (80 at first).
        profile: `"default"`, `"short"` or `"full"`, a set of the above, applied first.
        sci_mode: True or False to always or never use scientific notation; None to choose by the values.

    Raises:
        ValueError: `profile` has another name.

    Example:
        >>> import rushlight as rl
        >>> rl.set_printoptions(precision=2)
        >>> rl.tensor([1.12345])
        tensor([1.12])
        >>> rl.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(
                f"set_printoptions: profile={profile!r} is unknown; expected one of {', '.join(_PROFILES)}"
            )
        _options.update(_PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update({name: value for name, value in given.items() if value is not None})
    _options["sci_mode"] = sci_mode


def get_printoptions():
    """The options of printing as a dict that `set_printoptions(**options)` takes.

    Example:
        >>> import rushlight as rl
        >>> rl.get_printoptions()["precision"]
        4
    """
    return dict(_options)


class printoptions:
    """Context manager: `set_printoptions(**options)` inside, the former options after.

    Example:
        >>> import rushlight as rl
        >>> from rushlight._printing import printoptions
        >>> with printoptions(precision=1):
        ...     print(rl.tensor([0.25]))
        tensor([0.2])
    """

    def __init__(self, **options):
        self._inside = options

    def __enter__(self):
        self._former = get_printoptions()
        set_printoptions(**self._inside)

    def __exit__(self, *exception):
        set_printoptions(**self._former)


def tensor_repr(tensor, default_dtype, name=None):
    """The repr of `tensor`.

    Args:
        tensor: the tensor.
        default_dtype: the default dtype, whose tensors (and those of int64, bool and the matching complex
            dtype) show none.
        name: what stands before the bracket; "tensor" for our own types, a user's subclass shows its name.
    """
    if name is None:
        kind = type(tensor)
        name = "tensor" if kind.__module__.partition(".")[0] == "rushlight" else kind.__name__
    prefix = name + "("
    shape = tuple(tensor.shape)
    dtype_name = str(tensor.dtype).rpartition(".")[2]
    default_name = str(default_dtype).rpartition(".")[2]
    suffixes = []
    if tensor.device.type != "cpu":
        suffixes.append(f"device='{tensor.device}'")
    if 0 in shape:
        body = "[]"
        if len(shape) != 1:
            suffixes.append(f"size={shape}")
        if dtype_name != default_name:
            suffixes.append(f"dtype={tensor.dtype}")
    else:
        body = _body(tensor.detach(), shape, dtype_name, len(prefix))
        if not _options["edgeitems"]:
            suffixes.append(f"size={shape}")
        default_complex = "complex128" if default_name == "float64" else "complex64"
        if dtype_name not in (default_name, default_complex, "int64", "bool"):
            suffixes.append(f"dtype={tensor.dtype}")
    grad_fn = tensor.grad_fn
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn.name().rpartition('::')[2]}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + body, suffixes, len(prefix))


def tensor_format(tensor, spec):
    """`format(tensor, spec)`: of the number for a tensor without dimensions, of the object otherwise."""
    if tensor.dim() == 0:
        return format(tensor.item(), spec)
    return object.__format__(tensor, spec)


def _with_suffixes(text, suffixes, indent):
    pieces = [text]
    width = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if width + len(suffix) + 2 > _options["linewidth"]:
            pieces.append(",\n" + " " * indent + suffix)
            width = indent + len(suffix)
        else:
            pieces.append(", " + suffix)
            width += len(suffix) + 2
    pieces.append(")")
    return "".join(pieces)


def _body(tensor, shape, dtype_name, indent):
    """The brackets and numbers of a tensor with at least one element."""
    edge = _options["edgeitems"]
    count = 1
    for size in shape:
        count *= size
    summarized = count > _options["threshold"] and len(shape) > 0
    if summarized and not edge:
        return "[...]"
    values = _edges(tensor, 0, len(shape), edge) if summarized else tensor.tolist()
    flat = [values]
    for _ in shape:
        flat = [item for row in flat for item in row]
    if dtype_name.startswith("complex"):
        texts, width = _complex_texts(flat)
    elif "float" in dtype_name:
        texts, width = _float_texts(flat)
    else:
        texts = [str(value) for value in flat]
        width = max(map(len, texts))
        texts = [text.rjust(width) for text in texts]
    if not shape:
        return texts[0]
    # Only dimensions longer than both edges together lose their middle.
    cut = [summarized and size > 2 * edge for size in shape]
    shown = [2 * edge if c else size for c, size in zip(cut, shape, strict=True)]
    return _layout(texts, shown, cut, width + 2, indent)


def _edges(tensor, dim, rank, edge):
    """Nested lists of the elements that a summary shows."""
    while dim < rank and tensor.size(dim) <= 2 * edge:
        dim += 1
    if dim == rank:
        return tensor.tolist()
    first = _edges(tensor.narrow(dim, 0, edge), dim + 1, rank, edge)
    last = _edges(tensor.narrow(dim, tensor.size(dim) - edge, edge), dim + 1, rank, edge)
    return _joined(first, last, dim)


def _joined(first, last, depth):
    if depth == 0:
        return first + last
    return [_joined(a, b, depth - 1) for a, b in zip(first, last, strict=True)]


def _float_texts(values):
    """The values as text of equal width (infinities, nans and -0 may be wider), and the width."""
    infinity = float("inf")
    counted = [0 < abs(value) < infinity for value in values]  # false for 0, infinities and nan
    finite = [value for value, use in zip(values, counted, strict=True) if use]
    precision = _options["precision"]
    scientific = integers = False
    if finite:
        integers = all(value.is_integer() for value in finite)
        scientific = _options["sci_mode"]
        if scientific is None:
            magnitudes = [abs(value) for value in finite]
            low, high = min(magnitudes), max(magnitudes)
            scientific = high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4
    if scientific:
        texts = [f"{value:.{precision}e}" for value in values]
    elif integers or not finite:
        texts = [f"{value:.0f}." if abs(value) < infinity else f"{value:.0f}" for value in values]
    else:
        texts = [f"{value:.{precision}f}" for value in values]
    width = max((len(text) for text, use in zip(texts, counted, strict=True) if use), default=1)
    return [text.rjust(width) for text in texts], width


def _complex_texts(values):
    real, real_width = _float_texts([value.real for value in values])
    imaginary, imaginary_width = _float_texts([value.imag for value in values])
    texts = []
    for a, b in zip(real, imaginary, strict=True):
        b = b.lstrip()
        texts.append(f"{a}{b}j" if b[0] in "+-" else f"{a}+{b}j")
    return texts, real_width + imaginary_width + 1


def _layout(texts, shape, cut, element, indent):
    """Brackets around `texts`, which are the elements of `shape` in order; `element` is one's width with its comma."""
    size = shape[-1]
    last_indent = indent + len(shape) - 1
    per_line = max(1, (_options["linewidth"] - last_indent) // element)
    between = ",\n" + " " * (last_indent + 1)
    rows = []
    for begin in range(0, len(texts), size):
        row = texts[begin : begin + size]
        if cut[-1]:
            row.insert(size // 2, " ...")
        lines = [", ".join(row[i : i + per_line]) for i in range(0, len(row), per_line)]
        rows.append("[" + between.join(lines) + "]")
    for level in range(len(shape) - 2, -1, -1):
        size = shape[level]
        between = "," + "\n" * (len(shape) - 1 - level) + " " * (indent + level + 1)
        groups = []
        for begin in range(0, len(rows), size):
            group = rows[begin : begin + size]
            if cut[level]:
                group.insert(size // 2, "...")
            groups.append("[" + between.join(group) + "]")
        rows = groups
    return rows[0]
