// Which implementation convolves, and in which layout.
#include <algorithm>
#include <cstring>
#include <string>
#include <type_traits>

#include "base/events.h"
#include "base/log.h"
#include "base/parallel.h"
#include "kernels/compute/compute.h"
#include "kernels/compute/widen.h"
#include "kernels/generic/gemm_convolution.h"
#include "kernels/generic/narrow_convolution.h"
#include "kernels/onednn/api.h"

namespace rushlight::compute {

namespace {

int64_t product(const int64_t* sizes, int rank) {
    int64_t all = 1;
    for (int i = 0; i < rank; ++i) all *= sizes[i];
    return all;
}

struct Sizes {
    int64_t inputs, outputs, taps;                       // positions of the input and of the output, taps of the kernel
    int64_t input, output, weights;                      // elements
    explicit Sizes(const Convolution& p)
        : inputs(product(p.input, p.rank)), outputs(product(p.output, p.rank)), taps(product(p.kernel, p.rank)),
          input(p.batch * p.in_channels * inputs), output(p.batch * p.out_channels * outputs),
          weights(p.out_channels * (p.in_channels / p.groups) * taps) {}
    bool empty() const { return input == 0 || output == 0 || weights == 0; }
};

bool is_pointwise(const Convolution& p) {
    for (int i = 0; i < p.rank; ++i)
        if (p.kernel[i] != 1 || p.stride[i] != 1 || p.padding[i] != 0 || p.input[i] != p.output[i]) return false;
    return p.groups == 1;
}

void note(const Convolution& p, const char* what, const char* who, const char* why) {
    if (!watched()) [[likely]] return;
    if (watched(watch_events)) events::set_name(std::string(what) + " by " + who + " (" + why + ")");
    if (!logging(Channel::dispatch)) return;
    std::string sizes;
    for (int i = 0; i < p.rank; ++i) sizes += (i ? "x" : " at ") + std::to_string(p.input[i]);
    log_line(Channel::dispatch, std::string(what) + " " + name_of(p.dtype) + " " + std::to_string(p.batch) + " x " +
                                    std::to_string(p.in_channels) + " -> " + std::to_string(p.out_channels) + sizes +
                                    ": " + who + " (" + why + ")");
}

// Why oneDNN does not get this convolution; null when it does.
const char* why_own(const Convolution& p, const Sizes& sizes) {
    if (sizes.empty()) return "empty";
    if (p.dtype == DType::float64) return "dtype";
    const onednn::Table* t = onednn::table();
    if (!t) return onednn::why_missing();
    return t->supports(p.dtype) ? nullptr : "no native instructions";
}

// An activation of a few batch items in the layout in which the kernel runs: the caller's memory where that is
// in this layout already, or a copy.
class Activation {
public:
    Activation(const Convolution& p, bool is_input, Layout given, Layout wanted)
        : dtype_(p.dtype), given_(given), wanted_(wanted), channels_(is_input ? p.in_channels : p.out_channels),
          positions_(product(is_input ? p.input : p.output, p.rank)),
          changes_(given != wanted && channels_ > 1 && positions_ > 1) {}

    int64_t item_bytes() const { return channels_ * positions_ * size_of(dtype_); }
    int64_t changed_bytes() const { return changes_ ? item_bytes() : 0; }
    void reserve(int64_t items) { if (changes_) memory_ = Scratch(size_t(items * item_bytes())); }

