// Softmax, log-softmax and the losses over classes. Floating dtypes; 16-bit types compute in float32.
#pragma once

#include "base/dtype.h"
#include "kernels/generic/extent.h"

namespace rushlight::kernels {

// Along the middle dimension of a contiguous [outer, n, inner] array; dst may be src.
void softmax(const void* src, DType t, void* dst, Extent e, bool log);
// From the forward's output; `grad_in` may be `grad`.
void softmax_backward(const void* grad, const void* output, DType t, void* grad_in, Extent e, bool log);

enum class LossReduction : uint8_t { none, mean, sum };

// Scores are [batch, classes, inner] (inner is the product of the dimensions after the classes), targets
// [batch, inner].
struct ClassLoss {
    int64_t batch, classes, inner;
    const int64_t* target;
    const void* weight = nullptr;        // per class, in the dtype of the scores; or null
    int64_t ignore_index = -100;
    double label_smoothing = 0;
    LossReduction reduction = LossReduction::mean;
};

// The first target outside [0, classes) that is not ignore_index.
IndexFault check_targets(const ClassLoss& spec);

// Negative log-likelihood of softmax(logits). loss: batch * inner values for `none`, else one. Keeps for the
// backward pass the log of each softmax's denominator in `lse` (batch * inner; float32, float64 for float64
// logits) and the sum of the weights in `total_weight` (one value of that dtype). Targets must have been
// checked.
void cross_entropy(const void* logits, DType t, const ClassLoss& spec, void* loss, void* lse,
                   void* total_weight);
// grad_loss: as loss. One pass over the logits.
void cross_entropy_backward(const void* grad_loss, const void* logits, DType t, const ClassLoss& spec,
                            const void* lse, const void* total_weight, void* grad_logits);

// The same from log-probabilities (label_smoothing is not read).
void nll_loss(const void* log_probs, DType t, const ClassLoss& spec, void* loss, void* total_weight);
void nll_loss_backward(const void* grad_loss, DType t, const ClassLoss& spec, const void* total_weight,
                       void* grad_log_probs);

}  // namespace rushlight::kernels
