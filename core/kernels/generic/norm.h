// Batch, layer, group and RMS normalisation, forward and backward. Data in float32, float64, float16 or
// bfloat16.
//
// "acc" below is the dtype of statistics: float64 for float64 data, else float32. Weights, biases and their
// gradients have dtype `t` of the data, or acc: `param` says which. Any weight, bias or gradient pointer may
// be null where it is absent or unwanted.
#pragma once

#include <vector>

#include "base/dtype.h"

namespace rushlight::kernels {

// [batch, channels, inner], or [batch * inner, channels] where channels_last.
struct ChannelShape {
    int64_t batch, channels, inner;
    bool channels_last = false;
};

// y = x * scale + shift, per channel: the last pass of batch norm over channels-last float32 data, which a caller may
// put off to join it with what follows: y += addend (null for none), y = max(0, y).
struct ChannelAffine {
    std::vector<float> scale, shift;
};
void apply_affine(const float* src, const float* addend, float* dst, ChannelShape shape, const ChannelAffine& affine,
                  bool relu);

// mean, invstd: [channels], acc, written. running_mean, running_var: acc, may be null, updated by `momentum`
// with the unbiased variance. relu: max(0, y) in the same pass. dst may be src. Where `put_off` is given (channels-last
// float32), it receives the last pass and dst is not written.
void batch_norm_training(const void* src, DType t, void* dst, ChannelShape shape, const void* weight,
                         const void* bias, DType param, void* running_mean, void* running_var,
                         double momentum, double eps, bool relu, void* mean, void* invstd,
                         ChannelAffine* put_off = nullptr);
// With given mean and variance (acc).
void batch_norm_inference(const void* src, DType t, void* dst, ChannelShape shape, const void* weight,
                          const void* bias, DType param, const void* mean, const void* var, double eps,
                          bool relu, ChannelAffine* put_off = nullptr);
// training: mean and invstd are the batch's, and the gradient flows through them; otherwise they are
// constants (invstd is 1 / sqrt(running_var + eps)). `output` is the forward's result where relu was fused
// (its zeros stop the gradient), else null.
void batch_norm_backward(const void* grad, const void* src, const void* output, DType t, void* grad_src,
                         ChannelShape shape, const void* weight, DType param, const void* mean,
                         const void* invstd, bool training, void* grad_weight, void* grad_bias);

// Rows of n elements. mean, rstd: [rows], acc; may be null where no backward pass follows.
void layer_norm(const void* src, DType t, void* dst, int64_t rows, int64_t n, const void* weight,
                const void* bias, DType param, double eps, void* mean, void* rstd);
void layer_norm_backward(const void* grad, const void* src, DType t, void* grad_src, int64_t rows, int64_t n,
                         const void* weight, DType param, const void* mean, const void* rstd,
                         void* grad_weight, void* grad_bias);

// x / sqrt(mean(x^2) + eps) * weight.
void rms_norm(const void* src, DType t, void* dst, int64_t rows, int64_t n, const void* weight, DType param,
              double eps, void* rstd);
void rms_norm_backward(const void* grad, const void* src, DType t, void* grad_src, int64_t rows, int64_t n,
                       const void* weight, DType param, const void* rstd, void* grad_weight);

// [batch, channels, inner] contiguous, channels in `groups` (instance norm: groups == channels). mean, rstd:
// [batch, groups], acc.
void group_norm(const void* src, DType t, void* dst, int64_t batch, int64_t channels, int64_t inner,
                int64_t groups, const void* weight, const void* bias, DType param, double eps, void* mean,
                void* rstd);
void group_norm_backward(const void* grad, const void* src, DType t, void* grad_src, int64_t batch,
                         int64_t channels, int64_t inner, int64_t groups, const void* weight, DType param,
                         const void* mean, const void* rstd, void* grad_weight, void* grad_bias);

}  // namespace rushlight::kernels
