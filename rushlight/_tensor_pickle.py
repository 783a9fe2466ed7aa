"""Copying and pickling of tensors and generators: what `copy` and `pickle` find as their special methods.

`save` and `load` do not come here: their files hold data only (rushlight/io). A pickle made here is for a
program that trusts itself, such as a loader's worker sending a batch to its parent.
"""

from rushlight import _C


def _buffer(data):
    from pickle import PickleBuffer  # loaded by whoever pickles, not by every program
    return PickleBuffer(data)


def tensor_reduce_ex(tensor, protocol):
    """`Tensor.__reduce_ex__`: the bytes that the tensor spans, its layout and its attributes.

    Views pickled together do not share memory afterwards, as in PyTorch.
    """
    size, stride = tuple(tensor.shape), tensor.stride()
    itemsize = tensor.dtype.itemsize
    span = 0 if 0 in size else 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    start = tensor.storage_offset() * itemsize
    data = memoryview(tensor.untyped_storage())[start : start + span * itemsize]
    data = _buffer(data) if protocol >= 5 else bytes(data)
    arguments = (type(tensor), data, tensor.dtype, size, stride, tensor.requires_grad)
    return (rebuild_tensor, arguments, tensor.__dict__) if tensor.__dict__ else (rebuild_tensor, arguments)


def rebuild_tensor(kind, data, dtype, size, stride, requires_grad):
    """The tensor that `tensor_reduce_ex` took apart."""
    view = memoryview(data)
    if not len(view):
        storage = _C.UntypedStorage(0)
    elif view.readonly:
        storage = _storage_of(view)
    else:
        storage = _C.frombuffer(data, dtype=_C.uint8).untyped_storage()
    return _over(storage, kind, dtype, 0, size, stride, requires_grad)


def tensor_copy(tensor):
    """`Tensor.__copy__`: another tensor over the same memory, with the same attributes."""
    made = _over(
        tensor.untyped_storage(),
        type(tensor),
        tensor.dtype,
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
        tensor.requires_grad,
    )
    if tensor.__dict__:
        made.__dict__.update(tensor.__dict__)
    return made


def tensor_deepcopy(tensor, memo):
    """`Tensor.__deepcopy__`: a leaf over a copy of the memory, which tensors copied in the same call share as before.

    Raises:
        RuntimeError: the tensor is the result of a recorded operation.
    """
    if id(tensor) in memo:
        return memo[id(tensor)]
    if not tensor.is_leaf:
        raise RuntimeError(
            "deepcopy: the tensor is the result of a recorded operation; expected a leaf, such as "
            "tensor.detach()"
        )
    storage = tensor.untyped_storage()
    key = ("rushlight storage", storage._key())
    if key not in memo:
        memo[key] = _storage_of(memoryview(storage))
    made = _over(
        memo[key],
        type(tensor),
        tensor.dtype,
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
        tensor.requires_grad,
    )
    memo[id(tensor)] = made
    if tensor.grad is not None:
        made.grad = tensor_deepcopy(tensor.grad, memo)
    if tensor.__dict__:
        from copy import deepcopy

        made.__dict__.update(deepcopy(tensor.__dict__, memo))
    return made


def _storage_of(view):
    """New memory with the bytes of `view`."""
    storage = _C.empty((len(view),), dtype=_C.uint8).untyped_storage()
    memoryview(storage)[:] = view
    return storage


def _over(storage, kind, dtype, offset, size, stride, requires_grad):
    made = _C._tensor_over(storage, dtype, offset, size, stride)
    if kind is not _C.Tensor:
        made = _C.Tensor.__new__(kind, made)
    if requires_grad or made.requires_grad:
        made.requires_grad = requires_grad
    return made


def generator_reduce(generator):
    """`Generator.__reduce__`: its state."""
    return rebuild_generator, (bytes(memoryview(generator.get_state().untyped_storage())),)


def rebuild_generator(state):
    """The generator that `generator_reduce` took apart."""
    made = _C.Generator()
    made.set_state(_C.frombuffer(bytearray(state), dtype=_C.uint8))
    return made


def generator_deepcopy(generator, memo):
    """`Generator.__deepcopy__`: a generator with the same state."""
    return generator.clone_state()
