"""Sequences of different lengths in one tensor: padded, or packed step after step."""
from collections.abc import Iterable
from typing import NamedTuple

from rushlight.functional._core import Tensor, core

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]


class PackedSequence_(NamedTuple):  # noqa: N801  PyTorch's name
    """The fields of a `PackedSequence`."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences sorted by length, the longest first, step after step: made by `pack_sequence` and
    `pack_padded_sequence`.

    Args:
        data (Tensor): (sum of the lengths, ...).
        batch_sizes (Tensor): int64; how many sequences take part in each step.
        sorted_indices (Tensor, optional): where the sequences stood before they were sorted.
        unsorted_indices (Tensor, optional): the inverse.

    Example:
        >>> import rushlight as rl
        >>> packed = rl.nn.utils.rnn.pack_sequence([rl.tensor([1, 2, 3]), rl.tensor([4])])
        >>> packed.data, packed.batch_sizes
        (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError(f"PackedSequence: data is a {type(data).__name__} without batch_sizes; expected "
                                     "(data, batch_sizes)")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """With `data.to(...)` as data; itself where that changes nothing."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self, *args, **kwargs):
        """`to` the processor."""
        return self.to(*args, device="cpu", **kwargs)

    def cuda(self, *args, **kwargs):
        """`to` a GPU, where there is one."""
        return self.to(*args, device="cuda", **kwargs)

    def pin_memory(self):
        """With `data.pin_memory()` as data."""
        return type(self)(self.data.pin_memory(), *self[1:])

    def double(self):
        """float64 data."""
        return self.to(dtype=core.float64)

    def float(self):
        """float32 data."""
        return self.to(dtype=core.float32)

    def half(self):
        """float16 data."""
        return self.to(dtype=core.float16)

    def long(self):
        """int64 data."""
        return self.to(dtype=core.int64)

    def int(self):
        """int32 data."""
        return self.to(dtype=core.int32)

    def short(self):
        """int16 data."""
        return self.to(dtype=core.int16)

    def char(self):
        """int8 data."""
        return self.to(dtype=core.int8)

    def byte(self):
        """uint8 data."""
        return self.to(dtype=core.uint8)

    @property
    def is_cuda(self):
        """Whether the data lies on a GPU."""
        return self.data.is_cuda

    def is_pinned(self):
        """Whether the data lies in pinned memory."""
        return self.data.is_pinned()


def _check_tensor(speaker, name, value):
    if not isinstance(value, Tensor):
        raise TypeError(f"{speaker}: argument '{name}' must be Tensor, not {type(value).__name__}")


