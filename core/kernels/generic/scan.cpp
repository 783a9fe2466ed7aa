// A running reduction has one order, so lines are what threads share: rows, or strips of columns that run
// side by side. A long row of a sum is cut in blocks: their sums first, then each block from where the one
// before it ends.
#include "kernels/generic/scan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/order.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain = 1 << 14;
constexpr int64_t strip = 64;                        // columns side by side

template <class T> inline constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
template <class T> inline constexpr bool is_complex_type =
    std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;
// What a running sum of T is kept in. float32 sums are kept in float64, so that a long row loses nothing.
template <class T>
using Running = std::conditional_t<
    std::is_integral_v<T>, int64_t,
    std::conditional_t<is_complex_type<T>, std::complex<double>,
                       std::conditional_t<sizeof(T) == 8 || std::is_same_v<T, float>, double, float>>>;

template <class A, class T>
inline A widened(T x) {
    if constexpr (is_half<T>) return A(float(x));
    else return A(x);
}
template <class T, class A>
inline T narrowed(A x) {
    if constexpr (is_half<T>) return T(float(x));
    else return T(x);
}

struct Plus {
    template <class A> static A neutral() { return A(0); }
    template <class A> static A join(A a, A b) {
        if constexpr (std::is_integral_v<A>) return A(uint64_t(a) + uint64_t(b));
        else return a + b;
    }
};
struct Times {
    template <class A> static A neutral() { return A(1); }
    template <class A> static A join(A a, A b) {
        if constexpr (std::is_integral_v<A>) return A(uint64_t(a) * uint64_t(b));
        else if constexpr (is_complex_type<A>)
            return A(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real());
        else return a * b;
    }
};

// f(offset of the first element, columns): one line, or up to `strip` lines side by side.
template <class F>
void for_each_strip(Extent e, F&& f) {
    if (e.outer == 0 || e.n == 0 || e.inner == 0) return;
    int64_t strips = (e.inner + strip - 1) / strip;
    int64_t each = std::max<int64_t>(1, grain / (e.n * std::min(strip, e.inner)));
    parallel_for(e.outer * strips, each, [&](int64_t from, int64_t to) {
        for (int64_t task = from; task < to; ++task) {
            int64_t j = task % strips * strip;
            f(task / strips * e.n * e.inner + j, std::min(strip, e.inner - j));
        }
    });
}

template <class Op, class A, class In, class Out>
A scan_line(const In* src, Out* dst, int64_t n, A start) {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {                     // four at a time wait for the running value once
        A a = widened<A>(src[i]), b = widened<A>(src[i + 1]), c = widened<A>(src[i + 2]),
          d = widened<A>(src[i + 3]);
        A ab = Op::join(a, b), abc = Op::join(ab, c), all = Op::join(ab, Op::join(c, d));
        dst[i] = narrowed<Out>(Op::join(start, a));
        dst[i + 1] = narrowed<Out>(Op::join(start, ab));
        dst[i + 2] = narrowed<Out>(Op::join(start, abc));
        start = Op::join(start, all);
        dst[i + 3] = narrowed<Out>(start);
    }
    for (; i < n; ++i) {
        start = Op::join(start, widened<A>(src[i]));
        dst[i] = narrowed<Out>(start);
    }
    return start;
}

template <class Op, class A, class In, class Out>
void scan_long_line(const In* src, Out* dst, int64_t n) {
    constexpr int64_t block = 1 << 16;
    int64_t blocks = (n + block - 1) / block;
    Scratch memory(size_t(blocks) * sizeof(A));
    A* start = memory.as<A>();
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t b = from; b < to; ++b) {
            A part[4];
            std::fill(part, part + 4, Op::template neutral<A>());
            int64_t i = b * block, end = std::min(n, i + block);
            for (; i + 4 <= end; i += 4)
                for (int k = 0; k < 4; ++k) part[k] = Op::join(part[k], widened<A>(src[i + k]));
            for (; i < end; ++i) part[0] = Op::join(part[0], widened<A>(src[i]));
            start[b] = Op::join(Op::join(part[0], part[1]), Op::join(part[2], part[3]));
        }
    });
    A total = Op::template neutral<A>();
    for (int64_t b = 0; b < blocks; ++b) {
        A next = Op::join(total, start[b]);
        start[b] = total;
        total = next;
    }
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t b = from; b < to; ++b)
            scan_line<Op>(src + b * block, dst + b * block, std::min(block, n - b * block), start[b]);
    });
}

template <class Op, class In, class Out>
void scan_array(const In* src, Out* dst, Extent e) {
    using A = Running<In>;
    if (e.inner == 1 && e.outer <= 4 && e.n > (1 << 18)) {
        for (int64_t o = 0; o < e.outer; ++o) scan_long_line<Op, A>(src + o * e.n, dst + o * e.n, e.n);
        return;
    }
    for_each_strip(e, [&](int64_t first, int64_t columns) {
        if (columns == 1 && e.inner == 1) {
            scan_line<Op>(src + first, dst + first, e.n, Op::template neutral<A>());
            return;
        }
        A running[strip];
        std::fill(running, running + columns, Op::template neutral<A>());
        for (int64_t i = 0; i < e.n; ++i)
            for (int64_t k = 0, p = first + i * e.inner; k < columns; ++k, ++p) {
                running[k] = Op::join(running[k], widened<A>(src[p]));
                dst[p] = narrowed<Out>(running[k]);
            }
    });
}

