#include "runtime/stretch.h"

#include <algorithm>
#include <bit>

#include "base/log.h"
#include "graph/capture.h"
#include "graph/passes.h"
#include "registry/mode.h"
#include "registry/watch.h"
#include "runtime/program.h"

namespace rushlight::runtime {

using graph::Graph;
using graph::Item;
using graph::TypeKind;

namespace {

// What a plan holds for, of one value that it reads.
struct Key {
    TypeKind kind = TypeKind::none;
    DType dtype = DType::float32;
    Dims sizes, strides;                 // of a tensor
    Item item;                           // of everything else

    explicit Key(const Item& x) : kind(x.kind()) {
        if (kind != TypeKind::tensor) {
            item = x;
            return;
        }
        const TensorImpl& t = *x.tensor();
        dtype = t.dtype;
        sizes = t.sizes;
        strides = t.strides;
    }

    bool fits(const Item& x) const {
        if (x.kind() != kind) return false;
        switch (kind) {
            case TypeKind::tensor: {
                const TensorImpl& t = *x.tensor();
                return t.dtype == dtype && t.sizes == sizes && t.strides == strides;
            }
            case TypeKind::real: return std::bit_cast<int64_t>(x.real()) == std::bit_cast<int64_t>(item.real());
            case TypeKind::integer: return x.integer() == item.integer();
            case TypeKind::boolean: return x.boolean() == item.boolean();
            case TypeKind::dtype: return x.dtype() == item.dtype();
            case TypeKind::string: return x.text() == item.text();
            default: return true;        // None, and a variable without value
        }
    }
};

bool is_container(const Item& x) {
    return x.is(TypeKind::list) || x.is(TypeKind::tuple) || x.is(TypeKind::dict);
}

size_t mixed(size_t a, size_t b) { return (a ^ b) * 0x9e3779b97f4a7c15u + 1; }

size_t hash_of(const Item& x) {
    switch (x.kind()) {
        case TypeKind::tensor: {
            const TensorImpl& t = *x.tensor();
            size_t h = size_t(t.dtype);
            for (int64_t s : t.sizes) h = mixed(h, size_t(s));
            for (int64_t s : t.strides) h = mixed(h, size_t(s));
            return h;
        }
        case TypeKind::real: return size_t(std::bit_cast<int64_t>(x.real()));
        case TypeKind::integer: return size_t(x.integer());
        case TypeKind::boolean: return x.boolean();
        case TypeKind::dtype: return size_t(x.dtype());
        case TypeKind::string: return std::hash<std::string>()(x.text());
        default: return size_t(x.kind());
    }
}

// Plans run with gradients off. A view that they made stands for one that was made while they were recorded.
void made_here(Tensor& t, const std::vector<Tensor>& inputs) {
    if (!mode.grad || !(t->view_flags & view_of_no_grad)) return;
    auto same = [&](const Tensor& in) { return in.impl() == t.impl(); };
    if (std::none_of(inputs.begin(), inputs.end(), same)) t->view_flags &= uint8_t(~view_of_no_grad);
}

void made_here(const Item& x, const std::vector<Tensor>& inputs) {
    if (x.is(TypeKind::tensor)) {
        Tensor t(x.tensor());
        made_here(t, inputs);
    } else if (x.is(TypeKind::dict)) {
        for (const auto& [key, value] : x.dict().entries) made_here(value, inputs);
    } else if (is_container(x)) {
        for (const Item& part : x.items()) made_here(part, inputs);
    }
}

// A plan's views know nothing of what they view: its input, or another result.
void find_base(Tensor& t, const std::vector<Tensor>& among) {
    for (const Tensor& other : among) {
        if (!other.defined() || other->storage != t->storage || other.impl() == t.impl()) continue;
        t->base = other->base ? other->base : Ref<TensorImpl>(other.impl());
        t->history = t->base->history;
        return;
    }
}

void find_bases(std::vector<Tensor>& results, const std::vector<Tensor>& inputs) {
    std::vector<Tensor> whole;
    for (const Tensor& t : results)
        if (!t->base) whole.push_back(t);
    for (Tensor& t : results) {
        bool given = std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& in) { return in.impl() == t.impl(); });
        if (!t->base || given) continue;
        find_base(t, whole);
        find_base(t, inputs);
    }
}

}  // namespace

struct Stretch::Plan {
    DType floats = default_dtype();      // what new tensors without dtype are made of
    std::vector<Key> keys;
    std::vector<size_t> tensors;         // which of `reads` are tensors: the program's inputs
    std::vector<std::pair<ValueId, Item>> literals;      // values that follow from the keys
    std::vector<ValueId> results;        // the program's
    std::unique_ptr<Program> program;
};

struct Stretch::Watch {
    std::shared_ptr<Plan> plan = std::make_shared<Plan>();
    std::vector<Tensor> inputs;
    size_t hash = 0;                     // of what it reads
    bool grad = mode.grad;
    GradMode off{false};
    std::unique_ptr<graph::Capture> capture;
};

void Stretch::EndWatch::operator()(Watch* w) const { delete w; }

size_t Stretch::hash(const Values& values) const {
    size_t h = size_t(default_dtype());
    for (ValueId v : reads) h = mixed(h, hash_of(values[size_t(v)]));
    return h;
}

