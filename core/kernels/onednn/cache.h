// Prepared calls by everything that they depend on: a bounded map whose least recently used entry leaves
// first.
#pragma once

#include <pthread.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "kernels/onednn/api.h"

namespace rushlight::onednn {

// The numbers that a prepared call depends on, in an order of each kind's own.
class Key {
public:
    void add(int64_t value) {
        values_[size_t(size_++)] = value;
        hash_ = (hash_ ^ uint64_t(value)) * 0x9e3779b97f4a7c15u;
        hash_ ^= hash_ >> 29;
    }
    void add(const int64_t* values, int n) { for (int i = 0; i < n; ++i) add(values[i]); }
    bool operator==(const Key& o) const {
        return hash_ == o.hash_ && size_ == o.size_ &&
               std::memcmp(values_.data(), o.values_.data(), size_t(size_) * sizeof(int64_t)) == 0;
    }
    uint64_t hash() const { return hash_; }

private:
    int size_ = 0;
    uint64_t hash_ = 0;
    std::array<int64_t, 40> values_;       // deliberately not cleared
};

struct KeyHash {
    size_t operator()(const Key& key) const { return size_t(key.hash()); }
};

// A call is used by one thread at a time, since it holds the memory objects whose pointers it sets: `take`
// hands one out and `Lease` gives it back. Two threads that want the same call at once get two.
template <class Call>
class CallCache {
public:
    class Lease {
    public:
        Lease(CallCache& cache, const Key& key, std::unique_ptr<Call> call)
            : cache_(cache), key_(key), call_(std::move(call)) {}
        ~Lease() { cache_.put(key_, std::move(call_)); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Call* operator->() const { return call_.get(); }

    private:
        CallCache& cache_;
        const Key& key_;
        std::unique_ptr<Call> call_;
    };

    template <class Make>
    Lease take(const Key& key, Make&& make) {
        {
            std::lock_guard guard(lock_);
            auto found = slots_.find(key);
            if (found != slots_.end() && !found->second.idle.empty()) {
                ++statistics_.hits;
                found->second.used = ++clock_;
                std::unique_ptr<Call> call = std::move(found->second.idle.back());
                found->second.idle.pop_back();
                return Lease(*this, key, std::move(call));
            }
            ++statistics_.misses;
        }
        std::lock_guard guard(making_);
        return Lease(*this, key, make());
    }

    CacheStatistics statistics() {
        std::lock_guard guard(lock_);
        statistics_.primitives = int64_t(slots_.size());
        return statistics_;
    }

    void before_fork() { making_.lock(); lock_.lock(); }
    void after_fork() { lock_.unlock(); making_.unlock(); }

private:
    static constexpr size_t capacity = 1024, idle_per_key = 8;

    struct Slot {
        uint64_t used = 0;
        std::vector<std::unique_ptr<Call>> idle;
    };

    void put(const Key& key, std::unique_ptr<Call> call) noexcept {
        std::unique_ptr<Call> surplus;                    // destroyed after the lock is released
        Slot evicted;
        std::lock_guard guard(lock_);
        auto found = slots_.find(key);
        if (found == slots_.end()) {
            if (slots_.size() >= capacity) evicted = evict();
            found = slots_.try_emplace(key).first;
            found->second.used = ++clock_;
        }
        if (found->second.idle.size() < idle_per_key) found->second.idle.push_back(std::move(call));
        else surplus = std::move(call);
    }

    Slot evict() {
        auto oldest = slots_.begin();
        for (auto it = slots_.begin(); it != slots_.end(); ++it)
            if (it->second.used < oldest->second.used) oldest = it;
        Slot slot = std::move(oldest->second);
        slots_.erase(oldest);
        ++statistics_.evicted;
        return slot;
    }

    std::mutex lock_, making_;
    std::unordered_map<Key, Slot, KeyHash> slots_;
    uint64_t clock_ = 0;
    CacheStatistics statistics_{};
};

}  // namespace rushlight::onednn
