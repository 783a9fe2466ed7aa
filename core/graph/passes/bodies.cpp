// Cleaning graphs whose nodes have bodies: what nobody reads, and what is computed twice.
#include <map>
#include <unordered_set>

#include "graph/node_call.h"
#include "graph/passes/edit.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

using Names = std::unordered_set<std::string_view>;

// Primitives that change a container, or do something else that is seen.
bool acts(std::string_view name) {
    static const Names names = {"raise", "print", "list_set", "list_del", "list_append", "list_extend", "list_insert",
                                "list_pop", "list_remove", "list_clear", "list_reverse", "list_sort", "dict_set",
                                "dict_setdefault", "dict_del", "dict_pop", "dict_update", "dict_clear", "may_join"};
    return names.contains(name);
}

bool is_false(const Node& node, const char* param) {
    int at = node.op->parsed.find(param);
    return at >= 0 && node.args[size_t(at)].tag == Tag::boolean && !node.args[size_t(at)].integer;
}

bool drops_nothing(const Node& node) {
    return node.op && std::string_view(node.op->id) == "dropout" && is_false(node, "training");
}

bool has_effect(const Node& node) {
    switch (node.form) {
        case Form::op:
            if (drops_nothing(node)) return false;
            return node.writes() || node.op->kind == Kind::random || node.op->kind == Kind::update ||
                   (node.op->compose && !gives_new_memory(node));            // it may draw numbers, or write
        case Form::primitive: return acts(node.primitive->name);
        case Form::branch: case Form::walk:
            for (const Block& body : node.bodies)
                if (std::any_of(body.nodes.begin(), body.nodes.end(), has_effect)) return true;
            return false;
        default: return true;                            // other graphs, and loops that may not end
    }
}

// How often each value is read.
std::vector<int> reads_of(const Graph& g) {
    std::vector<int> out(g.values.size());
    auto count = [&](const Argument& a) {
        for (ValueId v : a.values) ++out[size_t(v)];
    };
    each_node(g.nodes, [&](const Node& node) {
        for (const Argument& a : node.args) count(a);
        if (node.into != no_value) ++out[size_t(node.into)];
        for (const Change& c : node.changes) ++out[size_t(c.old_value)];
        for (const Block& body : node.bodies)
            for (const Argument& a : body.outputs) count(a);
    });
    for (ValueId v : g.outputs) ++out[size_t(v)];
    return out;
}

class Remover {
public:
    explicit Remover(Graph& g) : reads_(reads_of(g)) {}

    // From the last node on, so that what a dead node alone read is dead when it is met.
    void remove(std::vector<Node>& nodes) {
        std::vector<Node> left;
        for (size_t i = nodes.size(); i-- > 0;) {
            Node& node = nodes[i];
            bool read = false;
            each_definition(node, [&](ValueId v) { read = read || reads_[size_t(v)] > 0; });
            if (!read && !has_effect(node)) {
                forget(node);
                continue;
            }
            if (node.form == Form::branch) remove_results(node);
            for (Block& body : node.bodies) remove(body.nodes);
            left.push_back(std::move(node));
        }
        nodes.assign(std::make_move_iterator(left.rbegin()), std::make_move_iterator(left.rend()));
    }

private:
    void forget(const Argument& a) {
        for (ValueId v : a.values) --reads_[size_t(v)];
    }

    void forget(const Node& node) {
        for (const Argument& a : node.args) forget(a);
        for (const Block& body : node.bodies) {
            for (const Argument& a : body.outputs) forget(a);
            for (const Node& inner : body.nodes) forget(inner);
        }
    }

    void remove_results(Node& node) {
        for (size_t r = node.results.size(); r-- > 0;) {
            ValueId v = node.results[r];
            if (v != no_value && reads_[size_t(v)] > 0) continue;
            node.results.erase(node.results.begin() + ptrdiff_t(r));
            for (Block& body : node.bodies) {
                forget(body.outputs[r]);
                body.outputs.erase(body.outputs.begin() + ptrdiff_t(r));
            }
        }
    }

    std::vector<int> reads_;
};

class Merger {
public:
    explicit Merger(Graph& g)
        : g_(g), memory_(memory_of(g)), written_(written_memory(g, memory_)), given_(g.values.size()),
          same_(g.values.size(), no_value) {
        for (ValueId v : g.outputs) given_[size_t(memory_[size_t(v)])] = true;
    }

