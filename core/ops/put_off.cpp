#include "ops/put_off.h"

#include "ops/activation.h"

namespace rushlight {

namespace {

class PutOffAffine : public Deferred {
public:
    PutOffAffine(const Ref<Storage>& x, kernels::ChannelShape shape, kernels::ChannelAffine affine)
        : shape_(shape), affine_(std::make_shared<kernels::ChannelAffine>(std::move(affine))) {
        sources.push_back(x);
    }

    void fill(void* bytes, const void* const* from) const override {
        auto* addend = adds() ? static_cast<const float*>(from[1]) : nullptr;
        kernels::apply_affine(static_cast<const float*>(from[0]), addend, static_cast<float*>(bytes), shape_, *affine_,
                              relu);
    }
    bool adds() const { return sources.size() > 1; }

    bool relu = false;                                   // comes last: nothing joins after it

private:
    kernels::ChannelShape shape_;
    std::shared_ptr<const kernels::ChannelAffine> affine_;
};

std::shared_ptr<const PutOffAffine> work_on(const Tensor& t) {
    if (!t->storage->entangled() || !keeps_channels_last(*t.impl())) return nullptr;
    return std::dynamic_pointer_cast<const PutOffAffine>(t->storage->deferred());
}

bool is_fresh(const Tensor& out, const Tensor& like) {
    Storage& storage = *out->storage;
    return storage.arrangement() == Arrangement::plain && storage.resizable() && storage.use_count() == 1 &&
           is_whole_storage(*out.impl()) && out.sizes() == like.sizes() && out.dtype() == like.dtype();
}

// `work`, which takes in what `before` was, becomes the work on `out`.
bool hand_over(const Tensor& in, const Tensor& out, const Deferred* before, std::shared_ptr<const Deferred> work) {
    if (out.impl() == in.impl()) return in->storage->defer(std::move(work), before);
    if (!is_fresh(out, in)) return false;
    result_memory(out, compute::Layout::channels_last);
    return out->storage->defer(std::move(work));
}

}  // namespace

bool may_be_put_off(const Tensor& y, const Tensor& x) {
    constexpr int64_t worth = 1 << 15;
    return y.dtype() == DType::float32 && y.numel() >= worth && is_fresh(y, x);
}

void put_off_affine(const Tensor& y, const Tensor& x, kernels::ChannelShape shape, kernels::ChannelAffine affine) {
    result_memory(y, compute::Layout::channels_last);
    y->storage->defer(std::make_shared<PutOffAffine>(x->storage, shape, std::move(affine)));
}

bool relu_joins(const Tensor& in, const Tensor& out) {
    auto before = work_on(in);
    if (!before || before->relu) return false;
    auto work = std::make_shared<PutOffAffine>(*before);
    work->relu = true;
    return hand_over(in, out, before.get(), std::move(work));
}

bool add_joins(const Tensor& a, const Tensor& b, const Tensor& out) {
    auto before = work_on(a);
    if (!before || before->relu || before->adds()) return false;
    if (b->storage == a->storage || b->storage == out->storage || !keeps_channels_last(*b.impl())) return false;
    if (!(b.sizes() == a.sizes()) || b.dtype() != a.dtype()) return false;
    Activation settled(b);                               // no source is put off itself
    if (!settled.channels_last()) return false;
    auto work = std::make_shared<PutOffAffine>(*before);
    work->sources.push_back(b->storage);
    return hand_over(a, out, before.get(), std::move(work));
}

}  // namespace rushlight
