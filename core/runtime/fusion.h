// Element-wise nodes that run together: several operators over one small piece of memory before the next, so that what
// is between them has no memory at all. A matter of the plan: the graph stays as it was captured.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "kernels/generic/tile_program.h"
#include "registry/tile.h"

namespace rushlight::runtime {

struct Plan;

// Nodes that run as one, in the place of one of them.
class Region {
public:
    Region(const Dims& sizes, int reduced, bool kept) : program(sizes, reduced), kept(kept) {}

    // May it run on these tensors, as it was planned? If not, its nodes are to be called one by one.
    bool fits(std::span<const Tensor> tensors) const;
    // Results have their memory. False where it did not run, as another thread had channels put last no more.
    bool run(std::span<const Tensor> tensors) const;
    bool writes_value(graph::ValueId v) const;

    struct Read {
        graph::ValueId value;
        Dims sizes, strides;
    };
    struct Write {
        graph::ValueId value, into;      // into: the value whose memory is overwritten; no_value of fresh memory
    };
    TileProgram program;                 // its memories: reads, then writes
    bool kept;                           // are they kept with the channels last, all that have several elements?
    std::string name;                    // as the profiler shows it
    std::vector<size_t> nodes;           // in the order of the graph
    std::vector<Read> reads;
    std::vector<Write> writes;
};

// Finds the regions of a graph in what one run of it came to.
class Fuser {
public:
    explicit Fuser(const graph::Graph& g);
    ~Fuser();
    Fuser(const Fuser&) = delete;
    Fuser& operator=(const Fuser&) = delete;

    // Notes node `i`, whose result is `planned` as one in memory of its own, or overwrites a value.
    void note(size_t i, const Call& call, bool planned, std::span<const Tensor> values);
    // Gives the steps of fused nodes to their regions. A value that is now read later has a later last use.
    void fuse(Plan& plan, std::vector<size_t>& last_use);
    // What was fused, and why an element-wise node was not: a line each.
    std::vector<std::string> report() const;

private:
    struct Parts;
    std::unique_ptr<Parts> p_;
};

}  // namespace rushlight::runtime
