// Which implementation convolves 8-bit integers: oneDNN's, or float32 convolutions of the same integers.
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
            return t->quantized_convolution(p, input, weights, output, packed);
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::not_implemented) throw;
            reason = "refused";
        }
    }
    note(p, "floats", reason);
    by_floats(p, input, weights, output, packed);
}

}  // namespace rushlight::compute