    void run() {
        merge(g_.nodes);
        for (ValueId& v : g_.outputs) follow(v);
    }

private:
    void follow(ValueId& v) const {
        if (same_[size_t(v)] != no_value) v = same_[size_t(v)];
    }

    void merge(std::vector<Node>& nodes) {
        std::vector<const Node*> mine;
        for (Node& node : nodes) {
            for (Argument& a : node.args)
                for (ValueId& v : a.values) follow(v);
            if (node.into != no_value) follow(node.into);
            for (Change& c : node.changes) follow(c.old_value);
            for (Block& body : node.bodies) {
                merge(body.nodes);
                for (Argument& a : body.outputs)
                    for (ValueId& v : a.values) follow(v);
            }
            if (!can_merge(node)) continue;
            auto [begin, end] = seen_.equal_range(name_of(node));
            auto equal = std::find_if(begin, end, [&](const auto& entry) { return are_equal(*entry.second, node); });
            if (equal == end) {
                mine.push_back(seen_.emplace(name_of(node), &node)->second);
                continue;
            }
            for (size_t r = 0; r < node.results.size(); ++r)
                if (node.results[r] != no_value) same_[size_t(node.results[r])] = equal->second->results[r];
        }
        std::erase_if(seen_, [&](const auto& entry) {
            return std::find(mine.begin(), mine.end(), entry.second) != mine.end();
        });
    }

    bool are_equal(const Node& a, const Node& b) const {
        if (a.args != b.args || a.recorded != b.recorded || a.results.size() != b.results.size()) return false;
        for (size_t r = 0; r < a.results.size(); ++r) {
            if (b.results[r] == no_value) continue;
            if (a.results[r] == no_value || g_[a.results[r]].type != g_[b.results[r]].type) return false;
        }
        return true;
    }

    bool can_merge(const Node& node) const {
        bool pure = node.form == Form::primitive ? node.primitive->pure || reads_shape(node)
                                                 : node.op && !has_effect(node);
        auto look = [&](ValueId v) {
            TypeKind kind = g_[v].type.kind;
            bool changes = kind == TypeKind::list || kind == TypeKind::dict || kind == TypeKind::tuple;
            pure = pure && !changes && !(g_[v].is_tensor() && written_[size_t(memory_[size_t(v)])]);
        };
        each_operand(node, look);
        each_definition(node, look);
        each_definition(node, [&](ValueId v) {
            pure = pure && !(holds_tensors(g_[v].type) && given_[size_t(memory_[size_t(v)])]);
        });
        return pure && !node.results.empty();
    }

    Graph& g_;
    std::vector<ValueId> memory_;
    std::vector<bool> written_, given_;
    std::vector<ValueId> same_;
    std::multimap<std::string, const Node*> seen_;       // of this body and those around it
};

// ---- freezing -------------------------------------------------------------------------------------------------------

class Decision {
public:
    Decision(Graph& g, const std::vector<std::string>& kept) : g_(g), values_(g, kept), reads_(readers_of(g)) {}

    void run(std::vector<Node>& nodes) {
        std::vector<Node> out;
        for (Node& node : nodes) {
            for (Block& body : node.bodies) run(body.nodes);
            if (node.form == Form::primitive) read_constant(node);
            else if (node.op && !drops_nothing(node)) make_anew(node, out);
            out.push_back(std::move(node));
        }
        nodes = std::move(out);
    }

