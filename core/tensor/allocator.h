// The one allocator for tensor memory: 64-byte aligned blocks in size classes, kept for reuse. Fresh pages cost ten
// times what memory does, so a freed block stays mapped; large blocks ask for huge pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

struct Block {
    void* data = nullptr;
    size_t capacity = 0;       // what must be given back
};

Block allocate(size_t bytes);                // throws Error(memory) naming the bytes asked
void deallocate(Block block) noexcept;

struct MemoryStatistics {
    uint64_t in_use, peak_in_use, cached, system_allocations;      // bytes; the last is a count
};
MemoryStatistics memory_statistics();
void reset_peak_memory();
void release_cached_memory();

}  // namespace rushlight
