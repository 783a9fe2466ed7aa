// Calls that give what they were given: products with 1, casts to the own dtype, views that are none, what undoes what
// came before. Only where the bits are the same, of NaN and of both zeros too.
#include <algorithm>
#include <cmath>

#include "graph/passes/edit.h"

namespace rushlight::graph {

namespace {

bool is_number(const Argument& a, double value) {
    if (a.tag == Tag::integer || a.tag == Tag::boolean) return double(a.integer) == value;
    return a.tag == Tag::real && a.real == value;
}

bool is_zero(const Argument& a, bool negative) {
    bool plain = a.tag == Tag::integer && a.integer == 0 && !negative;
    return plain || (a.tag == Tag::real && a.real == 0 && std::signbit(a.real) == negative);
}

// Dimensions counted from the front.
std::vector<int64_t> from_front(std::vector<int64_t> dims, int64_t rank) {
    for (int64_t& d : dims) d += d < 0 ? rank : 0;
    return dims;
}

class Algebra {
public:
    explicit Algebra(Graph& g) : g_(g), values_(g), same_(g.values.size()), output_(g.values.size()) {
        for (size_t v = 0; v < same_.size(); ++v) same_[v] = ValueId(v);
        for (ValueId v : g.outputs) output_[size_t(v)] = true;
    }

    // Gives how many calls went or read something nearer.
    int64_t run() {
        int64_t changed = 0;
        std::vector<bool> gone(g_.nodes.size());
        for (size_t i = 0; i < g_.nodes.size(); ++i) {
            Node& node = g_.nodes[i];
            each_operand(node, [&](ValueId& v) { v = same_[size_t(v)]; });
            for (Change& c : node.changes) c.old_value = same_[size_t(c.old_value)];
            if (node.op->compose || node.writes() || node.results.size() != 1 || node.results[0] == no_value) continue;
            if (node.args.empty()) continue;
            changed += join_views(node);
            ValueId v = equal(node);
            if (v == no_value) continue;
            same_[size_t(node.results[0])] = v;
            gone[i] = true;
            ++changed;
        }
        std::vector<Node> nodes;
        for (size_t i = 0; i < g_.nodes.size(); ++i)
            if (!gone[i]) nodes.push_back(std::move(g_.nodes[i]));
        g_.nodes = std::move(nodes);
        return changed;
    }

private:
    static ValueId tensor(const Argument& a) { return a.tag == Tag::tensor ? a.values[0] : no_value; }

    // The node that made the value, if it is a call of this operator and wrote nothing.
    const Node* made_by(ValueId v, std::string_view id) const {
        int at = v == no_value ? -1 : values_.maker[size_t(v)];
        if (at < 0) return nullptr;
        const Node& node = g_.nodes[size_t(at)];
        return id == node.op->id && !node.writes() ? &node : nullptr;
    }

    bool same_kind(ValueId a, ValueId b) const {
        if (a == no_value || g_[a].dtype != g_[b].dtype || !(g_[a].sizes == g_[b].sizes)) return false;
        return std::find(g_[a].sizes.begin(), g_[a].sizes.end(), unknown_size) == g_[a].sizes.end();
    }

    // The value that the node's result equals, and may be.
    ValueId equal(const Node& node) const {
        const ValueId result = node.results[0];
        if (output_[size_t(result)]) return no_value;            // outputs are tensors of their own
        const bool view = node.op->kind == Kind::view || std::string_view(node.op->id) == "to_dtype";
        const ValueId v = view ? viewed(node) : computed(node);
        if (!same_kind(v, result)) return no_value;
        bool shares = !values_.is_written(v) && !values_.is_written(result) && !values_.is_given(result);
        return view || (shares && is_dense(v)) ? v : no_value;
    }

