// An array of a dtype known at run time, read and written as long double: wide enough for every real dtype,
// int64 included.
#pragma once

#include "base/dtype.h"

namespace rushlight::reference {

using Number = long double;

struct Values {
    const void* data;
    DType t;

    Number operator[](int64_t i) const {
        switch (t) {
            case DType::uint8: return static_cast<const uint8_t*>(data)[i];
            case DType::int8: return static_cast<const int8_t*>(data)[i];
            case DType::int16: return static_cast<const int16_t*>(data)[i];
            case DType::int32: return static_cast<const int32_t*>(data)[i];
            case DType::int64: return static_cast<const int64_t*>(data)[i];
            case DType::uint16: return static_cast<const uint16_t*>(data)[i];
            case DType::uint32: return static_cast<const uint32_t*>(data)[i];
            case DType::uint64: return static_cast<const uint64_t*>(data)[i];
            case DType::float16: return float(static_cast<const Half*>(data)[i]);
            case DType::bfloat16: return float(static_cast<const BFloat16*>(data)[i]);
            case DType::float32: return static_cast<const float*>(data)[i];
            case DType::float64: return static_cast<const double*>(data)[i];
            case DType::boolean: return static_cast<const uint8_t*>(data)[i] != 0;
            default: fail(ErrorKind::not_implemented, "dtype ", name_of(t), "; expected a real dtype");
        }
    }
};

struct MutableValues {
    void* data;
    DType t;

    Number operator[](int64_t i) const { return Values{data, t}[i]; }
    void set(int64_t i, Number x) const {
        switch (t) {
            case DType::uint8: static_cast<uint8_t*>(data)[i] = uint8_t(x); return;
            case DType::int8: static_cast<int8_t*>(data)[i] = int8_t(x); return;
            case DType::int16: static_cast<int16_t*>(data)[i] = int16_t(x); return;
            case DType::int32: static_cast<int32_t*>(data)[i] = int32_t(x); return;
            case DType::int64: static_cast<int64_t*>(data)[i] = int64_t(x); return;
            case DType::uint16: static_cast<uint16_t*>(data)[i] = uint16_t(x); return;
            case DType::uint32: static_cast<uint32_t*>(data)[i] = uint32_t(x); return;
            case DType::uint64: static_cast<uint64_t*>(data)[i] = uint64_t(x); return;
            case DType::float16: static_cast<Half*>(data)[i] = Half(float(x)); return;
            case DType::bfloat16: static_cast<BFloat16*>(data)[i] = BFloat16(float(x)); return;
            case DType::float32: static_cast<float*>(data)[i] = float(x); return;
            case DType::float64: static_cast<double*>(data)[i] = double(x); return;
            case DType::boolean: static_cast<uint8_t*>(data)[i] = x != 0; return;
            default: fail(ErrorKind::not_implemented, "dtype ", name_of(t), "; expected a real dtype");
        }
    }
    explicit operator bool() const { return data != nullptr; }
};

}  // namespace rushlight::reference
