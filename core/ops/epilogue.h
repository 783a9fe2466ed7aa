// What joins a product or a convolution in one pass: a tensor that is added to the result, and an activation.
#pragma once

#include <optional>

#include "ops/activation.h"
#include "registry/call.h"

namespace rushlight {

// The derivative of operators of several in one pass. Their records name the addend in `overwrites`: the planner may
// give the result the addend's memory, and the kernel reads it there.
inline constexpr Derivative fused_for_inference = not_differentiable(
    "made by jit.optimize_for_inference; jit.freeze alone keeps operators that have derivatives");

enum class Follows : uint8_t { nothing, relu, gelu };

// The argument `activation`.
Follows activation_of(const Call& c);
// The addend has the result's shape and dtype. Gradients are not wanted: there are none, and nobody shall take them for
// zero.
void check_addend(const Call& c, int param);

// The memory of a result that begins as the addend's values (undefined: as nothing), in `layout`. Where the planner
// gave the result the addend's own memory, that is where it is.
class ResultMemory {
public:
    ResultMemory(const Tensor& result, const Tensor& addend, compute::Layout layout);
    void* data() const { return data_; }

private:
    std::optional<Activation> in_place_;                 // holds the memory as it is arranged
    void* data_ = nullptr;
};

}  // namespace rushlight
