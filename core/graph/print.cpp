#include <charconv>
#include <cmath>

#include "graph/graph.h"

namespace rushlight::graph {

namespace {

std::string number(double x) {
    if (std::isnan(x)) return std::signbit(x) ? "-nan" : "nan";
    if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
    char buffer[40];
    auto end = std::to_chars(buffer, buffer + sizeof buffer, x).ptr;
    std::string out(buffer, end);
    return out.find_first_of(".e") == std::string::npos ? out + ".0" : out;
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (unsigned char ch : text) {
        const char* digits = "0123456789abcdef";
        if (ch == '"' || ch == '\\') (out += '\\') += char(ch);
        else if (ch < 0x20) ((out += "\\x") += digits[ch >> 4]) += digits[ch & 15];
        else out += char(ch);
    }
    return out + "\"";
}

template <class List, class F>
std::string listed(const List& items, F&& shown) {
    std::string out;
    for (const auto& item : items) out += (out.empty() ? "" : ", ") + shown(item);
    return out;
}

class Printer {
public:
    Printer(const Graph& g, bool sources) : g_(g), sources_(sources) {}

    std::string run() {
        out_ = "graph " + g_.name + "(" + listed(g_.inputs, [&](ValueId v) { return typed(v); }) + ") {\n";
        std::vector<bool> written = written_constants(g_);
        for (size_t i = 0; i < g_.constants.size(); ++i) {
            const Constant& c = g_.constants[i];
            out_ += written[i] ? "  state " : "  const ";
            out_ += typed(c.value) + " = " + quoted(c.key) + "\n";
        }
        for (const Node& node : g_.nodes) print(node);
        out_ += "  return " + (g_.outputs.empty() ? "nothing" : listed(g_.outputs, [&](ValueId v) { return name(v); }));
        return out_ + "\n}\n";
    }

private:
    std::string name(ValueId v) const { return "%" + g_[v].name; }

    std::string typed(ValueId v) const {
        if (v == no_value) return "_";
        auto size = [](int64_t s) { return s == unknown_size ? std::string("?") : std::to_string(s); };
        std::string out = name(v) + ": " + name_of(g_[v].dtype) + "[" + listed(g_[v].sizes, size) + "]";
        return g_[v].strides.empty() ? out : out + " by [" + listed(g_[v].strides, size) + "]";
    }

    std::string shown(const Argument& a) const {
        switch (a.tag) {
            case Tag::boolean: return a.integer ? "True" : "False";
            case Tag::integer: return std::to_string(a.integer);
            case Tag::natural: return std::to_string(uint64_t(a.integer));
            case Tag::real: return number(a.real);
            case Tag::complex: return "complex(" + number(a.real) + ", " + number(a.imaginary) + ")";
            case Tag::dtype: return name_of(a.dtype);
            case Tag::string: return quoted(a.text);
            case Tag::ints: return "[" + listed(a.ints, [](int64_t x) { return std::to_string(x); }) + "]";
            case Tag::reals: return "[" + listed(a.reals, number) + "]";
            case Tag::tensor: return name(a.values[0]);
            case Tag::tensors: return "[" + listed(a.values, [&](ValueId v) { return name(v); }) + "]";
            default: return "None";
        }
    }

    void print(const Node& node) {
        out_ += "  ";
        bool first = true;
        for (ValueId v : node.results) out_ += (std::exchange(first, false) ? "" : ", ") + typed(v);
        out_ += std::string(node.results.empty() ? "" : " = ") + node.op->id;
        if (node.op->version != 1) out_ += "@" + std::to_string(node.op->version);
        std::string args;
        for (size_t i = 0; i < node.args.size(); ++i) {
            const Param& p = node.op->parsed.params[i];
            args += (i ? ", " : "") + (p.keyword_only ? p.name + "=" : std::string()) + shown(node.args[i]);
        }
        out_ += "(" + args + ")";
        if (node.into != no_value) out_ += " into " + name(node.into);
        if (!node.changes.empty())
            out_ += " changes " + listed(node.changes, [&](const Change& c) {
                return name(c.old_value) + " -> " + typed(c.new_value);
            });
        if (!node.recorded) out_ += " no_grad";
        if (sources_ && !node.source.empty()) out_ += "  # " + node.source;
        out_ += "\n";
    }

    const Graph& g_;
    bool sources_;
    std::string out_;
};

}  // namespace

std::string print(const Graph& g, bool sources) { return Printer(g, sources).run(); }

}  // namespace rushlight::graph
