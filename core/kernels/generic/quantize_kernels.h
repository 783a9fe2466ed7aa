// What the passes of quantize.isa.cpp export: between float32 numbers and 8-bit integers. A quantized number q stands
// for (q - zero) * scale.
#pragma once

#include <cstdint>

#include "kernels/generic/isa.h"

namespace rushlight {

// How sums become results: float32 numbers, and integers once more.
struct Requantize {
    const float *scales, *bias;      // per channel; bias may be null
    float scale, addend_scale;       // of all channels; of what the output holds, 0 for nothing
    float output_scale;
    int32_t addend_zero, output_zero;
    bool relu;
};

struct QuantizeTable {
    // [is int8]
    void (*quantize[2])(const float* src, void* dst, int64_t n, float scale, int32_t zero);
    void (*dequantize[2])(const void* src, float* dst, int64_t n, float scale, int32_t zero);
    // A row of int8 with its own scale, symmetric about 0; the scale is returned and is NaN where a number is.
    float (*quantize_row)(const float* src, int8_t* dst, int64_t n);
    // dst = dst * scale + bias, then relu.
    void (*scale_row)(float* dst, int64_t n, float scale, const float* bias, bool relu);
    // A row of channels; dst holds float32, int8 or uint8.
    void (*finish[3])(const float* sums, void* dst, int64_t n, const Requantize& how);
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(QuantizeTable, quantize_table);
#endif

}  // namespace rushlight
