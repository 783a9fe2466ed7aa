#include "kernels/generic/gemm_convolution.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/gemm.h"
#include "kernels/generic/geometry.h"

namespace rushlight::generic {

namespace {

using compute::Convolution;
using compute::Layout;

constexpr int64_t patch_bytes = 1 << 19;         // of gathered patches at a time: stays in the second cache
constexpr int64_t weight_slices = 8;             // sums that threads can form apart; fixed, so that results do not vary

// A convolution seen as products of patches (positions x taps * channels) with weights (out x taps *
// channels). The channels of a patch lie next to each other, whatever the layout outside.
template <class T>
class Patches {
public:
    explicit Patches(const Convolution& p) : p_(p) {
        for (int i = 0; i < p.rank; ++i) {
            taps_ *= p.kernel[i];
            positions_ *= p.output[i];
            inputs_ *= p.input[i];
        }
        channels_ = p.in_channels / p.groups;
        outs_ = p.out_channels / p.groups;
        length_ = taps_ * channels_;
        rows_ = std::clamp<int64_t>(patch_bytes / std::max<int64_t>(1, length_ * int64_t(sizeof(T))), 16,
                                    std::max<int64_t>(positions_, 16));
        blocks_ = (positions_ + rows_ - 1) / rows_;
        bool plain = p.input_layout == Layout::plain;
        channel_step_ = plain ? inputs_ : 1;
        place_step_ = plain ? 1 : p.in_channels;
    }

    void forward(const T* input, const T* weights, const T* bias, T* output) const {
        parallel_for(p_.batch * p_.groups * blocks_, 1, [&](int64_t begin, int64_t end) {
            Scratch memory(size_t(rows_ * length_) * sizeof(T));
            for (int64_t unit = begin; unit < end; ++unit) {
                int64_t group = unit / blocks_ % p_.groups, first = unit % blocks_ * rows_;
                int64_t item = unit / blocks_ / p_.groups, count = std::min(rows_, positions_ - first);
                gather(memory.as<T>(), input, item, group, first, count);
                multiply(memory.as<T>(), weights, bias, output, item, group, first, count);
            }
        });
    }

    void backward_input(const T* grad, const T* weights, T* grad_input) const {
        parallel_for(p_.batch * p_.groups, 1, [&](int64_t begin, int64_t end) {
            Scratch memory(size_t(rows_ * length_) * sizeof(T));
            for (int64_t unit = begin; unit < end; ++unit) {
                int64_t item = unit / p_.groups, group = unit % p_.groups;
                clear(grad_input, item, group);
                for (int64_t first = 0; first < positions_; first += rows_) {
                    int64_t count = std::min(rows_, positions_ - first);
                    Gemm g = product(count, length_, outs_);
                    set_grad(g, grad, item, group, first);
                    g.b = weights + group * outs_ * length_, g.b_row = length_, g.b_column = 1;
                    g.c = memory.data(), g.c_row = length_;
                    gemm(g);
                    scatter(memory.as<T>(), grad_input, item, group, first, count);
                }
            }
        });
    }

    void backward_weights(const T* input, const T* grad, T* grad_weights) const {
        int64_t slices = std::min(weight_slices, p_.batch), numel = p_.out_channels * length_;
        Scratch sums(size_t(slices * numel) * sizeof(T));
        parallel_for(slices * p_.groups, 1, [&](int64_t begin, int64_t end) {
            Scratch memory(size_t(rows_ * length_) * sizeof(T));
            for (int64_t unit = begin; unit < end; ++unit) {
                int64_t slice = unit / p_.groups, group = unit % p_.groups;
                T* sum = sums.as<T>() + slice * numel + group * outs_ * length_;
                std::memset(sum, 0, size_t(outs_ * length_) * sizeof(T));
                for (int64_t item = slice; item < p_.batch; item += slices)
                    add_weights(memory.as<T>(), input, grad, sum, item, group);
            }
        });
        const T* sum = sums.as<T>();
        for (int64_t i = 0; i < numel; ++i) {
            T all = T(0);
            for (int64_t slice = 0; slice < slices; ++slice) all += sum[slice * numel + i];
            grad_weights[i] = all;
        }
    }

