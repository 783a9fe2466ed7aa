// Complex numbers as pairs of real ones, for kernels: unrecorded views of the same memory, and operators that real
// kernels make.
#pragma once

#include "registry/call.h"

namespace rushlight {

Tensor real_part(const Tensor& t);
Tensor imaginary_part(const Tensor& t);

// Is this call one for run_bilinear?
inline bool has_complex_result(const Call& c) { return is_complex(c.out[0].dtype()); }

// Runs a call whose result is linear in the argument `param`, which is complex, as two calls with its parts.
void run_by_parts(Call& c, int param);

// Runs a call whose result is linear in each of the arguments `first` and `second`, both complex, as four calls with
// their parts. The result of argument `added`, if given, is added to it. Further results are linear in `second`.
void run_bilinear(Call& c, int first, int second, int added = -1);

}  // namespace rushlight
