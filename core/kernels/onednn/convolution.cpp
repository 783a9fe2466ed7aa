// Convolutions through oneDNN. Weights go to the layout that the primitive likes best; activations stay as
// they are.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "kernels/onednn/engine.h"

namespace rushlight::onednn {

namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
using compute::Layout;

struct Geometry {
    dnnl::memory::dims input, weights, bias, output, stride, dilation, before, after;
};

Geometry geometry(const Convolution& p) {
    Geometry g;
    g.input = {p.batch, p.in_channels};
    g.output = {p.batch, p.out_channels};
    if (p.groups > 1) g.weights = {p.groups, p.out_channels / p.groups, p.in_channels / p.groups};
    else g.weights = {p.out_channels, p.in_channels};
    g.bias = {p.out_channels};
    for (int i = 0; i < p.rank; ++i) {
        g.input.push_back(p.input[i]);
        g.output.push_back(p.output[i]);
        g.weights.push_back(p.kernel[i]);
        g.stride.push_back(p.stride[i]);
        g.dilation.push_back(p.dilation[i] - 1);
        g.before.push_back(p.padding[i]);
        int64_t reach = (p.output[i] - 1) * p.stride[i] + (p.kernel[i] - 1) * p.dilation[i] + 1;
        g.after.push_back(std::max<int64_t>(reach - p.input[i] - p.padding[i], 0));
    }
    return g;
}

Desc activation(const dnnl::memory::dims& dims, DType dtype, int rank, Layout layout) {
    constexpr Tag plain[] = {Tag::ncw, Tag::nchw, Tag::ncdhw}, last[] = {Tag::nwc, Tag::nhwc, Tag::ndhwc};
    return {dims, onednn_type(dtype), layout == Layout::plain ? plain[rank - 1] : last[rank - 1]};
}

Desc plain_weights(const Geometry& g, const Convolution& p) {
    constexpr Tag plain[] = {Tag::oiw, Tag::oihw, Tag::oidhw}, last[] = {Tag::owi, Tag::ohwi, Tag::odhwi};
    constexpr Tag grouped[] = {Tag::goiw, Tag::goihw, Tag::goidhw},
                  grouped_last[] = {Tag::gowi, Tag::gohwi, Tag::godhwi};
    bool is_plain = p.weights_layout == Layout::plain;
    int i = p.rank - 1;
    Tag tag = p.groups > 1 ? (is_plain ? grouped[i] : grouped_last[i]) : (is_plain ? plain[i] : last[i]);
    return {g.weights, onednn_type(p.dtype), tag};
}

Desc any(const Desc& given) { return {given.get_dims(), given.get_data_type(), Tag::any}; }

// Multiplications below which a second thread gains nothing (measured on AVX-512: 0.45 million take 12 us on one and 14
// on two, 1.2 million 30 and 22), while its loss to another process makes the loops that meet at a barrier wait.
constexpr double alone_below = 1 << 20;

bool is_small(const Convolution& p) {
    double work = double(p.batch) * double(p.out_channels) * double(p.in_channels / p.groups);
    for (int i = 0; i < p.rank; ++i) work *= double(p.output[i]) * double(p.kernel[i]);
    return work < alone_below;
}

enum class Kind : int64_t { forward = 1, backward_input, backward_weights, quantized };

Key key_of(Kind kind, const Convolution& p, bool has_extra, int members) {
    Key key;
    key.add(int64_t(kind) | int64_t(p.dtype) << 4 | int64_t(p.input_layout) << 8 | int64_t(p.output_layout) << 9 |
            int64_t(p.weights_layout) << 10 | int64_t(p.relu) << 11 | int64_t(p.accumulate) << 12 |
            int64_t(has_extra) << 13 | int64_t(p.rank) << 14 | int64_t(members) << 20);
    key.add(p.batch);
    key.add(p.in_channels);
    key.add(p.out_channels);
    key.add(p.groups);
    for (const int64_t* list : {p.input, p.kernel, p.output, p.stride, p.dilation, p.padding}) key.add(list, p.rank);
    return key;
}

struct Descriptions {
    Geometry g;
    Desc input, output, weights, bias;                   // as the caller has them

