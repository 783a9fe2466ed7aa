// The kernels of generic/recurrent.h in long double, one entry after another.
#pragma once

#include "kernels/generic/recurrent.h"

namespace rushlight::reference {

void recurrent(const kernels::Recurrent& p, const void* gates, void* state, void* cell, void* out);

}  // namespace rushlight::reference
