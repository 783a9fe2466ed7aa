// Who wants to see each call of an operator: tools that look for NaN, draw graphs, count.
#pragma once

#include "base/events.h"
#include "registry/call.h"

namespace rushlight {

// Stands around every call while `watchers` has watch_calls: runs the call by `go(call)`.
extern void (*call_watcher)(Call& call, void (*go)(Call&));

// The same while `watchers` has watch_capture: who records calls as a graph, within the other.
extern void (*call_capturer)(Call& call, void (*go)(Call&));

}  // namespace rushlight
