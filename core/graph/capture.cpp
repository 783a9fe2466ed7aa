#include "graph/capture.h"

#include <algorithm>
#include <atomic>

#include "registry/mode.h"
#include "tensor/life.h"

namespace rushlight::graph {

namespace {

thread_local Capture* open_capture = nullptr;
std::mutex captures_lock;                        // of what follows
std::vector<Capture*> open_captures;

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

Dims shown_strides(const TensorImpl& t) { return t.contiguous ? Dims() : t.strides; }

bool has_history(const TensorImpl& t) { return t.grad_fn || (t.tracked() && !t.requires_grad); }

Argument ints(const Dims& d) {
    Argument a;
    a.tag = Tag::ints;
    a.ints.assign(d.begin(), d.end());
    return a;
}

Argument tensor_argument(ValueId v) {
    Argument a;
    a.tag = Tag::tensor;
    a.values = {v};
    return a;
}

}  // namespace

// Where the tape and the memory tell of what passes the funnel by.
struct CaptureHooks {
    // Deaths in other threads are looked at before the next call and before something new is there, so that an address
    // is never taken for its former owner, nor its new owner for dead.
    static void tell_others(const TensorImpl* t, const Storage* s) {
        std::lock_guard guard(captures_lock);
        for (Capture* c : open_captures) {
            if (c == open_capture) continue;
            std::lock_guard inner(c->elsewhere_lock_);
            c->gone_elsewhere_.emplace_back(t, s);
        }
    }
    static void tensor_gone(const TensorImpl& t) {
        if (open_capture) open_capture->forget(&t);
        if (!open_capture || several) tell_others(&t, nullptr);
    }
    static void storage_gone(const Storage& s) {
        if (open_capture) open_capture->forget(&s);
        if (!open_capture || several) tell_others(nullptr, &s);
    }
    static void tensor_made(const TensorImpl& t) {
        if (!open_capture) return;
        open_capture->forget_elsewhere();
        open_capture->made_.insert(&t);
    }
    static void storage_made(const Storage& s) {
        Capture* c = open_capture;
        if (!c) return;
        c->forget_elsewhere();
        if (c->depth_ > 0 || c->composite_) c->made_inside_.insert(&s);
    }
    static void walk() {
        Capture* c = open_capture;
        if (!c) return;
        ++c->walks_;
        if (!c->call_on_tape_.empty() && c->refusal_.empty())
            c->refusal_ = "capture: the program walks backwards behind a call of a scripted program (at " +
                          c->call_on_tape_ + ") that goes other ways for other values";
    }
    static void gradient(TensorImpl& leaf, const Tensor& now, bool replaced) {
        if (open_capture && open_capture->refusal_.empty()) open_capture->look_at_gradient(leaf, now, replaced);
    }
    static void copied(TensorImpl& from, TensorImpl& to) {
        if (open_capture && open_capture->refusal_.empty()) open_capture->note_copy(from, to);
    }
    static void flagged(TensorImpl& leaf) {
        if (open_capture) open_capture->flags_.try_emplace(&leaf, leaf.requires_grad);
    }
    static void open();
    static std::atomic<bool> several;
};

std::atomic<bool> CaptureHooks::several{false};

// Other threads may read what was set when the first capture opened: it is never set again. Not inline: the statics of
// inline functions are one for all copies of this library that a process has loaded, and what they set is not.
void CaptureHooks::open() {
    static const LifeWatcher lives = {tensor_made, tensor_gone, storage_made, storage_gone};
    static const bool set = [] {
        capture_observer = {walk, gradient, copied, flagged};
        call_capturer = Capture::observe;
        return true;
    }();
    if (set) life_watcher = &lives;
}

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
        add_input(name, *t.impl());
        inputs_.push_back(t);
        outer_tape_ = outer_tape_ || has_history(*t.impl());
    }
    open_capture = this;
    std::lock_guard guard(captures_lock);
    open_captures.push_back(this);
    CaptureHooks::several = open_captures.size() > 1;
    CaptureHooks::open();
    watchers.fetch_or(watch_capture);
}