template <class F>
void visit_complex(DType t, F&& f) {
    if (t == DType::complex64) f(std::complex<float>{});
    else f(std::complex<double>{});
}

template <class Op>
void scan(const void* src, DType in, void* dst, DType out, Extent e) {
    if (is_complex(in))
        return visit_complex(in, [&](auto zero) {
            using T = decltype(zero);
            scan_array<Op>(static_cast<const T*>(src), static_cast<T*>(dst), e);
        });
    visit_real(in, [&](auto zero) {
        using T = decltype(zero);
        // Bytes of a mask are read as such; any that is not 0 counts as 1.
        if constexpr (std::is_integral_v<T>) {
            if (out == DType::int64 && in != out)
                return scan_array<Op>(static_cast<const T*>(src), static_cast<int64_t*>(dst), e);
        }
        scan_array<Op>(static_cast<const T*>(src), static_cast<T*>(dst), e);
    });
}

template <bool largest>
void running_extremum(const void* src, DType t, void* values, int64_t* indices, Extent e) {
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        using Key = decltype(order_key(T{}));
        const T* in = static_cast<const T*>(src);
        T* out = static_cast<T*>(values);
        for_each_strip(e, [&](int64_t first, int64_t columns) {
            for (int64_t k = 0; k < columns; ++k) {
                int64_t at = 0;
                T best = in[first + k];
                Key best_key = order_key(best);
                for (int64_t i = 0; i < e.n; ++i) {
                    T x = in[first + k + i * e.inner];
                    Key key = order_key(x);
                    bool takes = is_nan_key<T>(key) ||
                                 (!is_nan_key<T>(best_key) && (largest ? key >= best_key : key <= best_key));
                    if (takes) {
                        best = x;
                        best_key = key;
                        at = i;
                    }
                    out[first + k + i * e.inner] = best;
                    indices[first + k + i * e.inner] = at;
                }
            }
        });
    });
}

}  // namespace

void cumsum(const void* src, DType in, void* dst, DType out, Extent e) { scan<Plus>(src, in, dst, out, e); }
void cumprod(const void* src, DType in, void* dst, DType out, Extent e) { scan<Times>(src, in, dst, out, e); }

void cummax(const void* src, DType t, void* values, int64_t* indices, Extent e) {
    running_extremum<true>(src, t, values, indices, e);
}
void cummin(const void* src, DType t, void* values, int64_t* indices, Extent e) {
    running_extremum<false>(src, t, values, indices, e);
}

// log(exp(a) + exp(b)) around the larger real part.
static std::complex<double> join_exponents(std::complex<double> a, std::complex<double> b) {
    if (a.real() == -HUGE_VAL) return b;
    if (b.real() == -HUGE_VAL) return a;
    if (a.real() < b.real()) std::swap(a, b);
    return std::isinf(a.real()) ? std::log(std::exp(a) + std::exp(b)) : a + std::log(1.0 + std::exp(b - a));
}

static void complex_logcumsumexp(const void* src, DType t, void* dst, Extent e) {
    visit_complex(t, [&](auto zero) {
        using T = decltype(zero);
        for_each_strip(e, [&](int64_t first, int64_t columns) {
            for (int64_t k = 0; k < columns; ++k) {
                std::complex<double> total(-HUGE_VAL, 0);
                for (int64_t i = 0, p = first + k; i < e.n; ++i, p += e.inner) {
                    total = join_exponents(total, std::complex<double>(static_cast<const T*>(src)[p]));
                    static_cast<T*>(dst)[p] = T(total);
                }
            }
        });
    });
}

void logcumsumexp(const void* src, DType t, void* dst, Extent e) {
    if (is_complex(t)) return complex_logcumsumexp(src, t, dst, e);
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (!std::is_integral_v<T>) {
            for_each_strip(e, [&](int64_t first, int64_t columns) {
                for (int64_t k = 0; k < columns; ++k) {
                    double total = -std::numeric_limits<double>::infinity();
                    for (int64_t i = 0; i < e.n; ++i) {
                        double x = widened<double>(static_cast<const T*>(src)[first + k + i * e.inner]);
                        double low = std::min(total, x), high = total != total ? total : std::max(x, total);
                        // Equal infinities have no difference.
                        if (std::isnan(x)) total = x;
                        else total = std::isinf(high) ? high : high + std::log1p(std::exp(low - high));
                        static_cast<T*>(dst)[first + k + i * e.inner] = narrowed<T>(total);
                    }
                }
            });
        }
    });
}

}  // namespace rushlight::kernels
