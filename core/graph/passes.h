// What makes a graph smaller without changing what it gives. Each pass takes a valid graph and leaves one.
#pragma once

#include "graph/graph.h"

namespace rushlight::graph {

// Removes nodes whose results nobody reads, unless they write memory that outlives the run or draw random numbers, and
// constants that nobody reads.
void remove_dead_code(Graph& g);

// Of calls with equal arguments, the later ones become the first. Only calls that neither write nor draw random
// numbers, and only on memory that nothing writes.
void merge_equal_calls(Graph& g);

// Both, until nothing changes. RUSHLIGHT_LOG=graph shows the graph before and after.
Graph simplify(Graph g);

}  // namespace rushlight::graph
