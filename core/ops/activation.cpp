#include "ops/activation.h"

#include "kernels/generic/loop.h"
#include "registry/call.h"

namespace rushlight {

namespace {

// (batch, channels, spatial...) with the channels innermost, as a plain tensor of its own.
Tensor moved_channels(const Tensor& t) {
    Dims sizes = t.sizes(), strides = t.strides();
    sizes.erase(1);
    sizes.push_back(t.size(1));
    strides.erase(1);
    strides.push_back(t.strides()[1]);
    return contiguous(alias(t, sizes, strides, t->offset));
}

}  // namespace

std::optional<ActivationPart> activation_part(const Dims& sizes, const Dims& strides, int64_t offset, int64_t items,
                                              int64_t channels, int64_t positions) {
    int rank = sizes.size();
    if (rank < 3) return {};
    int64_t run = 1;
    for (int i = rank - 1; i >= 2; --i) {
        if (sizes[i] != 1 && strides[i] != run) return {};
        run *= sizes[i];
    }
    int64_t item = channels * positions;
    if (run == 0 || item == 0 || (sizes[1] != 1 && strides[1] != positions) || (sizes[0] != 1 && strides[0] != item))
        return {};
    ActivationPart p = {channels, positions, offset / item, offset % item / positions, offset % positions};
    bool inside = p.item + sizes[0] <= items && p.channel + sizes[1] <= channels && p.position + run <= positions;
    return inside ? std::optional(p) : std::nullopt;
}

std::optional<ActivationPart> part_of_channels_last(const TensorImpl& t) {
    if (t.storage->arrangement() != Arrangement::channels_last || t.rank() < 3 || t.sizes[1] < 2 || !t.numel) return {};
    // A view of the tensor that the storage keeps has its strides.
    int64_t positions = t.strides[1], item = t.strides[0], element = int64_t(size_of(t.dtype));
    if (positions <= 0 || item <= 0 || item % positions != 0) return {};
    int64_t channels = item / positions, items = int64_t(t.storage->bytes()) / (item * element);
    if (!t.storage->arranged_as(items, channels, positions)) return {};
    return activation_part(t.sizes, t.strides, t.offset, items, channels, positions);
}

bool copy_part(const Tensor& t, void* to) {
    auto part = part_of_channels_last(*t.impl());
    if (!part) return false;
    auto* from = static_cast<char*>(t->storage->hold_arranged());
    if (!from) return false;
    int64_t positions = spatial_of(*t.impl()), channels = t.size(1);
    int64_t sizes[] = {t.size(0), positions, channels}, strides[] = {positions * channels, channels, 1};
    copy_strided(3, sizes, {to, t.dtype(), strides},
                 {from + part->offset() * size_of(t.dtype()), t.dtype(), part->strides().data()});
    t->storage->release_arranged();
    return true;
}

bool Activation::take_part(const Tensor& t) {
    if (!part_of_channels_last(*t.impl())) return false;
    Tensor apart = empty_tensor({t.size(0), spatial_of(*t.impl()), t.size(1)}, t.dtype());
    if (!copy_part(t, apart.data())) return false;
    tensor_ = apart;
    data_ = tensor_.data();
    layout_ = compute::Layout::channels_last;
    return true;
}

bool Activation::take_channels_last(const Tensor& t) {
    if (!keeps_channels_last(*t.impl()) || !(data_ = t->storage->hold_arranged())) return take_part(t);
    holds_ = true;
    layout_ = compute::Layout::channels_last;
    return true;
}

void Activation::take(const Tensor& t) {
    tensor_ = t;
    data_ = tensor_.data();
}

Activation::Activation(const Tensor& t) : tensor_(t) {
    if (!take_channels_last(t)) take(contiguous(t));
}

Activation::Activation(const Tensor& t, compute::Layout wanted) : tensor_(t), layout_(wanted) {
    if (wanted == compute::Layout::plain) take(contiguous(t));
    else if (!take_channels_last(t)) take(moved_channels(t));
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
