#include <charconv>
#include <unordered_map>

#include "graph/graph.h"

namespace rushlight::graph {

namespace {

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

int hexadecimal(char c) { return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= '0' && c <= '9' ? c - '0' : -1; }

// Reads the text from left to right; every complaint says the line and what stands there.
class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) { skip(); }

    bool at_end() const { return at_ == text_.size(); }

    bool take(std::string_view token) {
        if (text_.substr(at_, token.size()) != token) return false;
        bool word = is_word(token.back());
        if (word && at_ + token.size() < text_.size() && is_word(text_[at_ + token.size()])) return false;
        at_ += token.size();
        skip();
        return true;
    }

    void expect(std::string_view token) {
        if (!take(token)) complain("'" + std::string(token) + "'");
    }

    std::string_view word(const char* what) {
        size_t begin = at_;
        while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        if (at_ == begin) complain(what);
        std::string_view out = text_.substr(begin, at_ - begin);
        skip();
        return out;
    }

    bool at_number() const {
        if (at_end()) return false;
        char c = text_[at_];
        if ((c >= '0' && c <= '9') || c == '-') return true;
        std::string_view rest = text_.substr(at_, 4);
        return (rest.starts_with("inf") || rest.starts_with("nan")) && !(rest.size() > 3 && is_word(rest[3]));
    }

    // The characters of a number: digits, signs, point, exponent, inf, nan.
    std::string_view number() {
        size_t begin = at_;
        if (at_ < text_.size() && text_[at_] == '-') ++at_;
        while (at_ < text_.size() && (is_word(text_[at_]) ||
                                      ((text_[at_] == '+' || text_[at_] == '-') && text_[at_ - 1] == 'e'))) ++at_;
        std::string_view out = text_.substr(begin, at_ - begin);
        if (out.empty()) complain("a number");
        skip();
        return out;
    }

    template <class T>
    T parsed(std::string_view digits, const char* what) {
        T out{};
        auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
        if (error != std::errc() || end != digits.data() + digits.size()) {
            at_ = size_t(digits.data() - text_.data());
            complain(what);
        }
        return out;
    }

    int64_t integer() { return parsed<int64_t>(number(), "an integer"); }
    double real() { return parsed<double>(number(), "a number"); }

    std::string quoted() {
        if (at_end() || text_[at_] != '"') complain("a text in double quotes");
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (text_[at_] != '\\') out += text_[at_];
            else if (at_ + 3 < text_.size() && text_[at_ + 1] == 'x') {
                int high = hexadecimal(text_[at_ + 2]), low = hexadecimal(text_[at_ + 3]);
                if (high < 0 || low < 0) complain("two hexadecimal digits");
                out += char(16 * high + low);
                at_ += 3;
            } else if (++at_ < text_.size()) out += text_[at_];
        }
        if (at_end()) complain("the closing quote");
        ++at_;
        skip();
        return out;
    }

    [[noreturn]] void complain(std::string_view expected) const {
        size_t line = 1 + size_t(std::count(text_.begin(), text_.begin() + std::ptrdiff_t(at_), '\n'));
        std::string_view rest = text_.substr(at_, 20);
        rest = rest.substr(0, rest.find('\n'));
        fail(ErrorKind::value, "graph: line ", line, ": found ",
             at_end() ? std::string("the end") : "'" + std::string(rest) + "'", "; expected ", expected);
    }

private:
    void skip() {
        while (at_ < text_.size()) {
            char c = text_[at_];
            if (c == '#') while (at_ < text_.size() && text_[at_] != '\n') ++at_;
            else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') ++at_;
            else break;
        }
    }

    std::string_view text_;
    size_t at_ = 0;
};

class Parser {
public:
    explicit Parser(std::string_view text) : in_(text) {}

    Graph run() {
        in_.expect("graph");
        g_.name = in_.word("the graph's name");
        in_.expect("(");
        while (!in_.take(")")) {
            g_.inputs.push_back(typed());
            if (!in_.take(",")) {
                in_.expect(")");
                break;
            }
        }
        in_.expect("{");
        while (in_.take("const") || in_.take("state")) {
            ValueId v = typed();
            in_.expect("=");
            g_.constants.push_back({v, in_.quoted(), Tensor()});
        }
        while (!in_.take("return")) node();
        if (!in_.take("nothing"))
            do g_.outputs.push_back(value());
            while (in_.take(","));
        in_.expect("}");
        if (!in_.at_end()) in_.complain("nothing after the graph");
        verify(g_);
        return std::move(g_);
    }

private:
    bool dtype_named(std::string_view word, DType* out) const {
        for (int i = 0; i < dtype_count; ++i)
            if (word == name_of(DType(i))) {
                *out = DType(i);
                return true;
            }
        return false;
    }

