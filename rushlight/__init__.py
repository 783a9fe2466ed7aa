"""Rushlight: a deep-learning framework with PyTorch's vocabulary. Reading this file is reading the public names."""

from rushlight import _C
from rushlight._C import (  # noqa: F401
    Generator, Size, Tensor, UntypedStorage, as_tensor, bfloat16, complex64, complex128, default_generator, dtype, float16, float32, float64,
    frombuffer, from_dlpack, from_numpy, get_default_dtype, get_num_threads, int8, int16, int32, int64, set_num_threads, tensor, uint8,
)

__version__ = _C.version

bool = _C.bool
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128

# Every operator that names itself at the top level.
for _name in _C._public:
    globals()[_name] = getattr(_C, _name)
del _name

from rushlight import autograd  # noqa: E402
from rushlight._C import is_grad_enabled, is_inference_mode_enabled  # noqa: E402, F401
from rushlight.autograd import (  # noqa: E402, F401
    enable_grad, inference_mode, is_anomaly_check_nan_enabled, is_anomaly_enabled, no_grad, set_grad_enabled,
)
