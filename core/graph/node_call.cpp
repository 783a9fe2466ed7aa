#include "graph/node_call.h"

namespace rushlight::graph {

Arguments::Arguments(const Node& node, const std::vector<int>& number)
    : values_(node.op->parsed.params.size()), lists_(values_.size()) {
    for (size_t i = 0; i < node.args.size(); ++i) {
        const Argument& a = node.args[i];
        if (a.tag == tag_value) numbers_.emplace_back(i, number.at(size_t(a.values[0])));
        else switch (a.tag) {
            case Tag::boolean: values_[i] = Value(a.integer != 0); break;
            case Tag::integer: values_[i] = Value(a.integer); break;
            case Tag::natural: values_[i] = Value(uint64_t(a.integer)); break;
            case Tag::real: values_[i] = Value(a.real); break;
            case Tag::complex: values_[i] = Value(std::complex<double>(a.real, a.imaginary)); break;
            case Tag::dtype: values_[i] = Value(a.dtype); break;
            case Tag::string: values_[i] = Value(std::string_view(a.text)); break;
            case Tag::ints: values_[i] = Value(std::span<const int64_t>(a.ints)); break;
            case Tag::reals: values_[i] = Value(std::span<const double>(a.reals)); break;
            case Tag::tensor: single_.emplace_back(i, a.values[0]); break;
            case Tag::tensors: many_.emplace_back(i, &a.values); lists_[i].resize(a.values.size()); break;
            default: break;
        }
    }
}

const Value* Arguments::bind(std::span<const Tensor> tensors, std::span<const double> numbers) {
    for (auto [i, n] : numbers_) values_[i] = Value(numbers[size_t(n)]);
    for (auto [i, v] : single_) values_[i] = Value(tensors[size_t(v)]);
    for (auto [i, ids] : many_) {
        for (size_t k = 0; k < ids->size(); ++k) lists_[i][k] = tensors[size_t((*ids)[k])].impl();
        values_[i] = Value(std::span<TensorImpl* const>(lists_[i]));
    }
    return values_.data();
}

void call_node(const Node& node, Call& call, std::span<Tensor> tensors, void (*how)(Call&)) {
    if (node.into != no_value) {
        call.destination = tensors[size_t(node.into)].impl();
        call.in_place = !node.args.empty() && node.args[0].tag == Tag::tensor && node.args[0].values[0] == node.into;
    }
    how(call);
    for (const Change& change : node.changes)
        tensors[size_t(change.new_value)] = tensors[size_t(change.old_value)];
    bool list = node.op->parsed.returns_list;
    require(!list || call.list.size() == node.results.size(), ErrorKind::runtime, node.op->id, ": gave ",
            call.list.size(), " tensors; the graph was captured with ", node.results.size());
    for (size_t i = 0; i < node.results.size(); ++i) {
        if (node.results[i] == no_value) continue;
        Tensor& result = list ? call.list[i] : call.out[std::min<size_t>(i, 3)];
        require(result.defined(), ErrorKind::runtime, node.op->id, ": gave no result ", i, ", which the graph names");
        tensors[size_t(node.results[i])] = std::move(result);
    }
}

}  // namespace rushlight::graph
