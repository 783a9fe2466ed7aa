// Which implementation convolves 8-bit integers: oneDNN's, or float32 convolutions of the same integers.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "base/events.h"
#include "base/log.h"
#include "base/parallel.h"
#include "kernels/compute/compute.h"
#include "kernels/compute/widen.h"
#include "kernels/generic/quantize_kernels.h"
#include "kernels/onednn/api.h"

namespace rushlight::compute {

namespace {

int64_t product(const int64_t* sizes, int rank) {
    int64_t all = 1;
    for (int i = 0; i < rank; ++i) all *= sizes[i];
    return all;
}

void note(const QuantizedConvolution& p, const char* who, const char* why) {
    if (!watched()) [[likely]] return;
    std::string text = std::string("quantized convolution by ") + who + " (" + why + ")";
    if (watched(watch_events)) events::set_name(text);
    if (!logging(Channel::dispatch)) return;
    for (int64_t n : {p.batch, p.in_channels, p.out_channels}) text += " " + std::to_string(n);
    log_line(Channel::dispatch, text);
}

// Below 2^24 the sums are exact in float32; beyond, their rounding is far below the steps of any result.
void by_floats(const QuantizedConvolution& p, const void* input, const int8_t* weights, void* output,
               PackedWeights* packed) {
    const int64_t inputs = p.batch * product(p.input, p.rank) * p.in_channels;
    const int64_t rows = p.batch * product(p.output, p.rank), channels = p.out_channels;
    const int64_t taps = channels * (p.in_channels / p.groups) * product(p.kernel, p.rank);
    const QuantizeTable& table = quantize_table.active();
    Scratch x(size_t(inputs) * sizeof(float)), sums(size_t(rows * channels) * sizeof(float)), w;
    table.dequantize[p.input_dtype == DType::int8](input, x.as<float>(), inputs, 1, p.input_zero);
    auto widen = [&](void* to) { convert(to, DType::float32, weights, DType::int8, taps); };
    const char tag[] = "float32";
    const void* wide = packed ? packed->get(tag, sizeof tag, size_t(taps) * sizeof(float), widen) : nullptr;
    if (!wide) {
        w = Scratch(size_t(taps) * sizeof(float));
        widen(w.data());
        wide = w.data();
    }
    Convolution q = p;
    q.dtype = DType::float32;
    q.relu = q.accumulate = false;
    q.input_layout = q.output_layout = Layout::channels_last;
    convolution_forward(q, x.data(), wide, nullptr, sums.data(), packed);
    Requantize how = {p.weight_scales, p.bias, p.input_scale, p.accumulate ? p.addend_scale : 0,
                      p.output_scale, p.addend_zero, p.output_zero, p.relu};
    auto* finish = table.finish[p.dtype == DType::float32 ? 0 : p.dtype == DType::int8 ? 1 : 2];
    const int64_t step = channels * size_of(p.dtype);
    parallel_for(rows, 16384 / channels + 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r)
            finish(sums.as<float>() + r * channels, static_cast<char*>(output) + r * step, channels, how);
    });
}

// The input with its padding, which is made of input_zero.
const void* pad(QuantizedConvolution& p, const void* input, Scratch& memory) {
    int64_t size[3] = {1, 1, 1}, border[3] = {0, 0, 0}, whole[3];
    for (int i = 0; i < p.rank; ++i) size[3 - p.rank + i] = p.input[i], border[3 - p.rank + i] = p.padding[i];
    for (int i = 0; i < 3; ++i) whole[i] = size[i] + 2 * border[i];
    const int64_t row = size[2] * p.in_channels, whole_row = whole[2] * p.in_channels, rows = size[0] * size[1];
    memory = Scratch(size_t(p.batch * whole[0] * whole[1] * whole_row));
    parallel_for(p.batch, 1, [&](int64_t begin, int64_t end) {
        const int64_t item = whole[0] * whole[1] * whole_row;
        std::memset(memory.as<char>() + begin * item, p.input_zero, size_t((end - begin) * item));
        for (int64_t r = begin * rows; r < end * rows; ++r) {
            int64_t n = r / rows, i0 = r % rows / size[1] + border[0], i1 = r % size[1] + border[1];
            int64_t to = ((n * whole[0] + i0) * whole[1] + i1) * whole_row + border[2] * p.in_channels;
            std::memcpy(memory.as<char>() + to, static_cast<const char*>(input) + r * row, size_t(row));
        }
    });
    for (int i = 0; i < p.rank; ++i) p.input[i] = whole[3 - p.rank + i], p.padding[i] = 0;
    return memory.data();
}

// Zero points move all sums of a channel by the same amount: they become part of the bias.
void by_onednn(const onednn::Table& t, const QuantizedConvolution& given, const void* input, const int8_t* weights,
               void* output, PackedWeights* packed) {
    QuantizedConvolution p = given;
    Scratch padded, sums, biases;
    if (p.input_zero && *std::max_element(p.padding, p.padding + p.rank) > 0) input = pad(p, input, padded);
    const float moved = p.least() - (p.accumulate ? p.addend_scale * float(p.addend_zero) : 0);
    if (p.input_zero || moved != 0) {
        const int64_t each = p.in_channels / p.groups * product(p.kernel, p.rank), bytes = p.out_channels * 4;
        auto add_up = [&](void* to) {
            auto* sum = static_cast<int32_t*>(to);
            for (int64_t c = 0; c < p.out_channels; ++c)
                sum[c] = std::accumulate(weights + c * each, weights + (c + 1) * each, int32_t(0));
        };
        const char tag[] = "sums";
        const void* of_weights = packed && p.input_zero ? packed->get(tag, sizeof tag, size_t(bytes), add_up) : nullptr;
        if (!of_weights && p.input_zero) {
            sums = Scratch(size_t(bytes));
            add_up(sums.data());
            of_weights = sums.data();
        }
        biases = Scratch(size_t(bytes));
        auto* to = biases.as<float>();
        for (int64_t c = 0; c < p.out_channels; ++c) {
            to[c] = (p.bias ? p.bias[c] : 0) + moved;
            if (p.input_zero)
                to[c] -= p.input_scale * p.weight_scales[c] *
                         (float(p.input_zero) * float(static_cast<const int32_t*>(of_weights)[c]));
        }
        p.bias = to;
    }
    t.quantized_convolution(p, input, weights, output, packed);
}

}  // namespace

void quantized_convolution(const QuantizedConvolution& p, const void* input, const int8_t* weights, void* output,
                           PackedWeights* packed) {
    if (p.batch * product(p.output, p.rank) * p.out_channels == 0) return;
    const onednn::Table* t = onednn::table();
    const char* reason = !t ? onednn::why_missing() : !t->supports(DType::int8) ? "no VNNI instructions" : nullptr;
    if (p.in_channels == 0) reason = "empty";
    if (!reason) {
        try {
            note(p, "onednn", "8 bits");
            return by_onednn(*t, p, input, weights, output, packed);
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::not_implemented) throw;
            reason = "refused";
        }
    }
    note(p, "floats", reason);
    by_floats(p, input, weights, output, packed);
}

}  // namespace rushlight::compute
