#include "runtime/program.h"

#include <algorithm>
#include <optional>

#include "base/interpreter.h"
#include "graph/node_call.h"
#include "graph/passes.h"
#include "registry/invoke.h"
#include "registry/mode.h"
#include "registry/ready.h"
#include "registry/watch.h"
#include "runtime/interpret.h"
#include "runtime/line_span.h"
#include "runtime/plan.h"

namespace rushlight::runtime {

using graph::Arguments;
using graph::Item;
using graph::Node;
using graph::call_node;

namespace {

// Memory that was written through a view is read again from the tensor that it is a view of: only that one's place on
// the tape knows all that was written, and all that was not. False where `node` is no such read.
bool read_again(const Node& node, std::span<Tensor> tensors) {
    static const Op& restride = *find_op("restride");
    if (!mode.grad || node.op != &restride) return false;
    const TensorImpl& written = *tensors[size_t(node.args[0].values[0])].impl();
    if (!written.base || written.base->storage != written.storage || written.base->dtype != written.dtype) return false;
    Tensor base(written.base.get());
    const Dims sizes(node.args[1].ints), strides(node.args[2].ints);
    int64_t offset = node.args[3].integer + written.offset - base->offset;
    bool whole = offset == 0 && base->sizes == sizes && base->strides == strides;
    tensors[size_t(node.results[0])] = whole ? base : invoke(restride, base, sizes, strides, offset, base->strides);
    return true;
}

}  // namespace

// What one run needs: the tensors of all values, calls that are ready, and the memory that values take turns in.
struct State {
    State(std::shared_ptr<const Plan> p, size_t values) : plan(std::move(p)), tensors(values) {}
    std::shared_ptr<const Plan> plan;
    std::vector<Tensor> tensors;
    std::vector<Arguments> arguments;
    std::vector<std::unique_ptr<Call>> calls;  // of nodes whose kernels are called directly
    Ref<Storage> arena;
    std::vector<Ref<Storage>> slots;           // windows of the arena, or blocks: as large as their values