    const void* read(const void* data, int64_t first, int64_t items) const {
        const void* from = static_cast<const char*>(data) + first * item_bytes();
        if (!changes_) return from;
        change_layout(memory_.data(), wanted_, from, dtype_, items, channels_, positions_);
        return memory_.data();
    }
    void* place(void* data, int64_t first) const {
        return changes_ ? memory_.data() : static_cast<char*>(data) + first * item_bytes();
    }
    void write(void* data, int64_t first, int64_t items) const {
        void* to = static_cast<char*>(data) + first * item_bytes();
        if (changes_) change_layout(to, given_, memory_.data(), dtype_, items, channels_, positions_);
    }

private:
    Scratch memory_;
    DType dtype_;
    Layout given_, wanted_;
    int64_t channels_, positions_;
    bool changes_;
};

// Calls f(q, first, items) for pieces of the batch, so small that copies in another layout stay in the cache.
template <class F>
void by_pieces(const Convolution& p, Activation& from, Activation& to, F&& f) {
    constexpr int64_t copied_bytes = 1 << 21;
    int64_t each = from.changed_bytes() + to.changed_bytes();
    int64_t items = each ? std::clamp<int64_t>(copied_bytes / each, 1, p.batch) : p.batch;
    from.reserve(items);
    to.reserve(items);
    for (int64_t first = 0; first < p.batch; first += items) {
        Convolution q = p;
        q.batch = std::min(items, p.batch - first);
        f(q, first, q.batch);
    }
}

// The layouts in which oneDNN runs p fastest: channels-last, but for products of matrices, which are as good
// plain.
Convolution in_best_layout(const Convolution& p) {
    Convolution q = p;
    bool both_plain = p.input_layout == Layout::plain && p.output_layout == Layout::plain;
    if (both_plain && is_pointwise(p) && p.dtype == DType::float32) return q;
    q.input_layout = q.output_layout = Layout::channels_last;
    return q;
}

// Whether plain and channels-last are the same memory.
Convolution with_free_layouts(const Convolution& p, const Sizes& sizes) {
    Convolution q = p;
    if (p.in_channels == 1 || sizes.inputs == 1) q.input_layout = Layout::channels_last;
    if (p.out_channels == 1 || sizes.outputs == 1) q.output_layout = Layout::channels_last;
    return q;
}

void add_bias(const Convolution& p, const void* bias, void* data) {
    const int64_t inputs = product(p.input, p.rank);
    auto add = [&](auto* x, const auto* b) {
        using T = std::remove_reference_t<decltype(*x)>;
        using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
        bool plain = p.input_layout == Layout::plain;
        int64_t rows = p.batch * (plain ? p.in_channels : inputs), columns = plain ? inputs : p.in_channels;
        parallel_for(rows, 65536 / columns + 1, [&](int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; ++r)
                for (int64_t c = 0; c < columns; ++c)
                    x[r * columns + c] = T(Sum(x[r * columns + c]) + Sum(b[plain ? r % p.in_channels : c]));
        });
    };
    if (p.dtype == DType::float32) add(static_cast<float*>(data), static_cast<const float*>(bias));
    else if (p.dtype == DType::bfloat16) add(static_cast<BFloat16*>(data), static_cast<const BFloat16*>(bias));
    else if (p.dtype == DType::float64) add(static_cast<double*>(data), static_cast<const double*>(bias));
    else add(static_cast<Half*>(data), static_cast<const Half*>(bias));
}

// The gradient of a first layer's weights is fastest with an image's few channels one after the other.
bool is_first_layer(const Convolution& p) { return p.groups == 1 && p.in_channels < 4; }

// oneDNN brings a gradient of fewer channels than a register's into blocks of this many, slowly: they arrive padded.
constexpr int64_t padded_channels = 16;

bool is_padded(const Convolution& p) {
    return is_first_layer(p) && p.out_channels < padded_channels && p.dtype == DType::float32;
}

void backward_padded_weights(const Convolution& p, const Sizes& sizes, const void* input, const float* grad,
                             void* grad_weights, void* grad_bias) {
    Convolution q = p;
    q.out_channels = padded_channels;
    Scratch padded(size_t(p.batch * sizes.outputs * padded_channels) * sizeof(float));
    Scratch weights(size_t(sizes.weights / p.out_channels * padded_channels) * sizeof(float)),
        bias(padded_channels * sizeof(float));
    auto* to = padded.as<float>();
    // What follows a position's channels serves as padding: the rows of weights that it leads to are thrown away.
    const int64_t channels = p.out_channels, positions = p.batch * sizes.outputs;
    parallel_for(positions, 4096, [&](int64_t begin, int64_t end) {
        int64_t whole = std::clamp((positions * channels - padded_channels) / channels, begin, end), i = begin;
        for (; i < whole; ++i)
            std::memcpy(to + i * padded_channels, grad + i * channels, padded_channels * sizeof(float));
        for (; i < end; ++i)
            for (int64_t c = 0; c < padded_channels; ++c)
                to[i * padded_channels + c] = c < channels ? grad[i * channels + c] : 0;
    });
    onednn::table()->convolution_backward_weights(q, input, to, weights.data(), grad_bias ? bias.data() : nullptr);
    std::memcpy(grad_weights, weights.data(), size_t(sizes.weights) * sizeof(float));
    if (grad_bias) std::memcpy(grad_bias, bias.data(), size_t(p.out_channels) * sizeof(float));
}

// One tap per channel over activations with their channels last is a product of two matrices, which writes the plain
// gradient; oneDNN's convolution writes blocks.
bool is_product(const Convolution& p) {
    return is_pointwise(p) && p.dtype == DType::float32 && p.input_layout == Layout::channels_last &&
           p.output_layout == Layout::channels_last;
}

void backward_product_weights(const Convolution& p, const Sizes& sizes, const void* input, const void* grad,
                              void* grad_weights) {
    Matmul m;
    m.dtype = p.dtype;
    m.m = p.out_channels, m.n = p.in_channels, m.k = p.batch * sizes.outputs;
    m.a = grad, m.a_row = 1, m.a_column = p.out_channels;
    m.b = input, m.b_row = p.in_channels, m.b_column = 1;
    m.c = grad_weights, m.c_row = p.in_channels;
    matmul(m);
}

bool is_plain(Layout layout, int64_t channels) { return layout == Layout::plain || channels == 1; }

// Whether a gradient with respect to the output is plain, or soon made so.
bool soon_plain(const Convolution& p) { return is_plain(p.output_layout, p.out_channels) || p.out_channels <= 16; }

bool is_narrow(const Convolution& p) {
    return generic::narrow_forward_takes(p) && is_plain(p.input_layout, p.in_channels) &&
           is_plain(p.output_layout, p.out_channels);
}

// A gradient of a line that is longer than what comes in. oneDNN prepares a kernel for each length of its ends, which
// takes 0.1 s for 4000 positions; with zeros around what comes in, it is a convolution forward without ends.
bool is_widening(const Convolution& p) {
    if (p.rank != 1 || p.groups != 1 || p.stride[0] != 1 || p.dtype != DType::float32) return false;
    int64_t reach = (p.kernel[0] - 1) * p.dilation[0], before = reach - p.padding[0];
    return p.input[0] > p.output[0] && before >= 0 && p.input[0] + reach >= before + p.output[0];
}

void copy_with_zeros(float* to, const float* from, const Convolution& p, int64_t before, int64_t padded) {
    const size_t bytes = size_t(p.out_channels) * sizeof(float);
    parallel_for(p.batch * padded, 65536 / p.out_channels + 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            int64_t position = row % padded - before, item = row / padded;
            float* place = to + row * p.out_channels;
            if (position < 0 || position >= p.output[0]) std::memset(place, 0, bytes);
            else std::memcpy(place, from + (item * p.output[0] + position) * p.out_channels, bytes);
        }
    });
}

