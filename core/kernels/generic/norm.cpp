// Cuts normalisation into blocks for the threads. A channel of contiguous data is one task, so that its
// second pass finds the data in cache; channels-last data is cut into strips of channels and fixed heights of
// rows, whose sums are combined in order.
#include "kernels/generic/norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/norm_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain = 1 << 14;                   // elements that are worth another thread

inline int64_t per_thread(int64_t width) { return std::max<int64_t>(1, grain / std::max<int64_t>(1, width)); }

double load_number(const void* p, DType t, int64_t i) {
    switch (t) {
        case DType::float64: return static_cast<const double*>(p)[i];
        case DType::float16: return double(float(static_cast<const Half*>(p)[i]));
        case DType::bfloat16: return double(float(static_cast<const BFloat16*>(p)[i]));
        default: return double(static_cast<const float*>(p)[i]);
    }
}
void store_number(void* p, DType t, int64_t i, double x) {
    switch (t) {
        case DType::float64: static_cast<double*>(p)[i] = x; return;
        case DType::float16: static_cast<Half*>(p)[i] = Half(float(x)); return;
        case DType::bfloat16: static_cast<BFloat16*>(p)[i] = BFloat16(float(x)); return;
        default: static_cast<float*>(p)[i] = float(x);
    }
}
double number_or(const void* p, DType t, int64_t i, double otherwise) {
    return p ? load_number(p, t, i) : otherwise;
}

// A parameter in the compute type: itself, or a copy in scratch memory.
class WideParameter {
public:
    WideParameter(const void* p, DType param, DType t, int64_t n)
        : copy_(p && param != compute_dtype(t) ? size_t(n) * 8 : 0), data_(p) {
        if (!p || param == compute_dtype(t)) return;
        for (int64_t i = 0; i < n; ++i)
            store_number(copy_.as<void>(), compute_dtype(t), i, load_number(p, param, i));
        data_ = copy_.as<void>();
    }
    const void* get() const { return data_; }

private:
    Scratch copy_;
    const void* data_;
};

// ---- batch norm -----------------------------------------------------------------------------------------------------

struct BatchNorm {
    int64_t batch, channels, inner, size, stat_size;
    DType t, stat;
    bool columns;                                    // channels-last in memory
    FloatKind kind;

    BatchNorm(DType dtype, ChannelShape s)
        : batch(s.batch),
          channels(s.channels),
          inner(s.inner),
          size(size_of(dtype)),
          stat_size(size_of(compute_dtype(dtype))),
          t(dtype),
          stat(compute_dtype(dtype)),
          columns(s.channels_last || s.inner == 1),
          kind(kind_of(dtype)) {}
    int64_t rows() const { return batch * inner; }
    NormBlock channel() const { return {batch, inner, channels * inner}; }
    int64_t channel_grain() const { return per_thread(rows()); }
};

// Channels-last data as rows of `width` >= channels: where the channels are few, several rows are read as
// one, and the factors are repeated. `rest` rows of the ordinary width remain behind.
struct Columns {
    int64_t channels, times, width, rows, rest, strips, tall, heights;

    Columns(int64_t row_count, int64_t channel_count) : channels(channel_count) {
        times = channels < 64 ? std::max<int64_t>(1, 256 / channels) : 1;
        width = channels * times;
        rows = row_count / times;
        rest = row_count % times;
        strips = (width + norm_width - 1) / norm_width;
        tall = std::max<int64_t>(64, 4 * grain / std::min(width, norm_width));
        heights = (rows + tall - 1) / tall;
    }
    // f(first row, rows, first column, columns, row stride, task) for every block, in parallel; the remainder
    // comes last, as task heights * strips.
    template <class F>
    void visit(F&& f) const {
        int64_t tasks = heights * strips;
        parallel_for(tasks, per_thread(tall * std::min(width, norm_width)), [&](int64_t from, int64_t to) {
            for (int64_t task = from; task < to; ++task) {
                int64_t h = task / strips * tall, j = task % strips * norm_width;
                f(h * width + j, NormBlock{std::min(tall, rows - h), std::min(norm_width, width - j), width},
                  j, task);
            }
        });
        if (rest) f(rows * width, NormBlock{rest, channels, channels}, int64_t(0), tasks);
    }
};

