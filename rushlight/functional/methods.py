"""Methods of tensors that are written in Python: calls of a function for each element, factories beside a tensor, the
other memory, questions about where a tensor lies.
"""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core


def _each(name, function, self, *others):
    if self.requires_grad:
        raise RuntimeError(f"{name}: the tensor requires grad; expected one that does not")
    for other in others:
        if other.dtype != self.dtype:
            raise TypeError(f"{name}: an argument has dtype {other.dtype}; expected {self.dtype}, the tensor's")
    flat = [t.expand(self.shape).reshape(-1).tolist() for t in (self, *others)]
    values = [function(*one) for one in zip(*flat, strict=True)]
    return self.copy_(core.tensor(values, dtype=self.dtype).reshape(self.shape))


@composite("Tensor.apply_")
def apply_(self, callable):
    """Replaces each element by what a Python function gives for it. Slow: for small tensors.

    Args:
        callable (callable): takes a number, returns a number.

    Raises:
        RuntimeError: the tensor requires grad.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1, 2]).apply_(lambda x: x * 10)
        tensor([10, 20])
    """
    return _each("apply_", callable, self)


@composite("Tensor.map_")
def map_(self, tensor, callable):
    """Replaces each element by what a Python function gives for it and the other tensor's. Slow.

    Args:
        tensor (Tensor): of the same dtype; broadcast.
        callable (callable): takes two numbers, returns a number.

    Raises:
        RuntimeError: the tensor requires grad.
        TypeError: the dtypes differ.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1, 2]).map_(rl.tensor([3, 4]), lambda x, y: x * y)
        tensor([3, 8])
    """
    return _each("map_", callable, self, tensor)


@composite("Tensor.map2_")
def map2_(self, x, y, callable):
    """Replaces each element by what a Python function gives for it and those of two tensors. Slow.

    Args:
        x, y (Tensor): of the same dtype; broadcast.
        callable (callable): takes three numbers, returns a number.

    Raises:
        RuntimeError: the tensor requires grad.
        TypeError: the dtypes differ.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1]).map2_(rl.tensor([2]), rl.tensor([3]), lambda a, b, c: a + b * c)
        tensor([7])
    """
    return _each("map2_", callable, self, x, y)


@composite("adjoint Tensor.adjoint")
def adjoint(input):
    """The view with the last two dimensions exchanged; of complex numbers, their conjugates.

    Args:
        input (Tensor): at least two dimensions.

    Raises:
        RuntimeError: there are fewer.

    Example:
        >>> import rushlight as rl
        >>> rl.adjoint(rl.tensor([[1, 2]]))
        tensor([[1],
                [2]])
    """
    turned = input.mT
    return core.conj(turned) if input.dtype.is_complex else turned