def invert_permutation(permutation):
    """The permutation that undoes another; None of None.

    Raises:
        ValueError: it names a place twice.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.rnn.invert_permutation(rl.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    _check_tensor("invert_permutation", "permutation", permutation)
    inverse = core.full(permutation.shape, -1, dtype=permutation.dtype)
    inverse.scatter_(0, permutation, core.arange(permutation.numel(), dtype=permutation.dtype))
    if bool((inverse < 0).any()):
        raise ValueError(f"invert_permutation: permutation={permutation.tolist()} names some places twice; expected "
                         f"each of 0 to {permutation.numel() - 1} once")
    return inverse


def _rows(lengths, steps, batch, batch_first):
    """Which rows of the padded data, one after the other, the packed data takes, and how many at each step."""
    taking = core.arange(steps).unsqueeze(1) < lengths
    place = core.arange(steps * batch)
    place = place.reshape(batch, steps).t() if batch_first else place.reshape(steps, batch)
    return place[taking], taking.sum(1)


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Pack sequences that were padded to one length.

    Args:
        input (Tensor): (steps, batch, ...), or with `batch_first` (batch, steps, ...).
        lengths (Tensor or list of int): of each sequence.
        batch_first (bool): Default: False.
        enforce_sorted (bool): the sequences stand in order of length, the longest first; otherwise they are sorted.
            Default: True.

    Returns:
        PackedSequence

    Raises:
        RuntimeError: lengths that do not fit the input, are not positive, or are not in order.

    Example:
        >>> import rushlight as rl
        >>> x = rl.tensor([[1, 2, 0], [3, 4, 5]])
        >>> rl.nn.utils.rnn.pack_padded_sequence(x, [2, 3], batch_first=True, enforce_sorted=False).data
        tensor([3, 1, 4, 2, 5])
    """
    name = "pack_padded_sequence"
    _check_tensor(name, "input", input)
    lengths = core.as_tensor(lengths, dtype=core.int64)
    if input.dim() < 2 or lengths.dim() != 1 or lengths.shape[0] != input.shape[not batch_first]:
        raise RuntimeError(
            f"{name}: lengths has shape {tuple(lengths.shape)} for input of shape {tuple(input.shape)}; expected one "
            f"for each sequence along dimension {int(not batch_first)}"
        )
    steps = input.shape[int(batch_first)]
    if lengths.numel() == 0 or int(lengths.min()) <= 0 or int(lengths.max()) > steps:
        raise RuntimeError(f"{name}: lengths={lengths.tolist()} for input of shape {tuple(input.shape)}; expected "
                           f"0 < length <= {steps}")
    order = None
    if not enforce_sorted:
        lengths, order = core.sort(lengths, descending=True)
        input = input.index_select(int(not batch_first), order)
    elif not bool((lengths[1:] <= lengths[:-1]).all()):
        raise RuntimeError(f"{name}: lengths={lengths.tolist()} with enforce_sorted=True; expected the longest first, "
                           "or enforce_sorted=False")
    rows, sizes = _rows(lengths, int(lengths[0]), len(lengths), False)
    if batch_first:
        input = input.transpose(0, 1)
    input = input[:int(lengths[0])]
    return PackedSequence(input.reshape(-1, *input.shape[2:]).index_select(0, rows), sizes, order)


