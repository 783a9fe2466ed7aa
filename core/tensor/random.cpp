#include "tensor/random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <numbers>
#include <numeric>
#include <type_traits>
#include <vector>

#include "base/parallel.h"
#include "tensor/normal_blocks.h"

namespace rushlight::random {
namespace {

constexpr int chunk = 1024;      // words asked of the generator at a time

template <class T> constexpr bool is_floating_type =
    std::is_floating_point_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
template <class T> constexpr bool is_complex_type =
    std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;
// The type that PyTorch computes with for elements of type T.
template <class T> using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
// Bits of the significand, the hidden one included.
template <class T> constexpr int digits = std::is_same_v<T, Half> ? 11 : std::is_same_v<T, BFloat16> ? 8
    : std::numeric_limits<T>::digits;

template <class T> double lowest() {
    if constexpr (std::is_same_v<T, Half>) return -65504.0;
    else if constexpr (std::is_same_v<T, BFloat16>) return -0x1.fep127;
    else return double(std::numeric_limits<T>::lowest());
}

// static_cast<T> as PyTorch's: the two 16-bit types round by way of float.
template <class T, class V> inline T narrow(V value) {
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return T(float(value));
    else return static_cast<T>(value);
}

// Calls `f(i, word)` for i in [0, n) with one word of the stream each.
template <class F> void each32(Generator& g, int64_t n, F&& f) {
    uint32_t words[chunk];
    for (int64_t begin = 0; begin < n; begin += chunk) {
        int count = int(std::min<int64_t>(chunk, n - begin));
        g.words(words, count);
        for (int j = 0; j < count; ++j) f(begin + j, words[j]);
    }
}

// The same with 64 bits, the first word high.
template <class F> void each64(Generator& g, int64_t n, F&& f) {
    uint32_t words[chunk];
    for (int64_t begin = 0; begin < n; begin += chunk / 2) {
        int count = int(std::min<int64_t>(chunk / 2, n - begin));
        g.words(words, 2 * count);
        for (int j = 0; j < count; ++j) f(begin + j, uint64_t(words[2 * j]) << 32 | words[2 * j + 1]);
    }
}

inline float to_unit(uint32_t word) { return float(int32_t(word & 0xffffffu)) * 0x1p-24f; }
inline double to_unit(uint64_t word) { return double(int64_t(word & 0x1fffffffffffffu)) * 0x1p-53; }

// Calls `f(i, u)` with u uniform in [0, 1), a float or a double as `W` says.
template <class W, class F> void each_unit(Generator& g, int64_t n, F&& f) {
    if constexpr (std::is_same_v<W, double>)
        each64(g, n, [&](int64_t i, uint64_t word) { f(i, to_unit(word)); });
    else
        each32(g, n, [&](int64_t i, uint32_t word) { f(i, to_unit(word)); });
}

// Calls `f(T{})` for a floating dtype; anything else is an error in PyTorch's kind.
template <class F> void visit_floating(DType t, const char* op, F&& f) {
    visit_dtype(t, [&](auto tag) {
        if constexpr (is_floating_type<decltype(tag)>) f(tag);
        else fail(ErrorKind::not_implemented, op, ": not implemented for dtype ", name_of(t),
                  "; expected a floating dtype");
    });
}

template <class F> void visit_real(DType t, const char* op, F&& f) {
    visit_dtype(t, [&](auto tag) {
        if constexpr (!is_complex_type<decltype(tag)>) f(tag);
        else fail(ErrorKind::not_implemented, op, ": not implemented for dtype ", name_of(t),
                  "; expected a real dtype");
    });
}

template <class T> void uniform_typed(Generator& g, T* out, int64_t n, double from, double to,
                                      const char* op) {
    double low = lowest<T>(), high = -low;
    require(from >= low && from <= high, ErrorKind::runtime, op, ": from=", from, " is out of bounds for ",
            name_of(DTypeOf<T>::value));
    require(to >= low && to <= high, ErrorKind::runtime, op, ": to=", to, " is out of bounds for ",
            name_of(DTypeOf<T>::value));
    require(from <= to, ErrorKind::runtime, op, ": from=", from, " is greater than to=", to,
            "; expected from <= to");
    require(to - from <= high, ErrorKind::runtime, op, ": to - from exceeds the largest ",
            name_of(DTypeOf<T>::value),
            ": from=", from, ", to=", to);
    using W = Wide<T>;
    W start = W(from), width = W(to) - W(from);
    T first = narrow<T>(from), last = narrow<T>(to);
    std::lock_guard lock(g.mutex());
    if (std::is_same_v<T, W> && from == 0 && to == 1)
        return each_unit<W>(g, n, [=](int64_t i, W u) { out[i] = narrow<T>(u); });
    each_unit<W>(g, n, [=](int64_t i, W u) {
        T value = narrow<T>(std::fma(u, width, start));
        out[i] = W(value) == W(last) ? first : value;       // rounding may reach the excluded end
    });
}

}  // namespace

void fill_tensor(const Tensor& t, const std::function<void(void* data, bool contiguous)>& fill) {
    if (t.contiguous()) return fill(t.data(), true);
    int rank = t.rank();
    std::vector<int> order(static_cast<size_t>(rank));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return t.strides()[a] > t.strides()[b]; });
    Dims sizes = t.sizes(), strides = t.strides();
    for (int i = 0; i < rank; ++i) {
        sizes[i] = t.sizes()[order[size_t(i)]];
        strides[i] = t.strides()[order[size_t(i)]];
    }
    Tensor sorted = alias(t, sizes, strides, t->offset);
    if (sorted.contiguous()) return fill(t.data(), false);
    Tensor dense = empty_tensor(sizes, t.dtype());
    fill(dense.data(), false);
    // Element by element, the last (innermost) dimension fastest.
    int64_t element = size_of(t.dtype());
    const char* from = static_cast<const char*>(dense.data());
    char* to = static_cast<char*>(t.data());
    std::vector<int64_t> index(static_cast<size_t>(rank), 0);
    for (int64_t i = 0; i < t.numel(); ++i, from += element) {
        std::memcpy(to, from, size_t(element));
        for (int d = rank - 1; d >= 0; --d) {
            to += strides[d] * element;
            if (++index[size_t(d)] < sizes[d]) break;
            to -= sizes[d] * strides[d] * element;
            index[size_t(d)] = 0;
        }
    }
}

