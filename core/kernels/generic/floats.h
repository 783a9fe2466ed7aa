// Between base/dtype.h and the tables of the ISA passes.
#pragma once

#include "base/dtype.h"
#include "kernels/generic/float_kind.h"

namespace rushlight::kernels {

// The FloatKind of a floating dtype.
inline FloatKind kind_of(DType t) {
    switch (t) {
        case DType::float64: return FloatKind::float64;
        case DType::float16: return FloatKind::float16;
        case DType::bfloat16: return FloatKind::bfloat16;
        default: return FloatKind::float32;
    }
}
// The dtype in which `t` is computed, and in which its statistics are kept.
inline DType compute_dtype(DType t) { return t == DType::float64 ? DType::float64 : DType::float32; }

// p + i elements.
inline void* at(void* p, int64_t i, int64_t size) { return p ? static_cast<char*>(p) + i * size : nullptr; }
inline const void* at(const void* p, int64_t i, int64_t size) {
    return p ? static_cast<const char*>(p) + i * size : nullptr;
}

}  // namespace rushlight::kernels
