#include "kernels/reference/optim.h"

#include <algorithm>
#include <cmath>

namespace rushlight::reference {

Number sgd(Number param, Number grad, OptimState& state, const kernels::SgdStep& s) {
    Number d = s.maximize ? -grad : grad;
    d += s.weight_decay * param;
    if (s.momentum != 0) {
        state.momentum = s.first ? d : s.momentum * state.momentum + (1 - Number(s.dampening)) * d;
        d = s.nesterov ? d + s.momentum * state.momentum : state.momentum;
    }
    return param - s.lr * d;
}

Number adam(Number param, Number grad, OptimState& state, const kernels::AdamStep& s) {
    Number d = s.maximize ? -grad : grad;
    if (s.decoupled) param -= Number(s.lr) * s.weight_decay * param;
    else d += s.weight_decay * param;
    state.m = s.beta1 * state.m + (1 - Number(s.beta1)) * d;
    state.v = s.beta2 * state.v + (1 - Number(s.beta2)) * d * d;
    Number m = state.m / (1 - std::pow(Number(s.beta1), Number(s.step))), v = state.v;
    if (s.amsgrad) v = state.highest = std::max(state.highest, state.v);
    v /= 1 - std::pow(Number(s.beta2), Number(s.step));
    return param - s.lr * m / (std::sqrt(v) + s.eps);
}

Number rmsprop(Number param, Number grad, OptimState& state, const kernels::RmspropStep& s) {
    Number d = (s.maximize ? -grad : grad) + s.weight_decay * param;
    state.square = s.alpha * state.square + (1 - Number(s.alpha)) * d * d;
    Number spread = state.square;
    if (s.centered) {
        state.grad_avg = s.alpha * state.grad_avg + (1 - Number(s.alpha)) * d;
        spread -= state.grad_avg * state.grad_avg;
    }
    Number step = d / (std::sqrt(spread) + s.eps);
    if (s.momentum != 0) step = state.momentum = s.momentum * state.momentum + step;
    return param - s.lr * step;
}

Number adagrad(Number param, Number grad, OptimState& state, const kernels::AdagradStep& s) {
    Number d = (s.maximize ? -grad : grad) + s.weight_decay * param;
    state.sum += d * d;
    return param - Number(s.lr) / (1 + Number(s.step - 1) * s.lr_decay) * d / (std::sqrt(state.sum) + s.eps);
}

}  // namespace rushlight::reference
