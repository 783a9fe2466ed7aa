// How a transform is done: many short lines side by side, one per lane of a vector (fft.isa.cpp); long lines, and few
// ones, as matrices whose columns and rows are short lines; lengths with a large prime factor by Bluestein's method.
#include "kernels/generic/fft.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/fft_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t few_from = 256;        // the shortest line that is worth a split
constexpr int64_t longest = 4096;        // the longest line that is not, so that a block of lines stays in cache
constexpr int64_t longest_column = 1 << 15;  // the same where lines lie side by side, which a split would tear apart
constexpr int64_t longest_rough = 1024;  // the longest line that uses Bluestein's method lane by lane
constexpr int64_t grain = 1 << 14;       // points that are worth another thread

template <class T>
struct Complex {
    T re, im;
    friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
    friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
    friend Complex operator*(Complex a, Complex b) {
        return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
    }
    friend Complex operator*(Complex a, T b) { return {a.re * b, a.im * b}; }
    Complex conjugate() const { return {re, -im}; }
    Complex times_i() const { return {-im, re}; }
};

// ---- tables ---------------------------------------------------------------------------------------------------------

// exp(-2 pi i k / n), correct to the last place: sine and cosine are taken within an eighth of a turn.
Complex<double> unit_root(int64_t k, int64_t n) {
    k %= n;
    const double eighth = double(n) / 8;
    bool below = 2 * k > n, left = false, steep = false;
    int64_t at = below ? n - k : k;                          // in [0, n / 2]
    double angle = double(at);
    if (4 * at > n) {
        left = true;
        angle = double(n - 2 * at) / 2;                      // n / 2 - at, exact
    }
    if (angle > eighth) {
        steep = true;
        angle = (double(n) - 4 * angle) / 4;                 // n / 4 - angle
    }
    double turn = 2 * M_PI * angle / double(n), c = std::cos(turn), s = std::sin(turn);
    if (steep) std::swap(c, s);
    return {left ? -c : c, below ? s : -s};
}

template <class T>
void push(std::vector<T>& table, Complex<double> z) {
    table.push_back(T(z.re));
    table.push_back(T(z.im));
}

bool is_smooth(int64_t n) {
    for (int64_t p = 2; p <= fft_largest_radix; ++p)
        while (n % p == 0) n /= p;
    return n == 1;
}

// The next length from `n` on without prime factors over 5.
int64_t good_length(int64_t n) {
    int64_t best = 1;
    while (best < n) best *= 2;
    for (int64_t fives = 1; fives < best; fives *= 5)
        for (int64_t threes = fives; threes < best; threes *= 3) {
            int64_t length = threes;
            while (length < n) length *= 2;
            best = std::min(best, length);
        }
    return best;
}

// A plan and the tables that it points to.
template <class T>
struct Lanes {
    FftPlan<T> plan;
    std::vector<std::vector<T>> tables;
    std::unique_ptr<Lanes> convolution;

    explicit Lanes(int64_t n);
    Lanes(const Lanes&) = delete;
    Lanes& operator=(const Lanes&) = delete;
    int64_t numbers() const {
        int64_t sum = convolution ? convolution->numbers() : 0;
        for (const auto& table : tables) sum += int64_t(table.size());
        return sum;
    }

private:
    void add_stage(int64_t radix, int64_t groups, int64_t span);
    const T* keep(std::vector<T> table) {
        tables.push_back(std::move(table));
        return tables.back().data();
    }
};

// How one length is transformed.
template <class T>
struct Transform {
    int64_t n;
    std::unique_ptr<Lanes<T>> lanes;                         // of n; or, of a split, of its columns
    std::unique_ptr<Lanes<T>> rows;                          // of a split
    std::vector<T> lane_roots;
    std::vector<double> coarse, fine;
    int bits = 0;
    std::unique_ptr<Transform> convolution;                  // of Bluestein's method over whole lines
    std::vector<T> chirp, kernel;
    std::vector<T> half_roots;                               // of a real transform of length 2 n

    Transform(int64_t length, bool apart);
    int64_t bytes() const {
        size_t sum = (lane_roots.size() + chirp.size() + kernel.size() + half_roots.size()) * sizeof(T) +
                     (coarse.size() + fine.size()) * sizeof(double);
        return int64_t(sum) + (lanes ? lanes->numbers() * int64_t(sizeof(T)) : 0) +
               (rows ? rows->numbers() * int64_t(sizeof(T)) : 0) + (convolution ? convolution->bytes() : 0);
    }
    bool by_lanes() const { return lanes && !rows; }
    void split(int64_t columns);
};

