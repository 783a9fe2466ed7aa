// Discrete Fourier transforms of any length, along one dimension of a contiguous array.
#pragma once

#include "base/dtype.h"
#include "kernels/generic/extent.h"

namespace rushlight::kernels {

// What goes in and comes out. A real signal of n points has n / 2 + 1 coefficients that say everything.
enum class Fourier : uint8_t { complex_to_complex, real_to_half, real_to_full, half_to_real };

// dst[k] = scale * sum over j of src[j] exp(-+ 2 pi i j k / n), minus where `forward`. e.n is n, at least 1; the side
// that holds halves has n / 2 + 1 elements along the dimension. `real` is float32 or float64; complex numbers are
// pairs of it. dst may be src where both have the same dtype.
void fft(Fourier form, const void* src, void* dst, DType real, Extent e, bool forward, double scale);

}  // namespace rushlight::kernels
