// Rules that families of operators share: dims, broadcasting, promotion, dtype sets. Each raises the house's error
// sentence.
#pragma once

#include "registry/call.h"

namespace rushlight::rules {

// A dimension counted from the end is brought into [0, rank); raises IndexError naming `param`.
int dim(const Call& c, int64_t given, const Dims& sizes, const char* param = "dim");
int dim(const Call& c, int64_t given, int rank, const Dims& shown, const char* param);
int dim(const char* op, int64_t given, int rank, const Dims& shown, const char* param);
// Dims of a reduction as a bit mask; None or empty means all.
uint64_t dim_mask(const Call& c, const Value& dims, const Dims& sizes, const char* param = "dim");

// The shape that both broadcast to; raises RuntimeError with both shapes, and those of the call's arguments.
Dims broadcast(const Call& c, const Dims& a, const Dims& b);
// That error as a composite gives it, from whose arguments the two shapes come: other errors stay as they are.
Error of_arguments(const Call& c, const Error& e);

// PyTorch's result type: of tensors with dimensions, then zero-dimensional ones, then numbers.
DType result_type(std::span<const Value> values);
inline DType result_type(const Call& c, int first, int last) {              // of the arguments [first, last)
    return result_type({c.args + first, size_t(last - first)});
}
DType number_dtype(const Value& v);                         // bool, int64, the default dtype, or its complex partner
void require_small_numbers(const Call& c, DType t);         // none beyond int64, which only uint64 holds

// "expected -3 <= index <= 2" for [low, high), or that there is nothing to index.
std::string expected_between(int64_t low, const char* what, int64_t high);

void require_floating(const Call& c, int param);
void require_same_dtype(const Call& c, int a, int b);
void require_same_shape(const Call& c, int a, int b);
void require_rank(const Call& c, int param, int rank);
void require_not_complex(const Call& c, int param);
void require_index(const Call& c, int param);               // int64 or int32
const char* param_name(const Call& c, int param);

// Ready rules.
void same_as_first(Call& c);                                // one result, shape and dtype of argument 0
void same_as_first_floating(Call& c);                       // the same, floating dtypes only

}  // namespace rushlight::rules
