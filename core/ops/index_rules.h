// What the operators that read and write by index share.
#pragma once

#include "ops/extent_of.h"
#include "registry/call.h"

namespace rushlight {

// Raises the error of an index outside [low, high); `index_sizes` is the shape that the fault's position counts in.
[[noreturn]] void fail_at(const Call& c, ErrorKind kind, const kernels::IndexFault& fault, const Dims& index_sizes,
                          const char* param, int dim, int64_t low, int64_t high);
Tensor int64_index(const Call& c, int param);                // an index argument as int64

}  // namespace rushlight
