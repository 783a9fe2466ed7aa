// What a walk backwards reads again and is cheap to work out again is not kept for it.
#include "graph/passes/edit.h"

namespace rushlight::graph {

namespace {

constexpr int64_t worth = 1 << 24;             // bytes that all of it saves, or nothing is done
constexpr int64_t least = 1 << 18;             // of one value

struct Again {
    size_t maker, at;                          // the node, and the one before which it runs again
    ValueId value;
};

class Recomputation {
public:
    explicit Recomputation(const Graph& g)
        : g_(g), values_(g), uses_(g.values.size()), outlives_(outlives_the_run(g, values_.memory)),
          again_(g.values.size()), needed_(g.values.size()) {
        for (size_t i = 0; i < g.nodes.size(); ++i) {
            auto use = [&](ValueId v) { uses_[memory(v)].push_back(i); };
            each_operand(g.nodes[i], use);
            each_definition(g.nodes[i], use);
        }
        for (auto& uses : uses_) uses.erase(std::unique(uses.begin(), uses.end()), uses.end());
    }

    // In the order in which they run again.
    std::vector<Again> find() {
        const size_t peak = find_peak();
        std::vector<Again> out;
        for (size_t i = 0; i < peak; ++i) {
            ValueId v = is_cheap(g_.nodes[i]) ? g_.nodes[i].results[0] : no_value;
            if (v == no_value || bytes(v) < least) continue;
            size_t m = memory(v), at = next_use(m, peak);
            if (at == never || !stays_as_it_is(v, at) || needed_[m] || !is_there(i, at)) continue;
            if (at - last_before(m, peak) < g_.nodes.size() / 16) continue;          // hardly gone
            again_[m] = true;
            const Node again = repeated(g_.nodes[i]);
            each_operand(again, [&](ValueId o) { needed_[memory(o)] = true; });
            out.push_back({i, at, v});
            saved_ += bytes(v);
        }
        if (saved_ < worth) out.clear();
        std::stable_sort(out.begin(), out.end(), [](const Again& a, const Again& b) { return a.at < b.at; });
        return out;
    }

    int64_t saved() const { return int64_t(std::min(saved_, 1e18)); }

    // The node without what it does besides.
    static Node repeated(const Node& node) {
        Node out = node;
        out.changes.clear();
        out.results.resize(1);
        if (is_norm(node) && node.args[5].integer) out.args[3] = out.args[4] = Argument();
        return out;
    }

private:
    static constexpr size_t never = SIZE_MAX;

    static bool is_norm(const Node& node) {
        std::string_view id = node.op->id;
        return id == "batch_norm_forward" || id == "batch_norm_fused";
    }
    // A pass or two over memory, and the same result each time.
    static bool is_cheap(const Node& node) {
        bool cheap = is_norm(node) || (node.op->kind == Kind::pointwise && node.changes.empty());
        return cheap && !node.op->compose && node.into == no_value && !node.results.empty();
    }

    size_t memory(ValueId v) const { return size_t(values_.memory[size_t(v)]); }
    // A file may say any size: a sum of them fits no integer.
    double bytes(ValueId v) const {
        if (!g_[v].is_tensor()) return 0;
        auto n = double(size_of(g_[v].dtype));
        for (int64_t size : g_[v].sizes) n *= double(std::max<int64_t>(size, 0));
        return n;
    }

    // The node at which most memory is in use.
    size_t find_peak() const {
        std::vector<double> change(g_.nodes.size() + 1);
        for (size_t i = 0; i < g_.nodes.size(); ++i)
            each_definition(g_.nodes[i], [&](ValueId v) {
                size_t m = memory(v);
                if (outlives_[m] || uses_[m].front() != i) return;
                change[i] += bytes(v);
                if (!values_.given[m]) change[uses_[m].back() + 1] -= bytes(v);
            });
        size_t at = 0;
        double live = 0, most = 0;
        for (size_t i = 0; i < change.size(); ++i) {
            live += change[i];
            if (live > most) most = live, at = i;
        }
        return at;
    }

    size_t next_use(size_t m, size_t after) const {
        auto at = std::upper_bound(uses_[m].begin(), uses_[m].end(), after);
        return at == uses_[m].end() ? never : *at;
    }
    size_t last_before(size_t m, size_t node) const {
        auto at = std::upper_bound(uses_[m].begin(), uses_[m].end(), node);
        return at == uses_[m].begin() ? 0 : *(at - 1);
    }

    // Memory of its own that nobody writes, nobody gets, and that is read by this name from `at` on.
    bool stays_as_it_is(ValueId v, size_t at) const {
        size_t m = memory(v);
        if (values_.written[m] || values_.given[m] || outlives_[m]) return false;
        bool direct = true;
        for (size_t i = at; i < g_.nodes.size(); ++i)
            each_operand(g_.nodes[i], [&](ValueId o) {
                bool view = o != v && memory(o) == m && size_t(values_.maker[size_t(o)]) < at;
                direct = direct && !view;
            });
        return direct;
    }

    // Is all that the node reads still there at `at`, as it was, without being kept for this?
    bool is_there(size_t maker, size_t at) const {
        bool there = true;
        const Node again = repeated(g_.nodes[maker]);
        each_operand(again, [&](ValueId o) {
            size_t m = memory(o);
            bool alive = outlives_[m] || values_.given[m] || (!uses_[m].empty() && uses_[m].back() >= at);
            there = there && alive && !again_[m] && !(values_.written[m] && written_between(m, maker, at));
        });
        return there;
    }

    bool written_between(size_t m, size_t from, size_t to) const {
        for (size_t i = from; i < to; ++i) {
            const Node& node = g_.nodes[i];
            if (node.into != no_value && memory(node.into) == m) return true;
            for (const Change& c : node.changes)
                if (memory(c.old_value) == m) return true;
        }
        return false;
    }

    const Graph& g_;
    Values values_;
    std::vector<std::vector<size_t>> uses_;    // by memory: the nodes that name it, in order
    std::vector<bool> outlives_;
    std::vector<bool> again_, needed_;         // by memory: worked out again; read for that
    double saved_ = 0;
};

}  // namespace

int64_t recompute(Graph& g) {
    Recomputation recomputation(g);
    const std::vector<Again> found = recomputation.find();
    const int64_t saved = recomputation.saved();
    if (found.empty()) return 0;
    std::vector<ValueId> now(g.values.size());
    for (size_t v = 0; v < now.size(); ++v) now[v] = ValueId(v);
    std::vector<Node> nodes;
    std::vector<size_t> moved;                 // where each node is in the new list
    size_t next = 0;
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        for (; next < found.size() && found[next].at == i; ++next) {
            const Again& again = found[next];
            const ValueInfo old = g[again.value];
            ValueId v = g.add_value(old.name + "_again", old.dtype, old.sizes);
            Node node = Recomputation::repeated(nodes[moved[again.maker]]);
            node.results = {v};
            node.recorded = g.nodes[i].recorded;
            nodes.push_back(std::move(node));
            now[size_t(again.value)] = v;
        }
        each_operand(g.nodes[i], [&](ValueId& v) { v = now[size_t(v)]; });
        moved.push_back(nodes.size());
        nodes.push_back(std::move(g.nodes[i]));
    }
    g.nodes = std::move(nodes);
    return saved;
}

}  // namespace rushlight::graph
