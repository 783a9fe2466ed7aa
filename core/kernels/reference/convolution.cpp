#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference/matmul.h"
#include "kernels/reference/wide.h"

namespace rushlight::reference {

namespace {

using compute::Convolution;
using compute::Layout;

// Strides of (outer, channel, d0, d1, d2) for `n` spatial sizes; unused dimensions have one element.
struct Strides {
    int64_t outer, channel, spatial[3] = {0, 0, 0};
    Strides(Layout layout, int64_t channels, int rank, const int64_t* sizes) {
        int64_t step = layout == Layout::plain ? 1 : channels;
        for (int i = rank - 1; i >= 0; --i) {
            spatial[i] = step;
            step *= sizes[i];
        }
        channel = layout == Layout::plain ? step : 1;
        outer = layout == Layout::plain ? step * channels : step;
    }
};

// Calls f(input offset, weights offset, output offset) for each product that the convolution sums.
template <class F>
void each_product(const Convolution& p, F&& f) {
    Strides in(p.input_layout, p.in_channels, p.rank, p.input), out(p.output_layout, p.out_channels, p.rank, p.output);
    int64_t group_in = p.in_channels / p.groups, group_out = p.out_channels / p.groups;
    Strides w(p.weights_layout, group_in, p.rank, p.kernel);
    auto size = [&](const int64_t* sizes, int i) { return i < p.rank ? sizes[i] : int64_t(1); };
    int64_t o[3], k[3];
    auto place = [&](int64_t& offset) {                // where in the input o and k meet; false in the padding
        offset = 0;
        for (int i = 0; i < p.rank; ++i) {
            int64_t at = o[i] * p.stride[i] + k[i] * p.dilation[i] - p.padding[i];
            if (at < 0 || at >= p.input[i]) return false;
            offset += at * in.spatial[i];
        }
        return true;
    };
    for (int64_t n = 0; n < p.batch; ++n)
        for (int64_t oc = 0; oc < p.out_channels; ++oc)
            for (o[0] = 0; o[0] < size(p.output, 0); ++o[0])
                for (o[1] = 0; o[1] < size(p.output, 1); ++o[1])
                    for (o[2] = 0; o[2] < size(p.output, 2); ++o[2]) {
                        int64_t to = n * out.outer + oc * out.channel;
                        for (int i = 0; i < p.rank; ++i) to += o[i] * out.spatial[i];
                        for (k[0] = 0; k[0] < size(p.kernel, 0); ++k[0])
                            for (k[1] = 0; k[1] < size(p.kernel, 1); ++k[1])
                                for (k[2] = 0; k[2] < size(p.kernel, 2); ++k[2]) {
                                    int64_t from, tap = oc * w.outer;
                                    if (!place(from)) continue;
                                    for (int i = 0; i < p.rank; ++i) tap += k[i] * w.spatial[i];
                                    int64_t first = oc / group_out * group_in;
                                    for (int64_t ic = 0; ic < group_in; ++ic)
                                        f(n * in.outer + (first + ic) * in.channel + from, tap + ic * w.channel, to);
                                }
                    }
}

int64_t product(const int64_t* sizes, int rank) {
    int64_t all = 1;
    for (int i = 0; i < rank; ++i) all *= sizes[i];
    return all;
}

int64_t channel_of(const Convolution& p, int64_t i, int64_t positions) {
    return p.output_layout == Layout::plain ? i / positions % p.out_channels : i % p.out_channels;
}

}  // namespace

void convolution_forward(const Convolution& p, const void* input, const void* weights, const void* bias, void* output) {
    visit_floating(p.dtype, "convolution", [&](auto zero) {
        using T = decltype(zero);
        auto *x = static_cast<const T*>(input), *w = static_cast<const T*>(weights), *b = static_cast<const T*>(bias);
        auto* y = static_cast<T*>(output);
        int64_t positions = product(p.output, p.rank), all = p.batch * p.out_channels * positions;
        std::vector<Wide<T>> sum(size_t(all), Wide<T>(0));
        each_product(p, [&](int64_t i, int64_t k, int64_t o) { sum[size_t(o)] += widen(x[i]) * widen(w[k]); });
        for (int64_t i = 0; i < all; ++i) {
            Wide<T> value = sum[size_t(i)];
            if (b) value += widen(b[channel_of(p, i, positions)]);
            if (p.accumulate) value += widen(y[i]);
            if (p.relu && value < 0) value = 0;
            y[i] = narrow<T>(value);
        }
    });
}

void convolution_backward_input(const Convolution& p, const void* grad_output, const void* weights, void* grad_input) {
    visit_floating(p.dtype, "convolution", [&](auto zero) {
        using T = decltype(zero);
        auto *g = static_cast<const T*>(grad_output), *w = static_cast<const T*>(weights);
        int64_t all = p.batch * p.in_channels * product(p.input, p.rank);
        std::vector<Wide<T>> sum(size_t(all), Wide<T>(0));
        each_product(p, [&](int64_t i, int64_t k, int64_t o) { sum[size_t(i)] += widen(g[o]) * widen(w[k]); });
        for (int64_t i = 0; i < all; ++i) static_cast<T*>(grad_input)[i] = narrow<T>(sum[size_t(i)]);
    });
}

void convolution_backward_weights(const Convolution& p, const void* input, const void* grad_output, void* grad_weights,
                                  void* grad_bias) {
    visit_floating(p.dtype, "convolution", [&](auto zero) {
        using T = decltype(zero);
        auto *x = static_cast<const T*>(input), *g = static_cast<const T*>(grad_output);
        if (grad_weights) {
            int64_t all = p.out_channels * (p.in_channels / p.groups) * product(p.kernel, p.rank);
            std::vector<Wide<T>> sum(size_t(all), Wide<T>(0));
            each_product(p, [&](int64_t i, int64_t k, int64_t o) { sum[size_t(k)] += widen(x[i]) * widen(g[o]); });
            for (int64_t i = 0; i < all; ++i) static_cast<T*>(grad_weights)[i] = narrow<T>(sum[size_t(i)]);
        }
        if (grad_bias) {
            int64_t positions = product(p.output, p.rank), all = p.batch * p.out_channels * positions;
            std::vector<Wide<T>> sum(size_t(p.out_channels), Wide<T>(0));
            for (int64_t i = 0; i < all; ++i) sum[size_t(channel_of(p, i, positions))] += widen(g[i]);
            for (int64_t c = 0; c < p.out_channels; ++c) static_cast<T*>(grad_bias)[c] = narrow<T>(sum[size_t(c)]);
        }
    });
}

void quantized_convolution(const compute::QuantizedConvolution& given, const void* input, const int8_t* weights,
                           void* output) {
    compute::QuantizedConvolution p = given;
    p.input_layout = p.output_layout = Layout::channels_last;
    std::vector<int64_t> sums(size_t(p.batch * p.out_channels * product(p.output, p.rank)), 0);
    auto number = [](const void* data, DType t, int64_t i) -> double {
        if (t == DType::float32) return static_cast<const float*>(data)[i];
        return t == DType::int8 ? static_cast<const int8_t*>(data)[i] : static_cast<const uint8_t*>(data)[i];
    };
    each_product(p, [&](int64_t i, int64_t k, int64_t o) {
        sums[size_t(o)] += (int64_t(number(input, p.input_dtype, i)) - p.input_zero) * weights[k];
    });
    for (int64_t i = 0; i < int64_t(sums.size()); ++i) {
        int64_t c = i % p.out_channels;
        double y = double(sums[size_t(i)]) * p.input_scale * p.weight_scales[c] + (p.bias ? p.bias[c] : 0);
        if (p.accumulate) y += (number(output, p.dtype, i) - p.addend_zero) * p.addend_scale;
        if (p.relu) y = std::max(y, 0.0);
        if (p.dtype == DType::float32) {
            static_cast<float*>(output)[i] = float(y);
            continue;
        }
        double low = p.dtype == DType::int8 ? -128 : 0;
        double q = std::clamp(std::nearbyint(y / p.output_scale) + p.output_zero, low, low + 255);
        static_cast<uint8_t*>(output)[i] = uint8_t(int(q));
    }
}

}  // namespace rushlight::reference