def _check_sizes(speaker, data, sizes):
    _check_tensor(speaker, "data", data)
    _check_tensor(speaker, "batch_sizes", sizes)
    if sizes.dim() != 1 or sizes.dtype.is_floating_point or sizes.numel() == 0:
        raise RuntimeError(f"{speaker}: batch_sizes has shape {tuple(sizes.shape)} and dtype {sizes.dtype}; expected "
                           "one integer for each step, at least one")
    if bool((sizes[1:] > sizes[:-1]).any()) or int(sizes[-1]) < 0 or int(sizes.sum()) != data.shape[0]:
        raise RuntimeError(f"{speaker}: batch_sizes={sizes.tolist()} for data of shape {tuple(data.shape)}; expected "
                           f"sizes that do not grow and add up to {data.shape[0]}")


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """Pad packed sequences to one length, in their order before packing.

    Args:
        sequence (PackedSequence): what `pack_padded_sequence` and recurrent layers return.
        batch_first (bool): Default: False.
        padding_value (float): Default: 0.
        total_length (int, optional): the length; that of the longest sequence when None.

    Returns:
        tuple: (steps, batch, ...), or with `batch_first` (batch, steps, ...), and the lengths.

    Raises:
        ValueError: `total_length` is less than the longest sequence.
        RuntimeError: the batch's sizes are no whole numbers that shrink and add up to the rows of the data.

    Example:
        >>> import rushlight as rl
        >>> packed = rl.nn.utils.rnn.pack_sequence([rl.tensor([1, 2]), rl.tensor([4])])
        >>> rl.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 2],
                [4, 0]]), tensor([2, 1]))
    """
    data, sizes = sequence.data, sequence.batch_sizes
    _check_sizes("pad_packed_sequence", data, sizes)
    steps, batch = sizes.shape[0], int(sizes[0])
    if total_length is not None and total_length < steps:
        raise ValueError(f"pad_packed_sequence: total_length={total_length} for sequences of up to {steps} steps; "
                         f"expected total_length >= {steps}")
    steps = steps if total_length is None else total_length
    lengths = (sizes.unsqueeze(1) > core.arange(batch)).sum(0)
    rows, _ = _rows(lengths, steps, batch, batch_first)
    shape = (batch, steps) if batch_first else (steps, batch)
    padded = core.full((steps * batch, *data.shape[1:]), padding_value, dtype=data.dtype)
    padded = padded.index_copy(0, rows, data).reshape(*shape, *data.shape[1:])
    if sequence.unsorted_indices is None:
        return padded, lengths
    order = sequence.unsorted_indices
    return padded.index_select(int(not batch_first), order), lengths[order]


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Stack sequences of different lengths, padding the shorter ones.

    Args:
        sequences (list of Tensor): (length, ...) each.
        batch_first (bool): Default: False.
        padding_value (float): Default: 0.
        padding_side (str): "right" or "left". Default: "right".

    Returns:
        Tensor: (steps, batch, ...), or with `batch_first` (batch, steps, ...), of the first sequence's dtype.

    Raises:
        RuntimeError: no sequences, sequences whose other sizes differ, or an unknown side.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.rnn.pad_sequence([rl.tensor([1, 2]), rl.tensor([4])], batch_first=True)
        tensor([[1, 2],
                [4, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: sequences is a {type(sequences).__name__}; expected an iterable of tensors")
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: sequences is empty; expected at least one Tensor")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side={padding_side!r}; expected 'left' or 'right'")
    for at, sequence in enumerate(sequences):
        _check_tensor("pad_sequence", f"sequences[{at}]", sequence)
    rest = tuple(sequences[0].shape[1:])
    for at, sequence in enumerate(sequences):
        if sequence.dim() == 0 or tuple(sequence.shape[1:]) != rest:
            raise RuntimeError(f"pad_sequence: sequence {at} has shape {tuple(sequence.shape)}; expected "
                               f"{('length', *rest)}, as the first".replace("'", ""))
    steps = max(len(sequence) for sequence in sequences)
    padded = []
    for sequence in (sequence.to(sequences[0].dtype) for sequence in sequences):
        missing = core.full((steps - len(sequence), *rest), padding_value, dtype=sequence.dtype)
        padded.append(core.cat([sequence, missing] if padding_side == "right" else [missing, sequence]))
    return core.stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The sequences that `pad_sequence` padded.

    Args:
        padded_sequences (Tensor): (steps, batch, ...), or with `batch_first` (batch, steps, ...).
        lengths (Tensor): of each sequence.
        batch_first (bool): Default: False.

    Returns:
        list: one Tensor for each sequence.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.rnn.unpad_sequence(rl.tensor([[1, 2], [4, 0]]), rl.tensor([2, 1]), batch_first=True)
        [tensor([1, 2]), tensor([4])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [sequence[:max(0, int(length))] for sequence, length in zip(padded_sequences, lengths, strict=True)]


def pack_sequence(sequences, enforce_sorted=True):
    """Pack sequences of different lengths.

    Args:
        sequences (list of Tensor): (length, ...) each.
        enforce_sorted (bool): the longest stands first, and so on; otherwise they are sorted. Default: True.

    Returns:
        PackedSequence

    Raises:
        RuntimeError: sequences that are empty, differ in other sizes, or are not in order.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.rnn.pack_sequence([rl.tensor([1, 2]), rl.tensor([4])]).batch_sizes
        tensor([2, 1])
    """
    sequences = list(sequences)
    padded = pad_sequence(sequences)
    lengths = [len(sequence) for sequence in sequences]
    return pack_padded_sequence(padded, lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The sequences that `pack_sequence` packed.

    Args:
        packed_sequences (PackedSequence): see `pad_packed_sequence`.

    Returns:
        list: one Tensor for each sequence.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.rnn.unpack_sequence(rl.nn.utils.rnn.pack_sequence([rl.tensor([1, 2]), rl.tensor([4])]))
        [tensor([1, 2]), tensor([4])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
