// One registration for all locks of this room, in the order in which code nests them: a draw allocates, a fingerprint
// asks for plain bytes, which finishes what was put off, bringing bytes into plain order allocates, and so does what is
// derived from them.
//
// It is made when the library is loaded, the pool's (threads.cpp) when the pool is first used. The system calls the
// latest registered first, so the pool's job is over before the first of these locks is taken, and what runs in the job
// may use all of them.
#include "tensor/fork.h"

#include <pthread.h>

namespace rushlight {

namespace {

void before_fork() {
    lock_generators();
    watching_lock().lock();
    deferring_lock().lock();
    rearranging_lock().lock();
    deriving_lock().lock();
    allocator_lock().lock();
}

void after_fork() {
    allocator_lock().unlock();
    deriving_lock().unlock();
    rearranging_lock().unlock();
    deferring_lock().unlock();
    watching_lock().unlock();
    unlock_generators();
}

const int registered = pthread_atfork(before_fork, after_fork, after_fork);

}  // namespace

}  // namespace rushlight
