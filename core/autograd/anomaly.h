// Anomaly mode: nodes remember where they were recorded, and gradients are looked through for NaN, and for infinities
// where that is wanted too.
#pragma once

#include <string>

#include "autograd/node.h"

namespace rushlight::autograd {

struct Anomaly {
    bool enabled = false, check_nan = true, check_infinite = false;
    std::string (*trace)() = nullptr;          // the caller's stack, from the embedding interpreter
};
extern Anomaly anomaly;

void note_origin(Node& node);
// raises naming the node, the gradient and the recording line
void refuse_nan(const Node& node, std::span<const Tensor> grads);

}  // namespace rushlight::autograd
