// A strict reader of JSON: what the standard allows and nothing else, no name twice, 64 levels at most.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rushlight::files {

struct Json {
    enum Kind : uint8_t { null, boolean, integer, real, text, list, object };
    static constexpr int deepest = 64;

    Kind kind = null;
    bool truth = false;
    int64_t whole = 0;
    double number = 0;                         // of integers too
    std::string string;
    std::vector<Json> items;                   // of a list; of an object the values
    std::vector<std::string> keys;             // of an object

    const Json* find(std::string_view key) const;      // null where there is none
    bool operator==(const Json& o) const = default;
};

// Raises Corrupt with `where` and the line.
Json parse_json(std::string_view text, std::string_view where);
bool is_utf8(std::string_view text);
std::string write_json(const Json& json);

}  // namespace rushlight::files
