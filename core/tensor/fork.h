// The locks of this room that a fork takes first, so that no child inherits one that a thread of its parent held. Each
// is defined beside what it protects; fork.cpp knows the order.
#pragma once

#include <mutex>

namespace rushlight {

void lock_generators();
void unlock_generators();
std::mutex& watching_lock();
std::mutex& deferring_lock();
std::mutex& rearranging_lock();
std::mutex& deriving_lock();
std::mutex& allocator_lock();

}  // namespace rushlight
