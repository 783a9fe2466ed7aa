// The one funnel: every operator call passes here, whether it comes from Python, from a derivative or from a graph.
#include <bit>
#include <chrono>

#include "base/interpreter.h"
#include "base/log.h"
#include "registry/ready.h"
#include "registry/rules.h"
#include "registry/tile.h"
#include "registry/watch.h"

namespace rushlight {

namespace {

bool any_requires_grad(const Call& c) {
    for (uint64_t left = c.op.tensor_params; left; left &= left - 1) {
        const Value& v = c.args[std::countr_zero(left)];
        if (v.tag == Tag::tensor) {
            if (v.tensor_->tracked()) return true;
        } else if (v.tag == Tag::tensors) {
            for (TensorImpl* t : v.to_tensors())
                if (t->tracked()) return true;
        }
    }
    return c.destination && c.destination->tracked();
}

int64_t work_of(const Call& c) {
    int64_t work = 0;
    for (int i = 0; i < c.results; ++i) work += c.out[size_t(i)].defined() ? c.out[size_t(i)].numel() : 0;
    for (size_t i = 0, n = c.op.parsed.params.size(); i < n; ++i)
        for (TensorImpl* t : c.args[i].to_tensors()) work += t->numel;
    return work;
}

[[gnu::noinline]] void run_kernel_watched(Call& c) {
    const Kernel& kernel = c.op.kernel;
    if (logging(Channel::dispatch))
        log_line(Channel::dispatch, std::string(c.op.id) + ": " + kernel.name + " runs");
    WithoutInterpreter unlocked(work_of(c) > 20000);
    events::Span span(kernel.name, events::Kind::kernel);
    auto start = std::chrono::steady_clock::now();
    kernel.run(c);
    std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    if (logging(Channel::time))
        log_line(Channel::time, std::string(c.op.id) + " " + kernel.name + " " + std::to_string(spent.count()) + " us");
}

void run_kernel(Call& c) {
    WithoutAutocast within;                  // a kernel may call operators: they compute in the dtype of its result
    if (watched()) [[unlikely]] return run_kernel_watched(c);
    WithoutInterpreter unlocked(work_of(c) > 20000);
    c.op.kernel.run(c);
}

Tensor make_result(const Geometry& g) {
    Tensor t = g.strided ? empty_strided_tensor(g.sizes, g.strides, g.dtype) : empty_tensor(g.sizes, g.dtype);
    t->inference = mode.inference;
    return t;
}

void make_view(Call& c) {
    for (int i = 0; i < c.results; ++i) {
        const Geometry& g = c.geometry[size_t(i)];
        c.out[size_t(i)] = view_of(c.tensor(0), g.sizes, g.strides, g.offset);
        c.out[size_t(i)]->dtype = g.dtype;
    }
}

void check_destination(Call& c) {
    TensorImpl& to = *c.destination;
    const Geometry& g = c.geometry[0];
    const char* what = c.in_place ? "the tensor changed in place" : "out";
    require(can_cast(g.dtype, to.dtype) || c.op.writes_first, ErrorKind::runtime, c.name(), ": the result type ",
            name_of(g.dtype), " can't be cast to ", name_of(to.dtype), ", the dtype of ", what);
    require(!to.storage->read_only(), ErrorKind::runtime, c.name(), ": ", what,
            " shares read-only memory and can't be written");
    if (to.sizes == g.sizes) {
        require(c.op.writes_one_value || !overlaps_itself(to), ErrorKind::runtime, c.name(), ": ", what, " of shape ",
                to.sizes, " and stride ", to.strides, " has several elements in one place; clone() it before writing");
        return;
    }
    require(!c.in_place, ErrorKind::runtime, c.name(), ": the result has shape ", g.sizes, "; expected ", to.sizes,
            ", the shape of the tensor changed in place");
    require(to.numel == 0 || to.storage->use_count() == 1, ErrorKind::runtime, c.name(), ": out has shape ", to.sizes,
            " and is viewed by other tensors; expected ", g.sizes);
    for (size_t i = 0, n = c.op.parsed.params.size(); i < n; ++i)
        for (TensorImpl* t : c.args[i].to_tensors())
            require(t->storage.get() != to.storage.get(), ErrorKind::runtime, c.name(),
                    ": out shares memory with argument '", c.op.parsed.params[i].name,
                    "' and would change its shape from ", to.sizes, " to ", g.sizes, "; expected another tensor");
}

// An update in place may write while it reads only where nothing that it reads shares the destination's memory.
bool can_update_directly(const Call& c) {
    if (!c.in_place) return false;
    for (size_t i = 1, n = c.op.parsed.params.size(); i < n; ++i)
        for (TensorImpl* t : c.args[i].to_tensors())
            if (may_share_memory(*t, *c.destination)) return false;
    return true;
}

// Pointwise kernels write straight into any destination, unless an input lies across it in another arrangement.
bool can_write_directly(const Call& c) {
    if (c.op.writes_first) return true;
    if (c.op.updates_first) return can_update_directly(c);
    if (c.op.kind != Kind::pointwise) return false;
    for (size_t i = 0, n = c.op.parsed.params.size(); i < n; ++i) {
        const Value& v = c.args[i];
        if (v.tag != Tag::tensor || v.tensor_ == c.destination || !may_share_memory(*v.tensor_, *c.destination))
            continue;
        bool same_place = v.tensor_->offset == c.destination->offset && v.tensor_->sizes == c.destination->sizes &&
                          v.tensor_->strides == c.destination->strides && v.tensor_->dtype == c.destination->dtype;
        if (!same_place) return false;
    }
    return true;
}

// Gives the destination the shape of the result, which check_destination has found possible.
void fit_destination(Call& c) {
    const Dims& sizes = c.geometry[0].sizes;
    if (c.destination->sizes != sizes) resize_tensor(*c.destination, sizes, c.name());
}

void dispatch_into(Call& c, bool recording) {
    check_destination(c);
    tape_observer.before_write(c, recording);
    fit_destination(c);
    if (can_write_directly(c)) {
        c.out[0] = Tensor(c.destination);
        run_kernel(c);
    } else {
        for (int i = 0; i < c.results; ++i) c.out[size_t(i)] = make_result(c.geometry[size_t(i)]);
        run_kernel(c);
        copy_values(*c.destination, *c.out[0].impl());
        c.out[0] = Tensor(c.destination);
    }
    c.destination->storage->bump();
    if (recording) tape_observer.record(c);
}

// An update writes into tensors of its lists, and no derivative sees it.
void dispatch_update(Call& c) {
    auto for_each_overwritten = [&](auto f) {
        for (uint64_t left = c.op.overwritten_params; left; left &= left - 1) {
            int param = std::countr_zero(left), place = 0;
            for (TensorImpl* t : c.args[param].to_tensors()) f(*t, c.op.parsed.params[size_t(param)].name, place++);
        }
    };
    for_each_overwritten([&](TensorImpl& t, const std::string& param, int place) {
        require(!t.storage->read_only(), ErrorKind::runtime, c.name(), ": ", param, "[", place,
                "] shares read-only memory and can't be written");
        require(!overlaps_itself(t), ErrorKind::runtime, c.name(), ": ", param, "[", place, "] of shape ", t.sizes,
                " and stride ", t.strides, " has several elements in one place; clone() it before writing");
    });
    run_kernel(c);
    for_each_overwritten([](TensorImpl& t, const std::string&, int) { t.storage->bump(); });
}

// Copies a finished result to the call's destination.
void deliver(Call& c, const Tensor& value) {
    c.results = 0;
    c.result(value.sizes(), value.dtype());
    check_destination(c);
    fit_destination(c);
    static const Op& copy = *find_op("copy_");
    Value values[max_params] = {Value(c.destination), Value(value), Value(false)};
    Call into(copy, values);
    into.destination = c.destination;
    into.in_place = true;
    dispatch(into);
}

// A composite's in-place and `out=` forms copy the finished result, unless it has written into its destination itself.
// What an operator that it calls refuses, is said in the composite's name.
void dispatch_composite(Call& c) {
    try {
        c.op.compose(c);
        if (!c.destination || c.out[0].impl() == c.destination) return;
        deliver(c, c.out[0]);
        c.out[0] = Tensor(c.destination);
    } catch (const Error& e) {
        throw rules::of_arguments(c, spoken_by(c.name(), e));
    }
}

// `out=` of an operator whose result has as many elements as its kernel finds.
void dispatch_unsized(Call& c, bool recording) {
    tape_observer.before_write(c, recording);
    run_kernel(c);
    deliver(c, c.out[0]);
    c.out[0] = Tensor(c.destination);
}

// Under autocast: the call with its floating arguments in the dtype that the record asks for. What it calls sees no
// autocast.
void dispatch_cast(Call& c) {
    WithoutAutocast within;
    DType wanted = c.op.autocast == Autocast::lower ? mode.autocast_dtype : DType::float32;
    static const Op& to_dtype = *find_op("to_dtype");
    Value values[max_params];
    std::array<Tensor, max_params> held;
    for (size_t i = 0, n = c.op.parsed.params.size(); i < n; ++i) {
        values[i] = c.args[i];
        if (!values[i].is_tensor()) continue;
        DType t = values[i].tensor_->dtype;
        if (!is_floating(t) || t == DType::float64 || t == wanted) continue;
        Value cast_args[max_params] = {values[i], Value(wanted)};
        Call cast_call(to_dtype, cast_args);
        dispatch(cast_call);
        held[i] = std::move(cast_call.out[0]);
        values[i] = Value(held[i]);
    }
    const Value* given = c.args;
    c.args = values;
    dispatch(c);
    c.args = given;
}

}  // namespace

Tensor view_of(TensorImpl& source, const Dims& sizes, const Dims& strides, int64_t offset) {
    Tensor view = alias(Tensor(&source), sizes, strides, offset);
    view->base = source.base ? source.base : Ref<TensorImpl>(&source);
    view->history = view->base->history;
    if (!mode.grad) view->view_flags = mode.inference ? view_of_no_grad | view_of_inference : view_of_no_grad;
    return view;
}

static void pass(Call& c) {
    if (mode.autocast && c.op.autocast != Autocast::keep && !c.destination) [[unlikely]] return dispatch_cast(c);
    if (c.op.compose) return dispatch_composite(c);
    c.op.infer(c);
    if (c.op.kind == Kind::update) [[unlikely]] return dispatch_update(c);
    bool recording = mode.grad && any_requires_grad(c);
    if (c.destination) return c.results ? dispatch_into(c, recording) : dispatch_unsized(c, recording);
    if (c.op.kind == Kind::view) {
        if (!c.passes_view) make_view(c);
        for (Tensor& t : c.list) t->view_flags |= view_of_many;
    } else {
        for (int i = 0; i < c.results; ++i) c.out[size_t(i)] = make_result(c.geometry[size_t(i)]);
        run_kernel(c);
    }
    if (recording && c.op.derivative.vjp && !c.passes_view) tape_observer.record(c);
}

bool is_answerable(const Call& c) {
    bool casts = mode.autocast && c.op.autocast != Autocast::keep;
    Kind kind = c.op.kind;
    return !casts && !c.op.compose && !c.destination && kind != Kind::update && kind != Kind::view &&
           kind != Kind::random;
}

void answer(Call& c, std::span<const Tensor> results) {
    c.op.infer(c);
    bool fits = c.results == 0 || size_t(c.results) == results.size();
    for (int i = 0; fits && i < c.results; ++i) {
        const Geometry& wanted = c.geometry[size_t(i)];
        fits = results[size_t(i)].sizes() == wanted.sizes && results[size_t(i)].dtype() == wanted.dtype;
    }
    require(fits && results.size() <= c.out.size(), ErrorKind::runtime, c.name(), ": is answered by ", results.size(),
            " results of other shapes or dtypes than it has; expected what it gave before");
    for (size_t i = 0; i < results.size(); ++i)
        c.out[i] = alias(results[i], results[i].sizes(), results[i].strides(), results[i]->offset);
    if (mode.grad && c.op.derivative.vjp && any_requires_grad(c)) tape_observer.record(c);
}

static void pass_ready(Call& c) {
    if (c.op.kind == Kind::update) return dispatch_update(c);
    if (c.destination) return dispatch_into(c, false);
    if (watched()) [[unlikely]] return run_kernel_watched(c);
    c.op.kernel.run(c);
}

DescribeTile describe_tile = nullptr;
void (*call_watcher)(Call&, void (*)(Call&)) = nullptr;
void (*call_capturer)(Call&, void (*)(Call&)) = nullptr;
CaptureObserver capture_observer;
Gradients gradients;

static void pass_captured(Call& c) {
    if (watched(watch_capture)) call_capturer(c, pass);
    else pass(c);
}

static std::vector<events::Argument> seen(std::span<const Value> values) {
    std::vector<events::Argument> out;
    for (const Value& v : values) {
        if (v.to_tensors().empty()) out.emplace_back();
        for (TensorImpl* t : v.to_tensors()) out.push_back({t->sizes, name_of(t->dtype)});
    }
    return out;
}

static std::vector<events::Argument> seen(std::span<const Tensor> results) {
    std::vector<events::Argument> out;
    for (const Tensor& t : results)
        if (t.defined()) out.push_back({t.sizes(), name_of(t.dtype())});
    return out;
}

static void pass_to_watcher(Call& c) {
    if (watched(watch_calls)) call_watcher(c, pass_captured);
    else pass_captured(c);
}

// Somebody watches: the call becomes a span of time, and is led through who wants to see it.
[[gnu::noinline]] static void pass_watched(Call& c, void (*go)(Call&)) {
    bool changed = c.in_place && !c.op.writes_first;
    events::Span span(changed && watched(watch_events) ? events::intern(c.op.parsed.name + "_") : c.name(),
                      events::Kind::op);
    if (watched(watch_arguments)) events::add_arguments(seen({c.args, c.op.parsed.params.size()}));
    go(c);
    if (watched(watch_arguments)) events::add_results(seen(c.list.empty() ? std::span<const Tensor>(c.out) : c.list));
}

void dispatch(Call& c) {
    if (watched(watch_events | watch_calls | watch_capture)) [[unlikely]]
        return pass_watched(c, pass_to_watcher);
    pass(c);
}

void run_ready(Call& c) {
    if (watched(watch_events)) [[unlikely]] return pass_watched(c, pass_ready);
    pass_ready(c);
}

void dispatch_into_several(Call& c, std::span<const Tensor> targets) {
    for (const Tensor& t : targets) {
        c.destination = t.impl();
        tape_observer.before_write(c, mode.grad && any_requires_grad(c));
    }
    c.destination = nullptr;
    dispatch(c);
    std::array<Tensor, 4> results = std::move(c.out);
    for (size_t i = 0; i < targets.size(); ++i) {
        c.destination = targets[i].impl();
        deliver(c, results[i]);
    }
}

Tensor contiguous(const Tensor& t) {
    if (t.contiguous()) return t;
    Tensor out = empty_tensor(t.sizes(), t.dtype());
    copy_values(*out.impl(), *t.impl());
    return out;
}

Tensor cast(const Tensor& t, DType dtype) {
    if (t.dtype() == dtype) return contiguous(t);
    Tensor out = empty_tensor(t.sizes(), dtype);
    copy_values(*out.impl(), *t.impl());
    return out;
}

}  // namespace rushlight
