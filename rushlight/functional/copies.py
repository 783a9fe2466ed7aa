"""Copies of views: each function takes what the view of its name takes, and returns memory of its own."""
from rushlight import _C
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core

_slice = _C.operator("slice")


def _slice_of(input, dim=0, start=None, end=None, step=1):
    return _slice(input, dim, start, end, step)


# The view, how an example calls its copy, and what that gives.
_VIEWS = {
    "alias": (lambda input: input.view_as(input), "rl.tensor([1, 2])", "tensor([1, 2])"),
    "as_strided": (core.as_strided, "rl.tensor([1, 2, 3]), (2,), (2,)", "tensor([1, 3])"),
    "detach": (core.detach, "rl.tensor([1, 2])", "tensor([1, 2])"),
    "diagonal": (core.diagonal, "rl.tensor([[1, 2], [3, 4]])", "tensor([1, 4])"),
    "expand": (Tensor.expand, "rl.tensor([1]), (2,)", "tensor([1, 1])"),
    "narrow": (core.narrow, "rl.tensor([1, 2, 3]), 0, 1, 2", "tensor([2, 3])"),
    "permute": (core.permute, "rl.tensor([[1, 2]]), (1, 0)", "tensor([[1],\n                [2]])"),
    "select": (core.select, "rl.tensor([1, 2]), 0, 1", "tensor(2)"),
    "slice": (_slice_of, "rl.tensor([1, 2, 3]), 0, 1", "tensor([2, 3])"),
    "split": (core.split, "rl.tensor([1, 2]), 1", "(tensor([1]), tensor([2]))"),
    "split_with_sizes": (core.split_with_sizes, "rl.tensor([1, 2]), (1, 1)", "(tensor([1]), tensor([2]))"),
    "squeeze": (core.squeeze, "rl.tensor([[1, 2]])", "tensor([1, 2])"),
    "t": (core.t, "rl.tensor([1, 2])", "tensor([1, 2])"),
    "transpose": (core.transpose, "rl.tensor([[1, 2]]), 0, 1", "tensor([[1],\n                [2]])"),
    "unbind": (core.unbind, "rl.tensor([1, 2])", "(tensor(1), tensor(2))"),
    "unfold": (Tensor.unfold, "rl.tensor([1, 2, 3]), 0, 2, 1", "tensor([[1, 2],\n                [2, 3]])"),
    "unsqueeze": (core.unsqueeze, "rl.tensor([1, 2]), 0", "tensor([[1, 2]])"),
    "view": (Tensor.view, "rl.tensor([1, 2]), (2, 1)", "tensor([[1],\n                [2]])"),
    "view_as_complex": (core.view_as_complex, "rl.tensor([1.0, 2.0])", "tensor(1.+2.j)"),
    "view_as_real": (core.view_as_real, "rl.tensor(1 + 2j)", "tensor([1., 2.])"),
}


def _own(view):
    return view.clone() if view.is_contiguous() else view.contiguous()


def _copy_of(name, view, arguments, shown):
    def copied(input, *args, **named):
        result = view(input, *args, **named)
        return tuple(_own(t) for t in result) if isinstance(result, tuple) else _own(result)

    copied.__name__ = copied.__qualname__ = f"{name}_copy"
    copied.__doc__ = f"""What `{name}` gives, in memory of its own.

    Args:
        input (Tensor): any dtype.
        args, named: as `{name}` takes them.

    Raises:
        RuntimeError: as `{name}` does.

    Example:
        >>> import rushlight as rl
        >>> rl.{name}_copy({arguments})
        {shown}
    """
    method = " Tensor.narrow_copy" if name == "narrow" else ""
    return composite(f"{name}_copy{method} out")(copied)


for _name, _about in _VIEWS.items():
    globals()[f"{_name}_copy"] = _copy_of(_name, *_about)


@composite("as_strided_scatter Tensor.as_strided_scatter out")
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of the input whose elements at these strides are those of `src`.

    Args:
        input (Tensor): any dtype.
        src (Tensor): of shape `size`.
        size, stride (tuple of int): as in `as_strided`.
        storage_offset (int, optional): Default: the input's.

    Raises:
        RuntimeError: src does not have this size, or the view would reach beyond the storage.

    Example:
        >>> import rushlight as rl
        >>> rl.as_strided_scatter(rl.zeros(4), rl.ones(2), (2,), (2,))
        tensor([1., 0., 1., 0.])
    """
    if tuple(src.shape) != tuple(size):
        raise RuntimeError(f"as_strided_scatter: src has shape {tuple(src.shape)}; expected size={tuple(size)}")
    result = core.empty_strided(input.shape, input.stride(), dtype=input.dtype).copy_(input)
    result.as_strided(size, stride, 0 if storage_offset is None else storage_offset).copy_(src)
    return result
