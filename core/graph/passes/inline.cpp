// Calls of other graphs become what these do.
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "graph/passes.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

constexpr size_t most_nodes = 20000;           // of a graph with all that it calls

size_t count(const Graph& g) {
    size_t out = 0;
    each_node(g.nodes, [&](const Node&) { ++out; });
    return out;
}

Argument of_value(const Graph& g, ValueId v) {
    Argument a;
    a.tag = g[v].is_tensor() ? Tag::tensor : tag_value;
    a.values = {v};
    return a;
}

// Puts the nodes of other graphs into one.
class Host {
public:
    explicit Host(Graph& g) : g_(g) {
        for (const ValueInfo& v : g.values) names_.insert(v.name);
    }

    template <class Find>
    void run(Find&& callee_of) {
        now_.assign(g_.values.size(), no_value);
        expand(g_.nodes, callee_of);
        for (ValueId& v : g_.outputs) follow(v);
    }

private:
    // What stands for a value from here on.
    void follow(ValueId& v) const {
        while (size_t(v) < now_.size() && now_[size_t(v)] != no_value) v = now_[size_t(v)];
    }

    void follow_all(Node& node) const {
        for (Argument& a : node.args)
            for (ValueId& v : a.values) follow(v);
        if (node.into != no_value) follow(node.into);
        for (Change& c : node.changes) follow(c.old_value);
    }

    template <class Find>
    void expand(std::vector<Node>& nodes, Find&& callee_of) {
        std::vector<Node> out;
        for (Node& node : nodes) {
            follow_all(node);
            for (Block& body : node.bodies) {
                expand(body.nodes, callee_of);
                for (Argument& a : body.outputs)
                    for (ValueId& v : a.values) follow(v);
            }
            const Graph* callee = node.form == Form::call ? callee_of(node.callee) : nullptr;
            if (callee) put(node, *callee, out);
            else out.push_back(std::move(node));
        }
        nodes = std::move(out);
    }

    void put(const Node& call, const Graph& callee, std::vector<Node>& out) {
        std::vector<ValueId> here(callee.values.size(), no_value);
        for (size_t i = 0; i < callee.inputs.size(); ++i) {
            const ValueInfo& wanted = callee[callee.inputs[i]];
            const Argument& a = call.args[i];
            bool same = (a.tag == Tag::tensor || a.tag == tag_value) && g_[a.values[0]].type == wanted.type;
            here[size_t(callee.inputs[i])] = same ? a.values[0] : widened(a, wanted, call, out);
        }
        for (const Constant& c : callee.constants) here[size_t(c.value)] = constant(c, callee[c.value]);
        for (const Node& node : callee.nodes) out.push_back(copied(node, callee, here, call));
        for (size_t i = 0; i < call.results.size(); ++i) {
            ValueId r = call.results[i], given = value(callee.outputs[i], callee, here);
            if (r == no_value) continue;
            if (g_[r].type != g_[given].type) {
                ValueInfo info = g_[r];
                info.name = fresh(info.name);
                given = widened(of_value(g_, given), info, call, out);
            }
            now_.resize(g_.values.size(), no_value);
            now_[size_t(r)] = given;
        }
    }

    // A value of the type that is wanted where the argument has a narrower one, or is a literal.
    ValueId widened(const Argument& a, const ValueInfo& wanted, const Node& call, std::vector<Node>& out) {
        static const Primitive& same = *find_primitive("same");
        Node node;
        node.form = Form::primitive;
        node.primitive = &same;
        node.args = {a};
        node.source = call.source;
        node.results = {add(wanted)};
        out.push_back(std::move(node));
        return out.back().results[0];
    }

    ValueId constant(const Constant& c, const ValueInfo& info) {
        for (const Constant& own : g_.constants)
            if (own.key == c.key && own.tensor.impl() == c.tensor.impl()) return own.value;
        ValueId v = add(info);
        g_.constants.push_back({v, c.key, c.tensor});
        return v;
    }

    ValueId add(ValueInfo info) {
        info.name = fresh(info.name);
        g_.values.push_back(std::move(info));
        return ValueId(g_.values.size()) - 1;
    }