    explicit Descriptions(const Convolution& p)
        : g(geometry(p)), input(activation(g.input, p.dtype, p.rank, p.input_layout)),
          output(activation(g.output, p.dtype, p.rank, p.output_layout)), weights(plain_weights(g, p)),
          bias(g.bias, onednn_type(p.dtype), Tag::a) {}
};

constexpr auto direct = dnnl::algorithm::convolution_direct;

dnnl::convolution_forward::primitive_desc forward_hint(const Descriptions& d) {
    return {engine(), dnnl::prop_kind::forward_training, direct, d.input, any(d.weights), d.output, d.g.stride,
            d.g.dilation, d.g.before, d.g.after};
}

std::unique_ptr<Call> make_forward(const Convolution& p, bool has_bias) {
    Descriptions d(p);
    dnnl::primitive_attr attr = attributes();
    dnnl::post_ops post;
    if (p.accumulate) post.append_sum(1.0f);
    if (p.relu) post.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attr.set_post_ops(post);
    dnnl::convolution_forward::primitive_desc pd(
        engine(), dnnl::prop_kind::forward_inference, direct, d.input, any(d.weights), has_bias ? d.bias : Desc(),
        d.output, d.g.stride, d.g.dilation, d.g.before, d.g.after, attr);
    auto call = std::make_unique<Call>();
    call->a = Operand(d.input, pd.src_desc(), false);
    call->b = Operand(d.weights, pd.weights_desc(), false);
    call->c = Operand(d.output, pd.dst_desc(), true);
    if (has_bias) call->extra = memory_without_data(d.bias);
    call->finish(pd, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS);
    return call;
}

std::unique_ptr<Call> make_backward_input(const Convolution& p) {
    Descriptions d(p);
    dnnl::convolution_backward_data::primitive_desc pd(engine(), direct, d.input, any(d.weights), d.output,
                                                       d.g.stride, d.g.dilation, d.g.before, d.g.after, forward_hint(d),
                                                       attributes());
    auto call = std::make_unique<Call>();
    call->a = Operand(d.output, pd.diff_dst_desc(), false);
    call->b = Operand(d.weights, pd.weights_desc(), false);
    call->c = Operand(d.input, pd.diff_src_desc(), true);
    call->finish(pd, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC, 0);
    return call;
}

std::unique_ptr<Call> make_backward_weights(const Convolution& p, bool has_bias) {
    Descriptions d(p);
    // Few channels in plain order come with the library's own blocks of the other side.
    bool mixed = p.input_layout != p.output_layout;
    Desc output = mixed ? any(d.output) : d.output;
    dnnl::convolution_forward::primitive_desc hint(engine(), dnnl::prop_kind::forward_training, direct, d.input,
                                                   any(d.weights), output, d.g.stride, d.g.dilation, d.g.before,
                                                   d.g.after);
    dnnl::convolution_backward_weights::primitive_desc pd(
        engine(), direct, d.input, any(d.weights), has_bias ? d.bias : Desc(), output, d.g.stride,
        d.g.dilation, d.g.before, d.g.after, hint, attributes());
    auto call = std::make_unique<Call>();
    call->a = Operand(d.input, pd.src_desc(), false);
    call->b = Operand(d.output, pd.diff_dst_desc(), false);
    call->c = Operand(d.weights, pd.diff_weights_desc(), true);
    if (has_bias) call->extra = memory_without_data(d.bias);
    call->finish(pd, DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS);
    return call;
}

// Scales of input, weights and output come with each call; the addend's is part of the primitive. Zero points are in
// the bias already: with them oneDNN 3.2 takes a kernel for matrix tiles that writes behind the end of its output.
std::unique_ptr<Call> make_quantized(const QuantizedConvolution& p) {
    using Type = dnnl::memory::data_type;
    Geometry g = geometry(p);
    Convolution weights_problem = p;
    weights_problem.dtype = DType::int8;
    Desc input = activation(g.input, p.input_dtype, p.rank, Layout::channels_last);
    Desc output = activation(g.output, p.dtype, p.rank, Layout::channels_last);
    Desc weights = plain_weights(g, weights_problem), bias(g.bias, Type::f32, Tag::a);
    bool rescales = p.dtype != DType::float32;
    dnnl::primitive_attr attr = attributes();
    attr.set_scales_mask(DNNL_ARG_SRC, 0);
    attr.set_scales_mask(DNNL_ARG_WEIGHTS, p.groups > 1 ? 3 : 1);
    if (rescales) attr.set_scales_mask(DNNL_ARG_DST, 0);
    dnnl::post_ops post;
    if (p.accumulate) post.append_sum(p.addend_scale);
    if (p.relu && p.output_zero)
        post.append_eltwise(dnnl::algorithm::eltwise_clip, p.least(), std::numeric_limits<float>::max());
    else if (p.relu)
        post.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attr.set_post_ops(post);
    dnnl::convolution_forward::primitive_desc pd(engine(), dnnl::prop_kind::forward_inference, direct, input,
                                                 any(weights), p.bias ? bias : Desc(), output, g.stride, g.dilation,
                                                 g.before, g.after, attr);
    while (std::strcmp(pd.impl_info_str(), "jit_1x1:avx512_core_amx") == 0)
        require(pd.next_impl(), ErrorKind::not_implemented, "onednn: only the kernel that writes behind its output");
    auto call = std::make_unique<Call>();
    call->a = Operand(input, pd.src_desc(), false);
    call->b = Operand(weights, pd.weights_desc(), false, int64_t(p.input_dtype));
    call->c = Operand(output, pd.dst_desc(), true);
    if (p.bias) call->extra = memory_without_data(bias);
    call->finish(pd, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS);
    call->take_scales(DNNL_ARG_SRC, 1);
    call->take_scales(DNNL_ARG_WEIGHTS, p.out_channels);
    if (rescales) call->take_scales(DNNL_ARG_DST, 1);
    return call;
}

}  // namespace

