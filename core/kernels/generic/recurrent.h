// A recurrent layer in one direction, all steps: the part that goes from step to step. The input's part of the gates,
// and the gradient of the weights, are products of all steps at once and belong to the caller.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace rushlight::kernels {

struct Recurrent {
    enum Mode : uint8_t { tanh, relu, lstm, gru };
    Mode mode = lstm;
    DType dtype = DType::float32;             // float32 or float64
    bool reverse = false;                     // from the last step to the first
    int64_t batch = 0, hidden = 0, steps = 0;
    // Of step t take part the batch's entries [0, size[t]); entry b is row `first[t] + b * between` of each matrix
    // with a row for each entry of each step.
    const int64_t *first = nullptr, *size = nullptr;
    int64_t between = 1;
    const void* weight = nullptr;             // (gates * hidden, hidden)
    const void* bias = nullptr;               // of a GRU: gates * hidden, may be null
};

int64_t gate_count(Recurrent::Mode mode);
int64_t saved_width(const Recurrent& p);      // elements per row that the gradient needs; the old state comes first

// `state` and `cell`, (batch, hidden), hold the first ones and receive the last. `saved` may be null.
void recurrent(const Recurrent& p, const void* gates, void* state, void* cell, void* out, void* saved);

// `grad_state` and `grad_cell` hold the gradients of the last ones and receive those of the first. `grad_out` may be
// null. `grad_products`, of a GRU only: the gradient of state @ weight^T + bias by rows; elsewhere it is `grad_gates`.
void recurrent_backward(const Recurrent& p, const void* grad_out, const void* out, const void* saved, void* grad_state,
                        void* grad_cell, void* grad_gates, void* grad_products);

}  // namespace rushlight::kernels
