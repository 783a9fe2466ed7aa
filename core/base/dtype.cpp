#include "base/dtype.h"

namespace rushlight {

const DTypeInfo dtype_table[dtype_count] = {
    {"uint8", 1, false, false, false, 'u'},    {"int8", 1, false, false, true, 'i'},
    {"int16", 2, false, false, true, 'i'},     {"int32", 4, false, false, true, 'i'},
    {"int64", 8, false, false, true, 'i'},     {"float16", 2, true, false, true, 'f'},
    {"float32", 4, true, false, true, 'f'},    {"float64", 8, true, false, true, 'f'},
    {"complex64", 8, false, true, true, 'c'},  {"complex128", 16, false, true, true, 'c'},
    {"bool", 1, false, false, false, 'b'},     {"bfloat16", 2, true, false, true, 'V'},
    {"uint16", 2, false, false, false, 'u'},   {"uint32", 4, false, false, false, 'u'},
    {"uint64", 8, false, false, false, 'u'},
};

DType to_complex(DType t) {
    return t == DType::float64 || t == DType::complex128 ? DType::complex128 : DType::complex64;
}

DType to_real(DType t) {
    return t == DType::complex64 ? DType::float32 : t == DType::complex128 ? DType::float64 : t;
}

static DType promote_integers(DType a, DType b) {
    if (is_unsigned(a) == is_unsigned(b)) return size_of(a) >= size_of(b) ? a : b;
    DType u = is_unsigned(a) ? a : b, s = is_unsigned(a) ? b : a;
    if (size_of(s) > size_of(u)) return s;
    require(u != DType::uint64, ErrorKind::runtime, "promotion: uint64 and ", name_of(s),
            " have no common integer dtype; expected one of them converted with .to()");
    return u == DType::uint8 ? DType::int16 : u == DType::uint16 ? DType::int32 : DType::int64;
}

DType promote(DType a, DType b) {
    if (a == b) return a;
    int ca = category(a), cb = category(b);
    if (ca < cb) return promote(b, a);
    if (ca == 3) {
        if (cb == 3) return DType::complex128;
        return cb == 2 && b == DType::float64 ? DType::complex128 : a;
    }
    if (ca != cb) return a;
    if (ca == 1) return promote_integers(a, b);
    if (size_of(a) == 2 && size_of(b) == 2) return DType::float32;     // float16 meets bfloat16
    return size_of(a) >= size_of(b) ? a : b;
}

bool can_cast(DType from, DType to) { return category(from) <= category(to); }

}  // namespace rushlight
