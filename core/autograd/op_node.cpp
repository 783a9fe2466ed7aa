#include "autograd/op_node.h"

#include <bit>
#include <cstring>

#include "autograd/anomaly.h"
#include "autograd/primitives.h"
#include "registry/mode.h"

namespace rushlight::autograd {

thread_local PackFunction pack_saved = nullptr;

// ---- sentences -----------------------------------------------------------------------------------

void fail_modified(const std::string& node, const std::string& what, const TensorImpl& t, Stamp expected) {
    uint32_t version = t.storage->version();
    if (version == expected.version)
        fail(ErrorKind::runtime, node, ": ", what, ", now of shape ", t.sizes, ", was given other memory or "
             "another shape since it was saved for the gradient; use a new tensor instead");
    fail(ErrorKind::runtime, node, ": ", what, " of shape ", t.sizes, ", needed for the gradient, has been "
         "modified by an inplace operation: it is at version ", version, "; expected version ",
         expected.version, ". Use the out-of-place form of the operation that changed it, or change a "
         "clone(); autograd.set_detect_anomaly(True) shows where ", node, " was recorded");
}

void fail_modified_outside(const std::string& node, const std::string& what, const TensorImpl& t) {
    fail(ErrorKind::runtime, node, ": ", what, " of shape ", t.sizes, ", needed for the gradient, has been "
         "modified by an inplace operation of another library through memory that it shares (NumPy, DLPack); "
         "change a copy instead");
}

void fail_second_walk(const std::string& node) {
    fail(ErrorKind::runtime, node, ": trying to backward through the graph a second time; its saved tensors "
         "were freed by the first backward() or grad(): give that one retain_graph=True");
}

void require_savable(const TensorImpl& t, const char* op) {
    require(!t.inference, ErrorKind::runtime, op, ": an argument of shape ", t.sizes,
            " was made in inference_mode and can't be saved for the gradient; use a clone() of it, or "
            "no_grad() instead of inference_mode()");
}

static std::string camel_case(std::string_view id) {
    std::string out;
    bool start = true;
    for (char c : id) {
        if (c == '_') start = true;
        else out += start ? char(std::toupper(c)) : c, start = false;
    }
    return out;
}

std::string OpNode::name() const {
    std::string_view id = op_.id;
    if (id == "restride") id = "as_strided";             // the public name of the same view
    return camel_case(id) + "Backward0";
}

// ---- recording -----------------------------------------------------------------------------------

namespace {

size_t words_for(size_t bytes) { return (bytes + 7) / 8; }
size_t shape_words(const TensorImpl& t, bool geometry) {
    return 1 + size_t(t.rank()) * (geometry ? 2 : 1) + (geometry ? 1 : 0);
}

void write_shape(int64_t*& at, const TensorImpl& t, bool geometry) {
    *at++ = int64_t(t.dtype) << 8 | t.rank();
    for (int64_t s : t.sizes) *at++ = s;
    if (!geometry) return;
    *at++ = t.offset;
    for (int64_t s : t.strides) *at++ = s;
}

// A copy of a list or text in the payload. Empty ones have no address to copy from.
template <class T>
const T* write_list(int64_t*& at, const T* from, size_t bytes) {
    auto* to = reinterpret_cast<T*>(at);
    if (bytes) std::memcpy(to, from, bytes);
    at += words_for(bytes);
    return to;
}

void read_shape(const int64_t*& at, InputMeta& meta, bool geometry) {
    int rank = int(*at & 0xff);
    meta.dtype = DType(*at++ >> 8);
    meta.sizes.assign(at, rank);
    at += rank;
    if (!geometry) return;
    meta.offset = *at++;
    meta.strides.assign(at, rank);
    at += rank;
}

void set_meta(InputMeta& meta, const TensorImpl& t, bool geometry) {
    meta.sizes = t.sizes;
    meta.dtype = t.dtype;
    if (geometry) meta.strides = t.strides, meta.offset = t.offset;
}

template <class F>
void each_bit(uint64_t mask, F&& f) {
    for (; mask; mask &= mask - 1) f(std::countr_zero(mask));
}

}  // namespace

OpNode::Layout OpNode::plan(const Call& call) {
    const Op& op = call.op;
    Layout l;
    l.params = uint32_t(op.parsed.params.size());
    each_bit(op.tensor_params, [&](int i) {
        const Value& v = call.args[i];
        if (v.tag == Tag::tensor) {
            l.tensors |= uint64_t(1) << i;
            ++l.edges;
            if (v.tensor_->tracked()) l.needed |= uint64_t(1) << i;
        } else if (v.tag == Tag::tensors) {
            l.tensors |= uint64_t(1) << i;
            l.list_param = i;
            for (TensorImpl* t : v.to_tensors()) {
                ++l.edges;
                if (t->tracked()) l.needed |= uint64_t(1) << i;
            }
        }
    });
    l.saved = op.saved_inputs;
    for (auto [param, other] : op.saved_if)
        if (other < 0 ? !call.args[~other].to_bool() : l.needed >> other & 1) l.saved |= uint64_t(1) << param;
    l.saved &= l.tensors;
    bool geometry = op.derivative.reads_geometry;
    for (uint32_t i = 0; i < l.params; ++i) {
        const Value& v = call.args[i];
        switch (v.tag) {
            case Tag::tensor: l.payload += shape_words(*v.tensor_, geometry); break;
            case Tag::tensors:
                l.payload += size_t(v.tensors_.n) * 2 + 1;
                for (TensorImpl* t : v.to_tensors()) l.payload += shape_words(*t, geometry);
                break;
            case Tag::ints: l.payload += size_t(v.ints_.n); break;
            case Tag::reals: l.payload += size_t(v.reals_.n); break;
            case Tag::string: l.payload += words_for(v.string_.n); break;
            default: break;
        }
    }
    for (bool kept : op.saves_result) l.results_kept += kept;
    return l;
}

OpNode::OpNode(const Op& op, const Layout& l, size_t bytes)
    : Node(uint32_t(bytes), next_sequence()), op_(op), needed_(l.needed), saved_(l.saved),
        tensors_(l.tensors), list_param_(int8_t(l.list_param)),
      param_count_(uint8_t(l.params)), results_kept_(uint8_t(l.results_kept)) {
    char* at = reinterpret_cast<char*>(this) + sizeof(OpNode);
    edges_ = reinterpret_cast<Edge*>(at);
    edge_count_ = l.edges;
    for (uint32_t i = 0; i < l.edges; ++i) new (edges_ + i) Edge;
    at += l.edges * sizeof(Edge);
    args_ = reinterpret_cast<Value*>(at);
    at += l.params * sizeof(Value);
    stamps_ = reinterpret_cast<Stamp*>(at);
    at += l.params * sizeof(Stamp);
    results_ = reinterpret_cast<KeptResult*>(at);
    at += l.results_kept * sizeof(KeptResult);
    payload_ = reinterpret_cast<int64_t*>(at);
    // A half-filled node must be able to go: nothing is kept yet.
    for (uint32_t i = 0; i < l.params; ++i) new (args_ + i) Value;
    for (uint32_t i = 0; i < l.results_kept; ++i) new (results_ + i) KeptResult{nullptr, {}, 0};
}

Ref<Node> OpNode::make(Call& call) {
    Layout l = plan(call);
    size_t bytes = sizeof(OpNode) + l.edges * sizeof(Edge) + l.params * (sizeof(Value) + sizeof(Stamp)) +
                   l.results_kept * sizeof(KeptResult) + l.payload * sizeof(int64_t);
    auto* node = new (take_node_memory(bytes)) OpNode(call.op, l, bytes);
    Ref<Node> owner(node);
    node->fill(call);
    return owner;
}

// Keeps `t` under `key`: in *place, or packed. `*place` stays null when it is packed.
void OpNode::keep(const Call& call, int key, TensorImpl* t, TensorImpl** place, Stamp* stamp) {
    *place = nullptr;
    if (!t) return;
    keeps_ = true;
    require_savable(*t, call.name());
    bool overwritten = key >= 0 && call.in_place && t->storage == call.destination->storage;
    if (overwritten && t == call.destination) t = call.original.impl();
    t->storage->notice_outside_writes();
    *stamp = Stamp::of(*t);
    if (overwritten && t->storage == call.destination->storage && may_share_memory(*t, *call.destination))
        --stamp->version;                                // it holds new values already
    bool watched = t->storage->written_elsewhere();
    if (pack_saved || watched) [[unlikely]] {
        if (!rare_) rare_ = std::make_unique<Rare>();
        if (pack_saved) {
            rare_->entries.push_back({key, 0, false, pack_saved(Tensor(t))});
            return;
        }
        rare_->entries.push_back({key, fingerprint(*t), true, nullptr});
    }
    t->storage->note_saved();
    t->retain();
    *place = t;
}

// A list becomes its tensors and their stamps in the payload.
void OpNode::keep_list(Call& call, Value& v, int64_t*& payload) {
    auto** list = reinterpret_cast<TensorImpl**>(payload);
    auto* stamps = reinterpret_cast<Stamp*>(payload + v.tensors_.n);
    TensorImpl* const* given = v.tensors_.data;
    int64_t n = v.tensors_.n;
    payload += 2 * n;
    for (int64_t i = 0; i < n; ++i) list[i] = nullptr;
    v.tensors_.data = list;
    if (!(saved_ >> list_param_ & 1)) return;
    for (int64_t i = 0; i < n; ++i) keep(call, max_params + int(i), given[i], &list[i], &stamps[i]);
}

void OpNode::fill(Call& call) {
    uint32_t edge = 0;
    each_bit(tensors_, [&](int i) {
        for (TensorImpl* t : call.args[i].to_tensors()) edges_[edge++] = gradient_edge(*t);
    });
    int64_t* payload = payload_;
    for (int i = 0; i < param_count_; ++i) {
        Value v = call.args[i];
        switch (v.tag) {
            case Tag::tensor:
                if (saved_ >> i & 1) keep(call, i, v.tensor_, &args_[i].tensor_, &stamps_[i]);
                if (saved_ >> i & 1 && args_[i].tensor_) args_[i].tag = Tag::tensor;
                continue;
            case Tag::tensors: keep_list(call, v, payload); break;
            case Tag::generator: v = Value(); break;
            case Tag::ints:
                v.ints_.data = write_list(payload, v.ints_.data, size_t(v.ints_.n) * 8);
                break;
            case Tag::reals:
                v.reals_.data = write_list(payload, v.reals_.data, size_t(v.reals_.n) * 8);
                break;
            case Tag::string:
                v.string_.data = write_list(payload, v.string_.data, v.string_.n);
                break;
            default: break;
        }
        args_[i] = v;
    }
    shapes_ = payload;
    bool geometry = op_.derivative.reads_geometry;
    each_bit(tensors_, [&](int i) {
        const Value& v = call.args[i];
        if (v.tag == Tag::tensor && args_[i].tag != Tag::tensor) write_shape(payload, *v.tensor_, geometry);
        if (v.tag != Tag::tensors) return;
        for (TensorImpl* t : v.to_tensors()) write_shape(payload, *t, geometry);
    });
    if (!call.list.empty()) result_count_ = uint32_t(call.list.size());
    else if (!call.destination) result_count_ = uint32_t(std::max(call.results, 1));
    keep_results(call);
    if (anomaly.enabled) [[unlikely]] note_origin(*this);
}

void OpNode::keep_results(Call& call) {
    int kept = 0;
    for (uint32_t slot = 0; kept < results_kept_; ++slot) {
        if (!op_.saves_result[slot]) continue;
        const Tensor& t = call.out[slot];
        Tensor copy = alias(t, t.sizes(), t.strides(), t->offset);
        KeptResult& r = results_[kept++];
        r.slot = slot;
        keep(call, -1 - int(slot), copy.impl(), &r.alias, &r.stamp);
    }
}

void OpNode::cut_history_of(const TensorImpl& t) {
    std::lock_guard guard(lock_);
    if (freed_) return;
    auto cut = [&](TensorImpl*& kept) {
        if (!kept || (kept != &t && kept->base.get() != &t)) return;
        Tensor plain = detach(Tensor(kept));
        plain->generation = kept->generation;
        Ref<TensorImpl>::adopt(std::exchange(kept, plain.detach_reference()));
    };
    each_bit(saved_, [&](int i) {
        Value& v = args_[i];
        if (v.tag == Tag::tensor) cut(v.tensor_);
        if (v.tag == Tag::tensors)
            for (int64_t k = 0; k < v.tensors_.n; ++k) cut(const_cast<TensorImpl**>(v.tensors_.data)[k]);
    });
}

void OpNode::drop_saved() {
    auto drop = [](TensorImpl* t) { Ref<TensorImpl>::adopt(t); };
    each_bit(saved_, [&](int i) {
        Value& v = args_[i];
        if (v.tag == Tag::tensor) {
            drop(v.tensor_);
            v = Value();
        } else if (v.tag == Tag::tensors) {
            for (int64_t k = 0; k < v.tensors_.n; ++k)
                drop(std::exchange(const_cast<TensorImpl**>(v.tensors_.data)[k], nullptr));
        }
    });
    for (int i = 0; i < results_kept_; ++i) drop(std::exchange(results_[i].alias, nullptr));
    rare_ = nullptr;
}

OpNode::~OpNode() {
    if (!freed_) drop_saved();
    for (uint32_t i = 0; i < edge_count_; ++i) edges_[i].~Edge();
}

// ---- walking -------------------------------------------------------------------------------------

// The saved values of a node for the length of one derivative: taken out of it, or shared with it when the
// graph is kept.
class Unpacked {
public:
    Unpacked(OpNode& node, const Pass& pass) : node_(node), create_graph_(pass.create_graph) {
        if (!node.keeps_) {
            copy_args();
            return;
        }
        std::lock_guard guard(node.lock_);
        if (node.freed_) fail_second_walk(node.name());
        node.verify_all();
        copy_args();                     // with the lock: cut_history_of() exchanges what the node keeps
        take_note();
        if (pass.keep_graph) {
            each([](TensorImpl* t) { t->retain(); });
            packed_ = node.rare_ ? *node.rare_ : OpNode::Rare();
        } else {
            node.freed_ = true;                          // its references are this object's from here on
            if (node.rare_) packed_ = std::move(*node.rare_);
        }
    }

