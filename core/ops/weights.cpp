#include "ops/weights.h"

#include "registry/mode.h"

namespace rushlight {

std::shared_ptr<compute::PackedWeights> packed_weights(const Tensor& weight) {
    Storage& storage = *weight->storage;
    bool whole = weight.contiguous() && weight->offset == 0 &&
                 size_t(weight.numel() * size_of(weight.dtype())) == storage.bytes();
    if (mode.grad || !whole || storage.written_elsewhere()) {
        storage.forget_derived();
        return nullptr;
    }
    return std::static_pointer_cast<compute::PackedWeights>(
        storage.derived([]() -> std::shared_ptr<void> { return std::make_shared<compute::PackedWeights>(); }));
}

}  // namespace rushlight
