#include "graph/capture.h"

#include <atomic>

#include "registry/mode.h"

namespace rushlight::graph {

namespace {

thread_local Capture* open_capture = nullptr;
std::atomic<int> open_captures{0};

constexpr ErrorKind refused = ErrorKind::runtime;

template <class F>
void each_tensor(const Call& c, F&& f) {
    for (size_t i = 0, n = c.op.parsed.params.size(); i < n; ++i)
        for (TensorImpl* t : c.args[i].to_tensors()) f(*t);
    if (c.destination) f(*c.destination);
}

// Autocast leads the call through casts to itself: both pass here again.
bool is_transparent(const Call& c) {
    return c.op.compose || (mode.autocast && c.op.autocast != Autocast::keep && !c.destination);
}

template <class F>
void each_result(const Call& c, F&& f) {
    if (c.op.parsed.returns_list) {
        for (const Tensor& t : c.list) f(t);
        return;
    }
    size_t n = c.out.size();
    while (n > 0 && !c.out[n - 1].defined()) --n;
    for (size_t i = 0; i < n; ++i) f(c.out[i]);
}

class Deeper {
public:
    explicit Deeper(int& depth) : depth_(depth) { ++depth_; }
    ~Deeper() { --depth_; }

private:
    int& depth_;
};

Dims shown_strides(const TensorImpl& t) { return t.contiguous ? Dims() : t.strides; }

}  // namespace

Capture::Capture(std::vector<std::pair<std::string, Tensor>> inputs,
                 std::vector<std::pair<std::string, Tensor>> known, Where where)
    : where_(std::move(where)), grad_(mode.grad) {
    require(!open_capture, refused, "capture: this thread captures a program already; expected one at a time");
    for (auto& [key, t] : known) {
        keys_.emplace(t.impl(), key);
        known_.emplace(t->storage.get(), t);
    }
    for (auto& [name, t] : inputs) {
        require(!seen_.contains(t.impl()), refused, "capture: inputs ", name, " and %",
                seen_.contains(t.impl()) ? g_[seen_.at(t.impl()).value].name : "", " are one tensor; expected two");
        ValueId v = g_.add_value(name, t.dtype(), t.sizes());
        g_.values.back().strides = shown_strides(*t.impl());
        g_.inputs.push_back(v);
        unsized_.push_back(false);
        remember(*t.impl(), v, false);
        ++regions_.at(t->storage.get()).inputs;
    }
    open_capture = this;
    call_capturer = observe;
    if (++open_captures == 1) watchers.fetch_or(watch_capture);
}

void Capture::close() {
    if (open_capture != this) return;
    open_capture = nullptr;
    if (--open_captures == 0) watchers.fetch_and(~uint32_t(watch_capture));
}

Capture* Capture::current() { return open_capture; }

void Capture::refuse(const char* what) {
    Capture* self = open_capture;
    if (self && self->refusal_.empty())
        self->refusal_ = std::string("capture: ") + what + " can't be captured (at " + self->where_() + ")";
}

void Capture::note_escape(const TensorImpl& t, const char* how) {
    Capture* self = open_capture;
    if (!self || self->depth_ > 0) return;
    auto found = self->regions_.find(t.storage.get());
    if (found == self->regions_.end() || found->second.constant) return;
    self->escapes_.push_back({how, self->where_()});
}

void Capture::note_shape(const TensorImpl& t) {
    Capture* self = open_capture;
    if (!self || self->depth_ > 0) return;
    auto found = self->seen_.find(&t);
    if (found != self->seen_.end() && self->unsized_[size_t(found->second.value)]) note_escape(t, "shape");
}

void Capture::observe(Call& c, void (*go)(Call&)) {
    if (open_capture && open_capture->depth_ == 0) open_capture->observe_here(c, go);
    else go(c);
}

void Capture::observe_here(Call& c, void (*go)(Call&)) {
    if (!refusal_.empty()) go(c);
    else if (!is_transparent(c)) run_primitive(c, go);
    else if (composite_) go(c);
    else run_composite(c, go);
}

// ---- what a tensor is -----------------------------------------------------------------------------------------------

void Capture::save(const TensorImpl* t) {
    if (!composite_) return;
    auto found = seen_.find(t);
    composite_->before.emplace_back(t, found == seen_.end() ? nullptr : std::make_unique<Seen>(found->second));
}

void Capture::save(Storage* s) {
    if (!composite_) return;
    auto found = regions_.find(s);
    composite_->regions.emplace_back(s, found == regions_.end() ? nullptr : std::make_unique<Region>(found->second));
}

// `t` is value `v` from now on.
void Capture::remember(TensorImpl& t, ValueId v, bool writes) {
    save(&t);
    save(t.storage.get());
    auto [at, fresh] = regions_.try_emplace(t.storage.get());
    Region& region = at->second;
    if (fresh) region.storage = t.storage;
    if (fresh || writes) region.newest = &t;
    region.version = t.storage->version();
    region.writes += writes;
    seen_[&t] = {Tensor(&t), v, t.storage.get(), t.sizes, t.strides, t.offset, t.dtype, region.writes};
}

ValueId Capture::new_value(const TensorImpl& t, bool sized) {
    ValueId v = g_.add_value(t);
    unsized_.resize(g_.values.size());
    unsized_[size_t(v)] = !sized;
    if (!sized) g_.values.back().sizes = Dims(t.rank(), unknown_size);
    return v;
}

ValueId Capture::add_constant(TensorImpl& t) {
    auto key = keys_.find(&t);
    std::string name = key != keys_.end() ? key->second : "constant." + std::to_string(g_.constants.size());
    ValueId v = new_value(t, true);
    g_.values.back().strides = shown_strides(t);
    for (char& ch : g_.values.back().name = "c_" + name)
        if (!isalnum(static_cast<unsigned char>(ch)) && ch != '_' && ch != '.') ch = '_';
    for (const Constant& other : g_.constants)
        if (g_[other.value].name == g_.values.back().name) g_.values.back().name += "." + std::to_string(v);
    g_.constants.push_back({v, name, Tensor(&t)});
    remember(t, v, false);
    regions_.at(t.storage.get()).constant = true;
    return v;
}

// The value that a tensor is at the moment; a constant where the program brought it from elsewhere.
ValueId Capture::value_of(TensorImpl& t, const char* who) {
    auto found = regions_.find(t.storage.get());
    if (found == regions_.end()) {
        if (composite_) composite_->broken = true;
        auto home = known_.find(t.storage.get());
        if (home == known_.end() || home->second.impl() == &t) return add_constant(t);
        add_constant(*home->second.impl());
        return value_of(t, who);
    }
    Region& region = found->second;
    require(region.version == t.storage->version(), refused, "capture: the tensor of shape ", t.sizes, " that ", who,
            " reads was changed by something that is no operator; expected changes by operators only (at ",
            where_(), ")");
    auto known = seen_.find(&t);
    if (known != seen_.end()) {
        const Seen& s = known->second;
        bool as_it_was = s.storage == t.storage.get() && s.sizes == t.sizes && s.strides == t.strides &&
                         s.offset == t.offset && s.dtype == t.dtype;
        if (as_it_was && (s.writes == region.writes || region.newest == &t)) return s.value;
    }
    return derive(t, region, who);
}

// A tensor over known memory that no operator gave, or whose memory was written since: a view of the newest value.
ValueId Capture::derive(TensorImpl& t, Region& region, const char* who) {
    static const Op& restride = *find_op("restride");
    const Seen& base = seen_.at(region.newest);
    require(region.inputs < 2, refused, "capture: two inputs share memory, and ", who,
            " reads a third view of it; expected inputs with memory of their own (at ", where_(), ")");
    require(base.storage == t.storage.get() && base.dtype == t.dtype, refused, "capture: ", who, " reads memory as ",
            name_of(t.dtype), " that was last written as ", name_of(base.dtype), " (at ", where_(), ")");
    bool same = base.sizes == t.sizes && base.strides == t.strides && base.offset == t.offset;
    if (same && !base.tensor->tracked()) {
        ValueId v = base.value;
        remember(t, v, false);
        return v;
    }
    Node node;
    node.op = &restride;
    node.recorded = t.tracked() || !base.tensor->tracked();
    node.args.resize(restride.parsed.params.size());
    node.args[0].tag = Tag::tensor;
    node.args[0].values = {base.value};
    auto ints = [](const Dims& d) {
        Argument a;
        a.tag = Tag::ints;
        a.ints.assign(d.begin(), d.end());
        return a;
    };
    node.args[1] = ints(t.sizes);
    node.args[2] = ints(t.strides);
    node.args[3].tag = Tag::integer;
    node.args[3].integer = t.offset - base.offset;
    node.args[4] = ints(base.strides);
    require(!unsized_[size_t(base.value)], refused, "capture: ", who,
            " reads a view of a tensor whose shape depends on values (at ", where_(), ")");
    ValueId v = new_value(t, true);
    node.results = {v};
    g_.nodes.push_back(std::move(node));
    remember(t, v, false);
    return v;
}

// ---- calls ----------------------------------------------------------------------------------------------------------

Argument Capture::argument(const Call& c, size_t i) {
    const Value& v = c.args[i];
    Argument a;
    a.tag = v.tag;
    switch (v.tag) {
        case Tag::none: break;
        case Tag::boolean: a.integer = v.boolean_; break;
        case Tag::integer: case Tag::natural: a.integer = v.integer_; break;
        case Tag::real: a.real = v.real_; break;
        case Tag::complex: a.real = v.complex_.re, a.imaginary = v.complex_.im; break;
        case Tag::dtype: a.dtype = v.dtype_; break;
        case Tag::string: a.text = v.to_string(); break;
        case Tag::ints: a.ints.assign(v.ints_.data, v.ints_.data + v.ints_.n); break;
        case Tag::reals: a.reals.assign(v.reals_.data, v.reals_.data + v.reals_.n); break;
        case Tag::tensor: case Tag::tensors:
            for (TensorImpl* t : v.to_tensors()) a.values.push_back(value_of(*t, c.op.id));
            break;
        case Tag::generator:
            fail(refused, "capture: ", c.op.id, " draws from a generator of its own; expected the default generator ",
                 "(at ", where_(), ")");
    }
    return a;
}

void Capture::resolve_all(const Call& c, Node& node) {
    node.op = &c.op;
    node.recorded = mode.grad || !grad_;
    node.source = where_();
    for (size_t i = 0; i < c.op.parsed.params.size(); ++i) node.args.push_back(argument(c, i));
    if (c.destination) node.into = value_of(*c.destination, c.op.id);
}

// False where the call can't be captured: from then on the program just runs.
bool Capture::resolved(const Call& c, Node& node) {
    try {
        resolve_all(c, node);
        return true;
    } catch (const Error& e) {
        refusal_ = e.text();
        return false;
    }
}

void Capture::call_through(Call& c, void (*go)(Call&)) {
    Deeper deeper(depth_);
    go(c);
}

void Capture::run_primitive(Call& c, void (*go)(Call&)) {
    Node node;
    if (!resolved(c, node)) return go(c);
    Versions versions;
    each_tensor(c, [&](TensorImpl& t) { versions.emplace_back(&t, t.storage->version()); });
    call_through(c, go);
    record(c, std::move(node), versions, false);
}

void Capture::record(Call& c, Node node, const Versions& versions, bool of_unsized) {
    bool sized = !of_unsized;
    for (size_t i = 0; i < c.out.size() && !c.op.compose && !c.op.parsed.returns_list; ++i) {
        const Tensor& t = c.out[i];                  // a kernel that finds the shape of its result gives another tensor
        sized = sized && (!t.defined() || t.sizes() == c.geometry[i].sizes || knows(t));
    }
    each_operand(node, [&](ValueId v) { sized = sized && !unsized_[size_t(v)]; });
    if (composite_) composite_->unsized = composite_->unsized || !sized;
    for (auto [t, version] : versions) {
        if (t == c.destination || t->storage->version() == version) continue;
        if (c.destination && t->storage.get() == c.destination->storage.get()) continue;
        if (regions_.at(t->storage.get()).version == t->storage->version()) continue;           // told already
        ValueId old = value_of_before(*t), now = new_value(*t, sized);
        node.changes.push_back({old, now});
        remember(*t, now, true);
    }
    bool first = true;
    each_result(c, [&](const Tensor& t) {
        bool written = std::exchange(first, false) && c.destination;
        ValueId v = t.defined() ? new_value(*t.impl(), sized) : no_value;
        node.results.push_back(v);
        if (v != no_value) remember(*t.impl(), v, written);
    });
    g_.nodes.push_back(std::move(node));
}

ValueId Capture::value_of_before(const TensorImpl& t) const { return seen_.at(&t).value; }

// A composite's own calls become the nodes. Where it turns out to make tensors past the funnel, it is one node instead.
void Capture::run_composite(Call& c, void (*go)(Call&)) {
    Node node;
    if (!resolved(c, node)) return go(c);
    Versions versions;
    each_tensor(c, [&](TensorImpl& t) { versions.emplace_back(&t, t.storage->version()); });
    Composite composite{g_.nodes.size(), g_.values.size(), g_.constants.size(), false, false, {}, {}};
    composite_ = &composite;
    try {
        go(c);
    } catch (...) {
        composite_ = nullptr;
        throw;
    }
    if (!refusal_.empty()) {
        composite_ = nullptr;
        return;
    }
    each_result(c, [&](const Tensor& t) {
        composite.broken = composite.broken || (t.defined() && !knows(t));
    });
    if (!composite.broken) each_tensor(c, [&](TensorImpl& t) {
        composite.broken = composite.broken || regions_.at(t.storage.get()).version != t.storage->version();
    });
    composite_ = nullptr;
    if (!composite.broken) return;
    if (mode.autocast) {
        refusal_ = std::string("capture: ") + c.op.id + " under autocast can't be captured (at " + where_() + ")";
        return;
    }
    roll_back(composite);
    record(c, std::move(node), versions, composite.unsized);
}

void Capture::roll_back(Composite& composite) {
    g_.nodes.resize(composite.nodes);
    g_.values.resize(composite.values);
    unsized_.resize(composite.values);
    g_.constants.resize(composite.constants);
    for (size_t i = composite.before.size(); i-- > 0;) {
        auto& [t, was] = composite.before[i];
        if (was) seen_[t] = std::move(*was);
        else seen_.erase(t);
    }
    for (size_t i = composite.regions.size(); i-- > 0;) {
        auto& [s, was] = composite.regions[i];
        if (was) regions_[s] = std::move(*was);
        else regions_.erase(s);
    }
}

// ---- the end --------------------------------------------------------------------------------------------------------

void Capture::check_versions() const {
    for (const auto& [storage, region] : regions_)
        require(region.version == storage->version(), refused, "capture: a tensor of shape ",
                seen_.at(region.newest).sizes, " was changed by something that is no operator; expected changes by ",
                "operators only");
}

Graph Capture::finish(const std::vector<Tensor>& outputs) {
    require(refusal_.empty(), refused, refusal_);
    check_versions();
    for (const Tensor& t : outputs) g_.outputs.push_back(value_of(*t.impl(), "return"));
    verify(g_);
    return std::move(g_);
}

}  // namespace rushlight::graph