    // What reads a dropout that drops nothing reads its argument.
    void pass_by() {
        std::vector<std::pair<ValueId, ValueId>> found;
        each_node(g_.nodes, [&](const Node& node) {
            if (drops_nothing(node)) found.emplace_back(node.results[0], node.args[0].values[0]);
        });
        for (size_t i = 0; i < found.size(); ++i) {
            replace_value(g_, found[i].first, found[i].second);
            for (size_t k = i + 1; k < found.size(); ++k)
                if (found[k].second == found[i].first) found[k].second = found[i].second;
        }
    }

private:
    // What a constant holds, or its shape, as a literal.
    void read_constant(Node& node) const {
        static const Primitive& same = *find_primitive("same");
        bool of_tensor = !node.args.empty() && node.args[0].tag == Tag::tensor && node.results.size() == 1;
        const Tensor t = of_tensor ? values_.constant[size_t(node.args[0].values[0])] : Tensor();
        std::string_view name = node.primitive->name;
        bool reads = name == "to_bool" || name == "to_int" || name == "to_float";
        if (!t.defined() || !(reads_shape(node) || (reads && t->numel == 1 && t.rank() == 0))) return;
        std::vector<Item> items;
        std::vector<const Item*> args;
        for (const Argument& a : node.args)
            if (a.tag == Tag::integer) items.emplace_back(a.integer);
            else if (a.tag == Tag::tensor) items.emplace_back(t);
            else return;
        for (const Item& x : items) args.push_back(&x);
        Item result;
        std::vector<Type> types{g_[node.results[0]].type};
        PrimitiveCall call{node.primitive->name, args, std::span(&result, 1), types};
        try {
            node.primitive->run(call);
        } catch (const Error&) {
            return;                      // it is raised when the program comes there
        }
        Argument a;
        switch (result.kind()) {
            case TypeKind::boolean: a.tag = Tag::boolean, a.integer = result.boolean(); break;
            case TypeKind::integer: a.tag = Tag::integer, a.integer = result.integer(); break;
            case TypeKind::real: a.tag = Tag::real, a.real = result.real(); break;
            case TypeKind::dtype: a.tag = Tag::dtype, a.dtype = result.dtype(); break;
            default: return;
        }
        node.primitive = &same;
        node.args = {a};
    }

    // An activation in place upon what an operator of this body has just made, and nobody else reads: it may as well
    // make its result anew, which plans and passes understand better.
    void make_anew(Node& node, const std::vector<Node>& before) const {
        int inplace = node.op->parsed.find("inplace");
        if (inplace < 0 || silent_writes(node).empty() || node.args[size_t(inplace)].tag != Tag::boolean) return;
        ValueId x = node.args[0].values[0];
        auto makes = [&](const Node& n) { return n.op && n.results.size() == 1 && n.results[0] == x; };
        auto maker = std::find_if(before.rbegin(), before.rend(), makes);
        bool alone = maker != before.rend() && gives_new_memory(*maker) && !maker->op->parsed.returns_list;
        if (alone && reads_[size_t(x)] == 1) node.args[size_t(inplace)].integer = 0;
    }

    Graph& g_;
    Values values_;
    std::vector<int> reads_;
};

}  // namespace

bool reads_shape(const Node& node) {
    static const Names names = {"tensor_size", "tensor_stride", "tensor_dim", "tensor_numel", "tensor_len",
                                "tensor_dtype", "tensor_is_contiguous", "tensor_is_floating_point",
                                "tensor_is_complex"};
    return node.form == Form::primitive && names.contains(node.primitive->name);
}

std::vector<int> readers_of(const Graph& g) {
    std::vector<int> out = reads_of(g);
    each_node(g.nodes, [&](const Node& node) {
        if (reads_shape(node) && node.args[0].tag == Tag::tensor) --out[size_t(node.args[0].values[0])];
    });
    return out;
}

void replace_value(Graph& g, ValueId old_value, ValueId now) {
    auto follow = [&](ValueId& v) { if (v == old_value) v = now; };
    each_node(g.nodes, [&](Node& node) {
        for (Argument& a : node.args)
            for (ValueId& v : a.values) follow(v);
        follow(node.into);
        for (Change& c : node.changes) follow(c.old_value);
        for (Block& body : node.bodies)
            for (Argument& a : body.outputs)
                for (ValueId& v : a.values) follow(v);
    });
    for (ValueId& v : g.outputs) follow(v);
}

void remove_unread(Graph& g) {
    Remover(g).remove(g.nodes);
    std::vector<int> reads = reads_of(g);
    std::erase_if(g.constants, [&](const Constant& c) { return reads[size_t(c.value)] == 0; });
    renumber(g);
}

void merge_equal_nodes(Graph& g) { Merger(g).run(); }

void decide_by_constants(Graph& g, const std::vector<std::string>& kept) {
    size_t before;
    do {                                 // a branch that goes may have hidden that a constant is never written
        before = g.values.size();
        Decision decision(g, kept);
        decision.run(g.nodes);
        decision.pass_by();
        fold_constants(g);
        remove_unread(g);
    } while (g.values.size() < before);
    merge_equal_nodes(g);
    remove_unread(g);
}

void let_plans_join(Graph& g) {
    Node node;
    node.form = Form::primitive;
    node.primitive = find_primitive("may_join");
    g.nodes.insert(g.nodes.begin(), std::move(node));
}

}  // namespace rushlight::graph
