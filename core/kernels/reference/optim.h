// One optimizer step of one number, as the algorithms are written down. State is updated in place.
#pragma once

#include "kernels/generic/optim.h"
#include "kernels/reference/values.h"

namespace rushlight::reference {

struct OptimState { Number momentum = 0, m = 0, v = 0, highest = 0, square = 0, grad_avg = 0, sum = 0; };

Number sgd(Number param, Number grad, OptimState& state, const kernels::SgdStep& s);
Number adam(Number param, Number grad, OptimState& state, const kernels::AdamStep& s);
Number rmsprop(Number param, Number grad, OptimState& state, const kernels::RmspropStep& s);
Number adagrad(Number param, Number grad, OptimState& state, const kernels::AdagradStep& s);

}  // namespace rushlight::reference
