// What runs when: spans of time, nested, kept by each thread while somebody records. While nobody watches, a place that
// could tell pays one load and one branch that is never taken.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/dims.h"

namespace rushlight {

// Why somebody looks at calls: bits of `watchers`.
enum Watch : uint32_t {
    watch_events = 1, watch_memory = 2, watch_arguments = 4, watch_calls = 8, watch_log = 16, watch_capture = 32
};
extern std::atomic<uint32_t> watchers;
inline uint32_t watched(uint32_t bits = ~0u) { return watchers.load(std::memory_order_relaxed) & bits; }

namespace events {

enum class Kind : uint8_t { op, kernel, backward, range, frame, memory };

struct Argument {
    Dims sizes;                // nothing for what is no tensor
    const char* type = "";     // of tensors the dtype
};

struct Event {
    const char* name;          // lives for ever
    Kind kind;
    int32_t parent;            // the event around it in the same thread; -1 for none
    int32_t arguments = -1;    // where its arguments lie
    int64_t start, end = 0;    // nanoseconds of the steady clock
    int64_t sequence = -1;     // of the tape's node that the call recorded, or that runs
    int64_t memory = 0;        // bytes taken and not given back; of Kind::memory those of one block
    int64_t peak = 0;          // the most bytes above those at its start; of Kind::memory all bytes in use
};

struct Arguments {
    std::vector<Argument> given, results;
};

// What one thread did.
struct Thread {
    int64_t id = 0;
    std::vector<Event> events;
    std::vector<Arguments> arguments;
};

struct Recording {
    std::vector<Thread> threads;
    int64_t start = 0, end = 0, dropped = 0;
};

// One recording at a time; `bits` says what besides spans. What exceeds `limit` events is counted and dropped.
bool start(uint32_t bits, int64_t limit);
Recording stop();

// The one text equal to this; it lives for ever.
const char* intern(std::string_view text);

// A token of a span that starts now in this thread; negative when there is no recording.
int64_t begin(const char* name, Kind kind);
void end(int64_t token) noexcept;
void end_frame() noexcept;                           // the innermost open one of Kind::frame

// Of the innermost open span of this thread.
void add_arguments(std::vector<Argument> given);     // as it starts
void add_results(std::vector<Argument> results);
void set_sequence(int64_t sequence);                 // where that is an operator or a node
void set_name(std::string_view name);                // where that is a kernel

void note_memory(int64_t bytes, int64_t in_use) noexcept;

class Span {                   // for its lifetime
public:
    Span(const char* name, Kind kind) : token_(watched(watch_events) ? begin(name, kind) : -1) {}
    ~Span() { if (token_ >= 0) end(token_); }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

private:
    int64_t token_;
};

}  // namespace events

}  // namespace rushlight
