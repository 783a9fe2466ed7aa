#include <charconv>
#include <cmath>

#include "graph/graph.h"
#include "graph/values.h"

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
        for (const Node& node : g_.nodes) print(node, 2);
        out_ += "  return " + (g_.outputs.empty() ? "nothing" : listed(g_.outputs, [&](ValueId v) { return name(v); }));
        return out_ + "\n}\n";
    }

private:
    std::string name(ValueId v) const { return "%" + g_[v].name; }

    std::string typed(ValueId v) const {
        if (v == no_value) return "_";
        auto size = [](int64_t s) { return s == unknown_size ? std::string("?") : std::to_string(s); };
        std::string out = name(v) + ": ";
        if (!g_[v].is_tensor() || !g_[v].sized) return out + to_text(g_[v].type);
        out += std::string(name_of(g_[v].dtype)) + "[" + listed(g_[v].sizes, size) + "]";
        return g_[v].strides.empty() ? out : out + " by [" + listed(g_[v].strides, size) + "]";
    }

    std::string mixed(const Argument& a) const {
        std::vector<std::string> items;
        for (int64_t x : a.ints) items.push_back(std::to_string(x));
        for (size_t i = 0; i < a.places.size(); ++i) items[a.places[i]] = name(a.values[i]);
        return "[" + listed(items, [](const std::string& item) { return item; }) + "]";
    }

    std::string shown(const Argument& a) const {
        if (a.tag == tag_value) return name(a.values[0]);
        if (a.tag == tag_mixed) return mixed(a);
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

    template <class List>
    std::string shown_all(const List& args) const {
        return listed(args, [&](const Argument& a) { return shown(a); });
    }

    void print(const Node& node, size_t indent) {
        out_ += std::string(indent, ' ') + listed(node.results, [&](ValueId v) { return typed(v); });
        if (!node.results.empty()) out_ += " = ";
        if (!node.bodies.empty()) print_bodies(node, indent);
        else if (node.form == Form::op) print_call(node);
        else {
            out_ += graph::name_of(node) + "(" + shown_all(node.args) + ")";
            out_ += (node.recorded ? "" : " no_grad") + at(node);
        }
        if (sources_ && !g_.located && !node.source.empty()) out_ += "  # " + node.source;
        out_ += "\n";
    }

    std::string at(const Node& node) const {
        return g_.located && !node.source.empty() ? " at " + quoted(node.source) : std::string();
    }

    void print_call(const Node& node) {
        out_ += node.op->id;
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
        out_ += at(node);
    }

    // What a loop begins with: "(%h: tensor = %3, %i: int = 0)"
    std::string begun(const Node& node, size_t skip) const {
        std::string out;
        const std::vector<ValueId>& inputs = node.bodies[0].inputs;
        for (size_t i = skip; i < inputs.size(); ++i)
            out += (out.empty() ? "" : ", ") + typed(inputs[i]) + " = " + shown(node.args[i]);
        return " (" + out + ")";
    }

    void print_bodies(const Node& node, size_t indent) {
        const Block& first = node.bodies[0];
        out_ += graph::name_of(node);
        if (node.form == Form::branch) out_ += " " + shown(node.args[0]);
        else if (node.form == Form::repeat) out_ += begun(node, 0);
        else {
            out_ += " " + typed(first.inputs[0]) + " in " + shown(node.args[0]);
            if (first.inputs.size() > 1) out_ += begun(node, 1);
        }
        out_ += at(node);
        print(first, indent);
        if (node.bodies.size() < 2) return;
        const Block& second = node.bodies[1];
        if (node.form == Form::branch && second.nodes.empty() && second.outputs.empty()) return;
        out_ += node.form == Form::branch ? " else" : " do";
        print(second, indent);
    }

    void print(const Block& block, size_t indent) {
        out_ += " {\n";
        for (const Node& node : block.nodes) print(node, indent + 2);
        if (!block.outputs.empty()) out_ += std::string(indent + 2, ' ') + "yield " + shown_all(block.outputs) + "\n";
        out_ += std::string(indent, ' ') + "}";
    }

    const Graph& g_;
    bool sources_;
    std::string out_;
};

}  // namespace

std::string print(const Graph& g, bool sources) { return Printer(g, sources).run(); }

}  // namespace rushlight::graph
