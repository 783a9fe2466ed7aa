// What is planned of a graph: how each node runs, the geometry of its results, and which results share memory.
//
// A planner watches one run through the funnel. It plans only what is certain: calls whose results are what the shape
// rule said, in memory of their own or in another value's place, updates and views. Everything else goes through the
// funnel at each run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "registry/call.h"
#include "runtime/fusion.h"

namespace rushlight::runtime {

using graph::ValueId;
using graph::no_value;

constexpr size_t never = SIZE_MAX;
constexpr int fresh_memory = -1;               // a slot: memory of its own in each run

// How a node runs once the plan is made.
// Here `write` is a call into a value's place, or an update of the tensors that it is given.
enum class Way : uint8_t { funnel, kernel, view, write, fused };

struct ResultPlan {
    ValueId value = no_value;
    Geometry geometry;                         // of a view: the offset counts from its source's
    int slot = fresh_memory;
    size_t bytes = 0;
};

struct Step {
    Way way = Way::funnel;
    DType compute = DType::float32;
    std::vector<ResultPlan> results;
    std::vector<ValueId> dies;                 // values that nobody reads after this node
    std::shared_ptr<const Region> region;      // of a fused node: what runs in its place; null of all but one
};

struct Plan {
    std::vector<Step> steps;
    std::vector<size_t> slot_bytes;
    std::vector<ValueId> leave;                // values that may be an output's memory: let go when the run ends
    std::vector<uint32_t> generations;         // of the constants' tensors when the plan was made
    std::vector<std::string> fusion;           // what was fused, and why something was not
};

// Of each value: the node after which nobody reads it; `never` of inputs, constants and outputs.
std::vector<size_t> last_uses(const graph::Graph& g);

class Planner {
public:
    explicit Planner(const graph::Graph& g) : g_(g), plan_(std::make_shared<Plan>()), fuser_(g) {
        plan_->steps.resize(g.nodes.size());
    }
    // Notes what the call of node `i` came to; `values` are the tensors of all values so far.
    void note(size_t i, const Call& call, std::span<const Tensor> values);
    std::shared_ptr<const Plan> finish(std::vector<size_t> last_use);

private:
    void note_step(size_t i, const Call& call, std::span<const Tensor> values);
    void share_memory(const std::vector<size_t>& last_use);

    const graph::Graph& g_;
    std::shared_ptr<Plan> plan_;
    Fuser fuser_;
};

}  // namespace rushlight::runtime