// Repeats channels values `times` times; gives the array that holds them.
void repeat(void* values, int64_t channels, int64_t times, int64_t size) {
    for (int64_t r = 1; r < times; ++r)
        std::memcpy(static_cast<char*>(values) + r * channels * size, values, size_t(channels * size));
}

// Per channel, the moments of channels-last data.
void column_moments(const BatchNorm& b, const void* src, Moments* dst) {
    Columns c(b.rows(), b.channels);
    auto columns = reduce_table.active().moments_columns[b.kind];
    static_assert(norm_width <= moments_width);
    Scratch memory(size_t((c.heights + 1) * c.width) * sizeof(Moments));
    Moments* parts = memory.as<Moments>();
    c.visit([&](int64_t offset, NormBlock block, int64_t j, int64_t task) {
        int64_t h = task / c.strips;
        columns(at(src, offset, b.size), block.rows, block.stride, block.n, parts + h * c.width + j);
    });
    for (int64_t k = 0; k < b.channels; ++k) {
        Moments all{0, 0};
        double done = 0;
        for (int64_t h = 0; h < c.heights; ++h)
            for (int64_t r = 0; r < c.times; ++r) {
                double count = double(std::min(c.tall, c.rows - h * c.tall));
                all = join_moments(all, done, parts[h * c.width + r * c.channels + k], count);
                done += count;
            }
        if (c.rest) all = join_moments(all, done, parts[c.heights * c.width + k], double(c.rest));
        dst[k] = all;
    }
}

void column_apply(const BatchNorm& b, const void* src, const void* addend, void* dst, void* scale, void* shift,
                  bool relu) {
    Columns c(b.rows(), b.channels);
    auto apply = norm_table.active().columns_apply[b.kind];
    repeat(scale, b.channels, c.times, b.stat_size);
    repeat(shift, b.channels, c.times, b.stat_size);
    c.visit([&](int64_t offset, NormBlock block, int64_t j, int64_t) {
        apply(at(src, offset, b.size), at(addend, offset, b.size), at(dst, offset, b.size), block,
              at(scale, j, b.stat_size), at(shift, j, b.stat_size), relu);
    });
}

// Room for the repeated factors of Columns.
size_t factor_bytes(int64_t channels) { return size_t(channels + 512) * 8; }

void store_affine(ChannelAffine& to, int64_t channels, const void* scale, const void* shift) {
    auto copied = [&](const void* from) {
        return std::vector<float>(static_cast<const float*>(from), static_cast<const float*>(from) + channels);
    };
    to = {copied(scale), copied(shift)};
}

struct Affine { double scale, shift; };

Affine affine_of(double mean, double invstd, const void* weight, const void* bias, DType param, int64_t k) {
    double scale = number_or(weight, param, k, 1) * invstd;
    return {scale, number_or(bias, param, k, 0) - mean * scale};
}

void update_running(void* running, DType stat, int64_t k, double value, double momentum) {
    if (running)
        store_number(running, stat, k, (1 - momentum) * load_number(running, stat, k) + momentum * value);
}

}  // namespace

void apply_affine(const float* src, const float* addend, float* dst, ChannelShape shape, const ChannelAffine& affine,
                  bool relu) {
    BatchNorm b(DType::float32, shape);
    Scratch scale(factor_bytes(b.channels)), shift(factor_bytes(b.channels));
    std::memcpy(scale.as<void>(), affine.scale.data(), size_t(b.channels) * sizeof(float));
    std::memcpy(shift.as<void>(), affine.shift.data(), size_t(b.channels) * sizeof(float));
    column_apply(b, src, addend, dst, scale.as<void>(), shift.as<void>(), relu);
}

