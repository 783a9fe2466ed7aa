// What a file of element-wise definitions includes. Such a file is compiled once per instruction set, where the
// definitions become kernels, once over complex numbers, and once more as records, which tie the kernels to names,
// derivatives and documentation.
#pragma once

#ifdef RUSHLIGHT_ISA
#include "kernels/generic/pointwise.h"
#elif defined(RUSHLIGHT_COMPLEX_PASS)
#include "kernels/generic/pointwise_complex.h"
#else
#include "ops/pointwise_record.h"
#endif
