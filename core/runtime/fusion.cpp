#include "runtime/fusion.h"

#include <algorithm>
#include <map>

#include "runtime/plan.h"

namespace rushlight::runtime {

using graph::Node;

namespace {

constexpr size_t most_nodes = 24;
constexpr int alone = -1;

struct Element {                                  // an element-wise node, as the run found it
    bool fusable = false;
    const char* why = nullptr;                    // it can't be fused; null of other nodes
    bool cast = false;                            // to_dtype: no tile function but a cast
    TileCall tile;
    DType dtype = DType::float32;
    Dims sizes, strides;                          // of the result
    std::vector<Region::Read> operands;           // one for each input of the tile; no_value of a number
    int region = alone;
};

bool known(const graph::ValueInfo& v) { return v.is_tensor() && v.sized && !v.sizes.contains(graph::unknown_size); }

bool plain(const TensorImpl& t) {
    return t.storage->arrangement() == Arrangement::plain && !t.storage->entangled();
}

Dims broadcast_strides(const Region::Read& r, const Dims& sizes) {
    Dims out(sizes.size(), 0);
    int shift = sizes.size() - r.sizes.size();
    for (int i = shift; i < sizes.size(); ++i) out[i] = r.sizes[i - shift] == 1 ? 0 : r.strides[i - shift];
    return out;
}

}  // namespace

// ---- running --------------------------------------------------------------------------------------------------------

bool Region::fits(std::span<const Tensor> tensors) const {
    for (const Read& r : reads) {
        const TensorImpl& t = *tensors[size_t(r.value)].impl();
        if (!plain(t) || !(t.strides == r.strides)) return false;
    }
    for (const Write& w : writes) {
        if (w.into == no_value) continue;
        const TensorImpl& to = *tensors[size_t(w.into)].impl();
        if (!plain(to) || to.storage->read_only() || to.inference) return false;
        for (const Read& r : reads) {
            const TensorImpl& t = *tensors[size_t(r.value)].impl();
            if (r.value != w.into && may_share_memory(t, to)) return false;
        }
        for (const Write& other : writes) {
            if (other.into == no_value || other.value == w.value) continue;
            if (may_share_memory(*tensors[size_t(other.into)].impl(), to)) return false;
        }
    }
    return true;
}

void Region::run(std::span<const Tensor> tensors) const {
    void* memory[TileProgram::max_memories];
    int n = 0;
    for (const Read& r : reads) memory[n++] = tensors[size_t(r.value)]->data();
    for (const Write& w : writes) {
        memory[n++] = tensors[size_t(w.value)]->data();
        if (w.into != no_value) tensors[size_t(w.into)]->storage->bump();
    }
    program.run(memory);
}

bool Region::writes_value(graph::ValueId v) const {
    return std::any_of(writes.begin(), writes.end(), [&](const Write& w) { return w.value == v; });
}

// ---- what a run tells of a node -------------------------------------------------------------------------------------

struct Fuser::Parts {
    const graph::Graph& g;
    std::vector<Element> elements;                // one for each node
    std::vector<std::shared_ptr<Region>> regions;
    std::vector<size_t> anchors;                  // of each region: the node in whose place it runs
    std::vector<size_t> definer;                  // of each value; `never` of inputs and constants
    std::vector<std::vector<size_t>> readers;
    std::vector<ValueId> memory;
    std::vector<bool> is_output;
    std::vector<ValueId> apart;                   // memory, where outside memory that may be one is one
    std::map<ValueId, std::vector<size_t>> writers, touchers;      // by `apart`

