// What the passes of recurrent.isa.cpp export: the arithmetic of the gates of one step, between matrix products. "T" is
// float64 for float64 data, else float32.
#pragma once

#include "kernels/generic/isa.h"

namespace rushlight {

inline constexpr int recurrent_modes = 4;                // tanh, relu, lstm, gru: kernels::Recurrent::Mode

// One step of some rows of a batch. Rows of the state and the cell are `hidden` apart.
struct GateStep {
    int64_t rows, hidden;
    const void* gates;           // what the input gives
    int64_t gates_row;
    const void* products;        // the state times the weights
    int64_t products_row;
    const void* bias;            // of the GRU's products; may be null
    void *state, *cell;          // read and overwritten
    void* out;                   // the new state once more
    int64_t out_row;
    void* saved;                 // what the gradient needs; may be null
    int64_t saved_row;
};

// Its gradient. `grad_state` and `grad_cell` come in as the gradients of the new state and cell, without `grad_out`.
// `grad_cell` leaves as that of the old cell; `grad_state` as the GRU's part that needs no weights.
struct GateSlope {
    int64_t rows, hidden;
    const void* grad_out;
    int64_t grad_out_row;
    const void* out;
    int64_t out_row;
    const void* saved;
    int64_t saved_row;
    void *grad_state, *grad_cell;
    void* grad_gates;
    int64_t grad_gates_row;
    void* grad_products;         // of the GRU only: elsewhere they are those of the gates
    int64_t grad_products_row;
};

struct RecurrentTable {
    void (*forward[recurrent_modes][2])(const GateStep&);          // by double
    void (*backward[recurrent_modes][2])(const GateSlope&);
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(RecurrentTable, recurrent_table);
#endif

}  // namespace rushlight
