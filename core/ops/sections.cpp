// tensor_split, whose sections may come as a number, as a list or in a tensor.
#include <algorithm>

#include "ops/shape_rules.h"

namespace rushlight {

namespace {

// The numbers of indices_or_sections.
Dims numbers_of(const Call& c) {
    if (c[1].tag == Tag::integer) return {c[1].to_int()};
    if (!c[1].is_tensor()) return Dims(c[1].to_ints());
    const TensorImpl& at = c.tensor(1);
    require(at.dtype == DType::int64 && at.rank() < 2, ErrorKind::runtime, c.name(), ": indices_or_sections has dtype ",
            name_of(at.dtype), " and shape ", at.sizes, "; expected int64 and at most one dimension");
    Tensor row = contiguous(Tensor(&c.tensor(1)));
    return Dims(std::span<const int64_t>(static_cast<const int64_t*>(row.data()), size_t(row.numel())));
}

// Near-equal sections, the first ones larger by one, or those between the given cuts, clamped as slices are.
void compose_tensor_split(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() > 0, ErrorKind::runtime, c.name(), ": a zero-dimensional input can't be split");
    int dim = rules::dim(c, c[2].to_int(), t.sizes);
    int64_t size = t.sizes[dim], before = 0;
    Dims cuts = numbers_of(c);
    if (c[1].tag == Tag::integer || (c[1].is_tensor() && c.tensor(1).rank() == 0)) {
        int64_t count = cuts[0];
        require(count > 0, ErrorKind::runtime, c.name(), ": indices_or_sections=", count,
                "; expected at least one section");
        require(count <= 1 << 24, ErrorKind::runtime, c.name(), ": indices_or_sections=", count,
                " is more than a program can hold");
        cuts = {};
        for (int64_t i = 1; i < count; ++i) cuts.push_back(i * (size / count) + std::min(i, size % count));
    }
    for (int64_t cut : cuts) {
        c.list.push_back(invoke(op_slice, Tensor(&t), dim, before, cut, 1));
        before = cut;
    }
    c.list.push_back(invoke(op_slice, Tensor(&t), dim, before, size, 1));
}

}  // namespace

OP(tensor_split) = {.signature = "tensor_split(input: Tensor, indices_or_sections: Tensor | int | int[], "
                                 "dim: int = 0) -> Tensor[]",
    .names = "tensor_split Tensor.tensor_split", .dtypes = "all", .compose = compose_tensor_split,
    .samples = {.calls = "tensor_split(T(7, 2), 3); tensor_split(T(7), (1, 3)); tensor_split(T(2, 5), (2, 9), 1)"},
    .doc = R"(Views along a dimension, as a tuple: so many of nearly equal size, or those between the given cuts.

Example:
    >>> rushlight.arange(5).tensor_split(2)
    (tensor([0, 1, 2]), tensor([3, 4])))"};

}  // namespace rushlight
