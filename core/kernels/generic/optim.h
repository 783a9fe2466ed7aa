// One optimizer step over many tensors in one call. Each list holds `count` pointers to contiguous tensors of
// sizes[i] elements of one dtype: float32, float64, or 16-bit floating (whose state has the same dtype; the
// arithmetic is float32's).
#pragma once

#include "base/dtype.h"

namespace rushlight::kernels {

struct TensorList {
    int64_t count;
    const int64_t* sizes;
    DType dtype;
};

struct SgdStep {
    double lr, momentum = 0, dampening = 0, weight_decay = 0;
    bool nesterov = false, maximize = false;
    bool first = false;                  // the momentum buffers are not yet filled: they become the gradient
};
// momentum: null without momentum.
void sgd_step(const TensorList& list, void* const* params, const void* const* grads, void* const* momentum,
              const SgdStep& s);

struct AdamStep {
    double lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
    int64_t step;                        // from 1
    bool decoupled = false;              // AdamW
    bool amsgrad = false, maximize = false;
};
// max_exp_avg_sq: null without amsgrad.
void adam_step(const TensorList& list, void* const* params, const void* const* grads, void* const* exp_avg,
               void* const* exp_avg_sq, void* const* max_exp_avg_sq, const AdamStep& s);

struct RmspropStep {
    double lr, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
    bool centered = false, maximize = false;
};
// grad_avg: null unless centered; momentum: null without momentum.
void rmsprop_step(const TensorList& list, void* const* params, const void* const* grads,
                  void* const* square_avg, void* const* grad_avg, void* const* momentum,
                  const RmspropStep& s);

struct AdagradStep {
    double lr, lr_decay = 0, weight_decay = 0, eps = 1e-10;
    int64_t step;                        // from 1
    bool maximize = false;
};
void adagrad_step(const TensorList& list, void* const* params, const void* const* grads, void* const* sum,
                  const AdagradStep& s);

}  // namespace rushlight::kernels
