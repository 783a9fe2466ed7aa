"""What tests need: comparison with tolerances, derivatives against finite differences, sample tensors."""

from rushlight.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from rushlight.testing.comparison import assert_allclose, assert_close
from rushlight.testing.creation import make_tensor