void Capture::close() {
    if (open_capture != this) return;
    open_capture = nullptr;
    std::lock_guard guard(captures_lock);
    std::erase(open_captures, this);
    CaptureHooks::several = open_captures.size() > 1;
    if (!open_captures.empty()) return;
    watchers.fetch_and(~uint32_t(watch_capture));
    life_watcher = nullptr;
}

ValueId Capture::add_input(const std::string& name, TensorImpl& t) {
    ValueId v = new_value(t, true);
    g_.values.back().name = named(name);
    g_.values.back().strides = shown_strides(t);
    g_.inputs.push_back(v);
    remember(t, v, false);
    ++regions_.at(t.storage.get()).inputs;
    return v;
}

int Capture::input_of(const TensorImpl& t) const {
    for (size_t i = 0; i < inputs_.size(); ++i)
        if (inputs_[i].impl() == &t) return int(i);
    return -1;
}

// A name as the graph's text may hold it, which no other input or constant has.
std::string Capture::named(std::string name) const {
    for (char& ch : name)
        if (!isalnum(static_cast<unsigned char>(ch)) && ch != '_' && ch != '.') ch = '_';
    bool taken = false;
    for (ValueId v : g_.inputs) taken = taken || g_[v].name == name;
    for (const Constant& c : g_.constants) taken = taken || g_[c.value].name == name;
    return taken ? name + "." + std::to_string(g_.values.size()) : name;
}

// ---- who comes and goes ---------------------------------------------------------------------------------------------

void Capture::forget(const TensorImpl* t) {
    made_.erase(t);
    slots_.erase(t);
    flags_.erase(t);
    auto found = seen_.find(t);
    if (found == seen_.end()) return;
    auto region = regions_.find(found->second.storage);
    if (region != regions_.end() && region->second.newest == t) region->second.newest = nullptr;
    seen_.erase(found);
    if (composite_)
        for (auto& entry : composite_->before)
            if (entry.first == t) entry.first = nullptr;
}

void Capture::forget(const Storage* s) {
    made_inside_.erase(s);
    if (regions_.erase(s) == 0 || !composite_) return;
    for (auto& entry : composite_->regions)
        if (entry.first == s) entry.first = nullptr;
}

void Capture::forget_elsewhere() {
    std::vector<std::pair<const TensorImpl*, const Storage*>> gone;
    {
        std::lock_guard guard(elsewhere_lock_);
        gone.swap(gone_elsewhere_);
    }
    for (auto [t, s] : gone) {                       // not under the lock: what is forgotten may be the last owner
        if (t) forget(t);
        if (s) forget(s);
    }
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
    if (found == self->regions_.end()) {
        if (!self->made_.contains(&t)) self->constant_escapes_.push_back({Tensor(const_cast<TensorImpl*>(&t)),
                                                                          {how, self->where_()}});
    } else if (found->second.constant) {
        self->constant_escapes_.push_back({Tensor(const_cast<TensorImpl*>(&t)), {how, self->where_()}});
    } else {
        self->escapes_.push_back({how, self->where_()});
    }
}

void Capture::note_shape(const TensorImpl& t) {
    Capture* self = open_capture;
    if (!self || self->depth_ > 0) return;
    auto found = self->seen_.find(&t);
    if (found != self->seen_.end() && self->unsized_[size_t(found->second.value)]) note_escape(t, "shape");
}

void Capture::note_offset(const TensorImpl& t, const char* how) {
    Capture* self = open_capture;
    if (!self || self->depth_ > 0) return;
    auto found = self->regions_.find(t.storage.get());
    if (found != self->regions_.end() && found->second.inputs > 0) self->escapes_.push_back({how, self->where_()});
}

void Capture::note_function(const std::string& name) {
    if (open_capture) open_capture->functions_.push_back(name);
}

void Capture::observe(Call& c, void (*go)(Call&)) {
    if (open_capture && open_capture->depth_ == 0) open_capture->observe_here(c, go);
    else go(c);
}

