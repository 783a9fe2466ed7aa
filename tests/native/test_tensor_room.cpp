// The thread pool and the allocator.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "base/parallel.h"
#include "tensor/allocator.h"
#include "tests/native/check.h"

using namespace rushlight;

namespace {

void every_item_is_done_once() {
    std::mt19937 random(3);
    for (int round = 0; round < 2000; ++round) {
        int64_t n = int64_t(random() % 5000), grain = 1 + int64_t(random() % 700);
        std::vector<std::atomic<int>> seen(size_t(n) + 1);
        parallel_for(n, grain, [&](int64_t begin, int64_t end) {
            CHECK(end == n || (end - begin >= grain && (grain < 64 || (begin % 64 == 0 && end % 64 == 0))));
            for (int64_t i = begin; i < end; ++i) ++seen[size_t(i)];
        });
        bool once = true;
        for (int64_t i = 0; i < n; ++i) once = once && seen[size_t(i)] == 1;
        CHECK(once && seen[size_t(n)] == 0);
    }
}

void exceptions_reach_the_caller() {
    for (int round = 0; round < 200; ++round) {
        CHECK(fails_with(ErrorKind::value, [] {
            parallel_for(100, 1, [](int64_t begin, int64_t end) {
                if (begin <= 57 && 57 < end) fail(ErrorKind::value, "this one");
            });
        }));
    }
}

void nested_and_concurrent_calls_finish() {
    std::atomic<int64_t> total{0};
    auto work = [&total] {
        for (int round = 0; round < 100; ++round)
            parallel_for(16, 1, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i)
                    parallel_for(50, 7, [&](int64_t b, int64_t e) { total += e - b; });
            });
    };
    std::thread one(work), two(work);
    work();
    one.join();
    two.join();
    CHECK(total == 3 * 100 * 16 * 50);
}

void thread_count_can_change() {
    int before = get_num_threads();
    for (int n : {1, 4, 2, 3, 1, before}) {
        set_num_threads(n);
        CHECK(get_num_threads() == n);
        std::atomic<int64_t> total{0};
        parallel_for(1000, 10, [&](int64_t b, int64_t e) { total += e - b; });
        CHECK(total == 1000);
    }
}

#ifndef __SANITIZE_ADDRESS__
// The job's body takes the allocator's lock, which the fork must not hold while it waits for the job. The address
// sanitizer's own allocator leaves its lock to the child as it is, held or not (GCC 12): not tried there.
void a_fork_waits_for_a_job_that_allocates() {
    set_num_threads(2);
    std::atomic<bool> stop = false;
    std::thread busy([&] {
        while (!stop)
            parallel_for(64, 1, [](int64_t begin, int64_t end) {
                for (; begin < end; ++begin) deallocate(allocate(size_t(1) << 18));
            });
    });
    alarm(120);                                          // a deadlock ends the test
    for (int round = 0; round < 200; ++round) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            deallocate(allocate(size_t(1) << 18));
            std::atomic<int64_t> total{0};
            parallel_for(64, 1, [&](int64_t begin, int64_t end) { total += end - begin; });
            _exit(total == 64 ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    alarm(0);
    stop = true;
    busy.join();
}

// No room for another stack: a team can't be had, and what needs none goes on as before.
void threads_that_the_system_refuses() {
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        set_num_threads(8);
        rlimit none{1, 1};
        setrlimit(RLIMIT_AS, &none);
        bool limited = team_limit() < 8;
        bool refused = fails_with(ErrorKind::runtime, [] { team_begin(8, [](void*, int64_t) {}, nullptr); });
        std::atomic<int64_t> total{0};
        parallel_for(64, 1, [&](int64_t begin, int64_t end) { total += end - begin; });
        _exit(limited && refused && total == 64 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

void blocks_do_not_overlap_and_are_aligned() {
    struct Held {
        Block block;
        size_t bytes;
        unsigned char mark;
    };
    std::mt19937 random(4);
    std::vector<Held> held;
    for (int step = 0; step < 4000; ++step) {
        if (held.size() < 60 && random() % 2) {
            size_t bytes = size_t(1) << random() % 22;
            bytes += random() % bytes;
            Held h{allocate(bytes), bytes, static_cast<unsigned char>(random())};
            CHECK(reinterpret_cast<uintptr_t>(h.block.data) % 64 == 0 && h.block.capacity >= bytes);
            std::memset(h.block.data, h.mark, bytes);
            held.push_back(h);
        } else if (!held.empty()) {
            std::swap(held[random() % held.size()], held.back());
            Held h = held.back();
            held.pop_back();
            auto* bytes = static_cast<unsigned char*>(h.block.data);
            CHECK(bytes[0] == h.mark && bytes[h.bytes / 2] == h.mark && bytes[h.bytes - 1] == h.mark);
            deallocate(h.block);
        }
    }
    for (const Held& h : held) deallocate(h.block);
}

void memory_is_counted_and_reused() {
    release_cached_memory();
    uint64_t before = memory_statistics().in_use;
    Block block = allocate(1 << 20);
    CHECK(memory_statistics().in_use >= before + (1 << 20));
    deallocate(block);
    CHECK(memory_statistics().in_use == before);
    uint64_t calls = memory_statistics().system_allocations;
    for (int i = 0; i < 100; ++i) deallocate(allocate(1 << 20));
#ifndef __SANITIZE_ADDRESS__                             // there nothing is kept, so that late uses are noticed
    CHECK(memory_statistics().system_allocations == calls);
#endif
    release_cached_memory();
    CHECK(memory_statistics().cached == 0);
    CHECK(fails_with(ErrorKind::memory, [] { allocate(size_t(1) << 60); }));
}

}  // namespace

int main() {
    every_item_is_done_once();
    exceptions_reach_the_caller();
    nested_and_concurrent_calls_finish();
    thread_count_can_change();
#ifndef __SANITIZE_ADDRESS__
    a_fork_waits_for_a_job_that_allocates();
    threads_that_the_system_refuses();
#endif
    blocks_do_not_overlap_and_are_aligned();
    memory_is_counted_and_reused();
    return checks_failed();
}
