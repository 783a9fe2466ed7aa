// What a derivative sees: the gradients of the results, the saved values, and where to put the gradients of the inputs.
#pragma once

#include "registry/call.h"

namespace rushlight {

struct InputMeta {                     // of a tensor argument, kept when its values are not
    Dims sizes;
    DType dtype = DType::float32;
    Dims strides;                      // only where the derivative `reads_geometry`
    int64_t offset = 0;
};

struct Vjp {
    const Op& op;
    const Value* args;                 // attributes as at the call; tensors only where saved
    std::span<const Tensor> grads;     // by result; undefined where nothing flowed back
    std::span<const Tensor> results;   // saved results; undefined where not saved
    std::span<const InputMeta> meta;   // by parameter
    uint64_t needed = 0;               // parameters that need a gradient
    bool create_graph = false;         // the derivative itself is being recorded: use differentiable primitives only
    std::span<Tensor> into;            // by parameter: the gradients
    // Of the Tensor[] parameter that needs a gradient: what its tensors were, and room for one gradient each.
    std::span<const InputMeta> list_meta;
    std::vector<Tensor>* into_list = nullptr;

    const Value& operator[](std::string_view param) const { return args[op.parsed.find(param)]; }
    const Value& operator[](int param) const { return args[param]; }
    Tensor grad(int i = 0) const { return grads[size_t(i)]; }
    Tensor input(int param) const { return Tensor(args[param].is_tensor() ? args[param].tensor_ : nullptr); }
    Tensor input(std::string_view param) const { return input(op.parsed.find(param)); }
    Tensor result(int i = 0) const { return results[size_t(i)]; }
    bool needs(int param) const { return needed >> param & 1; }
    bool needs(std::string_view param) const { return needs(op.parsed.find(param)); }
    const Dims& sizes(int param) const { return meta[size_t(param)].sizes; }
    DType dtype(int param) const { return meta[size_t(param)].dtype; }
    // Hands over a gradient; the tape sums it to the input's shape and casts it to its dtype.
    void to(int param, Tensor g) { into[size_t(param)] = std::move(g); }
    void to(std::string_view param, Tensor g) { to(op.parsed.find(param), std::move(g)); }
};

}  // namespace rushlight
