// Runs graphs with control flow, values that are no tensors and calls of each other, without Python. Operators go
// through the funnel, so that the tape, autocast and captures see them as in eager mode.
#pragma once

#include <memory>

#include "graph/graph.h"
#include "graph/item.h"

namespace rushlight::runtime {

struct Routine;                          // a graph, made ready to run

// How deep graphs may call each other, and bodies lie in each other, all together; less on threads with a small stack.
inline constexpr int max_call_depth = 3000;

class Script {
public:
    // The first graph is the one that runs. Raises what the verifier finds wrong, and where a constant has no tensor.
    explicit Script(std::vector<graph::Graph> graphs);
    ~Script();

    // From several threads at once, too. The interpreter's lock may be released.
    std::vector<graph::Item> run(std::vector<graph::Item> inputs) const;

private:
    std::vector<graph::Graph> graphs_;
    std::vector<std::unique_ptr<Routine>> routines_;
};

// Raises a type error in the name of `who` where `x` is not of this type.
void require_type(const graph::Item& x, const graph::Type& type, const std::string& who);

}  // namespace rushlight::runtime
