// How a reduction is cut up, for one thread or several: always the same blocks, combined in the same order in
// float64.
#include "kernels/generic/reduce.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/order.h"
#include "kernels/generic/reduce_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain = 1 << 15;                   // elements that are worth another thread
constexpr int64_t batch = 256;                       // results that are finished together

inline int64_t rows_per_thread(int64_t n) { return std::max<int64_t>(1, grain / std::max<int64_t>(1, n)); }

double neutral_of(Fold op) {
    switch (op) {
        case Fold::prod: return 1;
        case Fold::amax: case Fold::abs_max: return -std::numeric_limits<double>::infinity();
        case Fold::amin: case Fold::abs_min: return std::numeric_limits<double>::infinity();
        default: return 0;
    }
}

double join(Fold op, double a, double b) {
    switch (op) {
        case Fold::prod: return a * b;
        case Fold::amax: case Fold::abs_max: return a > b || a != a ? a : b;
        case Fold::amin: case Fold::abs_min: return a < b || a != a ? a : b;
        default: return a + b;
    }
}

// One result from a row so long that its blocks are shared out.
double fold_long_row(Fold op, FoldRowsFn fold, const char* src, int64_t n, int64_t size, double power) {
    int64_t blocks = (n + fold_block - 1) / fold_block;
    Scratch memory(size_t(blocks) * sizeof(double));
    double* part = memory.as<double>();
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t b = from; b < to; ++b)
            fold(src + b * fold_block * size, 1, std::min(fold_block, n - b * fold_block), part + b, power);
    });
    double result = neutral_of(op);
    for (int64_t b = 0; b < blocks; ++b) result = join(op, result, part[b]);
    return result;
}

// finish(values, count, position of the first result).
template <class F>
void fold_rows(Fold op, DType t, const void* src, Extent e, double power, F&& finish) {
    FoldRowsFn fold = reduce_table.active().rows[int(op)][kind_of(t)];
    const char* in = static_cast<const char*>(src);
    int64_t size = size_of(t);
    if (e.outer <= 8 && e.n >= 2 * fold_block) {
        for (int64_t r = 0; r < e.outer; ++r) {
            double result = fold_long_row(op, fold, in + r * e.n * size, e.n, size, power);
            finish(&result, int64_t(1), r);
        }
        return;
    }
    parallel_for(e.outer, rows_per_thread(e.n), [&](int64_t from, int64_t to) {
        double results[batch];
        for (int64_t r = from; r < to; r += batch) {
            int64_t count = std::min(batch, to - r);
            fold(in + r * e.n * size, count, e.n, results, power);
            finish(results, count, r);
        }
    });
}

template <class F>
void fold_columns(Fold op, DType t, const void* src, Extent e, double power, F&& finish) {
    FoldColumnsFn fold = reduce_table.active().columns[int(op)][kind_of(t)];
    const char* in = static_cast<const char*>(src);
    int64_t size = size_of(t);
    int64_t width = e.inner <= fold_width ? e.inner : fold_width / 2, strips = (e.inner + width - 1) / width;
    // Few strips: cut the rows as well.
    int64_t tall = std::max<int64_t>(256, 8 * grain / width);
    int64_t heights = e.outer * strips >= 8 ? 1 : std::max<int64_t>(1, (e.n + tall - 1) / tall);
    if (heights == 1) tall = e.n;
    Scratch memory(heights > 1 ? size_t(e.outer * heights * e.inner) * sizeof(double) : 0);
    double* parts = memory.as<double>();
    int64_t each = std::max<int64_t>(1, grain / (tall * width + 1));
    parallel_for(e.outer * heights * strips, each, [&](int64_t from, int64_t to) {
        double results[fold_width];
        for (int64_t task = from; task < to; ++task) {
            int64_t o = task / (heights * strips), h = task / strips % heights, j = task % strips * width;
            int64_t count = std::min(width, e.inner - j), rows = std::min(tall, e.n - h * tall);
            double* out = heights > 1 ? parts + (o * heights + h) * e.inner + j : results;
            fold(in + ((o * e.n + h * tall) * e.inner + j) * size, rows, e.inner, count, out, power);
            if (heights == 1) finish(results, count, o * e.inner + j);
        }
    });
    if (heights == 1) return;
    for (int64_t o = 0; o < e.outer; ++o) {
        double* first = parts + o * heights * e.inner;
        for (int64_t h = 1; h < heights; ++h)
            for (int64_t j = 0; j < e.inner; ++j) first[j] = join(op, first[j], first[h * e.inner + j]);
        finish(first, e.inner, o * e.inner);
    }
}

