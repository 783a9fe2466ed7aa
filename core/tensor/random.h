// Random numbers into contiguous memory. Each function takes the generator's lock, draws its words in the
// order that PyTorch draws them on the CPU, and refuses a dtype or parameter that PyTorch refuses.
//
// PyTorch visits a strided tensor in the order of its memory (smallest stride innermost), not of its indices:
// `fill_tensor` does so for a tensor of any layout.
#pragma once

#include <cstdint>
#include <functional>

#include "base/dtype.h"
#include "tensor/generator.h"
#include "tensor/tensor.h"

namespace rushlight::random {

// Calls `fill(data, contiguous)` once with dense memory for all elements of `t`, in the order of its strides,
// and puts the result in place. `contiguous` says whether `t` is row-major (what `normal` wants to know).
// Positions must not overlap.
void fill_tensor(const Tensor& t, const std::function<void(void* data, bool contiguous)>& fill);

// `op` names the caller in errors.
void uniform(Generator& g, void* data, int64_t n, DType t, double from, double to,
             const char* op = "uniform_");

// From 16 elements on PyTorch draws a contiguous tensor in blocks of 16 (`blocks`), and any other one value
// at a time. Complex memory is filled as pairs of reals with half the variance each.
void normal(Generator& g, void* data, int64_t n, DType t, double mean, double std, bool blocks = true,
            const char* op = "normal_");

// Integers of [from, to); without limits, [0, the dtype's largest] or, for floating dtypes, [0, 2^digits].
void integers(Generator& g, void* data, int64_t n, DType t, int64_t from, int64_t to,
              const char* op = "random_");
void integers_from(Generator& g, void* data, int64_t n, DType t, int64_t from, const char* op = "random_");
void integers(Generator& g, void* data, int64_t n, DType t);

// A random order of 0 .. n-1.
void permutation(Generator& g, void* data, int64_t n, DType t);

void bernoulli(Generator& g, void* data, int64_t n, DType t, double p, const char* op = "bernoulli_");
void bernoulli(Generator& g, void* data, int64_t n, DType t, const void* p, DType p_dtype,
               const char* op = "bernoulli_");

void exponential(Generator& g, void* data, int64_t n, DType t, double lambda,
                 const char* op = "exponential_");
void geometric(Generator& g, void* data, int64_t n, DType t, double p, const char* op = "geometric_");
void cauchy(Generator& g, void* data, int64_t n, DType t, double median, double sigma,
            const char* op = "cauchy_");
void log_normal(Generator& g, void* data, int64_t n, DType t, double mean, double std,
                const char* op = "log_normal_");
void poisson(Generator& g, void* data, const void* rate, int64_t n, DType t, const char* op = "poisson");

// Gamma numbers of scale 1, each with the shape parameter at its place in `alpha`. `standard_gamma_wide` writes
// doubles whatever `t` is, the dtype of `alpha`.
void standard_gamma(Generator& g, void* data, const void* alpha, int64_t n, DType t, const char* op);
void standard_gamma_wide(Generator& g, double* data, const void* alpha, int64_t n, DType t, const char* op);

// Successes among `count` trials of probability `p`, both of dtype `t`.
void binomial(Generator& g, void* data, const void* count, const void* p, int64_t n, DType t,
              const char* op = "binomial");

// Draws `samples` categories per row with replacement, into `out` of rows x samples. The other kind, and a
// single sample, are `topk(weights / exponential)` and `argmax(weights / exponential)`: compose them of
// operators.
void multinomial_with_replacement(Generator& g, int64_t* out, int64_t rows, int64_t samples,
                                  const void* weights,
                                  int64_t categories, DType t);

}  // namespace rushlight::random