void batch_norm_training(const void* src, DType t, void* dst, ChannelShape shape, const void* weight,
                         const void* bias, DType param, void* running_mean, void* running_var,
                         double momentum, double eps, bool relu, void* mean, void* invstd, ChannelAffine* put_off) {
    BatchNorm b(t, shape);
    double count = double(b.rows());
    auto settle = [&](int64_t k, const Moments& m) {
        double variance = m.distances / count, inverse = 1 / std::sqrt(variance + eps);
        store_number(mean, b.stat, k, m.mean);
        store_number(invstd, b.stat, k, inverse);
        update_running(running_mean, b.stat, k, m.mean, momentum);
        update_running(running_var, b.stat, k, m.distances / (count - 1), momentum);
        return affine_of(m.mean, inverse, weight, bias, param, k);
    };
    if (b.columns) {
        Scratch moments(size_t(b.channels) * sizeof(Moments)), scale(factor_bytes(b.channels)),
            shift(factor_bytes(b.channels));
        column_moments(b, src, moments.as<Moments>());
        for (int64_t k = 0; k < b.channels; ++k) {
            Affine a = settle(k, moments.as<Moments>()[k]);
            store_number(scale.as<void>(), b.stat, k, a.scale);
            store_number(shift.as<void>(), b.stat, k, a.shift);
        }
        if (put_off) return store_affine(*put_off, b.channels, scale.as<void>(), shift.as<void>());
        return column_apply(b, src, nullptr, dst, scale.as<void>(), shift.as<void>(), relu);
    }
    const NormTable& table = norm_table.active();
    parallel_for(b.channels, b.channel_grain(), [&](int64_t from, int64_t to) {
        for (int64_t k = from; k < to; ++k) {
            Moments m;
            table.channel_moments[b.kind](at(src, k * b.inner, b.size), b.channel(), &m);
            Affine a = settle(k, m);
            table.channel_apply[b.kind](at(src, k * b.inner, b.size), at(dst, k * b.inner, b.size),
                                        b.channel(), &a.scale, &a.shift, 0, relu);
        }
    });
}

void batch_norm_inference(const void* src, DType t, void* dst, ChannelShape shape, const void* weight,
                          const void* bias, DType param, const void* mean, const void* var, double eps,
                          bool relu, ChannelAffine* put_off) {
    BatchNorm b(t, shape);
    auto affine = [&](int64_t k) {
        double inverse = 1 / std::sqrt(load_number(var, b.stat, k) + eps);
        return affine_of(load_number(mean, b.stat, k), inverse, weight, bias, param, k);
    };
    Scratch scale(factor_bytes(b.channels)), shift(factor_bytes(b.channels));
    DType stored = b.columns ? b.stat : DType::float64;
    for (int64_t k = 0; k < b.channels; ++k) {
        Affine a = affine(k);
        store_number(scale.as<void>(), stored, k, a.scale);
        store_number(shift.as<void>(), stored, k, a.shift);
    }
    if (put_off) return store_affine(*put_off, b.channels, scale.as<void>(), shift.as<void>());
    if (b.columns) return column_apply(b, src, nullptr, dst, scale.as<void>(), shift.as<void>(), relu);
    // Runs of channels of one sample, short enough to share out.
    auto apply = norm_table.active().channel_apply[b.kind];
    int64_t run = std::min(b.channels, per_thread(b.inner)), runs = (b.channels + run - 1) / run;
    parallel_for(b.batch * runs, 1, [&](int64_t from, int64_t to) {
        for (int64_t task = from; task < to; ++task) {
            int64_t k = task % runs * run, offset = (task / runs * b.channels + k) * b.inner;
            apply(at(src, offset, b.size), at(dst, offset, b.size),
                  {std::min(run, b.channels - k), b.inner, b.inner}, scale.as<double>() + k,
                  shift.as<double>() + k, 1, relu);
        }
    });
}

