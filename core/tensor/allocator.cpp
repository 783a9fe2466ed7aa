#include "tensor/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/events.h"
#include "base/log.h"
#include "base/scratch.h"
#include "tensor/fork.h"

#if defined(__SANITIZE_ADDRESS__)
#define RUSHLIGHT_NO_CACHE 1              // let the sanitizer see every allocation
#endif

namespace rushlight {

namespace {

constexpr size_t alignment = 64;
constexpr size_t small_limit = size_t(1) << 16;      // below: thread-local lists, no lock
constexpr size_t large_limit = size_t(1) << 21;      // from here on: whole huge pages straight from the system
constexpr size_t slack = size_t(1) << 26;
constexpr int class_count = 48 * 8;

struct Counters {
    std::atomic<uint64_t> in_use{0}, peak{0}, cached{0}, system{0};
};
Counters counters;

// Eight classes between two powers of two: at most an eighth of a block is unused.
int class_of(size_t bytes) {
    if (bytes <= alignment * 8) return int((bytes + alignment - 1) / alignment);
    int top = 63 - std::countl_zero(uint64_t(bytes - 1));
    int step = int(((bytes - 1) >> (top - 3)) & 7) + 1;
    return (top - 9) * 8 + 8 + step;
}

size_t class_size(int c) {
    if (c <= 8) return size_t(c) * alignment;
    int top = (c - 9) / 8 + 9, step = (c - 9) % 8 + 1;
    return (size_t(1) << top) + (size_t(step) << (top - 3));
}

void* from_system(size_t bytes) {
    counters.system.fetch_add(1, std::memory_order_relaxed);
    if (bytes < large_limit) return std::aligned_alloc(alignment, bytes);
    size_t padded = bytes + large_limit;             // room to start on a huge page
    void* raw = mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    auto start = reinterpret_cast<uintptr_t>(raw);
    auto aligned = (start + large_limit - 1) & ~(large_limit - 1);
    size_t whole = (bytes + 4095) & ~size_t(4095);
    if (aligned > start) munmap(raw, aligned - start);
    if (start + padded > aligned + whole)
        munmap(reinterpret_cast<void*>(aligned + whole), start + padded - aligned - whole);
    madvise(reinterpret_cast<void*>(aligned), whole, MADV_HUGEPAGE);
    return reinterpret_cast<void*>(aligned);
}

void to_system(void* data, size_t bytes) {
    if (bytes < large_limit) std::free(data);
    else munmap(data, (bytes + 4095) & ~size_t(4095));
}

using FreeList = std::vector<void*>;

struct SharedLists {
    std::mutex lock;
    FreeList lists[class_count];
    uint64_t used[class_count] = {};                  // when a block of the class last came or went
    uint64_t now = 0;
};
alignas(SharedLists) unsigned char shared_memory[sizeof(SharedLists)];

SharedLists& shared_lists() {                         // never destroyed: tensors may outlive static destruction
    static SharedLists* made = new (shared_memory) SharedLists;
    return *made;
}

struct ThreadLists {
    FreeList lists[80];                               // classes up to small_limit
    ~ThreadLists();
};
thread_local bool thread_lists_gone = false;
thread_local ThreadLists thread_lists;

ThreadLists::~ThreadLists() {
    thread_lists_gone = true;
    for (int c = 0; c < 80; ++c)
        for (void* p : lists[c]) to_system(p, class_size(c));
}

constexpr size_t thread_list_length = 64;

Block take_cached(int c, size_t bytes) {
    if (bytes <= small_limit) {
        if (thread_lists_gone) return {};
        FreeList& list = thread_lists.lists[c];
        if (list.empty()) return {};
        void* p = list.back();
        list.pop_back();
        return {p, bytes};
    }
    SharedLists& shared = shared_lists();
    std::lock_guard guard(shared.lock);
    // A block one or two classes larger will do: less memory in all than one list for every size.
    for (int k = c; k < std::min(c + 3, class_count); ++k) {
        FreeList& list = shared.lists[k];
        if (list.empty()) continue;
        void* p = list.back();
        list.pop_back();
        counters.cached.fetch_sub(class_size(k), std::memory_order_relaxed);
        shared.used[k] = ++shared.now;
        return {p, class_size(k)};
    }
    shared.used[c] = ++shared.now;
    return {};
}

// Gives one block of the class that has rested longest to the system; false where there is none but of class `c`.
bool drop_stale(SharedLists& shared, int c) {
    int stale = -1;
    for (int k = 0; k < class_count; ++k)
        if (k != c && !shared.lists[k].empty() && (stale < 0 || shared.used[k] < shared.used[stale])) stale = k;
    if (stale < 0) return false;
    to_system(shared.lists[stale].back(), class_size(stale));
    shared.lists[stale].pop_back();
    counters.cached.fetch_sub(class_size(stale), std::memory_order_relaxed);
    return true;
}

bool keep(void* data, size_t bytes) {
    int c = class_of(bytes);
    if (bytes <= small_limit) {
        if (thread_lists_gone || thread_lists.lists[c].size() >= thread_list_length) return false;
        thread_lists.lists[c].push_back(data);
        return true;
    }
    SharedLists& shared = shared_lists();
    std::lock_guard guard(shared.lock);
    // Hold about as much for later as was ever in use at once; a program whose blocks fall into many classes needs some
    // more. What the program no longer asks for goes first.
    const uint64_t most = counters.peak.load(std::memory_order_relaxed) + slack;
    while (counters.cached.load(std::memory_order_relaxed) + bytes > most)
        if (!drop_stale(shared, c)) return false;
    shared.used[c] = ++shared.now;
    shared.lists[c].push_back(data);
    counters.cached.fetch_add(bytes, std::memory_order_relaxed);
    return true;
}

void count_in(size_t bytes) {
    uint64_t now = counters.in_use.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    uint64_t peak = counters.peak.load(std::memory_order_relaxed);
    while (now > peak && !counters.peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {}
}

Block fresh(size_t capacity) {
    void* data = from_system(capacity);
    if (!data) {
        release_cached_memory();
        data = from_system(capacity);
    }
    return {data, data ? capacity : 0};
}

}  // namespace

std::mutex& allocator_lock() { return shared_lists().lock; }

Block allocate(size_t bytes) {
    if (bytes == 0) return {};
    require(bytes <= (size_t(1) << 46), ErrorKind::memory, "allocate: ", bytes,
            " bytes were asked for; more than the machine has");
    int c = class_of(bytes);
    size_t capacity = class_size(c);
#ifdef RUSHLIGHT_NO_CACHE
    Block block = fresh(capacity);
#else
    Block block = take_cached(c, capacity);
    if (!block.data) block = fresh(capacity);
#endif
    require(block.data != nullptr, ErrorKind::memory, "allocate: ", bytes,
            " bytes were asked for and are not available");
    count_in(block.capacity);
    if (watched(watch_memory | watch_log)) [[unlikely]] {
        if (watched(watch_memory)) events::note_memory(int64_t(block.capacity), int64_t(counters.in_use.load()));
        if (logging(Channel::memory))
            log_line(Channel::memory, "allocate " + std::to_string(bytes) + " bytes");
    }
    return block;
}

void deallocate(Block block) noexcept {
    if (!block.data) return;
    counters.in_use.fetch_sub(block.capacity, std::memory_order_relaxed);
    if (watched(watch_memory)) [[unlikely]]
        events::note_memory(-int64_t(block.capacity), int64_t(counters.in_use.load()));
#ifdef RUSHLIGHT_NO_CACHE
    to_system(block.data, block.capacity);
#else
    if (!keep(block.data, block.capacity)) to_system(block.data, block.capacity);
#endif
}

Scratch::Scratch(size_t bytes) {
    Block block = allocate(bytes);
    data_ = block.data;
    capacity_ = block.capacity;
}

void Scratch::give_back() noexcept { deallocate({data_, capacity_}); }

MemoryStatistics memory_statistics() {
    return {counters.in_use, counters.peak, counters.cached, counters.system};
}

void reset_peak_memory() { counters.peak.store(counters.in_use.load()); }

void release_cached_memory() {
    SharedLists& shared = shared_lists();
    std::lock_guard guard(shared.lock);
    for (int c = 0; c < class_count; ++c) {
        for (void* p : shared.lists[c]) {
            to_system(p, class_size(c));
            counters.cached.fetch_sub(class_size(c), std::memory_order_relaxed);
        }
        shared.lists[c].clear();
    }
}

}  // namespace rushlight
