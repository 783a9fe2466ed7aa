// The one way to use several threads. Declared here so that kernels can call it; the pool itself lives in
// tensor/threads.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace rushlight {

using RangeFn = void (*)(void* context, int64_t begin, int64_t end);
void parallel_for_raw(int64_t n, int64_t grain, RangeFn fn, void* context);

// Calls `f(begin, end)` over a partition of [0, n) in pieces of at least `grain` items but for the last; where that is
// 64 or more, pieces are multiples of 64. Where a result depends on the partition, use one item per fixed-size block.
// Runs on the calling thread when n < 2 * grain, inside another parallel_for, or when the pool is busy. The first
// exception is rethrown to the caller.
template <class F>
inline void parallel_for(int64_t n, int64_t grain, F&& f) {
    if (n <= 0) return;
    if (n / 2 < grain) {
        f(int64_t(0), n);
        return;
    }
    using Fn = std::remove_reference_t<F>;
    parallel_for_raw(
        n, grain, [](void* context, int64_t begin, int64_t end) { (*static_cast<Fn*>(context))(begin, end); },
        const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

// For a library that brings its own loops and barriers: `fn(context, member)` for members 1..n-1 starts on helper
// threads and the caller does member 0 itself, then calls team_end(), which runs whatever member no helper has begun.
// Members may wait for one another, since n - 1 helpers exist. Waits while another caller's work runs; not to be called
// in a parallel region. team_limit() is the largest n: get_num_threads(), or fewer where the system gives no more.
using MemberFn = void (*)(void* context, int64_t member);
void team_begin(int n, MemberFn fn, void* context);
void team_end();
int team_limit();

int get_num_threads();
void set_num_threads(int n);
bool in_parallel_region();

}  // namespace rushlight
