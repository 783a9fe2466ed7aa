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
    ValueId takes = no_value;                  // whose memory it takes, as that value lies there
    size_t bytes = 0;
};

struct PlannedNode {
    Way way = Way::funnel;
    DType compute = DType::float32;
    std::vector<ResultPlan> results;
    std::vector<ValueId> dies;                 // values that nobody reads after this node
    std::shared_ptr<const Region> region;      // of a fused node: what runs in its place; null of all but one
};

// Memory that one value after another uses, exactly as large as they are: a part of the arena.
struct Slot {
    size_t bytes = 0, offset = 0;              // into the arena
    bool lent = false;                         // holds an output: the caller has it until the next run
};

struct Plan {
    std::vector<PlannedNode> steps;
    std::vector<Slot> slots;
    size_t arena_bytes = 0;
    size_t live_bytes = 0;                     // the most of the arena that is in use at once: no plan needs less
    size_t lent_bytes = 0;
    std::vector<int> lent;                     // slots of outputs that lie in the arena
    std::vector<ValueId> leave;                // values that may be an output's memory: let go when the run ends
    std::vector<uint32_t> generations;         // of the constants' tensors when the plan was made
    std::vector<std::string> report;           // memory, what was fused, and why something was not
};

// Of each value: the node after which nobody reads it; `never` of inputs, constants and outputs.
std::vector<size_t> last_uses(const graph::Graph& g);

class Planner {
public:
    // `given_up` tells of each output whether its holder lets it go before the next run; empty where none is.
    Planner(const graph::Graph& g, std::vector<bool> given_up)
        : g_(g), plan_(std::make_shared<Plan>()), fuser_(g), given_up_(std::move(given_up)) {
        plan_->steps.resize(g.nodes.size());
    }
    // Notes what the call of node `i` came to; `values` are the tensors of all values so far.
    void note(size_t i, const Call& call, std::span<const Tensor> values);
    std::shared_ptr<const Plan> finish(std::vector<size_t> last_use);

private:
    void note_step(size_t i, const Call& call, std::span<const Tensor> values);
    struct Piece {                             // memory that is needed from one node to another, both included
        size_t bytes, begin, end;
        bool lent;
        size_t offset = 0;
        int slot = fresh_memory;
    };
    struct Lives {
        std::vector<ValueId> memory;           // of each value, by representative
        std::vector<bool> kept, lent;          // by memory: somebody may have it when the run ends, or until the next
        std::vector<size_t> last;              // by memory: the node after which nobody reads it
        std::vector<int> piece_of;             // of each value
        std::vector<Piece> pieces;
        size_t end(ValueId v) const { return last[size_t(memory[size_t(v)])]; }
    };

    void share_memory(const std::vector<size_t>& last_use);
    void lend_outputs(Lives& lives) const;
    void measure(const std::vector<Piece>& pieces);
    Lives find_lives(const std::vector<size_t>& last_use);
    ValueId taken_over(size_t i, const ResultPlan& r, const Lives& lives) const;
    void place_in_arena(std::vector<Piece>& pieces);

    const graph::Graph& g_;
    std::shared_ptr<Plan> plan_;
    Fuser fuser_;
    std::vector<bool> given_up_;
};

}  // namespace rushlight::runtime
