// Weights in the layouts that implementations want, made at first use and kept by whoever owns the object: a
// layer in inference holds one, training passes none and the packing goes into scratch memory.
#pragma once

#include <cstring>
#include <mutex>
#include <vector>

#include "base/scratch.h"

namespace rushlight::compute {

// Good for one weight tensor: its owner calls clear() when the values change. Thread-safe but for clear().
class PackedWeights {
public:
    // The bytes that belong to `tag` (an implementation's description of a layout), filled by `fill(void*)`
    // at first use.
    template <class F>
    const void* get(const void* tag, size_t tag_size, size_t bytes, F&& fill) {
        std::lock_guard guard(lock_);
        for (const Entry& e : entries_)
            if (e.tag.size() == tag_size && std::memcmp(e.tag.data(), tag, tag_size) == 0) return e.memory.data();
        Scratch memory(bytes);
        fill(memory.data());
        auto* first = static_cast<const unsigned char*>(tag);
        entries_.push_back({std::vector<unsigned char>(first, first + tag_size), std::move(memory)});
        return entries_.back().memory.data();
    }

    void clear() { entries_.clear(); }
    bool empty() const { return entries_.empty(); }

private:
    struct Entry {
        std::vector<unsigned char> tag;
        Scratch memory;
    };
    std::mutex lock_;
    std::vector<Entry> entries_;
};

}  // namespace rushlight::compute