    void backward_bias(const T* grad, T* grad_bias) const {
        std::vector<double> sums(size_t(p_.out_channels), 0.0);
        bool plain = p_.output_layout == Layout::plain;
        int64_t rows = plain ? p_.out_channels : positions_, columns = plain ? positions_ : p_.out_channels;
        for (int64_t item = 0; item < p_.batch; ++item)
            for (int64_t r = 0; r < rows; ++r, grad += columns)
                for (int64_t c = 0; c < columns; ++c) sums[size_t(plain ? r : c)] += double(grad[c]);
        for (int64_t c = 0; c < p_.out_channels; ++c) grad_bias[c] = T(sums[size_t(c)]);
    }

    // Weights with their channels innermost: `weights` itself or a copy in `memory`.
    const T* inner_channels(const T* weights, Scratch& memory) const {
        if (p_.weights_layout == Layout::channels_last || taps_ == 1 || channels_ == 1) return weights;
        memory = Scratch(size_t(p_.out_channels * length_) * sizeof(T));
        exchange(memory.as<T>(), weights, taps_, channels_);
        return memory.as<T>();
    }

    bool weights_are_inner() const {
        return p_.weights_layout == Layout::channels_last || taps_ == 1 || channels_ == 1;
    }
    int64_t weights_bytes() const { return p_.out_channels * length_ * int64_t(sizeof(T)); }
    void to_caller(T* to, const T* weights) const { exchange(to, weights, channels_, taps_); }

private:
    void exchange(T* to, const T* from, int64_t rows, int64_t columns) const {
        for (int64_t o = 0; o < p_.out_channels; ++o)
            copy_block(sizeof(T), rows, columns, to + o * length_, columns, 1, from + o * length_, 1, rows);
    }

    Gemm product(int64_t m, int64_t n, int64_t k) const {
        Gemm g{};
        g.dtype = p_.dtype, g.m = m, g.n = n, g.k = k;
        return g;
    }

    // a = the gradient at `first`..., positions down, channels across.
    void set_grad(Gemm& g, const T* grad, int64_t item, int64_t group, int64_t first) const {
        bool plain = p_.output_layout == Layout::plain;
        int64_t row = plain ? 1 : p_.out_channels, column = plain ? positions_ : 1;
        g.a = grad + item * p_.out_channels * positions_ + group * outs_ * column + first * row;
        g.a_row = row, g.a_column = column;
    }

    void multiply(const T* patches, const T* weights, const T* bias, T* output, int64_t item, int64_t group,
                  int64_t first, int64_t count) const {
        const T* w = weights + group * outs_ * length_;
        T* to = output + item * p_.out_channels * positions_;
        if (p_.output_layout == Layout::channels_last) {
            Gemm g = product(count, outs_, length_);
            g.a = patches, g.a_row = length_, g.a_column = 1;
            g.b = w, g.b_row = 1, g.b_column = length_;
            g.c = to + first * p_.out_channels + group * outs_, g.c_row = p_.out_channels;
            g.bias = bias ? bias + group * outs_ : nullptr;
            g.accumulate = p_.accumulate, g.relu = p_.relu;
            return gemm(g);
        }
        Gemm g = product(outs_, count, length_);
        g.a = w, g.a_row = length_, g.a_column = 1;
        g.b = patches, g.b_row = 1, g.b_column = length_;
        to += group * outs_ * positions_ + first;
        g.c = to, g.c_row = positions_;
        g.accumulate = p_.accumulate || bias, g.relu = p_.relu;
        if (bias)
            for (int64_t o = 0; o < outs_; ++o)
                for (int64_t i = 0; i < count; ++i)
                    to[o * positions_ + i] = (p_.accumulate ? to[o * positions_ + i] : T(0)) + bias[group * outs_ + o];
        gemm(g);
    }

    void add_weights(T* patches, const T* input, const T* grad, T* sum, int64_t item, int64_t group) const {
        for (int64_t first = 0; first < positions_; first += rows_) {
            int64_t count = std::min(rows_, positions_ - first);
            gather(patches, input, item, group, first, count);
            Gemm g = product(outs_, length_, count);
            set_grad(g, grad, item, group, first);
            std::swap(g.a_row, g.a_column);
            g.b = patches, g.b_row = length_, g.b_column = 1;
            g.c = sum, g.c_row = length_, g.accumulate = true;
            gemm(g);
        }
    }

