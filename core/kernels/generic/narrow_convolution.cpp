#include "kernels/generic/narrow_convolution.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/narrow_kernels.h"

namespace rushlight::generic {

namespace {

using compute::Convolution;
using compute::Layout;

constexpr int64_t lanes = 16;                    // of the widest registers: rows are padded to whole ones
constexpr int64_t strip_bytes = 1 << 17;         // of padded rows at a time: stays in the second cache
constexpr int64_t slices = 16;                   // sums that threads can form apart; fixed, so that results do not vary

// Padded rows of an image's planes, for the output's rows [y, y + height): row j is the image's row y + j - padding.
struct Strips {
    int64_t channels, in_height, in_width, out_height, out_width, kernel_height, kernel_width, pad_height, pad_width;

    int64_t row() const { return (out_width + lanes - 1) / lanes * lanes + kernel_width - 1; }
    int64_t height() const {
        int64_t rows = strip_bytes / (channels * row() * int64_t(sizeof(float))) - kernel_height + 1;
        return std::clamp<int64_t>(rows / 2 * 2, 2, out_height + out_height % 2);
    }
    int64_t count() const { return (out_height + height() - 1) / height(); }
    int64_t plane() const { return (height() + kernel_height - 1) * row(); }
    int64_t first_row(int64_t y) const { return pad_height - y; }
    int64_t last_row(int64_t y) const { return pad_height - y + in_height; }