    explicit Parts(const graph::Graph& graph);
    const char* refuse(size_t i, const Call& call, bool planned, std::span<const Tensor> values);
    size_t place(size_t node) const {
        return elements[node].region == alone ? node : anchors[size_t(elements[node].region)];
    }
    bool neighbours(size_t i, std::vector<size_t>& out) const;
    size_t anchor_of(const std::vector<size_t>& nodes) const;
    bool keeps_order(const std::vector<size_t>& nodes, size_t anchor) const;
    bool writes_alone(const std::vector<size_t>& nodes, size_t writer, size_t anchor) const;
    std::vector<size_t> grow(size_t from) const;
    std::shared_ptr<Region> build(const std::vector<size_t>& nodes) const;
    bool within(const std::vector<size_t>& nodes, size_t i) const {
        return std::binary_search(nodes.begin(), nodes.end(), i);
    }
    bool given_within(const std::vector<size_t>& nodes, ValueId v) const {
        return definer[size_t(v)] != never && within(nodes, definer[size_t(v)]);
    }
    bool is_read_outside(const std::vector<size_t>& nodes, ValueId v) const;
    bool outlasts(const std::vector<size_t>& nodes, size_t i) const;
};

Fuser::Fuser(const graph::Graph& g) : p_(std::make_unique<Parts>(g)) {}
Fuser::~Fuser() = default;

Fuser::Parts::Parts(const graph::Graph& graph)
    : g(graph), elements(g.nodes.size()), definer(g.values.size(), never), readers(g.values.size()),
      memory(graph::memory_of(g)), is_output(g.values.size()), apart(memory) {
    std::vector<bool> outlives = graph::outlives_the_run(g, memory);
    ValueId outside = no_value;
    for (size_t v = 0; v < g.values.size(); ++v)
        if (outlives[size_t(memory[v])]) apart[v] = outside = outside == no_value ? memory[v] : outside;
    for (ValueId v : g.outputs) is_output[size_t(v)] = true;
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        const Node& node = g.nodes[i];
        auto touch = [&](ValueId v) {
            std::vector<size_t>& all = touchers[apart[size_t(v)]];
            if (all.empty() || all.back() != i) all.push_back(i);
        };
        graph::each_operand(node, [&](ValueId v) {
            readers[size_t(v)].push_back(i);
            touch(v);
        });
        graph::each_definition(node, [&](ValueId v) {
            definer[size_t(v)] = i;
            touch(v);
        });
        if (node.into != no_value) writers[apart[size_t(node.into)]].push_back(i);
        for (const graph::Change& c : node.changes) writers[apart[size_t(c.old_value)]].push_back(i);
    }
}

const char* Fuser::Parts::refuse(size_t i, const Call& call, bool planned, std::span<const Tensor> values) {
    const Node& node = g.nodes[i];
    Element& e = elements[i];
    if (node.results.size() != 1 || node.results[0] == no_value) return "its result is not named";
    const TensorImpl& result = *values[size_t(node.results[0])].impl();
    for (const graph::Argument& a : node.args)
        if (a.tag == graph::tag_value || a.tag == graph::tag_mixed) return "an argument is known only when it runs";
    if (node.into == no_value && !planned) return "its result is not certainly in memory of its own";
    if (!known(g[node.results[0]])) return "its shape is known only when it runs";
    if (!plain(result)) return "it keeps channels last";
    e.sizes = result.sizes;
    e.strides = result.strides;
    e.dtype = result.dtype;
    if (e.cast) {
        e.tile.inputs = 1;
    } else if (const char* why = describe_tile(call, e.dtype, e.tile)) {
        return why;
    }
    for (int k = 0; k < e.tile.inputs; ++k) {
        int argument = e.tile.in[k].argument;
        Region::Read& read = e.operands.emplace_back(no_value);
        if (!call.args[argument].is_tensor()) continue;
        const TensorImpl& t = call.tensor(argument);
        read = {node.args[size_t(argument)].values[0], t.sizes, t.strides};
        if (!known(g[read.value])) return "an operand's shape is known only when it runs";
        if (!plain(t)) return "an operand keeps channels last";
        if (node.into != no_value && read.value != node.into && may_share_memory(t, result))
            return "an operand lies in its destination";
    }
    if (node.into == no_value) return nullptr;
    const graph::ValueInfo& to = g[node.into];
    return to.sizes == e.sizes && to.dtype == e.dtype ? nullptr : "its destination takes another shape";
}

void Fuser::note(size_t i, const Call& call, bool planned, std::span<const Tensor> values) {
    static const Op* const to_dtype = find_op("to_dtype");
    Element& e = p_->elements[i];
    e.cast = &call.op == to_dtype;
    if (!e.cast && (call.op.kind != Kind::pointwise || call.op.compose)) return;
    e.why = call.passes_view ? "it gives its operand" : p_->refuse(i, call, planned, values);
    e.fusable = !e.why;
}

// ---- finding regions ------------------------------------------------------------------------------------------------

// Fusable nodes of the same shape that read what node `i` gives, or give what it reads. Is there any at all?
bool Fuser::Parts::neighbours(size_t i, std::vector<size_t>& out) const {
    bool any = false;
    auto look = [&](size_t n) {
        if (n == i || !elements[n].fusable || !(elements[n].sizes == elements[i].sizes)) return;
        any = true;
        if (elements[n].region == alone) out.push_back(n);
    };
    graph::each_operand(g.nodes[i], [&](ValueId v) {
        if (definer[size_t(v)] != never) look(definer[size_t(v)]);
    });
    graph::each_definition(g.nodes[i], [&](ValueId v) {
        for (size_t n : readers[size_t(v)]) look(n);
    });
    return any;
}

