// The gradient of a recurrent layer in differentiable operators, for second derivatives.
#pragma once

#include "registry/vjp.h"

namespace rushlight {

void composed_recurrence_grad(Vjp& d);

}  // namespace rushlight