template <class T>
void line(const Transform<T>& t, const T* src, T* dst, bool forward, T scale);

// exp(-pi i j^2 / n) for j < n, and the transform of its conjugate, periodic in `points`, divided by that.
template <class T>
void make_chirp(int64_t n, int64_t points, std::vector<T>& chirp, std::vector<T>& kernel) {
    std::vector<double> around(size_t(2 * points), 0);
    int64_t square = 0;                                      // j^2 modulo 2 n
    for (int64_t j = 0; j < n; ++j) {
        Complex<double> z = unit_root(square, 2 * n);
        push(chirp, z);
        for (int64_t at : {j, (points - j) % points}) {
            around[size_t(2 * at)] = z.re;
            around[size_t(2 * at + 1)] = -z.im;
        }
        square = (square + 2 * j + 1) % (2 * n);
    }
    line(Transform<double>(points, true), around.data(), around.data(), true, 1 / double(points));
    kernel.assign(around.begin(), around.end());
}

template <class T>
Lanes<T>::Lanes(int64_t n) {
    plan.n = n;
    if (!is_smooth(n)) {
        convolution = std::make_unique<Lanes>(good_length(2 * n - 1));
        plan.convolution = &convolution->plan;
        std::vector<T> chirp, kernel;
        make_chirp(n, plan.convolution->n, chirp, kernel);
        plan.chirp = keep(std::move(chirp));
        plan.kernel = keep(std::move(kernel));
        return;
    }
    int64_t groups = n, span = 1;
    for (; groups % 8 == 0 && (groups % 16 || groups % 32 == 0); span *= 8) add_stage(8, groups /= 8, span);
    for (int64_t radix : {4, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47})
        for (; groups % radix == 0; span *= radix) add_stage(radix, groups /= radix, span);
}

template <class T>
void Lanes<T>::add_stage(int64_t radix, int64_t groups, int64_t span) {
    std::vector<T> twiddle, roots;
    for (int64_t p = 0; p < groups; ++p)
        for (int64_t k = 1; k < radix; ++k) push(twiddle, unit_root(p * k, groups * radix));
    for (int64_t k = 0; radix % 2 && k < radix; ++k) push(roots, unit_root(k, radix).conjugate());
    plan.stage[plan.stages++] = {radix, groups, span, keep(std::move(twiddle)), keep(std::move(roots))};
}

template <class T>
int lane_count() {
    return fft_table.active().lanes[std::is_same_v<T, double>];
}

bool has_lane_plan(int64_t n) { return is_smooth(n) || n <= longest_rough; }

// The largest divisor up to the square root.
int64_t middle_divisor(int64_t n) {
    int64_t d = int64_t(std::sqrt(double(n)));
    while (n % d) --d;
    return d;
}

// `apart`: a line shall be worth splitting.
template <class T>
Transform<T>::Transform(int64_t length, bool apart) : n(length) {
    int64_t columns = apart && n >= few_from ? middle_divisor(n) : 1;
    if (columns >= 8 && has_lane_plan(columns) && has_lane_plan(n / columns)) {
        split(columns);
        return;
    }
    if (is_smooth(n) || n <= (apart ? few_from / 4 : longest_rough)) {
        lanes = std::make_unique<Lanes<T>>(n);
        return;
    }
    convolution = std::make_unique<Transform>(good_length(2 * n - 1), true);
    make_chirp(n, convolution->n, chirp, kernel);
}

// A line becomes a matrix of `height` rows.
template <class T>
void Transform<T>::split(int64_t height) {
    lanes = std::make_unique<Lanes<T>>(height);
    rows = std::make_unique<Lanes<T>>(n / height);
    int width = lane_count<T>();
    for (int64_t k = 0; k < height; ++k) {
        for (int l = 0; l < width; ++l) lane_roots.push_back(T(unit_root(k * l, n).re));
        for (int l = 0; l < width; ++l) lane_roots.push_back(T(unit_root(k * l, n).im));
    }
    while (int64_t(1) << (2 * bits) < n) ++bits;
    for (int64_t k = 0; k < int64_t(1) << bits; ++k) push(fine, unit_root(k, n));
    for (int64_t k = 0; k <= n >> bits; ++k) push(coarse, unit_root(k << bits, n));
}

