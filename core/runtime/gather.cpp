// Which nodes of a scripted program a plan can do, and what has to run by itself.
#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "graph/node_call.h"
#include "graph/values.h"
#include "runtime/stretch.h"

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

// `planned` nodes come to the same whenever what they read has the same shapes and numbers; `free` ones read values and
// change nothing; all others keep their place.
enum class Way : uint8_t { planned, free, fixed };

using Names = std::unordered_set<std::string_view>;

// Primitives that read shapes, which a plan is made for, or containers that it makes itself.
bool reads_shapes(std::string_view name) {
    static const Names names = {
        "tensor_size", "tensor_shape", "tensor_stride", "tensor_dim", "tensor_numel", "tensor_len", "tensor_dtype",
        "tensor_is_contiguous", "tensor_is_floating_point", "tensor_is_complex", "value_eq", "value_ne", "list_make",
        "list_len", "list_index", "list_slice", "list_copy", "list_sorted", "list_add", "list_mul", "list_contains",
        "list_find", "list_count", "list_sum", "list_min", "list_max", "list_any", "list_all", "list_range",
        "list_unpack", "tuple_list", "to_str", "repr", "str_format", "str_percent", "value_format"};
    return names.contains(name);
}

// Primitives that read values and change nothing.
bool only_reads(std::string_view name) {
    static const Names names = {"to_int", "to_float", "to_bool", "tensor_item", "tensor_list", "tensor_is",
                                "grad_enabled", "tensor_requires_grad", "dict_make", "dict_len", "dict_get",
                                "dict_find", "dict_contains", "dict_keys", "dict_values", "dict_items", "dict_copy"};
    return names.contains(name);
}

bool is_container(const Type& t) {
    if (t.is(TypeKind::optional)) return is_container(t.items[0]);
    return t.is(TypeKind::list) || t.is(TypeKind::tuple) || t.is(TypeKind::dict);
}

bool is_number(const Type& t) {
    if (t.is(TypeKind::optional)) return is_number(t.items[0]);
    return t.is(TypeKind::integer) || t.is(TypeKind::real) || t.is(TypeKind::number) || t.is(TypeKind::string);
}

// It names a place in the whole memory, and plans take views by where they are in others.
bool reads_offset(const Node& node) { return std::string_view(node.op->id).starts_with("as_strided"); }

bool may_draw(const Node& node) {
    return node.op->kind == Kind::random || (node.op->compose && node.op->parsed.find("training") >= 0);
}

class Ways {
public:
    explicit Ways(const Graph& g) : g_(g), constant_(g.values.size()), escaped_(g.values.size()) {
        for (const graph::Constant& c : g.constants) constant_[size_t(c.value)] = true;
        do {
            varying_.assign(g.values.size(), false);
            local_.assign(g.values.size(), false);
            steady_.assign(g.values.size(), false);
            own_.assign(g.values.size(), 0);
            ways_.clear();
            classify(g.nodes);
        } while (find_escapes());
    }

    Way operator()(const Node& node) const { return ways_.at(&node); }

    // An attribute of a module, which hardly ever changes.
    bool reads_flag(const Node& node) const {
        return node.form == Form::primitive && node.args.size() == 1 && node.args[0].tag == Tag::tensor &&
               constant_[size_t(node.args[0].values[0])];
    }

private:
    // Gives whether a plan can do all nodes.
    bool classify(const std::vector<Node>& nodes) {
        bool all = true;
        for (const Node& node : nodes) {
            Way way = way_of(node);
            bool escapes = std::any_of(node.results.begin(), node.results.end(),
                                       [&](ValueId v) { return v != no_value && escaped_[size_t(v)]; });
            if (way == Way::planned && escapes) way = node.form == Form::branch ? Way::fixed : Way::free;
            ways_[&node] = way;
            bool raises = node.form == Form::primitive && std::string_view(node.primitive->name) == "raise";
            all = all && (way == Way::planned || raises);
            for (ValueId v : node.results) {
                if (v == no_value) continue;
                steady_[size_t(v)] = way == Way::planned || reads_flag(node);
                local_[size_t(v)] = way == Way::planned && is_container(g_[v].type);
                varying_[size_t(v)] = way != Way::planned && is_number(g_[v].type) && !reads_flag(node);
            }
        }
        return all;
    }

    // Is what the node reads known when the plan is made?
    bool known(const Node& node) const {
        for (const Argument& a : node.args)
            for (ValueId v : a.values)
                if (varying_[size_t(v)] || (is_container(g_[v].type) && !local_[size_t(v)])) return false;
        return true;
    }