    void lay_out();
    const Ref<Storage>& take(int slot);
    // Has somebody an output of the last run that lies in the arena?
    bool is_held() const {
        return std::any_of(plan->lent.begin(), plan->lent.end(), [&](int s) {
            return slots[size_t(s)] && slots[size_t(s)]->use_count() != 1;
        });
    }
};

void State::lay_out() {
    slots.resize(plan->slots.size());
    constexpr size_t large = size_t(1) << 26;
    if (plan->arena_bytes >= large) release_cached_memory();     // what runs without a plan left
    if (plan->arena_bytes) arena = Storage::make(plan->arena_bytes);
}

// Clean memory of a slot: a kernel may have left it in an arrangement of its own, or still hold it.
const Ref<Storage>& State::take(int which) {
    Ref<Storage>& storage = slots[size_t(which)];
    bool held = storage && (storage->use_count() != 1 || storage->entangled());
    const Slot& slot = plan->slots[size_t(which)];
    if (storage && !held && !slot.lent && storage->arrangement() == Arrangement::plain) {
        storage->forget_derived();
        return storage;
    }
    if (held || !arena) return storage = Storage::make(slot.bytes);
    auto release = [](void* owner) { delete static_cast<Ref<Storage>*>(owner); };
    return storage = Storage::wrap(static_cast<char*>(arena->data()) + slot.offset, slot.bytes, release,
                                   new Ref<Storage>(arena), false);
}

Program::Form::Form(graph::Graph g) : graph(std::move(g)), number(graph.values.size(), -1) {
    int numbers = 0;
    for (ValueId v : graph.inputs) {
        if (graph[v].is_tensor()) tensor_inputs.push_back(v);
        else number[size_t(v)] = numbers++;
    }
    if (graph::is_straight(graph)) last_use = last_uses(graph);
}

Program::Program(graph::Graph g, std::vector<graph::Graph> functions) : captured_(std::move(g)) {
    const graph::Graph& captured = captured_.graph;
    bool straight = graph::is_straight(captured);
    if (straight) {
        graph::verify(captured);
    } else {
        functions.insert(functions.begin(), captured);
        script_ = std::make_unique<Script>(std::move(functions));
    }
    tensors_only_ = captured_.tensor_inputs.size() == captured.inputs.size();
    for (ValueId v : captured.outputs) tensors_only_ = tensors_only_ && captured[v].is_tensor();
    std::vector<bool> written = graph::written_inputs(captured);
    for (size_t i = 0; i < captured.inputs.size(); ++i)
        if (captured[captured.inputs[i]].is_tensor()) written_input_.push_back(written[i]);
    if (!straight) return;                       // the script has looked at its constants
    for (const graph::Constant& c : captured.constants) {
        const graph::ValueInfo& v = captured[c.value];
        require(c.tensor.defined(), ErrorKind::value, "graph ", captured.name, ": constant '", c.key,
                "' has no tensor");
        require(c.tensor.sizes() == v.sizes && c.tensor.dtype() == v.dtype, ErrorKind::value, "graph ", captured.name,
                ": constant '", c.key, "' is ", name_of(c.tensor.dtype()), " of shape ", c.tensor.sizes(),
                "; expected ", name_of(v.dtype), " of shape ", v.sizes);
    }
    if (auto prepared = graph::prepare(captured, prepared_notes_)) prepared_.emplace(std::move(*prepared));
}

Program::~Program() = default;

// The inputs as the program was captured with them: another arrangement of strides takes a copy.
std::vector<Tensor> Program::checked(const std::vector<Tensor>& inputs) const {
    require(inputs.size() == captured_.tensor_inputs.size(), ErrorKind::type, graph().name, ": got ", inputs.size(),
            " tensors; expected ", captured_.tensor_inputs.size());
    std::vector<Tensor> out = inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
        const graph::ValueInfo& v = graph()[captured_.tensor_inputs[i]];
        Tensor& t = out[i];
        if (!v.sized && t.defined()) continue;
        require(t.defined() && t.sizes() == v.sizes && t.dtype() == v.dtype, ErrorKind::value, graph().name, ": input ",
                v.name, " is ", name_of(t.dtype()), " of shape ", t.sizes(), "; expected ", name_of(v.dtype),
                " of shape ", v.sizes);
        if (v.strides.empty() ? t.contiguous() : t.strides() == v.strides) continue;
        require(!written_input_[i], ErrorKind::runtime, graph().name, ": input ", v.name, " has strides ", t.strides(),
                " and is written; expected ", v.strides.empty() ? contiguous_strides(v.sizes) : v.strides);
        Tensor as_captured = v.strides.empty() ? empty_tensor(v.sizes, v.dtype)
                                               : empty_strided_tensor(v.sizes, v.strides, v.dtype);
        copy_values(*as_captured.impl(), *t.impl());
        t = as_captured;
    }
    return out;
}

bool Program::constants_are_as(const Plan& plan) const {
    const std::vector<graph::Constant>& constants = planned_form().graph.constants;
    for (size_t i = 0; i < constants.size(); ++i)
        if (constants[i].tensor->generation != plan.generations[i]) return false;
    return true;
}

std::vector<Tensor> Program::run_script(const std::vector<Tensor>& inputs) const {
    require(tensors_only_, ErrorKind::type, graph().name, ": takes or gives other values than tensors");
    std::vector<Item> items(inputs.begin(), inputs.end());
    WithoutInterpreter unlocked(true);
    std::vector<Tensor> out;
    for (const Item& x : script_->run(std::move(items))) out.emplace_back(x.tensor());
    return out;
}

std::vector<Tensor> Program::run(const std::vector<Tensor>& given, bool recorded,
                                 std::span<const double> numbers) {
    GradMode recording(mode.grad && recorded);
    std::vector<Tensor> inputs = checked(given);
    bool tracked = false;
    for (const Tensor& t : given) tracked = tracked || t->tracked();
    if (script_) return run_script(mode.grad && tracked ? given : inputs);
    for (const graph::Constant& c : graph().constants) tracked = tracked || c.tensor->tracked();
    if (watched(watch_capture) || watched(watch_calls) || (mode.grad && tracked))
        return run_through_funnel(captured_, mode.grad && tracked ? given : inputs, numbers, false);
    GradMode off(false);
    WithoutAutocast within;
    WithoutInterpreter unlocked(true);
    std::unique_ptr<State> state = take_state();
    if (!state) return run_through_funnel(planned_form(), inputs, numbers, true);
    std::vector<Tensor> out = run_planned(*state, inputs, numbers);
    std::lock_guard guard(lock_);
    if (state->plan == plan_) idle_.push_back(std::move(state));
    return out;
}

size_t Program::planned_bytes() const {
    std::lock_guard guard(lock_);
    return plan_ ? plan_->arena_bytes : 0;
}

