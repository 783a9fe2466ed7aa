#include "runtime/plan.h"

#include <algorithm>
#include <bit>
#include <numeric>

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
    PlannedNode& step = plan_->steps[i];
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

// ---- memory ---------------------------------------------------------------------------------------------------------

// An argument that the result may lie upon, and that nobody needs after this node: a whole memory that is planned.
ValueId Planner::taken_over(size_t i, const ResultPlan& r, const Lives& lives) const {
    const Node& node = g_.nodes[i];
    for (uint64_t left = node.op->overwritten_params; left; left &= left - 1) {
        const graph::Argument& a = node.args[size_t(std::countr_zero(left))];
        if (a.tag != Tag::tensor) continue;
        ValueId v = a.values[0];
        int piece = lives.piece_of[size_t(v)], reads = 0;
        graph::each_operand(node, [&](ValueId o) { reads += lives.memory[size_t(o)] == lives.memory[size_t(v)]; });
        if (piece >= 0 && lives.end(v) == i && reads == 1 && lives.pieces[size_t(piece)].bytes == r.bytes) return v;
    }
    return no_value;
}

// Large outputs whose holder lets them go before the next run (gradients) lie in the arena too, to the end of the run.
void Planner::lend_outputs(Lives& lives) const {
    constexpr int64_t least = 1 << 16;                   // bytes
    lives.lent.assign(g_.values.size(), false);
    std::vector<int> outputs(g_.values.size());          // by memory
    for (ValueId v : g_.outputs) ++outputs[size_t(lives.memory[size_t(v)])];
    std::vector<bool> outlives = graph::outlives_the_run(g_, lives.memory);
    for (size_t i = 0; i < given_up_.size(); ++i) {
        const graph::ValueInfo& v = g_[g_.outputs[i]];
        size_t m = size_t(lives.memory[size_t(g_.outputs[i])]);
        int64_t bytes = size_of(v.dtype);
        for (int64_t n : v.sizes) bytes *= n;
        bool large = bytes >= least;
        if (!given_up_[i] || !large || outputs[m] != 1 || outlives[m]) continue;
        lives.kept[m] = false;
        lives.lent[m] = true;
        lives.last[m] = g_.nodes.size();
    }
}

Planner::Lives Planner::find_lives(const std::vector<size_t>& last_use) {
    Lives lives{graph::memory_of(g_), {}, {}, std::vector<size_t>(g_.values.size()),
                std::vector<int>(g_.values.size(), fresh_memory), {}};
    lives.kept = graph::outlives_the_run(g_, lives.memory);
    for (ValueId v : g_.outputs) lives.kept[size_t(lives.memory[size_t(v)])] = true;
    for (size_t v = 0; v < g_.values.size(); ++v) {
        size_t m = size_t(lives.memory[v]);
        if (last_use[v] != never) lives.last[m] = std::max(lives.last[m], last_use[v]);
    }
    lend_outputs(lives);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
        for (ResultPlan& r : plan_->steps[i].results) {
            Way way = plan_->steps[i].way;
            bool own = (way == Way::kernel || way == Way::fused) && r.value != no_value;
            if (!own || lives.kept[size_t(lives.memory[size_t(r.value)])]) continue;
            r.takes = taken_over(i, r, lives);
            if (r.takes == no_value) {
                r.slot = int(lives.pieces.size());
                size_t m = size_t(lives.memory[size_t(r.value)]);
                lives.pieces.push_back({r.bytes, i, std::max(i, lives.end(r.value)), lives.lent[m]});
            } else {
                r.slot = lives.piece_of[size_t(r.takes)];
                Piece& piece = lives.pieces[size_t(r.slot)];
                piece.end = lives.end(r.value);
                piece.lent = lives.lent[size_t(lives.memory[size_t(r.value)])];
            }
            lives.piece_of[size_t(r.value)] = r.slot;
        }
    }
    return lives;
}

// Large ones first, each at the lowest place that is free for as long as it lives.
void Planner::place_in_arena(std::vector<Piece>& pieces) {
    std::vector<size_t> order(pieces.size()), placed;
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return pieces[a].bytes > pieces[b].bytes; });
    constexpr size_t alignment = 64;
    for (size_t i : order) {
        Piece& piece = pieces[i];
        size_t offset = 0;
        for (size_t other : placed) {                    // by their offsets
            const Piece& p = pieces[other];
            bool together = p.begin <= piece.end && piece.begin <= p.end;
            if (!together) continue;
            if (offset + piece.bytes <= p.offset) break;
            offset = std::max(offset, (p.offset + p.bytes + alignment - 1) / alignment * alignment);
        }
        piece.offset = offset;
        plan_->arena_bytes = std::max(plan_->arena_bytes, offset + piece.bytes);
        auto at = std::upper_bound(placed.begin(), placed.end(), offset,
                                   [&](size_t value, size_t p) { return value < pieces[p].offset; });
        placed.insert(at, i);
        piece.slot = int(plan_->slots.size());
        if (piece.lent) plan_->lent.push_back(piece.slot);
        plan_->slots.push_back({piece.bytes, offset, piece.lent});
    }
}

// How much of the arena is in use at once, and what the report says of it.
void Planner::measure(const std::vector<Piece>& pieces) {
    std::vector<int64_t> change(g_.nodes.size() + 2);
    for (const Piece& piece : pieces) {
        change[piece.begin] += int64_t(piece.bytes);
        change[piece.end + 1] -= int64_t(piece.bytes);
        if (piece.lent) plan_->lent_bytes += piece.bytes;
    }
    int64_t live = 0;
    for (int64_t c : change) {
        live += c;
        plan_->live_bytes = std::max(plan_->live_bytes, size_t(live));
    }
    auto text = [](size_t bytes) { return std::to_string(bytes); };
    std::string line = "memory: " + text(plan_->arena_bytes) + " bytes planned, of which " + text(plan_->live_bytes) +
                       " are in use at once";
    if (plan_->lent_bytes) line += "; " + text(plan_->lent_bytes) + " hold gradients until the next call";
    plan_->report.push_back(line);
}

// Memory that is certainly a node's own, and dies within the run, is shared.
void Planner::share_memory(const std::vector<size_t>& last_use) {
    Plan& plan = *plan_;
    Lives lives = find_lives(last_use);
    place_in_arena(lives.pieces);
    for (PlannedNode& step : plan.steps)
        for (ResultPlan& r : step.results)
            if (r.slot != fresh_memory) r.slot = lives.pieces[size_t(r.slot)].slot;
    for (size_t v = 0; v < g_.values.size(); ++v) {
        if (lives.kept[size_t(lives.memory[v])] || lives.lent[size_t(lives.memory[v])])
            plan.leave.push_back(ValueId(v));
        else plan.steps[lives.end(ValueId(v))].dies.push_back(ValueId(v));
    }
    measure(lives.pieces);
}

std::shared_ptr<const Plan> Planner::finish(std::vector<size_t> last_use) {
    for (const graph::Constant& c : g_.constants) plan_->generations.push_back(c.tensor->generation);
    fuser_.fuse(*plan_, last_use);
    share_memory(last_use);
    for (std::string& line : fuser_.report()) plan_->report.push_back(std::move(line));
    for (const std::string& line : plan_->report)
        if (logging(Channel::graph)) log_line(Channel::graph, g_.name + ": " + line);
    return plan_;
}

}  // namespace rushlight::runtime