template <class F>
void fold(Fold op, DType t, const void* src, Extent e, double power, F&& finish) {
    if (e.outer == 0 || e.inner == 0) return;
    if (e.inner == 1) fold_rows(op, t, src, e, power, finish);
    else fold_columns(op, t, src, e, power, finish);
}

void store(const double* values, int64_t count, void* dst, DType t, int64_t position) {
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        T* out = static_cast<T*>(dst) + position;
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
            for (int64_t i = 0; i < count; ++i) out[i] = T(float(values[i]));
        else if constexpr (std::is_arithmetic_v<T>)
            for (int64_t i = 0; i < count; ++i) out[i] = T(values[i]);
    });
}

Fold fold_of(Reduction op) {
    switch (op) {
        case Reduction::prod: return Fold::prod;
        case Reduction::amax: return Fold::amax;
        case Reduction::amin: return Fold::amin;
        case Reduction::all: case Reduction::any: case Reduction::count_nonzero: return Fold::nonzero;
        default: return Fold::sum;
    }
}

// Of `count` folded values, each of n elements, the results.
void finish(Reduction op, double n, double* values, int64_t count, void* dst, DType out, int64_t position) {
    if (op == Reduction::mean)
        for (int64_t i = 0; i < count; ++i) values[i] /= n;
    else if (op == Reduction::any)
        for (int64_t i = 0; i < count; ++i) values[i] = values[i] > 0;
    else if (op == Reduction::all)
        for (int64_t i = 0; i < count; ++i) values[i] = values[i] == n;
    store(values, count, dst, out, position);
}

void reduce_floating(Reduction op, const void* src, DType in, void* dst, DType out, Extent e) {
    fold(fold_of(op), in, src, e, 0, [&](double* values, int64_t count, int64_t position) {
        finish(op, double(e.n), values, count, dst, out, position);
    });
}

// ---- integers and bool ----------------------------------------------------------------------------------------------

// int64 results of a fold over integers; sums and products wrap.
struct IntegerSum {
    static constexpr int64_t neutral = 0;
    template <class T> static int64_t take(T x) { return int64_t(x); }
    static int64_t join(int64_t a, int64_t b) { return int64_t(uint64_t(a) + uint64_t(b)); }
};
struct IntegerCount : IntegerSum {
    template <class T> static int64_t take(T x) { return x != T(0); }
};
struct IntegerProduct {
    static constexpr int64_t neutral = 1;
    template <class T> static int64_t take(T x) { return int64_t(x); }
    static int64_t join(int64_t a, int64_t b) { return int64_t(uint64_t(a) * uint64_t(b)); }
};
// An int64 in the order of the T's, and back.
template <class T> int64_t ordered(T x) {
    if constexpr (std::is_same_v<T, uint64_t>) return int64_t(x ^ (uint64_t(1) << 63));
    else return int64_t(x);
}
struct IntegerMax {
    static constexpr int64_t neutral = std::numeric_limits<int64_t>::min();
    template <class T> static int64_t take(T x) { return ordered(x); }
    static int64_t join(int64_t a, int64_t b) { return a > b ? a : b; }
};
struct IntegerMin {
    static constexpr int64_t neutral = std::numeric_limits<int64_t>::max();
    template <class T> static int64_t take(T x) { return ordered(x); }
    static int64_t join(int64_t a, int64_t b) { return a < b ? a : b; }
};

