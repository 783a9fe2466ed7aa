#include "autograd/saved_tensor.h"

#include "registry/mode.h"

namespace rushlight::autograd {

SavedTensor::SavedTensor(const Tensor& t, int slot, const char* op) : slot_(slot) {
    require_savable(*t.impl(), op);
    Tensor plain = slot >= 0 ? detach(t) : t;
    if (pack_saved) {
        packed_ = pack_saved(plain);
        if (slot < 0) origin_ = gradient_edge(*t.impl());
        return;
    }
    kept_ = plain;
    plain->storage->notice_outside_writes();
    stamp_ = Stamp::of(*plain.impl());
    watched_ = plain->storage->written_elsewhere();
    if (watched_) print_ = fingerprint(*plain.impl());
    plain->storage->note_saved();
}

Tensor SavedTensor::open(const Ref<Node>& owner, size_t index) const {
    Tensor t = kept_;
    if (packed_) {
        t = packed_->unpack();
        require(t.defined(), ErrorKind::runtime, owner->name(), ": an unpack hook returned no tensor");
    } else {
        t->storage->notice_outside_writes();
        std::string what = "saved tensor " + std::to_string(index);
        if (Stamp::of(*t.impl()) != stamp_) fail_modified(owner->name(), what, *t.impl(), stamp_);
        if (watched_ && fingerprint(*t.impl()) != print_)
            fail_modified_outside(owner->name(), what, *t.impl());
    }
    if (slot_ < 0 && !packed_) return t;
    Edge from = slot_ >= 0 ? Edge{owner, uint32_t(slot_)} : origin_;
    if (!from.node) return t;
    Tensor placed = detach(t);
    set_history(*placed.impl(), from.node, from.slot);
    return placed;
}

void SavedTensor::cut_history_of(const TensorImpl& t) {
    if (!kept_.defined() || (kept_.impl() != &t && kept_->base.get() != &t)) return;
    uint32_t generation = kept_->generation;
    kept_ = detach(kept_);
    kept_->generation = generation;
}

}  // namespace rushlight::autograd