std::array<int, 2> Program::planned() const {
    std::lock_guard guard(lock_);
    std::array<int, 2> out = {0, 0};
    for (size_t i = 0; plan_ && i < plan_->steps.size(); ++i) ++out[plan_->steps[i].way == Way::funnel];
    return out;
}

std::vector<std::string> Program::report() const {
    std::lock_guard guard(lock_);
    if (!plan_) return {};
    std::vector<std::string> out = plan_->report;
    out.insert(out.begin() + 1, prepared_notes_.begin(), prepared_notes_.end());
    return out;
}

// ---- the first run, and recorded runs -------------------------------------------------------------------------------

std::vector<Tensor> Program::run_through_funnel(const Form& form, const std::vector<Tensor>& inputs,
                                                std::span<const double> numbers, bool plan) {
    const graph::Graph& g = form.graph;
    std::vector<Tensor> tensors(g.values.size());
    for (size_t i = 0; i < inputs.size(); ++i) tensors[size_t(form.tensor_inputs[i])] = inputs[i];
    for (const graph::Constant& c : g.constants) tensors[size_t(c.value)] = c.tensor;
    std::optional<Planner> planner;
    if (plan) {
        std::lock_guard guard(lock_);
        planner.emplace(g, given_up_);
    }
    LineSpan line;
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        const Node& node = g.nodes[i];
        line.enter([&](auto&& add) { add(node.source); });
        GradMode recording(mode.grad && node.recorded);
        Arguments arguments(node, form.number);
        Call call(*node.op, arguments.bind(tensors, numbers));
        if (!read_again(node, tensors)) call_node(node, call, tensors);
        if (planner) planner->note(i, call, tensors);
        auto drop = [&](ValueId v) { if (form.last_use[size_t(v)] == i) tensors[size_t(v)] = Tensor(); };
        graph::each_operand(node, drop);
        graph::each_definition(node, drop);
    }
    if (planner) {
        std::shared_ptr<const Plan> made = planner->finish(form.last_use);
        std::lock_guard guard(lock_);
        idle_.clear();
        plan_ = std::move(made);
    }
    std::vector<Tensor> out;
    for (ValueId v : g.outputs) out.push_back(tensors[size_t(v)]);
    return out;
}

std::unique_ptr<State> Program::take_state() {
    std::unique_lock guard(lock_);
    if (!plan_ || !constants_are_as(*plan_)) return nullptr;
    if (!idle_.empty()) {
        auto state = std::move(idle_.back());
        idle_.pop_back();
        if (!state->is_held()) return state;
        given_up_.clear();
        plan_ = nullptr;
        return nullptr;
    }
    const Form& form = planned_form();
    const graph::Graph& g = form.graph;
    auto state = std::make_unique<State>(plan_, g.values.size());
    guard.unlock();
    const Plan& plan = *state->plan;
    for (const graph::Constant& c : g.constants) state->tensors[size_t(c.value)] = c.tensor;
    state->lay_out();
    state->calls.resize(g.nodes.size());
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        state->arguments.emplace_back(g.nodes[i], form.number);
        const PlannedNode& step = plan.steps[i];
        if (step.way != Way::kernel && step.way != Way::write) continue;
        auto call = std::make_unique<Call>(*g.nodes[i].op, nullptr);
        call->compute = step.compute;
        call->results = int(step.results.size());
        for (size_t r = 0; r < step.results.size(); ++r) call->geometry[r] = step.results[r].geometry;
        state->calls[i] = std::move(call);
    }
    return state;
}

// ---- planned runs ---------------------------------------------------------------------------------------------------

