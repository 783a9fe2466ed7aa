#include "registry/mode.h"

#include <atomic>

#include "registry/training.h"

namespace rushlight {

thread_local Mode mode;
std::atomic<uint32_t> leaf_hook_changes{0};
thread_local bool weights_change = false;
bool standard_operators = false;
TapeObserver tape_observer;

static std::atomic<DType> default_floating{DType::float32};

DType default_dtype() { return default_floating.load(std::memory_order_relaxed); }

void set_default_dtype(DType t) {
    require(is_floating(t), ErrorKind::type, "set_default_dtype: d=", name_of(t), " is not a floating dtype");
    default_floating.store(t);
}

}  // namespace rushlight
