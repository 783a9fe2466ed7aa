#include "graph/values.h"

#include <algorithm>
#include <map>

#include "graph/graph.h"

namespace rushlight::graph {

namespace {

constexpr bool effect = false;           // not pure: it changes a container, prints, raises, or reads what may change

// Types are those of graphs; T, K and V stand for any type, the same wherever they occur. `...` repeats the last
// parameter, `... 2` the last two. A result `T...` stands for any number of results.
const std::vector<Primitive>& table() {
    static std::vector<Primitive> primitives = {
        // numbers
        {"num_add", "(int, int) -> int; (float, float) -> float; (number, number) -> number"},
        {"num_sub", "(int, int) -> int; (float, float) -> float; (number, number) -> number"},
        {"num_mul", "(int, int) -> int; (float, float) -> float; (number, number) -> number"},
        {"num_div", "(number, number) -> float"},
        {"num_floordiv", "(int, int) -> int; (float, float) -> float; (number, number) -> number"},
        {"num_mod", "(int, int) -> int; (float, float) -> float; (number, number) -> number"},
        {"num_pow", "(int, int) -> int; (float, float) -> float; (number, number) -> number"},
        {"num_neg", "(int) -> int; (float) -> float; (number) -> number"},
        {"num_abs", "(int) -> int; (float) -> float; (number) -> number"},
        {"num_round", "(number) -> int; (int, int) -> int; (float, int) -> float"},
        {"num_min", "(int, int, int...) -> int; (float, float, float...) -> float; "
                    "(number, number, number...) -> number"},
        {"num_max", "(int, int, int...) -> int; (float, float, float...) -> float; "
                    "(number, number, number...) -> number"},
        {"num_eq", "(number, number) -> bool"},
        {"num_ne", "(number, number) -> bool"},
        {"num_lt", "(number, number) -> bool"},
        {"num_le", "(number, number) -> bool"},
        {"num_gt", "(number, number) -> bool"},
        {"num_ge", "(number, number) -> bool"},
        {"int_and", "(bool, bool) -> bool; (int, int) -> int"},
        {"int_or", "(bool, bool) -> bool; (int, int) -> int"},
        {"int_xor", "(bool, bool) -> bool; (int, int) -> int"},
        {"int_invert", "(int) -> int"},
        {"int_lshift", "(int, int) -> int"},
        {"int_rshift", "(int, int) -> int"},
        {"bool_not", "(bool) -> bool"},
        {"range_len", "(int, int, int) -> int"},
        // the module math
        {"math_sqrt", "(float) -> float"}, {"math_exp", "(float) -> float"}, {"math_expm1", "(float) -> float"},
        {"math_log", "(float) -> float; (float, float) -> float"}, {"math_log2", "(float) -> float"},
        {"math_log10", "(float) -> float"}, {"math_log1p", "(float) -> float"},
        {"math_sin", "(float) -> float"}, {"math_cos", "(float) -> float"}, {"math_tan", "(float) -> float"},
        {"math_asin", "(float) -> float"}, {"math_acos", "(float) -> float"}, {"math_atan", "(float) -> float"},
        {"math_atan2", "(float, float) -> float"}, {"math_sinh", "(float) -> float"},
        {"math_cosh", "(float) -> float"}, {"math_tanh", "(float) -> float"},
        {"math_pow", "(float, float) -> float"}, {"math_fmod", "(float, float) -> float"},
        {"math_hypot", "(float, float) -> float"}, {"math_copysign", "(float, float) -> float"},
        {"math_erf", "(float) -> float"}, {"math_degrees", "(float) -> float"}, {"math_radians", "(float) -> float"},
        {"math_floor", "(number) -> int"}, {"math_ceil", "(number) -> int"}, {"math_trunc", "(number) -> int"},
        {"math_isnan", "(float) -> bool"}, {"math_isinf", "(float) -> bool"}, {"math_isfinite", "(float) -> bool"},
        {"math_gcd", "(int, int) -> int"},
        // conversions
        {"to_int", "(number) -> int; (str) -> int; (tensor) -> int", effect},
        {"to_float", "(number) -> float; (str) -> float; (tensor) -> float", effect},
        {"to_bool", "(any) -> bool", effect},
        {"to_str", "(any) -> str", effect},
        {"repr", "(any) -> str", effect},
        // any value
        {"same", "(T) -> T"},
        {"value_eq", "(T, T) -> bool", effect},
        {"value_ne", "(T, T) -> bool", effect},
        {"is_none", "(optional[T]) -> bool"},
        {"unwrap", "(optional[T]) -> T"},
        {"unset", "() -> T"},
        {"raise", "(str, str) -> any...", effect},
        {"print", "(any...)", effect},
        // texts
        {"str_len", "(str) -> int"},
        {"str_add", "(str, str) -> str"},
        {"str_mul", "(str, int) -> str"},
        {"str_lt", "(str, str) -> bool"}, {"str_le", "(str, str) -> bool"},
        {"str_gt", "(str, str) -> bool"}, {"str_ge", "(str, str) -> bool"},
        {"str_index", "(str, int) -> str"},
        {"str_slice", "(str, optional[int], optional[int], optional[int]) -> str"},
        {"str_contains", "(str, str) -> bool"},
        {"str_find", "(str, str) -> int"},
        {"str_count", "(str, str) -> int"},
        {"str_startswith", "(str, str) -> bool"},
        {"str_endswith", "(str, str) -> bool"},
        {"str_upper", "(str) -> str"}, {"str_lower", "(str) -> str"},
        {"str_strip", "(str, optional[str]) -> str"},
        {"str_lstrip", "(str, optional[str]) -> str"},
        {"str_rstrip", "(str, optional[str]) -> str"},
        {"str_replace", "(str, str, str) -> str"},
        {"str_split", "(str, optional[str]) -> list[str]", effect},
        {"str_join", "(str, list[str]) -> str", effect},
        {"str_format", "(str, any...) -> str", effect},
        {"str_percent", "(str, any...) -> str", effect},
        {"value_format", "(any, str) -> str", effect},
        // lists
        {"list_make", "(T...) -> list[T]", effect},
        {"list_len", "(list[T]) -> int", effect},
        {"list_index", "(list[T], int) -> T", effect},
        {"list_slice", "(list[T], optional[int], optional[int], optional[int]) -> list[T]", effect},
        {"list_set", "(list[T], int, T)", effect},
        {"list_del", "(list[T], int)", effect},
        {"list_append", "(list[T], T)", effect},
        {"list_extend", "(list[T], list[T])", effect},
        {"list_insert", "(list[T], int, T)", effect},
        {"list_pop", "(list[T]) -> T; (list[T], int) -> T", effect},
        {"list_remove", "(list[T], T)", effect},
        {"list_clear", "(list[T])", effect},
        {"list_reverse", "(list[T])", effect},
        {"list_sort", "(list[T], bool)", effect},
        {"list_copy", "(list[T]) -> list[T]", effect},
        {"list_sorted", "(list[T], bool) -> list[T]", effect},
        {"list_add", "(list[T], list[T]) -> list[T]", effect},
        {"list_mul", "(list[T], int) -> list[T]", effect},
        {"list_contains", "(list[T], T) -> bool", effect},
        {"list_find", "(list[T], T) -> int", effect},
        {"list_count", "(list[T], T) -> int", effect},
        {"list_sum", "(list[int]) -> int; (list[float]) -> float; (list[bool]) -> int", effect},
        {"list_min", "(list[T]) -> T", effect},
        {"list_max", "(list[T]) -> T", effect},
        {"list_any", "(list[bool]) -> bool", effect},
        {"list_all", "(list[bool]) -> bool", effect},
        {"list_range", "(int, int, int) -> list[int]", effect},
        {"list_unpack", "(list[T]) -> T...", effect},
        // tuples
        {"tuple_make", "(any...) -> any"},
        {"tuple_len", "(any) -> int"},
        {"tuple_index", "(any, int) -> any"},
        {"tuple_slice", "(any, int, int) -> any"},
        {"tuple_add", "(any, any) -> any"},
        {"tuple_unpack", "(any) -> any..."},
        {"tuple_list", "(any) -> list[T]", effect},
        // dicts
        {"dict_make", "(K, V, ...2) -> dict[K, V]", effect},
        {"dict_len", "(dict[K, V]) -> int", effect},
        {"dict_get", "(dict[K, V], K) -> V; (dict[K, V], K, V) -> V", effect},
        {"dict_find", "(dict[K, V], K) -> optional[V]", effect},
        {"dict_set", "(dict[K, V], K, V)", effect},
        {"dict_setdefault", "(dict[K, V], K, V) -> V", effect},
        {"dict_del", "(dict[K, V], K)", effect},
        {"dict_pop", "(dict[K, V], K) -> V; (dict[K, V], K, V) -> V", effect},
        {"dict_contains", "(dict[K, V], K) -> bool", effect},
        {"dict_keys", "(dict[K, V]) -> list[K]", effect},
        {"dict_values", "(dict[K, V]) -> list[V]", effect},
        {"dict_items", "(dict[K, V]) -> list[tuple[K, V]]", effect},
        {"dict_update", "(dict[K, V], dict[K, V])", effect},
        {"dict_clear", "(dict[K, V])", effect},
        {"dict_copy", "(dict[K, V]) -> dict[K, V]", effect},
        // tensors
        {"tensor_size", "(tensor, int) -> int", effect},
        {"tensor_shape", "(tensor) -> list[int]", effect},
        {"tensor_stride", "(tensor, int) -> int", effect},
        {"tensor_dim", "(tensor) -> int", effect},
        {"tensor_numel", "(tensor) -> int", effect},
        {"tensor_len", "(tensor) -> int", effect},
        {"tensor_dtype", "(tensor) -> dtype", effect},
        {"tensor_item", "(tensor) -> number", effect},
        {"tensor_list", "(tensor) -> T", effect},
        {"tensor_make", "(any, optional[dtype]) -> tensor", effect},
        {"tensor_is_contiguous", "(tensor) -> bool", effect},
        {"tensor_is_floating_point", "(tensor) -> bool", effect},
        {"tensor_requires_grad", "(tensor) -> bool", effect},
    };
    return primitives;
}

std::string_view trimmed(std::string_view s) {
    while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
    while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
    return s;
}

// Cuts at the separators that stand outside of brackets.
std::vector<std::string_view> cut(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    size_t begin = 0;
    int depth = 0;
    for (size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && text[i] == '[') ++depth;
        if (i < text.size() && text[i] == ']') --depth;
        if (i < text.size() && (text[i] != separator || depth)) continue;
        std::string_view part = trimmed(text.substr(begin, i - begin));
        if (!part.empty()) out.push_back(part);
        begin = i + 1;
    }
    return out;
}

Overload parsed_overload(std::string_view text) {
    Overload out;
    size_t close = text.find(')');
    for (std::string_view param : cut(text.substr(1, close - 1), ',')) {
        out.repeats = out.repeats || param.ends_with("...") || param == "...2";
        if (param == "...2") out.period = 2;
        else out.params.push_back(parse_type(param.substr(0, param.find("..."))));
    }
    size_t arrow = text.find("->");
    if (arrow == std::string_view::npos) return out;
    std::string_view result = trimmed(text.substr(arrow + 2));
    out.any_results = result.ends_with("...");
    out.results.push_back(parse_type(result.substr(0, result.find("..."))));
    return out;
}

using Variables = std::map<char, Type>;

// Does `actual` have the form of `pattern`? Variables are bound at their first occurrence; `exactly` where no value of
// a narrower type will do.
bool matches(const Type& pattern, const Type& actual, Variables& variables, bool exactly) {
    if (pattern.is(TypeKind::any)) return true;
    if (pattern.is(TypeKind::variable)) {
        auto [at, fresh] = variables.emplace(pattern.letter, actual);
        return fresh || (exactly ? at->second == actual : fits(actual, at->second));
    }
    if (pattern.is(TypeKind::optional) && !exactly) {
        if (actual.is(TypeKind::none)) return true;
        if (!actual.is(TypeKind::optional)) return matches(pattern.items[0], actual, variables, false);
    }
    if (!exactly && pattern.is(TypeKind::number)) return fits(actual, pattern);
    if (!exactly && pattern.is(TypeKind::real))
        return actual.is(TypeKind::real) || actual.is(TypeKind::integer) || actual.is(TypeKind::boolean);
    if (!exactly && pattern.is(TypeKind::integer)) return actual.is(TypeKind::integer) || actual.is(TypeKind::boolean);
    if (pattern.kind != actual.kind || pattern.items.size() != actual.items.size()) return false;
    for (size_t i = 0; i < pattern.items.size(); ++i)
        if (!matches(pattern.items[i], actual.items[i], variables, true)) return false;
    return true;
}

bool matches(const Overload& o, std::span<const Type> args, std::span<const Type> results) {
    size_t least = o.params.size() - (o.repeats ? o.period : 0);
    bool count = o.repeats ? args.size() >= least && (args.size() - least) % o.period == 0 : args.size() == least;
    if (!count || (!o.any_results && results.size() != o.results.size())) return false;
    Variables variables;                 // the results come first: they say what an empty list holds
    for (const Type& r : results)
        if (!matches(o.results[0], r, variables, true)) return false;
    for (size_t i = 0; i < args.size(); ++i) {
        size_t p = i < o.params.size() ? i : o.params.size() - o.period + (i - o.params.size()) % o.period;
        if (!matches(o.params[p], args[i], variables, false)) return false;
    }
    return true;
}

}  // namespace

const std::vector<Primitive>& all_primitives() {
    static const std::vector<Primitive> closed = [] {
        std::vector<Primitive> out = table();
        for (Primitive& p : out)
            for (std::string_view text : cut(p.signature, ';')) p.overloads.push_back(parsed_overload(text));
        std::sort(out.begin(), out.end(), [](const Primitive& a, const Primitive& b) {
            return std::string_view(a.name) < b.name;
        });
        return out;
    }();
    return closed;
}

const Primitive* find_primitive(std::string_view name) {
    const std::vector<Primitive>& all = all_primitives();
    auto at = std::lower_bound(all.begin(), all.end(), name,
                               [](const Primitive& p, std::string_view n) { return p.name < n; });
    return at != all.end() && at->name == name ? &*at : nullptr;
}

const Overload* overload_for(const Primitive& p, std::span<const Type> args, std::span<const Type> results) {
    for (const Overload& o : p.overloads)
        if (matches(o, args, results)) return &o;
    return nullptr;
}

}  // namespace rushlight::graph