@composite("Tensor.new_empty_strided")
def new_empty_strided(input, size, stride, dtype=None, layout=None, device=None, pin_memory=False,
                      requires_grad=False):
    """A tensor of the input's dtype with these sizes and strides, and whatever its memory holds.

    Args:
        size, stride (tuple of int): in elements.
        dtype (dtype, optional): instead of the input's.
        requires_grad (bool): Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1, dtype=rl.int64).new_empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    dtype = input.dtype if dtype is None else dtype
    return core.empty_strided(size, stride, dtype=dtype, device=device, requires_grad=requires_grad)


@composite("Tensor.new")
def new(input, *args):
    """A tensor of the input's dtype: empty with sizes, or with the data of a list or tensor. The older way.

    Args:
        args: sizes, or one list, tuple or tensor.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1, dtype=rl.int64).new([1, 2])
        tensor([1, 2])
    """
    if len(args) == 1 and isinstance(args[0], core.Size):
        return core.empty(args[0], dtype=input.dtype)
    if len(args) == 1 and not isinstance(args[0], int):
        return core.tensor(args[0], dtype=input.dtype)
    return core.empty(args or (0,), dtype=input.dtype)


@composite("empty_permuted")
def empty_permuted(size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False,
                   pin_memory=False):
    """A dense tensor whose dimensions lie in memory in the given order, outermost first.

    Args:
        size (tuple of int): the sizes.
        physical_layout (tuple of int): the dimensions in the order of their strides.
        dtype (dtype, optional): Default: the default dtype.
        requires_grad (bool): Default: False.

    Raises:
        RuntimeError: physical_layout is no order of the dimensions.

    Example:
        >>> import rushlight as rl
        >>> rl.empty_permuted((2, 3), (1, 0)).stride()
        (1, 2)
    """
    size, order = tuple(size), tuple(physical_layout)
    if len(order) != len(size):
        raise RuntimeError(f"empty_permuted: physical_layout={order}; expected {len(size)} dimensions, as size={size}")
    if sorted(order) != list(range(len(size))):
        raise RuntimeError(f"empty_permuted: physical_layout={order}; expected each of the dimensions "
                           f"0 to {len(size) - 1} once")
    stride, step = [0] * len(size), 1
    for d in reversed(order):
        stride[d] = step
        step *= max(size[d], 1)
    return core.empty_strided(size, stride, dtype=dtype, device=device, requires_grad=requires_grad)


@composite("asarray")
def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """A tensor of `obj`: the memory of a tensor, array, DLPack object or buffer is shared where it can be.

    Args:
        obj: a tensor, an array, anything with `__dlpack__`, a buffer, a number or nested lists of them.
        dtype (dtype, optional): Default: that of the data.
        copy (bool, optional): True copies always; False raises where a copy would be needed. Default: None.
        requires_grad (bool): Default: False.

    Raises:
        ValueError: copy is False and the memory can't be shared.

    Example:
        >>> import rushlight as rl
        >>> rl.asarray([1, 2])
        tensor([1, 2])
    """
    shares = True
    if isinstance(obj, Tensor):
        result = obj
    elif hasattr(obj, "__array_interface__") or hasattr(obj, "__dlpack__"):
        result = core.as_tensor(obj) if hasattr(obj, "__array_interface__") else core.from_dlpack(obj)
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        result = core.frombuffer(obj, dtype=core.get_default_dtype() if dtype is None else dtype)
    else:
        shares = False
        result = core.tensor(obj, dtype=dtype)
    changed = dtype is not None and result.dtype != dtype
    if copy is False and (changed or not shares):
        raise ValueError("asarray: copy=False, but this object can't share its memory; expected copy=None or True")
    source = result
    if changed:
        result = result.to(dtype)
    elif copy and shares:
        result = result.clone()
    if isinstance(obj, Tensor) and result is source and result.requires_grad == requires_grad:
        return result
    result = result.detach() if not requires_grad or not result.requires_grad else result
    return result.requires_grad_() if requires_grad else result


@composite("range out")
def inclusive_range(start=0, end=None, step=1, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The numbers from start to end, `end` included: the older `arange`.

    Args:
        start (number): the first. Default: 0.
        end (number): the last, where step reaches it.
        step (number): Default: 1.
        dtype (dtype, optional): Default: the default dtype.

    Raises:
        RuntimeError: the step does not lead from start to end.

    Example:
        >>> import rushlight as rl
        >>> rl.range(1, 3)
        tensor([1., 2., 3.])
    """
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError(f"range: start={start}, end={end}, step={step}; expected a step from start towards end")
    count = int((end - start) / step) + 1
    dtype = core.get_default_dtype() if dtype is None else dtype
    wide = core.int64 if all(isinstance(x, int) for x in (start, end, step)) else core.float64
    result = (core.arange(count, dtype=wide) * step + start).to(dtype)
    return result.requires_grad_() if requires_grad else result


@composite("is_same_size Tensor.is_same_size")
def is_same_size(input, other):
    """Have both tensors the same shape?

    Example:
        >>> import rushlight as rl
        >>> rl.is_same_size(rl.ones(2), rl.zeros(2))
        True
    """
    return input.shape == other.shape


@composite("Tensor.is_set_to")
def is_set_to(self, tensor):
    """Is this tensor the same memory in the same arrangement as `tensor`?

    Example:
        >>> import rushlight as rl
        >>> x = rl.ones(2)
        >>> x.is_set_to(x.detach())
        True
    """
    return (self.data_ptr() == tensor.data_ptr() and self.shape == tensor.shape and self.stride() == tensor.stride()
            and self.storage_offset() == tensor.storage_offset())


@composite("get_device Tensor.get_device")
def get_device(input):
    """The number of the tensor's device; -1: the CPU.

    Example:
        >>> import rushlight as rl
        >>> rl.get_device(rl.ones(1))
        -1
    """
    return -1


@composite("Tensor.dim_order")
def dim_order(self, *, ambiguity_check=False):
    """The dimensions in the order in which they lie in memory, outermost first.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(2, 3).t().dim_order()
        (1, 0)
    """
    stride = self.stride()
    return tuple(sorted(range(self.dim()), key=lambda d: -stride[d]))


@composite("Tensor.is_shared")
def is_shared(self):
    """Is the memory shared with other processes? False: tensors are sent by value.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1).is_shared()
        False
    """
    return False


@composite("Tensor.is_pinned")
def is_pinned(self, device=None):
    """Is the memory page-locked for a device? False: there is none.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1).is_pinned()
        False
    """
    return False


@composite("Tensor.pin_memory")
def pin_memory(self, device=None):
    """Refuses: page-locked memory serves a device, and there is none.

    Raises:
        RuntimeError: always.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1).pin_memory()
        Traceback (most recent call last):
        RuntimeError: pin_memory: there is no device to pin memory for
    """
    raise RuntimeError("pin_memory: there is no device to pin memory for")


@composite("is_signed")
def is_signed(input):
    """Can the dtype hold negative numbers?

    Example:
        >>> import rushlight as rl
        >>> rl.is_signed(rl.ones(1, dtype=rl.uint8))
        False
    """
    return input.is_signed()