    std::string fresh(const std::string& name) {
        if (names_.insert(name).second) return name;
        while (true) {
            std::string other = std::to_string(++last_);
            if (names_.insert(other).second) return other;
        }
    }

    ValueId value(ValueId v, const Graph& callee, std::vector<ValueId>& here) {
        if (here[size_t(v)] == no_value) here[size_t(v)] = add(callee[v]);
        return here[size_t(v)];
    }

    Node copied(const Node& node, const Graph& callee, std::vector<ValueId>& here, const Node& call) {
        Node out = node;
        auto here_of = [&](ValueId& v) {
            if (v != no_value) v = value(v, callee, here);
        };
        for (Argument& a : out.args)
            for (ValueId& v : a.values) here_of(v);
        for (ValueId& v : out.results) here_of(v);
        here_of(out.into);
        for (Change& c : out.changes) here_of(c.old_value), here_of(c.new_value);
        for (Block& body : out.bodies) {
            for (ValueId& v : body.inputs) here_of(v);
            for (Node& inner : body.nodes) inner = copied(inner, callee, here, call);
            for (Argument& a : body.outputs)
                for (ValueId& v : a.values) here_of(v);
        }
        out.recorded = out.recorded && call.recorded;
        if (out.source.empty()) out.source = call.source;
        return out;
    }

    Graph& g_;
    std::unordered_set<std::string> names_;
    std::vector<ValueId> now_;           // of the results of calls that are gone: what stands for them
    int last_ = 0;
};

// A program's graphs, those that are called before those that call.
class Inlining {
public:
    explicit Inlining(std::vector<Graph>& graphs) : graphs_(graphs), state_(graphs.size()) {
        for (size_t i = 0; i < graphs.size(); ++i) place_[graphs[i].name] = i;
    }

    void run() {
        visit(0);
        std::vector<Graph> out;
        std::vector<bool> kept(graphs_.size());
        keep(0, kept);
        for (size_t i = 0; i < graphs_.size(); ++i)
            if (kept[i]) out.push_back(std::move(graphs_[i]));
        graphs_ = std::move(out);
    }

private:
    enum State : uint8_t { fresh, open, recursive, done };

    static void each_call(const Graph& g, auto&& f) {
        each_node(g.nodes, [&](const Node& node) {
            if (node.form == Form::call) f(node.callee);
        });
    }

    void visit(size_t i) {
        state_[i] = open;
        path_.push_back(i);
        each_call(graphs_[i], [&](const std::string& name) {
            size_t other = place_.at(name);
            if (state_[other] == fresh) visit(other);
            else if (state_[other] == open) mark_cycle(other);
        });
        path_.pop_back();
        bool calls_itself = state_[i] == recursive;
        size_t nodes = count(graphs_[i]);
        Host(graphs_[i]).run([&](const std::string& name) -> const Graph* {
            size_t other = place_.at(name);
            if (state_[other] != done) return nullptr;
            nodes += count(graphs_[other]);
            return nodes <= most_nodes ? &graphs_[other] : nullptr;
        });
        if (!calls_itself) state_[i] = done;
    }

    // All that is open from `first` on calls itself.
    void mark_cycle(size_t first) {
        for (size_t k = path_.size(); k-- > 0;) {
            state_[path_[k]] = recursive;
            if (path_[k] == first) return;
        }
    }

    void keep(size_t i, std::vector<bool>& kept) const {
        if (kept[i]) return;
        kept[i] = true;
        each_call(graphs_[i], [&](const std::string& name) { keep(place_.at(name), kept); });
    }

    std::vector<Graph>& graphs_;
    std::vector<State> state_;
    std::vector<size_t> path_;
    std::unordered_map<std::string, size_t> place_;
};

}  // namespace

std::vector<Graph> inline_calls(std::vector<Graph> graphs) {
    Inlining(graphs).run();
    for (Graph& g : graphs) renumber(g);
    verify(graphs);
    return graphs;
}

}  // namespace rushlight::graph
