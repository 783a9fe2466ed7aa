#include <charconv>
#include <unordered_map>

#include "graph/graph.h"
#include "graph/values.h"

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

    std::string_view number_ahead() const {
        Reader ahead = *this;
        return ahead.number();
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

bool dtype_named(std::string_view word, DType* out) {
    for (int i = 0; i < dtype_count; ++i)
        if (word == name_of(DType(i))) {
            *out = DType(i);
            return true;
        }
    return false;
}

// A type without sizes. Variables occur in the signatures of primitives only.
Type read_type(Reader& in, std::string_view word, bool variables, int depth = 0) {
    static const std::unordered_map<std::string_view, TypeKind> kinds = {
        {"tensor", TypeKind::tensor}, {"int", TypeKind::integer}, {"float", TypeKind::real},
        {"bool", TypeKind::boolean}, {"number", TypeKind::number}, {"str", TypeKind::string},
        {"dtype", TypeKind::dtype}, {"none", TypeKind::none}, {"list", TypeKind::list}, {"tuple", TypeKind::tuple},
        {"dict", TypeKind::dict}, {"optional", TypeKind::optional}};
    if (variables && word == "any") return {TypeKind::any};
    if (variables && word.size() == 1) return {TypeKind::variable, {}, word[0]};
    auto found = kinds.find(word);
    if (found == kinds.end()) in.complain("a dtype or another type before this");
    if (depth > max_type_depth) in.complain("types nested at most " + std::to_string(max_type_depth) + " deep");
    Type type{found->second};
    if (type.kind < TypeKind::list) return type;
    in.expect("[");
    while (!in.take("]")) {
        type.items.push_back(read_type(in, in.word("a type"), variables, depth + 1));
        if (!in.take(",")) {
            in.expect("]");
            break;
        }
    }
    size_t wanted = type.is(TypeKind::dict) ? 2 : 1;
    if (!type.is(TypeKind::tuple) && type.items.size() != wanted)
        in.complain(std::to_string(wanted) + " types within [] before this");
    if (type.is(TypeKind::optional) && (type.items[0].is(TypeKind::optional) || type.items[0].is(TypeKind::none)))
        in.complain("an optional of something else than optional or none before this");
    return type;
}

class Parser {
public:
    explicit Parser(Reader in) : in_(in) {}

    // Where the graph ends.
    const Reader& reader() const { return in_; }

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
        while (!in_.take("return")) g_.nodes.push_back(node());
        if (!in_.take("nothing"))
            do g_.outputs.push_back(value());
            while (in_.take(","));
        in_.expect("}");
        return std::move(g_);
    }

private:
    ValueId typed() {
        if (in_.take("_")) return no_value;
        in_.expect("%");
        std::string name(in_.word("a name"));
        in_.expect(":");
        ValueId v = g_.add_value(name, DType::float32, {});
        std::string_view word = in_.word("a dtype");
        Reader ahead = in_;
        if (dtype_named(word, &g_.values.back().dtype) && (word != "bool" || ahead.take("["))) {
            g_.values.back().sizes = sizes();
            if (in_.take("by")) g_.values.back().strides = sizes();
        } else {
            g_.values.back().type = read_type(in_, word, false);
            g_.values.back().sized = false;
        }
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

    Node node() {
        Node n;
        if (in_at_definition()) {
            do n.results.push_back(typed());
            while (in_.take(","));
            in_.expect("=");
        }
        std::string id(in_.word("an operator or 'return'"));
        if (id == "if") branch(n);
        else if (id == "while") repeat(n);
        else if (id == "for") walk(n);
        else if (id == "call" || (n.primitive = find_primitive(id))) plain_call(n);
        else op_call(n, id);
        return n;
    }

    void op_call(Node& n, const std::string& id) {
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
        ending(n);
    }

    void ending(Node& n) {
        n.recorded = !in_.take("no_grad");
        place(n);
    }

    void place(Node& n) {
        if (!in_.take("at")) return;
        n.source = in_.quoted();
        g_.located = true;
    }

    // A primitive, or a call of another graph.
    void plain_call(Node& n) {
        n.form = n.primitive ? Form::primitive : Form::call;
        if (!n.primitive) n.callee = in_.word("a graph's name");
        in_.expect("(");
        while (!in_.take(")")) {
            n.args.push_back(argument(anything_));
            if (!in_.take(",")) {
                in_.expect(")");
                break;
            }
        }
        ending(n);
    }

    void branch(Node& n) {
        n.form = Form::branch;
        n.args.push_back(argument(anything_));
        place(n);
        n.bodies.push_back(block({}));
        n.bodies.push_back(in_.take("else") ? block({}) : Block());
    }

    void repeat(Node& n) {
        n.form = Form::repeat;
        std::vector<ValueId> inputs;
        begin_with(n, inputs);
        place(n);
        n.bodies.push_back(block(std::move(inputs)));
        in_.expect("do");
        n.bodies.push_back(block({}));
    }

    void walk(Node& n) {
        n.form = Form::walk;
        std::vector<ValueId> inputs;
        Reader name = in_;
        inputs.push_back(typed());
        if (inputs[0] == no_value) name.complain("a value for the item");
        in_.expect("in");
        n.args.push_back(argument(anything_));
        Reader ahead = in_;
        if (ahead.take("(")) begin_with(n, inputs);
        place(n);
        n.bodies.push_back(block(std::move(inputs)));
    }

    // What a loop begins with: "(%h: tensor = %3, %i: int = 0)"
    void begin_with(Node& n, std::vector<ValueId>& inputs) {
        in_.expect("(");
        while (!in_.take(")")) {
            ValueId v = typed();
            if (v == no_value) in_.complain("a value before this");
            inputs.push_back(v);
            in_.expect("=");
            n.args.push_back(argument(anything_));
            if (!in_.take(",")) {
                in_.expect(")");
                break;
            }
        }
    }

    Block block(std::vector<ValueId> inputs) {
        Block out;
        out.inputs = std::move(inputs);
        if (++depth_ > max_block_depth)
            in_.complain("bodies nested at most " + std::to_string(max_block_depth) + " deep");
        in_.expect("{");
        bool ended = false;
        while (!ended && !in_.take("}")) {
            if (in_.take("yield")) {
                do out.outputs.push_back(argument(anything_));
                while (in_.take(","));
                in_.expect("}");
                ended = true;
            } else {
                out.nodes.push_back(node());
            }
        }
        --depth_;
        return out;
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
            a.values.push_back(value());
            a.tag = g_[a.values[0]].is_tensor() ? Tag::tensor : tag_value;
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
        if (ahead.take("%")) {
            ValueId first = peeked();
            a.tag = first != no_value && !g_[first].is_tensor() ? Tag::ints : Tag::tensors;
        } else if (&p == &anything_) {
            a.tag = in_.at_number() && in_.number_ahead().find_first_of(".ein") != std::string_view::npos ? Tag::reals
                                                                                                          : Tag::ints;
        }
        while (!in_.take("]")) {
            if (a.tag == Tag::tensors) a.values.push_back(value());
            else if (a.tag == Tag::ints) list_item(a);
            else a.reals.push_back(in_.real());
            if (!in_.take(",")) {
                in_.expect("]");
                break;
            }
        }
        if (!a.places.empty()) a.tag = tag_mixed;
    }

    ValueId peeked() const {
        Reader ahead = in_;
        ahead.expect("%");
        auto found = names_.find(std::string(ahead.word("a value's name")));
        return found == names_.end() ? no_value : found->second;
    }

    void list_item(Argument& a) {
        Reader ahead = in_;
        if (!ahead.take("%")) return a.ints.push_back(in_.integer());
        a.places.push_back(a.ints.size());
        a.values.push_back(value());
        a.ints.push_back(0);
    }

    Reader in_;
    Graph g_;
    std::unordered_map<std::string, ValueId> names_;
    Param anything_;                     // of what is no operator's: any literal or value
    int depth_ = 0;                      // of bodies
};

}  // namespace

Graph parse(std::string_view text) {
    Reader in(text);
    Parser parser(in);
    Graph g = parser.run();
    if (!parser.reader().at_end()) parser.reader().complain("nothing after the graph");
    verify(g);
    return g;
}

std::vector<Graph> parse_all(std::string_view text) {
    std::vector<Graph> out;
    Reader in(text);
    do {
        Parser parser(in);
        out.push_back(parser.run());
        in = parser.reader();
    } while (!in.at_end());
    verify(out);
    return out;
}

Type parse_type(std::string_view text) {
    Reader in(text);
    std::string_view word = in.word("a type");
    return read_type(in, word, true);
}

}  // namespace rushlight::graph
