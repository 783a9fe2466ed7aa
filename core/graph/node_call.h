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

// Composites that the memory of tensors matters to: of layers (what has a weight) the result is new; where `inplace` is
// not False the first argument is written, and where `training` is not, running statistics are.
bool gives_new_memory(const Node& node);
std::vector<ValueId> silent_writes(const Node& node);

// A literal as a call takes it; None of what only the run can tell. Borrows texts and lists.
Value literal_value(const Argument& a);

// Calls give(value, tensor) for each result that the graph names, or give_list(value, tensors) where one value may hold
// them all; this says whether it does.
template <class Give, class GiveList>
void each_result(const Node& node, Call& call, Give&& give, GiveList&& give_list) {
    bool list = node.op->parsed.returns_list;
    if (list && node.results.size() == 1 && give_list(node.results[0], call.list)) return;
    require(!list || call.list.size() == node.results.size(), ErrorKind::runtime, node.op->id, ": gave ",
            call.list.size(), " tensors; the graph names ", node.results.size());
    for (size_t i = 0; i < node.results.size(); ++i) {
        if (node.results[i] == no_value) continue;
        Tensor& result = list ? call.list[i] : call.out[std::min<size_t>(i, 3)];
        require(result.defined(), ErrorKind::runtime, node.op->id, ": gave no result ", i, ", which the graph names");
        give(node.results[i], result);
    }
}

// Calls the node's operator, through the funnel or past its rule, and puts the results into `tensors`.
void call_node(const Node& node, Call& call, std::span<Tensor> tensors, void (*how)(Call&) = dispatch);

}  // namespace rushlight::graph
