"""What reading and writing files need of tensors, in one place."""

from rushlight import _C
from rushlight._C import Size, Tensor, UntypedStorage, device, dtype  # noqa: F401
from rushlight.nn import Parameter  # noqa: F401

DTYPES = {str(value).rpartition(".")[2]: value for value in _C.files.dtype_names}

# The storage classes by which PyTorch's files name dtypes; the others stand beside storages of plain bytes.
STORAGE_NAMES = {
    "bool": "BoolStorage",
    "uint8": "ByteStorage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}


def dtype_name(value):
    """The name of a dtype without the package."""
    return str(value).rpartition(".")[2]


def storage_itemsize(value):
    """The bytes of what a file counts in a storage that holds this dtype."""
    return value.itemsize if dtype_name(value) in STORAGE_NAMES else 1


def storage_of(tensor):
    """(a key that all views of the storage share, its bytes)"""
    storage = tensor.untyped_storage()
    return storage._key(), memoryview(storage)


def new_memory(count):
    """(storage of `count` bytes that hold nothing yet, a writable view of them)"""
    storage = _C.empty((count,), dtype=_C.uint8).untyped_storage()
    return storage, memoryview(storage)


def memory_over(buffer):
    """A storage that shares the memory of a buffer."""
    return _C.frombuffer(buffer, dtype=_C.uint8).untyped_storage() if len(buffer) else UntypedStorage(0)


def tensor_over(storage, kind, offset, size, stride):
    """A tensor over a storage; RuntimeError where it would reach outside."""
    return _C._tensor_over(storage, kind, offset, size, stride)
