#include "runtime/fusion.h"

#include <algorithm>
#include <bit>
#include <map>

#include "registry/watch.h"
#include "runtime/plan.h"
#include "tensor/arranged.h"

namespace rushlight::runtime {

using graph::Node;

namespace {

using kernels::Reduction;

constexpr size_t most_nodes = 24;
constexpr int alone = -1;

enum class Does : uint8_t { other, call, cast, reduce };

// What a region works on: all elements, and what their trailing dimensions were reduced to.
struct Shape {
    Dims sizes;
    int reduced = 0;

    int outer() const { return sizes.size() - reduced; }
    Dims kept() const {
        Dims out = sizes;
        for (int d = outer(); d < out.size(); ++d) out[d] = 1;
        return out;
    }
    Dims dropped() const { return Dims(std::span<const int64_t>(sizes.data(), size_t(outer()))); }
    bool is_row(const Dims& of) const { return reduced && (of == kept() || of == dropped()); }
    // Does a row's one element stand beside all elements of the row, when tensors of these sizes meet?
    bool spreads(const Dims& of) const { return of == kept() || of.empty(); }
    int64_t row() const {
        int64_t n = 1;
        for (int d = outer(); d < sizes.size(); ++d) n *= sizes[d];
        return n;
    }
    bool is_long() const { return row() > TileProgram::most_of_a_row; }
};

struct Element {                                  // an element-wise node or a reduction, as the run found it
    Does does = Does::other;
    bool fusable = false;
    bool kept = false;                            // its result and operands are kept with the channels last
    const char* why = nullptr;                    // it can't be fused; null of other nodes
    TileCall tile;
    Reduction reduction = Reduction::sum;
    Shape shape;                                  // of a reduction: what it works on
    DType dtype = DType::float32;
    Dims sizes, strides;                          // of the result
    std::vector<Region::Read> operands;           // one for each input of the tile; no_value of a number
    int region = alone;
};

bool known(const graph::ValueInfo& v) { return v.is_tensor() && v.sized && !v.sizes.contains(graph::unknown_size); }

bool plain(const TensorImpl& t) {
    return t.storage->arrangement() == Arrangement::plain && !t.storage->entangled();
}

bool lies_as(const TensorImpl& t, bool kept) {
    return kept && t.numel != 1 ? keeps_channels_last(t) && !t.storage->entangled() : plain(t);
}

// Memories kept with the channels last, which stay so as long as this lives.
class Held {
public:
    ~Held() { for (int i = 0; i < count_; ++i) all_[i]->release_arranged(); }
    // Null where they are kept so no more.
    void* read(TensorImpl& t) {
        if (t.numel == 1) return t.data();
        void* data = t.storage->hold_arranged();
        if (data) all_[count_++] = t.storage.get();
        return data;
    }
    void* write(TensorImpl& t) {
        if (keeps_channels_last(t)) return read(t);
        void* data = t.data();
        t.storage->set_channels_last(t.sizes[0], t.sizes[1], spatial_of(t), int(size_of(t.dtype)));
        return data;
    }

private:
    Storage* all_[TileProgram::max_memories];
    int count_ = 0;
};

// Strides that walk a tensor as one of shape `sizes`, and `more` dimensions after those as one element.
Dims broadcast_strides(const Dims& own, const Dims& strides, const Dims& sizes, int more) {
    Dims out(sizes.size() + more, 0);
    int shift = sizes.size() - own.size();
    for (int i = shift; i < sizes.size(); ++i) out[i] = own[i - shift] == 1 ? 0 : strides[i - shift];
    return out;
}

bool reduction_named(std::string_view id, Reduction& op) {
    static const std::map<std::string_view, Reduction> names = {
        {"sum", Reduction::sum}, {"mean", Reduction::mean}, {"prod", Reduction::prod}, {"amax", Reduction::amax},
        {"amin", Reduction::amin}, {"all", Reduction::all}, {"any", Reduction::any}};
    auto found = names.find(id);
    if (found != names.end()) op = found->second;
    return found != names.end();
}

// How many dimensions, counted from the last, a reduction's argument names; -1 where those are not the trailing ones.
int trailing(const Value& dim, int rank) {
    if (dim.is_none() || (dim.tag == Tag::ints && dim.to_ints().empty())) return rank;
    uint64_t mask = 0;
    auto add = [&](int64_t d) { mask |= uint64_t(1) << (d < 0 ? d + rank : d); };
    if (dim.tag == Tag::ints)
        for (int64_t d : dim.to_ints()) add(d);
    else add(dim.to_int());
    int count = std::popcount(mask);
    return mask == ((uint64_t(1) << count) - 1) << (rank - count) ? count : -1;
}

}  // namespace

// ---- running --------------------------------------------------------------------------------------------------------

bool Region::fits(std::span<const Tensor> tensors) const {
    for (const Read& r : reads) {
        const TensorImpl& t = *tensors[size_t(r.value)].impl();
        if (!lies_as(t, kept) || !(t.strides == r.strides)) return false;
    }
    for (const Write& w : writes) {
        if (w.into == no_value) continue;
        const TensorImpl& to = *tensors[size_t(w.into)].impl();
        if (!lies_as(to, kept) || to.storage->read_only() || to.inference) return false;
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

bool Region::run(std::span<const Tensor> tensors) const {
    void* memory[TileProgram::max_memories];
    Held held;
    int n = 0;
    for (const Read& r : reads) {
        TensorImpl& t = *tensors[size_t(r.value)].impl();
        memory[n] = kept ? held.read(t) : t.data();
        if (!memory[n++]) return false;
    }
    for (const Write& w : writes) {
        TensorImpl& t = *tensors[size_t(w.value)].impl();
        memory[n] = kept ? held.write(t) : t.data();
        if (!memory[n++]) return false;
        if (w.into != no_value) tensors[size_t(w.into)]->storage->bump();
    }
    if (watched(watch_events)) [[unlikely]] {
        events::Span span(events::intern(name), events::Kind::op);
        program.run(memory);
        return true;
    }
    program.run(memory);
    return true;
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
    const char* refuse_call(size_t i, const Call& call, const TensorImpl& result);
    const char* refuse_reduction(size_t i, const Call& call);
    const char* take_operand(size_t i, const Call& call, int argument);
    size_t place(size_t node) const {
        return elements[node].region == alone ? node : anchors[size_t(elements[node].region)];
    }
    Shape shape_of(size_t i) const {
        return elements[i].does == Does::reduce ? elements[i].shape : Shape{elements[i].sizes};
    }
    bool takes(Shape& shape, const std::vector<size_t>& nodes, size_t i, bool reductions) const;
    bool is_row(const Shape& shape, size_t i) const {
        return elements[i].does == Does::reduce || !(elements[i].sizes == shape.sizes);
    }
    void neighbours(size_t i, std::vector<size_t>& out) const;
    size_t anchor_of(const std::vector<size_t>& nodes) const;
    bool keeps_order(const std::vector<size_t>& nodes, size_t anchor) const;
    bool writes_alone(const std::vector<size_t>& nodes, size_t writer, size_t anchor) const;
    std::vector<size_t> grow(size_t from, Shape& shape, bool reductions) const;
    std::shared_ptr<Region> build(const std::vector<size_t>& nodes, const Shape& shape) const;
    std::shared_ptr<Region> region_from(size_t i) const;
    void take(Plan& plan, std::shared_ptr<Region> region, std::vector<size_t>& last_use);
    bool has_neighbour(size_t i) const;
    static std::vector<size_t> with(std::vector<size_t> nodes, size_t i) {
        nodes.insert(std::upper_bound(nodes.begin(), nodes.end(), i), i);
        return nodes;
    }
    static bool within(const std::vector<size_t>& nodes, size_t i) {
        return std::binary_search(nodes.begin(), nodes.end(), i);
    }
    bool given_within(const std::vector<size_t>& nodes, ValueId v) const {
        return definer[size_t(v)] != never && within(nodes, definer[size_t(v)]);
    }
    bool is_read_outside(const std::vector<size_t>& nodes, ValueId v) const;
    bool outlasts(const std::vector<size_t>& nodes, size_t i) const;
    class Builder;
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
    e.kept = e.does != Does::reduce && result.numel > 1 && lies_as(result, true);
    if (!e.kept && !plain(result)) return "it keeps channels last";
    e.sizes = result.sizes;
    e.strides = result.strides;
    e.dtype = result.dtype;
    if (e.does == Does::reduce) return refuse_reduction(i, call);
    return refuse_call(i, call, result);
}

const char* Fuser::Parts::take_operand(size_t i, const Call& call, int argument) {
    const TensorImpl& t = call.tensor(argument);
    ValueId v = g.nodes[i].args[size_t(argument)].values[0];
    elements[i].operands.push_back({v, t.sizes, t.strides});
    if (!known(g[v])) return "an operand's shape is known only when it runs";
    if (elements[i].kept && t.numel != 1 && !(t.sizes == elements[i].sizes)) return "an operand has another shape";
    return lies_as(t, elements[i].kept) ? nullptr : "some of its tensors keep channels last, others do not";
}

const char* Fuser::Parts::refuse_call(size_t i, const Call& call, const TensorImpl& result) {
    const Node& node = g.nodes[i];
    Element& e = elements[i];
    e.tile.inputs = 1;
    if (e.does == Does::call)
        if (const char* why = describe_tile(call, e.dtype, e.tile)) return why;
    bool any = false;
    for (int k = 0; k < e.tile.inputs; ++k) {
        int argument = e.tile.in[k].argument;
        if (!call.args[argument].is_tensor()) {
            e.operands.push_back({no_value});
            continue;
        }
        any = true;
        if (const char* why = take_operand(i, call, argument)) return why;
        if (node.into != no_value && e.operands.back().value != node.into &&
            may_share_memory(call.tensor(argument), result))
            return "an operand lies in its destination";
    }
    if (!any) return "it takes numbers only";
    if (node.into == no_value) return nullptr;
    const graph::ValueInfo& to = g[node.into];
    return to.sizes == e.sizes && to.dtype == e.dtype ? nullptr : "its destination takes another shape";
}

const char* Fuser::Parts::refuse_reduction(size_t i, const Call& call) {
    Element& e = elements[i];
    if (g.nodes[i].into != no_value) return "it writes into another tensor";
    if (const char* why = take_operand(i, call, 0)) return why;
    const TensorImpl& t = call.tensor(0);
    e.shape = {t.sizes, t.rank() ? trailing(call.args[1], t.rank()) : 0};
    if (e.shape.reduced <= 0) return "it reduces other dimensions than the last";
    if (t.numel == 0 || e.shape.row() < 2) return "there is nothing to reduce";
    if (is_complex(t.dtype) || !kernels::reduce_supports(e.reduction, t.dtype, e.dtype)) return "it casts first";
    return nullptr;
}

void Fuser::note(size_t i, const Call& call, bool planned, std::span<const Tensor> values) {
    static const Op* const to_dtype = find_op("to_dtype");
    Element& e = p_->elements[i];
    if (call.op.compose) return;
    if (&call.op == to_dtype) e.does = Does::cast;
    else if (call.op.kind == Kind::pointwise) e.does = Does::call;
    else if (call.op.kind == Kind::reduction && reduction_named(call.op.id, e.reduction)) e.does = Does::reduce;
    else return;
    e.why = call.passes_view ? "it gives its operand" : p_->refuse(i, call, planned, values);
    e.fusable = !e.why;
}

// ---- finding regions ------------------------------------------------------------------------------------------------

// Nodes that read what node `i` gives, or give what it reads, and are in no region.
void Fuser::Parts::neighbours(size_t i, std::vector<size_t>& out) const {
    auto look = [&](size_t n) {
        if (n != i && elements[n].fusable && elements[n].region == alone) out.push_back(n);
    };
    graph::each_operand(g.nodes[i], [&](ValueId v) {
        if (definer[size_t(v)] != never) look(definer[size_t(v)]);
    });
    graph::each_definition(g.nodes[i], [&](ValueId v) {
        for (size_t n : readers[size_t(v)]) look(n);
    });
}

bool Fuser::Parts::has_neighbour(size_t i) const {
    bool found = false;
    auto look = [&](size_t n) { found = found || (elements[n].fusable && elements[n].sizes == elements[i].sizes); };
    graph::each_operand(g.nodes[i], [&](ValueId v) {
        if (definer[size_t(v)] != never) look(definer[size_t(v)]);
    });
    for (size_t n : readers[size_t(g.nodes[i].results[0])]) look(n);
    return found;
}

// Does node `i` work on what the region works on? The first reduction says what a row is.
bool Fuser::Parts::takes(Shape& shape, const std::vector<size_t>& nodes, size_t i, bool reductions) const {
    const Element& e = elements[i];
    if (e.kept != elements[nodes[0]].kept) return false;
    if (e.does == Does::reduce) {
        if (!reductions || !(e.shape.sizes == shape.sizes)) return false;
        if (shape.reduced && shape.reduced != e.shape.reduced) return false;
        ValueId v = e.operands[0].value;
        if (e.shape.is_long() && (e.shape.outer() || !given_within(nodes, v))) return false;
        shape.reduced = e.shape.reduced;
        return true;
    }
    bool row = shape.is_row(e.sizes) && !(e.sizes == shape.sizes);
    if (!row && !(e.sizes == shape.sizes)) return false;
    if (row && shape.is_long()) return false;
    for (const Region::Read& r : e.operands) {
        if (r.value == no_value || !given_within(nodes, r.value)) continue;
        bool of_row = is_row(shape, definer[size_t(r.value)]);
        if (row ? !of_row || !(r.sizes == e.sizes || shape.outer() == 0)
                : of_row && (shape.is_long() || !shape.spreads(r.sizes)))
            return false;
    }
    for (size_t n : readers[size_t(g.nodes[i].results[0])]) {     // the same of those that came first
        if (!within(nodes, n)) continue;
        bool by_row = is_row(shape, n) && elements[n].does != Does::reduce;
        if (row ? by_row ? !(elements[n].sizes == e.sizes || shape.outer() == 0) : !shape.spreads(e.sizes) : by_row)
            return false;
    }
    return true;
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

std::vector<size_t> Fuser::Parts::grow(size_t from, Shape& shape, bool reductions) const {
    std::vector<size_t> nodes = {from};
    for (bool grown = true; grown && nodes.size() < most_nodes;) {
        grown = false;
        std::vector<size_t> candidates;
        for (size_t i : nodes) neighbours(i, candidates);
        std::sort(candidates.begin(), candidates.end());
        candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
        for (size_t c : candidates) {
            if (nodes.size() == most_nodes) break;
            Shape wider = shape;
            if (within(nodes, c) || !takes(wider, nodes, c, reductions)) continue;
            std::vector<size_t> more = with(nodes, c);
            size_t anchor = anchor_of(more);
            if (anchor == never || !keeps_order(more, anchor)) continue;
            nodes = std::move(more);
            shape = wider;
            grown = true;
        }
    }
    return nodes;
}

// Puts nodes into a region's program.
class Fuser::Parts::Builder {
public:
    Builder(const Parts& p, Region& region, const Shape& shape) : p_(p), region_(region), shape_(shape) {}

    void node(size_t i) {
        const Element& e = p_.elements[i];
        bool row = p_.is_row(shape_, i) && e.does != Does::reduce;
        TileProgram& program = region_.program;
        int in[4], out = 0;
        for (size_t k = 0; k < e.operands.size(); ++k) {
            const Region::Read& r = e.operands[k];
            const TileCall::Input& input = e.tile.in[k];
            if (r.value == no_value) in[k] = program.number(input.dtype, input.number);
            else in[k] = e.does == Does::call ? program.cast(operand(r, row, e), input.dtype) : operand(r, row, e);
        }
        if (e.does == Does::reduce) out = program.reduce(e.reduction, in[0], e.dtype);
        else if (e.does == Does::cast) out = program.convert(in[0], e.dtype);
        else out = program.call(e.tile.fn, {in, size_t(e.tile.inputs)}, e.tile.gives, e.tile.params);
        if (e.does == Does::call && e.tile.gives != e.dtype) out = program.convert(out, e.dtype);
        given_[p_.g.nodes[i].results[0]] = out;
    }

    void write(size_t i, ValueId into) {
        const Element& e = p_.elements[i];
        ValueId v = p_.g.nodes[i].results[0];
        region_.writes.push_back({v, into});
        Dims strides = p_.is_row(shape_, i) ? row_strides(e.sizes, e.strides, e.sizes) : e.strides;
        region_.program.output(given_.at(v), strides, into != no_value);
    }

private:
    // Of what one row has one element of.
    Dims row_strides(const Dims& own, const Dims& strides, const Dims& sizes) const {
        return broadcast_strides(own, strides, sizes, shape_.sizes.size() - sizes.size());
    }
    int operand(const Region::Read& r, bool row, const Element& reader) {
        auto found = given_.find(r.value);
        if (found != given_.end()) {
            bool of_row = p_.is_row(shape_, p_.definer[size_t(r.value)]);
            return of_row && !row ? region_.program.spread(found->second) : found->second;
        }
        auto [known, fresh] = read_.try_emplace({r.value, row}, 0);
        if (fresh) {
            Dims strides = row ? row_strides(r.sizes, r.strides, reader.sizes)
                               : broadcast_strides(r.sizes, r.strides, shape_.sizes, 0);
            known->second = region_.program.input(p_.g[r.value].dtype, strides, row);
            region_.reads.push_back(r);
        }
        return known->second;
    }

    const Parts& p_;
    Region& region_;
    const Shape& shape_;
    std::map<ValueId, int> given_;
    std::map<std::pair<ValueId, bool>, int> read_;
};

// The region as a program; null where it would be too large.
std::shared_ptr<Region> Fuser::Parts::build(const std::vector<size_t>& nodes, const Shape& shape) const {
    auto region = std::make_shared<Region>(shape.sizes, shape.reduced, elements[nodes[0]].kept);
    region->nodes = nodes;
    Builder builder(*this, *region, shape);
    for (size_t i : nodes) {
        builder.node(i);
        region->name += (region->name.empty() ? "fused: " : ", ") + std::string(g.nodes[i].op->id);
    }
    for (size_t i : nodes) {
        if (!outlasts(nodes, i)) continue;
        ValueId into = g.nodes[i].into;
        while (into != no_value && given_within(nodes, into)) into = g.nodes[definer[size_t(into)]].into;
        builder.write(i, into);
    }
    return region->program.finish() ? region : nullptr;
}

// The region that node `i` is in; null where it stays alone.
std::shared_ptr<Region> Fuser::Parts::region_from(size_t i) const {
    for (bool reductions : {true, false}) {
        Shape shape = shape_of(i);
        if (!reductions && shape.reduced) return nullptr;
        std::vector<size_t> nodes = grow(i, shape, reductions);
        if (nodes.size() < 2) return nullptr;
        if (auto region = build(nodes, shape)) return region;
        if (!shape.reduced) return nullptr;
    }
    return nullptr;
}

void Fuser::Parts::take(Plan& plan, std::shared_ptr<Region> region, std::vector<size_t>& last_use) {
    size_t anchor = anchor_of(region->nodes);
    std::vector<ResultPlan> results;
    for (const Region::Write& w : region->writes) {
        if (w.into != no_value) continue;
        const Element& e = elements[definer[size_t(w.value)]];
        ResultPlan& r = results.emplace_back();
        r.value = w.value;
        r.geometry.sizes = e.sizes;
        r.geometry.strides = e.strides;
        r.geometry.dtype = e.dtype;
        r.geometry.strided = !(e.strides == contiguous_strides(e.sizes));
        r.bytes = size_t(checked_numel(e.sizes, "fusion") * size_of(e.dtype));
    }
    for (size_t n : region->nodes) {
        elements[n].region = int(regions.size());
        plan.steps[n].way = Way::fused;
        plan.steps[n].results.clear();
        graph::each_operand(g.nodes[n], [&](ValueId v) {
            size_t& last = last_use[size_t(v)];
            if (last != never) last = std::max(last, anchor);
        });
    }
    plan.steps[anchor].results = std::move(results);
    plan.steps[anchor].region = region;
    regions.push_back(std::move(region));
    anchors.push_back(anchor);
}

void Fuser::fuse(Plan& plan, std::vector<size_t>& last_use) {
    Parts& p = *p_;
    for (size_t i = 0; i < p.elements.size(); ++i) {
        if (!p.elements[i].fusable || p.elements[i].region != alone) continue;
        if (auto region = p.region_from(i)) p.take(plan, std::move(region), last_use);
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
        bool asked = e.does == Does::call || (e.fusable && e.does == Does::cast);
        if (e.region != alone || !asked) continue;
        const char* why = e.why               ? e.why
                          : p.has_neighbour(i) ? "something between it and its neighbours needs the order"
                                               : "no neighbour of its shape is element-wise";
        out.push_back("not fused: " + named(i) + ": " + why);
    }
    return out;
}

}  // namespace rushlight::runtime