// The plans that this thread used last. Other threads have their own, so that nothing is locked, across a fork either.
template <class T>
std::shared_ptr<const Transform<T>> plan_of(int64_t n, bool apart, bool real) {
    struct Entry {
        int64_t n;
        bool apart, real;
        std::shared_ptr<const Transform<T>> plan;
    };
    constexpr size_t most = 32;
    constexpr int64_t most_bytes = 32 << 20;
    thread_local std::vector<Entry> entries;                 // the latest last
    for (size_t i = entries.size(); i-- > 0;)
        if (Entry& found = entries[i]; found.n == n && found.apart == apart && found.real == real) {
            std::rotate(entries.begin() + int64_t(i), entries.begin() + int64_t(i) + 1, entries.end());
            return entries.back().plan;
        }
    bool halved = real && n % 2 == 0;
    auto plan = std::make_shared<Transform<T>>(halved ? n / 2 : n, apart);
    for (int64_t k = 0; halved && k <= n / 4; ++k) push(plan->half_roots, unit_root(k, n));
    int64_t bytes = plan->bytes();
    for (const Entry& entry : entries) bytes += entry.plan->bytes();
    while (!entries.empty() && (bytes > most_bytes || entries.size() >= most)) {
        bytes -= entries.front().plan->bytes();
        entries.erase(entries.begin());
    }
    entries.push_back({n, apart, real, plan});
    return plan;
}

// ---- lines side by side ---------------------------------------------------------------------------------------------

template <class T>
void run_block(const FftBlock<T>& block) {
    if constexpr (std::is_same_v<T, double>) fft_table.active().twice(block);
    else fft_table.active().single(block);
}

constexpr int most_lanes = 16;

template <class T>
Scratch block_memory(const FftPlan<T>& plan, int64_t n) {
    return Scratch(size_t(4 * (std::max(plan.points(), n) + 1) * lane_count<T>()) * sizeof(T));
}

// One side of a transform: numbers per element, and elements along the dimension.
struct Side {
    int64_t parts, rows;
    Side(Fourier form, int64_t n, bool input) {
        bool half = form == (input ? Fourier::half_to_real : Fourier::real_to_half);
        bool real = input ? form == Fourier::real_to_half || form == Fourier::real_to_full
                          : form == Fourier::half_to_real;
        parts = real ? 1 : 2;
        rows = half ? n / 2 + 1 : n;
    }
    int64_t offset(int64_t line, int64_t inner) const {
        return (line / inner * rows * inner + line % inner) * parts;
    }
};

template <class T>
void run_lanes(const Transform<T>& t, Fourier form, const T* src, T* dst, Extent e, bool forward, T scale) {
    const int64_t w = lane_count<T>(), lines = e.outer * e.inner;
    bool side_by_side = e.inner >= w;
    // Blocks do not reach from one group of neighbours into the next.
    int64_t group = side_by_side ? e.inner : lines, per_group = (group + w - 1) / w;
    Side in(form, e.n, true), out(form, e.n, false);
    parallel_for(lines / group * per_group, std::max<int64_t>(1, grain / (e.n * w)), [&](int64_t from, int64_t to) {
        Scratch work = block_memory(t.lanes->plan, e.n);
        int64_t read[most_lanes], write[most_lanes];
        for (int64_t b = from; b < to; ++b) {
            int64_t first = b / per_group * group + b % per_group * w;
            int64_t count = std::min(w, b / per_group * group + group - first);
            for (int64_t l = 0; l < count; ++l) {
                read[l] = in.offset(first + l, e.inner);
                write[l] = out.offset(first + l, e.inner);
            }
            FftBlock<T> block{&t.lanes->plan, FftForm(form), forward, !forward, !forward, e.n, count, scale, {}, {},
                              t.half_roots.data(), work.as<T>()};
            block.in = {const_cast<T*>(src), read, e.inner * in.parts, in.parts == 2, side_by_side};
            block.out = {dst, write, e.inner * out.parts, out.parts == 2, side_by_side};
            run_block(block);
        }
    });
}

// ---- one line -------------------------------------------------------------------------------------------------------

