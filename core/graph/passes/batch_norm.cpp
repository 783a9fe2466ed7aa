#include <algorithm>

#include "base/parallel.h"
#include "graph/passes/edit.h"
#include "registry/mode.h"

namespace rushlight::graph {

namespace {

// The weight as (groups, others, channels of a group, others), where the result's channels are groups and the third.
// Empty where batch norm's channels are none of the layer's.
Dims weight_by_channels(const Graph& g, const Node& layer) {
    std::string_view id = layer.op->id;
    const Dims& w = g[layer.args[1].values[0]].sizes;
    if (id == "convolution") return {1, 1, w[0], -1};
    if (id == "linear" && w.size() == 2 && g[layer.results[0]].sizes.size() == 2) return {1, 1, w[0], -1};
    if (id != "convolution_transpose") return {};
    int64_t groups = layer.args[size_t(layer.op->parsed.find("groups"))].integer;
    return {groups, w[0] / groups, w[1], -1};
}

const Tensor& known(const Values& values, const Argument& a) {
    static const Tensor none;
    return a.tag == Tag::tensor ? values.constant[size_t(a.values[0])] : none;
}

Tensor wide(const Tensor& t) { return compute("to_dtype", t, DType::float64); }

// Batch norm by running statistics of what a layer alone gives it, everything else constant.
bool folds(const Graph& g, const Values& values, const Node& norm) {
    if (std::string_view(norm.op->id) != "batch_norm_forward" || norm.args[5].integer) return false;
    for (size_t r = 1; r < norm.results.size(); ++r)
        if (norm.results[r] != no_value && values.readers[size_t(norm.results[r])] > 0) return false;
    for (size_t i = 1; i <= 4; ++i)
        if (norm.args[i].tag == Tag::tensor && !known(values, norm.args[i]).defined()) return false;
    ValueId x = norm.args[0].values[0];
    if (values.maker[size_t(x)] < 0 || values.readers[size_t(x)] != 1) return false;
    const Node& layer = g.nodes[size_t(values.maker[size_t(x)])];
    std::string_view id = layer.op->id;
    if (id != "convolution" && id != "convolution_transpose" && id != "linear") return false;
    bool constant = known(values, layer.args[1]).defined() &&
                    (layer.args[2].tag != Tag::tensor || known(values, layer.args[2]).defined());
    return constant && layer.into == no_value && is_floating(g[x].dtype) && !weight_by_channels(g, layer).empty();
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
    Dims shape = weight_by_channels(g, layer);
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

void fold_batch_norm(Graph& g) {
    Values values(g);
    std::vector<bool> gone(g.nodes.size());
    for (size_t i = 0; i < g.nodes.size(); ++i) {
        if (!folds(g, values, g.nodes[i])) continue;
        size_t layer = size_t(values.maker[size_t(g.nodes[i].args[0].values[0])]);
        fold(g, values, g.nodes[layer], g.nodes[i]);
        gone[i] = true;
    }
    std::vector<Node> nodes;
    for (size_t i = 0; i < g.nodes.size(); ++i)
        if (!gone[i]) nodes.push_back(std::move(g.nodes[i]));
    g.nodes = std::move(nodes);
    remove_dead_code(g);
}

}  // namespace rushlight::graph