    // f(patch offset, input offset or -1 in the padding) for each tap of each position.
    template <class F>
    void each_tap(int64_t item, int64_t group, int64_t first, int64_t count, F&& f) const {
        int64_t base = item * p_.in_channels * inputs_ + group * channels_ * channel_step_;
        for (int64_t i = 0; i < count; ++i) {
            int64_t o[3] = {0, 0, 0}, rest = first + i;
            for (int d = p_.rank - 1; d >= 0; --d) {
                o[d] = rest % p_.output[d];
                rest /= p_.output[d];
            }
            for (int64_t tap = 0; tap < taps_; ++tap) {
                int64_t place = 0, left = tap, step = 1;
                bool inside = true;
                for (int d = p_.rank - 1; d >= 0; --d) {
                    int64_t at = o[d] * p_.stride[d] + left % p_.kernel[d] * p_.dilation[d] - p_.padding[d];
                    left /= p_.kernel[d];
                    inside = inside && at >= 0 && at < p_.input[d];
                    place += at * step;
                    step *= p_.input[d];
                }
                f(i * length_ + tap * channels_, inside ? base + place * place_step_ : int64_t(-1));
            }
        }
    }

    void gather(T* patches, const T* input, int64_t item, int64_t group, int64_t first, int64_t count) const {
        each_tap(item, group, first, count, [&](int64_t to, int64_t from) {
            if (from < 0) std::fill_n(patches + to, channels_, T(0));
            else if (channel_step_ == 1) std::copy_n(input + from, channels_, patches + to);
            else for (int64_t c = 0; c < channels_; ++c) patches[to + c] = input[from + c * channel_step_];
        });
    }

    void scatter(const T* patches, T* grad_input, int64_t item, int64_t group, int64_t first, int64_t count) const {
        each_tap(item, group, first, count, [&](int64_t from, int64_t to) {
            if (to < 0) return;
            for (int64_t c = 0; c < channels_; ++c) grad_input[to + c * channel_step_] += patches[from + c];
        });
    }

    void clear(T* grad_input, int64_t item, int64_t group) const {
        T* to = grad_input + item * p_.in_channels * inputs_ + group * channels_ * channel_step_;
        bool plain = p_.input_layout == Layout::plain;
        int64_t rows = plain ? 1 : inputs_, columns = plain ? channels_ * inputs_ : channels_;
        for (int64_t r = 0; r < rows; ++r) std::memset(to + r * p_.in_channels, 0, size_t(columns) * sizeof(T));
    }

    const Convolution& p_;
    int64_t taps_ = 1, positions_ = 1, inputs_ = 1;
    int64_t channels_, outs_;                    // of one group
    int64_t length_, rows_, blocks_;             // of a patch; patches at a time; how often
    int64_t channel_step_, place_step_;
};

template <class F>
void with_type(const Convolution& p, F&& f) {
    if (p.dtype == DType::float32) return f(float{});
    require(p.dtype == DType::float64, ErrorKind::not_implemented, "convolution: dtype ", name_of(p.dtype),
            "; expected float32 or float64");
    f(double{});
}

}  // namespace

void convolution_forward(const Convolution& p, const void* input, const void* weights, const void* bias, void* output) {
    with_type(p, [&](auto zero) {
        using T = decltype(zero);
        Patches<T> patches(p);
        Scratch memory;
        const T* w = patches.inner_channels(static_cast<const T*>(weights), memory);
        patches.forward(static_cast<const T*>(input), w, static_cast<const T*>(bias), static_cast<T*>(output));
    });
}

void convolution_backward_input(const Convolution& p, const void* grad_output, const void* weights, void* grad_input) {
    with_type(p, [&](auto zero) {
        using T = decltype(zero);
        Patches<T> patches(p);
        Scratch memory;
        const T* w = patches.inner_channels(static_cast<const T*>(weights), memory);
        patches.backward_input(static_cast<const T*>(grad_output), w, static_cast<T*>(grad_input));
    });
}

void convolution_backward_weights(const Convolution& p, const void* input, const void* grad_output, void* grad_weights,
                                  void* grad_bias) {
    with_type(p, [&](auto zero) {
        using T = decltype(zero);
        Patches<T> patches(p);
        const T* grad = static_cast<const T*>(grad_output);
        if (grad_bias) patches.backward_bias(grad, static_cast<T*>(grad_bias));
        if (!grad_weights) return;
        if (patches.weights_are_inner())
            return patches.backward_weights(static_cast<const T*>(input), grad, static_cast<T*>(grad_weights));
        Scratch memory(size_t(patches.weights_bytes()));
        patches.backward_weights(static_cast<const T*>(input), grad, memory.as<T>());
        patches.to_caller(static_cast<T*>(grad_weights), memory.as<T>());
    });
}

}  // namespace rushlight::generic