template <class Op, class T>
int64_t fold_integers(const T* p, int64_t n) {
    // Tiles of a fixed size, which the compiler turns into vectors; one byte's sums stay in 32 bits within a
    // tile.
    constexpr int64_t tile = 128;
    constexpr bool small = sizeof(T) <= 2 && std::is_base_of_v<IntegerSum, Op>;
    using Part = std::conditional_t<small, int32_t, int64_t>;
    int64_t result = Op::neutral, i = 0;
    for (; i + tile <= n; i += tile) {
        if constexpr (std::is_base_of_v<IntegerSum, Op>) {
            std::make_unsigned_t<Part> part = 0;
            for (int64_t k = 0; k < tile; ++k) part += std::make_unsigned_t<Part>(Op::take(p[i + k]));
            result = Op::join(result, int64_t(Part(part)));
        } else {
            int64_t a = Op::neutral, b = Op::neutral;
            for (int64_t k = 0; k < tile; k += 2) {
                a = Op::join(a, Op::take(p[i + k]));
                b = Op::join(b, Op::take(p[i + k + 1]));
            }
            result = Op::join(result, Op::join(a, b));
        }
    }
    for (; i < n; ++i) result = Op::join(result, Op::take(p[i]));
    return result;
}

template <class Op, class T, class F>
void fold_integer_array(const T* src, Extent e, F&& finish) {
    if (e.inner == 1 && e.outer <= 8 && e.n > 4 * grain) {
        int64_t blocks = (e.n + grain - 1) / grain;
        Scratch memory(size_t(blocks) * sizeof(int64_t));
        int64_t* part = memory.as<int64_t>();
        for (int64_t o = 0; o < e.outer; ++o) {
            parallel_for(blocks, 2, [&](int64_t from, int64_t to) {
                for (int64_t b = from; b < to; ++b)
                    part[b] = fold_integers<Op>(src + o * e.n + b * grain, std::min(grain, e.n - b * grain));
            });
            int64_t result = Op::neutral;
            for (int64_t b = 0; b < blocks; ++b) result = Op::join(result, part[b]);
            finish(result, o);
        }
        return;
    }
    if (e.inner == 1) {
        parallel_for(e.outer, rows_per_thread(e.n), [&](int64_t from, int64_t to) {
            for (int64_t o = from; o < to; ++o) finish(fold_integers<Op>(src + o * e.n, e.n), o);
        });
        return;
    }
    int64_t strips = (e.inner + batch - 1) / batch;
    parallel_for(
        e.outer * strips, rows_per_thread(e.n * std::min(batch, e.inner)), [&](int64_t from, int64_t to) {
            int64_t results[batch];
            for (int64_t task = from; task < to; ++task) {
                int64_t o = task / strips, j = task % strips * batch, count = std::min(batch, e.inner - j);
                std::fill(results, results + count, Op::neutral);
                for (int64_t i = 0; i < e.n; ++i) {
                    const T* row = src + (o * e.n + i) * e.inner + j;
                    for (int64_t k = 0; k < count; ++k) results[k] = Op::join(results[k], Op::take(row[k]));
                }
                for (int64_t k = 0; k < count; ++k) finish(results[k], o * e.inner + j + k);
            }
        });
}

template <class T>
void reduce_integers(Reduction op, const T* src, void* dst, DType out, Extent e) {
    auto to_int64 = [&](int64_t x, int64_t i) { static_cast<int64_t*>(dst)[i] = x; };
    auto to_same = [&](int64_t x, int64_t i) { static_cast<T*>(dst)[i] = T(ordered(T(x))); };
    auto to_any = [&](int64_t x, int64_t i) { static_cast<uint8_t*>(dst)[i] = x > 0; };
    auto to_all = [&](int64_t x, int64_t i) { static_cast<uint8_t*>(dst)[i] = x == e.n; };
    switch (op) {
        case Reduction::sum: return fold_integer_array<IntegerSum>(src, e, to_int64);
        case Reduction::prod: return fold_integer_array<IntegerProduct>(src, e, to_int64);
        case Reduction::amax: return fold_integer_array<IntegerMax>(src, e, to_same);
        case Reduction::amin: return fold_integer_array<IntegerMin>(src, e, to_same);
        case Reduction::any: return fold_integer_array<IntegerCount>(src, e, to_any);
        case Reduction::all: return fold_integer_array<IntegerCount>(src, e, to_all);
        case Reduction::count_nonzero: return fold_integer_array<IntegerCount>(src, e, to_int64);
        case Reduction::mean: return;
    }
}

