// Normalisation by its definition, in long double. Entry (b, c, i) of the data lies at (b * channels + c) *
// inner + i; all parameters have the data's dtype.
#pragma once

#include "kernels/generic/norm.h"

namespace rushlight::reference {

// The entries are normalised in sets; set_of and weight_of number an entry's set and its weight. Covers every
// kind: batch norm's sets are channels, layer norm's rows, group norm's groups.
struct Sets {
    int64_t entries, sets, weights;
    int64_t (*set_of)(int64_t entry, const void* context);
    int64_t (*weight_of)(int64_t entry, const void* context);
    const void* context;
    bool centered = true;                // false: RMS norm
};

// mean and rstd (float64, [sets]) are written.
void normalize(const void* src, DType t, void* dst, const Sets& s, const void* weight, const void* bias,
               double eps, double* mean, double* rstd);
// With constant statistics where not `through_statistics`.
void normalize_backward(const void* grad, const void* src, DType t, void* grad_src, const Sets& s,
                        const void* weight, const double* mean, const double* rstd, bool through_statistics,
                        void* grad_weight, void* grad_bias);

}  // namespace rushlight::reference