void Capture::observe_here(Call& c, void (*go)(Call&)) {
    static const Op& as_strided = *find_op("as_strided");
    forget_elsewhere();
    if (&c.op == &as_strided && !c[3].is_none()) note_offset(c.tensor(0), "as_strided");
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

void Capture::save(const Storage* s) {
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
    region.version = t.storage->version();
    region.writes += writes;
    Seen& seen = seen_[&t] = {v, t.storage.get(), t.sizes, t.strides, t.offset, t.dtype, region.writes, t.tracked()};
    if (!fresh && !writes) return;
    region.newest = &t;
    region.newest_seen = seen;
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
    // What Python has never seen and this call made is a number of some derivative's.
    const char* kind = made_.contains(&t) && !t.python ? "literal." : "constant.";
    std::string name = key != keys_.end() ? key->second : kind + std::to_string(g_.constants.size());
    ValueId v = new_value(t, true);
    g_.values.back().strides = shown_strides(t);
    g_.values.back().name = named("c_" + name);
    outer_tape_ = outer_tape_ || has_history(t);
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
        require(composite_ || !made_inside_.contains(t.storage.get()), refused, "capture: ", who,
                " reads a tensor of shape ", t.sizes, " that was made by something that is no operator (at ", where_(),
                ")");
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
        // Where there are calls the graph is interpreted, and its tensors are references: what a call gave may be one
        // tensor or another, and so may be what was written through it.
        if (as_it_was && (calls_ || s.writes == region.writes || region.newest == &t)) return s.value;
    }
    return derive(t, region, who);
}