bool Fuser::Parts::is_read_outside(const std::vector<size_t>& nodes, ValueId v) const {
    const std::vector<size_t>& all = readers[size_t(v)];
    return is_output[size_t(v)] || std::any_of(all.begin(), all.end(), [&](size_t n) { return !within(nodes, n); });
}

// Has the result of node `i` to be in memory?
bool Fuser::Parts::outlasts(const std::vector<size_t>& nodes, size_t i) const {
    ValueId v = g.nodes[i].results[0];
    if (is_read_outside(nodes, v)) return true;
    size_t first = i;                                          // whose memory is it?
    while (g.nodes[first].into != no_value && given_within(nodes, g.nodes[first].into))
        first = definer[size_t(g.nodes[first].into)];
    if (g.nodes[first].into == no_value) return false;
    return std::none_of(readers[size_t(v)].begin(), readers[size_t(v)].end(),
                        [&](size_t n) { return g.nodes[n].into == v; });
}

// The node in whose place the others can run: after all that they read was given, before anybody else reads what they
// give. `never` where there is no such node.
size_t Fuser::Parts::anchor_of(const std::vector<size_t>& nodes) const {
    size_t end = never, anchor = never, begin = 0;
    for (size_t i : nodes) {
        for (size_t n : readers[size_t(g.nodes[i].results[0])])
            if (!within(nodes, n)) end = std::min(end, place(n));
        graph::each_operand(g.nodes[i], [&](ValueId v) {
            size_t d = definer[size_t(v)];
            if (d != never && !within(nodes, d)) begin = std::max(begin, place(d) + 1);
        });
    }
    for (size_t i : nodes)
        if (i >= begin && i < end) anchor = i;
    return anchor;
}

// Every read stays before or after the writes of that memory, as in the graph.
bool Fuser::Parts::keeps_order(const std::vector<size_t>& nodes, size_t anchor) const {
    for (size_t i : nodes) {
        bool ok = true;
        graph::each_operand(g.nodes[i], [&](ValueId v) {
            if (given_within(nodes, v)) return;
            auto found = writers.find(apart[size_t(v)]);
            if (found == writers.end()) return;
            for (size_t w : found->second)
                if (!within(nodes, w)) ok = ok && (i < w) == (anchor < place(w));
        });
        if (!ok || (g.nodes[i].into != no_value && !writes_alone(nodes, i, anchor))) return false;
    }
    return true;
}

// A node in place: within the region nobody else may read what it overwrites, and outside nobody may read it in another
// order than in the graph.
bool Fuser::Parts::writes_alone(const std::vector<size_t>& nodes, size_t writer, size_t anchor) const {
    ValueId to = g.nodes[writer].into;
    if (given_within(nodes, to)) return !is_read_outside(nodes, to);
    for (size_t i : nodes) {
        bool alone_there = true;
        graph::each_operand(g.nodes[i], [&](ValueId v) {
            bool other = v != to && !given_within(nodes, v);
            alone_there = alone_there && !(other && memory[size_t(v)] == memory[size_t(to)]);
        });
        if (!alone_there) return false;
    }
    for (size_t n : touchers.at(apart[size_t(to)]))
        if (!within(nodes, n) && (n < writer) != (place(n) < anchor)) return false;
    return true;
}

std::vector<size_t> Fuser::Parts::grow(size_t from) const {
    std::vector<size_t> nodes = {from};
    for (bool grown = true; grown && nodes.size() < most_nodes;) {
        grown = false;
        std::vector<size_t> candidates;
        for (size_t i : nodes) neighbours(i, candidates);
        std::sort(candidates.begin(), candidates.end());
        candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
        for (size_t c : candidates) {
            if (nodes.size() == most_nodes) break;
            if (within(nodes, c)) continue;
            std::vector<size_t> with = nodes;
            with.insert(std::upper_bound(with.begin(), with.end(), c), c);
            size_t anchor = anchor_of(with);
            if (anchor == never || !keeps_order(with, anchor)) continue;
            nodes = std::move(with);
            grown = true;
        }
    }
    return nodes;
}