void backward_widening_input(const Convolution& p, const float* grad, const float* weights, float* to) {
    const int64_t taps = p.kernel[0], reach = (taps - 1) * p.dilation[0], padded = p.input[0] + reach;
    const int64_t inputs = p.in_channels, outputs = p.out_channels;
    const bool plain = p.weights_layout == Layout::plain;
    Scratch around(size_t(p.batch * padded * outputs) * sizeof(float));
    Scratch turned(size_t(outputs * inputs * taps) * sizeof(float));
    copy_with_zeros(around.as<float>(), grad, p, reach - p.padding[0], padded);
    for (int64_t o = 0; o < outputs; ++o)
        for (int64_t i = 0; i < inputs; ++i)
            for (int64_t t = 0; t < taps; ++t)
                turned.as<float>()[(i * outputs + o) * taps + taps - 1 - t] =
                    weights[plain ? (o * inputs + i) * taps + t : (o * taps + t) * inputs + i];
    Convolution q = p;
    std::swap(q.in_channels, q.out_channels);
    q.input[0] = padded;
    q.output[0] = p.input[0];
    q.padding[0] = 0;
    q.weights_layout = Layout::plain;
    onednn::table()->convolution_forward(q, around.data(), turned.data(), nullptr, to, nullptr);
}

// Runs f and tells whether oneDNN has a kernel for it that is not its own last resort.
template <class F>
bool onednn_takes(F&& f) {
    try {
        f();
        return true;
    } catch (const Error& e) {
        if (e.kind() != ErrorKind::not_implemented) throw;
        if (logging(Channel::dispatch)) log_line(Channel::dispatch, std::string("refused: ") + e.what());
        return false;
    }
}

}  // namespace

