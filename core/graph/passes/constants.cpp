#include "graph/node_call.h"
#include "graph/passes/edit.h"
#include "registry/mode.h"

namespace rushlight::graph {

namespace {

constexpr size_t largest = 1 << 22;            // bytes of a folded result that is not smaller than what it is made of

// The key of the first constant that a node reads, or the operator's name.
std::string key_of(const Graph& g, const Node& node) {
    std::string key = node.op->id;
    each_operand(node, [&](ValueId v) {
        for (const Constant& c : g.constants)
            if (c.value == v) key = c.key + "." + node.op->id;
    });
    return key;
}

}  // namespace

void fold_constant_tensors(Graph& g, const std::vector<std::string>& kept) {
    Values values(g, kept);
    std::vector<Tensor>& known = values.constant;
    size_t nodes = g.nodes.size();
    for (size_t i = 0; i < nodes; ++i) {
        const Node& node = g.nodes[i];
        if (!node.op) continue;
        bool folds = !node.op->compose && !node.writes() && !node.op->parsed.returns_list &&
                     node.op->kind != Kind::random && node.op->kind != Kind::update;
        size_t bytes = 0;
        each_operand(node, [&](ValueId v) {
            folds = folds && known[size_t(v)].defined();
            bytes += folds ? known[size_t(v)]->storage->bytes() : 0;
        });
        each_definition(node, [&](ValueId v) { folds = folds && !values.is_written(v) && !values.is_given(v); });
        if (!folds) continue;
        GradMode off(false);
        Arguments arguments(node);
        Call call(*node.op, arguments.bind(known));
        call_node(node, call, known);
        each_definition(node, [&](ValueId v) {
            Tensor& t = known[size_t(v)];
            t = compute("detach", t);
            if (node.op->kind != Kind::view && t->storage->bytes() > std::max(bytes, largest)) t = Tensor();
        });
    }
    std::vector<ValueId> now(g.values.size(), no_value);
    for (size_t i = 0; i < nodes; ++i) {
        each_operand(g.nodes[i], [&](ValueId& v) {
            if (values.maker[size_t(v)] < 0 || !known[size_t(v)].defined()) return;
            if (now[size_t(v)] == no_value)
                now[size_t(v)] = add_constant(g, key_of(g, g.nodes[size_t(values.maker[size_t(v)])]), known[size_t(v)]);
            v = now[size_t(v)];
        });
    }
    remove_dead_code(g);
}

void own_constants(Graph& g, const std::vector<std::string>& kept) {
    bool straight = is_straight(g);
    for (Constant& c : g.constants) {
        if (std::find(kept.begin(), kept.end(), c.key) != kept.end()) continue;
        if (!straight && !c.tensor.contiguous()) {           // nobody there was promised strides
            c.tensor = compute("contiguous", c.tensor);
            g.values[size_t(c.value)].strides = {};
        }
        if (c.tensor->use_count() == 1 && c.tensor->storage->use_count() == 1) continue;     // made by a pass
        Tensor copy = c.tensor.contiguous()
                          ? empty_tensor(c.tensor.sizes(), c.tensor.dtype())
                          : empty_strided_tensor(c.tensor.sizes(), c.tensor.strides(), c.tensor.dtype());
        copy_values(*copy.impl(), *c.tensor.impl());
        c.tensor = copy;
    }
}

}  // namespace rushlight::graph
