// One operator call on its way through the funnel: bound arguments, the geometry that the rule gave, the results.
#pragma once

#include <array>

#include "registry/mode.h"
#include "registry/op.h"

namespace rushlight {

inline constexpr int max_params = 24;

struct Geometry {                      // what a rule says of one result
    Dims sizes;
    DType dtype = DType::float32;
    Dims strides;                      // of a view, or a wish for dense strides other than row-major (then `strided`)
    int64_t offset = 0;
    bool strided = false;
};

struct Call {
    const Op& op;
    const Value* args;
    int results = 0;
    std::array<Geometry, 4> geometry;
    std::array<Tensor, 4> out;
    std::vector<Tensor> list;          // results of an operator that returns a list
    DType compute = DType::float32;    // of pointwise operators: the dtype the arithmetic is done in
    bool passes_view = false;          // a view operator that returned its input unchanged
    TensorImpl* destination = nullptr; // of in-place calls and `out=`: where result 0 goes
    bool in_place = false;             // destination is argument 0
    Tensor original;  // of a recorded in-place call: the destination's old values, where the derivative reads them

    Call(const Op& o, const Value* a) : op(o), args(a) {}

    const char* name() const { return op.parsed.name.c_str(); }
    const Value& operator[](int i) const { return args[i]; }
    const Value& operator[](std::string_view param) const { return args[op.parsed.find(param)]; }
    // A view of the argument as a tensor. It borrows.
    TensorImpl& tensor(int i) const { return *args[i].tensor_; }
    bool has(int i) const { return args[i].tag != Tag::none; }

    Geometry& result(const Dims& sizes, DType dtype) {
        Geometry& g = geometry[size_t(results++)];
        g.sizes = sizes;
        g.dtype = dtype;
        return g;
    }
    Geometry& view(const Dims& sizes, const Dims& strides, int64_t offset) {
        Geometry& g = result(sizes, tensor(0).dtype);
        g.strides = strides;
        g.offset = offset;
        g.strided = true;
        return g;
    }
};

// The funnel. Runs `op` and fills call.out (or call.list).
void dispatch(Call& call);
// The same with a tensor for each result to go to.
void dispatch_into_several(Call& call, std::span<const Tensor> targets);

// A view of `source` that knows what it views. Operators that return a list of views fill call.list with these.
Tensor view_of(TensorImpl& source, const Dims& sizes, const Dims& strides, int64_t offset);

// A contiguous tensor with the argument's values: itself when it is contiguous already.
Tensor contiguous(const Tensor& t);
Tensor cast(const Tensor& t, DType dtype);       // values in another dtype; itself when it has it already; contiguous
void copy_values(TensorImpl& to, TensorImpl& from);      // broadcasts and casts; no observers; `to` may overlap `from`
void copy_into_new(TensorImpl& to, TensorImpl& from);    // the same into memory of its own, which may be arranged

}  // namespace rushlight
