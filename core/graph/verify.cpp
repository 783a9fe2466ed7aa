#include <unordered_map>

#include "graph/graph.h"

namespace rushlight::graph {

namespace {

constexpr ErrorKind wrong = ErrorKind::value;

uint16_t bit_of(const Argument& a) {
    switch (a.tag) {
        case Tag::none: return type_none;
        case Tag::boolean: return type_bool | type_number;
        case Tag::integer: return type_int | type_number | type_ints | type_float;
        case Tag::natural: return type_int | type_number | type_float;
        case Tag::real: return type_float | type_number;
        case Tag::complex: return type_number;
        case Tag::dtype: return type_dtype;
        case Tag::string: return type_str;
        case Tag::ints: return type_ints;
        case Tag::reals: return type_floats;
        case Tag::tensor: return type_tensor;
        case Tag::tensors: return type_tensors;
        default: return 0;
    }
}

class Verifier {
public:
    explicit Verifier(const Graph& g)
        : g_(g), memory_(memory_of(g, false)), defined_(g.values.size()), writes_(g.values.size()),
          seen_writes_(g.values.size()) {}

    void run() {
        check_names();
        for (ValueId v : g_.inputs) define(v, "an input");
        for (const Constant& c : g_.constants) define(c.value, "a constant");
        for (const Node& node : g_.nodes) check(node);
        for (ValueId v : g_.outputs) use(v, "return");
    }

private:
    std::string shown(ValueId v) const { return "%" + g_[v].name; }

    void check_names() const {
        std::unordered_map<std::string_view, int> names, keys;
        for (const ValueInfo& v : g_.values) {
            require(!v.name.empty() && names.emplace(v.name, 0).second, wrong, "graph ", g_.name, ": the name %",
                    v.name, " is given to two values; expected one");
            require(v.sizes.size() <= max_rank, wrong, "graph ", g_.name, ": %", v.name, " has ", v.sizes.size(),
                    " dimensions; expected at most ", max_rank);
            for (int64_t s : v.sizes)
                require(s >= unknown_size, wrong, "graph ", g_.name, ": %", v.name, " has shape ", v.sizes,
                        "; expected sizes >= 0");
            require(v.strides.empty() || v.strides.size() == v.sizes.size(), wrong, "graph ", g_.name, ": %", v.name,
                    " has ", v.strides.size(), " strides; expected ", v.sizes.size());
        }
        for (const Constant& c : g_.constants)
            require(keys.emplace(c.key, 0).second, wrong, "graph ", g_.name, ": two constants are called '", c.key,
                    "'; expected one");
    }

    void require_value(ValueId v, std::string_view who) const {
        require(v >= 0 && v < ValueId(g_.values.size()), wrong, "graph ", g_.name, ": ", who, " names value ", v,
                "; expected 0 to ", g_.values.size() - 1);
    }

    void define(ValueId v, std::string_view who) {
        require_value(v, who);
        require(!defined_[size_t(v)], wrong, "graph ", g_.name, ": ", shown(v), " is defined twice, now by ", who);
        defined_[size_t(v)] = true;
        seen_writes_[size_t(v)] = writes_[size_t(memory_[size_t(v)])];
    }

    void use(ValueId v, std::string_view who) const {
        require_value(v, who);
        require(defined_[size_t(v)], wrong, "graph ", g_.name, ": ", who, " uses ", shown(v), " before it is defined");
        require(seen_writes_[size_t(v)] == writes_[size_t(memory_[size_t(v)])], wrong, "graph ", g_.name, ": ", who,
                " uses ", shown(v), ", whose memory was overwritten since; expected a view of the newest value");
    }

    void check_argument(const Node& node, size_t i) const {
        const Argument& a = node.args[i];
        const Param& p = node.op->parsed.params[i];
        for (ValueId v : a.values) use(v, node.op->id);
        require(bit_of(a) & p.types, wrong, "graph ", g_.name, ": ", node.op->id, ": argument '", p.name, "' must be ",
                p.type_text);
        require((a.tag == Tag::tensor) <= (a.values.size() == 1), wrong, "graph ", g_.name, ": ", node.op->id,
                ": argument '", p.name, "' must be one tensor");
    }

    void check(const Node& node) {
        require(node.op != nullptr, wrong, "graph ", g_.name, ": a node has no operator");
        require(node.args.size() == node.op->parsed.params.size(), wrong, "graph ", g_.name, ": ", node.op->id, " has ",
                node.args.size(), " arguments; expected ", node.op->parsed.params.size());
        for (size_t i = 0; i < node.args.size(); ++i) check_argument(node, i);
        for (const Change& change : node.changes) use(change.old_value, node.op->id);
        if (node.into != no_value) {
            use(node.into, node.op->id);
            require(node.results.size() == 1 && node.results[0] != no_value, wrong, "graph ", g_.name, ": ",
                    node.op->id, " writes into ", shown(node.into), "; expected one result that takes its place");
            overwrite(node.into);
        }
        require(!node.op->writes_first || node.into != no_value, wrong, "graph ", g_.name, ": ", node.op->id,
                " writes its first argument; expected 'into' that argument");
        for (const Change& change : node.changes) overwrite(change.old_value);
        each_definition(node, [&](ValueId v) { define(v, node.op->id); });
    }

    void overwrite(ValueId v) { ++writes_[size_t(memory_[size_t(v)])]; }

    const Graph& g_;
    std::vector<ValueId> memory_;
    std::vector<bool> defined_;
    std::vector<int> writes_;            // of each memory, so far
    std::vector<int> seen_writes_;       // of each value, when it was defined
};

}  // namespace

void verify(const Graph& g) { Verifier(g).run(); }

}  // namespace rushlight::graph
