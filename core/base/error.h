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

// A part of a sentence: anything an ostream takes.
struct SentencePart {
    const void* value;
    void (*write)(std::ostream& out, const void* value);
};

template <class T>
void write_part(std::ostream& out, const void* value) {
    out << *static_cast<const T*>(value);
}

template <class T>
SentencePart sentence_part(const T& value) {
    return {&value, write_part<T>};
}
void write_text(std::ostream& out, const void* text);
inline SentencePart sentence_part(const char* const& text) { return {text, write_text}; }
template <size_t N>
SentencePart sentence_part(const char (&text)[N]) {
    return {text, write_text};
}

// Builds the sentence from its parts and throws.
[[noreturn]] void fail_with(ErrorKind kind, const SentencePart* parts, size_t count);

// Hundreds of sentences have parts of types of their own: each is one array and one call, not a stream of its own.
template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(ErrorKind kind, const Parts&... parts) {
    const SentencePart all[] = {sentence_part(parts)...};
    fail_with(kind, all, sizeof...(parts));
}

template <class... Parts>
inline void require(bool holds, ErrorKind kind, const Parts&... parts) {
    if (!holds) [[unlikely]] fail(kind, parts...);
}

}  // namespace rushlight