    Way way_of(const Node& node) {
        switch (node.form) {
            case Form::op: return way_of_operator(node);
            case Form::primitive: return way_of_primitive(node);
            case Form::branch: return way_of_branch(node);
            default: break;
        }
        int around = std::exchange(loop_, ++loops_);
        for (const Block& body : node.bodies) {
            for (ValueId v : body.inputs) varying_[size_t(v)] = is_number(g_[v].type);
            classify(body.nodes);
        }
        loop_ = around;
        return Way::fixed;
    }

    bool is_own(ValueId v) const { return own_[size_t(v)] == loop_; }

    // A plan writes only into memory that it has made.
    Way way_of_operator(const Node& node) {
        bool writes_own = node.into == no_value || is_own(node.into);
        for (ValueId v : graph::silent_writes(node)) writes_own = writes_own && (constant_[size_t(v)] || is_own(v));
        if (!writes_own || !node.changes.empty() || node.op->kind == Kind::update) return Way::fixed;
        if (!known(node) || reads_offset(node)) return may_draw(node) || node.into != no_value ? Way::fixed : Way::free;
        bool makes = graph::gives_new_memory(node), first = !node.args.empty() && node.args[0].tag == Tag::tensor;
        bool of_own = (node.into != no_value || node.op->kind == Kind::view) && first && is_own(node.args[0].values[0]);
        for (ValueId v : node.results)
            if (v != no_value && g_[v].is_tensor()) own_[size_t(v)] = makes || of_own ? loop_ : 0;
        return Way::planned;
    }

    Way way_of_primitive(const Node& node) const {
        std::string_view name = node.primitive->name;
        if (name == "raise") return Way::fixed;
        bool of_value = !node.args.empty() && node.args[0].tag == Tag::tensor;
        bool converts = name.starts_with("to_") && !of_value;
        if (node.primitive->pure || reads_shapes(name) || converts) return known(node) ? Way::planned : Way::free;
        return only_reads(name) ? Way::free : Way::fixed;
    }

    // A condition that hardly ever changes may lead past what no plan can do: it is seen when the plan is made.
    Way way_of_branch(const Node& node) {
        bool all = true, one = false;
        for (const Block& body : node.bodies) {
            bool planned = classify(body.nodes);
            all = all && planned;
            one = one || planned;
        }
        bool planned = node.args[0].values.empty() || !steady_[size_t(node.args[0].values[0])] ? all : one;
        for (size_t r = 0; r < node.results.size(); ++r) {
            if (node.results[r] == no_value || !is_container(g_[node.results[r]].type)) continue;
            for (const Block& body : node.bodies) {
                const Argument& a = body.outputs[r];
                planned = planned && a.values.size() == 1 && local_[size_t(a.values[0])];
            }
        }
        return planned ? Way::planned : Way::fixed;
    }

    // Containers that a plan would make and others read: one of these must make them. True where there are new ones.
    bool find_escapes() {
        bool found = false;
        auto escape = [&](ValueId v) {
            if (!local_[size_t(v)] || escaped_[size_t(v)]) return;
            found = escaped_[size_t(v)] = true;
        };
        graph::each_node(g_.nodes, [&](const Node& node) {
            if (ways_.at(&node) == Way::planned) return;
            for (const Argument& a : node.args)
                for (ValueId v : a.values) escape(v);
            for (const Block& body : node.bodies)
                for (const Argument& a : body.outputs)
                    for (ValueId v : a.values) escape(v);
        });
        for (ValueId v : g_.outputs) escape(v);
        return found;
    }

    const Graph& g_;
    std::vector<bool> constant_, escaped_;
    std::vector<bool> varying_;          // numbers that may be others at each turn
    std::vector<bool> steady_;           // follows from shapes, or is an attribute
    std::vector<int> own_;               // tensors in memory that a plan makes: the loop whose turn it is for, or 0
    int loop_ = 1, loops_ = 1;
    std::vector<bool> local_;            // containers that only planned nodes know
    std::unordered_map<const Node*, Way> ways_;
};

bool runs_operators(const Node& node) {
    bool found = node.op != nullptr;
    for (const Block& body : node.bodies)
        graph::each_node(body.nodes, [&](const Node& inner) { found = found || inner.op; });
    return found;
}

// Nodes in an order that leaves those of one way together. What runs operators stays in its order, for the tape's sake.
class Sorting {
public:
    Sorting(std::vector<Node>& nodes, const Ways& ways) : nodes_(nodes), ways_(ways) {}

    void run() {
        for (size_t begin = 0; begin < nodes_.size();) {
            size_t end = begin;
            while (end < nodes_.size() && ways_(nodes_[end]) != Way::fixed) ++end;
            sort(begin, end);
            if (end < nodes_.size()) order_.push_back(end);
            begin = end + 1;
        }
        std::vector<Node> out;
        for (size_t i : order_) out.push_back(std::move(nodes_[i]));
        nodes_ = std::move(out);
    }

private:
    // What an operator may write before or after.
    bool reads_memory(const Node& node) const {
        return node.form == Form::primitive && only_reads(node.primitive->name) && !ways_.reads_flag(node);
    }

