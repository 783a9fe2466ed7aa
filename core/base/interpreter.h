// Lets the embedding interpreter go on while native code works. Without an interpreter it does nothing.
#pragma once

namespace rushlight {

struct InterpreterHooks {
    void* (*release)() = nullptr;        // gives the interpreter lock away; null when the caller does not hold it
    void (*acquire)(void*) = nullptr;
};
extern InterpreterHooks interpreter_hooks;

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
