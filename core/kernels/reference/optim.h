// Updates of one number, as the algorithms are written down. State is updated in place.
#pragma once

#include "kernels/generic/optim_kernels.h"
#include "kernels/reference/values.h"

namespace rushlight::reference {

// Each returns the new parameter; s: the states in the order of the numbers' declarations.
Number sgd(Number p, Number g, Number* s, const SgdNumbers& h);
Number adam(Number p, Number g, Number* s, const AdamNumbers& h);
Number nadam(Number p, Number g, Number* s, const NadamNumbers& h);
Number radam(Number p, Number g, Number* s, const RadamNumbers& h);
Number adamax(Number p, Number g, Number* s, const AdamaxNumbers& h);
Number rmsprop(Number p, Number g, Number* s, const RmspropNumbers& h);
Number adagrad(Number p, Number g, Number* s, const AdagradNumbers& h);
Number adadelta(Number p, Number g, Number* s, const AdadeltaNumbers& h);
Number asgd(Number p, Number g, Number* s, const AsgdNumbers& h);
Number rprop(Number p, Number g, Number* s, const RpropNumbers& h);
Number lerp(Number p, Number other, Number* s, const LerpNumbers& h);
Number scale(Number p, Number g, Number* s, const ScaleNumbers& h);
Number clamp(Number p, Number g, Number* s, const ClampNumbers& h);

}  // namespace rushlight::reference
