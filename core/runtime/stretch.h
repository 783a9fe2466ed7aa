// Stretches: steps of a scripted program, one after the other, that decide nothing by the values of tensors and change
// nothing outside. What they come to is then the same whenever the tensors and numbers that they read have the same
// shapes and are the same numbers: the second time, the stretch is captured, and from then on a planned program runs in
// its place.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/item.h"

namespace rushlight::runtime {

using graph::ValueId;
class Program;

class Stretch {
public:
    size_t begin = 0, end = 0;           // steps of the body
    std::vector<ValueId> reads;          // values from outside, without constants
    std::vector<size_t> constants;       // of the graph: those that it reads
    std::vector<ValueId> gives;          // what is read after it
    std::vector<ValueId> dies;           // values from outside that nobody reads after it
    bool joins = false;                  // additions and activations may join the layers before them

    using Values = std::vector<graph::Item>;

    // Does its work by a plan, if there is one for what it reads now. False where the steps have to run themselves;
    // `capture` tells to watch them.
    bool run(const graph::Graph& g, Values& values, bool& capture);
    // Runs the steps by `go` and makes a plan of what they did, unless that is `spoilt` then. `source` is kept to that
    // of the step that runs.
    template <class Go>
    void watch(const graph::Graph& g, Values& values, Go&& go, const bool& spoilt, const std::string& source) {
        auto watching = begin_watch(g, values, source);
        go();
        if (watching) end_watch(*watching, values, spoilt);
    }

private:
    struct Plan;
    struct Watch;
    struct EndWatch { void operator()(Watch* w) const; };

    std::unique_ptr<Watch, EndWatch> begin_watch(const graph::Graph& g, const Values& values,
                                                 const std::string& source);
    void end_watch(Watch& watching, Values& values, bool spoilt);
    bool plan(Watch& watching, const Values& values);
    std::shared_ptr<Plan> find(const Values& values, bool& capture);
    size_t hash(const Values& values) const;

    static constexpr size_t most_plans = 4, most_seen = 8;
    static constexpr int most_captures = 32;
    std::mutex lock_;                    // of what follows
    std::vector<std::shared_ptr<Plan>> plans_;
    std::vector<size_t> seen_;           // what came once
    std::vector<size_t> refused_;        // what was watched, and had no plan
    int captures_ = 0;
};

// Puts nodes that a plan can do next to each other, in this graph and its bodies; what the program does stays the same.
void gather(graph::Graph& g);

// Finds the stretches of a graph that was gathered.
class StretchFinder {
public:
    explicit StretchFinder(const graph::Graph& g);
    ~StretchFinder();
    // False of what must run by itself wherever it is met.
    bool can_plan(const graph::Node& node) const;
    // Those of the nodes of one body, which gives `outputs`.
    std::vector<std::unique_ptr<Stretch>> find(const std::vector<graph::Node>& nodes,
                                               const std::vector<graph::Argument>& outputs) const;

private:
    struct Impl;
    std::unique_ptr<Stretch> make(const std::vector<graph::Node>& nodes, const std::vector<graph::Argument>& outputs,
                                  size_t begin, size_t end) const;
    std::unique_ptr<Impl> impl_;
};

}  // namespace rushlight::runtime
