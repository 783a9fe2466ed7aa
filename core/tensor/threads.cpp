// The thread pool. Threads claim chunks from a shared counter, so the caller never waits for a helper that has not
// started: it finishes the work alone when the other cores are taken. Idle helpers spin briefly, then sleep.
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/parallel.h"

namespace rushlight {

namespace {

struct Job {
    RangeFn fn;
    void* context;
    int64_t n, chunk;
    int members = 0;                      // threads that must be able to take part, whatever the setting is now
    std::atomic<int64_t> next{0};
    std::atomic<int> helpers{0};          // helpers that have entered and not yet left
    std::mutex error_lock;
    std::exception_ptr error;
};

thread_local bool inside_region = false;

void work(Job& job) {
    inside_region = true;
    while (true) {
        int64_t begin = job.next.fetch_add(job.chunk, std::memory_order_relaxed);
        if (begin >= job.n) break;
        try {
            job.fn(job.context, begin, std::min(begin + job.chunk, job.n));
        } catch (...) {
            job.next.store(job.n, std::memory_order_relaxed);
            std::lock_guard guard(job.error_lock);
            if (!job.error) job.error = std::current_exception();
        }
    }
    inside_region = false;
}

inline void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

class Pool {
public:
    std::mutex user;                       // held by the caller whose job runs; others run their work themselves
    std::atomic<int> wanted{0};            // threads in all, the caller included; 0 until first asked

    void post(Job& job) {
        publish(job);
        work(job);
        finish(job);
    }

    void publish(Job& job) {
        start_helpers(std::max(wanted.load(), job.members));
        {
            std::lock_guard guard(lock_);
            job_ = &job;
            epoch_.fetch_add(1, std::memory_order_release);
        }
        if (sleepers_.load(std::memory_order_seq_cst) > 0) wake_.notify_all();
    }

    void finish(Job& job) {
        {
            std::lock_guard guard(lock_);  // from here no helper can enter
            job_ = nullptr;
        }
        while (job.helpers.load(std::memory_order_acquire) != 0) pause_briefly();
    }

    // Under `user`. False when the system gives fewer threads: a job gets by with what there is, a team does not.
    bool start_helpers(int threads) {
        try {
            for (; started_ < threads - 1; ++started_)
                std::thread([this, rank = started_ + 1] { serve(rank); }).detach();
        } catch (const std::system_error&) {
        }
        return has_helpers(threads);
    }

    bool has_helpers(int threads) const { return started_ >= threads - 1; }
    int threads() const { return started_ + 1; }

    void before_fork() { user.lock(); lock_.lock(); }
    void after_fork_in_parent() { lock_.unlock(); user.unlock(); }

private:
    void serve(int rank) {
        uint64_t seen = 0;
        while (true) {
            wait_for_change(seen);
            Job* job = nullptr;
            {
                std::lock_guard guard(lock_);
                seen = epoch_.load(std::memory_order_relaxed);
                if (job_ && rank < std::max(wanted.load(std::memory_order_relaxed), job_->members)) {
                    job = job_;
                    job->helpers.fetch_add(1, std::memory_order_relaxed);
                }
            }
            if (!job) continue;
            work(*job);
            job->helpers.fetch_sub(1, std::memory_order_release);
        }
    }

    void wait_for_change(uint64_t seen) {
        constexpr int spins = 2000; // some tens of microseconds: longer than the gap between two kernels of a program
        for (int i = 0; i < spins; ++i) {
            if (epoch_.load(std::memory_order_acquire) != seen) return;
            pause_briefly();
        }
        std::unique_lock guard(lock_);
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(guard, [&] { return epoch_.load(std::memory_order_relaxed) != seen; });
        sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }

    std::mutex lock_;
    std::condition_variable wake_;
    std::atomic<uint64_t> epoch_{0};
    std::atomic<int> sleepers_{0};
    Job* job_ = nullptr;
    std::atomic<int> started_ = 0;
};

// Never destroyed: helpers may still look at it while the process exits. A forked child gets a fresh one in the same
// place, since its helper threads do not exist.
alignas(Pool) unsigned char pool_memory[sizeof(Pool)];

Pool& pool() {
    static Pool* instance = [] {
        auto* made = new (pool_memory) Pool;
        pthread_atfork([] { pool().before_fork(); }, [] { pool().after_fork_in_parent(); },
                       [] {
                           int wanted = pool().wanted.load();
                           (new (pool_memory) Pool)->wanted.store(wanted);
                           inside_region = false;
                       });
        return made;
    }();
    return *instance;
}

int cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
    return std::max(1, int(std::thread::hardware_concurrency()));
}

}  // namespace

int get_num_threads() {
    int n = pool().wanted.load(std::memory_order_relaxed);
    if (n == 0) {
        n = cores();
        pool().wanted.store(n);
    }
    return n;
}

void set_num_threads(int n) {
    require(n >= 1 && n <= 1024, ErrorKind::runtime, "set_num_threads: n=", n, "; expected 1 <= n <= 1024");
    pool().wanted.store(n);
}

bool in_parallel_region() { return inside_region; }

void parallel_for_raw(int64_t n, int64_t grain, RangeFn fn, void* context) {
    grain = std::max<int64_t>(grain, 1);
    int threads = get_num_threads();
    std::unique_lock guard(pool().user, std::defer_lock);
    // Up to four chunks a thread, so that a thread which loses its core leaves little behind, and as many for each.
    int64_t chunks = std::min<int64_t>(n / grain, 4 * int64_t(threads));
    if (chunks > threads) chunks -= chunks % threads;
    if (threads == 1 || inside_region || chunks < 2 || !guard.try_lock()) {
        fn(context, 0, n);
        return;
    }
    int64_t chunk = (n + chunks - 1) / chunks, line = grain >= 64 ? 64 : 1;
    chunk = (chunk + line - 1) / line * line;
    Job job;
    job.fn = fn;
    job.context = context;
    job.n = n;
    job.chunk = chunk;
    pool().post(job);
    if (job.error) std::rethrow_exception(job.error);
}

namespace {

// In the thread's own memory: whoever opens a team may be in no position to hear of an exception.
thread_local std::optional<Job> team_job;

struct TeamCall {
    MemberFn fn;
    void* context;
};
thread_local TeamCall team_call;

}  // namespace

void team_begin(int n, MemberFn fn, void* context) {
    require(!inside_region && !team_job, ErrorKind::runtime, "team_begin: called inside a parallel region");
    std::unique_lock guard(pool().user);
    require(pool().start_helpers(n), ErrorKind::runtime, "team_begin: a team of ", n,
            " needs more threads than the system gives; set_num_threads() to fewer");
    team_call = {fn, context};
    Job* job = &team_job.emplace();
    job->fn = [](void* call, int64_t begin, int64_t end) {
        auto* team = static_cast<TeamCall*>(call);
        for (int64_t member = begin; member < end; ++member) team->fn(team->context, member);
    };
    job->context = &team_call;
    job->n = n;
    job->chunk = 1;
    job->members = n;
    job->next.store(1, std::memory_order_relaxed);
    pool().publish(*job);
    inside_region = true;
    guard.release();                      // team_end() unlocks
}

void team_end() {
    work(*team_job);
    pool().finish(*team_job);
    team_job.reset();
    pool().user.unlock();
}

int team_limit() {
    int n = get_num_threads();
    if (pool().has_helpers(n)) return n;
    std::lock_guard guard(pool().user);
    return pool().start_helpers(n) ? n : pool().threads();
}

}  // namespace rushlight
