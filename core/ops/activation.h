// Activations (batch, channels, spatial...) as kernels read them: in whatever arrangement the storage keeps. What users
// see is always the plain, row-major tensor; between the operators that know of it, the channels may lie innermost.
#pragma once

#include "kernels/compute/problem.h"
#include "tensor/tensor.h"

namespace rushlight {

// Does `t` hold all of its storage's bytes, in row-major order?
bool is_whole_storage(const TensorImpl& t);

// Is `t` exactly the tensor that its storage keeps with channels last?
bool keeps_channels_last(const TensorImpl& t);

// A tensor held for reading during one kernel.
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
    Tensor tensor_;
    const void* data_ = nullptr;
    compute::Layout layout_ = compute::Layout::plain;
    bool holds_ = false;
};

// The memory of a fresh result that a kernel is about to write in `layout`.
void* result_memory(const Tensor& out, compute::Layout layout);

}  // namespace rushlight
