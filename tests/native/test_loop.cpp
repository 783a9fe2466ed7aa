// The element-wise driver, casts, copies and fills, over random shapes, strides and dtypes, against loops over single
// elements.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/parallel.h"
#include "kernels/generic/loop.h"
#include "tests/native/check.h"

namespace rushlight {

DECLARE_POINTWISE_KERNELS(add);
DECLARE_POINTWISE_KERNELS(mul);
DECLARE_POINTWISE_KERNELS(lt);
DECLARE_POINTWISE_KERNELS(neg);
DECLARE_POINTWISE_KERNELS(where);

static std::mt19937_64 random_bits(7);
static int64_t below(int64_t n) { return int64_t(random_bits() % uint64_t(n)); }

// A strided view into storage of its own, with guards of 0xa5 bytes that must survive.
struct View {
    std::vector<unsigned char> storage;
    std::vector<int64_t> strides;
    int64_t start = 0;
    DType dtype;
    char* element(int64_t offset) {
        return reinterpret_cast<char*>(storage.data()) + (start + offset) * size_of(dtype);
    }
    Operand operand() { return {element(0), dtype, strides.data()}; }
};

// Any order of dimensions, gaps, steps, reversals; broadcast dimensions too, unless it is written to.
static View make_view(const std::vector<int64_t>& sizes, DType dtype, bool written) {
    View v;
    v.dtype = dtype;
    const int n = int(sizes.size());
    v.strides.assign(size_t(n), 0);
    std::vector<int> order;
    for (int d = n - 1; d >= 0; d--) order.push_back(d);
    if (below(2)) std::shuffle(order.begin(), order.end(), random_bits);
    int64_t span = 1;
    const bool dense = below(2), reversed = below(4) == 0;
    for (int d : order) {
        if (!written && below(5) == 0) continue;
        int64_t stride = dense ? span : span * (1 + below(3)) + below(2);
        v.strides[size_t(d)] = stride;
        if (sizes[size_t(d)] > 0) span = stride * (sizes[size_t(d)] - 1) + span;
        if (dense) span = stride * (sizes[size_t(d)] > 0 ? sizes[size_t(d)] : 1);
    }
    v.start = 8;
    if (reversed)
        for (size_t d = 0; d < sizes.size(); d++) {
            if (below(2) || sizes[d] == 0) continue;
            v.start += v.strides[d] * (sizes[d] - 1);
            v.strides[d] = -v.strides[d];
        }
    v.storage.assign(size_t((span + 24) * size_of(dtype)), 0xa5);
    return v;
}

static std::vector<int64_t> make_sizes() {
    static const int64_t choices[] = {1, 2, 3, 5, 7, 8, 16, 33, 40, 130, 300};
    std::vector<int64_t> sizes(size_t(below(6)));
    int64_t n = 1;
    for (int64_t& s : sizes) {
        s = choices[below(11)];
        if (below(40) == 0) s = 0;
        if (n * s > 60000) s = 1;
        n *= s ? s : 1;
    }
    return sizes;
}

// Calls f(index, offset in each view).
template <class F>
static void each_element(const std::vector<int64_t>& sizes, std::vector<View*> views, F f) {
    int64_t n = 1;
    for (int64_t s : sizes) n *= s;
    std::vector<int64_t> offsets(views.size());
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        for (int64_t& o : offsets) o = 0;
        for (int d = int(sizes.size()) - 1; d >= 0; d--) {
            int64_t at = rest % sizes[size_t(d)];
            rest /= sizes[size_t(d)];
            for (size_t k = 0; k < views.size(); k++) offsets[k] += at * views[k]->strides[size_t(d)];
        }
        f(i, offsets);
    }
}

