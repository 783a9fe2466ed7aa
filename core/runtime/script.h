// A scripted program made ready to run: where each step finds what it reads, and which steps a plan may do together.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"
#include "graph/item.h"
#include "registry/value.h"
#include "runtime/stretch.h"

namespace rushlight::runtime {

using graph::Item;

// Where an argument comes from.
struct Source {
    ValueId value = graph::no_value;
    Item literal;
    bool list = false;                   // a literal list: each use gets one of its own
    std::vector<ValueId> parts;          // of a list with values: no_value where the literal has it
    graph::TypeKind wanted = graph::TypeKind::any;     // real or integer where the item has to be converted to it
    bool last = false;                   // of what a body yields: nobody reads the value after this
};

struct Step;
struct Routine;

struct Body {
    std::vector<ValueId> inputs;
    std::vector<Step> steps;
    std::vector<Source> outputs;
    std::vector<std::unique_ptr<Stretch>> stretches;     // in the order of the steps
};

struct Step {
    const graph::Node* node = nullptr;
    std::vector<Source> args;            // of what is no operator
    std::vector<graph::Type> types;      // of the results
    std::vector<Value> values;           // of an operator: its literals
    std::vector<std::pair<size_t, ValueId>> tensors;     // and where tensors stand
    std::vector<size_t> others;          // its arguments that are lists or other values
    const Routine* callee = nullptr;
    std::vector<Body> bodies;
    std::vector<ValueId> dies;           // values that nobody reads after this
    bool spoils = false;                 // no plan can do it
};

struct Routine {                         // a graph
    const graph::Graph* graph = nullptr;
    Body body;
};

using Routines = std::unordered_map<std::string_view, const Routine*>;

// Borrows the graph.
void prepare(const graph::Graph& g, const Routines& routines, Routine& out);

}  // namespace rushlight::runtime
