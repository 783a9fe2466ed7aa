// What the passes of attention.isa.cpp export: what happens to a tile of scores between two matrix products. "T" is
// float64 for float64 data, else float32.
#pragma once

#include "kernels/generic/float_kind.h"
#include "kernels/generic/isa.h"

namespace rushlight {

// The products of `rows` queries with `keys` keys, T, and what makes scores of them: score = product * scale + mask.
// Row r sees its first `seen + r` keys where `causal`, otherwise all; and of those the ones that a boolean mask allows.
struct ScoreTile {
    int64_t rows, keys;
    void* scores;
    void* weights;               // where exp(score - largest) goes: the scores' place, or one of 16-bit floats
    int64_t row;                 // from one row of scores to the next, and of weights
    double scale;
    bool causal;
    int64_t seen;
    const void* mask;            // null, bytes that hold 0 or 1, or T
    bool boolean;
    int64_t mask_row;
};

// Softmax as the keys come by: the largest score of each row so far, the sum of exp(score - largest), and the values
// weighted so, which are scaled down where a larger score turns up.
struct SoftmaxState {
    void *top, *sum;             // T, by row
    void* values;                // T
    int64_t row, width;
};

// The state as results: values / sum, in the data's dtype, and log(sum(exp(score))). Rows that saw no key are zeros,
// and their logarithm is infinity, so that exp(score - it) is 0.
struct FinishedRows {
    int64_t rows;
    void* out;
    int64_t row;
    void* lse;                   // T
};

struct AttentionTable {
    // By the weights' type: exp(score - largest), and 0 where a row does not see a key.
    PerFloat<void (*)(const ScoreTile&, const SoftmaxState&)> accumulate;
    // Scores turn into the softmax p, and `slopes`, the gradients of p, into those of the products:
    // p * (slope - delta) * scale.
    void (*differentiate[2])(const ScoreTile&, const void* lse, const void* delta, void* slopes);
    PerFloat<void (*)(const SoftmaxState&, const FinishedRows&)> finish;
    // T, by row: the sum of products of two rows.
    PerFloat<void (*)(int64_t rows, int64_t width, const void* x, int64_t x_row, const void* y, int64_t y_row,
                      void* sums)>
        row_products;
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(AttentionTable, attention_table);
#endif

}  // namespace rushlight
