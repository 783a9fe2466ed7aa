// The four floating dtypes as a small number, by which tables of compiled functions are indexed.
#pragma once

#include <cstdint>

namespace rushlight {

enum class FloatKind : uint8_t { float32, float64, float16, bfloat16 };
inline constexpr int float_kinds = 4;

// One entry per FloatKind.
template <class Fn>
struct PerFloat {
    Fn entries[float_kinds];
    Fn operator[](FloatKind kind) const { return entries[static_cast<int>(kind)]; }
};

}  // namespace rushlight