    ~Unpacked() {
        each([](TensorImpl* t) { Ref<TensorImpl>::adopt(t); });
    }

    Unpacked(const Unpacked&) = delete;
    Unpacked& operator=(const Unpacked&) = delete;

    // Completes the arguments by what hooks packed: user code, and so not under the lock.
    void open() {
        for (int i = 0; i < node_.results_kept_; ++i)
            if (uint32_t slot = node_.results_[i].slot; results_[i])
                results[slot] = with_history(Tensor(results_[i]), slot);
        for (const auto& e : packed_.entries) {
            if (!e.packed) continue;
            Tensor t = e.packed->unpack();
            require(t.defined(), ErrorKind::runtime, node_.name(), ": an unpack hook returned no tensor");
            if (e.key >= 0 && create_graph_) t = with_origin(t, node_.edges_[node_.edge_of(e.key)]);
            unpacked_.push_back(t);
            if (e.key < 0) results[-1 - e.key] = with_history(t, uint32_t(-1 - e.key));
            else if (e.key < max_params) open_args_[e.key] = t.impl();
            else list_[size_t(e.key - max_params)] = t.impl();
        }
        for (int i = 0; i < node_.param_count_; ++i)
            if (open_args_[i]) args[i] = Value(open_args_[i]);
    }

