// Activations (batch, channels, spatial...) as kernels read them: in whatever arrangement the storage keeps. What users
// see is always the plain, row-major tensor; between the operators that know of it, the channels may lie innermost.
#pragma once

#include <array>
#include <optional>

#include "kernels/compute/problem.h"
#include "tensor/arranged.h"

namespace rushlight {

// The place of some channels at a run of positions within a (batch, channels, spatial...) tensor.
struct ActivationPart {
    int64_t channels, positions;                         // of the whole
    int64_t item, channel, position;                     // where the part begins
    // Its first element and its strides over (item, position, channel), where the whole has its channels last.
    int64_t offset() const { return (item * positions + position) * channels + channel; }
    std::array<int64_t, 3> strides() const { return {channels * positions, channels, 1}; }
};

// The part that a view of these sizes, strides and offset takes of a row-major tensor with so many items, channels and
// positions; nothing where it is no such part.
std::optional<ActivationPart> activation_part(const Dims& sizes, const Dims& strides, int64_t offset, int64_t items,
                                              int64_t channels, int64_t positions);

// Is `t` the tensor, or such a part of it, that its storage keeps with channels last?
std::optional<ActivationPart> part_of_channels_last(const TensorImpl& t);

// Copies such a part to memory of its own, channels last; false where `t` is none.
bool copy_part(const Tensor& t, void* to);

// A tensor held for reading during one kernel. A part is read as a copy of its own, with its channels last.
class Activation {
public:
    explicit Activation(const Tensor& t);  // as the storage has it, contiguous otherwise
    Activation(const Tensor& t, compute::Layout wanted);                   // in this layout, arranged anew if need be
    ~Activation();
    Activation(const Activation&) = delete;
    Activation& operator=(const Activation&) = delete;

    const void* data() const { return data_; }
    compute::Layout layout() const { return layout_; }
    bool channels_last() const { return layout_ == compute::Layout::channels_last; }

private:
    bool take_channels_last(const Tensor& t);  // whole or a part, where the storage keeps it so
    bool take_part(const Tensor& t);
    void take(const Tensor& t);

    Tensor tensor_;
    const void* data_ = nullptr;
    compute::Layout layout_ = compute::Layout::plain;
    bool holds_ = false;
};

// The memory of a fresh result that a kernel is about to write in `layout`.
void* result_memory(const Tensor& out, compute::Layout layout);

}  // namespace rushlight
