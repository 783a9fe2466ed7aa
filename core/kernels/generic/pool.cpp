// Works out the windows of a pooling and shares planes, or rows of channels-last data, among the threads.
#include "kernels/generic/pool.h"

#include <algorithm>
#include <limits>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/order.h"
#include "kernels/generic/pool_kernels.h"
#include "kernels/generic/quantize.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain = 1 << 13;                   // inputs that are worth another thread

inline int64_t per_thread(int64_t width) { return std::max<int64_t>(1, grain / std::max<int64_t>(1, width)); }

enum class Windows : uint8_t { sliding, adaptive };

// The windows of all three dimensions, in scratch memory.
class WindowTable {
public:
    WindowTable(const Pool& p, Windows kind) : memory_(size_t(room(p)) * 8) {
        int64_t* next = memory_.as<int64_t>();
        w.batch = p.batch;
        w.channels = p.channels;
        for (int d = 0; d < 3; ++d) {
            int64_t *begin = next, *end = begin + p.out[d], *from = end + p.out[d], *to = from + p.in[d];
            double* scale = reinterpret_cast<double*>(to + p.in[d]);
            next = to + p.in[d] + p.out[d];
            for (int64_t o = 0; o < p.out[d]; ++o) {
                if (kind == Windows::sliding) slide(p, d, o, begin[o], end[o], scale[o]);
                else adapt(p, d, o, begin[o], end[o], scale[o]);
            }
            cover(p.in[d], p.out[d], begin, end, from, to);
            w.dim[d] = {p.in[d], p.out[d], kind == Windows::sliding ? p.dilation[d] : 1, begin, end, from,
                        to,      scale};
        }
    }
    PoolWindows w;

private:
    static int64_t room(const Pool& p) {
        int64_t n = 0;
        for (int d = 0; d < 3; ++d) n += 2 * p.in[d] + 3 * p.out[d];
        return n;
    }
    static void slide(const Pool& p, int d, int64_t o, int64_t& begin, int64_t& end, double& scale) {
        int64_t first = o * p.stride[d] - p.pad[d], last = first + (p.kernel[d] - 1) * p.dilation[d] + 1;
        int64_t padded = std::min(last, p.in[d] + p.pad[d]) - first;
        int64_t skipped = first < 0 ? (-first + p.dilation[d] - 1) / p.dilation[d] : 0;
        begin = first + skipped * p.dilation[d];
        end = std::min(last, p.in[d]);
        int64_t divisor = p.count_include_pad ? padded : end - begin;
        if (p.divisor_override) divisor = d == 2 ? p.divisor_override : 1;
        scale = 1 / double(divisor);
    }
    static void adapt(const Pool& p, int d, int64_t o, int64_t& begin, int64_t& end, double& scale) {
        begin = o * p.in[d] / p.out[d];
        end = ((o + 1) * p.in[d] + p.out[d] - 1) / p.out[d];
        scale = 1 / double(end - begin);
    }
    // Begins and ends never fall, so the outputs that cover an input are a range.
    static void cover(int64_t in, int64_t out, const int64_t* begin, const int64_t* end, int64_t* from,
                      int64_t* to) {
        int64_t a = 0, b = 0;
        for (int64_t i = 0; i < in; ++i) {
            while (a < out && end[a] <= i) ++a;
            while (b < out && begin[b] <= i) ++b;
            from[i] = a;
            to[i] = b;
        }
    }

    Scratch memory_;
};

// planes(from, to, scratch) or rows(from, to); `rows_of` says which dimension sizes the rows have.
template <class Planes, class Rows>
void share_out(const Pool& p, const int64_t* rows_of, Planes&& planes, Rows&& rows) {
    int64_t inputs = p.in[0] * p.in[1] * p.in[2];
    if (p.channels_last) {
        int64_t count = p.batch * rows_of[0] * rows_of[1];
        parallel_for(count, per_thread(p.batch * inputs * p.channels / std::max<int64_t>(1, count)), rows);
        return;
    }
    parallel_for(p.batch * p.channels, per_thread(inputs), [&](int64_t from, int64_t to) {
        Scratch scratch(size_t(std::max(p.in[2], p.out[2])) * 32);
        planes(from, to, scratch.as<void>());
    });
}

