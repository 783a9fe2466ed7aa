// Connectionist temporal classification (Graves et al., 2006): the likelihood of a labelling over all its alignments.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace rushlight::kernels {

// log_probs (steps, batch, classes), labels (batch, labels), all contiguous; what a sample does not use of its row of
// labels is not read. float32 or float64.
struct Ctc {
    int64_t steps, batch, classes, labels, blank;
    const int64_t *label, *input_length, *label_length;
    int64_t states() const { return 2 * labels + 1; }
};

// loss (batch), log_alpha (batch, steps, states): the forward variables.
void ctc(const void* log_probs, DType t, void* loss, void* log_alpha, const Ctc& c);
// With respect to what log_softmax was taken of, as PyTorch has it: log_softmax passes it through unchanged.
void ctc_backward(const void* grad, const void* log_probs, const void* loss, const void* log_alpha, DType t,
                  void* grad_in, bool zero_infinity, const Ctc& c);

}  // namespace rushlight::kernels
