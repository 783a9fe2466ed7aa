// One tensor kept for the backward of a custom function, with what is needed to notice that it changed.
#pragma once

#include "autograd/op_node.h"

namespace rushlight::autograd {

class SavedTensor {
public:
    // `slot` is the tensor's place among the results of `node`'s call, or -1 for anything else. A result is
    // kept without its history, so that node and result do not keep each other alive.
    SavedTensor(const Tensor& t, int slot, const char* op);
    // Raises when the tensor was changed since. `owner` recorded the call.
    Tensor open(const Ref<Node>& owner, size_t index) const;
    void cut_history_of(const TensorImpl& t);

private:
    Tensor kept_;                         // undefined when packed
    Stamp stamp_;
    int slot_;
    bool watched_ = false;
    uint64_t print_ = 0;
    std::shared_ptr<Packed> packed_;
    Edge origin_;                         // of a packed tensor
};

}  // namespace rushlight::autograd
