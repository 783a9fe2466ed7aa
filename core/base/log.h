// RUSHLIGHT_LOG=dispatch,memory,time,graph: the one variable that opens the inside to view; lines go to stderr.
#pragma once

#include <string>

namespace rushlight {

enum class Channel : int { dispatch, memory, time, graph, count };

extern bool log_open[int(Channel::count)];
inline bool logging(Channel c) { return log_open[int(c)]; }
void log_line(Channel c, const std::string& text);

}  // namespace rushlight
