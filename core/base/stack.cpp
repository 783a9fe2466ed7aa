#include "base/stack.h"

#include <pthread.h>

#include <algorithm>
#include <cstdint>

namespace rushlight {

namespace {

constexpr size_t reserve = 256 << 10;

// The lowest address that a recursion on this thread may reach; 0 where the system does not tell.
uintptr_t lowest_address() {
    uintptr_t begin = 0;
    size_t size = 0;
#if defined(__APPLE__)
    size = pthread_get_stacksize_np(pthread_self());
    begin = reinterpret_cast<uintptr_t>(pthread_get_stackaddr_np(pthread_self())) - size;
#elif defined(__linux__)
    pthread_attr_t about;
    if (pthread_getattr_np(pthread_self(), &about) != 0) return 0;
    void* address = nullptr;
    if (pthread_attr_getstack(&about, &address, &size) == 0) begin = reinterpret_cast<uintptr_t>(address);
    pthread_attr_destroy(&about);
#endif
    return begin ? begin + std::min(reserve, size / 4) : 0;
}

}  // namespace

bool stack_has_room() {
    static thread_local const uintptr_t lowest = lowest_address();
    return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) > lowest;
}

}  // namespace rushlight
