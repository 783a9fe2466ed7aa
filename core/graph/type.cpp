#include "graph/type.h"

#include <algorithm>

namespace rushlight::graph {

std::string to_text(const Type& type) {
    static constexpr const char* names[] = {"tensor", "int", "float", "bool", "number", "str", "dtype", "none",
                                            "list", "tuple", "dict", "optional"};
    if (type.is(TypeKind::variable)) return std::string(1, type.letter);
    if (type.is(TypeKind::any)) return "any";
    std::string out = names[int(type.kind)];
    if (type.kind < TypeKind::list) return out;
    for (size_t i = 0; i < type.items.size(); ++i) out += (i ? ", " : "[") + to_text(type.items[i]);
    return out + (type.items.empty() ? "[]" : "]");
}

bool fits(const Type& actual, const Type& wanted) {
    if (actual == wanted) return true;
    switch (wanted.kind) {
        case TypeKind::any: return true;
        case TypeKind::number:
            return actual.is(TypeKind::integer) || actual.is(TypeKind::real) || actual.is(TypeKind::boolean);
        case TypeKind::optional:
            if (actual.is(TypeKind::none)) return true;
            return fits(actual.is(TypeKind::optional) ? actual.items[0] : actual, wanted.items[0]);
        case TypeKind::tuple:
            return actual.is(TypeKind::tuple) && std::equal(actual.items.begin(), actual.items.end(),
                                                            wanted.items.begin(), wanted.items.end(), fits);
        default: return false;
    }
}

bool holds_tensors(const Type& type) {
    return type.is(TypeKind::tensor) || std::any_of(type.items.begin(), type.items.end(), holds_tensors);
}

}  // namespace rushlight::graph
