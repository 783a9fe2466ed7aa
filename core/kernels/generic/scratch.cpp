#include "kernels/generic/scratch.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace rushlight::kernels {

namespace {

constexpr size_t largest_kept = size_t(8) << 20;

void* allocate(size_t bytes) {
    void* p = std::aligned_alloc(64, bytes);
    require(p != nullptr, ErrorKind::memory, "a kernel needs ", bytes,
            " bytes of scratch memory; expected that they can be allocated");
    return p;
}

struct Arena {
    char* base = nullptr;
    size_t size = 0, used = 0, wanted = 0; // wanted: the most that was asked for at one time
    ~Arena() { std::free(base); }
};

thread_local Arena arena;

}  // namespace

Scratch::Scratch(size_t bytes) : bytes_((std::max<size_t>(bytes, 1) + 63) / 64 * 64), owned_(false) {
    Arena& a = arena;
    if (a.used + bytes_ <= largest_kept) a.wanted = std::max(a.wanted, a.used + bytes_);
    if (a.used == 0 && a.wanted > a.size) {
        std::free(a.base);
        a.base = nullptr;
        a.size = 0;
        size_t size = std::min(largest_kept, std::max<size_t>(2 * a.wanted, size_t(1) << 16));
        a.base = static_cast<char*>(allocate(size));
        a.size = size;
    }
    owned_ = a.used + bytes_ > a.size;
    data_ = owned_ ? allocate(bytes_) : a.base + a.used;
    if (!owned_) a.used += bytes_;
}

Scratch::~Scratch() {
    if (owned_) std::free(data_);
    else arena.used -= bytes_;
}

}  // namespace rushlight::kernels