void uniform(Generator& g, void* data, int64_t n, DType t, double from, double to, const char* op) {
    if (is_complex(t)) return uniform(g, data, 2 * n, to_real(t), from, to, op);
    visit_floating(t, op, [&](auto tag) {
        uniform_typed(g, static_cast<decltype(tag)*>(data), n, from, to, op);
    });
}

namespace {

// 16 or more values: uniform numbers first, then whole blocks of 16 in place; a last block that would be
// short overlaps the one before it and is made of 16 fresh uniform numbers.
template <class T> void normal_in_blocks(Generator& g, T* out, int64_t n, T mean, T std) {
    each_unit<T>(g, n, [=](int64_t i, T u) { out[i] = u; });
    parallel_for(n / 16, 2048, [=](int64_t begin, int64_t end) {
        normal_blocks(out + 16 * begin, end - begin, mean, std);
    });
    if (n % 16 == 0) return;
    T* last = out + n - 16;
    each_unit<T>(g, 16, [=](int64_t i, T u) { last[i] = u; });
    normal_blocks(last, 1, mean, std);
}

// The 16-bit types go through float, a few blocks at a time.
template <class T> void normal_in_narrow_blocks(Generator& g, T* out, int64_t n, float mean, float std) {
    float buffer[chunk];
    auto some = [&](T* to, int64_t count) {
        each_unit<float>(g, count, [&](int64_t i, float u) { buffer[i] = u; });
        normal_blocks(buffer, count / 16, mean, std);
        for (int64_t i = 0; i < count; ++i) to[i] = T(buffer[i]);
    };
    int64_t whole = n - n % 16;
    for (int64_t begin = 0; begin < whole; begin += chunk)
        some(out + begin, std::min<int64_t>(chunk, whole - begin));
    if (whole != n) some(out + n - 16, 16);
}

}  // namespace

void normal(Generator& g, void* data, int64_t n, DType t, double mean, double std, bool blocks,
            const char* op) {
    require(std >= 0, ErrorKind::runtime, op, ": std=", std, " is negative; expected std >= 0");
    if (is_complex(t)) return normal(g, data, 2 * n, to_real(t), mean, std / std::sqrt(2.0), blocks, op);
    visit_floating(t, op, [&](auto tag) {
        using T = decltype(tag);
        using W = Wide<T>;
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        if (n < 16 || !blocks) {
            for (int64_t i = 0; i < n; ++i) out[i] = narrow<T>(std::fma(g.normal(), std, mean));
        } else if constexpr (std::is_same_v<T, W>) {
            normal_in_blocks(g, out, n, T(mean), T(std));
        } else {
            normal_in_narrow_blocks(g, out, n, float(mean), float(std));
        }
    });
}