    ValueId typed() {
        if (in_.take("_")) return no_value;
        in_.expect("%");
        std::string name(in_.word("a name"));
        in_.expect(":");
        DType dtype;
        if (!dtype_named(in_.word("a dtype"), &dtype)) in_.complain("a dtype before this");
        ValueId v = g_.add_value(name, dtype, sizes());
        if (in_.take("by")) g_.values.back().strides = sizes();
        if (!names_.emplace(name, v).second)
            in_.complain("another name than %" + name + ", which is taken, before this");
        return v;
    }

    Dims sizes() {
        Dims out;
        in_.expect("[");
        while (!in_.take("]")) {
            out.push_back(in_.take("?") ? unknown_size : in_.integer());
            if (!in_.take(",")) {
                in_.expect("]");
                break;
            }
        }
        return out;
    }

    ValueId value() {
        in_.expect("%");
        std::string name(in_.word("a value's name"));
        auto found = names_.find(name);
        if (found == names_.end()) in_.complain("a value that is defined before this, not %" + name);
        return found->second;
    }

    void node() {
        Node n;
        if (in_at_definition()) {
            do n.results.push_back(typed());
            while (in_.take(","));
            in_.expect("=");
        }
        std::string id(in_.word("an operator or 'return'"));
        n.op = find_op(id);
        if (!n.op) in_.complain("an operator before this; there is none called " + id);
        int64_t version = in_.take("@") ? in_.integer() : 1;
        if (version != n.op->version)
            in_.complain("version " + std::to_string(n.op->version) + " of " + id + " before this, not " +
                         std::to_string(version));
        arguments(n);
        if (in_.take("into")) n.into = value();
        if (in_.take("changes"))
            do {
                Change change;
                change.old_value = value();
                in_.expect("->");
                change.new_value = typed();
                n.changes.push_back(change);
            } while (in_.take(","));
        n.recorded = !in_.take("no_grad");
        g_.nodes.push_back(std::move(n));
    }

    bool in_at_definition() {
        Reader ahead = in_;
        return ahead.take("%") || (ahead.take("_") && (ahead.take(",") || ahead.take("=")));
    }

    void arguments(Node& n) {
        in_.expect("(");
        const std::vector<Param>& params = n.op->parsed.params;
        for (size_t i = 0; i < params.size(); ++i) {
            if (i) in_.expect(",");
            if (params[i].keyword_only) {
                in_.expect(params[i].name);
                in_.expect("=");
            }
            n.args.push_back(argument(params[i]));
        }
        in_.expect(")");
    }

    Argument argument(const Param& p) {
        Argument a;
        Reader ahead = in_;
        if (in_.take("None")) return a;
        if (ahead.take("%")) {
            a.tag = Tag::tensor;
            a.values.push_back(value());
        } else if (in_.take("True") || ahead.take("False")) {
            a.tag = Tag::boolean;
            a.integer = !in_.take("False");
        } else if (ahead.take("[")) {
            list(a, p);
        } else if (ahead.take("\"")) {
            a.tag = Tag::string;
            a.text = in_.quoted();
        } else if (in_.take("complex")) {
            a.tag = Tag::complex;
            in_.expect("(");
            a.real = in_.real();
            in_.expect(",");
            a.imaginary = in_.real();
            in_.expect(")");
        } else if (in_.at_number()) {
            number(a);
        } else {
            a.tag = Tag::dtype;
            if (!dtype_named(in_.word("an argument"), &a.dtype)) in_.complain("a dtype or a number before this");
        }
        return a;
    }

    void number(Argument& a) {
        std::string_view digits = in_.number();
        if (digits.find_first_of(".ein") != std::string_view::npos) {
            a.tag = Tag::real;
            a.real = in_.parsed<double>(digits, "a number");
        } else if (digits[0] == '-') {
            a.tag = Tag::integer;
            a.integer = in_.parsed<int64_t>(digits, "an integer of 64 bits");
        } else {
            uint64_t n = in_.parsed<uint64_t>(digits, "an integer of 64 bits");
            a.tag = n >> 63 ? Tag::natural : Tag::integer;
            a.integer = int64_t(n);
        }
    }

    // The parameter says what an empty list holds, and that numbers without a point are floating ones.
    void list(Argument& a, const Param& p) {
        in_.expect("[");
        bool ints = p.types & type_ints, reals = p.types & type_floats;
        a.tag = ints ? Tag::ints : reals ? Tag::reals : Tag::tensors;
        Reader ahead = in_;
        if (ahead.take("%")) a.tag = Tag::tensors;
        while (!in_.take("]")) {
            if (a.tag == Tag::tensors) a.values.push_back(value());
            else if (a.tag == Tag::ints) a.ints.push_back(in_.integer());
            else a.reals.push_back(in_.real());
            if (!in_.take(",")) {
                in_.expect("]");
                break;
            }
        }
    }

    Reader in_;
    Graph g_;
    std::unordered_map<std::string, ValueId> names_;
};

}  // namespace

Graph parse(std::string_view text) { return Parser(text).run(); }

}  // namespace rushlight::graph
