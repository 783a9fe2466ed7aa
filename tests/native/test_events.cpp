// Recordings of spans: how they nest, what ends them, what other threads add, and how many are kept.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/crc32c.h"
#include "base/events.h"
#include "tests/native/check.h"

using namespace rushlight;
using events::Kind;

namespace {

const events::Thread& only_thread(const events::Recording& r) {
    static const events::Thread none;
    CHECK(r.threads.size() == 1);
    return r.threads.empty() ? none : r.threads[0];
}

void spans_nest() {
    CHECK(events::begin("outside of a recording", Kind::op) < 0);
    CHECK(events::start(watch_arguments, 100));
    CHECK(!events::start(0, 100));
    {
        events::Span outer("outer", Kind::op);
        events::add_arguments({{Dims{2, 3}, "float32"}, {}});
        { events::Span inner(events::intern(std::string("in") + "ner"), Kind::kernel); }
        events::set_sequence(7);
    }
    events::Recording r = events::stop();
    const events::Thread& t = only_thread(r);
    CHECK(t.events.size() == 2 && t.events[0].parent == -1 && t.events[1].parent == 0);
    CHECK(std::strcmp(t.events[1].name, "inner") == 0 && t.events[0].sequence == 7 && t.events[1].sequence == -1);
    CHECK(r.start <= t.events[0].start && t.events[0].start <= t.events[1].start);
    CHECK(t.events[1].end <= t.events[0].end && t.events[0].end <= r.end);
    CHECK(t.arguments[size_t(t.events[0].arguments)].given[0].sizes == Dims{2, 3});
    CHECK(watched() == 0 && events::stop().threads.empty());
}

// What a function opens and leaves open goes on in its caller, without a part in the function.
void spans_outlive_the_function_that_opened_them() {
    CHECK(events::start(0, 100));
    events::begin("caller", Kind::frame);
    events::begin("helper", Kind::frame);
    int64_t range = events::begin("range", Kind::range);
    events::end_frame();
    events::end(events::begin("operator", Kind::op));
    events::end(range);
    events::end(range);                    // once is enough
    events::Recording r = events::stop();
    const auto& e = only_thread(r).events;
    CHECK(e.size() == 4 && e[2].parent == 0 && e[2].start == e[1].end && e[3].parent == 2);
    for (const events::Event& one : e) CHECK(one.end >= one.start);
}

void memory_belongs_to_the_span_around_it() {
    CHECK(events::start(watch_memory, 100));
    int64_t outer = events::begin("outer", Kind::op);
    events::note_memory(100, 100);
    int64_t inner = events::begin("inner", Kind::op);
    events::note_memory(50, 150);
    events::note_memory(-50, 100);
    events::note_memory(10, 110);
    events::end(inner);
    events::note_memory(-100, 10);
    events::end(outer);
    events::Recording r = events::stop();
    const auto& e = only_thread(r).events;
    CHECK(e[0].memory == 10 && e[0].peak == 150);
    CHECK(e[2].memory == 10 && e[2].peak == 50);
    CHECK(e[1].kind == Kind::memory && e[1].memory == 100 && e[1].peak == 100 && e[1].parent == 0);
}

// A range that one thread opens and another closes.
void tokens_work_in_other_threads() {
    CHECK(events::start(0, 100));
    int64_t early = events::begin("early", Kind::range), late = 0;
    std::thread other([&] {
        late = events::begin("late", Kind::range);
        events::end(early);
    });
    other.join();
    events::Span here("here", Kind::op);
    events::end(late);
    events::Recording r = events::stop();
    CHECK(r.threads.size() == 2);
    for (const events::Thread& t : r.threads)
        for (const events::Event& e : t.events) CHECK(e.end >= e.start && e.parent == -1);
}

void what_exceeds_the_limit_is_counted() {
    CHECK(events::start(0, 3));
    for (int i = 0; i < 10; ++i) events::Span one("one", Kind::op);
    events::Recording r = events::stop();
    CHECK(only_thread(r).events.size() == 3 && r.dropped == 7);
}

// Spans of threads that go on while recordings come and go belong to one recording or to none.
void threads_come_and_go() {
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            while (!done) {
                events::Span outer("outer", Kind::op);
                for (int k = 0; k < 5; ++k) {
                    events::Span inner("inner", Kind::kernel);
                    events::note_memory(8, 8);
                }
            }
        });
    for (int i = 0; i < 200; ++i) {
        CHECK(events::start(watch_memory, 10000));
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        for (const events::Thread& t : events::stop().threads)
            for (const events::Event& e : t.events)
                CHECK(e.end >= e.start && e.start > 0 && e.parent < int32_t(t.events.size()));
    }
    done = true;
    for (std::thread& t : threads) t.join();
}

// Children of forks, made while other threads record, record nothing and can start for themselves.
void forks() {
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] { while (!done) events::Span one(events::intern("one"), Kind::op); });
    CHECK(events::start(0, 1 << 20));
    for (int i = 0; i < 50; ++i) {
        pid_t child = fork();
        if (child == 0) {
            bool fine = !watched(watch_events) && events::start(0, 10);
            { events::Span own(events::intern("own"), Kind::op); }
            _exit(fine && events::stop().threads.size() == 1 ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        CHECK(status == 0);
    }
    done = true;
    for (std::thread& t : threads) t.join();
    events::stop();
}

void checksums() {
    CHECK(crc32c("123456789", 9) == 0xE3069283u);
    CHECK(crc32c(nullptr, 0) == 0);
    const unsigned char zeros[32] = {};
    CHECK(crc32c(zeros, 32) == 0x8A9136AAu);
}

}  // namespace

int main() {
    spans_nest();
    spans_outlive_the_function_that_opened_them();
    memory_belongs_to_the_span_around_it();
    tokens_work_in_other_threads();
    what_exceeds_the_limit_is_counted();
    threads_come_and_go();
    forks();
    checksums();
    return checks_failed();
}
