// The geometry that reductions, scans, sorts and softmax share, and the report of a bad index.
#pragma once

#include <cstdint>

namespace rushlight::kernels {

// A contiguous array seen from one dimension (or several adjacent ones) of `n` elements: element (o, i, k)
// lies at (o * n + i) * inner + k. A result that reduces the dimension has outer * inner elements.
struct Extent {
    int64_t outer, n, inner;
};

// The first index outside its range, in the order of the index array; `position` is -1 where all are good.
struct IndexFault {
    int64_t position = -1, value = 0;
    int which = 0;                       // which index array, where an operator takes several
    explicit operator bool() const { return position >= 0; }
};

}  // namespace rushlight::kernels