namespace {

// Remainder of a 32-bit word by a fixed divisor: two multiplications (exact for all 32-bit operands).
struct Remainder {
    uint64_t inverse;
    uint32_t divisor;
    explicit Remainder(uint32_t d) : inverse(UINT64_MAX / d + 1), divisor(d) {}
    uint32_t operator()(uint32_t word) const {
        return uint32_t((unsigned __int128)(inverse * word) * divisor >> 64);
    }
};

template <class T> void integers_in_range(Generator& g, T* out, int64_t n, uint64_t range, int64_t base) {
    std::lock_guard lock(g.mutex());
    auto place = [base](uint64_t r) { return narrow<T>(int64_t(r + uint64_t(base))); };
    if (range >= uint64_t(1) << 28)
        return each64(g, n, [=](int64_t i, uint64_t word) { out[i] = place(word % range); });
    if (range == 1) return each32(g, n, [=](int64_t i, uint32_t) { out[i] = place(0); });
    Remainder remainder{uint32_t(range)};
    each32(g, n, [=](int64_t i, uint32_t word) { out[i] = place(remainder(word)); });
}

// A floating dtype cannot hold every integer: the limits move inwards to ones it can hold, so that rounding
// stays inside.
template <class T> int64_t spacing(int64_t at) {
    int log2 = 63 - __builtin_clzll(uint64_t(at < 0 ? -at : at) | 1);
    return int64_t(1) << std::max(log2 - digits<T> + 1, 0);
}

template <class T> int64_t as_held(int64_t value) {
    double held = double(Wide<T>(narrow<T>(value)));
    return held >= 0x1p63 ? std::numeric_limits<int64_t>::max() : int64_t(held);
}

template <class T> void fit_limits(int64_t& from, int64_t* to) {
    if constexpr (is_floating_type<T>) {
        int64_t above = as_held<T>(from + 1);
        if (above < from) from = above + spacing<T>(from + 1);
        if (!to) return;
        int64_t below = as_held<T>(*to - 1);
        if (below >= *to) *to = below - spacing<T>(*to - 1);
    }
}

// Limits are int64, also for uint64.
template <class T> constexpr int64_t largest_drawn() {
    if constexpr (std::is_same_v<T, uint64_t>) return std::numeric_limits<int64_t>::max();
    else return int64_t(std::numeric_limits<T>::max());
}

template <class T> void check_limits(int64_t from, int64_t last, const char* op) {
    auto inside = [&](int64_t v) {
        if constexpr (is_floating_type<T>) return double(v) >= lowest<T>() && double(v) <= -lowest<T>();
        else return v >= int64_t(std::numeric_limits<T>::lowest()) && v <= largest_drawn<T>();
    };
    require(inside(from), ErrorKind::runtime, op, ": from=", from, " is out of bounds for ",
            name_of(DTypeOf<T>::value));
    require(inside(last), ErrorKind::runtime, op, ": to - 1=", last, " is out of bounds for ",
            name_of(DTypeOf<T>::value));
}

}  // namespace

void integers(Generator& g, void* data, int64_t n, DType t, int64_t from, int64_t to, const char* op) {
    require(from < to, ErrorKind::runtime, op, ": from=", from, " is not less than to=", to,
            "; expected from < to");
    visit_real(t, op, [&](auto tag) {
        using T = decltype(tag);
        int64_t low = from, high = to;
        fit_limits<T>(low, &high);
        require(low < high, ErrorKind::runtime, op, ": no ", name_of(t), " lies in [", from, ", ", to, ")");
        check_limits<T>(low, high - 1, op);
        integers_in_range(g, static_cast<T*>(data), n, uint64_t(high) - uint64_t(low), low);
    });
}

