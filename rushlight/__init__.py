"""Rushlight: a deep-learning framework with PyTorch's vocabulary. Reading this file is reading the public names.

Operators and composites name themselves (`rushlight._C.operators()`, `rushlight.functional`); the rest stands here.
Rooms that a program may not need are loaded at first use.
"""
from rushlight import _C
from rushlight._C import (  # noqa: F401
    Generator, Size, Tensor, UntypedStorage, as_tensor, bfloat16, complex64, complex128, default_generator,
    device, dtype, float16, float32, float64, from_dlpack, from_numpy, frombuffer, get_default_dtype,
    get_num_threads, int8, int16, int32, int64, is_grad_enabled, is_inference_mode_enabled, set_num_threads,
    tensor, uint8, uint16, uint32, uint64,
)
from rushlight._dtype_info import finfo, iinfo  # noqa: F401
from rushlight._formats import (  # noqa: F401
    channels_last, channels_last_3d, contiguous_format, layout, memory_format, per_channel_affine,
    per_channel_affine_float_qparams, per_channel_symmetric, per_tensor_affine, per_tensor_symmetric, preserve_format,
    qscheme, strided,
)

for _name in _C._public:
    globals()[_name] = getattr(_C, _name)

from rushlight import functional  # noqa: E402
from rushlight import _tensor_class  # noqa: E402, F401  gives Tensor its Python methods
from rushlight import autograd  # noqa: E402
from rushlight.autograd import (  # noqa: E402, F401
    enable_grad, inference_mode, is_anomaly_check_nan_enabled, is_anomaly_enabled, no_grad, set_grad_enabled,
)
from rushlight.functional._composite import in_namespace as _in_namespace  # noqa: E402
from rushlight.random import (  # noqa: E402, F401
    get_rng_state, initial_seed, manual_seed, seed, set_rng_state, thread_safe_generator,
)

globals().update(_in_namespace(""))

__version__ = _C.version

bool = _C.bool
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128
inf, nan, pi, e = 1e999, 1e999 - 1e999, 3.141592653589793, 2.718281828459045
newaxis = None


def set_default_dtype(d):
    """Sets the dtype of new floating tensors.

    Args:
        d (dtype): a floating dtype.

    Raises:
        TypeError: the dtype is not floating.

    Example:
        >>> import rushlight as rl
        >>> rl.set_default_dtype(rl.float32)
    """
    _C.set_default_dtype(d)


#: Loaded when first named.
_LAZY = {"nn": "nn", "optim": "optim", "utils": "utils", "io": "io", "testing": "testing", "cuda": "cuda",
         "backends": "backends", "accelerator": "accelerator", "linalg": "linalg", "special": "special", "amp": "amp",
         "cpu": "cpu", "storage": "storage", "return_types": "return_types",
         "fft": "fft", "signal": "signal", "distributions": "distributions", "func": "func", "masked": "masked",
         "array_api": "array_api", "profiler": "profiler", "version": "version", "jit": "jit", "graph": "graph",
         "quantization": "quantization", "ao": "ao"}
_LAZY_NAMES = {name: room for room, names in {
    "io": "save load", "_printing": "set_printoptions get_printoptions", "func": "vmap",
    "jit": "compile",
    "_settings":
        "AcceleratorError OutOfMemoryError SymBool SymFloat SymInt are_deterministic_algorithms_enabled "
        "compiled_with_cxx11_abi get_default_device get_deterministic_debug_mode get_float32_matmul_precision "
        "get_num_interop_threads is_deterministic_algorithms_warn_only_enabled is_storage is_vulkan_available "
        "is_warn_always_enabled set_anomaly_enabled set_default_device set_default_tensor_type "
        "set_deterministic_debug_mode set_float32_matmul_precision set_flush_denormal set_num_interop_threads "
        "set_warn_always typename use_deterministic_algorithms",
    "amp":
        "GradScaler autocast autocast_decrement_nesting autocast_increment_nesting clear_autocast_cache "
        "get_autocast_cpu_dtype get_autocast_dtype is_autocast_cache_enabled is_autocast_cpu_enabled "
        "is_autocast_enabled set_autocast_cache_enabled set_autocast_cpu_dtype set_autocast_cpu_enabled "
        "set_autocast_dtype set_autocast_enabled",
    "storage":
        "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage ComplexFloatStorage DoubleStorage "
        "FloatStorage HalfStorage IntStorage LongStorage ShortStorage TypedStorage",
}.items() for name in names.split()}
_LEGACY = {"FloatTensor": float32, "DoubleTensor": float64, "HalfTensor": float16, "BFloat16Tensor": bfloat16,
           "LongTensor": int64, "IntTensor": int32, "ShortTensor": int16, "CharTensor": int8,
           "ByteTensor": uint8, "BoolTensor": bool}


def _array_namespace(self, *, api_version=None):
    """The namespace of the Array API standard that this tensor belongs to: `rushlight.array_api`."""
    namespace = __getattr__("array_api")
    if api_version not in (None, *namespace.VERSIONS):
        raise ValueError(f"__array_namespace__: api_version={api_version!r}; expected one of {namespace.VERSIONS}")
    return namespace


Tensor.__array_namespace__ = _array_namespace


def __getattr__(name):
    from importlib import import_module
    if name in _LAZY:
        value = import_module("rushlight." + _LAZY[name])
    elif name in _LAZY_NAMES:
        value = getattr(import_module("rushlight." + _LAZY_NAMES[name]), name)
    elif name in _LEGACY:
        value = _tensor_class.legacy_type(name, _LEGACY[name])
    else:
        value = None if name.startswith("__") else import_module("rushlight._outside").FUNCTIONS.get(name)
        if value is None:
            raise AttributeError(f"module 'rushlight' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(_LAZY) | set(_LAZY_NAMES) | set(_LEGACY))
