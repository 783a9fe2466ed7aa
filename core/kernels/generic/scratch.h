// Scratch memory of one thread: reused from call to call, so that a kernel's temporary rows cost no
// allocation.
#pragma once

#include <cstddef>

namespace rushlight::kernels {

// Holds `bytes`, aligned to 64, until the end of the scope. Scopes nest; the object never leaves its thread.
// Blocks too large to be kept are allocated and freed. Throws Error(memory) when there is none.
class Scratch {
public:
    explicit Scratch(size_t bytes);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    template <class T> T* as() const { return static_cast<T*>(data_); }

private:
    void* data_;
    size_t bytes_;
    bool owned_;
};

}  // namespace rushlight::kernels