void convolution_forward(const Convolution& given, const void* input, const void* weights, const void* bias,
                         void* output, PackedWeights* packed) {
    Sizes sizes(given);
    if (!sizes.empty() && is_narrow(given)) {
        note(given, "convolution_forward", "own", "few channels");
        return generic::narrow_forward(given, static_cast<const float*>(input), static_cast<const float*>(weights),
                                       static_cast<const float*>(bias), static_cast<float*>(output));
    }
    const char* reason = why_own(given, sizes);
    note(given, "convolution_forward", reason ? "own" : "onednn", reason ? reason : "float");
    Convolution p = with_free_layouts(given, sizes);
    bool done = !reason && onednn_takes([&] {
        Convolution best = in_best_layout(p);
        Activation x(p, true, p.input_layout, best.input_layout), y(p, false, p.output_layout, best.output_layout);
        PackedWeights of_this_call;
        bool changes = x.changed_bytes() + y.changed_bytes() > 0;
        by_pieces(best, x, y, [&](const Convolution& q, int64_t first, int64_t items) {
            const void* from = x.read(input, first, items);
            if (p.accumulate) y.read(output, first, items);
            onednn::table()->convolution_forward(q, from, weights, bias, y.place(output, first),
                                                 packed || !changes ? packed : &of_this_call);
            y.write(output, first, items);
        });
    });
    if (done) return;
    if (!is_reduced(p.dtype)) return generic::convolution_forward(p, input, weights, bias, output);
    Widened x(input, p.dtype, sizes.input), w(weights, p.dtype, sizes.weights), b(bias, p.dtype, p.out_channels);
    Widened y(output, p.dtype, sizes.output);
    if (p.accumulate) y.read();
    p.dtype = DType::float32;
    convolution_forward(p, x.read().data(), w.read().data(), b.read().data(), y.data());
    y.write(output);
}

void convolution_backward_input(const Convolution& given, const void* grad_output, const void* weights,
                                const void* bias, void* grad_input, PackedWeights* packed) {
    Sizes sizes(given);
    if (!sizes.empty() && generic::narrow_backward_input_takes(given) && soon_plain(given) &&
        is_plain(given.input_layout, given.in_channels)) {
        note(given, "convolution_backward_input", "own", "few channels");
        Activation g(given, false, given.output_layout, Layout::plain);
        g.reserve(given.batch);
        return generic::narrow_backward_input(
            given, static_cast<const float*>(g.read(grad_output, 0, given.batch)), static_cast<const float*>(weights),
            static_cast<const float*>(bias), static_cast<float*>(grad_input));
    }
    const char* reason = why_own(given, sizes);
    note(given, "convolution_backward_input", reason ? "own" : "onednn", reason ? reason : "float");
    Convolution p = with_free_layouts(given, sizes);
    bool done = !reason && onednn_takes([&] {
        Convolution best = in_best_layout(p);
        Activation g(p, false, p.output_layout, best.output_layout), x(p, true, p.input_layout, best.input_layout);
        PackedWeights of_this_call;
        bool changes = x.changed_bytes() + g.changed_bytes() > 0;
        by_pieces(best, g, x, [&](const Convolution& q, int64_t first, int64_t items) {
            void* to = x.place(grad_input, first);
            const void* from = g.read(grad_output, first, items);
            if (is_widening(q))
                backward_widening_input(q, static_cast<const float*>(from), static_cast<const float*>(weights),
                                        static_cast<float*>(to));
            else onednn::table()->convolution_backward_input(q, from, weights, to,
                                                             packed || !changes ? packed : &of_this_call);
            if (bias) add_bias(q, bias, to);
            x.write(grad_input, first, items);
        });
    });
    if (done) return;
    if (!is_reduced(p.dtype)) {
        generic::convolution_backward_input(p, grad_output, weights, grad_input);
        if (bias) add_bias(p, bias, grad_input);
        return;
    }
    Widened g(grad_output, p.dtype, sizes.output), w(weights, p.dtype, sizes.weights), b(bias, p.dtype, p.in_channels);
    Widened x(grad_input, p.dtype, sizes.input);
    p.dtype = DType::float32;
    convolution_backward_input(p, g.read().data(), w.read().data(), b.read().data(), x.data());
    x.write(grad_input);
}