    void sort(size_t begin, size_t end) {
        std::unordered_set<ValueId> missing;             // values of nodes that have no place yet
        std::vector<size_t> left;
        for (size_t i = begin; i < end; ++i) {
            left.push_back(i);
            graph::each_definition(nodes_[i], [&](ValueId v) { missing.insert(v); });
        }
        while (!left.empty())
            for (Way way : {Way::free, Way::planned}) {
                bool operators = true;                   // all before have their places
                std::vector<size_t> later;
                for (size_t i : left) {
                    bool ready = ways_(nodes_[i]) == way, runs = runs_operators(nodes_[i]) || reads_memory(nodes_[i]);
                    graph::each_operand(nodes_[i], [&](ValueId v) { ready = ready && !missing.contains(v); });
                    if (!ready || (runs && !operators)) {
                        operators = operators && !runs;
                        later.push_back(i);
                        continue;
                    }
                    order_.push_back(i);
                    graph::each_definition(nodes_[i], [&](ValueId v) { missing.erase(v); });
                }
                left = std::move(later);
            }
    }

    std::vector<Node>& nodes_;
    const Ways& ways_;
    std::vector<size_t> order_;
};

void gather(std::vector<Node>& nodes, const Ways& ways) {
    for (Node& node : nodes)
        for (Block& body : node.bodies) gather(body.nodes, ways);
    Sorting(nodes, ways).run();
}

}  // namespace

void gather(Graph& g) {
    Ways ways(g);
    gather(g.nodes, ways);
}

// ---- stretches ------------------------------------------------------------------------------------------------------

struct StretchFinder::Impl {
    const Graph& g;
    Ways ways;
    std::unordered_map<ValueId, size_t> constant;
    bool joins = false;
};

StretchFinder::StretchFinder(const Graph& g) : impl_(new Impl{g, Ways(g), {}}) {
    for (const Node& node : g.nodes)
        if (node.form == Form::primitive && std::string_view(node.primitive->name) == "may_join") impl_->joins = true;
    for (size_t i = 0; i < g.constants.size(); ++i) impl_->constant[g.constants[i].value] = i;
}

StretchFinder::~StretchFinder() = default;

bool StretchFinder::can_plan(const Node& node) const { return impl_->ways(node) == Way::planned; }

std::vector<std::unique_ptr<Stretch>> StretchFinder::find(const std::vector<Node>& nodes,
                                                          const std::vector<Argument>& outputs) const {
    std::vector<std::unique_ptr<Stretch>> out;
    for (size_t begin = 0; begin < nodes.size(); ++begin) {
        size_t end = begin, operators = 0;
        for (; end < nodes.size() && impl_->ways(nodes[end]) == Way::planned; ++end)
            operators += runs_operators(nodes[end]);
        if (operators >= 2) out.push_back(make(nodes, outputs, begin, end));
        begin = end;
    }
    return out;
}

std::unique_ptr<Stretch> StretchFinder::make(const std::vector<Node>& nodes, const std::vector<Argument>& outputs,
                                             size_t begin, size_t end) const {
    auto out = std::make_unique<Stretch>();
    out->begin = begin;
    out->end = end;
    out->joins = impl_->joins;
    std::unordered_set<ValueId> defined, own, read, given;
    for (size_t i = begin; i < end; ++i) {
        auto note = [&](const Node& node) { graph::each_definition(node, [&](ValueId v) { defined.insert(v); }); };
        graph::each_definition(nodes[i], [&](ValueId v) { own.insert(v); });
        note(nodes[i]);
        for (const Block& body : nodes[i].bodies) graph::each_node(body.nodes, note);
    }
    for (size_t i = begin; i < end; ++i)
        graph::each_operand(nodes[i], [&](ValueId v) {
            if (defined.contains(v) || !read.insert(v).second) return;
            auto constant = impl_->constant.find(v);
            if (constant == impl_->constant.end()) out->reads.push_back(v);
            else out->constants.push_back(constant->second);
        });
    auto give = [&](ValueId v) {
        if (own.contains(v) && given.insert(v).second) out->gives.push_back(v);
    };
    for (size_t i = end; i < nodes.size(); ++i) {
        graph::each_operand(nodes[i], give);
        for (const graph::Change& c : nodes[i].changes) give(c.old_value);
    }
    for (const Argument& a : outputs)
        for (ValueId v : a.values) give(v);
    return out;
}

}  // namespace rushlight::runtime