static void put(View& v, int64_t offset, double value) {
    visit_dtype(v.dtype, [&](auto zero) {
        using T = decltype(zero);
        T x;
        if constexpr (std::is_same_v<T, bool>) x = value != 0;
        else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) x = T(float(value));
        else x = T(value);
        std::memcpy(v.element(offset), &x, sizeof(T));
    });
}
static double get(View& v, int64_t offset) {
    return visit_dtype(v.dtype, [&](auto zero) -> double {
        using T = decltype(zero);
        T x;
        std::memcpy(&x, v.element(offset), sizeof(T));
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return double(float(x));
        else if constexpr (std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>)
            return double(x.real());
        else return double(x);
    });
}
// Small whole numbers, which every dtype but bool holds exactly, sums and products of two included.
static void fill_with_numbers(const std::vector<int64_t>& sizes, View& v) {
    each_element(sizes, {&v}, [&](int64_t, const std::vector<int64_t>& o) { put(v, o[0], double(below(11))); });
}
static bool only_elements_changed(const std::vector<int64_t>& sizes, View& v,
                                  const std::vector<unsigned char>& before) {
    std::vector<unsigned char> now = v.storage;
    each_element(sizes, {&v}, [&](int64_t, const std::vector<int64_t>& o) {
        size_t at = size_t(v.element(o[0]) - reinterpret_cast<char*>(v.storage.data()));
        std::memcpy(now.data() + at, before.data() + at, size_t(size_of(v.dtype)));
    });
    return now == before;
}

static void driver_matches_single_elements() {
    const DType dtypes[] = {DType::uint8, DType::int8, DType::int16, DType::int32, DType::int64,
                            DType::float16, DType::float32, DType::float64, DType::bfloat16};
    const DType computes[] = {DType::int16, DType::int32, DType::int64, DType::float32, DType::float64, DType::uint8};
    struct Case { const PointwiseSet* set; int inputs; double (*f)(double, double, double); };
    const Case cases[] = {
        {&POINTWISE_KERNELS(add), 2, [](double a, double b, double) { return a + b; }},
        {&POINTWISE_KERNELS(mul), 2, [](double a, double b, double) { return a * b; }},
        {&POINTWISE_KERNELS(lt), 2, [](double a, double b, double) { return double(a < b); }},
        {&POINTWISE_KERNELS(where), 3, [](double c, double a, double b) { return c != 0 ? a : b; }},
    };
    for (int trial = 0; trial < 3000; trial++) {
        const Case& c = cases[below(4)];
        const PointwiseKernels& k = c.set->active();
        double params[param_slots] = {};
        set_param(params, 0, 1, 1);
        std::vector<int64_t> sizes = make_sizes();
        PointwiseLoop loop = {};
        loop.ndim = int(sizes.size());
        loop.sizes = sizes.data();
        loop.inputs = c.inputs;
        loop.compute = computes[below(6)];
        loop.result = k.boolean_result ? DType::boolean : loop.compute;
        loop.params = params;
        loop.boolean_first_input = k.boolean_first_input;
        loop.grain = below(2) ? 64 : 32768;
        const bool same = below(2);
        View out = make_view(sizes, same ? loop.result : k.boolean_result ? DType::float32 : dtypes[below(9)], true);
        View in[3];
        for (int i = 0; i < c.inputs; i++) {
            DType tile = i == 0 && k.boolean_first_input ? DType::boolean : loop.compute;
            in[i] = make_view(sizes, same || tile == DType::boolean ? tile : dtypes[below(9)], false);
            fill_with_numbers(sizes, in[i]);
            loop.in[i] = in[i].operand();
        }
        loop.out = out.operand();
        const std::vector<unsigned char> before = out.storage;
        run_pointwise(loop, k.forward[int(loop.compute)]);
        CHECK(only_elements_changed(sizes, out, before));
        bool good = true;
        std::vector<View*> views = {&out, &in[0], &in[1], c.inputs == 3 ? &in[2] : &in[1]};
        each_element(sizes, views, [&](int64_t, const std::vector<int64_t>& o) {
            double expected = c.f(get(in[0], o[1]), get(in[1], o[2]), get(*views[3], o[3]));
            good = good && get(out, o[0]) == expected;
        });
        CHECK(good);
    }
}