// Calls f with a pointer of the integer type; bool is read as bytes.
template <class F>
void visit_integer(const void* p, DType t, F&& f) {
    if (t == DType::boolean) return f(static_cast<const uint8_t*>(p));
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) f(static_cast<const T*>(p));
    });
}

}  // namespace

double fold_part(Reduction op, const void* src, DType in, int64_t n) {
    double part;
    reduce_table.active().rows[int(fold_of(op))][kind_of(in)](src, 1, n, &part, 0);
    return part;
}

void join_parts(Reduction op, const double* parts, int64_t count, int64_t n, void* dst, DType out) {
    Fold fold = fold_of(op);
    double result = neutral_of(fold);
    for (int64_t i = 0; i < count; ++i) result = join(fold, result, parts[i]);
    finish(op, double(n), &result, 1, dst, out, 0);
}

bool reduce_supports(Reduction op, DType in, DType out) {
    bool integer = is_integral(in) || in == DType::boolean;
    switch (op) {
        case Reduction::sum: case Reduction::prod: case Reduction::mean:
            if (is_complex(in)) return in == out;
            if (integer) return op != Reduction::mean && out == DType::int64;
            return in == out || (is_reduced(in) && out == DType::float32);
        case Reduction::amax: case Reduction::amin: return !is_complex(in) && in == out;
        case Reduction::all:
        case Reduction::any: return !is_complex(in) && (out == DType::boolean || out == DType::uint8);
        case Reduction::count_nonzero: return !is_complex(in) && out == DType::int64;
    }
    return false;
}

// Complex products, in float64.
template <class T>
static void multiply_complex(const void* src, void* dst, Extent e) {
    parallel_for(e.outer * e.inner, rows_per_thread(e.n), [&](int64_t from, int64_t to) {
        for (int64_t r = from; r < to; ++r) {
            const auto* line = static_cast<const std::complex<T>*>(src) + r / e.inner * e.n * e.inner + r % e.inner;
            double re = 1, im = 0;
            for (int64_t i = 0; i < e.n; ++i) {
                double a = line[i * e.inner].real(), b = line[i * e.inner].imag(), next = re * a - im * b;
                im = re * b + im * a;
                re = next;
            }
            static_cast<std::complex<T>*>(dst)[r] = {T(re), T(im)};
        }
    });
}

void reduce(Reduction op, const void* src, DType in, void* dst, DType out, Extent e) {
    if (op == Reduction::prod && in == DType::complex64) return multiply_complex<float>(src, dst, e);
    if (op == Reduction::prod && in == DType::complex128) return multiply_complex<double>(src, dst, e);
    if (is_complex(in))
        return reduce_floating(op, src, to_real(in), dst, to_real(out), {e.outer, e.n, 2 * e.inner});
    if (is_floating(in)) return reduce_floating(op, src, in, dst, out, e);
    visit_integer(src, in, [&](const auto* p) { reduce_integers(op, p, dst, out, e); });
}

// ---- arg-extrema ----------------------------------------------------------------------------------------------------

