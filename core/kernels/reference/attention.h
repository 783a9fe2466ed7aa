// The kernels of generic/attention.h in long double, with all scores in memory.
#pragma once

#include "kernels/generic/attention.h"

namespace rushlight::reference {

void attention(const kernels::Attention& a, const kernels::Rows& out, void* lse);
// `grad` is that of the result; everything else is computed anew.
void attention_backward(const kernels::Attention& a, const kernels::Rows& grad, const kernels::Rows& grad_query,
                        const kernels::Rows& grad_key, const kernels::Rows& grad_value);

}  // namespace rushlight::reference
