// Copies of operands in another dtype or another order, in scratch memory.
#pragma once

#include "base/dtype.h"
#include "base/scratch.h"
#include "kernels/compute/problem.h"
#include "kernels/generic/loop.h"

namespace rushlight::compute {

// `count` elements next to each other, converted.
inline void convert(void* dst, DType to, const void* src, DType from, int64_t count) {
    const int64_t one = 1;
    copy_strided(1, &count, {dst, to, &one}, {const_cast<void*>(src), from, &one});
}

// A float32 copy of 16-bit floats; null stays null.
class Widened {
public:
    Widened(const void* data, DType dtype, int64_t count)
        : memory_(data ? size_t(count) * sizeof(float) : 0), data_(data), dtype_(dtype), count_(count) {}
    Widened& read() {
        if (data_) convert(memory_.data(), DType::float32, data_, dtype_, count_);
        return *this;
    }
    void write(void* to) const { if (to) convert(to, dtype_, memory_.data(), DType::float32, count_); }
    void* data() const { return data_ ? memory_.data() : nullptr; }

private:
    Scratch memory_;
    const void* data_;
    DType dtype_;
    int64_t count_;
};

// Activations of (batch, channels, positions...) from one layout to the other.
inline void change_layout(void* dst, Layout to, const void* src, DType dtype, int64_t batch, int64_t channels,
                          int64_t positions) {
    const int64_t sizes[] = {batch, channels, positions};
    const int64_t plain[] = {channels * positions, positions, 1}, last[] = {channels * positions, 1, channels};
    bool to_plain = to == Layout::plain;
    copy_strided(3, sizes, {dst, dtype, to_plain ? plain : last},
                 {const_cast<void*>(src), dtype, to_plain ? last : plain});
}

}  // namespace rushlight::compute
