// Errors of the core: one exception class, a kind that the bindings map to Python's exception types, and one wording.
#pragma once

#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <utility>

namespace rushlight {

enum class ErrorKind : uint8_t {
    runtime, value, index, type, memory, not_implemented, zero_division, overflow, linalg, key, buffer, io
};

class Error : public std::exception {
public:
    Error(ErrorKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
    const char* what() const noexcept override { return text_.c_str(); }
    ErrorKind kind() const noexcept { return kind_; }
    const std::string& text() const noexcept { return text_; }

private:
    ErrorKind kind_;
    std::string text_;
};

// Builds the sentence from its parts and throws; the parts are anything an ostream takes.
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
    std::ostringstream out;
    out << std::boolalpha;
    (out << ... << parts);
    throw Error(kind, out.str());
}

template <class... Parts>
inline void require(bool holds, ErrorKind kind, const Parts&... parts) {
    if (!holds) [[unlikely]] fail(kind, parts...);
}

}  // namespace rushlight
