// What makes a graph smaller without changing what it gives. Each pass takes a valid graph and leaves one.
#pragma once

#include <optional>

#include "graph/graph.h"

namespace rushlight::graph {

// Computes value primitives whose arguments are literals, and puts the branch that a literal chooses in the place of
// `if`.
void fold_constants(Graph& g);

// In the first graph, and all that it still calls: what other graphs do stands in the place of their calls, unless they
// call themselves, or it would be very much. Graphs that nobody calls any more go.
std::vector<Graph> inline_calls(std::vector<Graph> graphs);

// Values that nothing defines any more go, and the others get the numbers that they have in order.
void renumber(Graph& g);

// Removes nodes whose results nobody reads, unless they write memory that outlives the run or draw random numbers, and
// constants that nobody reads. Errors that such nodes would have raised go with them.
void remove_dead_code(Graph& g);

// Of calls with equal arguments, the later ones become the first. Only calls that neither write nor draw random
// numbers, and only on memory that nothing writes; in bodies also those of values that are no tensors.
void merge_equal_calls(Graph& g);

// All of them. RUSHLIGHT_LOG=graph shows the graph before and after, as with all that follow.
Graph simplify(Graph g);

// ---- for inference: constants are taken for what they are now ------------------------------------------------------

// Of graphs that are not straight: attributes (numbers in constants that nobody writes), and what shapes of constants
// decide, become literals; dropout that drops nothing goes; what is written in place though nobody else sees it is made
// anew.
void decide_by_constants(Graph& g, const std::vector<std::string>& kept = {});

// What depends on constants only is worked out here, unless it is an output or large. Bit for bit.
void fold_constant_tensors(Graph& g, const std::vector<std::string>& kept = {});

// Batch norm by running statistics joins the convolution or linear layer before it: weights and bias take its factors
// in, worked out in float64. Results change by rounding.
void fold_batch_norm(Graph& g, const std::vector<std::string>& kept = {});

// Constants from outside become copies, which nobody else can change.
void own_constants(Graph& g, const std::vector<std::string>& kept = {});

// An addition and an activation that alone read what a convolution or linear layer gives join it. Results change by
// rounding, and where oneDNN applies relu, a NaN comes out as 0. The operators have no derivatives.
void fuse_epilogues(Graph& g);

// The same where a graph that is not straight is run by plans: it says so by the primitive `may_join`.
void let_plans_join(Graph& g);

// The first four, or without batch norm. Constants of the keys `kept` are read when the program runs, as before.
Graph freeze(Graph g, bool numerics = true, const std::vector<std::string>& kept = {});
// The last one of these.
Graph optimize_for_inference(Graph g);

// ---- for planned runs: the same bits, and no derivatives ------------------------------------------------------------

// Calls that give what they were given (x * 1, x - 0, -(-x), a cast to the own dtype, a view that shows all of it as it
// is) go, and a view of a view becomes a view of what that one shows. Gives how many calls changed.
int64_t drop_neutral_calls(Graph& g);

// An addition and relu that alone read what batch norm gives join it. Gives how many did.
int64_t fuse_batch_norm(Graph& g);

// What a walk backwards reads long after the forward pass did, and what is cheap to work out from what is there anyway,
// is worked out again instead of kept. Gives how many bytes that are, 0 where it would save little.
int64_t recompute(Graph& g);

// All of them; nothing where they change nothing. `notes` tell what they did.
std::optional<Graph> prepare(const Graph& g, std::vector<std::string>& notes);

}  // namespace rushlight::graph
