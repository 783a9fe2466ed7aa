// Fingerprints of memory that other libraries may write behind the tape's back, and the watch over such memory.
#include <cstring>
#include <mutex>

#include "tensor/fork.h"
#include "tensor/tensor.h"

namespace rushlight {

namespace {

constexpr uint64_t odd[4] = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0xd6e8feb86659fd93};

uint64_t mixed(uint64_t x) {
    x ^= x >> 32;
    x *= odd[3];
    return x ^ x >> 29;
}

std::mutex watching;

}  // namespace

std::mutex& watching_lock() { return watching; }

// Four independent lanes of multiply and rotate keep up with memory.
uint64_t fingerprint(const void* data, size_t bytes, uint64_t seed) {
    auto* p = static_cast<const char*>(data);
    uint64_t lanes[4] = {seed + odd[0], seed ^ odd[1], seed - odd[2], seed + odd[3]};
    size_t n = bytes;
    for (; n >= 32; n -= 32, p += 32) {
        uint64_t words[4];
        std::memcpy(words, p, 32);
        for (int i = 0; i < 4; ++i) {
            lanes[i] = (lanes[i] ^ words[i]) * odd[i];
            lanes[i] = lanes[i] << 31 | lanes[i] >> 33;
        }
    }
    uint64_t rest[4] = {};
    if (n) std::memcpy(rest, p, n);
    uint64_t out = bytes;
    for (int i = 0; i < 4; ++i) out = mixed(out ^ mixed(lanes[i] ^ mixed(rest[i] + odd[i])));
    return out;
}

static uint64_t print_of(const TensorImpl& t, const char* data, int dim, uint64_t seed) {
    int64_t element = size_of(t.dtype);
    if (dim == t.rank()) return fingerprint(data, size_t(element), seed);
    if (dim == t.rank() - 1 && t.strides[dim] == 1) return fingerprint(data, size_t(t.sizes[dim] * element), seed);
    for (int64_t i = 0; i < t.sizes[dim]; ++i) seed = print_of(t, data + i * t.strides[dim] * element, dim + 1, seed);
    return seed;
}

uint64_t fingerprint(const TensorImpl& t) {
    if (t.numel == 0) return 0;
    auto* data = static_cast<const char*>(t.data());
    return t.contiguous ? fingerprint(data, size_t(t.numel * size_of(t.dtype))) : print_of(t, data, 0, 0);
}

void Storage::begin_sharing() {
    writers_.fetch_add(1, std::memory_order_relaxed);
    forget_derived();
    if (!saved_.load(std::memory_order_relaxed) || bytes_ == 0) return;
    std::lock_guard guard(watching);
    if (watched_.load() && print_version_ == version()) return;
    print_ = fingerprint(data(), bytes_);
    print_version_ = version();
    watched_ = true;
}

void Storage::end_sharing() {
    notice_outside_writes();
    if (writers_.fetch_sub(1, std::memory_order_relaxed) == 1) watched_ = false;
}

void Storage::compare_print() {
    std::lock_guard guard(watching);
    if (!watched_.load() || print_version_ != version()) return;
    uint64_t now = fingerprint(data(), bytes_);
    if (now == print_) return;
    print_ = now;
    bump();
    print_version_ = version();
}

}  // namespace rushlight