void integers_from(Generator& g, void* data, int64_t n, DType t, int64_t from, const char* op) {
    visit_real(t, op, [&](auto tag) {
        using T = decltype(tag);
        T* out = static_cast<T*>(data);
        if (from == std::numeric_limits<int64_t>::lowest()) {
            require(t == DType::int64 || t == DType::float64 || t == DType::float32 || t == DType::bfloat16,
                    ErrorKind::runtime, op, ": from=-2^63 without `to` is not implemented for dtype ",
                    name_of(t));
            std::lock_guard lock(g.mutex());
            return each64(g, n, [=](int64_t i, uint64_t word) { out[i] = narrow<T>(int64_t(word)); });
        }
        int64_t low = from, last;
        if constexpr (is_floating_type<T>) last = int64_t(1) << digits<T>;
        else last = largest_drawn<T>();
        if (low < last) fit_limits<T>(low, nullptr);
        require(!is_floating_type<T> || low < last, ErrorKind::runtime, op, ": from=", from,
                " is not less than 2^",
                digits<T>, ", the largest that is drawn for ", name_of(t));
        check_limits<T>(low, last, op);
        integers_in_range(g, out, n, uint64_t(last) - uint64_t(low) + 1, low);
    });
}

void integers(Generator& g, void* data, int64_t n, DType t) {
    visit_real(t, "random_", [&](auto tag) {
        using T = decltype(tag);
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        if constexpr (std::is_same_v<T, double>) {
            constexpr uint64_t count = (uint64_t(1) << 53) + 1;
            each64(g, n, [=](int64_t i, uint64_t word) { out[i] = double(word % count); });
        } else if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
            each64(g, n, [=](int64_t i, uint64_t word) { out[i] = T(word & INT64_MAX); });
        } else if constexpr (is_floating_type<T>) {
            Remainder remainder((uint32_t(1) << digits<T>) + 1);
            each32(g, n, [=](int64_t i, uint32_t word) { out[i] = narrow<T>(remainder(word)); });
        } else {
            constexpr uint32_t mask = uint32_t(std::numeric_limits<T>::max());
            each32(g, n, [=](int64_t i, uint32_t word) { out[i] = T(word & mask); });
        }
    });
}

namespace {

template <class T> void permutation_typed(Generator& g, T* out, int64_t n) {
    std::lock_guard lock(g.mutex());
    if (n < int64_t(UINT32_MAX / 20)) {
        for (int64_t i = 0; i < n; ++i) out[i] = narrow<T>(i);
        each32(g, n - 1, [=](int64_t i, uint32_t word) {
            std::swap(out[i], out[i + word % uint32_t(n - i)]);
        });
        return;
    }
    each64(g, n, [=](int64_t i, uint64_t word) {
        int64_t j = int64_t(word % uint64_t(i + 1));
        out[i] = narrow<T>(i);
        std::swap(out[i], out[j]);
    });
}

}  // namespace

void permutation(Generator& g, void* data, int64_t n, DType t) {
    require(n >= 0, ErrorKind::runtime, "randperm: n=", n, " is negative; expected n >= 0");
    visit_real(t, "randperm", [&](auto tag) {
        using T = decltype(tag);
        if constexpr (std::is_same_v<T, bool>) {
            fail(ErrorKind::not_implemented,
                 "randperm: not implemented for dtype bool; expected an integer or floating dtype");
        } else {
            double most = double((int64_t(1) << (digits<T> - 1)) - 1 + (int64_t(1) << (digits<T> - 1)));
            if (is_floating_type<T>) most += 1;
            require(n == 0 || double(n - 1) <= most, ErrorKind::runtime, "randperm: n=", n,
                    " is too large for dtype ",
                    name_of(t), "; expected n - 1 <= ", int64_t(most));
            permutation_typed(g, static_cast<T*>(data), n);
        }
    });
}

void bernoulli(Generator& g, void* data, int64_t n, DType t, double p, const char* op) {
    require(p >= 0 && p <= 1, ErrorKind::runtime, op, ": p=", p,
            " is not a probability; expected 0 <= p <= 1");
    visit_real(t, op, [&](auto tag) {
        using T = decltype(tag);
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        each_unit<double>(g, n, [=](int64_t i, double u) { out[i] = narrow<T>(u < p); });
    });
}

