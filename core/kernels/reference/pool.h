// Pooling by its definition, in either layout.
#pragma once

#include "kernels/generic/pool.h"

namespace rushlight::reference {

// Adaptive where `adaptive`, by windows otherwise. indices may be null.
void max_pool(const void* src, DType t, void* dst, int64_t* indices, const kernels::Pool& p, bool adaptive);
void max_pool_backward(const void* grad, const int64_t* indices, DType t, void* grad_in,
                       const kernels::Pool& p);
void avg_pool(const void* src, DType t, void* dst, const kernels::Pool& p, bool adaptive);
void avg_pool_backward(const void* grad, DType t, void* grad_in, const kernels::Pool& p, bool adaptive);

}  // namespace rushlight::reference
