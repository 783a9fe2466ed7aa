// What a value of a graph is: a tensor, or one of Python's numbers, texts and containers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rushlight::graph {

enum class TypeKind : uint8_t {
    tensor, integer, real, boolean, number, string, dtype, none, list, tuple, dict, optional,
    variable, any                        // only in the signatures of value primitives
};

inline constexpr int max_type_depth = 16;

struct Type {
    TypeKind kind = TypeKind::tensor;
    std::vector<Type> items;             // of containers: element types; of a dict: key and value
    char letter = 0;                     // of a variable

    bool operator==(const Type& o) const = default;
    bool is(TypeKind k) const { return kind == k; }
};

inline Type list_of(Type item) { return {TypeKind::list, {std::move(item)}}; }
inline Type optional_of(Type item) { return {TypeKind::optional, {std::move(item)}}; }

// As the text of a graph writes it: "dict[str, list[int]]".
std::string to_text(const Type& type);

// May a value of type `actual` stand where `wanted` is expected, as it is? A value or None for an optional, a number of
// any kind for a number, tuples item by item; lists and dicts, which may change, only of equal types.
bool fits(const Type& actual, const Type& wanted);
// Does it hold a tensor, itself or inside?
bool holds_tensors(const Type& type);

}  // namespace rushlight::graph
