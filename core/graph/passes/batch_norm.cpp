#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "base/parallel.h"
#include "graph/passes/edit.h"
#include "registry/mode.h"

namespace rushlight::graph {

namespace {

// Of the primitive, or of the composite that scripted programs call.
bool is_layer(const Node& node, const char* primitive, const char* composite) {
    std::string_view id = node.op ? node.op->id : "";
    bool numbered = id.size() == std::strlen(composite) + 2 && id.ends_with('d');
    return id == primitive || (numbered && id.starts_with(composite));
}

const Tensor& known(const Values& values, const Argument& a) {
    static const Tensor none;
    return a.tag == Tag::tensor ? values.constant[size_t(a.values[0])] : none;
}

// The weight as (groups, others, channels of a group, others), where the result's channels are groups and the third.
// Empty where batch norm's channels are none of the layer's.
Dims weight_by_channels(const Graph& g, const Values& values, const Node& layer) {
    std::string_view id = layer.op->id;
    const Dims w = known(values, layer.args[1]).sizes();
    const ValueInfo& given = g[layer.results[0]];
    if (is_layer(layer, "convolution", "conv")) return {1, 1, w[0], -1};
    if (id == "linear" && w.size() == 2 && given.sized && given.sizes.size() == 2) return {1, 1, w[0], -1};
    if (!is_layer(layer, "convolution_transpose", "conv_transpose")) return {};
    const Argument& groups = layer.args[size_t(layer.op->parsed.find("groups"))];
    if (groups.tag != Tag::integer) return {};
    return {groups.integer, w[0] / groups.integer, w[1], -1};
}

Tensor wide(const Tensor& t) { return compute("to_dtype", t, DType::float64); }

// The call as one of batch_norm_forward; without operator if it is no batch norm.
Node norm_of(const Node& node) {
    std::string_view id = node.op ? node.op->id : "";
    Node out;
    if (id == "batch_norm_forward" || id == "batch_norm") out = node;
    if (id != "batch_norm") return out;
    const std::vector<Argument>& a = node.args;          // input, mean, var, weight, bias, training, momentum, eps
    out.args = {a[0], a[3], a[4], a[1], a[2], a[5], a[6], a[7]};
    return out;
}

// Batch norm by running statistics of what the layer alone gives it, everything else constant.
bool folds(const Graph& g, const Values& values, const std::vector<int>& readers, const Node& norm, const Node* layer) {
    if (norm.args[5].tag != Tag::boolean || norm.args[5].integer || norm.args[7].tag != Tag::real) return false;
    for (size_t r = 1; r < norm.results.size(); ++r)
        if (norm.results[r] != no_value && readers[size_t(norm.results[r])] > 0) return false;
    for (size_t i = 1; i <= 4; ++i)
        if (norm.args[i].tag != Tag::none && !known(values, norm.args[i]).defined()) return false;
    if (norm.args[3].tag == Tag::none || !layer || readers[size_t(norm.args[0].values[0])] != 1) return false;
    if (!is_layer(*layer, "convolution", "conv") && !is_layer(*layer, "convolution_transpose", "conv_transpose") &&
        std::string_view(layer->op->id) != "linear")
        return false;
    bool constant = known(values, layer->args[1]).defined() &&
                    (layer->args[2].tag == Tag::none || known(values, layer->args[2]).defined());
    return constant && layer->into == no_value && is_floating(known(values, layer->args[1]).dtype()) &&
           layer->recorded == norm.recorded && !weight_by_channels(g, values, *layer).empty();
}

// weight * scale, the products in float64; `shape` is that of the weight by channels, each of which has a scale.
Tensor scaled_weight(const Tensor& weight, const Tensor& scale, const Dims& shape) {
    if (weight.dtype() != DType::float32 || !weight.contiguous()) {
        Tensor by_channels = compute("reshape", scale, Dims{shape[0], 1, shape[2], 1});
        Tensor scaled = compute("mul", compute("reshape", wide(weight), shape), by_channels);
        return compute("to_dtype", compute("reshape", scaled, weight.sizes()), weight.dtype());
    }
    Tensor out = empty_tensor(weight.sizes(), weight.dtype());
    const int64_t others = shape[0] * shape[1] * shape[2], inner = weight.numel() / std::max<int64_t>(others, 1);
    auto* from = static_cast<const float*>(weight.data());
    auto* by = static_cast<const double*>(scale.data());
    auto* to = static_cast<float*>(out.data());
    parallel_for(others, 65536 / (inner + 1) + 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            double factor = by[i / (shape[1] * shape[2]) * shape[2] + i % shape[2]];
            for (int64_t k = i * inner; k < (i + 1) * inner; ++k) to[k] = float(double(from[k]) * factor);
        }
    });
    return out;
}

