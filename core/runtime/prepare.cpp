#include <unordered_map>

#include "graph/node_call.h"
#include "graph/values.h"
#include "runtime/script.h"

namespace rushlight::runtime {

using graph::Argument;
using graph::Block;
using graph::Form;
using graph::Graph;
using graph::Node;
using graph::no_value;
using graph::Type;
using graph::TypeKind;

namespace {

template <class T>
Item list_of(const std::vector<T>& items) {
    std::vector<Item> out;
    for (T x : items) out.emplace_back(x);
    return Item::list(std::move(out));
}

Item literal_of(const Argument& a) {
    switch (a.tag) {
        case Tag::boolean: return Item(a.integer != 0);
        case Tag::integer: return Item(a.integer);
        case Tag::real: return Item(a.real);
        case Tag::dtype: return Item(a.dtype);
        case Tag::string: return Item(a.text);
        case Tag::ints: return list_of(a.ints);
        case Tag::reals: return list_of(a.reals);
        default: return Item();
    }
}

Source source_of(const Argument& a) {
    Source out;
    if (a.tag == Tag::tensor || a.tag == graph::tag_value) {
        out.value = a.values[0];
        return out;
    }
    out.literal = a.tag == graph::tag_mixed ? list_of(a.ints) : literal_of(a);
    out.list = out.literal.is(TypeKind::list);
    if (a.tag == Tag::tensors) {
        out.list = true;
        out.parts = a.values;
        out.literal = Item::list(std::vector<Item>(a.values.size()));
    }
    out.parts.resize(a.tag == graph::tag_mixed ? a.ints.size() : out.parts.size(), no_value);
    for (size_t i = 0; i < a.places.size(); ++i) out.parts[a.places[i]] = a.values[i];
    return out;
}

class Preparation {
public:
    Preparation(const Graph& g, const Routines& routines)
        : g_(g), routines_(routines), finder_(g), last_use_(g.values.size()) {}

    void run(Routine& out) {
        out.graph = &g_;
        std::vector<Argument> outputs;
        for (ValueId v : g_.outputs) {
            Argument a;
            a.tag = Tag::tensor;
            a.values = {v};
            outputs.push_back(a);
        }
        out.body = body(g_.inputs, g_.nodes, outputs, false);
    }

private:
    static constexpr size_t never = SIZE_MAX;

    Step step(const Node& node) {
        Step out;
        out.node = &node;
        out.spoils = !finder_.can_plan(node);
        for (ValueId v : node.results) out.types.push_back(v == no_value ? Type{TypeKind::any} : g_[v].type);
        if (node.form == Form::op) {
            prepare_operator(node, out);
            return out;
        }
        for (const Argument& a : node.args) out.args.push_back(source_of(a));
        if (node.form == Form::primitive) prepare_conversions(node, out);
        if (node.form == Form::call) out.callee = routines_.at(node.callee);
        for (const Block& block : node.bodies) {
            bool shared = node.form == Form::repeat && out.bodies.empty();       // the second body reads them too
            out.bodies.push_back(body(block.inputs, block.nodes, block.outputs, shared));
        }
        return out;
    }

    void prepare_operator(const Node& node, Step& out) {
        for (size_t i = 0; i < node.args.size(); ++i) {
            const Argument& a = node.args[i];
            bool other = a.tag == graph::tag_value || a.tag == graph::tag_mixed || a.tag == Tag::tensors;
            if (other) out.others.push_back(i);
            if (a.tag == Tag::tensor) out.tensors.emplace_back(i, a.values[0]);
            out.values.push_back(graph::literal_value(a));
        }
    }

    void prepare_conversions(const Node& node, Step& out) const {
        std::vector<Type> types;
        for (const Argument& a : node.args) types.push_back(graph::type_of(g_, a));
        const graph::Overload& o = *graph::overload_for(*node.primitive, types, out.types);
        for (size_t i = 0; i < out.args.size(); ++i) {
            const Type& wanted = o.param(i);
            bool converts = (wanted.is(TypeKind::real) || wanted.is(TypeKind::integer)) && types[i] != wanted;
            if (converts && out.args[i].value == no_value) out.args[i].literal = converted(out.args[i].literal, wanted);
            else if (converts) out.args[i].wanted = wanted.kind;
        }
    }

    Body body(const std::vector<ValueId>& inputs, const std::vector<Node>& nodes, const std::vector<Argument>& outputs,
              bool inputs_stay) {
        Body out;
        out.inputs = inputs;
        for (const Node& node : nodes) out.steps.push_back(step(node));
        for (const Argument& a : outputs) out.outputs.push_back(source_of(a));
        find_deaths(out, nodes, inputs_stay ? std::vector<ValueId>() : inputs);
        out.stretches = finder_.find(nodes, outputs);
        for (const auto& stretch : out.stretches)
            for (size_t i = stretch->begin; i < stretch->end; ++i)
                for (ValueId v : out.steps[i].dies)
                    if (std::find(stretch->reads.begin(), stretch->reads.end(), v) != stretch->reads.end())
                        stretch->dies.push_back(v);
        return out;
    }

    // Values of this body that die within it, and those that it hands on.
    void find_deaths(Body& out, const std::vector<Node>& nodes, std::vector<ValueId> own) {
        for (const Node& node : nodes) graph::each_definition(node, [&](ValueId v) { own.push_back(v); });
        for (ValueId v : own) last_use_[size_t(v)] = never;
        for (size_t i = 0; i < nodes.size(); ++i) {
            graph::each_definition(nodes[i], [&](ValueId v) { last_use_[size_t(v)] = i; });
            graph::each_operand(nodes[i], [&](ValueId v) { last_use_[size_t(v)] = i; });
            for (const graph::Change& c : nodes[i].changes) last_use_[size_t(c.old_value)] = i;
        }
        std::unordered_map<ValueId, Source*> given;
        for (Source& s : out.outputs)
            if (s.value != no_value) given[s.value] = &s;
        for (const Source& s : out.outputs)
            for (ValueId v : s.parts) given[v] = nullptr;
        for (ValueId v : own) {
            auto at = given.find(v);
            if (at != given.end() && at->second) at->second->last = true;
            else if (at == given.end() && last_use_[size_t(v)] != never)
                out.steps[last_use_[size_t(v)]].dies.push_back(v);
        }
    }

    const Graph& g_;
    const Routines& routines_;
    StretchFinder finder_;
    std::vector<size_t> last_use_;       // of each value: the node of its own body that reads it last
};

}  // namespace

void prepare(const Graph& g, const Routines& routines, Routine& out) { Preparation(g, routines).run(out); }

}  // namespace rushlight::runtime