namespace {

// dx = a * g + b * x + c.
struct GradientFactors { double a, b, c; };

GradientFactors gradient_factors(double weight, double mean, double invstd, double sum, double product,
                                 double count, bool training) {
    double a = weight * invstd;
    if (!training) return {a, 0, 0};
    double b = -a * invstd * invstd * product / count;
    return {a, b, -a * sum / count - b * mean};
}

// {sum(g), sum(g * (x - mean))} per channel of channels-last data.
void column_sums(const BatchNorm& b, const void* grad, const void* src, const void* output, const void* mean,
                 double* sum, double* product) {
    Columns c(b.rows(), b.channels);
    auto sums = norm_table.active().columns_sums[b.kind];
    Scratch parts_memory(size_t((c.heights + 1) * c.width) * 2 * sizeof(double)),
        means(factor_bytes(b.channels));
    std::memcpy(means.as<void>(), mean, size_t(b.channels * b.stat_size));
    repeat(means.as<void>(), b.channels, c.times, b.stat_size);
    double* parts = parts_memory.as<double>();
    int64_t second = (c.heights + 1) * c.width;
    c.visit([&](int64_t offset, NormBlock block, int64_t j, int64_t task) {
        double* part = parts + task / c.strips * c.width + j;
        sums(at(grad, offset, b.size), at(src, offset, b.size), at(output, offset, b.size), block,
             at(means.as<void>(), j, b.stat_size), part, part + second);
    });
    for (int64_t k = 0; k < b.channels; ++k) {
        sum[k] = product[k] = 0;
        for (int64_t h = 0; h < c.heights; ++h)
            for (int64_t r = 0; r < c.times; ++r) {
                sum[k] += parts[h * c.width + r * c.channels + k];
                product[k] += parts[second + h * c.width + r * c.channels + k];
            }
        if (c.rest) {
            sum[k] += parts[c.heights * c.width + k];
            product[k] += parts[second + c.heights * c.width + k];
        }
    }
}

}  // namespace

void batch_norm_backward(const void* grad, const void* src, const void* output, DType t, void* grad_src,
                         ChannelShape shape, const void* weight, DType param, const void* mean,
                         const void* invstd, bool training, void* grad_weight, void* grad_bias) {
    BatchNorm b(t, shape);
    const NormTable& table = norm_table.active();
    double count = double(b.rows());
    auto settle = [&](int64_t k, double sum, double product) {
        double m = load_number(mean, b.stat, k), inverse = load_number(invstd, b.stat, k);
        if (grad_weight) store_number(grad_weight, param, k, product * inverse);
        if (grad_bias) store_number(grad_bias, param, k, sum);
        return gradient_factors(number_or(weight, param, k, 1), m, inverse, sum, product, count, training);
    };
    if (!b.columns) {
        parallel_for(b.channels, b.channel_grain(), [&](int64_t from, int64_t to) {
            for (int64_t k = from; k < to; ++k) {
                const void* g = at(grad, k * b.inner, b.size);
                const void* x = at(src, k * b.inner, b.size);
                const void* y = at(output, k * b.inner, b.size);
                double sums[2];
                table.channel_sums[b.kind](g, x, y, b.channel(), load_number(mean, b.stat, k), sums);
                GradientFactors f = settle(k, sums[0], sums[1]);
                if (grad_src)
                    table.channel_gradient[b.kind](g, x, y, at(grad_src, k * b.inner, b.size), b.channel(),
                                                   f.a, f.b, f.c);
            }
        });
        return;
    }
    Scratch sums(size_t(b.channels) * 2 * sizeof(double)), factors(3 * factor_bytes(b.channels));
    double* sum = sums.as<double>();
    column_sums(b, grad, src, output, mean, sum, sum + b.channels);
    char* fa = factors.as<char>();
    char *fb = fa + factor_bytes(b.channels), *fc = fb + factor_bytes(b.channels);
    for (int64_t k = 0; k < b.channels; ++k) {
        GradientFactors f = settle(k, sum[k], sum[b.channels + k]);
        store_number(fa, b.stat, k, f.a);
        store_number(fb, b.stat, k, f.b);
        store_number(fc, b.stat, k, f.c);
    }
    if (!grad_src) return;
    Columns c(b.rows(), b.channels);
    for (char* f : {fa, fb, fc}) repeat(f, b.channels, c.times, b.stat_size);
    c.visit([&](int64_t offset, NormBlock block, int64_t j, int64_t) {
        table.columns_gradient[b.kind](at(grad, offset, b.size), at(src, offset, b.size),
                                       at(output, offset, b.size), at(grad_src, offset, b.size), block,
                                       fa + j * b.stat_size, fb + j * b.stat_size, fc + j * b.stat_size);
    });
}