void fold(Graph& g, const Values& values, Node& layer, const Node& norm) {
    Dims shape = weight_by_channels(g, values, layer);
    Tensor weight = known(values, layer.args[1]), bias = known(values, layer.args[2]);
    Tensor gamma = known(values, norm.args[1]), beta = known(values, norm.args[2]);
    Tensor mean = wide(known(values, norm.args[3])), var = wide(known(values, norm.args[4]));
    Tensor scale = compute("rsqrt", compute("add", var, norm.args[7].real));
    if (gamma.defined()) scale = compute("mul", scale, wide(gamma));
    Tensor shift = bias.defined() ? compute("sub", wide(bias), mean) : compute("neg", mean);
    shift = compute("mul", shift, scale);
    if (beta.defined()) shift = compute("add", shift, wide(beta));
    auto key = [&](const Argument& a) {
        for (const Constant& c : g.constants)
            if (c.value == a.values[0]) return c.key + ".folded";
        return std::string("folded");
    };
    std::string weight_key = key(layer.args[1]);
    std::string bias_key = layer.args[2].tag == Tag::tensor ? key(layer.args[2]) : weight_key + ".bias";
    ValueId w = add_constant(g, weight_key, scaled_weight(weight, scale, shape));
    ValueId b = add_constant(g, bias_key, compute("to_dtype", shift, weight.dtype()));
    layer.args[1].values = {w};
    layer.args[2] = Argument();
    layer.args[2].tag = Tag::tensor;
    layer.args[2].values = {b};
    layer.results = {norm.results[0]};
}

}  // namespace

// Of each layer the batch norm that follows it. Gives whether there was one.
static bool fold_in(Graph& g, const Values& values, const std::vector<int>& readers, std::vector<Node>& nodes) {
    std::unordered_map<ValueId, Node*> maker;
    std::vector<bool> gone(nodes.size());
    bool folded = false;
    for (size_t i = 0; i < nodes.size(); ++i) {
        for (Block& body : nodes[i].bodies) folded = fold_in(g, values, readers, body.nodes) || folded;
        Node norm = norm_of(nodes[i]);
        ValueId x = norm.op ? norm.args[0].values[0] : no_value;
        auto layer = maker.find(x);
        if (norm.op && folds(g, values, readers, norm, layer == maker.end() ? nullptr : layer->second)) {
            fold(g, values, *layer->second, norm);
            replace_value(g, x, norm.results[0]);        // in what reads its shape
            gone[i] = folded = true;
        }
        each_definition(nodes[i], [&](ValueId v) { maker[v] = &nodes[i]; });
    }
    std::vector<Node> left;
    for (size_t i = 0; i < nodes.size(); ++i)
        if (!gone[i]) left.push_back(std::move(nodes[i]));
    nodes = std::move(left);
    return folded;
}

// Until none is left, so that folding the result again changes nothing.
void fold_batch_norm(Graph& g, const std::vector<std::string>& kept) {
    while (fold_in(g, Values(g, kept), readers_of(g), g.nodes)) remove_dead_code(g);
    remove_dead_code(g);
}

}  // namespace rushlight::graph