    Value args[max_params];
    Tensor results[4];

private:
    void copy_args() { std::memcpy(static_cast<void*>(args), node_.args_, node_.param_count_ * sizeof(Value)); }

    // The tensors that are this object's share; a list moves out of the node's reach.
    void take_note() {
        each_bit(node_.saved_, [&](int i) {
            if (args[i].tag == Tag::tensor) owned_[owned_count_++] = args[i].tensor_;
            if (args[i].tag != Tag::tensors) return;
            list_.assign(args[i].tensors_.data, args[i].tensors_.data + args[i].tensors_.n);
            owned_list_ = list_;
            args[i].tensors_.data = list_.data();
        });
        for (int i = 0; i < node_.results_kept_; ++i) owned_[owned_count_++] = results_[i] = node_.results_[i].alias;
    }

    template <class F>
    void each(F&& f) {
        for (int i = 0; i < owned_count_; ++i) if (owned_[i]) f(owned_[i]);
        for (TensorImpl* t : owned_list_) if (t) f(t);
    }

    // An unpacked input comes from where the packed one came from.
    static Tensor with_origin(const Tensor& t, const Edge& from) {
        Tensor input = detach(t);
        if (from.node) set_history(*input.impl(), from.node, from.slot);
        return input;
    }

    // A saved result takes part in a recorded derivative as the result it is.
    Tensor with_history(const Tensor& t, uint32_t slot) {
        if (!create_graph_) return t;
        Tensor result = alias(t, t.sizes(), t.strides(), t->offset);
        set_history(*result.impl(), Ref<Node>(&node_), slot);
        return result;
    }

