// How much of the calling thread's stack is left: recursion whose depth a user decides asks, and raises in time.
#pragma once

namespace rushlight {

// Whether another level of a recursion, and the operators that it calls, still have room: a quarter megabyte, or a
// quarter of a stack that is smaller than one.
bool stack_has_room();

}  // namespace rushlight
