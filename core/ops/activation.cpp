#include "ops/activation.h"

#include "registry/call.h"

namespace rushlight {

namespace {

int64_t spatial_of(const TensorImpl& t) {
    int64_t n = 1;
    for (int i = 2; i < t.rank(); ++i) n *= t.sizes[i];
    return n;
}

// (batch, channels, spatial...) with the channels innermost, as a plain tensor of its own.
Tensor moved_channels(const Tensor& t) {
    int64_t channels = t.size(1), spatial = spatial_of(*t.impl());
    Tensor plain = contiguous(t);
    Tensor view = alias(plain, {t.size(0), spatial, channels}, {channels * spatial, 1, spatial}, plain->offset);
    return contiguous(view);
}

}  // namespace

bool is_whole_storage(const TensorImpl& t) {
    return t.contiguous && t.offset == 0 && size_t(t.numel * size_of(t.dtype)) == t.storage->bytes();
}

bool keeps_channels_last(const TensorImpl& t) {
    return t.storage->arrangement() == Arrangement::channels_last && t.rank() >= 3 && is_whole_storage(t) &&
           t.storage->arranged_as(t.sizes[0], t.sizes[1], spatial_of(t));
}

Activation::Activation(const Tensor& t) : tensor_(t) {
    if (keeps_channels_last(*t.impl()) && (data_ = t->storage->hold_arranged())) {
        holds_ = true;
        layout_ = compute::Layout::channels_last;
        return;
    }
    tensor_ = contiguous(t);
    data_ = tensor_.data();
}

Activation::Activation(const Tensor& t, compute::Layout wanted) : tensor_(t), layout_(wanted) {
    if (wanted == compute::Layout::channels_last) {
        if (keeps_channels_last(*t.impl()) && (data_ = t->storage->hold_arranged())) {
            holds_ = true;
            return;
        }
        tensor_ = moved_channels(t);
    } else {
        tensor_ = contiguous(t);
    }
    data_ = tensor_.data();
}

Activation::~Activation() {
    if (holds_) tensor_->storage->release_arranged();
}

void* result_memory(const Tensor& out, compute::Layout layout) {
    if (layout == compute::Layout::plain) return out.data();
    void* data = out.data();
    out->storage->set_channels_last(out.size(0), out.size(1), spatial_of(*out.impl()), int(size_of(out.dtype())));
    return data;
}

}  // namespace rushlight