// A matrix of `height` rows: its columns, turned; then its rows, whose coefficients are written as columns.
template <class T>
void split_line(const Transform<T>& t, const T* src, T* dst, bool forward, T scale) {
    const int64_t w = lane_count<T>(), height = t.lanes->plan.n, width = t.rows->plan.n;
    Scratch memory(size_t(2 * t.n) * sizeof(T));
    T* between = memory.as<T>();
    int64_t side_by_side[most_lanes], apart[most_lanes];
    for (int64_t l = 0; l < w; ++l) {
        side_by_side[l] = 2 * l;
        apart[l] = 2 * l * width;
    }
    auto pass = [&](const FftPlan<T>& plan, int64_t lines, auto&& run) {
        parallel_for((lines + w - 1) / w, std::max<int64_t>(1, grain / (plan.n * w)), [&](int64_t from, int64_t to) {
            Scratch work = block_memory(plan, plan.n);
            for (int64_t b = from; b < to; ++b) run(b * w, std::min(w, lines - b * w), work.as<T>());
        });
    };
    pass(t.lanes->plan, width, [&](int64_t j, int64_t count, T* work) {
        FftBlock<T> block{&t.lanes->plan, FftForm::complex, true, !forward, false, height, count, T(1), {}, {},
                          nullptr, work, t.n, j, t.lane_roots.data(), t.coarse.data(), t.fine.data(), t.bits};
        block.in = {const_cast<T*>(src) + 2 * j, side_by_side, 2 * width, true, true};
        block.out = {between + 2 * j, side_by_side, 2 * width, true, true};
        run_block(block);
    });
    pass(t.rows->plan, height, [&](int64_t i, int64_t count, T* work) {
        FftBlock<T> block{&t.rows->plan, FftForm::complex, true, false, !forward, width, count, scale, {}, {},
                          nullptr, work};
        block.in = {between + 2 * i * width, apart, 2, true, false};
        block.out = {dst + 2 * i, side_by_side, 2 * height, true, true};
        run_block(block);
    });
}

// The inverse is the conjugate of the forward transform of the conjugate.
template <class T>
void chirp_line(const Transform<T>& t, const T* src, T* dst, bool forward, T scale) {
    using C = Complex<T>;
    const int64_t points = t.convolution->n;
    Scratch memory(size_t(points) * sizeof(C));
    C* z = memory.as<C>();
    const C *x = reinterpret_cast<const C*>(src), *chirp = reinterpret_cast<const C*>(t.chirp.data()),
            *kernel = reinterpret_cast<const C*>(t.kernel.data());
    for (int64_t j = 0; j < t.n; ++j) z[j] = (forward ? x[j] : x[j].conjugate()) * chirp[j];
    std::memset(static_cast<void*>(z + t.n), 0, size_t(points - t.n) * sizeof(C));
    line(*t.convolution, &z->re, &z->re, true, T(1));
    for (int64_t j = 0; j < points; ++j) z[j] = z[j] * kernel[j];
    line(*t.convolution, &z->re, &z->re, false, T(1));
    C* y = reinterpret_cast<C*>(dst);
    for (int64_t j = 0; j < t.n; ++j) {
        C found = z[j] * chirp[j] * scale;
        y[j] = forward ? found : found.conjugate();
    }
}

// A contiguous line of complex numbers; dst may be src.
template <class T>
void line(const Transform<T>& t, const T* src, T* dst, bool forward, T scale) {
    if (t.convolution) return chirp_line(t, src, dst, forward, scale);
    if (t.rows) return split_line(t, src, dst, forward, scale);
    run_lanes(t, Fourier::complex_to_complex, src, dst, Extent{1, t.n, 1}, forward, scale);
}

// ---- lines one by one -----------------------------------------------------------------------------------------------

// One real line of n points that lie `step` apart, by a complex transform of half the length, or of all where n is odd.
template <class T>
void real_line(const Transform<T>& t, const T* src, T* dst, int64_t n, int64_t step, bool full, bool forward,
               T scale) {
    using C = Complex<T>;
    Scratch memory(size_t(t.n) * sizeof(C));
    C* z = memory.as<C>();
    const int64_t m = n / 2;
    if (n % 2) for (int64_t j = 0; j < n; ++j) z[j] = {src[j * step], T(0)};
    else for (int64_t j = 0; j < m; ++j) z[j] = {src[2 * j * step], src[(2 * j + 1) * step]};
    line(t, &z->re, &z->re, true, n % 2 ? scale : scale / 2);
    C* y = reinterpret_cast<C*>(dst);
    auto put = [&](int64_t k, C x) {
        if (!forward) x = x.conjugate();
        y[k * step] = x;
        if (full && k && 2 * k != n) y[(n - k) * step] = x.conjugate();
    };
    if (n % 2) {
        for (int64_t k = 0; k <= m; ++k) put(k, z[k]);
        return;
    }
    const C* roots = reinterpret_cast<const C*>(t.half_roots.data());
    parallel_for(m / 2 + 1, grain, [&](int64_t from, int64_t to) {
        for (int64_t k = from; k < to; ++k) {
            C a = z[k], c = z[k ? m - k : 0].conjugate(), even = a + c, odd = (c - a).times_i() * roots[k];
            put(k, even + odd);
            put(m - k, {even.re - odd.re, odd.im - even.im});
        }
    });
}

