#include "base/log.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/events.h"

namespace rushlight {

namespace {
const char* const channel_names[] = {"dispatch", "memory", "time", "graph"};

bool read_environment() {
    const char* wanted = std::getenv("RUSHLIGHT_LOG");
    for (int i = 0; wanted && i < int(Channel::count); ++i)
        if ((log_open[i] = std::strstr(wanted, channel_names[i]) != nullptr)) watchers.fetch_or(watch_log);
    return true;
}
}  // namespace

bool log_open[int(Channel::count)] = {};
static const bool environment_read = read_environment();

void log_line(Channel c, const std::string& text) {
    std::fprintf(stderr, "[rushlight %s] %s\n", channel_names[int(c)], text.c_str());
}

}  // namespace rushlight