// Integers, either layout.
template <class T>
void max_pool_integers(const PoolWindows& w, bool channels_last, const T* src, T* dst, int64_t* indices) {
    int64_t step = channels_last ? w.channels : 1, planes = w.batch * w.channels;
    parallel_for(planes, per_thread(w.inputs()), [&](int64_t from, int64_t to) {
        for (int64_t p = from; p < to; ++p) {
            int64_t n = p / w.channels, c = p % w.channels;
            const T* in = channels_last ? src + n * w.inputs() * w.channels + c : src + p * w.inputs();
            int64_t out = channels_last ? n * w.outputs() * w.channels + c : p * w.outputs();
            const PoolDim &d0 = w.dim[0], &d1 = w.dim[1], &d2 = w.dim[2];
            for (int64_t o = 0; o < w.outputs(); ++o, out += step) {
                int64_t o2 = o % d2.out, o1 = o / d2.out % d1.out, o0 = o / d2.out / d1.out, best = -1;
                for (int64_t i0 = d0.begin[o0]; i0 < d0.end[o0]; i0 += d0.step)
                    for (int64_t i1 = d1.begin[o1]; i1 < d1.end[o1]; i1 += d1.step)
                        for (int64_t i2 = d2.begin[o2]; i2 < d2.end[o2]; i2 += d2.step) {
                            int64_t at = (i0 * d1.in + i1) * d2.in + i2;
                            if (best < 0 || in[at * step] > in[best * step]) best = at;
                        }
                dst[out] = best < 0 ? std::numeric_limits<T>::lowest() : in[best * step];
                if (indices) indices[out] = std::max<int64_t>(best, 0);
            }
        }
    });
}

void run_max(const void* src, DType t, void* dst, int64_t* indices, const Pool& p, Windows kind) {
    WindowTable table(p, kind);
    if (size_of(t) == 1 && p.batch * p.channels * table.w.inputs() >= 4096) {
        // 8-bit integers, which quantized networks have: as floats, whose kernels work on vectors.
        const int64_t planes = p.batch * p.channels;
        const int64_t inputs = planes * table.w.inputs(), outputs = planes * table.w.outputs();
        Scratch x(size_t(inputs) * sizeof(float)), y(size_t(outputs) * sizeof(float));
        dequantize(src, t, x.as<float>(), inputs, 1, 0);
        run_max(x.data(), DType::float32, y.data(), indices, p, kind);
        return quantize(y.as<float>(), dst, t, outputs, 1, 0);
    }
    if (!is_floating(t)) {
        visit_real(t, [&](auto zero) {
            using T = decltype(zero);
            if constexpr (std::is_integral_v<T>)
                max_pool_integers(table.w, p.channels_last, static_cast<const T*>(src), static_cast<T*>(dst),
                                  indices);
        });
        return;
    }
    auto planes = pool_table.active().max_planes[kind_of(t)];
    auto rows = pool_table.active().max_rows[kind_of(t)];
    share_out(
        p, p.out,
        [&](int64_t from, int64_t to, void* scratch) {
            planes(table.w, src, dst, indices, from, to, scratch);
        },
        [&](int64_t from, int64_t to) { rows(table.w, src, dst, indices, from, to); });
}

void run_avg(const void* src, DType t, void* dst, const Pool& p, Windows kind) {
    WindowTable table(p, kind);
    auto planes = pool_table.active().avg_planes[kind_of(t)];
    auto rows = pool_table.active().avg_rows[kind_of(t)];
    share_out(
        p, p.out,
        [&](int64_t from, int64_t to, void* scratch) { planes(table.w, src, dst, from, to, scratch); },
        [&](int64_t from, int64_t to) { rows(table.w, src, dst, from, to); });
}

void run_avg_backward(const void* grad, DType t, void* grad_in, const Pool& p, Windows kind) {
    WindowTable table(p, kind);
    auto planes = pool_table.active().avg_back_planes[kind_of(t)];
    auto rows = pool_table.active().avg_back_rows[kind_of(t)];
    share_out(
        p, p.in,
        [&](int64_t from, int64_t to, void* scratch) { planes(table.w, grad, grad_in, from, to, scratch); },
        [&](int64_t from, int64_t to) { rows(table.w, grad, grad_in, from, to); });
}

// Where the windows are unknown or spread out, each output adds to the place that it names. Planes are added
// up in scratch memory.
template <class T>
void scatter_planes(const Pool& p, const T* grad, const int64_t* indices, T* grad_in) {
    using Acc = std::conditional_t<std::is_same_v<T, double>, double, float>;
    int64_t inputs = p.in[0] * p.in[1] * p.in[2], outputs = p.out[0] * p.out[1] * p.out[2];
    parallel_for(p.batch * p.channels, per_thread(inputs), [&](int64_t from, int64_t to) {
        Scratch memory(size_t(inputs) * sizeof(Acc));
        Acc* sum = memory.as<Acc>();
        for (int64_t plane = from; plane < to; ++plane) {
            std::fill(sum, sum + inputs, Acc(0));
            const int64_t* place = indices + plane * outputs;
            for (int64_t o = 0; o < outputs; ++o) sum[place[o]] += Acc(grad[plane * outputs + o]);
            for (int64_t i = 0; i < inputs; ++i) grad_in[plane * inputs + i] = T(sum[i]);
        }
    });
}

