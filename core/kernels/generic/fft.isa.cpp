// Transforms by Stockham's method, one line per lane. Point i of the lines is a vector of real parts and one of
// imaginary parts, in rows 2 i and 2 i + 1 of a buffer that stays in cache. The inverse is the same with the two
// parts exchanged on the way in and out.
#include "kernels/generic/fft_kernels.h"

#include "kernels/generic/vec.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

// ---- vectors put together from two ----------------------------------------------------------------------------------

#if defined(__clang__)
#define SHUFFLE(...) return Vec<T>::raw(__builtin_shufflevector(a.v, b.v, __VA_ARGS__))
#else
#define SHUFFLE(...) return Vec<T>::raw(__builtin_shuffle(a.v, b.v, Raw<SignedFor<T>>{__VA_ARGS__}))
#endif

// a0 b0 a1 b1 ... of the first halves
template <class T>
RUSHLIGHT_INLINE Vec<T> zip_low(Vec<T> a, Vec<T> b) {
    if constexpr (Vec<T>::width == 2) SHUFFLE(0, 2);
    else if constexpr (Vec<T>::width == 4) SHUFFLE(0, 4, 1, 5);
    else if constexpr (Vec<T>::width == 8) SHUFFLE(0, 8, 1, 9, 2, 10, 3, 11);
    else SHUFFLE(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
// and of the second halves
template <class T>
RUSHLIGHT_INLINE Vec<T> zip_high(Vec<T> a, Vec<T> b) {
    if constexpr (Vec<T>::width == 2) SHUFFLE(1, 3);
    else if constexpr (Vec<T>::width == 4) SHUFFLE(2, 6, 3, 7);
    else if constexpr (Vec<T>::width == 8) SHUFFLE(4, 12, 5, 13, 6, 14, 7, 15);
    else SHUFFLE(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
// a0 a2 ... b0 b2 ...
template <class T>
RUSHLIGHT_INLINE Vec<T> evens(Vec<T> a, Vec<T> b) {
    if constexpr (Vec<T>::width == 2) SHUFFLE(0, 2);
    else if constexpr (Vec<T>::width == 4) SHUFFLE(0, 2, 4, 6);
    else if constexpr (Vec<T>::width == 8) SHUFFLE(0, 2, 4, 6, 8, 10, 12, 14);
    else SHUFFLE(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}
template <class T>
RUSHLIGHT_INLINE Vec<T> odds(Vec<T> a, Vec<T> b) {
    if constexpr (Vec<T>::width == 2) SHUFFLE(1, 3);
    else if constexpr (Vec<T>::width == 4) SHUFFLE(1, 3, 5, 7);
    else if constexpr (Vec<T>::width == 8) SHUFFLE(1, 3, 5, 7, 9, 11, 13, 15);
    else SHUFFLE(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
#undef SHUFFLE

// Rows become columns: as many rounds of zipping as the width has bits.
template <class T>
RUSHLIGHT_INLINE void transpose(Vec<T>* x) {
    constexpr int w = Vec<T>::width;
    Vec<T> y[w];
#pragma GCC unroll 4
    for (int round = 1; round < w; round *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < w / 2; ++i) {
            y[2 * i] = zip_low(x[i], x[i + w / 2]);
            y[2 * i + 1] = zip_high(x[i], x[i + w / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < w; ++i) x[i] = y[i];
    }
}

// ---- complex vectors ------------------------------------------------------------------------------------------------

template <class T>
struct Pair {
    Vec<T> re, im;
    static RUSHLIGHT_INLINE Pair load(const T* p) { return {Vec<T>::load(p), Vec<T>::load(p + Vec<T>::width)}; }
    // One number for all lanes.
    static RUSHLIGHT_INLINE Pair of(const T* p) { return {Vec<T>(p[0]), Vec<T>(p[1])}; }
    RUSHLIGHT_INLINE void store(T* p) const {
        re.store(p);
        im.store(p + Vec<T>::width);
    }
    RUSHLIGHT_INLINE Pair swapped() const { return {im, re}; }
    RUSHLIGHT_INLINE Pair conjugate() const { return {re, -im}; }
    friend RUSHLIGHT_INLINE Pair operator+(Pair a, Pair b) { return {a.re + b.re, a.im + b.im}; }
    friend RUSHLIGHT_INLINE Pair operator-(Pair a, Pair b) { return {a.re - b.re, a.im - b.im}; }
    friend RUSHLIGHT_INLINE Pair operator*(Pair a, Pair b) {
        return {multiply_add(a.re, b.re, -(a.im * b.im)), multiply_add(a.re, b.im, a.im * b.re)};
    }
    RUSHLIGHT_INLINE Pair times_i() const { return {-im, re}; }
    RUSHLIGHT_INLINE Pair over_i() const { return {im, -re}; }
};

template <class T> inline constexpr int64_t point = 2 * Vec<T>::width;       // numbers from one point to the next

// ---- stages ---------------------------------------------------------------------------------------------------------

// `turned`: groups other than the only one have twiddles.
template <class T, bool turned>
void stage_2(const FftStage<T>& s, const T* x, T* y) {
    for (int64_t p = 0; p < s.groups; ++p) {
        const Pair<T> w = Pair<T>::of(turned ? s.twiddle + 2 * p : s.twiddle);
        const T* from = x + p * s.span * point<T>;
        T* to = y + 2 * p * s.span * point<T>;
        int64_t jump = s.groups * s.span * point<T>, hop = s.span * point<T>;
        for (int64_t q = 0; q < s.span; ++q, from += point<T>, to += point<T>) {
            Pair<T> a = Pair<T>::load(from), b = Pair<T>::load(from + jump);
            (a + b).store(to);
            (turned ? (a - b) * w : a - b).store(to + hop);
        }
    }
}

// The four coefficients of a, b, c, d, in order.
template <class T>
RUSHLIGHT_INLINE void four(Pair<T> a, Pair<T> b, Pair<T> c, Pair<T> d, Pair<T>* out) {
    const Pair<T> even = a + c, odd = b + d, over = a - c, turn = (b - d).over_i();
    out[0] = even + odd;
    out[1] = over + turn;
    out[2] = even - odd;
    out[3] = over - turn;
}

template <class T, bool turned>
void stage_4(const FftStage<T>& s, const T* x, T* y) {
    int64_t jump = s.groups * s.span * point<T>, hop = s.span * point<T>;
    for (int64_t p = 0; p < s.groups; ++p) {
        const T* w = s.twiddle + 6 * p;
        const Pair<T> w1 = Pair<T>::of(w), w2 = Pair<T>::of(w + 2), w3 = Pair<T>::of(w + 4);
        const T* from = x + p * hop;
        T* to = y + 4 * p * hop;
        for (int64_t q = 0; q < s.span; ++q, from += point<T>, to += point<T>) {
            Pair<T> a = Pair<T>::load(from), b = Pair<T>::load(from + jump), c = Pair<T>::load(from + 2 * jump),
                    d = Pair<T>::load(from + 3 * jump);
            Pair<T> found[4];
            four(a, b, c, d, found);
            found[0].store(to);
            (turned ? found[1] * w1 : found[1]).store(to + hop);
            (turned ? found[2] * w2 : found[2]).store(to + 2 * hop);
            (turned ? found[3] * w3 : found[3]).store(to + 3 * hop);
        }
    }
}

template <class T, bool turned>
void stage_8(const FftStage<T>& s, const T* x, T* y) {
    const int64_t jump = s.groups * s.span * point<T>, hop = s.span * point<T>;
    const Vec<T> diagonal(T(0.70710678118654752440));
    for (int64_t p = 0; p < s.groups; ++p) {
        const T* w = s.twiddle + 14 * p;
        const T* from = x + p * hop;
        T* to = y + 8 * p * hop;
        for (int64_t q = 0; q < s.span; ++q, from += point<T>, to += point<T>) {
            Pair<T> a[8], b[8];
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) {
                Pair<T> u = Pair<T>::load(from + k * jump), v = Pair<T>::load(from + (k + 4) * jump);
                a[k] = u + v;
                a[k + 4] = u - v;
            }
            a[5] = {(a[5].re + a[5].im) * diagonal, (a[5].im - a[5].re) * diagonal};
            a[6] = a[6].over_i();
            a[7] = {(a[7].im - a[7].re) * diagonal, -((a[7].re + a[7].im) * diagonal)};
            four(a[0], a[1], a[2], a[3], b);
            four(a[4], a[5], a[6], a[7], b + 4);
            b[0].store(to);
#pragma GCC unroll 8
            for (int k = 1; k < 8; ++k) {
                const Pair<T> found = b[k / 2 + k % 2 * 4];
                (turned ? found * Pair<T>::of(w + 2 * (k - 1)) : found).store(to + k * hop);
            }
        }
    }
}

// Points k and radix - k share their products. `fixed` is the radix where the compiler shall know it, else 0.
template <class T, int fixed>
void stage_odd(const FftStage<T>& s, const T* x, T* y) {
    constexpr int most = fixed ? fixed : int(fft_largest_radix);
    const int radix = fixed ? fixed : int(s.radix), half = radix / 2;
    const int64_t jump = s.groups * s.span * point<T>, hop = s.span * point<T>;
    Pair<T> sum[most / 2 + 1], difference[most / 2 + 1];
    for (int64_t p = 0; p < s.groups; ++p) {
        const T* w = s.twiddle + 2 * (radix - 1) * p;
        for (int64_t q = 0; q < s.span; ++q) {
            const T* from = x + p * hop + q * point<T>;
            T* to = y + radix * p * hop + q * point<T>;
            const Pair<T> first = Pair<T>::load(from);
            Pair<T> total = first;
#pragma GCC unroll 8
            for (int k = 1; k <= half; ++k) {
                Pair<T> a = Pair<T>::load(from + k * jump), b = Pair<T>::load(from + (radix - k) * jump);
                sum[k] = a + b;
                difference[k] = a - b;
                total = total + sum[k];
            }
            total.store(to);
#pragma GCC unroll 8
            for (int j = 1; j <= half; ++j) {
                Pair<T> even = first;
                Vec<T> re(0), im(0);
#pragma GCC unroll 8
                for (int k = 1, at = j; k <= half; ++k, at = at + j >= radix ? at + j - radix : at + j) {
                    const Vec<T> cosine(s.roots[2 * at]), sine(s.roots[2 * at + 1]);
                    even.re = multiply_add(sum[k].re, cosine, even.re);
                    even.im = multiply_add(sum[k].im, cosine, even.im);
                    re = multiply_add(difference[k].im, sine, re);
                    im = multiply_add(difference[k].re, sine, im);
                }
                const Pair<T> odd{re, -im};
                ((even + odd) * Pair<T>::of(w + 2 * (j - 1))).store(to + j * hop);
                ((even - odd) * Pair<T>::of(w + 2 * (radix - j - 1))).store(to + (radix - j) * hop);
            }
        }
    }
}

// The transform of the points in x, with y for help; returns which of both holds the result.
template <class T>
T* stages(const FftPlan<T>& plan, T* x, T* y) {
    for (int i = 0; i < plan.stages; ++i) {
        const FftStage<T>& s = plan.stage[i];
        bool turned = s.groups > 1;
        switch (s.radix) {
            case 2: turned ? stage_2<T, true>(s, x, y) : stage_2<T, false>(s, x, y); break;
            case 3: stage_odd<T, 3>(s, x, y); break;
            case 4: turned ? stage_4<T, true>(s, x, y) : stage_4<T, false>(s, x, y); break;
            case 5: stage_odd<T, 5>(s, x, y); break;
            case 7: stage_odd<T, 7>(s, x, y); break;
            case 8: turned ? stage_8<T, true>(s, x, y) : stage_8<T, false>(s, x, y); break;
            default: stage_odd<T, 0>(s, x, y);
        }
        T* old = x;
        x = y;
        y = old;
    }
    return x;
}

// f(point, i) for the first n points, in place.
template <class T, class F>
RUSHLIGHT_INLINE void each_point(T* x, int64_t n, F f) {
    for (int64_t i = 0; i < n; ++i) f(Pair<T>::load(x + i * point<T>), i).store(x + i * point<T>);
}

template <class T>
T* transform(const FftPlan<T>& plan, T* x, T* y) {
    if (!plan.convolution) return stages(plan, x, y);
    const FftPlan<T>& inner = *plan.convolution;
    each_point(x, plan.n, [&](Pair<T> a, int64_t i) { return a * Pair<T>::of(plan.chirp + 2 * i); });
    for (int64_t i = plan.n; i < inner.n; ++i) Pair<T>{Vec<T>(0), Vec<T>(0)}.store(x + i * point<T>);
    T* z = stages(inner, x, y);
    each_point(z, inner.n, [&](Pair<T> a, int64_t i) { return (a * Pair<T>::of(plan.kernel + 2 * i)).swapped(); });
    z = stages(inner, z, z == x ? y : x);
    each_point(z, plan.n, [&](Pair<T> a, int64_t i) { return a.swapped() * Pair<T>::of(plan.chirp + 2 * i); });
    return z;
}

// ---- from memory to the buffer and back -----------------------------------------------------------------------------

// Numbers r < rows of each line, from contiguous lines, to row (r ^ flip) * step of the buffer.
template <class T>
void load_lines(const FftPlace<T>& in, int64_t count, int64_t rows, T* buffer, int64_t step, int64_t flip) {
    constexpr int w = Vec<T>::width;
    const T* line[w];
    for (int l = 0; l < w; ++l) line[l] = in.data + in.lane[l < count ? l : 0];
    int64_t r = 0;
    for (; r + w <= rows; r += w) {
        Vec<T> tile[w];
#pragma GCC unroll 16
        for (int l = 0; l < w; ++l) tile[l] = Vec<T>::load(line[l] + r);
        transpose(tile);
#pragma GCC unroll 16
        for (int i = 0; i < w; ++i) tile[i].store(buffer + ((r + i) ^ flip) * step * w);
    }
    for (; r < rows; ++r)
        for (int l = 0; l < w; ++l) buffer[(r ^ flip) * step * w + l] = line[l][r];
}

// The reverse, even rows times scale[0], odd ones times scale[1].
template <class T>
void store_lines(const FftPlace<T>& out, int64_t count, int64_t rows, const T* buffer, int64_t step, int64_t flip,
                 const T* scale) {
    constexpr int w = Vec<T>::width, tiles = 4;
    alignas(64) T lines[w][tiles * w];                       // so that each line gets several cache lines at a time
    int64_t r = 0;
    for (; r + w <= rows;) {
        int64_t first = r;
        for (int t = 0; t < tiles && r + w <= rows; ++t, r += w) {
            Vec<T> tile[w];
#pragma GCC unroll 16
            for (int i = 0; i < w; ++i)
                tile[i] = Vec<T>::load(buffer + ((r + i) ^ flip) * step * w) * Vec<T>(scale[i & 1]);
            transpose(tile);
#pragma GCC unroll 16
            for (int l = 0; l < w; ++l) tile[l].store(lines[l] + t * w);
        }
        for (int l = 0; l < count; ++l)
            for (int64_t t = 0; t < r - first; t += w)
                Vec<T>::load(lines[l] + t).store(out.data + out.lane[l] + first + t);
    }
    for (; r < rows; ++r)
        for (int l = 0; l < count; ++l)
            out.data[out.lane[l] + r] = buffer[(r ^ flip) * step * w + l] * scale[r & 1];
}

// Lanes that lie anywhere.
template <class T>
void load_scattered(const FftPlace<T>& in, int64_t count, int64_t points, T* buffer, int64_t step, int64_t flip) {
    constexpr int w = Vec<T>::width;
    const int64_t parts = in.complex ? 2 : 1;
    for (int64_t i = 0; i < points; ++i)
        for (int64_t part = 0; part < parts; ++part)
            for (int l = 0; l < w; ++l)
                buffer[((i * parts + part) ^ flip) * step * w + l] =
                    in.data[in.lane[l < count ? l : 0] + i * in.row + part];
}

template <class T>
void store_scattered(const FftPlace<T>& out, int64_t count, int64_t points, const T* buffer, int64_t step,
                     int64_t flip, const T* scale) {
    constexpr int w = Vec<T>::width;
    const int64_t parts = out.complex ? 2 : 1;
    for (int64_t i = 0; i < points; ++i)
        for (int64_t part = 0; part < parts; ++part) {
            int64_t r = i * parts + part;
            for (int l = 0; l < count; ++l)
                out.data[out.lane[l] + i * out.row + part] = buffer[(r ^ flip) * step * w + l] * scale[r & 1];
        }
}

// Lanes side by side.
template <class T>
void load_adjacent(const FftPlace<T>& in, int64_t points, T* buffer, int64_t step, int64_t flip) {
    constexpr int w = Vec<T>::width;
    const T* from = in.data + in.lane[0];
    for (int64_t i = 0; i < points; ++i, from += in.row) {
        if (!in.complex) {
            Vec<T>::load(from).store(buffer + (i ^ flip) * step * w);
            continue;
        }
        Vec<T> a = Vec<T>::load(from), b = Vec<T>::load(from + w);
        evens(a, b).store(buffer + (2 * i + flip) * w);
        odds(a, b).store(buffer + (2 * i + 1 - flip) * w);
    }
}

template <class T>
void store_adjacent(const FftPlace<T>& out, int64_t points, const T* buffer, int64_t step, int64_t flip,
                    const T* scale) {
    constexpr int w = Vec<T>::width;
    T* to = out.data + out.lane[0];
    const Vec<T> real(scale[0]), imag(scale[1]);
    for (int64_t i = 0; i < points; ++i, to += out.row) {
        if (!out.complex) {
            (Vec<T>::load(buffer + (i ^ flip) * step * w) * (i & 1 ? imag : real)).store(to);
            continue;
        }
        Vec<T> re = Vec<T>::load(buffer + (2 * i + flip) * w) * real;
        Vec<T> im = Vec<T>::load(buffer + (2 * i + 1 - flip) * w) * imag;
        zip_low(re, im).store(to);
        zip_high(re, im).store(to + w);
    }
}

template <class T>
void load(const FftPlace<T>& in, int64_t count, int64_t points, T* buffer, int64_t step, int64_t flip) {
    if (in.row == (in.complex ? 2 : 1))
        load_lines(in, count, in.complex ? 2 * points : points, buffer, step, flip);
    else if (in.adjacent && count == Vec<T>::width) load_adjacent(in, points, buffer, step, flip);
    else load_scattered(in, count, points, buffer, step, flip);
}

template <class T>
void store(const FftPlace<T>& out, int64_t count, int64_t points, const T* buffer, int64_t step, int64_t flip,
           T scale, bool conjugate) {
    const T scales[2] = {scale, conjugate ? -scale : scale};
    if (out.row == (out.complex ? 2 : 1))
        store_lines(out, count, out.complex ? 2 * points : points, buffer, step, flip, scales);
    else if (out.adjacent && count == Vec<T>::width) store_adjacent(out, points, buffer, step, flip, scales);
    else store_scattered(out, count, points, buffer, step, flip, scales);
}

// ---- one block ------------------------------------------------------------------------------------------------------

template <class T>
void run_complex(const FftBlock<T>& b, T* x, T* y) {
    load(b.in, b.count, b.n, x, 1, b.swap_in);
    T* z = transform(*b.plan, x, y);
    if (b.whole) {
        const int64_t mask = (int64_t(1) << b.bits) - 1;
        int64_t turn = 0;                                    // i * column, below whole
        each_point(z, b.n, [&](Pair<T> a, int64_t i) {
            const double *c = b.coarse + 2 * (turn >> b.bits), *f = b.fine + 2 * (turn & mask);
            const T base[2] = {T(c[0] * f[0] - c[1] * f[1]), T(c[0] * f[1] + c[1] * f[0])};
            turn += b.column;
            if (turn >= b.whole) turn -= b.whole;
            return a * (Pair<T>::load(b.lane_roots + i * point<T>) * Pair<T>::of(base));
        });
    }
    store(b.out, b.count, b.n, z, 1, b.swap_out, b.scale, false);
}

// Even n: the points, by twos, are complex numbers whose transform falls into those of the even and the odd points.
template <class T>
void run_real_even(const FftBlock<T>& b, T* x, T* y) {
    const int64_t m = b.n / 2;
    load(b.in, b.count, b.n, x, 1, 0);
    T* z = transform(*b.plan, x, y);
    T* out = z == x ? y : x;
    const Vec<T> half(T(0.5));
    for (int64_t k = 0; k <= m / 2; ++k) {
        Pair<T> a = Pair<T>::load(z + k * point<T>), c = Pair<T>::load(z + (k ? m - k : 0) * point<T>).conjugate();
        Pair<T> even = a + c, odd = (c - a).times_i() * Pair<T>::of(b.half_roots + 2 * k);
        Pair<T> low = even + odd, high = {even.re - odd.re, odd.im - even.im};
        Pair<T>{low.re * half, low.im * half}.store(out + k * point<T>);
        Pair<T>{high.re * half, high.im * half}.store(out + (m - k) * point<T>);
    }
    bool full = b.form == FftForm::real_to_full;
    for (int64_t k = m + 1; full && k < b.n; ++k)
        Pair<T>::load(out + (b.n - k) * point<T>).conjugate().store(out + k * point<T>);
    store(b.out, b.count, full ? b.n : m + 1, out, 1, 0, b.scale, !b.forward);
}

template <class T>
void run_real_odd(const FftBlock<T>& b, T* x, T* y) {
    load(b.in, b.count, b.n, x, 2, 0);
    for (int64_t i = 0; i < b.n; ++i) Vec<T>(0).store(x + i * point<T> + Vec<T>::width);
    T* z = transform(*b.plan, x, y);
    store(b.out, b.count, b.form == FftForm::real_to_full ? b.n : b.n / 2 + 1, z, 1, 0, b.scale, !b.forward);
}

template <class T>
void run_half_to_real(const FftBlock<T>& b, T* x, T* y) {
    const int64_t m = b.n / 2;
    const Vec<T> sign(b.forward ? T(-1) : T(1));             // the inverse of the conjugate is the forward transform
    load(b.in, b.count, m + 1, x, 1, 0);
    each_point(x, m + 1, [&](Pair<T> a, int64_t i) {
        bool real = i == 0 || 2 * i == b.n;                  // no other coefficient would give a real signal
        return Pair<T>{a.re, real ? Vec<T>(0) : a.im * sign};
    });
    if (b.n % 2) {
        for (int64_t k = 1; k <= m; ++k)
            Pair<T>::load(x + k * point<T>).conjugate().swapped().store(x + (b.n - k) * point<T>);
        each_point(x, m + 1, [](Pair<T> a, int64_t) { return a.swapped(); });
        T* z = transform(*b.plan, x, y);
        return store(b.out, b.count, b.n, z + Vec<T>::width, 2, 0, b.scale, false);
    }
    for (int64_t k = 0; k <= m / 2; ++k) {
        Pair<T> a = Pair<T>::load(x + k * point<T>), c = Pair<T>::load(x + (m - k) * point<T>).conjugate();
        Pair<T> even = a + c, odd = ((a - c) * Pair<T>::of(b.half_roots + 2 * k).conjugate());
        (even + odd.times_i()).swapped().store(y + k * point<T>);
        if (k) (even.conjugate() + odd.conjugate().times_i()).swapped().store(y + (m - k) * point<T>);
    }
    T* z = transform(*b.plan, y, x);
    store(b.out, b.count, b.n, z, 1, 1, b.scale, false);
}

template <class T>
void run(const FftBlock<T>& b) {
    T* x = b.work;
    T* y = x + ((b.plan->points() > b.n ? b.plan->points() : b.n) + 1) * point<T>;
    if (b.form == FftForm::complex) run_complex(b, x, y);
    else if (b.form == FftForm::half_to_real) run_half_to_real(b, x, y);
    else if (b.n % 2) run_real_odd(b, x, y);
    else run_real_even(b, x, y);
}

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(FftTable, fft_table) = {{Vec<float>::width, Vec<double>::width}, run<float>, run<double>};

}  // namespace rushlight