// What a cast from a double must give, saturating and with NaN as 0 for integers.
template <class I>
static I saturated(double x) {
    if (std::isnan(x)) return 0;
    if (x >= std::ldexp(1.0, 8 * int(sizeof(I)) - std::is_signed_v<I>)) return std::numeric_limits<I>::max();
    if (x < double(std::numeric_limits<I>::min())) return std::numeric_limits<I>::min();
    return I(x);
}

template <class To, class From>
static To reference_cast(From x) {
    constexpr bool from_half = std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>;
    if constexpr (std::is_same_v<To, From>) return x;
    else if constexpr (from_half) return reference_cast<To>(float(x));
    else if constexpr (std::is_same_v<From, std::complex<float>> || std::is_same_v<From, std::complex<double>>) {
        if constexpr (std::is_same_v<To, std::complex<float>> || std::is_same_v<To, std::complex<double>>)
            return To(typename To::value_type(x.real()), typename To::value_type(x.imag()));
        else if constexpr (std::is_same_v<To, bool>) return x.real() != 0 || x.imag() != 0;
        else return reference_cast<To>(x.real());
    } else if constexpr (std::is_same_v<To, std::complex<float>> || std::is_same_v<To, std::complex<double>>)
        return To(reference_cast<typename To::value_type>(x), 0);
    else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) return To(float(x));
    else if constexpr (std::is_same_v<To, bool>) return x != 0;
    else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) return saturated<To>(double(x));
    else return To(x);
}

template <class T>
static T random_element() {
    const uint64_t r = random_bits();
    if constexpr (std::is_same_v<T, bool>) return r & 1;
    else if constexpr (std::is_integral_v<T>) return T(r);
    else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        T x;
        x.bits = uint16_t(r);
        return x;
    } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
        const double special[] = {
            0, -0.0, INFINITY, -INFINITY, NAN, 0.5, -0.5, 2147483648.0, -2147483648.0, 9.3e18, 65504, 65519.99,
            65520, 1e-7, 6e-8, 5.9604644775390625e-8, 2.98e-8, 255.5, -1, 256, 1e300, 2147483520, 1e-40};
        if (r % 3 == 0) return T(special[r / 3 % 23]);
        return std::ldexp(T(int64_t(random_bits())), int(r / 3 % 90) - 80);
    } else {
        return T(random_element<typename T::value_type>(), random_element<typename T::value_type>());
    }
}

template <class T>
static bool same_value(const T& a, const T& b) {
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
        return a.bits == b.bits || (std::isnan(float(a)) && std::isnan(float(b)));
    else if constexpr (std::is_floating_point_v<T>)
        return (a == b && std::signbit(a) == std::signbit(b)) || (std::isnan(a) && std::isnan(b));
    else if constexpr (std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>)
        return same_value(a.real(), b.real()) && same_value(a.imag(), b.imag());
    else return a == b;
}

static void copies_convert_every_pair() {
    for (int to = 0; to < dtype_count; to++)
        for (int from = 0; from < dtype_count; from++)
            for (int trial = 0; trial < 12; trial++) {
                std::vector<int64_t> sizes = trial == 0 ? std::vector<int64_t>{5000} : make_sizes();
                View dst = make_view(sizes, DType(to), true), src = make_view(sizes, DType(from), false);
                visit_dtype(DType(from), [&](auto zero) {
                    using T = decltype(zero);
                    each_element(sizes, {&src}, [&](int64_t, const std::vector<int64_t>& o) {
                        T x = random_element<T>();
                        std::memcpy(src.element(o[0]), &x, sizeof(T));
                    });
                });
                const std::vector<unsigned char> before = dst.storage;
                copy_strided(int(sizes.size()), sizes.data(), dst.operand(), src.operand());
                CHECK(only_elements_changed(sizes, dst, before));
                bool good = true;
                visit_dtype(DType(to), [&](auto to_zero) {
                    visit_dtype(DType(from), [&](auto from_zero) {
                        using To = decltype(to_zero);
                        using From = decltype(from_zero);
                        each_element(sizes, {&dst, &src}, [&](int64_t, const std::vector<int64_t>& o) {
                            To got;
                            From x;
                            std::memcpy(&got, dst.element(o[0]), sizeof(To));
                            std::memcpy(&x, src.element(o[1]), sizeof(From));
                            good = good && same_value(got, reference_cast<To>(x));
                        });
                    });
                });
                if (!good) std::fprintf(stderr, "copy from %s to %s\n", name_of(DType(from)), name_of(DType(to)));
                CHECK(good);
            }
}