// The plan for these values; `capture` where they come for the second time.
std::shared_ptr<Stretch::Plan> Stretch::find(const Values& values, bool& capture) {
    std::lock_guard guard(lock_);
    for (const auto& plan : plans_) {
        bool fits = plan->floats == default_dtype();
        for (size_t i = 0; fits && i < reads.size(); ++i) fits = plan->keys[i].fits(values[size_t(reads[i])]);
        if (fits) return plan;
    }
    if (captures_ >= most_captures) return nullptr;
    size_t h = hash(values);
    if (std::find(refused_.begin(), refused_.end(), h) != refused_.end()) return nullptr;
    auto at = std::find(seen_.begin(), seen_.end(), h);
    if (at == seen_.end()) {
        if (seen_.size() == most_seen) seen_.erase(seen_.begin());
        seen_.push_back(h);
        return nullptr;
    }
    seen_.erase(at);
    ++captures_;
    capture = true;
    return nullptr;
}

bool Stretch::run(const Graph& g, Values& values, bool& capture) {
    if (mode.autocast || watched(watch_capture) || watched(watch_calls)) return false;
    for (ValueId v : reads) {
        const Item& x = values[size_t(v)];
        if (is_container(x) || (mode.grad && x.is(TypeKind::tensor) && x.tensor()->tracked())) return false;
    }
    for (size_t i = 0; mode.grad && i < constants.size(); ++i)
        if (g.constants[constants[i]].tensor->tracked()) return false;
    std::shared_ptr<Plan> plan = find(values, capture);
    if (!plan) return false;
    std::vector<Tensor> inputs;
    inputs.reserve(plan->tensors.size());
    for (size_t i : plan->tensors) inputs.emplace_back(values[size_t(reads[i])].tensor());
    std::vector<Tensor> results;
    try {
        results = plan->program->run(inputs);
    } catch (const Error&) {
        return false;                    // the steps themselves say where
    }
    find_bases(results, inputs);
    for (size_t i = 0; i < results.size(); ++i) {
        made_here(results[i], inputs);
        values[size_t(plan->results[i])] = Item(std::move(results[i]));
    }
    for (auto& [v, x] : plan->literals) values[size_t(v)] = x;
    for (ValueId v : dies) values[size_t(v)] = Item();
    return true;
}

// Nothing where two of the tensors share memory: what they are to each other may be chance.
std::unique_ptr<Stretch::Watch, Stretch::EndWatch> Stretch::begin_watch(const Graph& g, const Values& values,
                                                                      const std::string& source) {
    std::vector<std::pair<std::string, Tensor>> inputs, known;
    std::vector<const Storage*> storages;
    auto apart = [&](const Tensor& t) {
        bool is = std::find(storages.begin(), storages.end(), t->storage.get()) == storages.end();
        storages.push_back(t->storage.get());
        return is;
    };
    std::unique_ptr<Watch, EndWatch> out(new Watch);
    out->hash = hash(values);
    for (size_t i = 0; i < reads.size(); ++i) {
        const Item& x = values[size_t(reads[i])];
        out->plan->keys.emplace_back(x);
        if (!x.is(TypeKind::tensor)) continue;
        out->plan->tensors.push_back(i);
        inputs.emplace_back("x" + std::to_string(i), Tensor(x.tensor()));
        out->inputs.emplace_back(x.tensor());
        if (!apart(out->inputs.back())) return nullptr;
    }
    for (size_t i : constants) {
        const graph::Constant& c = g.constants[i];
        known.emplace_back(c.key, c.tensor);
        if (std::find(storages.begin(), storages.end(), c.tensor->storage.get()) != storages.end()) return nullptr;
    }
    try {
        out->capture = std::make_unique<graph::Capture>(std::move(inputs), std::move(known),
                                                        [&source] { return source; });
    } catch (const Error&) {
        return nullptr;
    }
    return out;
}

void Stretch::end_watch(Watch& watching, Values& values, bool spoilt) {
    GradMode as_before(watching.grad);
    for (ValueId v : gives) made_here(values[size_t(v)], watching.inputs);
    if (!spoilt && plan(watching, values)) return;
    std::lock_guard guard(lock_);
    refused_.push_back(watching.hash);
}

// Keeps a plan of what was watched; false where there can be none.
bool Stretch::plan(Watch& watching, const Values& values) {
    Plan& plan = *watching.plan;
    std::vector<Tensor> results;
    for (ValueId v : gives) {
        const Item& x = values[size_t(v)];
        if (is_container(x)) return false;
        if (x.is(TypeKind::tensor)) {
            plan.results.push_back(v);
            results.emplace_back(x.tensor());
        } else {
            plan.literals.emplace_back(v, x);
        }
    }
    try {
        Graph found = watching.capture->finish(results);
        watching.capture->close();
        bool fixed = watching.capture->escapes().empty();
        for (const graph::ValueInfo& v : found.values)
            fixed = fixed && std::find(v.sizes.begin(), v.sizes.end(), graph::unknown_size) == v.sizes.end();
        for (bool written : graph::written_inputs(found)) fixed = fixed && !written;
        for (bool written : graph::written_constants(found)) fixed = fixed && !written;
        if (!fixed) return false;
        found.name = "stretch";
        found = graph::simplify(std::move(found));
        if (joins) found = graph::optimize_for_inference(std::move(found));
        plan.program = std::make_unique<Program>(std::move(found));
    } catch (const Error& e) {
        if (logging(Channel::graph)) log_line(Channel::graph, "a stretch is not planned: " + std::string(e.what()));
        return false;
    }
    std::lock_guard guard(lock_);
    if (plans_.size() == most_plans) plans_.erase(plans_.begin());
    plans_.insert(plans_.begin(), std::move(watching.plan));
    return true;
}

}  // namespace rushlight::runtime
