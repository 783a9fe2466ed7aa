// What the passes of optim.isa.cpp export: one update of n elements of one tensor. The numbers are final: what depends
// on the step has been worked out by the caller.
#pragma once

#include "kernels/generic/float_kind.h"
#include "kernels/generic/isa.h"

namespace rushlight {

// The direction that an update takes: sign * grad + weight_decay * param; sign is -1 to maximize.
struct Direction {
    double sign = 1, weight_decay = 0;
};

struct SgdNumbers {                       // states: momentum buffer
    Direction direction;
    double rate, momentum, keep;          // keep: 1 - dampening
    bool buffered, nesterov;
};
struct AdamNumbers {                      // states: exp_avg, exp_avg_sq, max_exp_avg_sq
    Direction direction;
    // param = decay * param - rate * m / (sqrt(v) * inverse_root + eps)
    double rate, decay, beta1, beta2, eps, inverse_root;
    bool amsgrad;
};
struct NadamNumbers {                     // states: exp_avg, exp_avg_sq
    Direction direction;
    // param = decay * param - (grad_rate * d + mean_rate * m) / (sqrt(v) * inverse_root + eps)
    double grad_rate, mean_rate, decay, beta1, beta2, eps, inverse_root;
};
struct RadamNumbers {                     // states: exp_avg, exp_avg_sq
    Direction direction;
    double rate, decay, beta1, beta2, eps;
    bool rectified;                       // the mean is divided by sqrt(v) + eps
};
struct AdamaxNumbers {                    // states: exp_avg, exp_inf
    Direction direction;
    double rate, beta1, beta2, eps;
};
struct RmspropNumbers {                   // states: square_avg, grad_avg, momentum buffer
    Direction direction;
    double rate, alpha, eps, momentum;
    bool centered;
};
struct AdagradNumbers {                   // states: sum
    Direction direction;
    double rate, eps;
};
struct AdadeltaNumbers {                  // states: square_avg, acc_delta
    Direction direction;
    double rate, rho, eps;
};
struct AsgdNumbers {                      // states: ax
    Direction direction;
    double eta, decay, mu;
};
struct RpropNumbers {                     // states: prev, step_size
    double sign, minus, plus, smallest, largest;
};
struct LerpNumbers {                      // no gradient: param += weight * (other - param); `other` is in its place
    double weight;
};
struct ScaleNumbers {                     // param *= factor
    double factor;
};
struct ClampNumbers {                     // param = min(max(param, low), high)
    double low, high;
};

inline constexpr int max_update_arrays = 5;

// arrays: param, grad, then the states; null where an option or the rule leaves one out.
using UpdateFn = void (*)(void* const* arrays, int64_t n, const void* numbers);

// Adafactor sees a matrix of `columns` columns through factors: v = row factor * column factor of its elements, at
// least `least`. These are for `rows` of its rows.
struct FactoredRows {
    const void* grad;
    int64_t rows, columns;
    const double* row_factors;
    const void* column_factors;           // of the gradient's dtype
    double least;
};

struct OptimTable {
    PerFloat<UpdateFn> sgd, adam, nadam, radam, adamax, rmsprop, adagrad, adadelta, asgd, rprop, lerp, scale, clamp;
    // Sums of squares: of each row to row_sums, of each column onto column_sums, which are of the computing dtype.
    PerFloat<void (*)(const void* grad, int64_t rows, int64_t columns, double* row_sums, void* column_sums)> squares;
    // The sum of grad^2 / v, and param = decay * param - rate * grad / sqrt(v).
    PerFloat<double (*)(const FactoredRows& f)> factored_squares;
    PerFloat<void (*)(void* param, const FactoredRows& f, double decay, double rate)> factored_step;
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(OptimTable, optim_table);
#endif

}  // namespace rushlight
