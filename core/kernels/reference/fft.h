// The transforms of generic/fft.h by their definition, in long double.
#pragma once

#include "kernels/generic/fft.h"

namespace rushlight::reference {

// The complex one: src and dst are pairs of numbers of dtype `real`.
void fft(const void* src, void* dst, DType real, kernels::Extent e, bool forward, double scale);

}  // namespace rushlight::reference
