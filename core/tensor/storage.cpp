#include "tensor/storage.h"

#include <cstring>
#include <mutex>

#include "base/error.h"
#include "base/parallel.h"
#include "tensor/fork.h"
#include "tensor/life.h"

namespace rushlight {

Ref<Storage> Storage::make(size_t bytes) {
    Block block = allocate(bytes);
    auto* s = new Storage;
    s->block_ = block;
    s->bytes_ = bytes;
    if (const LifeWatcher* watcher = life_watcher.load(std::memory_order_relaxed)) [[unlikely]]
        watcher->storage_made(*s);
    return Ref<Storage>(s);
}

Ref<Storage> Storage::wrap(void* data, size_t bytes, void (*free)(void*), void* context, bool read_only) {
    auto* s = new Storage;
    s->block_ = {data, 0};
    s->bytes_ = bytes;
    s->free_ = free;
    s->context_ = context;
    s->read_only_ = read_only;
    s->writers_ = read_only ? 0 : 1;
    return Ref<Storage>(s);
}

void Storage::destroy(Storage* s) {
    if (const LifeWatcher* watcher = life_watcher.load(std::memory_order_relaxed)) [[unlikely]]
        watcher->storage_gone(*s);
    if (s->entangled()) [[unlikely]] s->give_up();
    if (s->free_) s->free_(s->context_);
    if (!s->free_ || s->block_.capacity) deallocate(s->block_);    // what was wrapped may have been arranged anew
    deallocate(s->retired_);
    delete s;
}

void Storage::resize(size_t bytes) {
    require(resizable(), ErrorKind::runtime,
            "resize_: the storage's memory is shared with another library and can't be resized");
    void* old = data();                                  // an arrangement describes all the bytes there were
    if (bytes > block_.capacity) {
        Block bigger = allocate(bytes);
        if (bytes_) std::memcpy(bigger.data, old, bytes_);
        deallocate(block_);
        block_ = bigger;
    }
    bytes_ = bytes;
}

void Storage::set_channels_last(int64_t n, int64_t c, int64_t spatial, int element) {
    n_ = n;
    c_ = c;
    spatial_ = spatial;
    element_ = uint8_t(element);
    arrangement_.store(Arrangement::channels_last, std::memory_order_release);
}

namespace {

// (rows, columns) of `element` bytes, transposed in blocks that stay in the first-level cache.
template <class T>
void transpose(const T* src, T* dst, int64_t rows, int64_t columns) {
    constexpr int64_t tile = 32;
    for (int64_t r0 = 0; r0 < rows; r0 += tile)
        for (int64_t c0 = 0; c0 < columns; c0 += tile) {
            int64_t r1 = std::min(r0 + tile, rows), c1 = std::min(c0 + tile, columns);
            for (int64_t c = c0; c < c1; ++c)
                for (int64_t r = r0; r < r1; ++r) dst[c * rows + r] = src[r * columns + c];
        }
}

std::mutex rearranging;

}  // namespace

std::mutex& rearranging_lock() { return rearranging; }

void Storage::rearrange_to_plain() {
    settle();
    std::lock_guard guard(rearranging);
    if (arrangement() == Arrangement::plain) return;     // another thread did it meanwhile
    Block plain = allocate(bytes_);
    int64_t image = c_ * spatial_;
    parallel_for(n_, std::max<int64_t>(1, 32768 / std::max<int64_t>(image, 1)), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            auto move = [&](auto zero) {
                using T = decltype(zero);
                transpose(static_cast<const T*>(block_.data) + i * image, static_cast<T*>(plain.data) + i * image,
                          spatial_, c_);
            };
            if (element_ == 4) move(uint32_t{});
            else if (element_ == 8) move(uint64_t{});
            else if (element_ == 2) move(uint16_t{});
            else move(uint8_t{});
        }
    });
    bool own = block_.capacity > 0;
    if (own && holders_.load() > 0) retired_ = block_;
    else if (own) deallocate(block_);
    block_ = plain;
    arrangement_.store(Arrangement::plain, std::memory_order_release);
}

void* Storage::hold_arranged() {
    if (arrangement() == Arrangement::plain) return nullptr;
    settle();
    std::lock_guard guard(rearranging);
    if (arrangement() == Arrangement::plain) return nullptr;
    holders_.fetch_add(1);
    return block_.data;
}

void Storage::release_arranged() { holders_.fetch_sub(1); }

namespace {

std::mutex deriving;

}  // namespace

std::mutex& deriving_lock() { return deriving; }

std::shared_ptr<void> Storage::derived(std::shared_ptr<void> (*make)()) {
    std::lock_guard guard(deriving);
    if (!derived_ || derived_version_ != version()) {
        derived_ = make();
        derived_version_ = version();
        has_derived_.store(true, std::memory_order_relaxed);
    }
    return derived_;
}

void Storage::drop_derived() {
    std::lock_guard guard(deriving);
    derived_.reset();
    has_derived_.store(false, std::memory_order_relaxed);
}

}  // namespace rushlight
