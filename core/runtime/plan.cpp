#include "runtime/plan.h"

#include <algorithm>
#include <map>

#include "base/log.h"

namespace rushlight::runtime {

using graph::Node;

std::vector<size_t> last_uses(const graph::Graph& g) {
    std::vector<size_t> out(g.values.size(), never);
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        graph::each_definition(g.nodes[i], [&](ValueId v) { out[size_t(v)] = i; });
        graph::each_operand(g.nodes[i], [&](ValueId v) { out[size_t(v)] = i; });
    }
    for (ValueId v : g.inputs) out[size_t(v)] = never;
    for (const graph::Constant& c : g.constants) out[size_t(c.value)] = never;
    for (ValueId v : g.outputs) out[size_t(v)] = never;
    return out;
}

namespace {

// A call that writes where it is told, and nothing else: its result has the destination's shape.
bool plain_write(const Node& node, const Call& call, std::span<const Tensor> values) {
    if (node.op->kind == Kind::update) return call.results == 0;
    return node.into != no_value && node.op->kind != Kind::view && call.results == 1 && node.results[0] != no_value &&
           call.geometry[0].sizes == values[size_t(node.results[0])].sizes();
}

}  // namespace

void Planner::note(size_t i, const Call& call, std::span<const Tensor> values) {
    note_step(i, call, values);
    fuser_.note(i, call, plan_->steps[i].way == Way::kernel, values);
}

void Planner::note_step(size_t i, const Call& call, std::span<const Tensor> values) {
    const Node& node = g_.nodes[i];
    Step& step = plan_->steps[i];
    step.compute = call.compute;
    bool simple = !node.op->compose && !call.passes_view && !node.op->parsed.returns_list;
    if (simple && plain_write(node, call, values)) {
        step.way = Way::write;
        if (node.into != no_value) step.results = {{node.results[0], call.geometry[0]}};
        return;
    }
    auto gives_output = [&](ValueId v) {
        return std::find(g_.outputs.begin(), g_.outputs.end(), v) != g_.outputs.end();
    };
    bool plain = simple && node.into == no_value && call.results > 0 && size_t(call.results) >= node.results.size();
    if (!plain) return;
    bool view = node.op->kind == Kind::view;
    for (int r = 0; r < call.results; ++r) {
        ResultPlan result;
        result.geometry = call.geometry[size_t(r)];
        result.value = size_t(r) < node.results.size() ? node.results[size_t(r)] : no_value;
        if (view) result.geometry.offset -= call.tensor(0).offset;
        if (result.value != no_value) {
            const Tensor& t = values[size_t(result.value)];
            bool as_ruled = t.sizes() == result.geometry.sizes && t.dtype() == result.geometry.dtype;
            bool own = view || (t->storage->use_count() == 1 && t->offset == 0 && !t->base);
            if (!as_ruled || !own || (view && gives_output(result.value))) return;
            result.bytes = t->storage->bytes();
        }
        step.results.push_back(std::move(result));
    }
    step.way = view ? Way::view : Way::kernel;
}

// Memory that is certainly a node's own, and dies within the run, takes turns with memory of the same size.
void Planner::share_memory(const std::vector<size_t>& last_use) {
    Plan& plan = *plan_;
    std::vector<ValueId> memory = graph::memory_of(g_);
    std::vector<bool> kept = graph::outlives_the_run(g_, memory);
    for (ValueId v : g_.outputs) kept[size_t(memory[size_t(v)])] = true;
    std::vector<size_t> last(g_.values.size(), 0);
    for (size_t v = 0; v < memory.size(); ++v)
        if (last_use[v] != never) last[size_t(memory[v])] = std::max(last[size_t(memory[v])], last_use[v]);
    std::map<size_t, std::vector<int>> free;
    std::vector<std::vector<std::pair<size_t, int>>> ends(g_.nodes.size());
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
        for (ResultPlan& r : plan.steps[i].results) {
            bool own = (plan.steps[i].way == Way::kernel || plan.steps[i].way == Way::fused) && r.value != no_value;
            if (!own || kept[size_t(memory[size_t(r.value)])]) continue;
            std::vector<int>& candidates = free[r.bytes];
            if (candidates.empty()) {
                r.slot = int(plan.slot_bytes.size());
                plan.slot_bytes.push_back(r.bytes);
            } else {
                r.slot = candidates.back();
                candidates.pop_back();
            }
            ends[last[size_t(memory[size_t(r.value)])]].emplace_back(r.bytes, r.slot);
        }
        for (auto [bytes, slot] : ends[i]) free[bytes].push_back(slot);
    }
    for (size_t v = 0; v < g_.values.size(); ++v) {
        if (kept[size_t(memory[v])]) plan.leave.push_back(ValueId(v));
        else plan.steps[last[size_t(memory[v])]].dies.push_back(ValueId(v));
    }
    if (logging(Channel::graph)) {
        size_t bytes = 0;
        for (size_t b : plan.slot_bytes) bytes += b;
        log_line(Channel::graph, g_.name + ": planned " + std::to_string(g_.nodes.size()) + " nodes, " +
                 std::to_string(plan.slot_bytes.size()) + " blocks of memory, " + std::to_string(bytes) + " bytes");
    }
}

std::shared_ptr<const Plan> Planner::finish(std::vector<size_t> last_use) {
    for (const graph::Constant& c : g_.constants) plan_->generations.push_back(c.tensor->generation);
    fuser_.fuse(*plan_, last_use);
    plan_->fusion = fuser_.report();
    for (const std::string& line : plan_->fusion)
        if (logging(Channel::graph)) log_line(Channel::graph, g_.name + ": " + line);
    share_memory(last_use);
    return plan_;
}

}  // namespace rushlight::runtime
