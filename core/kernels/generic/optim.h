// Updates of many tensors in one call: the optimizers' steps, and what else changes lists of parameters or gradients.
#pragma once

#include <span>

#include "base/dtype.h"
#include "kernels/generic/optim_kernels.h"

namespace rushlight::kernels {

// One tensor of an update: contiguous arrays of n elements of one floating dtype. 16-bit elements are computed in
// float32.
struct UpdateItem {
    void* arrays[max_update_arrays] = {};
    int64_t n = 0;
    DType dtype = DType::float32;
    const void* numbers = nullptr;                   // of the rule's own kind
};

using UpdateRule = PerFloat<UpdateFn> OptimTable::*;

void update_tensors(UpdateRule rule, std::span<const UpdateItem> items);

// The p-norm (p: 1, 2 or infinity) of the elements of all tensors; reads arrays[0].
double total_norm(std::span<const UpdateItem> items, double p);

// One parameter of Adafactor: `batches` matrices, one after the other, with the factors of their mean squares: row_var
// has an element for each row, col_var one for each column. A vector is one row, and col_var holds its mean squares
// themselves.
struct AdafactorItem {
    void* param;
    const void* grad;
    void *row_var, *col_var;                         // row_var is null for a vector
    int64_t batches, rows, columns;
    DType dtype;
    double share;                                    // of the new squares in the means
    double rate, decay, eps1, eps2, clip;            // rate: the largest relative step; negative to maximize
};
void adafactor_step(const AdafactorItem& a);

}  // namespace rushlight::kernels