// ---- layer and RMS norm ---------------------------------------------------------------------------------------------

namespace {

void normalize_rows(bool centered, const void* src, DType t, void* dst, int64_t rows, int64_t n,
                    const void* weight, const void* bias, DType param, double eps, void* mean, void* rstd) {
    auto apply = norm_table.active().rows_apply[centered][kind_of(t)];
    WideParameter w(weight, param, t, n), b(bias, param, t, n);
    int64_t size = size_of(t), stat = size_of(compute_dtype(t));
    parallel_for(rows, per_thread(n), [&](int64_t from, int64_t to) {
        apply(at(src, from * n, size), at(dst, from * n, size), to - from, n, w.get(), b.get(), eps,
              at(mean, from, stat), at(rstd, from, stat));
    });
}

// Adds the blocks' sums up in order.
void combine_blocks(const char* parts, int64_t blocks, int64_t stride, int64_t n, DType stat, void* dst,
                    DType param) {
    if (!dst) return;
    for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t b = 0; b < blocks; ++b) sum += load_number(parts + b * stride, stat, j);
        store_number(dst, param, j, sum);
    }
}

void rows_backward(bool centered, const void* grad, const void* src, DType t, void* grad_src, int64_t rows,
                   int64_t n, const void* weight, DType param, const void* mean, const void* rstd,
                   void* grad_weight, void* grad_bias) {
    auto gradient = norm_table.active().rows_gradient[centered][kind_of(t)];
    WideParameter w(weight, param, t, n);
    DType stat_type = compute_dtype(t);
    int64_t size = size_of(t), stat = size_of(stat_type);
    bool sums = grad_weight || grad_bias;
    int64_t blocks = std::clamp<int64_t>(rows / 64, 1, 32), each = (rows + blocks - 1) / blocks,
            stride = 2 * n * stat;
    if (rows) blocks = (rows + each - 1) / each;
    Scratch memory(sums ? size_t(blocks * stride) : 0);
    char* parts = memory.as<char>();
    if (sums) std::memset(parts, 0, size_t(blocks * stride));
    parallel_for(rows ? blocks : 0, per_thread(each * n), [&](int64_t from, int64_t to) {
        for (int64_t b = from; b < to; ++b) {
            int64_t first = b * each;
            gradient(at(grad, first * n, size), at(src, first * n, size), at(grad_src, first * n, size),
                     std::min(each, rows - first), n, w.get(), at(mean, first, stat), at(rstd, first, stat),
                     grad_weight ? parts + b * stride : nullptr,
                     grad_bias ? parts + b * stride + n * stat : nullptr);
        }
    });
    combine_blocks(parts, blocks, stride, n, stat_type, grad_weight, param);
    combine_blocks(parts + n * stat, blocks, stride, n, stat_type, grad_bias, param);
}

}  // namespace

void layer_norm(const void* src, DType t, void* dst, int64_t rows, int64_t n, const void* weight,
                const void* bias, DType param, double eps, void* mean, void* rstd) {
    normalize_rows(true, src, t, dst, rows, n, weight, bias, param, eps, mean, rstd);
}
void layer_norm_backward(const void* grad, const void* src, DType t, void* grad_src, int64_t rows, int64_t n,
                         const void* weight, DType param, const void* mean, const void* rstd,
                         void* grad_weight, void* grad_bias) {
    rows_backward(true, grad, src, t, grad_src, rows, n, weight, param, mean, rstd, grad_weight, grad_bias);
}
void rms_norm(const void* src, DType t, void* dst, int64_t rows, int64_t n, const void* weight, DType param,
              double eps, void* rstd) {
    normalize_rows(false, src, t, dst, rows, n, weight, nullptr, param, eps, nullptr, rstd);
}
void rms_norm_backward(const void* grad, const void* src, DType t, void* grad_src, int64_t rows, int64_t n,
                       const void* weight, DType param, const void* rstd, void* grad_weight) {
    rows_backward(false, grad, src, t, grad_src, rows, n, weight, param, nullptr, rstd, grad_weight, nullptr);
}