namespace {

template <bool largest, class T>
int64_t arg_of_integers(const T* p, int64_t n, int64_t stride) {
    int64_t at = 0;
    T best = p[0];
    for (int64_t i = 1; i < n; ++i) {
        T x = p[i * stride];
        if (largest ? x > best : x < best) {
            best = x;
            at = i;
        }
    }
    return at;
}

void arg_reduce_floating(bool largest, const void* src, DType t, int64_t* index, Extent e) {
    const ReduceTable& table = reduce_table.active();
    const char* in = static_cast<const char*>(src);
    int64_t size = size_of(t);
    int sign = largest ? 1 : -1;
    if (e.inner == 1) {
        ArgRowsFn rows = table.arg_rows[kind_of(t)];
        parallel_for(e.outer, rows_per_thread(e.n), [&](int64_t from, int64_t to) {
            rows(in + from * e.n * size, to - from, e.n, index + from, sign);
        });
        return;
    }
    ArgColumnsFn columns = table.arg_columns[kind_of(t)];
    int64_t strips = (e.inner + batch - 1) / batch;
    parallel_for(
        e.outer * strips, rows_per_thread(e.n * std::min(batch, e.inner)), [&](int64_t from, int64_t to) {
            for (int64_t task = from; task < to; ++task) {
                int64_t o = task / strips, j = task % strips * batch, count = std::min(batch, e.inner - j);
                columns(in + (o * e.n * e.inner + j) * size, e.n, e.inner, count, index + o * e.inner + j,
                        sign);
            }
        });
}

// One long row: the blocks' own winners, then the first best among them.
void arg_reduce_long(bool largest, const void* src, DType t, int64_t* index, int64_t n) {
    constexpr int64_t block = 1 << 16;
    int64_t blocks = (n + block - 1) / block;
    Scratch memory(size_t(blocks) * sizeof(int64_t));
    int64_t* winner = memory.as<int64_t>();
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t b = from; b < to; ++b) {
            Extent part{1, std::min(block, n - b * block), 1};
            arg_reduce(largest, at(src, b * block, size_of(t)), t, winner + b, nullptr, part);
            winner[b] += b * block;
        }
    });
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        const T* in = static_cast<const T*>(src);
        auto rank = [&](int64_t i) {
            auto key = order_key(in[i]);
            return largest || is_nan_key<T>(key) ? key : decltype(key)(~key);
        };
        int64_t best = winner[0];
        for (int64_t b = 1; b < blocks; ++b)
            if (rank(winner[b]) > rank(best)) best = winner[b];
        *index = best;
    });
}

}  // namespace

void arg_reduce(bool largest, const void* src, DType t, int64_t* index, void* value, Extent e) {
    if (e.outer == 1 && e.inner == 1 && e.n > (1 << 17)) {
        arg_reduce_long(largest, src, t, index, e.n);
    } else if (is_floating(t)) {
        arg_reduce_floating(largest, src, t, index, e);
    } else {
        visit_integer(src, t, [&](const auto* p) {
            parallel_for(e.outer * e.inner, rows_per_thread(e.n), [&](int64_t from, int64_t to) {
                for (int64_t r = from; r < to; ++r) {
                    const auto* line = p + r / e.inner * e.n * e.inner + r % e.inner;
                    index[r] = largest ? arg_of_integers<true>(line, e.n, e.inner)
                                       : arg_of_integers<false>(line, e.n, e.inner);
                }
            });
        });
    }
    if (!value) return;
    int64_t size = size_of(t);
    for (int64_t r = 0; r < e.outer * e.inner; ++r)
        std::memcpy(at(value, r, size), at(src, (r / e.inner * e.n + index[r]) * e.inner + r % e.inner, size),
                    size_t(size));
}

// ---- norms, moments, logsumexp --------------------------------------------------------------------------------------

void norm(const void* src, DType t, void* dst, Extent e, double p) {
    Fold op = p == 0          ? Fold::nonzero
              : p == 1        ? Fold::abs_sum
              : p == 2        ? Fold::square_sum
              : std::isinf(p) ? Fold::abs_max
                              : Fold::power_sum;
    if (std::isinf(p) && p < 0) op = Fold::abs_min;
    fold(op, t, src, e, p, [&](double* values, int64_t count, int64_t position) {
        if (op == Fold::square_sum)
            for (int64_t i = 0; i < count; ++i) values[i] = std::sqrt(values[i]);
        else if (op == Fold::power_sum)
            for (int64_t i = 0; i < count; ++i) values[i] = std::pow(values[i], 1 / p);
        else if (op == Fold::abs_max && e.n == 0)
            std::fill(values, values + count, 0.0);
        store(values, count, dst, t, position);
    });
}

namespace {

Moments moments_of_long_row(MomentsRowsFn moments, const char* src, int64_t n, int64_t size) {
    int64_t blocks = (n + fold_block - 1) / fold_block;
    Scratch memory(size_t(blocks) * sizeof(Moments));
    Moments* part = memory.as<Moments>();
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t b = from; b < to; ++b)
            moments(src + b * fold_block * size, 1, std::min(fold_block, n - b * fold_block), part + b);
    });
    Moments all{0, 0};
    for (int64_t b = 0; b < blocks; ++b)
        all = join_moments(all, double(b * fold_block), part[b],
                           double(std::min(fold_block, n - b * fold_block)));
    return all;
}

