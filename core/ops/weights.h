// Weights in the layouts that kernels want, kept between the calls of a program that does not train.
#pragma once

#include <memory>

#include "kernels/compute/packed.h"
#include "tensor/tensor.h"

namespace rushlight {

// What is kept with the storage of `weight`; null where it may change unseen, or is about to change: while gradients
// are recorded, and in memory that another library can write.
std::shared_ptr<compute::PackedWeights> packed_weights(const Tensor& weight);

}  // namespace rushlight
