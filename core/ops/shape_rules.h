// What the operators on shapes, copies and indices share: their names for each other, and small rules.
#pragma once

#include "registry/invoke.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

extern Op op_view, op_reshape, op_transpose, op_permute, op_expand, op_slice, op_select, op_squeeze, op_unsqueeze,
    op_unfold, op_restride, op_diagonal, op_view_as_real, op_view_as_complex, op_unbind, op_split_with_sizes, op_narrow,
    op_as_strided, op_sum;
extern Op op_place, op_clone, op_contiguous, op_to_dtype, op_copy_, op_fill_, op_zero_;
extern Op op_empty, op_full, op_zeros, op_ones;
extern Op op_cat, op_stack, op_flip;
extern Op op_gather, op_scatter, op_scatter_add, op_index_select, op_index_add, op_index_copy, op_index_fill,
    op_masked_fill, op_masked_select, op_masked_scatter, op_nonzero, op_index, op_index_write, op_scatter_combine,
    op_embedding, op_embedding_backward, op_tril, op_triu;

// One argument as a tensor.
inline Tensor tensor_at(const Call& c, int i) { return Tensor(c.args[i].is_tensor() ? c.args[i].tensor_ : nullptr); }

inline Tensor zeros_of(const Dims& sizes, DType dtype) { return invoke(op_zeros, sizes, dtype); }

// A composite hands its argument or the result of another operator over.
inline void give(Call& c, Tensor t) { c.out[0] = std::move(t); }

// Raises when a view would have more dimensions than a tensor may have.
inline void require_room(const Call& c, int rank) {
    require(rank <= max_rank, ErrorKind::runtime, c.name(), ": the result would have ", rank,
            " dimensions; expected at most ", max_rank);
}

// `wanted` with its one -1 replaced so that the product is numel.
Dims complete_sizes(const Call& c, std::span<const int64_t> wanted, const TensorImpl& t, const char* param);

// A number as one element of a dtype; raises when it does not fit (fractions are cut off).
struct Element {
    alignas(16) char bytes[16] = {};
};
Element as_element(const Value& v, DType t, const char* op);
void fill_raw(TensorImpl& t, const Element& value);          // every element becomes `value`

// Copies between strided arrays of one shape, casting; they must not overlap.
void copy_raw(void* to, DType to_dtype, const int64_t* to_strides, const void* from, DType from_dtype,
              const int64_t* from_strides, const Dims& sizes);

// Of an operator whose result is its first argument with some elements changed: runs `f(result)` on a tensor that holds
// the first argument's values. In place that is the argument itself.
template <class F>
void update(Call& c, F&& f) {
    Tensor& out = c.out[0];
    if (out.impl() != &c.tensor(0)) copy_values(*out.impl(), c.tensor(0));
    f(*out.impl());
}

// The same where `f` wants contiguous memory.
template <class F>
void update_contiguous(Call& c, F&& f) {
    update(c, [&](TensorImpl& out) {
        if (out.contiguous) return f(out.data());
        Tensor work = contiguous(Tensor(&out));
        f(work.data());
        copy_values(out, *work.impl());
    });
}

}  // namespace rushlight