namespace {

template <class P, class T>
void draw_truths(Generator& g, T* out, int64_t n, const P* p) {
    using W = Wide<P>;
    std::lock_guard lock(g.mutex());
    each_unit<W>(g, n, [=](int64_t i, W u) { out[i] = narrow<T>(u < W(p[i])); });
}

void put_truths(const uint8_t* truths, void* data, int64_t n, DType t, const char* op) {
    visit_real(t, op, [&](auto tag) {
        using T = decltype(tag);
        T* out = static_cast<T*>(data);
        for (int64_t i = 0; i < n; ++i) out[i] = narrow<T>(truths[i] != 0);
    });
}

}  // namespace

void bernoulli(Generator& g, void* data, int64_t n, DType t, const void* p, DType p_dtype, const char* op) {
    put_truths(nullptr, nullptr, 0, t, op);                // refuses before anything is drawn
    visit_floating(p_dtype, op, [&](auto p_tag) {
        using P = decltype(p_tag);
        const P* probabilities = static_cast<const P*>(p);
        for (int64_t i = 0; i < n; ++i) {
            auto value = Wide<P>(probabilities[i]);
            require(value >= 0 && value <= 1, ErrorKind::runtime, op, ": p holds ", value, " at position ", i,
                    "; expected 0 <= p <= 1");
        }
        // The loop that draws is large: one for each dtype of p, and not one for each pair of dtypes.
        if (t == p_dtype) return draw_truths(g, static_cast<P*>(data), n, probabilities);
        if (size_of(t) == 1) return draw_truths(g, static_cast<uint8_t*>(data), n, probabilities);
        std::unique_ptr<uint8_t[]> truths(new uint8_t[size_t(n)]);
        draw_truths(g, truths.get(), n, probabilities);
        put_truths(truths.get(), data, n, t, op);
    });
}

void exponential(Generator& g, void* data, int64_t n, DType t, double lambda, const char* op) {
    require(lambda > 0, ErrorKind::runtime, op, ": lambda=", lambda, "; expected lambda > 0");
    visit_floating(t, op, [&](auto tag) {
        using T = decltype(tag);
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        each_unit<double>(g, n, [=](int64_t i, double u) {
            out[i] = narrow<T>(-1.0 / lambda * std::log1p(-u));
        });
    });
}

void geometric(Generator& g, void* data, int64_t n, DType t, double p, const char* op) {
    require(p > 0 && p < 1, ErrorKind::runtime, op, ": p=", p, "; expected 0 < p < 1");
    double divisor = std::log1p(-p);
    visit_real(t, op, [&](auto tag) {
        using T = decltype(tag);
        require(t != DType::boolean, ErrorKind::not_implemented, op, ": not implemented for dtype bool");
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        each_unit<double>(g, n, [=](int64_t i, double u) {
            double trials = std::ceil(std::log(u) / divisor);
            // u = 0 gives infinity.
            if constexpr (std::is_integral_v<T>) trials = std::min(trials, 0x1p62);
            if constexpr (std::is_integral_v<T>) out[i] = T(int64_t(trials));
            else out[i] = narrow<T>(trials);
        });
    });
}

void cauchy(Generator& g, void* data, int64_t n, DType t, double median, double sigma, const char* op) {
    require(sigma > 0, ErrorKind::runtime, op, ": sigma=", sigma, "; expected sigma > 0");
    visit_floating(t, op, [&](auto tag) {
        using T = decltype(tag);
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        each_unit<double>(g, n, [=](int64_t i, double u) {
            out[i] = narrow<T>(std::fma(sigma, std::tan(std::numbers::pi * (u - 0.5)), median));
        });
    });
}

void log_normal(Generator& g, void* data, int64_t n, DType t, double mean, double std, const char* op) {
    require(std > 0, ErrorKind::runtime, op, ": std=", std, "; expected std > 0");
    visit_floating(t, op, [&](auto tag) {
        using T = decltype(tag);
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        for (int64_t i = 0; i < n; ++i) out[i] = narrow<T>(std::exp(std::fma(g.normal(), std, mean)));
    });
}

