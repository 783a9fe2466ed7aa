// A node as a call of its operator.
#pragma once

#include "graph/graph.h"
#include "registry/call.h"

namespace rushlight::graph {

// The arguments of an operator's node as the funnel wants them; tensors are filled in for each call. Borrows the node.
class Arguments {
public:
    // `number`: of each value that is no tensor its place among the numbers; needed where the node reads one.
    explicit Arguments(const Node& node, const std::vector<int>& number = {});
    const Value* bind(std::span<const Tensor> tensors, std::span<const double> numbers = {});      // of all values

private:
    std::vector<Value> values_;
    std::vector<std::vector<TensorImpl*>> lists_;
    std::vector<std::pair<size_t, ValueId>> single_;
    std::vector<std::pair<size_t, const std::vector<ValueId>*>> many_;
    std::vector<std::pair<size_t, int>> numbers_;
};

// Calls the node's operator, through the funnel or past its rule, and puts the results into `tensors`.
void call_node(const Node& node, Call& call, std::span<Tensor> tensors, void (*how)(Call&) = dispatch);

}  // namespace rushlight::graph