// A tensor over known memory that no operator gave, or whose memory was written since: a view of the newest value.
ValueId Capture::derive(TensorImpl& t, Region& region, const char* who) {
    static const Op& restride = *find_op("restride");
    const Seen base = region.newest_seen;
    require(region.inputs < 2, refused, "capture: two inputs share memory, and ", who,
            " reads a third view of it; expected inputs with memory of their own (at ", where_(), ")");
    require(base.storage == t.storage.get() && base.dtype == t.dtype, refused, "capture: ", who, " reads memory as ",
            name_of(t.dtype), " that was last written as ", name_of(base.dtype), " (at ", where_(), ")");
    bool same = base.sizes == t.sizes && base.strides == t.strides && base.offset == t.offset;
    bool tracked = region.newest ? region.newest->tracked() : base.tracked;
    loses_history_ = loses_history_ || (t.tracked() && !tracked);
    if (same && !tracked) {
        ValueId v = base.value;
        remember(t, v, false);
        return v;
    }
    Node node;
    node.op = &restride;
    node.recorded = t.tracked() || !tracked;
    node.args.resize(restride.parsed.params.size());
    node.args[0] = tensor_argument(base.value);
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

int Capture::mark(std::string param, double value) {
    marks_.push_back({std::move(param), value});
    return int(marks_.size()) - 1;
}

std::vector<int> Capture::used_numbers() const {
    std::vector<int> out;
    for (ValueId v : g_.inputs)
        for (size_t i = 0; i < marks_.size(); ++i)
            if (marks_[i].input == v) out.push_back(int(i));
    return out;
}

Capture::Mark* Capture::marked(const Call& c, size_t i) {
    if (c.op.kind != Kind::update) return nullptr;
    for (size_t m = marks_from_; m < marks_.size(); ++m)
        if (marks_[m].param == c.op.parsed.params[i].name && marks_[m].value == c.args[i].real_) return &marks_[m];
    return nullptr;
}

Argument Capture::number_argument(Mark& mark) {
    if (mark.input == no_value) {
        mark.input = g_.add_value(named(mark.param), DType::float32, {});
        g_.values.back().type = {TypeKind::real};
        unsized_.push_back(false);
        g_.inputs.push_back(mark.input);
    }
    Argument a;
    a.tag = tag_value;
    a.values = {mark.input};
    return a;
}

Argument Capture::argument(const Call& c, size_t i) {
    const Value& v = c.args[i];
    Argument a;
    a.tag = v.tag;
    switch (v.tag) {
        case Tag::none: break;
        case Tag::boolean: a.integer = v.boolean_; break;
        case Tag::integer: case Tag::natural: a.integer = v.integer_; break;
        case Tag::real:
            a.real = v.real_;
            if (Mark* mark = marked(c, i)) a = number_argument(*mark);
            if (!(c.op.parsed.params[i].types & (type_float | type_number))) {       // a derivative counts in doubles
                a.tag = Tag::integer;
                a.integer = int64_t(v.real_);
            }
            break;
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
    Dims held = c.destination ? c.destination->sizes : Dims();
    call_through(c, go);
    if (resized(c, held)) return;
    record(c, std::move(node), versions, false);
}

// A node writes what is there: one that gave its destination another shape can't be run again.
bool Capture::resized(const Call& c, const Dims& held) {
    if (!c.destination || c.destination->sizes == held) return false;
    refusal_ = std::string("capture: ") + c.op.id + " resized the tensor that it was given by out= (at " + where_() +
               "); expected one of the result's shape";
    return true;
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
        ValueId old = seen_.at(t).value, now = new_value(*t, sized);
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

// A composite's own calls become the nodes. Where it turns out to make tensors past the funnel, it is one node instead.
void Capture::run_composite(Call& c, void (*go)(Call&)) {
    Node node;
    if (!resolved(c, node)) return go(c);
    Versions versions;
    each_tensor(c, [&](TensorImpl& t) { versions.emplace_back(&t, t.storage->version()); });
    Composite composite{g_.nodes.size(), g_.values.size(), g_.constants.size(), false, false, {}, {}};
    composite_ = &composite;
    Dims held = c.destination ? c.destination->sizes : Dims();
    try {
        go(c);
    } catch (...) {
        composite_ = nullptr;
        throw;
    }
    if (!refusal_.empty() || resized(c, held)) {
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
        if (!t) continue;                                        // gone meanwhile
        if (was) seen_[t] = std::move(*was);
        else seen_.erase(t);
    }
    for (size_t i = composite.regions.size(); i-- > 0;) {
        auto& [s, was] = composite.regions[i];
        if (!s) continue;
        if (was) regions_[s] = std::move(*was);
        else regions_.erase(s);
    }
}

// ---- gradients ------------------------------------------------------------------------------------------------------

void Capture::look_at_gradient(TensorImpl& leaf, const Tensor& now, bool replaced) {
    if (depth_ > 0) return;
    using Before = GradientSlot::Before;
    auto [at, fresh] = slots_.try_emplace(&leaf, Slot{Before::any, {}, -1});
    if (!fresh) return;
    slot_order_.push_back(&leaf);
    if (replaced) return;
    at->second.before = now.defined() ? Before::given : Before::none;
    if (!now.defined()) return;
    if (made_.contains(now.impl())) return;                      // of a result that keeps its gradient
    if (knows(now)) {
        refusal_ = "capture: a gradient of " + std::to_string(now.numel()) +
                   " elements is also known by another name (at " + where_() + ")";
        return;
    }
    auto key = keys_.find(&leaf);
    at->second.found = now;
    at->second.given = int(g_.inputs.size());
    add_input("grad." + (key == keys_.end() ? std::to_string(slot_order_.size() - 1) : key->second), *now.impl());
}

// A copy that no call made: of old values before a change in place, of a gradient that is handed over.
void Capture::note_copy(TensorImpl& from, TensorImpl& to) {
    if (depth_ > 1 || (depth_ == 1 && !knows(Tensor(&from)))) return;
    static const Op& empty = *find_op("empty_strided");
    static const Op& copy = *find_op("copy_");
    static const Op& clone = *find_op("clone");
    try {
        ValueId given = value_of(from, "a copy");
        if (from.contiguous && to.contiguous && from.sizes == to.sizes && from.dtype == to.dtype) {
            Node node;
            node.op = &clone;
            node.recorded = false;
            node.source = where_();
            node.args = {tensor_argument(given)};
            ValueId made = new_value(to, true);
            node.results = {made};
            g_.nodes.push_back(std::move(node));
            return remember(to, made, true);
        }
        Node memory;
        memory.op = &empty;
        memory.recorded = false;
        memory.source = where_();
        memory.args = {ints(to.sizes), ints(to.strides), Argument()};
        memory.args[2].tag = Tag::dtype;
        memory.args[2].dtype = to.dtype;
        Node node;
        node.op = &copy;
        node.recorded = false;
        node.source = memory.source;
        node.into = new_value(to, true);
        memory.results = {node.into};
        node.args = {tensor_argument(node.into), tensor_argument(given), Argument()};
        node.args[2].tag = Tag::boolean;
        ValueId made = new_value(to, true);
        node.results = {made};
        g_.nodes.push_back(std::move(memory));
        g_.nodes.push_back(std::move(node));
        remember(to, made, true);
    } catch (const Error& e) {
        refusal_ = e.text();
    }
}

// What the program leaves: gradients that it made are outputs of the graph.
void Capture::finish_gradients() {
    using After = GradientSlot::After;
    for (const TensorImpl* leaf : slot_order_) {
        auto found = slots_.find(leaf);
        if (found == slots_.end() || made_.contains(leaf)) continue;         // a leaf of this call only
        auto* t = const_cast<TensorImpl*>(leaf);
        GradientSlot slot{.leaf = Tensor(t), .input = input_of(*leaf), .before = found->second.before,
                          .given = found->second.given};
        Tensor now = rushlight::gradients.get(*t);
        if (!now.defined()) slot.after = After::none;
        else if (!now.same(found->second.found)) {
            slot.after = After::output;
            slot.output = int(g_.outputs.size());
            slot.view = bool(now->base);
            g_.outputs.push_back(value_of(*now.impl(), "backward"));
        }
        gradients_.push_back(std::move(slot));
    }
    require(walks_ == 0 || !outer_tape_, refused, "capture: the program walks backwards, and something that it was ",
            "given has a history of its own; expected leaves");
}

void Capture::check_flags() const {
    for (auto [t, was] : flags_) {
        bool outside = !made_.contains(t) && (seen_.contains(t) || keys_.contains(t));
        require(!outside || t->requires_grad == was, refused, "capture: the program changes whether a tensor of shape ",
                t->sizes, " requires a gradient");
    }
}

// The values of constants decide nothing as long as they stay: those that the program itself changes do not.
void Capture::finish_escapes() {
    for (auto& [t, escape] : constant_escapes_) {
        auto region = regions_.find(t->storage.get());
        if (region != regions_.end() && region->second.writes > 0) escapes_.push_back(escape);
        else read_constants_.push_back(t);
    }
    constant_escapes_.clear();
}

std::vector<std::pair<Tensor, std::string>> Capture::held(const std::vector<Tensor>& outputs) {
    std::unordered_set<const TensorImpl*> explained;
    for (const Tensor& t : outputs) explained.insert(t.impl());
    for (const GradientSlot& slot : gradients_) explained.insert(rushlight::gradients.get(*slot.leaf.impl()).impl());
    std::vector<std::pair<Tensor, std::string>> out;
    forget_elsewhere();
    for (const TensorImpl* t : made_) {
        if (!t->python || explained.contains(t)) continue;
        auto seen = seen_.find(t);
        std::string source;
        for (const Node& node : g_.nodes)
            each_definition(node, [&](ValueId v) {
                if (seen != seen_.end() && v == seen->second.value) source = node.source;
            });
        out.emplace_back(Tensor(const_cast<TensorImpl*>(t)), source);
    }
    return out;
}

// ---- the end --------------------------------------------------------------------------------------------------------

void Capture::check_versions() const {
    for (const auto& [storage, region] : regions_)
        require(region.version == storage->version(), refused, "capture: a tensor of shape ",
                region.newest_seen.sizes, " was changed by something that is no operator; expected changes by ",
                "operators only");
}

Graph Capture::finish(const std::vector<Tensor>& outputs) {
    forget_elsewhere();
    require(refusal_.empty(), refused, refusal_);
    check_versions();
    check_flags();
    finish_escapes();
    for (const Tensor& t : outputs) g_.outputs.push_back(value_of(*t.impl(), "return"));
    finish_gradients();
    verify(g_);
    return g_;
}

}  // namespace rushlight::graph