namespace {

double unit64(Generator& g) { return to_unit(g.random64()); }

// Rates of 10 and more: the transformed rejection method PTRS (W. Hoermann, 1993).
double poisson_by_rejection(Generator& g, double rate) {
    double log_rate = std::log(rate);
    double b = 0.931 + 2.53 * std::sqrt(rate);
    double a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    double v_bound = 0.9277 - 3.6224 / (b - 2);
    while (true) {
        double u = unit64(g) - 0.5;
        double v = unit64(g);
        double distance = 0.5 - std::fabs(u);
        double k = std::floor((2 * a / distance + b) * u + rate + 0.43);
        if (distance >= 0.07 && v <= v_bound) return k;
        if (k < 0 || (distance < 0.013 && v > distance)) continue;
        if (std::log(v) + std::log(inverse_alpha) - std::log(a / (distance * distance) + b)
            <= -rate + k * log_rate - std::lgamma(k + 1))
            return k;
    }
}

double poisson_by_products(Generator& g, double rate) {
    if (rate == 0) return 0;
    double limit = std::exp(-rate), product = 1;
    for (double count = 0;; ++count) {
        product *= unit64(g);
        if (product <= limit) return count;
    }
}

}  // namespace

void poisson(Generator& g, void* data, const void* rate, int64_t n, DType t, const char* op) {
    visit_floating(t, op, [&](auto tag) {
        using T = decltype(tag);
        const T* rates = static_cast<const T*>(rate);
        for (int64_t i = 0; i < n; ++i)
            require(Wide<T>(rates[i]) >= 0, ErrorKind::runtime, op, ": input holds ",
                    double(Wide<T>(rates[i])), " at position ",
                    i, "; expected rates >= 0");
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        for (int64_t i = 0; i < n; ++i) {
            double r = double(Wide<T>(rates[i]));
            double count = r < 10 ? poisson_by_products(g, r) : poisson_by_rejection(g, r);
            out[i] = narrow<T>(count);
        }
    });
}

// ---- gamma and binomial ---------------------------------------------------------------------------------------------

namespace {

// A gamma number of scale 1 (Marsaglia and Tsang, 2000). A is the type of the shape parameter: PyTorch rounds to it
// on the way, and so the streams agree.
template <class A> double gamma_variate(Generator& g, A alpha) {
    using W = Wide<A>;
    double scale = 1;
    if (W(alpha) < 1) {                                  // drawn for alpha + 1 and scaled down
        if (W(alpha) == 0) return 0;
        scale = std::pow(1 - unit64(g), double(W(1) / W(alpha)));
        alpha = narrow<A>(W(alpha) + W(1));
    }
    double d = double(W(alpha) - W(1.0f / 3.0f)), c = 1 / std::sqrt(9 * d);
    while (true) {
        double x, cube_root;
        do {
            x = g.normal();
            cube_root = 1 + c * x;
        } while (cube_root <= 0);
        double v = cube_root * cube_root * cube_root, u = 1 - unit64(g), square = x * x;
        if (u < 1 - double(0.0331f) * square * square) return scale * d * v;
        if (std::log(u) < 0.5 * square + d * (1 - v + std::log(v))) return scale * d * v;
    }
}

template <class T> void check_alpha(const T* alpha, int64_t n, const char* op) {
    for (int64_t i = 0; i < n; ++i)
        require(double(Wide<T>(alpha[i])) >= 0, ErrorKind::runtime, op, ": input holds ", double(Wide<T>(alpha[i])),
                " at position ", i, "; expected shape parameters >= 0");
}

// Few successes: trials skipped from one success to the next are geometric.
template <class W> double binomial_by_gaps(Generator& g, W count, W p) {
    double log_failure = std::log1p(-double(p)), used = 0, successes = 0;
    while (true) {
        used += std::ceil(std::log(unit64(g)) / log_failure);
        if (used > double(count)) return successes;
        successes += 1;
    }
}

// Ten expected successes and more, p <= 1/2: the transformed rejection method BTRS (W. Hoermann, 1993).
template <class W> double binomial_by_rejection(Generator& g, W count, W p) {
    double deviation = double(std::sqrt(count * p * (1 - p)));
    double b = 1.15 + 2.53 * deviation;
    double a = -0.0873 + 0.0248 * b + 0.01 * double(p);
    double centre = double(count * p) + 0.5;
    double v_bound = 0.92 - 4.2 / b;
    double log_odds = std::log(double(p / (1 - p)));
    double alpha = (2.83 + 5.1 / b) * deviation;
    double n = double(count), mode = std::floor(double((count + 1) * p));
    double at_mode = std::lgamma(mode + 1) + std::lgamma(n - mode + 1);
    while (true) {
        double u = unit64(g) - 0.5;
        double v = unit64(g);
        double distance = 0.5 - std::fabs(u);
        double k = double(W(std::floor((2 * a / distance + b) * u + centre)));
        if (k < 0 || k > n) continue;
        if (distance >= 0.07 && v <= v_bound) return k;
        if (std::log(v * alpha / (a / (distance * distance) + b))
            <= at_mode - std::lgamma(k + 1) - std::lgamma(n - k + 1) + (k - mode) * log_odds)
            return k;
    }
}

template <class W> double binomial_variate(Generator& g, W count, W p) {
    if (std::isnan(count) || std::isnan(p)) return std::numeric_limits<double>::quiet_NaN();
    if (count <= 0 || p <= 0) return 0;
    if (p >= 1) return double(count);
    if (p > W(0.5)) return double(count) - binomial_variate<W>(g, count, W(1) - p);
    return count * p >= 10 ? binomial_by_rejection(g, count, p) : binomial_by_gaps(g, count, p);
}

}  // namespace

