// The accuracy of the elementary functions, per instruction set, against the C library's long double.
//
//     test_vec_math            checks a sample over all exponents against the limits
//     test_vec_math --table    prints the largest errors over a dense sample
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "kernels/generic/isa.h"
#include "kernels/generic/pointwise_kernels.h"
#include "tests/native/check.h"
#include "tests/native/ulp.h"

namespace rushlight {

using Exact = long double (*)(long double);

struct Function {
    const char* name;
    const PointwiseSet* kernels;
    Exact exact;
    double limit32, limit64;         // in units of the last place
};

static long double exact_rsqrt(long double x) { return 1 / sqrtl(x); }
static long double exact_sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static long double exact_logsigmoid(long double x) {
    return x > 0 ? 0 - log1pl(expl(-x)) : x - log1pl(expl(x));
}
static long double exact_reciprocal(long double x) { return 1 / x; }
// erfinv by bisection on erf: slow and independent.
static long double exact_erfinv(long double x) {
    if (!(fabsl(x) < 1)) return fabsl(x) == 1 ? copysignl(INFINITY, x) : NAN;
    if (x == 0) return x;
    long double a = fabsl(x), low = 0, high = 7;
    if (a < 1e-6L) return x * 0.886226925452758013649L * (1 + a * a * 0.261799387799149436539L);
    for (int i = 0; i < 90; i++) {
        long double middle = (low + high) / 2;
        bool below = a < 0.5L ? erfl(middle) < a : erfcl(middle) > 1 - a;
        (below ? low : high) = middle;
    }
    return copysignl((low + high) / 2, x);
}

#define FUNCTIONS(F)                                                                                                   \
    F(exp, expl, 2, 2)                                                                                                 \
    F(exp2, exp2l, 2, 2) F(expm1, expm1l, 2, 2) F(log, logl, 2, 2) F(log2, log2l, 2, 2) F(log10, log10l, 2, 2)         \
        F(log1p, log1pl, 2, 2) F(sqrt, sqrtl, 0.5, 0.5) F(rsqrt, exact_rsqrt, 2, 2)                                    \
            F(reciprocal, exact_reciprocal, 0.5, 0.5) F(sin, sinl, 2, 2) F(cos, cosl, 2, 2) F(tan, tanl, 2, 2)         \
                F(asin, asinl, 2, 2) F(acos, acosl, 2, 2) F(atan, atanl, 2, 2) F(sinh, sinhl, 2, 2)                    \
                    F(cosh, coshl, 2, 2) F(tanh, tanhl, 2, 2) F(asinh, asinhl, 2, 2) F(acosh, acoshl, 2, 2)            \
                        F(atanh, atanhl, 2, 2) F(erf, erfl, 2, 2) F(erfc, erfcl, 2, 3) F(sigmoid, exact_sigmoid, 2, 2) \
                            F(logsigmoid, exact_logsigmoid, 2, 2) F(erfinv, exact_erfinv, 2, 4) F(floor, floorl, 0, 0) \
                                F(ceil, ceill, 0, 0) F(trunc, truncl, 0, 0) F(round, nearbyintl, 0, 0)

#define DECLARE(NAME, EXACT, LIMIT32, LIMIT64) DECLARE_POINTWISE_KERNELS(NAME);
FUNCTIONS(DECLARE)
#define LIST(NAME, EXACT, LIMIT32, LIMIT64) {#NAME, &POINTWISE_KERNELS(NAME), EXACT, LIMIT32, LIMIT64},
static const Function functions[] = {FUNCTIONS(LIST)};

// Every `step`-th bit pattern, so all exponents, signs, subnormals, infinities and NaN; and the special values
// themselves.
template <class T, class Bits>
static std::vector<T> arguments(Bits step) {
    constexpr T big = std::numeric_limits<T>::max(), tiny = std::numeric_limits<T>::denorm_min();
    std::vector<T> out = {
        T(0),    T(-0.0),  T(1),      T(-1),       T(0.5),       T(-0.5), big,
        -big,    tiny,     -tiny,     T(INFINITY), T(-INFINITY), T(NAN),  std::numeric_limits<T>::min(),
        T(88.7), T(-88.7), T(-103.9), T(709.7),    T(-745.1),    T(2),    T(3),
        T(10)};
    for (Bits b = 0; b <= std::numeric_limits<Bits>::max() - step; b += step) out.push_back(std::bit_cast<T>(b));
    // And where functions change: dense around zero and one.
    for (int i = -4000; i <= 4000; i++) out.push_back(T(i) / 500), out.push_back(T(i) / 50);
    for (int i = -300; i <= 300; i++) out.push_back(T(1) + T(i) * std::numeric_limits<T>::epsilon());
    return out;
}

template <class T>
static double largest_error(TileFn fn, const std::vector<T>& x, const std::vector<long double>& exact, T* worst) {
    std::vector<T> y(x.size());
    const void* in[] = {x.data()};
    const double params[param_slots] = {};
    fn(int64_t(x.size()), y.data(), in, params);
    double largest = 0;
    for (size_t i = 0; i < x.size(); i++) {
        double error = ulp_distance(y[i], exact[i]);
        if (error > largest) largest = error, *worst = x[i];
    }
    return largest;
}

template <class T, class Bits>
static void measure(const Function& f, Bits step, Lane lane, double limit, bool table) {
    std::vector<T> x = arguments<T, Bits>(step);
    std::vector<long double> exact(x.size());
    for (size_t i = 0; i < x.size(); i++) exact[i] = f.exact(static_cast<long double>(x[i]));
    if (table) std::printf("%-12s %-8s", f.name, sizeof(T) == 4 ? "float32" : "float64");
    for (int i = 0; i < isa_count; i++) {
        if (!isa_available(static_cast<Isa>(i))) continue;
        T worst = 0;
        TileFn fn = f.kernels->of(static_cast<Isa>(i)).forward[int(lane)];
        double error = largest_error(fn, x, exact, &worst);
        if (table) std::printf("  %8.3f at %-16.9g", error, double(worst));
        if (!(error <= limit)) {
            std::fprintf(stderr, "%s, %s, %s: off by %g units in the last place at %.17g; at most %g expected\n",
                         f.name, sizeof(T) == 4 ? "float32" : "float64", isa_name(static_cast<Isa>(i)), error,
                         double(worst), limit);
            failures++;
        }
    }
    if (table) std::printf("\n");
}

}  // namespace rushlight

int main(int argc, char** argv) {
    using namespace rushlight;
    bool table = argc > 1 && std::strcmp(argv[1], "--table") == 0;
    if (table) std::printf("%-12s %-8s  largest error in units of the last place: baseline, avx2, avx512\n", "", "");
    for (const Function& f : functions) {
        bool slow = f.exact == exact_erfinv;
        uint32_t step32 = slow ? 1000003u : table ? 1021u : 65521u;
        uint64_t step64 = (slow ? 1000003ull : table ? 3001ull : 65521ull) << 32;
        measure<float, uint32_t>(f, step32, Lane::float32, f.limit32, table);
        measure<double, uint64_t>(f, step64 + 0x9e3779b9u, Lane::float64, f.limit64, table);
    }
    return checks_failed();
}
