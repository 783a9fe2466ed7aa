// What an in-place change of a view means for the tensor it views: the elements of the view go through the
// recorded call, the others stay.
#pragma once

#include "autograd/node.h"

namespace rushlight::autograd {

class CopySlices final : public Node {
public:
    // `inner` recorded the change of `view`; its first edge led to the view's old history, which becomes the
    // base's.
    CopySlices(TensorImpl& base, const TensorImpl& view, Ref<Node> inner);
    void apply(std::span<Tensor> grads, std::span<Tensor> out, const Pass& pass) override;
    bool keeps() const override { return inner_->keeps(); }
    std::string name() const override { return "CopySlices"; }
    void cut_history_of(const TensorImpl& t) override { inner_->cut_history_of(t); }

private:
    struct Place {
        Dims sizes, strides;
        int64_t offset;
        DType dtype;
    };
    Place base_, view_;
    Ref<Node> inner_;
    std::vector<Edge> own_edges_;
};

}  // namespace rushlight::autograd