    OpNode& node_;
    bool create_graph_;
    int owned_count_ = 0;
    TensorImpl* owned_[max_params + 4];
    TensorImpl* results_[4] = {};
    TensorImpl* open_args_[max_params] = {};
    std::vector<TensorImpl*> list_, owned_list_;
    std::vector<Tensor> unpacked_;
    OpNode::Rare packed_;
};

uint32_t OpNode::edge_of(int key) const {
    int param = key < max_params ? key : list_param_;
    uint32_t edge = key < max_params ? 0 : uint32_t(key - max_params);
    each_bit(tensors_ & ((uint64_t(1) << param) - 1), [&](int i) {
        edge += args_[i].tag == Tag::tensors ? uint32_t(args_[i].tensors_.n) : 1;
    });
    return edge;
}

std::string OpNode::describe(int key) const {
    const Signature& s = op_.parsed;
    if (key < 0) return "result " + std::to_string(-1 - key);
    if (key < max_params) return "argument '" + s.params[size_t(key)].name + "'";
    return "argument '" + s.params[size_t(list_param_)].name + "'[" + std::to_string(key - max_params) + "]";
}

void OpNode::verify(int key, const TensorImpl& t, Stamp stamp) const {
    t.storage->notice_outside_writes();
    if (Stamp::of(t) != stamp) fail_modified(name(), describe(key), t, stamp);
    if (!rare_) return;
    for (const auto& e : rare_->entries)
        if (e.key == key && e.has_fingerprint && fingerprint(t) != e.fingerprint)
            fail_modified_outside(name(), describe(key), t);
}

void OpNode::verify_all() const {
    each_bit(saved_, [&](int i) {
        const Value& v = args_[i];
        if (v.tag == Tag::tensor) verify(i, *v.tensor_, stamps_[i]);
        if (v.tag != Tag::tensors) return;
        auto* stamps = reinterpret_cast<const Stamp*>(v.tensors_.data + v.tensors_.n);
        for (int k = 0; k < int(v.tensors_.n); ++k)
            if (v.tensors_.data[k]) verify(max_params + k, *v.tensors_.data[k], stamps[k]);
    });
    for (int i = 0; i < results_kept_; ++i)
        if (results_[i].alias) verify(-1 - int(results_[i].slot), *results_[i].alias, results_[i].stamp);
}

// Brings a gradient to the shape and dtype of the input it is for.
Tensor OpNode::match(Tensor g, const InputMeta& meta) const {
    if (g.sizes() != meta.sizes) g = primitive::sum_to(g, meta.sizes);
    if (g.dtype() == meta.dtype) return g;
    if (is_complex(g.dtype()) && !is_complex(meta.dtype))
        g = primitive::select_last(primitive::view_as_real(g), 0);
    return g.dtype() == meta.dtype ? g : primitive::to_dtype(g, meta.dtype);
}

// The shapes of the tensor arguments; only as many are made as there are parameters.
struct OpNode::Shapes {
    explicit Shapes(int count) : n(count) { std::uninitialized_default_construct_n(at, n); }
    ~Shapes() { std::destroy_n(at, n); }
    alignas(InputMeta) std::byte room[sizeof(InputMeta) * max_params];
    InputMeta* at = reinterpret_cast<InputMeta*>(room);
    int n;
    std::vector<InputMeta> list;
};

void OpNode::read_shapes(const Value* kept, Shapes& shapes) const {
    bool geometry = op_.derivative.reads_geometry;
    const int64_t* at = shapes_;
    each_bit(tensors_, [&](int i) {
        if (kept[i].tag == Tag::tensor) {
            set_meta(shapes.at[i], *kept[i].tensor_, geometry);
        } else if (kept[i].tag == Tag::none) {
            read_shape(at, shapes.at[i], geometry);
        } else {
            std::vector<InputMeta> list(static_cast<size_t>(kept[i].tensors_.n));
            for (InputMeta& m : list) read_shape(at, m, geometry);
            if (i == list_param_) shapes.list = std::move(list);
        }
    });
}

void OpNode::apply(std::span<Tensor> grads, std::span<Tensor> out, const Pass& pass) {
    bool any = false;
    for (const Tensor& g : grads) any = any || g.defined();
    // an in-place call without derivative passes nothing on
    if (!any || !op_.derivative.vjp) return;
    Unpacked values(*this, pass);
    Shapes shapes(param_count_);
    read_shapes(values.args, shapes);
    values.open();
    Tensor into[max_params];
    std::vector<Tensor> into_list(shapes.list.size());
    Vjp d{op_, values.args, grads, values.results, {shapes.at, param_count_}, needed_, pass.create_graph,
            {into, param_count_}, shapes.list, &into_list};
    op_.derivative.vjp(d);
    uint32_t edge = 0;
    auto give = [&](Tensor& g, const InputMeta& meta) {
        if (g.defined() && edges_[edge].node) out[edge] = match(std::move(g), meta);
    };
    each_bit(tensors_, [&](int i) {
        if (args_[i].tag != Tag::tensors) {
            give(into[i], shapes.at[i]);
            ++edge;
            return;
        }
        for (size_t k = 0; k < size_t(args_[i].tensors_.n); ++k, ++edge)
            if (i == list_param_ && k < into_list.size()) give(into_list[k], shapes.list[k]);
    });
}

}  // namespace rushlight::autograd
