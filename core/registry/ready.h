// A call whose rule has been asked before, as a plan keeps it: only the kernel is left to run.
#pragma once

#include "registry/call.h"

namespace rushlight {

// Runs a call with `compute`, `results` and `geometry` as its rule gave them for arguments of the same geometry, with
// memory in `out` unless it has a destination or updates what it is given. Records nothing on the tape; composites,
// views and lists have no such calls.
void run_ready(Call& call);

}  // namespace rushlight