namespace {

Tensor shell_of(const Geometry& g) {
    Tensor t(TensorImpl::make());
    t->sizes = g.sizes;
    t->strides = g.strided ? g.strides : contiguous_strides(g.sizes);
    t->dtype = g.dtype;
    t->update_geometry();
    return t;
}

void give_memory(Tensor& t, const ResultPlan& r, State& state) {
    if (r.slot == fresh_memory) {
        t = r.geometry.strided ? empty_strided_tensor(r.geometry.sizes, r.geometry.strides, r.geometry.dtype)
                               : empty_tensor(r.geometry.sizes, r.geometry.dtype);
        return;
    }
    if (!t.defined()) t = shell_of(r.geometry);
    t->storage = r.takes == no_value ? state.take(r.slot)
                                     : state.tensors[size_t(r.takes)]->storage;
}

void run_kernel_step(const Node& node, const PlannedNode& step, Call& call, State& state) {
    for (size_t r = 0; r < step.results.size(); ++r) {
        const ResultPlan& result = step.results[r];
        Tensor unused;
        Tensor& t = result.value == no_value ? unused : state.tensors[size_t(result.value)];
        give_memory(t, result, state);
        call.out[r] = t;
    }
    run_ready(call);
    for (size_t r = 0; r < step.results.size(); ++r) call.out[r] = Tensor();
    for (const graph::Change& change : node.changes)
        state.tensors[size_t(change.new_value)] = state.tensors[size_t(change.old_value)];
}

// In the place of one of its nodes; the others have nothing to do.
void run_region(const graph::Graph& g, const PlannedNode& step, State& state) {
    if (!step.region) return;
    const Region& region = *step.region;
    std::vector<Tensor>& tensors = state.tensors;
    auto call_each = [&] {
        for (size_t n : region.nodes) {
            Call call(*g.nodes[n].op, state.arguments[n].bind(tensors, {}));
            call_node(g.nodes[n], call, tensors);
        }
        for (size_t n : region.nodes) {
            ValueId v = g.nodes[n].results[0];
            if (!region.writes_value(v)) tensors[size_t(v)] = Tensor();
        }
    };
    if (!region.fits(tensors)) return call_each();
    for (const ResultPlan& r : step.results) {
        Tensor& t = tensors[size_t(r.value)];
        if (t.defined() && !(t.strides() == r.geometry.strides)) t = Tensor();
        give_memory(t, r, state);
    }
    for (const Region::Write& w : region.writes)
        if (w.into != no_value) tensors[size_t(w.value)] = tensors[size_t(w.into)];
    if (!region.run(tensors)) call_each();
}

void run_view_step(const PlannedNode& step, const Value* args, State& state) {
    const TensorImpl& source = *args[0].tensor_;
    for (const ResultPlan& r : step.results) {
        if (r.value == no_value) continue;
        Tensor& t = state.tensors[size_t(r.value)];
        if (!t.defined()) t = shell_of(r.geometry);
        t->storage = source.storage;
        t->offset = source.offset + r.geometry.offset;
    }
}

void let_go(const PlannedNode& step, std::vector<Tensor>& tensors) {
    for (ValueId v : step.dies) {
        Tensor& t = tensors[size_t(v)];
        // Work that was put off may still read a part of the arena that the next value takes.
        if (t.defined() && t->storage && t->storage->entangled() && !t->storage->resizable()) t->storage->data();
        if (t.defined() && t->use_count() == 1) t->storage = nullptr;
        else t = Tensor();
    }
}

}  // namespace

std::vector<Tensor> Program::run_planned(State& state, const std::vector<Tensor>& inputs,
                                         std::span<const double> numbers) const {
    const graph::Graph& g = planned_form().graph;
    std::vector<Tensor>& tensors = state.tensors;
    for (size_t i = 0; i < inputs.size(); ++i) tensors[size_t(planned_form().tensor_inputs[i])] = inputs[i];
    LineSpan line;
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        const Node& node = g.nodes[i];
        const PlannedNode& step = state.plan->steps[i];
        if (step.region) line.enter([&](auto&& add) { for (size_t k : step.region->nodes) add(g.nodes[k].source); });
        else if (step.way != Way::fused) line.enter([&](auto&& add) { add(node.source); });
        if (step.way == Way::fused) {
            run_region(g, step, state);
            let_go(step, tensors);
            continue;
        }
        const Value* args = state.arguments[i].bind(tensors, numbers);
        if (step.way == Way::kernel) {
            Call& call = *state.calls[i];
            call.args = args;
            run_kernel_step(node, step, call, state);
        } else if (step.way == Way::view) {
            run_view_step(step, args, state);
        } else if (step.way == Way::write) {
            Call& call = *state.calls[i];
            call.args = args;
            call_node(node, call, tensors, run_ready);
        } else {
            Call call(*node.op, args);
            call_node(node, call, tensors);
        }
        let_go(step, tensors);
    }
    std::vector<Tensor> out;
    for (ValueId v : g.outputs) out.push_back(tensors[size_t(v)]);
    for (ValueId v : state.plan->leave) tensors[size_t(v)] = Tensor();
    for (const graph::Constant& c : g.constants) tensors[size_t(c.value)] = c.tensor;
    return out;
}

}  // namespace rushlight::runtime
