// Memory that a kernel needs for the length of one call. Declared here so that kernels can ask for it; it
// comes from the one allocator in tensor/allocator.cpp, so nothing is fresh from the system on the second
// call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace rushlight {

class Scratch {
public:
    Scratch() = default;
    explicit Scratch(size_t bytes);
    ~Scratch() { if (data_) give_back(); }
    Scratch(Scratch&& o) noexcept
        : data_(std::exchange(o.data_, nullptr)), capacity_(std::exchange(o.capacity_, size_t(0))) {}
    Scratch& operator=(Scratch&& o) noexcept {
        std::swap(data_, o.data_);
        std::swap(capacity_, o.capacity_);
        return *this;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    void* data() const { return data_; }                              // 64-byte aligned; null for zero bytes
    template <class T> T* as() const { return static_cast<T*>(data_); }
    size_t capacity() const { return capacity_; }

private:
    void give_back() noexcept;
    void* data_ = nullptr;
    size_t capacity_ = 0;
};

}  // namespace rushlight
