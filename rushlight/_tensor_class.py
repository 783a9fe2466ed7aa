"""What Tensor has of Python: composites as methods, printing, copying, pickling, iteration, the older type names."""
from importlib import import_module

from rushlight import _C, _formats, _outside, _printing, _tensor_pickle
from rushlight._C import Generator, Tensor
from rushlight.functional._composite import in_namespace
from rushlight.functional.complex_numbers import PROPERTIES


def _repr(self):
    return _printing.tensor_repr(self, _C.get_default_dtype())


def _reversed(self):
    return self if self.dim() == 0 else self.flip(0)


def _array_wrap(self, array, context=None, return_scalar=False):
    """What NumPy's functions of a tensor return: a tensor over the array's memory."""
    return _C.from_numpy(array)


def _to_device(self, device, /, *, stream=None):
    """The tensor on another device, as the Array API standard calls it.

    Args:
        device (device | str): where to.
        stream: None, as the CPU has none.

    Raises:
        ValueError: a stream is given.

    Example:
        >>> import rushlight as rl
        >>> rl.ones(2).to_device("cpu")
        tensor([1., 1.])
    """
    if stream is not None:
        raise ValueError(f"to_device: stream={stream!r}; expected None for the CPU")
    return self.to(device)


def _complex(self):
    return complex(self.item())


def _storage(self):
    """The memory that the tensor views, as a sequence of elements of its dtype."""
    return import_module("rushlight.storage").TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype)


def legacy_type(name, dtype):
    """A stand-in for an older tensor type: `FloatTensor(2, 3)`, `isinstance(x, FloatTensor)`."""

    class Meta(type):
        def __instancecheck__(cls, instance):
            return isinstance(instance, Tensor) and instance.dtype is dtype

    def make(cls, *args):
        if len(args) == 1 and not isinstance(args[0], int):
            return _C.tensor(args[0], dtype=dtype)
        return _C.empty(args or (0,), dtype=dtype)

    return Meta(name, (), {"__new__": make, "dtype": dtype, "__doc__": f"Tensors of dtype {dtype}; the older name."})


for _name, _method in in_namespace("Tensor").items():
    setattr(Tensor, _name, _method)
for _name, _property in PROPERTIES.items():
    setattr(Tensor, _name, _property)
for _name, _method in _outside.METHODS.items():
    setattr(Tensor, _name, _method)
for _name in "is_sparse_csr is_nested is_mkldnn is_xla is_xpu is_ipu is_maia is_mtia is_vulkan volatile".split():
    setattr(Tensor, _name, property(lambda self: False, doc="False: tensors are strided and on the CPU."))
Tensor.layout = property(lambda self: _formats.strided, doc="How the elements are stored: `strided`.")
Tensor.name = property(lambda self: None, doc="None: tensors have no names.")
Tensor.storage = Tensor._typed_storage = _storage
Tensor._repr = _repr
Tensor.__format__ = _printing.tensor_format
Tensor.__reversed__ = _reversed
Tensor.__rdiv__ = Tensor.__rtruediv__  # Python 2's name, which PyTorch keeps
Tensor.__complex__ = _complex
Tensor.to_device = _to_device
Tensor.__array_priority__ = 1000
Tensor.__array_wrap__ = _array_wrap
Tensor.__copy__ = _tensor_pickle.tensor_copy
Tensor.__deepcopy__ = _tensor_pickle.tensor_deepcopy
Tensor.__reduce_ex__ = _tensor_pickle.tensor_reduce_ex
Generator.__reduce__ = _tensor_pickle.generator_reduce
Generator.__deepcopy__ = _tensor_pickle.generator_deepcopy
