#include "autograd/copy_slices.h"

#include "autograd/primitives.h"
#include "autograd/variable.h"

namespace rushlight::autograd {

CopySlices::CopySlices(TensorImpl& base, const TensorImpl& view, Ref<Node> inner)
    : Node(sizeof(CopySlices), next_sequence()),
      base_{base.sizes, base.strides, base.offset, base.dtype},
      view_{view.sizes, view.strides, view.offset, view.dtype},
      inner_(std::move(inner)) {
    require(inner_->result_count() == 1, ErrorKind::runtime, inner_->name(), ": a function that changes a "
            "view in place must return one tensor");
    own_edges_.assign(inner_->edges().begin(), inner_->edges().end());
    if (own_edges_.empty()) own_edges_.emplace_back();
    own_edges_[0] = gradient_edge(base);
    edges_ = own_edges_.data();
    edge_count_ = uint32_t(own_edges_.size());
}

void CopySlices::apply(std::span<Tensor> grads, std::span<Tensor> out, const Pass& pass) {
    if (!grads[0].defined()) return;
    Tensor result = primitive::empty_strided(base_.sizes, base_.strides, base_.dtype);
    primitive::copy_in_place(result, grads[0]);
    Tensor source = in_dtype_of(result, view_.dtype);
    int64_t start = view_.offset - base_.offset * (is_complex(base_.dtype) && !is_complex(view_.dtype)
                                                   ? 2 : 1);
    if (is_complex(view_.dtype) && !is_complex(base_.dtype)) start = view_.offset - base_.offset / 2;
    Tensor slice = invoke(primitive::restride(), source, view_.sizes, view_.strides,
                          start - source->offset, source.strides());
    Tensor inside = primitive::clone(slice);
    inner_->apply({&inside, 1}, out, pass);
    Tensor first = std::move(out[0]);
    if (!first.defined()) first = primitive::zeros(view_.sizes, view_.dtype);
    if (edges_[0].node) {
        primitive::copy_in_place(slice, first);
        out[0] = std::move(result);
    }
}

}  // namespace rushlight::autograd
