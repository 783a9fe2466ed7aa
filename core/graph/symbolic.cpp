#include "graph/symbolic.h"

#include <charconv>
#include <optional>

#include "base/error.h"

namespace rushlight::graph {

namespace {

constexpr ErrorKind wrong = ErrorKind::value;
constexpr int64_t largest = int64_t(1) << 62;

struct Term {
    int64_t factor = 1;
    std::vector<std::string> names;
};

struct Expression {
    std::vector<Term> terms;
    double over = 0;                     // of <0.5/N>: the real number; `terms` is the name then
    bool is_real = false;
};

bool is_name(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9'); }

class Parser {
public:
    explicit Parser(std::string_view text) : whole_(text), rest_(text) {}

    Expression run() {
        Expression e;
        size_t slash = rest_.find('/');
        if (slash != std::string_view::npos) {
            e.is_real = true;
            auto [end, error] = std::from_chars(rest_.data(), rest_.data() + slash, e.over);
            check(error == std::errc() && end == rest_.data() + slash);
            rest_.remove_prefix(slash + 1);
            e.terms.push_back(term(1));
            check(rest_.empty() && e.terms[0].names.size() == 1);
            return e;
        }
        do {
            int64_t sign = take('-') ? -1 : 1;
            if (!e.terms.empty() && sign > 0) check(take('+'));
            e.terms.push_back(term(sign));
        } while (!rest_.empty());
        return e;
    }

private:
    Term term(int64_t sign) {
        Term t;
        t.factor = sign;
        bool first = true;
        do {
            check(!rest_.empty());
            if (first && rest_[0] >= '0' && rest_[0] <= '9') {
                auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), t.factor);
                check(error == std::errc());
                t.factor *= sign;
                rest_.remove_prefix(size_t(end - rest_.data()));
            } else {
                size_t n = 0;
                while (n < rest_.size() && is_name(rest_[n])) ++n;
                check(n > 0 && n <= 32 && !(rest_[0] >= '0' && rest_[0] <= '9'));
                t.names.emplace_back(rest_.substr(0, n));
                rest_.remove_prefix(n);
            }
            first = false;
        } while (take('*'));
        return t;
    }

    bool take(char c) {
        if (rest_.empty() || rest_[0] != c) return false;
        rest_.remove_prefix(1);
        return true;
    }

    void check(bool right) const {
        require(right, wrong, "graph: '<", whole_.substr(0, 60), ">' is no expression of sizes; expected a sum such as "
                "<2*N+1>, or a number over a size such as <0.5/N>");
    }

    std::string_view whole_, rest_;
};

int64_t value_of(const Term& t, const Sizes& sizes) {
    int64_t out = t.factor;
    for (const std::string& name : t.names) {
        auto found = sizes.find(name);
        require(found != sizes.end(), wrong, "graph: the size ", name, " is not told");
        bool fits = !__builtin_mul_overflow(out, found->second, &out);
        require(fits && out < largest && out > -largest, wrong, "graph: sizes are too large with ", name, " = ",
                found->second);
    }
    return out;
}

int64_t value_of(const Expression& e, const Sizes& sizes) {
    int64_t out = 0;
    for (const Term& t : e.terms) {
        int64_t part = value_of(t, sizes);
        bool fits = !__builtin_add_overflow(out, part, &out);
        require(fits && out < largest && out > -largest, wrong, "graph: sizes are too large");
    }
    return out;
}

std::string number(double x) {
    char buffer[40];
    std::string out(buffer, std::to_chars(buffer, buffer + sizeof buffer, x).ptr);
    return out.find_first_of(".en") == std::string::npos ? out + ".0" : out;
}

std::string shown(const Expression& e, const Sizes& sizes) {
    return e.is_real ? number(e.over / double(value_of(e, sizes))) : std::to_string(value_of(e, sizes));
}

// Calls text(part) and expression(inner) for what stands outside and inside of <>; quoted text stays as it is.
template <class Text, class Inner>
void split(std::string_view text, Text&& plain, Inner&& expression) {
    size_t begin = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.size(); ++i) {
        if (quoted && text[i] == '\\') ++i;
        else if (text[i] == '"') quoted = !quoted;
        else if (text[i] == '<' && !quoted) {
            size_t end = text.find('>', i);
            require(end != std::string_view::npos, wrong, "graph: '<' has no '>'");
            plain(text.substr(begin, i - begin));
            expression(text.substr(i + 1, end - i - 1));
            begin = end + 1;
            i = end;
        }
    }
    plain(text.substr(begin));
}