@composite("is_inference")
def is_inference(input):
    """Was the tensor made in inference mode?

    Example:
        >>> import rushlight as rl
        >>> rl.is_inference(rl.ones(1))
        False
    """
    return input.is_inference()


@composite("Tensor.is_nonzero")
def is_nonzero_method(self):
    """Is the one element not zero?

    Raises:
        RuntimeError: there is more or less than one element.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor(3).is_nonzero()
        True
    """
    return bool(self)


@composite("Tensor.fill_diagonal_")
def fill_diagonal_(self, fill_value, wrap=False):
    """Fills the diagonal of a matrix, or of a cube of any dimension, in place.

    Args:
        fill_value (number): what to write.
        wrap (bool): in a tall matrix, begin a new diagonal below the end of the one before. Default: False.

    Raises:
        RuntimeError: there are fewer than 2 dimensions, or more of different sizes.

    Example:
        >>> import rushlight as rl
        >>> rl.zeros(2, 2).fill_diagonal_(5)
        tensor([[5., 0.],
                [0., 5.]])
    """
    shape = tuple(self.shape)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise RuntimeError(f"fill_diagonal_: the tensor has shape {shape}; expected a matrix, or equal sizes")
    step, count = sum(self.stride()), min(shape)
    self.as_strided((count,), (step,)).fill_(fill_value)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        first = shape[1] + 1
        for start in range(first, shape[0], first):
            self.narrow(0, start, shape[0] - start).diagonal().fill_(fill_value)
    return self


@composite("Tensor.set_")
def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Makes the tensor look at other memory: another tensor's, or a storage's with sizes and strides.

    Args:
        source (Tensor or storage, optional): Default: None, no memory.
        storage_offset (int), size, stride (tuple of int): the view, in elements. Default: a tensor as it is,
            a storage as a vector.

    Raises:
        RuntimeError: the dtypes differ, or the view would reach beyond the storage.

    Example:
        >>> import rushlight as rl
        >>> x, y = rl.zeros(1), rl.ones(2, 3)
        >>> x.set_(y).shape
        rushlight.Size([2, 3])
    """
    if source is None:
        source = core.empty(0, dtype=self.dtype)
    elif not isinstance(source, Tensor):
        flat = source.untyped() if hasattr(source, "untyped") else source
        count = flat.nbytes() // self.dtype.itemsize
        source = core._tensor_over(flat, self.dtype, 0, (count,), (1,))
        size = (count,) if size is None else size
    if source.dtype != self.dtype:
        raise RuntimeError(f"set_: source has dtype {source.dtype}; expected {self.dtype}, the tensor's")
    if size is not None:
        size = (size,) if isinstance(size, int) else tuple(size)
        if stride is None:
            stride, step = [], 1
            for n in reversed(size):
                stride.insert(0, step)
                step *= max(n, 1)
        source = source.detach().as_strided(size, stride, storage_offset)
    self.data = source.detach()
    return self


@composite("as_strided_ Tensor.as_strided_")
def as_strided_(input, size, stride, storage_offset=None):
    """Makes the tensor itself the view that `as_strided` gives.

    Args:
        size, stride (tuple of int), storage_offset (int, optional): as in `as_strided`.

    Raises:
        RuntimeError: the tensor requires grad, or the view would reach beyond the storage.

    Example:
        >>> import rushlight as rl
        >>> rl.arange(4).as_strided_((2,), (2,))
        tensor([0, 2])
    """
    if input.requires_grad:
        raise RuntimeError("as_strided_: the tensor requires grad; expected one that does not, or as_strided()")
    input.data = input.detach().as_strided(size, stride, storage_offset)
    return input


@composite("Tensor.to_dense")
def to_dense(self, dtype=None, *, masked_grad=None):
    """The tensor itself, or converted: every tensor is dense.

    Args:
        dtype (dtype, optional): convert to this.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1).to_dense()
        tensor([1.])
    """
    return self if dtype is None else self.to(dtype)


@composite("Tensor.sparse_dim")
def sparse_dim(self):
    """How many dimensions are sparse: 0.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1).sparse_dim()
        0
    """
    return 0


@composite("Tensor.dense_dim")
def dense_dim(self):
    """How many dimensions are dense: all.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(1).dense_dim()
        1
    """
    return self.dim()


@composite("is_distributed Tensor.is_distributed")
def is_distributed(input):
    """Does the tensor lie on several machines? No.

    Example:
        >>> import rushlight as rl
        >>> rl.is_distributed(rl.ones(1))
        False
    """
    return False


@composite("Tensor.const_data_ptr")
def const_data_ptr(self):
    """The address of the first element; the same as data_ptr().

    Example:
        >>> import rushlight as rl
        >>> x = rl.ones(1)
        >>> x.const_data_ptr() == x.data_ptr()
        True
    """
    return self.data_ptr()
