// Whether the calls of this thread belong to a captured program that changes weights, or finds gradients to change them
// by: layouts of weights are not worth keeping then, as they are not while gradients are recorded.
#pragma once

#include <atomic>
#include <cstdint>

namespace rushlight {

// How often hooks of leaves were added or taken away: captured steps hold for the hooks that they were captured with.
extern std::atomic<uint32_t> leaf_hook_changes;

extern thread_local bool weights_change;

class WeightsChange {                  // sets it for its lifetime
public:
    explicit WeightsChange(bool on) : before_(weights_change) { weights_change = on; }
    ~WeightsChange() { weights_change = before_; }
    WeightsChange(const WeightsChange&) = delete;
    WeightsChange& operator=(const WeightsChange&) = delete;

private:
    bool before_;
};

}  // namespace rushlight
