// Intrusive reference counting: one pointer wide, no control block.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace rushlight {

class RefCounted {
public:
    RefCounted() = default;
    RefCounted(const RefCounted&) = delete;
    RefCounted& operator=(const RefCounted&) = delete;
    void retain() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
    bool release() const noexcept { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
    // Takes a reference unless the last one is already gone.
    bool retain_if_alive() const noexcept {
        uint32_t seen = count_.load(std::memory_order_relaxed);
        while (seen != 0)
            if (count_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return true;
        return false;
    }
    uint32_t use_count() const noexcept { return count_.load(std::memory_order_acquire); }

private:
    mutable std::atomic<uint32_t> count_{0};
};

// T must derive from RefCounted and offer `static void destroy(T*)`.
template <class T>
class Ref {
public:
    Ref() = default;
    Ref(std::nullptr_t) {}
    Ref(T* p) : p_(p) { if (p_) p_->retain(); }
    Ref(const Ref& o) : p_(o.p_) { if (p_) p_->retain(); }
    Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
    Ref& operator=(const Ref& o) { Ref(o).swap(*this); return *this; }
    Ref& operator=(Ref&& o) noexcept { Ref(std::move(o)).swap(*this); return *this; }
    ~Ref() { if (p_ && p_->release()) T::destroy(p_); }

    static Ref adopt(T* p) { Ref r; r.p_ = p; return r; }      // takes over a count
    T* detach() { return std::exchange(p_, nullptr); }          // gives the count away
    void swap(Ref& o) noexcept { std::swap(p_, o.p_); }
    T* get() const { return p_; }
    T* operator->() const { return p_; }
    T& operator*() const { return *p_; }
    explicit operator bool() const { return p_ != nullptr; }
    bool operator==(const Ref& o) const { return p_ == o.p_; }

private:
    T* p_ = nullptr;
};

}  // namespace rushlight
