#include "graph/values.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "graph/graph.h"

namespace rushlight::graph {

namespace {

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
    for (size_t i = 0; i < args.size(); ++i)
        if (!matches(o.param(i), args[i], variables, false)) return false;
    return true;
}

void print_here(const std::string& text) { std::fputs(text.c_str(), stdout); }

std::string show_briefly(const TensorImpl& t) {
    return std::string("tensor(") + rushlight::name_of(t.dtype) + " of shape " + to_text(t.sizes) + ")";
}

}  // namespace

Host host{nullptr, print_here, show_briefly};

const std::vector<Primitive>& all_primitives() {
    static const std::vector<Primitive> closed = [] {
        std::vector<Primitive> out;
        for (auto table : {number_primitives(), text_primitives(), container_primitives(), tensor_primitives()})
            out.insert(out.end(), table.begin(), table.end());
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

bool needs_conversion(const Item& x, const Type& param) {
    if (param.is(TypeKind::real)) return x.is(TypeKind::integer) || x.is(TypeKind::boolean);
    return param.is(TypeKind::integer) && x.is(TypeKind::boolean);
}

Item converted(const Item& x, const Type& param) {
    return param.is(TypeKind::real) ? Item(x.as_real()) : Item(x.as_integer());
}

int64_t index_of(int64_t i, size_t n, const char* what) {
    int64_t size = int64_t(n), at = i < 0 ? i + size : i;
    require(at >= 0 && at < size, ErrorKind::index, what, " index out of range: ", i, " of ", n, " items");
    return at;
}

Slice slice_of(int64_t n, const Item& start, const Item& stop, const Item& step) {
    int64_t pace = step.is_none() ? 1 : step.as_integer();
    require(pace != 0, ErrorKind::value, "slice step cannot be zero");
    pace = std::max(pace, -INT64_MAX);
    int64_t low = pace < 0 ? -1 : 0, high = pace < 0 ? n - 1 : n;
    auto bound = [&](const Item& x, int64_t missing) {
        if (x.is_none()) return missing;
        int64_t i = x.as_integer();
        return std::clamp(i < 0 ? i + n : i, low, high);
    };
    int64_t begin = bound(start, pace < 0 ? high : low), end = bound(stop, pace < 0 ? low : high);
    int64_t way = pace < 0 ? begin - end : end - begin, stride = pace < 0 ? -pace : pace;
    return {begin, way <= 0 ? 0 : 1 + (way - 1) / stride, pace};
}

}  // namespace rushlight::graph