    // One plane.
    void fill(float* to, const float* plane, int64_t y, int64_t rows) const {
        int64_t left = std::clamp<int64_t>(pad_width, 0, row()), skipped = std::max<int64_t>(-pad_width, 0);
        int64_t copied = std::clamp<int64_t>(in_width - skipped, 0, row() - left);
        for (int64_t j = 0; j < rows + kernel_height - 1; ++j, to += row()) {
            int64_t i = y + j - pad_height;
            if (i < 0 || i >= in_height) {
                std::memset(to, 0, size_t(row()) * sizeof(float));
                continue;
            }
            std::memset(to, 0, size_t(left) * sizeof(float));
            std::memcpy(to + left, plane + i * in_width + skipped, size_t(copied) * sizeof(float));
            std::memset(to + left + copied, 0, size_t(row() - left - copied) * sizeof(float));
        }
    }
};

bool is_simple(const Convolution& p) {
    return p.dtype == DType::float32 && p.rank == 2 && p.groups == 1 && p.stride[0] == 1 && p.stride[1] == 1 &&
           p.dilation[0] == 1 && p.dilation[1] == 1 && p.kernel[0] > 1 && p.kernel[1] > 1;
}

bool fills_registers(int64_t width) { return 10 * width >= 6 * ((width + lanes - 1) / lanes * lanes); }

// The place of weight (o, c, r, s).
struct WeightsAt {
    int64_t out, channel, tap, kernel_width;
    explicit WeightsAt(const Convolution& p)
        : out(p.in_channels * p.kernel[0] * p.kernel[1]),
          channel(p.weights_layout == Layout::plain ? p.kernel[0] * p.kernel[1] : 1),
          tap(p.weights_layout == Layout::plain ? 1 : p.in_channels), kernel_width(p.kernel[1]) {}
    int64_t operator()(int64_t o, int64_t c, int64_t r, int64_t s) const {
        return o * out + c * channel + (r * kernel_width + s) * tap;
    }
};

struct Rows {
    const float *from, *weights, *bias;          // weights[channel, r, s, output]
    float* to;
    int64_t batch, outputs;
    bool accumulate, relu;
};

void convolve(const Strips& strips, const Rows& a) {
    const auto kernel = narrow_table.active().forward[a.outputs];
    const int64_t plane = strips.plane(), tall = strips.height(), out_plane = strips.out_height * strips.out_width;
    const int64_t in_plane = strips.in_height * strips.in_width;
    const int64_t work = strips.channels * strips.kernel_height * strips.kernel_width * a.outputs * tall * strips.row();
    parallel_for(a.batch * strips.count(), (1 << 20) / work + 1, [&](int64_t begin, int64_t end) {
        Scratch memory(size_t(strips.channels * plane) * sizeof(float));
        for (int64_t unit = begin; unit < end; ++unit) {
            int64_t item = unit / strips.count(), y = unit % strips.count() * tall;
            int64_t height = std::min(tall, strips.out_height - y);
            for (int64_t c = 0; c < strips.channels; ++c)
                strips.fill(memory.as<float>() + c * plane, a.from + (item * strips.channels + c) * in_plane, y,
                            height);
            kernel({.channels = strips.channels, .kernel_height = strips.kernel_height,
                    .kernel_width = strips.kernel_width, .rows = memory.as<float>(), .plane = plane,
                    .row = strips.row(), .first_row = strips.first_row(y), .last_row = strips.last_row(y),
                    .weights = a.weights, .bias = a.bias,
                    .out = a.to + item * a.outputs * out_plane + y * strips.out_width, .out_plane = out_plane,
                    .width = strips.out_width, .height = height, .accumulate = a.accumulate, .relu = a.relu});
        }
    });
}

Strips strips_of_input(const Convolution& p) {
    return {p.in_channels, p.input[0], p.input[1], p.output[0], p.output[1], p.kernel[0], p.kernel[1], p.padding[0],
            p.padding[1]};
}

}  // namespace

bool narrow_forward_takes(const Convolution& p) {
    return is_simple(p) && p.out_channels <= NarrowTable::max_outputs && fills_registers(p.output[1]);
}
bool narrow_backward_input_takes(const Convolution& p) {
    return is_simple(p) && p.in_channels <= NarrowTable::max_outputs && fills_registers(p.input[1]);
}
bool narrow_backward_weights_takes(const Convolution& p) {
    return is_simple(p) && p.in_channels < 4 && p.kernel[1] <= NarrowTable::max_kernel_width &&
           fills_registers(p.output[1]);
}

void narrow_forward(const Convolution& p, const float* input, const float* weights, const float* bias, float* output) {
    Scratch arranged(size_t(p.out_channels * p.in_channels * p.kernel[0] * p.kernel[1]) * sizeof(float));
    WeightsAt at(p);
    auto* w = arranged.as<float>();
    for (int64_t c = 0; c < p.in_channels; ++c)
        for (int64_t r = 0; r < p.kernel[0]; ++r)
            for (int64_t s = 0; s < p.kernel[1]; ++s)
                for (int64_t o = 0; o < p.out_channels; ++o) *w++ = weights[at(o, c, r, s)];
    convolve(strips_of_input(p), {.from = input, .weights = arranged.as<float>(), .bias = bias, .to = output,
                                  .batch = p.batch, .outputs = p.out_channels, .accumulate = p.accumulate,
                                  .relu = p.relu});
}

// The same with the weights turned round: an input's neighbours are the outputs that it reached.
void narrow_backward_input(const Convolution& p, const float* grad_output, const float* weights, const float* bias,
                           float* grad_input) {
    Scratch arranged(size_t(p.out_channels * p.in_channels * p.kernel[0] * p.kernel[1]) * sizeof(float));
    WeightsAt at(p);
    auto* w = arranged.as<float>();
    for (int64_t o = 0; o < p.out_channels; ++o)
        for (int64_t r = p.kernel[0]; r-- > 0;)
            for (int64_t s = p.kernel[1]; s-- > 0;)
                for (int64_t c = 0; c < p.in_channels; ++c) *w++ = weights[at(o, c, r, s)];
    convolve({p.out_channels, p.output[0], p.output[1], p.input[0], p.input[1], p.kernel[0], p.kernel[1],
              p.kernel[0] - 1 - p.padding[0], p.kernel[1] - 1 - p.padding[1]},
             {.from = grad_output, .weights = arranged.as<float>(), .bias = bias, .to = grad_input, .batch = p.batch,
              .outputs = p.in_channels, .accumulate = false, .relu = p.relu});
}

void narrow_backward_weights(const Convolution& p, const float* input, const float* grad_output, float* grad_weights,
                             float* grad_bias) {
    Strips strips = strips_of_input(p);
    const int64_t taps = p.kernel[0] * p.kernel[1], all = p.out_channels * p.in_channels * taps;
    const int64_t slice = all + p.out_channels, channels = strips.channels;
    strips.channels = 1;
    const int64_t units = p.batch * strips.count(), parts = std::min(units, slices), tall = strips.height();
    const int64_t in_plane = p.input[0] * p.input[1], out_plane = p.output[0] * p.output[1];
    Scratch sums(size_t(parts * slice) * sizeof(float));
    std::memset(sums.data(), 0, size_t(parts * slice) * sizeof(float));
    const NarrowTable& table = narrow_table.active();
    const int64_t at_once = table.outputs_at_once[p.kernel[1]];
    auto add = [&](int64_t unit, float* rows, float* to) {
        int64_t item = unit / strips.count(), y = unit % strips.count() * tall;
        int64_t height = std::min(tall, p.output[0] - y);
        const float* grad = grad_output + item * p.out_channels * out_plane + y * p.output[1];
        for (int64_t c = 0; c < channels; ++c) {
            strips.fill(rows, input + (item * channels + c) * in_plane, y, height);
            for (int64_t o = 0; o < p.out_channels; o += at_once)
                table.weights[p.kernel[1]]({.kernel_height = p.kernel[0], .rows = rows, .row = strips.row(),
                                            .first_row = strips.first_row(y), .last_row = strips.last_row(y),
                                            .grad = grad + o * out_plane, .grad_plane = out_plane,
                                            .width = p.output[1], .height = height,
                                            .weights = to + (o * channels + c) * taps,
                                            .weights_plane = channels * taps},
                                           int(std::min(at_once, p.out_channels - o)));
        }
        if (!grad_bias) return;
        for (int64_t o = 0; o < p.out_channels; ++o)
            to[all + o] += table.sum(grad + o * out_plane, height * p.output[1]);
    };
    parallel_for(parts, (1 << 19) / (units / parts * slice * out_plane) + 1, [&](int64_t begin, int64_t end) {
        Scratch rows(size_t(strips.plane()) * sizeof(float));
        for (int64_t part = begin; part < end; ++part)
            for (int64_t unit = part * units / parts; unit < (part + 1) * units / parts; ++unit)
                add(unit, rows.as<float>(), sums.as<float>() + part * slice);
    });
    auto total = [&](int64_t i) {
        double sum = 0;
        for (int64_t part = 0; part < parts; ++part) sum += sums.as<float>()[part * slice + i];
        return float(sum);
    };
    WeightsAt at(p);
    for (int64_t o = 0, i = 0; o < p.out_channels; ++o)
        for (int64_t c = 0; c < p.in_channels; ++c)
            for (int64_t r = 0; r < p.kernel[0]; ++r)
                for (int64_t s = 0; s < p.kernel[1]; ++s) grad_weights[at(o, c, r, s)] = total(i++);
    for (int64_t o = 0; grad_bias && o < p.out_channels; ++o) grad_bias[o] = total(all + o);
}

}  // namespace rushlight::generic
