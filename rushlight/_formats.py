"""The kinds of layout and memory format: words that programs compare and pass on."""


class layout(str):
    """How the elements of a tensor are stored; every tensor is `strided`.

    Example:
        >>> import rushlight as rl
        >>> isinstance(rl.strided, rl.layout)
        True
    """

    __slots__ = ()

    def __repr__(self):
        return "rushlight." + str.__str__(self)

    __str__ = __repr__


class memory_format(str):
    """In which order the dimensions of a tensor lie in memory.

    Example:
        >>> import rushlight as rl
        >>> isinstance(rl.channels_last, rl.memory_format)
        True
    """

    __slots__ = ()

    def __repr__(self):
        return "rushlight." + str.__str__(self)

    __str__ = __repr__


class qscheme(str):
    """How numbers become integers: with one scale or one for each channel, and whether the range is symmetric about 0.

    Example:
        >>> import rushlight as rl
        >>> isinstance(rl.per_tensor_affine, rl.qscheme)
        True
    """

    __slots__ = ()

    def __repr__(self):
        return "rushlight." + str.__str__(self)

    __str__ = __repr__


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
per_tensor_affine = qscheme("per_tensor_affine")
per_tensor_symmetric = qscheme("per_tensor_symmetric")
per_channel_affine = qscheme("per_channel_affine")
per_channel_symmetric = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams = qscheme("per_channel_affine_float_qparams")