// The region as a program; null where it would be too large.
std::shared_ptr<Region> Fuser::Parts::build(const std::vector<size_t>& nodes) const {
    const Dims& sizes = elements[nodes[0]].sizes;
    auto region = std::make_shared<Region>(sizes);
    region->nodes = nodes;
    std::map<ValueId, int> registers;
    auto read = [&](const Region::Read& r, DType t) {
        auto [known, fresh] = registers.try_emplace(r.value, 0);
        if (fresh) {
            known->second = region->program.input(t, broadcast_strides(r, sizes));
            region->reads.push_back(r);
        }
        return known->second;
    };
    for (size_t i : nodes) {
        const Element& e = elements[i];
        int in[4], out = 0;
        for (int k = 0; k < e.tile.inputs; ++k) {
            const Region::Read& r = e.operands[size_t(k)];
            const TileCall::Input& input = e.tile.in[k];
            if (r.value == no_value) in[k] = region->program.number(input.dtype, input.number);
            else in[k] = read(r, g[r.value].dtype);
            if (r.value != no_value && !e.cast) in[k] = region->program.cast(in[k], input.dtype);
        }
        if (e.cast) out = region->program.convert(in[0], e.dtype);
        else out = region->program.call(e.tile.fn, {in, size_t(e.tile.inputs)}, e.tile.gives, e.tile.params);
        if (!e.cast && e.tile.gives != e.dtype) out = region->program.convert(out, e.dtype);
        registers[g.nodes[i].results[0]] = out;
    }
    for (size_t i : nodes) {
        if (!outlasts(nodes, i)) continue;
        ValueId v = g.nodes[i].results[0], into = g.nodes[i].into;
        while (into != no_value && given_within(nodes, into)) into = g.nodes[definer[size_t(into)]].into;
        region->writes.push_back({v, into});
        if (region->reads.size() + region->writes.size() > TileProgram::max_memories) return nullptr;
        region->program.output(registers[v], elements[i].strides, into != no_value);
    }
    return region->reads.size() + region->writes.size() <= TileProgram::max_memories && region->program.finish()
               ? region
               : nullptr;
}

void Fuser::fuse(Plan& plan, std::vector<size_t>& last_use) {
    Parts& p = *p_;
    for (size_t i = 0; i < p.elements.size(); ++i) {
        if (!p.elements[i].fusable || p.elements[i].region != alone) continue;
        std::vector<size_t> nodes = p.grow(i);
        if (nodes.size() < 2) continue;
        size_t anchor = p.anchor_of(nodes);
        std::shared_ptr<Region> region = p.build(nodes);
        if (!region) continue;
        std::vector<ResultPlan> results;
        for (const Region::Write& w : region->writes) {
            if (w.into != no_value) continue;
            const Element& e = p.elements[p.definer[size_t(w.value)]];
            ResultPlan& r = results.emplace_back();
            r.value = w.value;
            r.geometry.sizes = e.sizes;
            r.geometry.strides = e.strides;
            r.geometry.dtype = e.dtype;
            r.geometry.strided = !(e.strides == contiguous_strides(e.sizes));
            r.bytes = size_t(checked_numel(e.sizes, "fusion") * size_of(e.dtype));
        }
        for (size_t n : nodes) {
            p.elements[n].region = int(p.regions.size());
            plan.steps[n].way = Way::fused;
            plan.steps[n].results.clear();
            graph::each_operand(p.g.nodes[n], [&](ValueId v) {
                size_t& last = last_use[size_t(v)];
                if (last != never) last = std::max(last, anchor);
            });
        }
        plan.steps[anchor].results = std::move(results);
        plan.steps[anchor].region = region;
        p.regions.push_back(std::move(region));
        p.anchors.push_back(anchor);
    }
}

// ---- telling --------------------------------------------------------------------------------------------------------

std::vector<std::string> Fuser::report() const {
    const Parts& p = *p_;
    std::vector<std::string> out;
    auto named = [&](size_t i) {
        const Node& node = p.g.nodes[i];
        bool has = !node.results.empty() && node.results[0] != no_value;
        return (has ? "%" + p.g[node.results[0]].name + " " : std::string()) + node.op->id;
    };
    for (const auto& region : p.regions) {
        std::string line = "fused: ";
        for (size_t i : region->nodes) line += (i == region->nodes[0] ? "" : ", ") + named(i);
        out.push_back(line + "; reads " + std::to_string(region->reads.size()) + ", writes " +
                      std::to_string(region->writes.size()));
    }
    for (size_t i = 0; i < p.elements.size(); ++i) {
        const Element& e = p.elements[i];
        if (e.region != alone || !(e.fusable || e.why) || (e.cast && e.why)) continue;
        std::vector<size_t> ignored;
        const char* why = e.why                        ? e.why
                          : !p.neighbours(i, ignored)  ? "no neighbour of its shape is element-wise"
                                                       : "something between it and its neighbours needs the order";
        out.push_back("not fused: " + named(i) + ": " + why);
    }
    return out;
}

}  // namespace rushlight::runtime
