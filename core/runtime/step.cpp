#include "runtime/step.h"

#include <algorithm>

#include "registry/training.h"
#include "registry/watch.h"

namespace rushlight::runtime {

using graph::GradientSlot;

Step::Step(graph::Graph g, const graph::Capture& capture, std::vector<graph::Graph> functions)
    : functions_(std::move(functions)), program_(std::move(g), functions_), slots_(capture.gradients()),
      walks_(capture.walks() > 0), hooks_(leaf_hook_changes) {
    auto hold = [&](const graph::Graph& one) {
        for (const graph::Constant& c : one.constants)
            constants_.push_back({c.tensor, c.tensor->generation, c.tensor->requires_grad});
    };
    hold(program_.graph());
    for (const graph::Graph& f : functions_) hold(f);
    for (const Tensor& t : capture.read_constants()) versions_.push_back({t, t->storage->version()});
    results_ = program_.graph().outputs.size();
    for (const GradientSlot& slot : slots_)
        if (slot.after == GradientSlot::After::output) results_ = std::min(results_, size_t(slot.output));
    give_up_gradients();
}

Step::Step(graph::Graph g, const Step& other)
    : functions_(other.functions_), program_(std::move(g), functions_), slots_(other.slots_), walks_(other.walks_),
      constants_(other.constants_), versions_(other.versions_), hooks_(other.hooks_), results_(other.results_) {
    give_up_gradients();
}

// Capturing took each input for a tensor of its own. None may come twice; none whose gradient is set may be a constant;
// where derivatives need values, what is written may not lie in another input.
bool Step::apart(std::span<const Tensor> inputs) const {
    for (size_t i = 1; i < inputs.size(); ++i)
        for (size_t j = 0; j < i; ++j)
            if (inputs[i].impl() == inputs[j].impl()) return false;
    for (const GradientSlot& slot : slots_)
        for (size_t i = 0; slot.input >= 0 && i < constants_.size(); ++i)
            if (constants_[i].tensor.impl() == inputs[size_t(slot.input)].impl()) return false;
    for (size_t i : written_)                    // gradients come behind the arguments
        for (size_t j = 0; walks_ && i < inputs.size() && j < inputs.size(); ++j)
            if (i != j && may_share_memory(*inputs[i].impl(), *inputs[j].impl())) return false;
    return true;
}

// Those that the next call replaces without a look; and what it writes of its inputs.
void Step::give_up_gradients() {
    std::vector<bool> written = graph::written_inputs(program_.graph());
    for (size_t i = 0; i < written.size(); ++i)
        if (written[i]) written_.push_back(i);
    std::vector<bool> given_up(program_.graph().outputs.size());
    for (const GradientSlot& slot : slots_)
        if (slot.before == GradientSlot::Before::any && slot.after == GradientSlot::After::output)
            given_up[size_t(slot.output)] = true;
    program_.give_up(std::move(given_up));
}

Step Step::at(graph::Graph g) const {
    for (graph::Constant& c : g.constants)
        for (const graph::Constant& own : program_.graph().constants)
            if (own.key == c.key) c.tensor = own.tensor;
    return Step(std::move(g), *this);
}

bool Step::fits(std::span<const Tensor> inputs) const {
    if ((walks_ && hooks_ != leaf_hook_changes) || !apart(inputs)) return false;
    for (const Constant& c : constants_)
        if (c.tensor->generation != c.generation || c.tensor->requires_grad != c.requires_grad) return false;
    for (const Version& v : versions_)
        if (v.tensor->storage->version() != v.version) return false;
    const graph::Graph& g = program_.graph();
    for (const GradientSlot& slot : slots_) {
        if (slot.before == GradientSlot::Before::any) continue;
        Tensor now = gradients.get(leaf_of(slot, inputs));
        if (now.defined() != (slot.before == GradientSlot::Before::given)) return false;
        if (!now.defined()) continue;
        const graph::ValueInfo& v = g[g.inputs[size_t(slot.given)]];
        bool as_captured = now.sizes() == v.sizes && now.dtype() == v.dtype && !now->tracked() &&
                           (v.strides.empty() ? now.contiguous() : now.strides() == v.strides);
        if (!as_captured) return false;
    }
    return true;
}

std::vector<Tensor> Step::run(std::vector<Tensor> inputs, bool recorded, std::span<const double> numbers) {
    static std::atomic<uint64_t> runs_of_all = 0;
    last_run_.store(++runs_of_all, std::memory_order_relaxed);
    runs_.fetch_add(1, std::memory_order_relaxed);
    for (const GradientSlot& slot : slots_) {
        TensorImpl& leaf = leaf_of(slot, inputs);
        if (slot.before == GradientSlot::Before::given) inputs.push_back(gradients.get(leaf));
        // As in eager mode the memory of the last gradient is there for the next.
        if (slot.before == GradientSlot::Before::any) gradients.set(leaf, Tensor());
    }
    WeightsChange training(walks_);
    std::vector<Tensor> out = program_.run(inputs, recorded, numbers);
    for (const GradientSlot& slot : slots_) {
        if (slot.after == GradientSlot::After::same) continue;
        bool none = slot.after == GradientSlot::After::none;
        Tensor grad = none ? Tensor() : out[size_t(slot.output)];
        if (grad.defined() && !slot.view) {      // as the tape hands it over
            grad->base = nullptr;
            grad->view_flags = 0;
        }
        gradients.set(leaf_of(slot, inputs), grad);
    }
    out.resize(results_);
    return out;
}

}  // namespace rushlight::runtime
