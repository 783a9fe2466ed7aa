#include "ops/weights.h"

#include "ops/activation.h"
#include "registry/mode.h"
#include "registry/training.h"

namespace rushlight {

std::shared_ptr<compute::PackedWeights> packed_weights(const Tensor& weight) {
    Storage& storage = *weight->storage;
    // Integers are not trained.
    bool may_change = (mode.grad || weights_change) && is_differentiable(weight.dtype());
    if (may_change || !is_whole_storage(*weight.impl()) || storage.written_elsewhere()) {
        storage.forget_derived();
        return nullptr;
    }
    return std::static_pointer_cast<compute::PackedWeights>(
        storage.derived([]() -> std::shared_ptr<void> { return std::make_shared<compute::PackedWeights>(); }));
}

}  // namespace rushlight
