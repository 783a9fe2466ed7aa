// What the passes of optim.isa.cpp export: one update of n elements of one tensor. Hyperparameters are final:
// what depends on the step number has been worked out by the caller.
#pragma once

#include "kernels/generic/float_kind.h"
#include "kernels/generic/isa.h"

namespace rushlight {

struct SgdUpdate {
    double lr, momentum, keep, weight_decay, sign;      // keep: 1 - dampening; sign: -1 to maximize
    bool nesterov, first;
};
struct AdamUpdate {
    // param = decay * param - rate * m / (sqrt(v) * inverse_root + eps)
    double rate, beta1, beta2, eps, weight_decay, decay, inverse_root, sign;
};
struct RmspropUpdate {
    double lr, alpha, eps, weight_decay, momentum, sign;
};
struct AdagradUpdate {
    double rate, eps, weight_decay, sign;
};

struct OptimTable {
    // Null where an option is off: momentum, highest, grad_avg.
    PerFloat<void (*)(void* param, const void* grad, void* momentum, int64_t n, const SgdUpdate& u)> sgd;
    PerFloat<void (*)(void* param, const void* grad, void* m, void* v, void* highest, int64_t n,
                      const AdamUpdate& u)>
        adam;
    PerFloat<void (*)(void* param, const void* grad, void* square, void* grad_avg, void* momentum, int64_t n,
                      const RmspropUpdate& u)>
        rmsprop;
    PerFloat<void (*)(void* param, const void* grad, void* sum, int64_t n, const AdagradUpdate& u)> adagrad;
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(OptimTable, optim_table);
#endif

}  // namespace rushlight
