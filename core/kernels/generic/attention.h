// Attention in blocks: the scores of some queries and some keys at a time, never all of them.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace rushlight::kernels {

// Matrices whose elements lie next to each other along the last dimension.
struct Rows {
    const void* data = nullptr;
    int64_t row = 0;                          // elements from one row to the next
    const int64_t* head = nullptr;            // elements to where each head's matrix starts
};

// Of each head of the queries: softmax(query @ key^T * scale + mask) @ value. `group` heads of the queries, one after
// another, share a head of the keys and values, which have `heads / group` heads.
struct Attention {
    DType dtype = DType::float32;             // of query, key, value and result
    int64_t heads = 0, group = 1, length = 0, keys = 0, size = 0, value_size = 0;
    bool causal = false;                      // query i sees the keys 0 to i
    bool boolean = false;                     // the mask says who sees whom, else it is added, in the compute dtype
    double scale = 1;
    Rows query, key, value, mask;             // mask.data is null where there is none; its rows may be 0 apart
};

// `lse`: (heads, length) in the compute dtype, the logarithms of the sums of exponentials.
void attention(const Attention& a, const Rows& out, void* lse);
void attention_backward(const Attention& a, const Rows& out, const Rows& grad, const void* lse, const Rows& grad_query,
                        const Rows& grad_key, const Rows& grad_value);

}  // namespace rushlight::kernels