template <class T>
void half_line(const Transform<T>& t, const T* src, T* dst, int64_t n, int64_t step, bool forward, T scale) {
    using C = Complex<T>;
    Scratch memory(size_t(t.n) * sizeof(C));
    C* z = memory.as<C>();
    const C* x = reinterpret_cast<const C*>(src);
    const int64_t m = n / 2;
    auto get = [&](int64_t k) {
        C a = x[k * step];
        return C{a.re, k == 0 || 2 * k == n ? T(0) : forward ? -a.im : a.im};
    };
    if (n % 2) {
        z[0] = get(0);
        for (int64_t k = 1; k <= m; ++k) {
            z[k] = get(k);
            z[n - k] = z[k].conjugate();
        }
        line(t, &z->re, &z->re, false, scale);
        for (int64_t j = 0; j < n; ++j) dst[j * step] = z[j].re;
        return;
    }
    const C* roots = reinterpret_cast<const C*>(t.half_roots.data());
    parallel_for(m / 2 + 1, grain, [&](int64_t from, int64_t to) {
        for (int64_t k = from; k < to; ++k) {
            C a = get(k), c = get(m - k).conjugate(), even = a + c, odd = (a - c) * roots[k].conjugate();
            z[k] = even + odd.times_i();
            if (k) z[m - k] = even.conjugate() + odd.conjugate().times_i();
        }
    });
    line(t, &z->re, &z->re, false, scale);
    for (int64_t j = 0; j < m; ++j) {
        dst[2 * j * step] = z[j].re;
        dst[(2 * j + 1) * step] = z[j].im;
    }
}

template <class T>
void complex_line(const Transform<T>& t, const T* src, T* dst, int64_t step, bool forward, T scale) {
    using C = Complex<T>;
    if (step == 1) return line(t, src, dst, forward, scale);
    Scratch memory(size_t(t.n) * sizeof(C));
    C* z = memory.as<C>();
    const C* x = reinterpret_cast<const C*>(src);
    C* y = reinterpret_cast<C*>(dst);
    for (int64_t j = 0; j < t.n; ++j) z[j] = x[j * step];
    line(t, &z->re, &z->re, forward, scale);
    for (int64_t j = 0; j < t.n; ++j) y[j * step] = z[j];
}

template <class T>
void run(Fourier form, const T* src, T* dst, Extent e, bool forward, T scale) {
    const int64_t w = lane_count<T>(), lines = e.outer * e.inner;
    bool apart = (2 * lines <= w && e.n >= few_from) || e.n > (e.inner >= w ? longest_column : longest);
    auto plan = plan_of<T>(e.n, apart, form != Fourier::complex_to_complex);
    if (plan->by_lanes()) return run_lanes(*plan, form, src, dst, e, forward, scale);
    Side in(form, e.n, true), out(form, e.n, false);
    parallel_for(lines, 1, [&](int64_t from, int64_t to) {
        for (int64_t l = from; l < to; ++l) {
            const T* x = src + in.offset(l, e.inner);
            T* y = dst + out.offset(l, e.inner);
            if (form == Fourier::complex_to_complex) complex_line(*plan, x, y, e.inner, forward, scale);
            else if (form == Fourier::half_to_real) half_line(*plan, x, y, e.n, e.inner, forward, scale);
            else real_line(*plan, x, y, e.n, e.inner, form == Fourier::real_to_full, forward, scale);
        }
    });
}

}  // namespace

void fft(Fourier form, const void* src, void* dst, DType real, Extent e, bool forward, double scale) {
    if (e.outer == 0 || e.inner == 0) return;
    if (real == DType::float64)
        run(form, static_cast<const double*>(src), static_cast<double*>(dst), e, forward, scale);
    else run(form, static_cast<const float*>(src), static_cast<float*>(dst), e, forward, float(scale));
}

}  // namespace rushlight::kernels