// finish(moments, count, position).
template <class F>
void moments_of_rows(DType t, const char* in, Extent e, F&& finish) {
    MomentsRowsFn rows = reduce_table.active().moments_rows[kind_of(t)];
    int64_t size = size_of(t);
    if (e.outer <= 8 && e.n >= 2 * fold_block) {
        for (int64_t r = 0; r < e.outer; ++r) {
            Moments m = moments_of_long_row(rows, in + r * e.n * size, e.n, size);
            finish(&m, int64_t(1), r);
        }
        return;
    }
    parallel_for(e.outer, rows_per_thread(2 * e.n), [&](int64_t from, int64_t to) {
        Moments results[batch];
        for (int64_t r = from; r < to; r += batch) {
            int64_t count = std::min(batch, to - r);
            rows(in + r * e.n * size, count, e.n, results);
            finish(results, count, r);
        }
    });
}

template <class F>
void moments_of_columns(DType t, const char* in, Extent e, F&& finish) {
    MomentsColumnsFn columns = reduce_table.active().moments_columns[kind_of(t)];
    int64_t size = size_of(t), strips = (e.inner + moments_width - 1) / moments_width;
    int64_t tall = std::max<int64_t>(256, 8 * grain / std::min(e.inner, moments_width));
    int64_t heights = e.outer * strips >= 8 ? 1 : std::max<int64_t>(1, (e.n + tall - 1) / tall);
    if (heights == 1) tall = std::max<int64_t>(1, e.n);
    Scratch memory(size_t(e.outer * heights * e.inner) * sizeof(Moments));
    Moments* parts = memory.as<Moments>();
    parallel_for(e.outer * heights * strips, std::max<int64_t>(1, grain / (2 * tall * e.inner + 1)),
                 [&](int64_t from, int64_t to) {
                     for (int64_t task = from; task < to; ++task) {
                         int64_t o = task / (heights * strips), h = task / strips % heights,
                                 j = task % strips * moments_width;
                         columns(in + ((o * e.n + h * tall) * e.inner + j) * size,
                                 std::min(tall, e.n - h * tall), e.inner,
                                 std::min(moments_width, e.inner - j),
                                 parts + (o * heights + h) * e.inner + j);
                     }
                 });
    for (int64_t o = 0; o < e.outer; ++o) {
        Moments* first = parts + o * heights * e.inner;
        for (int64_t h = 1; h < heights; ++h)
            for (int64_t j = 0; j < e.inner; ++j)
                first[j] = join_moments(first[j], double(h * tall), first[h * e.inner + j],
                                        double(std::min(tall, e.n - h * tall)));
        finish(first, e.inner, o * e.inner);
    }
}

}  // namespace

void var(const void* src, DType t, void* dst, void* mean, Extent e, double correction, bool take_root) {
    if (e.outer == 0 || e.inner == 0) return;
    double divisor = std::max(0.0, double(e.n) - correction), nan = std::numeric_limits<double>::quiet_NaN();
    auto finish = [&](const Moments* m, int64_t count, int64_t position) {
        double values[batch];
        for (int64_t from = 0; from < count; from += batch) {
            int64_t part = std::min(batch, count - from);
            for (int64_t i = 0; i < part; ++i) {
                values[i] = e.n == 0 ? nan : m[from + i].distances / divisor;
                if (take_root) values[i] = std::sqrt(values[i]);
            }
            store(values, part, dst, t, position + from);
            if (!mean) continue;
            for (int64_t i = 0; i < part; ++i) values[i] = e.n == 0 ? nan : m[from + i].mean;
            store(values, part, mean, t, position + from);
        }
    };
    if (e.inner == 1) moments_of_rows(t, static_cast<const char*>(src), e, finish);
    else moments_of_columns(t, static_cast<const char*>(src), e, finish);
}

