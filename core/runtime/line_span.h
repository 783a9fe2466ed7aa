// Lines of the program for the profiler, around what their nodes do.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/events.h"

namespace rushlight::runtime {

// While somebody records: a span for each line, around all that its nodes do one after the other.
class LineSpan {
public:
    LineSpan() : watched_(watched(watch_events)) {}

    // The next work is of the nodes of these sources, "file:line".
    template <class Sources>
    void enter(Sources&& each_source) {
        if (!watched_) [[likely]] return;
        std::string lines;
        each_source([&](const std::string& source) {
            std::string line = source.substr(source.rfind('/') + 1);
            if (lines.find(line) == lines.npos) lines += (lines.empty() ? "" : ", ") + line;
        });
        if (lines == lines_) return;
        span_.reset();
        if (!lines.empty()) span_.emplace(events::intern(lines), events::Kind::range);
        lines_ = std::move(lines);
    }

private:
    bool watched_;
    std::string lines_;
    std::optional<events::Span> span_;
};

}  // namespace rushlight::runtime
