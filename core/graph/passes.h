// What makes a graph smaller without changing what it gives. Each pass takes a valid graph and leaves one.
#pragma once

#include "graph/graph.h"

namespace rushlight::graph {

// Computes value primitives whose arguments are literals, and puts the branch that a literal chooses in the place of
// `if`.
void fold_constants(Graph& g);

// Values that nothing defines any more go, and the others get the numbers that they have in order.
void renumber(Graph& g);

// Removes nodes whose results nobody reads, unless they write memory that outlives the run or draw random numbers, and
// constants that nobody reads. Straight graphs only: others stay as they are.
void remove_dead_code(Graph& g);

// Of calls with equal arguments, the later ones become the first. Only calls that neither write nor draw random
// numbers, and only on memory that nothing writes. Straight graphs only.
void merge_equal_calls(Graph& g);

// All of them. RUSHLIGHT_LOG=graph shows the graph before and after.
Graph simplify(Graph g);

}  // namespace rushlight::graph
