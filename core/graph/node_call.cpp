#include "graph/node_call.h"

namespace rushlight::graph {

Value literal_value(const Argument& a) {
    switch (a.tag) {
        case Tag::boolean: return Value(a.integer != 0);
        case Tag::integer: return Value(a.integer);
        case Tag::natural: return Value(uint64_t(a.integer));
        case Tag::real: return Value(a.real);
        case Tag::complex: return Value(std::complex<double>(a.real, a.imaginary));
        case Tag::dtype: return Value(a.dtype);
        case Tag::string: return Value(std::string_view(a.text));
        case Tag::ints: return Value(std::span<const int64_t>(a.ints));
        case Tag::reals: return Value(std::span<const double>(a.reals));
        default: return Value();
    }
}

Arguments::Arguments(const Node& node, const std::vector<int>& number)
    : values_(node.op->parsed.params.size()), lists_(values_.size()) {
    for (size_t i = 0; i < node.args.size(); ++i) {
        const Argument& a = node.args[i];
        if (a.tag == tag_value) numbers_.emplace_back(i, number.at(size_t(a.values[0])));
        else if (a.tag == Tag::tensor) single_.emplace_back(i, a.values[0]);
        else if (a.tag == Tag::tensors) many_.emplace_back(i, &a.values), lists_[i].resize(a.values.size());
        else values_[i] = literal_value(a);
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
    each_result(node, call, [&](ValueId v, Tensor& t) { tensors[size_t(v)] = std::move(t); },
                [](ValueId, std::vector<Tensor>&) { return false; });
}

}  // namespace rushlight::graph