void standard_gamma(Generator& g, void* data, const void* alpha, int64_t n, DType t, const char* op) {
    visit_floating(t, op, [&](auto tag) {
        using T = decltype(tag);
        const T* shapes = static_cast<const T*>(alpha);
        check_alpha(shapes, n, op);
        T* out = static_cast<T*>(data);
        // Never 0, whose logarithm would be needed.
        T least = narrow<T>(std::is_same_v<T, Half> ? 0x1p-14 : std::is_same_v<T, double> ? 0x1p-1022 : 0x1p-126);
        std::lock_guard lock(g.mutex());
        for (int64_t i = 0; i < n; ++i) {
            T value = narrow<T>(gamma_variate(g, shapes[i]));
            out[i] = Wide<T>(value) < Wide<T>(least) ? least : value;
        }
    });
}

void standard_gamma_wide(Generator& g, double* data, const void* alpha, int64_t n, DType t, const char* op) {
    visit_floating(t, op, [&](auto tag) {
        const auto* shapes = static_cast<const decltype(tag)*>(alpha);
        check_alpha(shapes, n, op);
        std::lock_guard lock(g.mutex());
        for (int64_t i = 0; i < n; ++i) data[i] = gamma_variate<double>(g, double(Wide<decltype(tag)>(shapes[i])));
    });
}

void binomial(Generator& g, void* data, const void* count, const void* p, int64_t n, DType t, const char* op) {
    visit_floating(t, op, [&](auto tag) {
        using T = decltype(tag);
        using W = Wide<T>;
        const T *counts = static_cast<const T*>(count), *probabilities = static_cast<const T*>(p);
        T* out = static_cast<T*>(data);
        std::lock_guard lock(g.mutex());
        for (int64_t i = 0; i < n; ++i) {
            require(std::isfinite(W(counts[i])), ErrorKind::runtime, op, ": count holds ", double(W(counts[i])),
                    " at position ", i, "; expected finite counts");
            out[i] = narrow<T>(binomial_variate<W>(g, W(counts[i]), W(probabilities[i])));
        }
    });
}

void multinomial_with_replacement(Generator& g, int64_t* out, int64_t rows, int64_t samples,
                                  const void* weights,
                                  int64_t categories, DType t) {
    visit_floating(t, "multinomial", [&](auto tag) {
        using T = decltype(tag);
        using W = Wide<T>;
        std::vector<W> cumulative(static_cast<size_t>(categories));
        std::lock_guard lock(g.mutex());
        for (int64_t row = 0; row < rows; ++row) {
            const T* row_weights = static_cast<const T*>(weights) + row * categories;
            W sum = 0;
            for (int64_t j = 0; j < categories; ++j) {
                W w = W(row_weights[j]);
                require(w >= 0 && std::isfinite(w), ErrorKind::runtime, "multinomial: input holds ", w,
                        " in row ", row,
                        " at position ", j, "; expected finite weights >= 0");
                sum += w;
                cumulative[size_t(j)] = sum;
            }
            require(sum > 0, ErrorKind::runtime, "multinomial: the weights of row ", row, " sum to ", sum,
                    "; expected a positive sum");
            for (W& c : cumulative) c /= sum;
            cumulative.back() = 1;
            for (int64_t s = 0; s < samples; ++s) {
                double u = unit64(g);
                auto at = std::lower_bound(cumulative.begin(), cumulative.end(), u,
                                           [](W c, double v) { return c < v; });
                out[row * samples + s] = int64_t(at - cumulative.begin());
            }
        }
    });
}

}  // namespace rushlight::random