void convolution_forward(const Convolution& p, const void* input, const void* weights, const void* bias, void* output,
                         PackedWeights* packed) {
    Alone alone(is_small(p));
    Key key = key_of(Kind::forward, p, bias != nullptr, members_for_call());
    auto call =
        cache().take(key, [&] { return prepare("convolution", [&] { return make_forward(p, bias != nullptr); }); });
    call->run(input, weights, output, bias, packed);
}

void convolution_backward_input(const Convolution& p, const void* grad_output, const void* weights, void* grad_input,
                                PackedWeights* packed) {
    Alone alone(is_small(p));
    Key key = key_of(Kind::backward_input, p, false, members_for_call());
    auto call =
        cache().take(key, [&] { return prepare("convolution gradient", [&] { return make_backward_input(p); }); });
    call->run(grad_output, weights, grad_input, nullptr, packed);
}

void convolution_backward_weights(const Convolution& p, const void* input, const void* grad_output, void* grad_weights,
                                  void* grad_bias) {
    Alone alone(is_small(p));
    Key key = key_of(Kind::backward_weights, p, grad_bias != nullptr, members_for_call());
    auto call = cache().take(key, [&] {
        return prepare("convolution gradient", [&] { return make_backward_weights(p, grad_bias != nullptr); });
    });
    call->run(input, grad_output, grad_weights, grad_bias, nullptr);
}

void quantized_convolution(const QuantizedConvolution& p, const void* input, const int8_t* weights, void* output,
                           PackedWeights* packed) {
    Key key = key_of(Kind::quantized, p, p.bias != nullptr, members_for_call());
    key.add(int64_t(p.input_dtype));
    key.add(std::bit_cast<int32_t>(p.addend_scale));
    key.add(std::bit_cast<int32_t>(p.least()));
    auto call = cache().take(key, [&] { return prepare("quantized convolution", [&] { return make_quantized(p); }); });
    const float* scales[] = {&p.input_scale, p.weight_scales, &p.output_scale};
    for (size_t i = 0; i < call->scales.size(); ++i) point(call->scales[i], scales[i]);
    call->run(input, weights, output, p.bias, packed);
}

}  // namespace rushlight::onednn
