#include "base/events.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <new>
#include <unordered_set>

namespace rushlight {

std::atomic<uint32_t> watchers{0};

namespace events {

namespace {

// A thread's part in the recording. It outlives the thread: allocations are noted up to the very end of one.
struct Buffer {
    std::mutex lock;
    int64_t number = 0;                    // its place among all
    int64_t session = 0;
    Thread thread;
    int32_t open = -1;                     // the innermost span that has not ended
    int64_t live = 0, peak = 0;            // bytes since the recording started, and their most since `open` did
};

struct Everything {
    std::mutex lock;
    std::vector<Buffer*> buffers;
    std::unordered_set<std::string> texts;
    std::mutex texts_lock;
    std::atomic<int64_t> session{0}, left{0}, dropped{0};
    int64_t started = 0;
};

alignas(Everything) unsigned char memory[sizeof(Everything)];

Everything& all() {                        // never destroyed: threads may outlive static destruction
    static Everything* made = new (memory) Everything;
    return *made;
}

thread_local Buffer* mine = nullptr;

// A token says which event of which thread in which recording.
constexpr int event_bits = 24, thread_bits = 16;

int64_t part(int64_t token, int from, int bits) { return token >> from & ((int64_t(1) << bits) - 1); }

int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// A fork takes all locks, so that no child inherits one that a thread of its parent held.
void before_fork() {
    all().lock.lock();
    all().texts_lock.lock();
    for (Buffer* b : all().buffers) b->lock.lock();
}

void after_fork() {
    for (Buffer* b : all().buffers) b->lock.unlock();
    all().texts_lock.unlock();
    all().lock.unlock();
}

// Nobody reads what a child records.
void in_child() {
    watchers.fetch_and(~(watch_events | watch_memory | watch_arguments), std::memory_order_relaxed);
    after_fork();
}

Buffer& own_buffer() {
    if (!mine) {
        mine = new Buffer;
        mine->thread.id = syscall(SYS_gettid);
        std::lock_guard guard(all().lock);
        mine->number = int64_t(all().buffers.size());
        all().buffers.push_back(mine);
    }
    return *mine;
}

// Starts over where what the buffer holds is of an earlier recording. Needs its lock.
void join(Buffer& b) {
    int64_t session = all().session.load(std::memory_order_relaxed);
    if (b.session == session) return;
    b.session = session;
    b.open = -1;
    b.live = b.peak = 0;
    b.thread.events.clear();
    b.thread.arguments.clear();
}

Event* add(Buffer& b, const char* name, Kind kind) {
    if (all().left.fetch_sub(1, std::memory_order_relaxed) <= 0) {
        all().dropped.fetch_add(1, std::memory_order_relaxed);
        return nullptr;
    }
    b.thread.events.push_back({.name = name, .kind = kind, .parent = b.open, .start = now()});
    return &b.thread.events.back();
}

void close(Buffer& b, int32_t index) {
    Event& e = b.thread.events[size_t(index)];
    e.end = now();
    int64_t outer_peak = e.peak, at_start = e.memory;
    e.memory = b.live - at_start;
    e.peak = b.peak - at_start;
    b.peak = std::max(outer_peak, b.peak);
    // What was opened in a function and is left open by it goes on in its caller, from now on.
    for (int32_t at = b.open; at > index; at = b.thread.events[size_t(at)].parent) {
        Event& inner = b.thread.events[size_t(at)];
        if (inner.parent != index) continue;
        inner.parent = e.parent;
        inner.start = e.end;
    }
    while (b.open >= 0 && b.thread.events[size_t(b.open)].end) b.open = b.thread.events[size_t(b.open)].parent;
}

// Runs `f(buffer, innermost open event)` where there is one.
template <class F>
void with_open(F&& f) {
    Buffer& b = own_buffer();
    std::lock_guard guard(b.lock);
    join(b);
    if (b.open >= 0) f(b, b.thread.events[size_t(b.open)]);
}

Arguments& arguments_of(Buffer& b, Event& e) {
    if (e.arguments < 0) {
        e.arguments = int32_t(b.thread.arguments.size());
        b.thread.arguments.emplace_back();
    }
    return b.thread.arguments[size_t(e.arguments)];
}

}  // namespace

bool start(uint32_t bits, int64_t limit) {
    static const int registered = pthread_atfork(before_fork, after_fork, in_child);
    (void)registered;
    std::lock_guard guard(all().lock);
    if (watched(watch_events)) return false;
    all().session.fetch_add(1, std::memory_order_relaxed);
    all().left.store(std::min(limit, (int64_t(1) << event_bits) - 1), std::memory_order_relaxed);
    all().dropped.store(0, std::memory_order_relaxed);
    all().started = now();
    watchers.fetch_or(watch_events | bits, std::memory_order_release);
    return true;
}

Recording stop() {
    Everything& every = all();
    Recording out;
    std::lock_guard guard(every.lock);
    if (!watched(watch_events)) return out;
    watchers.fetch_and(~(watch_events | watch_memory | watch_arguments), std::memory_order_release);
    out.start = every.started;
    out.end = now();
    int64_t session = every.session.fetch_add(1, std::memory_order_relaxed);
    for (Buffer* b : every.buffers) {
        std::lock_guard own(b->lock);
        if (b->session != session) continue;
        while (b->open >= 0) close(*b, b->open);
        b->session = 0;                    // tokens of the recording are good for nothing from now on
        if (b->thread.events.empty()) continue;
        int64_t id = b->thread.id;
        out.threads.push_back(std::move(b->thread));
        b->thread = Thread();
        b->thread.id = id;
    }
    out.dropped = every.dropped.load(std::memory_order_relaxed);
    return out;
}

const char* intern(std::string_view text) {
    std::lock_guard guard(all().texts_lock);
    return all().texts.emplace(text).first->c_str();
}

int64_t begin(const char* name, Kind kind) {
    Buffer& b = own_buffer();
    std::lock_guard guard(b.lock);
    if (!watched(watch_events)) return -1;
    join(b);
    Event* e = b.number >> thread_bits ? nullptr : add(b, name, kind);
    if (!e) return -1;
    e->memory = b.live;                    // both of the moment, until it ends
    e->peak = b.peak;
    b.peak = b.live;
    b.open = int32_t(b.thread.events.size()) - 1;
    return b.session << (event_bits + thread_bits) | b.number << event_bits | b.open;
}

void end(int64_t token) noexcept {
    if (token < 0) return;
    Buffer* b = mine;
    int64_t number = part(token, event_bits, thread_bits);
    if (!b || b->number != number) {       // begun in another thread
        std::lock_guard guard(all().lock);
        b = all().buffers[size_t(number)];
    }
    std::lock_guard guard(b->lock);
    auto index = int32_t(part(token, 0, event_bits));
    if (b->session != token >> (event_bits + thread_bits) || b->thread.events[size_t(index)].end) return;
    close(*b, index);
}

void end_frame() noexcept {
    if (!mine) return;
    Buffer& b = *mine;
    std::lock_guard guard(b.lock);
    if (b.session != all().session.load(std::memory_order_relaxed)) return;
    int32_t at = b.open;
    while (at >= 0 && (b.thread.events[size_t(at)].kind != Kind::frame || b.thread.events[size_t(at)].end))
        at = b.thread.events[size_t(at)].parent;
    if (at >= 0) close(b, at);
}

void add_arguments(std::vector<Argument> given) {
    with_open([&](Buffer& b, Event& e) { arguments_of(b, e).given = std::move(given); });
}

void add_results(std::vector<Argument> results) {
    with_open([&](Buffer& b, Event& e) { arguments_of(b, e).results = std::move(results); });
}

void set_sequence(int64_t sequence) {
    with_open([&](Buffer&, Event& e) { if (e.kind == Kind::op || e.kind == Kind::backward) e.sequence = sequence; });
}

void set_name(std::string_view name) {
    const char* kept = intern(name);
    with_open([&](Buffer&, Event& e) { if (e.kind == Kind::kernel) e.name = kept; });
}

void note_memory(int64_t bytes, int64_t in_use) noexcept {
    try {
        Buffer& b = own_buffer();
        std::lock_guard guard(b.lock);
        if (!watched(watch_memory)) return;
        join(b);
        b.live += bytes;
        b.peak = std::max(b.peak, b.live);
        Event* e = add(b, "[memory]", Kind::memory);
        if (!e) return;
        e->end = e->start;
        e->memory = bytes;
        e->peak = in_use;
    } catch (const std::bad_alloc&) {      // a missing note is no reason to fail
    }
}

}  // namespace events

}  // namespace rushlight
