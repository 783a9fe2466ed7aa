#include <map>

#include "graph/passes/edit.h"

namespace rushlight::graph {

namespace {

// A node is kept for what it does, whoever reads its results.
bool has_effect(const Node& node, const std::vector<ValueId>& memory, const std::vector<bool>& outlives) {
    if (node.op->kind == Kind::random || node.op->compose) return true;            // a composite may draw numbers
    bool effect = node.into != no_value && outlives[size_t(memory[size_t(node.into)])];
    for (const Change& c : node.changes) effect = effect || outlives[size_t(memory[size_t(c.old_value)])];
    return effect;
}

class Renumbering {
public:
    explicit Renumbering(Graph& g) : g_(g), now_(g.values.size(), no_value) {}

    void run() {
        for (ValueId& v : g_.inputs) define(v);
        for (Constant& c : g_.constants) define(c.value);
        for (Node& node : g_.nodes) renumber(node);
        for (ValueId& v : g_.outputs) follow(v);
        g_.values = std::move(kept_);
    }

private:
    void define(ValueId& v) {
        now_[size_t(v)] = ValueId(kept_.size());
        kept_.push_back(std::move(g_.values[size_t(v)]));
        v = now_[size_t(v)];
    }
    void follow(ValueId& v) { v = now_[size_t(v)]; }

    void renumber(Node& node) {
        for (Argument& a : node.args)
            for (ValueId& v : a.values) follow(v);
        if (node.into != no_value) follow(node.into);
        for (Change& c : node.changes) follow(c.old_value);
        for (Block& body : node.bodies) {
            for (ValueId& v : body.inputs) define(v);
            for (Node& inner : body.nodes) renumber(inner);
            for (Argument& a : body.outputs)
                for (ValueId& v : a.values) follow(v);
        }
        each_definition(node, [&](ValueId& v) { define(v); });
    }

    Graph& g_;
    std::vector<ValueId> now_;
    std::vector<ValueInfo> kept_;
};

}  // namespace

void renumber(Graph& g) { Renumbering(g).run(); }

void remove_dead_code(Graph& g) {
    if (!is_straight(g)) return remove_unread(g);
    std::vector<ValueId> memory = memory_of(g);
    std::vector<bool> outlives = outlives_the_run(g, memory), written = written_memory(g, memory);
    std::vector<bool> read(g.values.size());
    std::vector<bool> read_memory(g.values.size());          // where a write may be seen through another value
    auto mark = [&](ValueId v) {
        read[size_t(v)] = true;
        read_memory[size_t(memory[size_t(v)])] = true;
    };
    for (ValueId v : g.outputs) mark(v);
    std::vector<bool> keep(g.nodes.size());
    for (size_t i = g.nodes.size(); i-- > 0;) {
        const Node& node = g.nodes[i];
        bool live = has_effect(node, memory, outlives);
        each_definition(node, [&](ValueId v) { live = live || read[size_t(v)]; });
        if (node.writes() && !live) each_operand(node, [&](ValueId v) {
            size_t m = size_t(memory[size_t(v)]);
            live = live || (written[m] && read_memory[m]);
        });
        if (!live) continue;
        keep[i] = true;
        each_operand(node, mark);
        for (const Change& c : node.changes) mark(c.old_value);
    }
    std::vector<Node> nodes;
    for (size_t i = 0; i < g.nodes.size(); ++i)
        if (keep[i]) nodes.push_back(std::move(g.nodes[i]));
    g.nodes = std::move(nodes);
    std::erase_if(g.constants, [&](const Constant& c) { return !read[size_t(c.value)]; });
    renumber(g);
}

void merge_equal_calls(Graph& g) {
    if (!is_straight(g)) return merge_equal_nodes(g);
    std::vector<ValueId> memory = memory_of(g), same(g.values.size());
    std::vector<bool> written = written_memory(g, memory), given(g.values.size());
    for (ValueId v : g.outputs) given[size_t(memory[size_t(v)])] = true;           // outputs keep memory of their own
    for (size_t v = 0; v < same.size(); ++v) same[v] = ValueId(v);
    std::multimap<const Op*, size_t> first;
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        Node& node = g.nodes[i];
        each_operand(node, [&](ValueId& v) { v = same[size_t(v)]; });
        bool pure = !node.writes() && node.op->kind != Kind::random && !node.op->compose && !node.results.empty();
        auto touched = [&](ValueId v) { pure = pure && !written[size_t(memory[size_t(v)])]; };
        each_operand(node, touched);
        each_definition(node, touched);
        each_definition(node, [&](ValueId v) { pure = pure && !given[size_t(memory[size_t(v)])]; });
        if (!pure) continue;
        auto [begin, end] = first.equal_range(node.op);
        auto equal = std::find_if(begin, end, [&](const auto& entry) {
            const Node& other = g.nodes[entry.second];
            return other.args == node.args && other.recorded == node.recorded &&
                   other.results.size() == node.results.size();
        });
        if (equal == end) {
            first.emplace(node.op, i);
            continue;
        }
        const Node& other = g.nodes[equal->second];
        for (size_t r = 0; r < node.results.size(); ++r)
            if (node.results[r] != no_value && other.results[r] != no_value)
                same[size_t(node.results[r])] = other.results[r];
    }
}

}  // namespace rushlight::graph
