// What reading a damaged file raises: an error that names the file, the place in it and what was expected there.
#pragma once

#include <string_view>

#include "base/error.h"

namespace rushlight::files {

class Corrupt : public Error {
public:
    explicit Corrupt(std::string text) : Error(ErrorKind::runtime, std::move(text)) {}
};

template <class... Parts>
[[noreturn]] void corrupt(std::string_view where, const Parts&... parts) {
    std::ostringstream out;
    out << where << ": ";
    (out << ... << parts);
    throw Corrupt(out.str());
}

template <class... Parts>
inline void expect(bool holds, std::string_view where, const Parts&... parts) {
    if (!holds) [[unlikely]] corrupt(where, parts...);
}

}  // namespace rushlight::files