// Channels-last: samples, or strips of their channels where the samples are few.
template <class T>
void scatter_channels(const Pool& p, const T* grad, const int64_t* indices, T* grad_in) {
    using Acc = std::conditional_t<std::is_same_v<T, double>, double, float>;
    constexpr bool direct = std::is_same_v<T, Acc>;
    int64_t inputs = p.in[0] * p.in[1] * p.in[2], outputs = p.out[0] * p.out[1] * p.out[2],
            stride = p.channels;
    int64_t wanted = std::max<int64_t>(1, 8 / p.batch),
            width = std::max<int64_t>(16, (stride + wanted - 1) / wanted);
    int64_t strips = (stride + width - 1) / width;
    parallel_for(p.batch * strips, per_thread(inputs * width), [&](int64_t from, int64_t to) {
        Scratch memory(direct ? 0 : size_t(inputs * width) * sizeof(Acc));
        for (int64_t task = from; task < to; ++task) {
            int64_t c = task % strips * width, count = std::min(width, stride - c), sample = task / strips;
            T* in = grad_in + sample * inputs * stride + c;
            int64_t out = sample * outputs * stride + c, step = direct ? stride : width;
            Acc* sum;
            if constexpr (direct) sum = in;
            else sum = memory.as<Acc>();
            for (int64_t i = 0; i < inputs; ++i) std::fill(sum + i * step, sum + i * step + count, Acc(0));
            for (int64_t o = 0; o < outputs; ++o, out += stride)
                for (int64_t k = 0; k < count; ++k) sum[indices[out + k] * step + k] += Acc(grad[out + k]);
            if constexpr (!direct)
                for (int64_t i = 0; i < inputs; ++i)
                    for (int64_t k = 0; k < count; ++k) in[i * stride + k] = T(sum[i * step + k]);
        }
    });
}

}  // namespace

int64_t pooled_size(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                    bool ceil_mode) {
    int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
    int64_t out = (span >= 0 ? span / stride : -((-span + stride - 1) / stride)) + 1;
    if (ceil_mode && (out - 1) * stride >= in + pad) --out;
    return out;
}

void max_pool(const void* src, DType t, void* dst, int64_t* indices, const Pool& p) {
    run_max(src, t, dst, indices, p, Windows::sliding);
}
void adaptive_max_pool(const void* src, DType t, void* dst, int64_t* indices, const Pool& p) {
    run_max(src, t, dst, indices, p, Windows::adaptive);
}

void max_pool_backward(const void* grad, const int64_t* indices, DType t, void* grad_in, const Pool& p) {
    bool gather = p.channels_last;
    for (int d = 0; d < 3; ++d) gather = gather && p.kernel[d] > 0 && p.dilation[d] == 1;
    if (gather) {
        WindowTable table(p, Windows::sliding);
        auto rows = pool_table.active().max_back_rows[kind_of(t)];
        parallel_for(p.batch * p.in[0] * p.in[1], per_thread(p.in[2] * p.channels),
                     [&](int64_t from, int64_t to) { rows(table.w, grad, indices, grad_in, from, to); });
        return;
    }
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (!std::is_integral_v<T>)
            (p.channels_last ? scatter_channels<T> : scatter_planes<T>)(p, static_cast<const T*>(grad),
                                                                        indices, static_cast<T*>(grad_in));
    });
}

void avg_pool(const void* src, DType t, void* dst, const Pool& p) {
    run_avg(src, t, dst, p, Windows::sliding);
}
void avg_pool_backward(const void* grad, DType t, void* grad_in, const Pool& p) {
    run_avg_backward(grad, t, grad_in, p, Windows::sliding);
}
void adaptive_avg_pool(const void* src, DType t, void* dst, const Pool& p) {
    run_avg(src, t, dst, p, Windows::adaptive);
}
void adaptive_avg_pool_backward(const void* grad, DType t, void* grad_in, const Pool& p) {
    run_avg_backward(grad, t, grad_in, p, Windows::adaptive);
}

}  // namespace rushlight::kernels
