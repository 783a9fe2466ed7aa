// Work on a storage's bytes that is put off until somebody asks for them, or for the bytes that it reads.
//
// A storage whose bytes are put off is a source of nothing: what would read them asks for them first.
#include <algorithm>
#include <mutex>

#include "tensor/fork.h"
#include "tensor/storage.h"

namespace rushlight {

namespace {

std::mutex deferring;

}  // namespace

std::mutex& deferring_lock() { return deferring; }

Deferred::Deferred() = default;
Deferred::Deferred(const Deferred&) = default;
Deferred::~Deferred() = default;

bool Storage::defer(std::shared_ptr<const Deferred> work, const Deferred* before) {
    Finished finished;                                   // freed when the lock is open again: that may free storages
    std::lock_guard guard(deferring);
    if (deferred_.get() != before) return false;
    disentangle(finished);
    deferred_ = std::move(work);
    entangled_.store(true, std::memory_order_release);
    for (const Ref<Storage>& source : deferred_->sources) {
        source->waiting_.push_back(this);
        source->entangled_.store(true, std::memory_order_release);
    }
    return true;
}

std::shared_ptr<const Deferred> Storage::deferred() {
    if (!entangled()) return nullptr;
    std::lock_guard guard(deferring);
    return deferred_;
}

// Leaves the sources' lists. Needs the lock.
void Storage::disentangle(Finished& finished) {
    if (!deferred_) return;
    for (const Ref<Storage>& source : deferred_->sources) {
        auto& waiting = source->waiting_;
        waiting.erase(std::find(waiting.begin(), waiting.end(), this));
        source->entangled_.store(!waiting.empty(), std::memory_order_release);
    }
    finished.push_back(std::move(deferred_));
    deferred_.reset();
    entangled_.store(false, std::memory_order_release);
}

void Storage::settle_locked(Finished& finished) {
    if (deferred_) {
        const void* sources[Deferred::max_sources];
        for (size_t i = 0; i < deferred_->sources.size(); ++i) sources[i] = deferred_->sources[i]->block_.data;
        deferred_->fill(block_.data, sources);
        disentangle(finished);
    }
    while (!waiting_.empty()) waiting_.back()->settle_locked(finished);
}

void Storage::settle_now() {
    Finished finished;
    std::lock_guard guard(deferring);
    settle_locked(finished);
}

void Storage::give_up() {
    Finished finished;
    std::lock_guard guard(deferring);
    disentangle(finished);
}

}  // namespace rushlight