    // Without gaps, in whatever order: a calculation lies as what it is of. Of other memory it makes a dense one, whose
    // views and strides whoever comes after may need.
    bool is_dense(ValueId v) const {
        while (values_.maker[size_t(v)] >= 0) {
            const Node& node = g_.nodes[size_t(values_.maker[size_t(v)])];
            const std::string_view id = node.op->id;
            const bool passes_on = id == "view" || id == "transpose" || id == "permute" || id == "squeeze" ||
                                   id == "unsqueeze" || id == "detach" || id == "to_dtype";
            if (node.op->compose || node.into != no_value) return false;
            if (!passes_on) return node.op->kind != Kind::view;
            v = tensor(node.args[0]);
            if (v == no_value) return false;
        }
        return g_[v].strides.empty();
    }

    // Of a view that shows the same elements in the same order as another value.
    ValueId viewed(const Node& node) const {
        const std::string_view id = node.op->id;
        const ValueId x = tensor(node.args[0]);
        if (id == "view" || id == "expand" || id == "squeeze" || id == "detach" || id == "to_dtype")
            return same_kind(x, node.results[0]) ? x : no_value;
        if (id == "restride") return node.args[3].integer == 0 && node.args[2].ints == node.args[4].ints ? x : no_value;
        const int64_t rank = int64_t(g_[node.results[0]].sizes.size());
        if (id == "permute") {
            std::vector<int64_t> dims = from_front(node.args[1].ints, rank);
            return std::is_sorted(dims.begin(), dims.end()) ? x : no_value;
        }
        if (id != "transpose") return no_value;
        const Node* first = made_by(x, id);
        auto dims = [&](const Node& n) {
            std::vector<int64_t> out = from_front({n.args[1].integer, n.args[2].integer}, rank);
            std::sort(out.begin(), out.end());
            return out;
        };
        return first && dims(*first) == dims(node) ? tensor(first->args[0]) : no_value;
    }

    // Of a calculation that leaves every element as it is. Not of complex numbers: inf * (1 + 0j) has a NaN.
    ValueId computed(const Node& node) const {
        const std::string_view id = node.op->id;
        const ValueId result = node.results[0];
        if (is_complex(g_[result].dtype)) return no_value;
        if (id == "neg") {
            const Node* first = made_by(tensor(node.args[0]), id);
            return first ? tensor(first->args[0]) : no_value;
        }
        if (node.args.size() < 2) return no_value;
        const Argument &a = node.args[0], &b = node.args[1];
        if (id == "mul") return is_number(b, 1) ? tensor(a) : is_number(a, 1) ? tensor(b) : no_value;
        if (id == "pow") return is_number(b, 1) ? tensor(a) : no_value;
        if (id == "div") return is_number(b, 1) ? tensor(a) : no_value;      // floors and truncates by other names
        if ((id != "add" && id != "sub") || node.args.size() != 3 || !is_number(node.args[2], 1)) return no_value;
        const bool floating = is_floating(g_[result].dtype);
        const bool minus_zero = floating && id == "add";         // -0.0 + 0.0 is 0.0
        if (is_zero(b, minus_zero)) return tensor(a);
        return id == "add" && is_zero(a, minus_zero) ? tensor(b) : no_value;
    }

    // A view of a view is a view of what that one shows.
    bool join_views(Node& node) const {
        const std::string_view id = node.op->id;
        if (id != "view" && id != "permute") return false;
        const Node* first = made_by(tensor(node.args[0]), id);
        if (!first || node.args[1].tag != Tag::ints || first->args[1].tag != Tag::ints) return false;
        if (id == "permute") {
            const int64_t rank = int64_t(g_[node.results[0]].sizes.size());
            const std::vector<int64_t> inner = from_front(first->args[1].ints, rank);
            std::vector<int64_t> dims = from_front(node.args[1].ints, rank);
            for (int64_t& d : dims) d = inner[size_t(d)];
            node.args[1].ints = dims;
        }
        node.args[0] = first->args[0];
        return true;
    }

    Graph& g_;
    Values values_;
    std::vector<ValueId> same_;
    std::vector<bool> output_;
};

}  // namespace

int64_t drop_neutral_calls(Graph& g) {
    int64_t changed = Algebra(g).run();
    if (changed) remove_dead_code(g);
    return changed;
}

}  // namespace rushlight::graph
