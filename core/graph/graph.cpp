#include "graph/graph.h"

#include <cstring>
#include <numeric>

#include "graph/node_call.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// May a result of this call be an argument, or a view of one?
bool may_share(const Node& node, bool possibly) {
    if (node.op->kind == Kind::view) return true;
    if (node.op->compose || !possibly) return possibly && !gives_new_memory(node);
    std::string_view id = node.op->id;
    return id == "contiguous" || id == "to_dtype";
}

// Whatever tensors go into a container, a body or another graph may come out of it anywhere.
template <class Join>
void join_all(const Graph& g, const Node& node, bool possibly, Join&& join) {
    if (!possibly) return;
    ValueId first = no_value;
    auto add = [&](ValueId v) {
        if (v == no_value || !holds_tensors(g[v].type)) return;
        if (first == no_value) first = v;
        else join(first, v);
    };
    for (const Argument& a : node.args)
        for (ValueId v : a.values) add(v);
    for (ValueId v : node.results) add(v);
    for (const Block& body : node.bodies) {
        for (ValueId v : body.inputs) add(v);
        for (const Argument& a : body.outputs)
            for (ValueId v : a.values) add(v);
    }
}

// Has the node this parameter, and is the argument not certainly False?
bool may_be_set(const Node& node, const char* param) {
    int at = node.op->parsed.find(param);
    return at >= 0 && !(node.args[size_t(at)].tag == Tag::boolean && node.args[size_t(at)].integer == 0);
}

}  // namespace

bool gives_new_memory(const Node& node) {
    if (!node.op || node.op->kind == Kind::view || node.writes()) return false;
    const Signature& s = node.op->parsed;
    if (!node.op->compose) return !may_share(node, true);
    if (s.find("weight") >= 0) return true;
    return s.find("inplace") >= 0 && s.find("training") < 0 && !may_be_set(node, "inplace");
}

std::vector<ValueId> silent_writes(const Node& node) {
    std::vector<ValueId> out;
    if (!node.op || !node.op->compose) return out;
    auto add = [&](int param) {
        bool tensor = param >= 0 && node.args[size_t(param)].tag == Tag::tensor;
        if (tensor) out.push_back(node.args[size_t(param)].values[0]);
    };
    if (may_be_set(node, "inplace")) add(0);
    if (may_be_set(node, "training"))
        for (const char* statistics : {"running_mean", "running_var"}) add(node.op->parsed.find(statistics));
    return out;
}

bool Argument::operator==(const Argument& o) const {
    if (reals.size() != o.reals.size()) return false;
    for (size_t i = 0; i < reals.size(); ++i)
        if (!same_bits(reals[i], o.reals[i])) return false;
    return tag == o.tag && integer == o.integer && same_bits(real, o.real) && same_bits(imaginary, o.imaginary) &&
           dtype == o.dtype && text == o.text && ints == o.ints && values == o.values && places == o.places;
}

ValueId Graph::add_value(std::string name, DType dtype, const Dims& sizes) {
    values.push_back({std::move(name), dtype, sizes});
    return ValueId(values.size()) - 1;
}

ValueId Graph::add_value(const TensorImpl& t) { return add_value(std::to_string(values.size()), t.dtype, t.sizes); }

std::vector<ValueId> memory_of(const Graph& g, bool possibly) {
    std::vector<ValueId> parent(g.values.size());
    std::iota(parent.begin(), parent.end(), 0);
    auto find = [&](ValueId v) {
        while (parent[size_t(v)] != v) v = parent[size_t(v)] = parent[size_t(parent[size_t(v)])];
        return v;
    };
    auto join = [&](ValueId a, ValueId b) { parent[size_t(find(b))] = find(a); };
    auto joins = [&](const Node& node) {
        if (node.into != no_value) join(node.into, node.results[0]);
        for (const Change& change : node.changes) join(change.old_value, change.new_value);
        if (node.form != Form::op) return join_all(g, node, possibly, join);
        if (!may_share(node, possibly)) return;
        for (const Argument& a : node.args)
            for (ValueId v : a.values)
                for (ValueId r : node.results)
                    if (r != no_value && holds_tensors(g[v].type)) join(v, r);
    };
    each_node(g.nodes, joins);
    for (ValueId v = 0; v < ValueId(parent.size()); ++v) parent[size_t(v)] = find(v);
    return parent;
}

std::vector<bool> outlives_the_run(const Graph& g, const std::vector<ValueId>& memory) {
    std::vector<bool> out(g.values.size());
    for (ValueId v : g.inputs) out[size_t(memory[size_t(v)])] = true;
    for (const Constant& c : g.constants) out[size_t(memory[size_t(c.value)])] = true;
    return out;
}

namespace {

// Of each value: is memory written that is, or may be, its own?
std::vector<bool> written_values(const Graph& g) {
    std::vector<bool> written(g.values.size());
    each_node(g.nodes, [&](const Node& node) {
        if (node.into != no_value) written[size_t(node.into)] = true;
        for (const Change& change : node.changes) written[size_t(change.old_value)] = true;
        for (ValueId v : silent_writes(node)) written[size_t(v)] = true;
    });
    std::vector<ValueId> memory = memory_of(g);
    std::vector<bool> reached(g.values.size());
    for (size_t v = 0; v < written.size(); ++v)
        if (written[v]) reached[size_t(memory[v])] = true;
    for (size_t v = 0; v < written.size(); ++v) written[v] = reached[size_t(memory[v])];
    return written;
}

}  // namespace

std::vector<bool> written_constants(const Graph& g) {
    std::vector<bool> written = written_values(g), out;
    for (const Constant& c : g.constants) out.push_back(written[size_t(c.value)]);
    return out;
}

std::vector<bool> written_inputs(const Graph& g) {
    std::vector<bool> written = written_values(g), out;
    for (ValueId v : g.inputs) out.push_back(written[size_t(v)]);
    return out;
}

bool is_straight(const Graph& g) {
    for (const Node& node : g.nodes) {
        if (node.form != Form::op) return false;
        bool fixed = node.op->kind == Kind::pointwise || node.op->kind == Kind::update;      // whatever the numbers
        for (const Argument& a : node.args)
            if (a.tag == tag_mixed || (a.tag == tag_value && !fixed)) return false;
    }
    for (const ValueInfo& v : g.values)
        if (v.is_tensor() ? !v.sized : !v.type.is(TypeKind::real)) return false;
    for (ValueId v : g.outputs)
        if (!g[v].is_tensor()) return false;
    return true;
}

std::string name_of(const Node& node) {
    switch (node.form) {
        case Form::op: return node.op->id;
        case Form::primitive: return node.primitive->name;
        case Form::branch: return "if";
        case Form::repeat: return "while";
        case Form::walk: return "for";
        default: return "call " + node.callee;
    }
}

Type type_of(const Graph& g, const Argument& a) {
    if (a.tag == tag_mixed) return list_of({TypeKind::integer});
    if (a.tag == tag_value || a.tag == Tag::tensor) return g[a.values[0]].type;
    switch (a.tag) {
        case Tag::boolean: return {TypeKind::boolean};
        case Tag::integer: return {TypeKind::integer};
        case Tag::real: return {TypeKind::real};
        case Tag::string: return {TypeKind::string};
        case Tag::dtype: return {TypeKind::dtype};
        case Tag::ints: return list_of({TypeKind::integer});
        case Tag::reals: return list_of({TypeKind::real});
        case Tag::tensors: return list_of({TypeKind::tensor});
        case Tag::none: return {TypeKind::none};
        default: return {TypeKind::any};                 // no value of a graph: complex, natural
    }
}

}  // namespace rushlight::graph
