// What reading a damaged file raises: an error that names the file, the place in it and what was expected there.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string_view>

#include "base/dims.h"
#include "base/error.h"

namespace rushlight::files {

class Corrupt : public Error {
public:
    explicit Corrupt(std::string text) : Error(ErrorKind::runtime, std::move(text)) {}
};

// A piece of a sentence: borrowed, and spelled out only where the sentence is said. Many small checks stay small so.
class Part {
public:
    Part(const char* s) : text_(s) {}
    Part(std::string_view s) : text_(s) {}
    Part(const std::string& s) : text_(s) {}
    Part(const Dims& d) : dims_(&d) {}
    template <std::integral T>
    Part(T n) : number_(int64_t(n)), is_number_(true) {}

    void append_to(std::string& out) const;

private:
    std::string_view text_;
    const Dims* dims_ = nullptr;
    int64_t number_ = 0;
    bool is_number_ = false;
};

std::string sentence(std::initializer_list<Part> parts);
[[noreturn]] void throw_corrupt(std::string_view where, std::initializer_list<Part> parts);

template <class... Parts>
[[noreturn]] void corrupt(std::string_view where, const Parts&... parts) {
    throw_corrupt(where, {Part(parts)...});
}

template <class... Parts>
inline void expect(bool holds, std::string_view where, const Parts&... parts) {
    if (!holds) [[unlikely]] throw_corrupt(where, {Part(parts)...});
}

}  // namespace rushlight::files