void logsumexp(const void* src, DType t, void* dst, Extent e) {
    const ReduceTable& table = reduce_table.active();
    const char* in = static_cast<const char*>(src);
    int64_t size = size_of(t), strips = (e.inner + batch - 1) / batch;
    FoldRowsFn max_rows = table.rows[int(Fold::amax)][kind_of(t)];
    FoldColumnsFn max_columns = table.columns[int(Fold::amax)][kind_of(t)];
    auto sum_rows = table.exp_sum_rows[kind_of(t)];
    auto sum_columns = table.exp_sum_columns[kind_of(t)];
    parallel_for(
        e.outer * strips, rows_per_thread(4 * e.n * std::min(batch, e.inner)), [&](int64_t from, int64_t to) {
            double highest[batch], sums[batch];
            for (int64_t task = from; task < to; ++task) {
                int64_t o = task / strips, j = task % strips * batch, count = std::min(batch, e.inner - j);
                const char* p = in + (o * e.n * e.inner + j) * size;
                if (e.inner == 1)
                    max_rows(p, 1, e.n, highest, 0);
                else
                    max_columns(p, e.n, e.inner, count, highest, 0);
                for (int64_t k = 0; k < count; ++k)
                    if (std::isinf(highest[k]))
                        highest[k] = 0;  // then exp gives 0 or infinity, and the log the answer
                if (e.inner == 1)
                    sum_rows(p, 1, e.n, highest, sums);
                else
                    sum_columns(p, e.n, e.inner, count, highest, sums);
                for (int64_t k = 0; k < count; ++k) sums[k] = std::log(sums[k]) + highest[k];
                store(sums, count, dst, t, o * e.inner + j);
            }
        });
}

// ---- order statistics -----------------------------------------------------------------------------------------------

namespace {

// The item that would stand at place k if all were in order; the items are left in disorder, some of them lost. Of many
// items, the leading bits of the keys are counted first, and only those that share the wanted one's are looked at.
template <class T, class I>
I nth_item(I* items, int64_t n, int64_t k) {
    constexpr int counted_bits = 12, shift = std::max(0, int(8 * sizeof(T)) - counted_bits);
    if (n >= 1 << 12) {
        int64_t counts[1 << counted_bits] = {}, bucket = 0, kept = 0;
        for (int64_t i = 0; i < n; ++i) ++counts[items[i].key() >> shift];
        for (; k >= counts[bucket]; ++bucket) k -= counts[bucket];
        for (int64_t i = 0; i < n; ++i) {
            items[kept] = items[i];
            kept += int64_t(items[i].key() >> shift) == bucket;
        }
        n = kept;
    }
    std::nth_element(items, items + k, items + n);
    return items[k];
}

// select(items, n) of each line returns the wanted item.
template <class T, class F>
void select_lines(const T* src, T* value, int64_t* index, Extent e, F&& select) {
    using I = Item<T>;
    parallel_for(e.outer * e.inner, rows_per_thread(8 * e.n), [&](int64_t from, int64_t to) {
        Scratch memory(size_t(e.n) * sizeof(I));
        I* items = memory.as<I>();
        for (int64_t r = from; r < to; ++r) {
            const T* line = src + r / e.inner * e.n * e.inner + r % e.inner;
            for (int64_t i = 0; i < e.n; ++i) items[i] = I::of(order_key(line[i * e.inner]), uint64_t(i));
            int64_t at = int64_t(select(items, e.n).index());
            index[r] = at;
            value[r] = line[at * e.inner];
        }
    });
}

}  // namespace

void kthvalue(const void* src, DType t, void* value, int64_t* index, Extent e, int64_t k) {
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        select_lines(static_cast<const T*>(src), static_cast<T*>(value), index, e,
                     [k](auto* items, int64_t n) { return nth_item<T>(items, n, k - 1); });
    });
}

void median(const void* src, DType t, void* value, int64_t* index, Extent e, bool ignore_nan) {
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        select_lines(
            static_cast<const T*>(src), static_cast<T*>(value), index, e, [=](auto* items, int64_t n) {
                using Key = decltype(order_key(T{}));
                int64_t numbers = n, first_nan = -1;
                for (int64_t i = n - 1; i >= 0; --i)
                    if (is_nan_key<T>(Key(items[i].key()))) {
                        first_nan = i;
                        --numbers;
                    }
                if (first_nan >= 0 && (!ignore_nan || numbers == 0)) return items[first_nan];
                int64_t k = (numbers - 1) / 2;  // NaN have the largest keys: they stand behind the numbers
                return nth_item<T>(items, n, k);
            });
    });
}

}  // namespace rushlight::kernels
