#include "graph/passes/edit.h"

namespace rushlight::graph {

namespace {

Argument text_argument(const char* text) {
    Argument a;
    a.tag = Tag::string;
    a.text = text;
    return a;
}

// The operator that does what `op` does, and what follows, in one pass; null where there is none. Transposed
// convolutions have none: relu after them is faster as a pass of its own. Only batch norm gives the same bits.
const Op* fused_form(const Op& op, bool exact) {
    std::string_view id = op.id;
    if (exact) return id == "batch_norm_forward" ? find_op("batch_norm_fused") : nullptr;
    return id == "convolution" || id == "linear" ? find_op(std::string(id) + "_fused") : nullptr;
}

// The node as one of the fused operator: nothing is added yet and nothing follows.
Node fused(const Node& layer, const Op& form) {
    Node out = layer;
    out.op = &form;
    int addend = form.parsed.find("addend");
    if (addend >= 0) out.args.insert(out.args.begin() + addend, Argument());
    out.args.push_back(text_argument("none"));
    return out;
}

class Fusion {
public:
    Fusion(Graph& g, bool exact)
        : g_(g), exact_(exact), values_(g), gone_(g.nodes.size()), reader_(g.values.size(), -1) {
        for (size_t i = 0; i < g.nodes.size(); ++i)
            each_operand(g.nodes[i], [&](ValueId v) { reader_[size_t(v)] = int(i); });
    }

    // Gives how many nodes joined.
    int64_t run() {
        for (size_t i = 0; i < g_.nodes.size(); ++i)
            if (!gone_[i] && fused_form(*g_.nodes[i].op, exact_)) extend(i);
        int64_t joined = std::count(gone_.begin(), gone_.end(), true);
        std::vector<Node> nodes;
        for (size_t i = 0; i < g_.nodes.size(); ++i)
            if (!gone_[i]) nodes.push_back(std::move(g_.nodes[i]));
        g_.nodes = std::move(nodes);
        return joined;
    }

private:
    // Takes in one reader after another, for as long as there is just one and it can join.
    void extend(size_t at) {
        Node node = fused(g_.nodes[at], *fused_form(*g_.nodes[at].op, exact_));
        size_t end = at;
        while (node.args.back().text == "none") {
            ValueId v = node.results[0];
            int next = reader_[size_t(v)];
            if (node.into != no_value || values_.readers[size_t(v)] != 1 || next < 0 || gone_[size_t(next)]) break;
            const Node& reader = g_.nodes[size_t(next)];
            bool of_its_own = reader.into == v || reader.into == no_value;
            if (!of_its_own || !same_geometry(v, reader) || overwritten_between(node, end, size_t(next))) break;
            if (read_between(node, end, size_t(next)) || !join(node, reader, v)) break;
            node.results[0] = reader.results[0];
            gone_[end] = true;
            end = size_t(next);
        }
        if (end != at) g_.nodes[end] = std::move(node);
    }

    bool same_geometry(ValueId v, const Node& reader) const {
        if (reader.results.size() != 1 || reader.results[0] == no_value) return false;
        const ValueInfo &a = g_[v], &b = g_[reader.results[0]];
        bool fits = exact_ ? a.dtype == DType::float32 && a.sizes.size() > 2 : is_floating(a.dtype);
        return fits && a.dtype == b.dtype && a.sizes == b.sizes;
    }

    bool join(Node& node, const Node& reader, ValueId v) const {
        std::string_view id = reader.op->id;
        bool linear = std::string_view(node.op->id) == "linear_fused";
        if (id == "relu" || (id == "gelu" && linear && g_[v].dtype == DType::float32)) {
            node.args.back() = text_argument(reader.op->id);
            return true;
        }
        int addend = node.op->parsed.find("addend");
        if (id != "add" || addend < 0 || node.args[size_t(addend)].tag != Tag::none) return false;
        const Argument &a = reader.args[0], &b = reader.args[1], &alpha = reader.args[2];
        bool one = alpha.tag == Tag::integer ? alpha.integer == 1 : alpha.tag == Tag::real && alpha.real == 1;
        if (!one || a.tag != Tag::tensor || b.tag != Tag::tensor || a.values[0] == b.values[0]) return false;
        const Argument& other = a.values[0] == v ? b : a;
        const ValueInfo &x = g_[other.values[0]], &y = g_[v];
        if (x.dtype != y.dtype || !(x.sizes == y.sizes)) return false;
        node.args[size_t(addend)] = other;
        return true;
    }

    // The fused node runs where its last part ran: what it reads must still be there.
    bool overwritten_between(const Node& node, size_t from, size_t to) const {
        bool found = false;
        each_operand(node, [&](ValueId v) {
            if (!values_.is_written(v)) return;
            for (size_t i = from + 1; i < to; ++i) found = found || (!gone_[i] && writes(g_.nodes[i], v));
        });
        return found;
    }

    // Does anybody read what it gives besides its first result before its last part has run?
    bool read_between(const Node& node, size_t from, size_t to) const {
        bool found = false;
        each_definition(node, [&](ValueId v) {
            if (v == node.results[0]) return;
            auto look = [&](ValueId o) { found = found || o == v; };
            for (size_t i = from + 1; i < to; ++i) {
                if (gone_[i]) continue;
                each_operand(g_.nodes[i], look);
                for (const Change& c : g_.nodes[i].changes) look(c.old_value);
            }
        });
        return found;
    }

    bool writes(const Node& node, ValueId v) const {
        ValueId m = values_.memory[size_t(v)];
        bool found = node.into != no_value && values_.memory[size_t(node.into)] == m;
        for (const Change& c : node.changes) found = found || values_.memory[size_t(c.old_value)] == m;
        return found;
    }

    Graph& g_;
    bool exact_;                               // only what gives the same bits
    Values values_;
    std::vector<bool> gone_;
    std::vector<int> reader_;                  // of each value one node that reads it
};

}  // namespace

void fuse_epilogues(Graph& g) {
    Fusion(g, false).run();
}

int64_t fuse_batch_norm(Graph& g) {
    return Fusion(g, true).run();
}

}  // namespace rushlight::graph