void convolution_backward_weights(const Convolution& given, const void* input, const void* grad_output,
                                  void* grad_weights, void* grad_bias) {
    Sizes sizes(given);
    if (grad_weights && !sizes.empty() && generic::narrow_backward_weights_takes(given) && soon_plain(given) &&
        is_plain(given.input_layout, given.in_channels)) {
        note(given, "convolution_backward_weights", "own", "few channels");
        Activation g(given, false, given.output_layout, Layout::plain);
        g.reserve(given.batch);
        return generic::narrow_backward_weights(
            given, static_cast<const float*>(input), static_cast<const float*>(g.read(grad_output, 0, given.batch)),
            static_cast<float*>(grad_weights), static_cast<float*>(grad_bias));
    }
    const char* reason = grad_weights ? why_own(given, sizes) : "no weights";
    note(given, "convolution_backward_weights", reason ? "own" : "onednn", reason ? reason : "float");
    Convolution p = given;
    bool done = !reason && onednn_takes([&] {
        Convolution best = in_best_layout(p);
        if (is_first_layer(p)) best.input_layout = Layout::plain;
        if (is_padded(p)) best.output_layout = Layout::channels_last;
        Activation x(p, true, p.input_layout, best.input_layout), g(p, false, p.output_layout, best.output_layout);
        x.reserve(p.batch);
        g.reserve(p.batch);
        const void *from = x.read(input, 0, p.batch), *grad = g.read(grad_output, 0, p.batch);
        if (is_padded(p))
            backward_padded_weights(best, sizes, from, static_cast<const float*>(grad), grad_weights, grad_bias);
        else if (is_product(best) && !grad_bias) backward_product_weights(best, sizes, from, grad, grad_weights);
        else onednn::table()->convolution_backward_weights(best, from, grad, grad_weights, grad_bias);
    });
    if (done) return;
    if (!is_reduced(p.dtype))
        return generic::convolution_backward_weights(p, input, grad_output, grad_weights, grad_bias);
    Widened x(grad_weights ? input : nullptr, p.dtype, sizes.input), g(grad_output, p.dtype, sizes.output);
    Widened w(grad_weights, p.dtype, sizes.weights), b(grad_bias, p.dtype, p.out_channels);
    p.dtype = DType::float32;
    convolution_backward_weights(p, x.read().data(), g.read().data(), w.data(), b.data());
    w.write(grad_weights);
    b.write(grad_bias);
}

Layout output_layout(const Convolution& p) {
    bool narrow = generic::narrow_forward_takes(p) && is_plain(p.input_layout, p.in_channels);
    return narrow ? Layout::plain : Layout::channels_last;
}

Layout input_layout(const Convolution& p) {
    return generic::narrow_backward_input_takes(p) && soon_plain(p) ? Layout::plain : Layout::channels_last;
}

}  // namespace rushlight::compute