// The sizes of one input, as written.
using Written = std::vector<std::string_view>;

std::vector<Written> inputs_of(std::string_view text) {
    std::vector<Written> out;
    std::string_view head = text.substr(0, text.find('\n'));
    for (size_t at = head.find("%"); at != std::string_view::npos; at = head.find('%', at + 1)) {
        size_t colon = head.find(": ", at);
        if (colon == std::string_view::npos) break;
        size_t word = colon + 2;
        while (word < head.size() && is_name(head[word])) ++word;
        if (word >= head.size() || head[word] != '[') continue;
        std::string_view type = head.substr(colon + 2, word - colon - 2);
        if (type == "list" || type == "tuple" || type == "dict" || type == "optional") continue;
        size_t end = head.find(']', word);
        require(end != std::string_view::npos, wrong, "graph: the sizes of an input have no ']'");
        std::string_view sizes = head.substr(word + 1, end - word - 1);
        Written written;
        while (!sizes.empty()) {
            size_t comma = std::min(sizes.find(','), sizes.size());
            written.push_back(sizes.substr(0, comma));
            sizes.remove_prefix(std::min(comma + 2, sizes.size()));
        }
        require(written.size() <= size_t(max_rank), wrong, "graph: an input has ", written.size(),
                " dimensions; expected ", max_rank, " at most");
        out.push_back(std::move(written));
    }
    return out;
}

std::optional<int64_t> fixed_size(std::string_view written) {
    int64_t size = 0;
    auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), size);
    if (error != std::errc() || end != written.data() + written.size()) return std::nullopt;
    return size;
}

Expression varying_size(std::string_view written) {
    require(written.size() > 2 && written.front() == '<' && written.back() == '>', wrong, "graph: '",
            written.substr(0, 60), "' is no size");
    return Parser(written.substr(1, written.size() - 2)).run();
}

// What the one unknown name of an expression must be for it to have this value.
bool solve_one(const Expression& e, int64_t value, Sizes& sizes) {
    const Term* unknown = nullptr;
    Expression known;
    for (const Term& t : e.terms) {
        bool all = true;
        for (const std::string& name : t.names) all = all && sizes.contains(name);
        if (all) known.terms.push_back(t);
        else if (unknown || t.names.size() != 1) return false;
        else unknown = &t;
    }
    int64_t rest = value - value_of(known, sizes);           // both are far from overflowing
    if (!unknown) return rest == 0;
    if (unknown->factor == 0 || rest % unknown->factor || rest / unknown->factor < 1) return false;
    sizes[unknown->names[0]] = rest / unknown->factor;
    return true;
}

}  // namespace

std::vector<std::string> symbols_of(std::string_view text) {
    std::map<std::string, bool> names;
    split(text, [](std::string_view) {}, [&](std::string_view inner) {
        for (const Term& t : Parser(inner).run().terms)
            for (const std::string& name : t.names) names[name] = true;
    });
    std::vector<std::string> out;
    for (auto& [name, _] : names) out.push_back(name);
    return out;
}

std::string instantiate(std::string_view text, const Sizes& sizes) {
    for (const auto& [name, size] : sizes)
        require(size >= 1, wrong, "graph: the size ", name, " is ", size, "; expected 1 or more");
    std::string out;
    out.reserve(text.size());
    split(text, [&](std::string_view part) { out += part; },
          [&](std::string_view inner) { out += shown(Parser(inner).run(), sizes); });
    return out;
}

bool solve(std::string_view text, const std::vector<Dims>& shapes, Sizes& sizes) {
    std::vector<Written> inputs = inputs_of(text);
    if (inputs.size() != shapes.size()) return false;
    for (size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].size() != shapes[i].size()) return false;
        for (size_t d = 0; d < inputs[i].size(); ++d) {
            std::optional<int64_t> fixed = fixed_size(inputs[i][d]);
            int64_t size = shapes[i][d];
            if (fixed ? *fixed != size : !solve_one(varying_size(inputs[i][d]), size, sizes)) return false;
        }
    }
    return true;
}

std::vector<Dims> input_shapes(std::string_view text) {
    std::vector<Dims> out;
    for (const Written& written : inputs_of(text)) {
        Dims dims;
        for (std::string_view size : written) dims.push_back(fixed_size(size).value_or(-1));
        out.push_back(dims);
    }
    return out;
}

}  // namespace rushlight::graph
