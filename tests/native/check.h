// The few words that the native tests need: CHECK counts failures and goes on; main returns checks_failed().
#pragma once

#include <cstdio>

#include "base/error.h"

inline int failures = 0;

inline void check(bool holds, const char* text, const char* file, int line) {
    if (holds) return;
    ++failures;
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
}

#define CHECK(...) check((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

// Whether `f` throws rushlight::Error of this kind.
template <class F>
bool fails_with(rushlight::ErrorKind kind, F&& f) {
    try {
        f();
    } catch (const rushlight::Error& e) {
        return e.kind() == kind;
    }
    return false;
}

inline int checks_failed() {
    if (failures) std::fprintf(stderr, "%d checks failed\n", failures);
    return failures ? 1 : 0;
}
