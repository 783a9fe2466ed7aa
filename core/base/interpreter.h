// The embedding interpreter: it goes on while native code works, and shows warnings. Without one nothing is done.
#pragma once

#include <string>

namespace rushlight {

struct InterpreterHooks {
    void* (*release)() = nullptr;        // gives the interpreter lock away; null when the caller does not hold it
    void (*acquire)(void*) = nullptr;
    void (*warn)(const std::string&) = nullptr;      // throws where the program wants warnings to be errors
};
extern InterpreterHooks interpreter_hooks;

inline void warn(const std::string& text) {
    if (interpreter_hooks.warn) interpreter_hooks.warn(text);
}

// Releases the interpreter lock for its lifetime when the work is worth the release.
class WithoutInterpreter {
public:
    explicit WithoutInterpreter(bool worth_it)
        : token_(worth_it && interpreter_hooks.release ? interpreter_hooks.release() : nullptr) {}
    ~WithoutInterpreter() { if (token_) interpreter_hooks.acquire(token_); }
    WithoutInterpreter(const WithoutInterpreter&) = delete;
    WithoutInterpreter& operator=(const WithoutInterpreter&) = delete;

private:
    void* token_;
};

}  // namespace rushlight
