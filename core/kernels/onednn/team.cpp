#include "kernels/onednn/team.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>

#include "base/parallel.h"

namespace rushlight::onednn {

namespace {

// One parallel loop: its members meet in `arrived`.
struct Team {
    void (*body)(void*);
    void* data;
    int size;
    std::atomic<int> arrived{0};
    std::atomic<unsigned> round{0};
};

struct Loop {                              // a `for` with a static schedule: what this member has left
    long begin, step, members_stride, end, chunk;
};

// What the runtime's queries answer on this thread.
struct Membership {
    Team* team = nullptr;
    int member = 0;
    int nested = 0;                        // regions opened inside the team: each runs with one member
    Loop loop{};
};
thread_local Membership self;
thread_local Team own_team;
std::atomic<bool> called{false};

void run_member(void* context, int64_t member) {
    auto* team = static_cast<Team*>(context);
    Membership before = self;
    self = {team, int(member), 0, {}};
    team->body(team->data);
    self = before;
}

void begin(void (*body)(void*), void* data, unsigned members) {
    if (self.team) {
        ++self.nested;
        return;
    }
    int size = members ? int(members) : team_size();
    if (in_parallel_region()) size = 1;
    own_team.body = body;
    own_team.data = data;
    own_team.size = size;
    own_team.arrived.store(0, std::memory_order_relaxed);
    if (size > 1) team_begin(size, run_member, &own_team);
    self = {&own_team, 0, 0, {}};
}

void end() {
    if (self.nested) {
        --self.nested;
        return;
    }
    int size = self.team->size;
    self = {};
    if (size > 1) team_end();
}

int size_seen_here() { return self.team && !self.nested ? self.team->size : 1; }
int member_seen_here() { return self.nested ? 0 : self.member; }

void barrier() {
    int size = size_seen_here();
    if (size == 1) return;
    Team& team = *self.team;
    unsigned round = team.round.load(std::memory_order_acquire);
    if (team.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
        team.arrived.store(0, std::memory_order_relaxed);
        team.round.fetch_add(1, std::memory_order_release);
        return;
    }
    for (int spins = 0; team.round.load(std::memory_order_acquire) == round; ++spins) {
        if (spins > 4000) sched_yield();
#if defined(__x86_64__)
        else __builtin_ia32_pause();
#endif
    }
}

// A static schedule: with no chunk given, one piece for each member; otherwise chunks dealt round.
bool loop_next(long* first, long* last) {
    Loop& l = self.loop;
    bool more = l.step > 0 ? l.begin < l.end : l.begin > l.end;
    if (!more) return false;
    *first = l.begin;
    *last = l.begin + l.chunk;
    if (l.step > 0 ? *last > l.end : *last < l.end) *last = l.end;
    l.begin += l.members_stride;
    return true;
}

bool loop_start(long start, long stop, long step, long chunk, long* first, long* last) {
    long count = step > 0 ? (stop - start + step - 1) / step : (stop - start + step + 1) / step;
    if (count < 0) count = 0;
    long size = size_seen_here(), member = member_seen_here();
    if (chunk <= 0) {
        long each = count / size, more = count % size;
        long from = member * each + (member < more ? member : more);
        long mine = each + (member < more ? 1 : 0);
        self.loop = {start + from * step, step, mine * step, start + (from + mine) * step, mine * step};
    } else {
        self.loop = {start + member * chunk * step, step, size * chunk * step, start + count * step, chunk * step};
    }
    return loop_next(first, last);
}

}  // namespace

bool team_in_use() { return called.load(std::memory_order_relaxed); }

static thread_local bool alone = false;

int team_size() { return alone || in_parallel_region() ? 1 : team_limit(); }

Alone::Alone(bool on) : before_(alone) { alone = alone || on; }
Alone::~Alone() { alone = before_; }

void tell_openmp(int n) {
    using Setter = void (*)(int);
    static const Setter set = reinterpret_cast<Setter>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    static std::atomic<bool> forked{false};
    static const int watched = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });
    (void)watched;
    thread_local int told = 0;
    if (forked.load(std::memory_order_relaxed)) n = 1;   // the runtime's threads do not exist in a forked child
    if (told == n || !set) return;
    set(n);
    told = n;
}

}  // namespace rushlight::onednn

#ifdef RUSHLIGHT_OWN_TEAM

// The names are the OpenMP runtime's. They are found here first because this object stands before libgomp in
// the scope in which oneDNN's own calls are looked up. Left out where oneDNN makes calls that are not
// answered here.
using namespace rushlight::onednn;
#define RUNTIME extern "C" __attribute__((visibility("default")))

RUNTIME void GOMP_parallel_start(void (*body)(void*), void* data, unsigned members) { begin(body, data, members); }
RUNTIME void GOMP_parallel_end() { end(); }
RUNTIME void GOMP_parallel(void (*body)(void*), void* data, unsigned members, unsigned) {
    begin(body, data, members);
    body(data);
    end();
}
RUNTIME void GOMP_barrier() { barrier(); }
RUNTIME bool GOMP_loop_static_start(long start, long stop, long step, long chunk, long* first, long* last) {
    return loop_start(start, stop, step, chunk, first, last);
}
RUNTIME bool GOMP_loop_static_next(long* first, long* last) { return loop_next(first, last); }
RUNTIME void GOMP_loop_end_nowait() {}
RUNTIME void GOMP_loop_end() { barrier(); }
RUNTIME int omp_get_max_threads() {
    called.store(true, std::memory_order_relaxed);
    return team_size();
}
RUNTIME int omp_get_num_threads() { return size_seen_here(); }
RUNTIME int omp_get_thread_num() { return member_seen_here(); }
RUNTIME int omp_in_parallel() { return self.team && self.team->size > 1; }

#endif
