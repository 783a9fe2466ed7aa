#include "graph/passes/edit.h"

#include <algorithm>

#include "base/log.h"
#include "graph/node_call.h"

namespace rushlight::graph {

std::vector<bool> written_memory(const Graph& g, const std::vector<ValueId>& memory) {
    std::vector<bool> out(g.values.size());
    each_node(g.nodes, [&](const Node& node) {
        if (node.into != no_value) out[size_t(memory[size_t(node.into)])] = true;
        for (const Change& c : node.changes) out[size_t(memory[size_t(c.old_value)])] = true;
        for (ValueId v : silent_writes(node)) out[size_t(memory[size_t(v)])] = true;
    });
    return out;
}

Values::Values(const Graph& g, const std::vector<std::string>& kept)
    : maker(g.values.size(), -1), readers(g.values.size()), memory(memory_of(g)), written(written_memory(g, memory)),
      given(g.values.size()), constant(g.values.size()) {
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        const Node& node = g.nodes[i];
        std::vector<ValueId> read;
        each_operand(node, [&](ValueId v) {
            if (std::find(read.begin(), read.end(), v) == read.end()) read.push_back(v);
        });
        for (ValueId v : read) ++readers[size_t(v)];
        for (const Change& c : node.changes) ++readers[size_t(c.old_value)];
        each_definition(node, [&](ValueId v) { maker[size_t(v)] = int(i); });
    }
    for (ValueId v : g.outputs) {
        ++readers[size_t(v)];
        given[size_t(memory[size_t(v)])] = true;
    }
    for (const Constant& c : g.constants)
        if (!is_written(c.value) && std::find(kept.begin(), kept.end(), c.key) == kept.end())
            constant[size_t(c.value)] = c.tensor;
}

ValueId add_constant(Graph& g, const std::string& key, const Tensor& t) {
    auto taken = [&](const std::string& name, auto&& of) {
        return std::any_of(g.constants.begin(), g.constants.end(), [&](const Constant& c) { return of(c) == name; });
    };
    std::string name = key;
    for (int n = 1; taken(name, [](const Constant& c) -> const std::string& { return c.key; }); ++n)
        name = key + "." + std::to_string(n);
    size_t number = g.values.size();
    auto named = [&](const ValueInfo& v) { return v.name == "folded_" + std::to_string(number); };
    while (std::any_of(g.values.begin(), g.values.end(), named)) ++number;
    ValueId v = g.add_value("folded_" + std::to_string(number), t.dtype(), t.sizes());
    if (!t.contiguous()) g.values.back().strides = t.strides();
    g.constants.push_back({v, name, t});
    return v;
}

static void show(const char* what, const Graph& g) {
    if (logging(Channel::graph)) log_line(Channel::graph, std::string(what) + "\n" + print(g, true));
}

Graph simplify(Graph g) {
    show("captured", g);
    fold_constants(g);
    renumber(g);
    show("simplified: constants folded", g);
    if (is_straight(g)) {                // elsewhere what nobody reads may still raise
        remove_dead_code(g);
        show("simplified: dead calls dropped", g);
        merge_equal_calls(g);
        remove_dead_code(g);
    }
    verify(g);
    show("simplified: equal calls merged", g);
    return g;
}

std::optional<Graph> prepare(const Graph& g, std::vector<std::string>& notes) {
    Graph out = g;
    auto shown = [&](const char* pass) { show((std::string("prepared: ") + pass).c_str(), out); };
    if (int64_t changed = drop_neutral_calls(out)) {
        notes.push_back("dropped or joined: " + std::to_string(changed) + " calls that change nothing");
        shown("calls that change nothing dropped");
    }
    if (int64_t joined = fuse_batch_norm(out)) {
        notes.push_back("joined: batch norm and " + std::to_string(joined) + " additions and activations after it");
        shown("batch norm joined");
    }
    if (int64_t bytes = recompute(out)) {
        notes.push_back("worked out again instead of kept: " + std::to_string(bytes) + " bytes");
        shown("values worked out again");
    }
    if (notes.empty()) return std::nullopt;
    renumber(out);
    verify(out);
    return out;
}

Graph freeze(Graph g, bool numerics, const std::vector<std::string>& kept) {
    show("to freeze", g);
    if (!is_straight(g)) decide_by_constants(g, kept);
    fold_constant_tensors(g, kept);
    show("frozen: constants folded", g);
    if (numerics) fold_batch_norm(g, kept);
    remove_dead_code(g);
    own_constants(g, kept);
    verify(g);
    show("frozen: batch norm folded", g);
    return g;
}

Graph optimize_for_inference(Graph g) {
    show("to optimize", g);
    if (is_straight(g)) fuse_epilogues(g);
    else let_plans_join(g);
    remove_dead_code(g);
    verify(g);
    show("optimized", g);
    return g;
}

}  // namespace rushlight::graph