// Larger planes than the fuzz makes, in every element size: the blocked transposition.
static void transpositions_move_every_element() {
    const DType dtypes[] = {DType::uint8, DType::int16, DType::float32, DType::int64, DType::complex128};
    for (DType dtype : dtypes)
        for (int64_t rows : {64, 67, 130, 1})
            for (int64_t columns : {64, 129, 5}) {
                const std::vector<int64_t> sizes = {3, rows, columns};
                View dst = make_view(sizes, dtype, true);
                View src = dst;
                dst.strides = {rows * columns, columns, 1};
                src.strides = {rows * columns, 1, rows};
                dst.start = src.start = 2;
                dst.storage.assign(size_t((3 * rows * columns + 4) * size_of(dtype)), 0);
                src.storage.resize(dst.storage.size());
                for (unsigned char& b : src.storage) b = static_cast<unsigned char>(random_bits());
                copy_strided(3, sizes.data(), dst.operand(), src.operand());
                bool good = true;
                each_element(sizes, {&dst, &src}, [&](int64_t, const std::vector<int64_t>& o) {
                    good = good && std::memcmp(dst.element(o[0]), src.element(o[1]), size_t(size_of(dtype))) == 0;
                });
                CHECK(good);
            }
}

static void fills_reach_every_element() {
    for (int trial = 0; trial < 400; trial++) {
        std::vector<int64_t> sizes = make_sizes();
        View v = make_view(sizes, DType(below(dtype_count)), true);
        char value[16];
        for (char& b : value) b = trial % 3 ? char(random_bits()) : 0;
        const std::vector<unsigned char> before = v.storage;
        fill_strided(int(sizes.size()), sizes.data(), v.operand(), value);
        CHECK(only_elements_changed(sizes, v, before));
        bool good = true;
        each_element(sizes, {&v}, [&](int64_t, const std::vector<int64_t>& o) {
            good = good && std::memcmp(v.element(o[0]), value, size_t(size_of(v.dtype))) == 0;
        });
        CHECK(good);
    }
}

static void zeros_are_found() {
    const DType dtypes[] = {DType::uint8, DType::int8, DType::int16, DType::int32, DType::int64, DType::boolean};
    for (int trial = 0; trial < 300; trial++) {
        std::vector<int64_t> sizes = make_sizes();
        View v = make_view(sizes, dtypes[below(6)], true);
        int64_t n = 1, zero = below(3000);
        for (int64_t s : sizes) n *= s;
        each_element(sizes, {&v}, [&](int64_t i, const std::vector<int64_t>& o) {
            put(v, o[0], i == zero ? 0 : 1 + double(i % 100));
        });
        CHECK(any_zero(int(sizes.size()), sizes.data(), v.operand()) == (zero < n));
    }
}

}  // namespace rushlight

int main() {
    rushlight::set_num_threads(2);
    rushlight::driver_matches_single_elements();
    rushlight::copies_convert_every_pair();
    rushlight::transpositions_move_every_element();
    rushlight::fills_reach_every_element();
    rushlight::zeros_are_found();
    return checks_failed();
}
