// Who wants to know when tensors and storages come and go: captures, which know them by their addresses.
#pragma once

#include <atomic>

#include "tensor/tensor.h"

namespace rushlight {

struct LifeWatcher {
    void (*tensor_made)(const TensorImpl&);
    void (*tensor_gone)(const TensorImpl&);
    void (*storage_made)(const Storage&);
    void (*storage_gone)(const Storage&);
};
extern std::atomic<const LifeWatcher*> life_watcher;           // null while nobody does

}  // namespace rushlight
