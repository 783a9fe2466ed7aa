// Numbers as 8-bit integers: q stands for (q - zero) * scale. Data next to each other.
#pragma once

#include "base/dtype.h"

namespace rushlight::kernels {

// `t` is uint8 or int8. Rounds to the nearest integer, ties to even, and cuts to the dtype's range.
void quantize(const float* src, void* dst, DType t, int64_t n, float scale, int32_t zero);
void dequantize(const void* src, DType t, float* dst, int64_t n, float scale, int32_t zero);

// Each row with a scale of its own: its largest magnitude becomes 127.
void quantize_rows(const float* src, int8_t* dst, float* scales, int64_t rows, int64_t n);
// dst[r] = dst[r] * scales[r] + bias, then relu; bias may be null.
void scale_rows(float* dst, const float* scales, const float* bias, bool relu, int64_t rows, int64_t n);

}  // namespace rushlight::kernels
