"""Storages: the memory that tensors view, as bytes (`UntypedStorage`) or as elements of one dtype (`TypedStorage`)."""
from rushlight import _C
from rushlight._C import UntypedStorage  # noqa: F401

_NAMES = {
    "FloatStorage": _C.float32, "DoubleStorage": _C.float64, "HalfStorage": _C.float16, "BFloat16Storage": _C.bfloat16,
    "LongStorage": _C.int64, "IntStorage": _C.int32, "ShortStorage": _C.int16, "CharStorage": _C.int8,
    "ByteStorage": _C.uint8, "BoolStorage": _C.bool, "ComplexFloatStorage": _C.complex64,
    "ComplexDoubleStorage": _C.complex128,
}


class TypedStorage:
    """The memory of tensors as a sequence of elements of one dtype.

    Args:
        args (int or sequence, optional): how many elements, or the elements.
        wrap_storage (UntypedStorage, optional): the bytes to look at, instead.
        dtype (dtype, optional): Default: the default dtype.

    Example:
        >>> import rushlight as rl
        >>> rl.tensor([1, 2]).storage().tolist()
        [1, 2]
    """

    dtype = None

    def __init__(self, *args, wrap_storage=None, dtype=None, device=None):
        dtype = dtype or type(self).dtype or _C.get_default_dtype()
        if wrap_storage is None:
            data = args[0] if args else 0
            flat = _C.zeros(data, dtype=dtype) if isinstance(data, int) else _C.tensor(list(data), dtype=dtype)
            wrap_storage = flat.untyped_storage()
        self.dtype, self._bytes = dtype, wrap_storage

    def _flat(self):
        count = self._bytes.nbytes() // self.dtype.itemsize
        return _C._tensor_over(self._bytes, self.dtype, 0, (count,), (1,))

    def untyped(self):
        """The storage as bytes."""
        return self._bytes

    def size(self):
        """How many elements there are."""
        return self._bytes.nbytes() // self.dtype.itemsize

    __len__ = size

    def nbytes(self):
        """How many bytes there are."""
        return self._bytes.nbytes()

    def element_size(self):
        """Bytes per element."""
        return self.dtype.itemsize

    def data_ptr(self):
        """The address of the first byte."""
        return self._bytes.data_ptr()

    @property
    def device(self):
        """The CPU."""
        return _C.device("cpu")

    def tolist(self):
        """The elements as Python numbers."""
        return self._flat().tolist()

    def __iter__(self):
        return iter(self.tolist())

    def __getitem__(self, index):
        found = self._flat()[index]
        return found.tolist() if isinstance(index, slice) else found.item()

    def __setitem__(self, index, value):
        self._flat()[index] = value

    def fill_(self, value):
        """Sets every element; returns the storage."""
        self._flat().fill_(value)
        return self

    def copy_(self, source):
        """Copies the elements of another storage; returns this one."""
        self._flat().copy_(source._flat())
        return self

    def clone(self):
        """A storage with a copy of the elements."""
        return TypedStorage(wrap_storage=self._flat().clone().untyped_storage(), dtype=self.dtype)

    def is_shared(self):
        """False: storages are sent to other processes by value."""
        return False

    def __repr__(self):
        name = next(name for name, dtype in _NAMES.items() if dtype is self.dtype)
        return "\n".join([*(f" {x}" for x in self.tolist()), f"[rushlight.storage.{name} of size {len(self)}]"])


for _name, _dtype in _NAMES.items():
    globals()[_name] = type(_name, (TypedStorage,), {
        "dtype": _dtype, "__module__": __name__, "__doc__": f"A `TypedStorage` of {_dtype}; the older name."})