// ---- group norm -----------------------------------------------------------------------------------------------------

void group_norm(const void* src, DType t, void* dst, int64_t batch, int64_t channels, int64_t inner,
                int64_t groups, const void* weight, const void* bias, DType param, double eps, void* mean,
                void* rstd) {
    const NormTable& table = norm_table.active();
    FloatKind kind = kind_of(t);
    DType stat = compute_dtype(t);
    int64_t size = size_of(t), each = channels / groups, n = each * inner;
    parallel_for(batch * groups, per_thread(n), [&](int64_t from, int64_t to) {
        Scratch factors(size_t(each) * 2 * sizeof(double));
        double *scale = factors.as<double>(), *shift = scale + each;
        for (int64_t r = from; r < to; ++r) {
            Moments m;
            table.channel_moments[kind](at(src, r * n, size), {1, n, n}, &m);
            double inverse = 1 / std::sqrt(m.distances / double(n) + eps);
            if (mean) store_number(mean, stat, r, m.mean);
            if (rstd) store_number(rstd, stat, r, inverse);
            for (int64_t k = 0; k < each; ++k) {
                Affine a = affine_of(m.mean, inverse, weight, bias, param, r % groups * each + k);
                scale[k] = a.scale;
                shift[k] = a.shift;
            }
            table.channel_apply[kind](at(src, r * n, size), at(dst, r * n, size), {each, inner, inner}, scale,
                                      shift, 1, false);
        }
    });
}

void group_norm_backward(const void* grad, const void* src, DType t, void* grad_src, int64_t batch,
                         int64_t channels, int64_t inner, int64_t groups, const void* weight, DType param,
                         const void* mean, const void* rstd, void* grad_weight, void* grad_bias) {
    const NormTable& table = norm_table.active();
    FloatKind kind = kind_of(t);
    DType stat = compute_dtype(t);
    int64_t size = size_of(t), each = channels / groups, n = each * inner;
    Scratch memory(size_t(batch * channels) * 2 * sizeof(double));
    double* sums = memory.as<double>();  // {sum(g), sum(g * (x - mean))} per sample and channel
    parallel_for(batch * groups, per_thread(n), [&](int64_t from, int64_t to) {
        for (int64_t r = from; r < to; ++r) {
            double m = load_number(mean, stat, r), inverse = load_number(rstd, stat, r), sum = 0, product = 0;
            for (int64_t k = 0; k < each; ++k) {
                int64_t row = r * each + k;
                table.channel_sums[kind](at(grad, row * inner, size), at(src, row * inner, size), nullptr,
                                         {1, inner, inner}, m, sums + 2 * row);
                double w = number_or(weight, param, row % channels, 1);
                sum += w * sums[2 * row];
                product += w * sums[2 * row + 1];
            }
            if (!grad_src) continue;
            GradientFactors f = gradient_factors(1, m, inverse, sum, product, double(n), true);
            for (int64_t k = 0; k < each; ++k) {
                int64_t row = r * each + k;
                double a = number_or(weight, param, row % channels, 1) * inverse;
                table.channel_gradient[kind](at(grad, row * inner, size), at(src, row * inner, size), nullptr,
                                             at(grad_src, row * inner, size), {1, inner, inner}, a, f.b, f.c);
            }
        }
    });
    for (int64_t k = 0; k < channels; ++k) {
        double sum = 0, product = 0;
        for (int64_t s = 0; s < batch; ++s) {
            sum += sums[2 * (s * channels + k)];
            product += sums[2 * (s * channels + k) + 1] * load_number(rstd, stat, s * groups + k / each);
        }
        if (grad_weight) store_number(grad_weight, param, k, product);
        if (grad_bias) store_number(grad_bias, param, k, sum);
    }
}

}  // namespace rushlight::kernels
