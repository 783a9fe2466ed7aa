// Every element-wise kernel: instruction sets against each other and against scalar references, at every length and
// alignment, with memory that ends where the operands end.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/generic/pointwise_kernels.h"
#include "tests/native/check.h"
#include "tests/native/ulp.h"

namespace rushlight {

#define OPERATORS(F)                                                                                                   \
    F(exp)                                                                                                             \
    F(exp2) F(expm1) F(log) F(log2) F(log10) F(log1p) F(sqrt) F(rsqrt) F(sin) F(cos) F(tan) F(asin) F(acos) F(atan)    \
        F(sinh) F(cosh) F(tanh) F(asinh) F(acosh) F(atanh) F(erf) F(erfc) F(erfinv) F(lgamma) F(digamma) F(polygamma)  \
            F(sinc) F(sigmoid) F(logit) F(logsigmoid) F(abs) F(neg) F(positive) F(sign) F(square) F(reciprocal)        \
                F(floor) F(ceil) F(trunc) F(round) F(frac) F(deg2rad) F(rad2deg) F(clamp) F(nan_to_num) F(isnan)       \
                    F(isinf) F(isfinite) F(isposinf) F(isneginf) F(signbit) F(logical_not) F(bitwise_not) F(relu)      \
                        F(relu6) F(leaky_relu) F(elu) F(selu) F(celu) F(gelu) F(gelu_tanh) F(silu) F(mish) F(softplus) \
                            F(softsign) F(hardtanh) F(hardsigmoid) F(hardswish) F(tanhshrink) F(softshrink)            \
                                F(hardshrink) F(threshold) F(add) F(sub) F(mul) F(div) F(floor_divide) F(trunc_divide) \
                                    F(remainder) F(fmod) F(pow) F(atan2) F(hypot) F(maximum) F(minimum) F(fmax)        \
                                        F(fmin) F(copysign) F(nextafter) F(logaddexp) F(logaddexp2) F(heaviside)       \
                                            F(xlogy) F(eq) F(ne) F(lt) F(le) F(gt) F(ge) F(logical_and) F(logical_or)  \
                                                F(logical_xor) F(bitwise_and) F(bitwise_or) F(bitwise_xor)             \
                                                    F(bitwise_left_shift) F(bitwise_right_shift) F(gcd) F(lcm)         \
                                                        F(where) F(addcmul) F(addcdiv) F(lerp) F(clamp_between)

#define DECLARE(NAME) DECLARE_POINTWISE_KERNELS(NAME);
OPERATORS(DECLARE)

struct Named {
    const char* name;
    const PointwiseSet* set;
};
#define LIST(NAME) {#NAME, &POINTWISE_KERNELS(NAME)},
static const Named operators[] = {OPERATORS(LIST)};

static std::mt19937_64 random_bits(20240607);

// Memory that is followed by a page which must not be touched.
class Guarded {
public:
    explicit Guarded(size_t bytes) : page_(size_t(sysconf(_SC_PAGESIZE))), used_((bytes + page_ - 1) / page_ * page_) {
        base_ = static_cast<char*>(
            mmap(nullptr, used_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mprotect(base_ + used_, page_, PROT_NONE);
    }
    ~Guarded() { munmap(base_, used_ + page_); }
    Guarded(const Guarded&) = delete;
    // The last `bytes` bytes before the guard.
    template <class T> T* last(size_t count) { return reinterpret_cast<T*>(base_ + used_ - count * sizeof(T)); }
    char* begin() { return base_; }

private:
    size_t page_, used_;
    char* base_;
};

template <class T>
static T random_value() {
    uint64_t r = random_bits();
    if constexpr (std::is_same_v<T, bool>) return r & 1;
    else if constexpr (std::is_floating_point_v<T>) {
        constexpr T special[] = {T(0), T(-0.0), T(1), T(-1), T(INFINITY), T(-INFINITY), T(NAN), T(0.5), T(3), T(2),
                                 std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::max()};
        if (r % 8 == 0) return special[r / 8 % 12];
        if (r % 8 == 1) return std::ldexp(T(int64_t(random_bits()) >> 20), int(r / 8 % 200) - 143);
        return T(int64_t(random_bits()) >> 32) / T(1 << 28);
    } else {
        constexpr T special[] = {T(0), T(1), T(-1), T(2), std::numeric_limits<T>::min(), std::numeric_limits<T>::max(),
                                 T(7)};
        return r % 4 == 0 ? special[r / 4 % 7] : r % 4 == 1 ? T(random_bits()) : T(r / 4 % 41) - T(20);
    }
}

static void params_of(const std::string& name, double* params) {
    double p[param_count];
    p[0] = name == "round" ? 0 : name == "threshold" ? 0.25 : name == "hardtanh" || name == "clamp" ? -1 : 1;
    p[1] = name == "softplus" ? 20 : 1.5;
    p[2] = p[3] = name == "nan_to_num" ? NAN : 0;
    if (name == "logit") p[0] = NAN;
    if (name == "leaky_relu") p[0] = 0.01;
    for (int i = 0; i < param_count; i++) set_param(params, i, p[i], std::isnan(p[i]) ? 0 : int64_t(p[i]));
}

// ---- instruction sets against the baseline, which the references below hold to account ------------------------------

// Operators whose results are rounded more than once, or lose digits to cancellation, may differ by this much between
// sets that fuse multiplications and those that do not, relative to the larger of the result and 1, or the gradient
// that a slope is multiplied with.
template <class T> static double slack() { return sizeof(T) == 4 ? 3e-6 : 1e-13; }

template <class T>
static bool agree(T a, T b, double scale) {
    if constexpr (std::is_floating_point_v<T>) {
        if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
        if (a == b) return true;
        if (ulp_distance(a, static_cast<long double>(b)) <= 4) return true;
        return std::fabs(double(a) - double(b)) <= slack<T>() * std::fmax(scale, std::fabs(double(b)));
    } else {
        return a == b;
    }
}

static TileFn forward_of(const PointwiseKernels& k, Lane lane) { return k.forward[int(lane)]; }
static TileFn backward_of(const PointwiseKernels& k, Lane lane) { return k.backward[lane == Lane::float64]; }

template <class T, class R>
static void compare_sets(const Named& op, TileFn tile_of(const PointwiseKernels&, Lane), Lane lane, int inputs,
                         bool bool_first) {
    double p[param_slots] = {};
    params_of(op.name, p);
    for (int trial = 0; trial < 40; trial++) {
        size_t n = trial < 20 ? size_t(trial) : random_bits() % 300;
        std::vector<Guarded*> memory;
        const void* in[3] = {};
        for (int k = 0; k < inputs; k++) {
            bool as_bool = k == 0 && bool_first;
            memory.push_back(new Guarded(n * sizeof(T) + 1));
            if (as_bool) {
                bool* x = memory.back()->last<bool>(n);
                for (size_t i = 0; i < n; i++) x[i] = random_value<bool>();
                in[k] = x;
            } else {
                T* x = memory.back()->last<T>(n);
                for (size_t i = 0; i < n; i++) x[i] = random_value<T>();
                in[k] = x;
            }
        }
        Guarded baseline(n * sizeof(R) + 1);
        R* expected = baseline.last<R>(n);
        tile_of(op.set->of(Isa::baseline), lane)(int64_t(n), expected, in, p);
        for (int s = 0; s < isa_count; s++) {
            if (!isa_available(Isa(s))) continue;
            Guarded out(n * sizeof(R) + 64);
            char* before = reinterpret_cast<char*>(out.last<R>(n)) - 1;
            *before = 77;
            R* y = out.last<R>(n);
            tile_of(op.set->of(Isa(s)), lane)(int64_t(n), y, in, p);
            CHECK(*before == 77);
            for (size_t i = 0; i < n; i++) {
                const bool slope = tile_of == backward_of;
                if (agree(y[i], expected[i],
                          slope ? std::fmax(1, std::fabs(double(static_cast<const T*>(in[0])[i]))) : 1))
                    continue;
                failures++;
                std::fprintf(stderr, "%s (lane dtype %d): %s gives %.17g, baseline %.17g for", op.name, int(lane),
                             isa_name(Isa(s)), double(y[i]), double(expected[i]));
                for (int k = 0; k < inputs; k++)
                    std::fprintf(stderr, " %.17g", k == 0 && bool_first ? double(static_cast<const bool*>(in[k])[i])
                                                                        : double(static_cast<const T*>(in[k])[i]));
                std::fprintf(stderr, "\n");
                break;
            }
            // In place, where the result has the input's type.
            if constexpr (std::is_same_v<T, R>) {
                int self = bool_first ? 1 : 0;
                Guarded copy(n * sizeof(T) + 1);
                T* x = copy.last<T>(n);
                if (n) std::memcpy(x, in[self], n * sizeof(T));
                const void* own[3] = {in[0], in[1], in[2]};
                own[self] = x;
                tile_of(op.set->of(Isa(s)), lane)(int64_t(n), x, own, p);
                CHECK(n == 0 || std::memcmp(x, y, n * sizeof(T)) == 0);
            }
        }
        for (Guarded* m : memory) delete m;
    }
}

template <class T>
static void compare_operator(const Named& op, Lane lane) {
    const PointwiseKernels& k = op.set->of(Isa::baseline);
    if (k.forward[int(lane)]) {
        if (k.boolean_result) compare_sets<T, bool>(op, forward_of, lane, k.inputs, false);
        else compare_sets<T, T>(op, forward_of, lane, k.inputs, k.boolean_first_input);
    }
    if constexpr (std::is_floating_point_v<T>)
        if (backward_of(k, lane)) compare_sets<T, T>(op, backward_of, lane, 3, false);
}

static void instruction_sets_agree() {
    for (const Named& op : operators) {
        compare_operator<uint8_t>(op, Lane::uint8);
        compare_operator<int8_t>(op, Lane::int8);
        compare_operator<int16_t>(op, Lane::int16);
        compare_operator<int32_t>(op, Lane::int32);
        compare_operator<int64_t>(op, Lane::int64);
        compare_operator<float>(op, Lane::float32);
        compare_operator<double>(op, Lane::float64);
        compare_operator<bool>(op, Lane::boolean);
    }
}

// ---- scalar references ----------------------------------------------------------------------------------------------

using Wide = __int128;
using IntegerReference = std::function<Wide(Wide, Wide, int bits, bool has_sign)>;

static Wide floor_of(Wide a, Wide b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
static Wide gcd_of(Wide a, Wide b) {
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b) {
        Wide r = a % b;
        a = b;
        b = r;
    }
    return a;
}
static Wide power_of(Wide a, Wide b) {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    unsigned __int128 result = 1, base = static_cast<unsigned __int128>(a);
    for (; b; b >>= 1, base *= base)
        if (b & 1) result *= base;
    return static_cast<Wide>(result);
}

// The results before they wrap to the dtype's width.
static const std::map<std::string, IntegerReference> integer_references = {
    {"add", [](Wide a, Wide b, int, bool) { return a + b; }},
    {"sub", [](Wide a, Wide b, int, bool) { return a - b; }},
    {"mul", [](Wide a, Wide b, int, bool) { return a * b; }},
    {"floor_divide", [](Wide a, Wide b, int, bool) { return floor_of(a, b); }},
    {"trunc_divide", [](Wide a, Wide b, int, bool) { return a / b; }},
    {"remainder", [](Wide a, Wide b, int, bool) { return a - floor_of(a, b) * b; }},
    {"fmod", [](Wide a, Wide b, int, bool) { return a % b; }},
    {"pow", [](Wide a, Wide b, int, bool) { return power_of(a, b); }},
    {"maximum", [](Wide a, Wide b, int, bool) { return a > b ? a : b; }},
    {"minimum", [](Wide a, Wide b, int, bool) { return a < b ? a : b; }},
    {"fmax", [](Wide a, Wide b, int, bool) { return a > b ? a : b; }},
    {"fmin", [](Wide a, Wide b, int, bool) { return a < b ? a : b; }},
    {"heaviside", [](Wide a, Wide b, int, bool) { return a == 0  ? b
                                                         : a > 0 ? Wide(1)
                                                                 : Wide(0); }},
    {"bitwise_and", [](Wide a, Wide b, int, bool) { return a & b; }},
    {"bitwise_or", [](Wide a, Wide b, int, bool) { return a | b; }},
    {"bitwise_xor", [](Wide a, Wide b, int, bool) { return a ^ b; }},
    {"bitwise_left_shift", [](Wide a, Wide b, int bits, bool) { return b < 0 || b >= bits ? 0 : a * (Wide(1) << b); }},
    {"bitwise_right_shift", [](Wide a, Wide b, int bits,
                               bool) { return b < 0 || b >= bits ? Wide(a < 0 ? -1 : 0) : floor_of(a, Wide(1) << b); }},
    {"gcd", [](Wide a, Wide b, int, bool) { return gcd_of(a, b); }},
    {"abs", [](Wide a, Wide, int, bool) { return a < 0 ? -a : a; }},
    {"neg", [](Wide a, Wide, int, bool) { return -a; }},
    {"sign", [](Wide a, Wide, int, bool) { return Wide(a > 0) - Wide(a < 0); }},
    {"square", [](Wide a, Wide, int, bool) { return a * a; }},
    {"bitwise_not", [](Wide a, Wide, int, bool) { return ~a; }},
    {"relu", [](Wide a, Wide, int, bool) { return a < 0 ? Wide(0) : a; }},
    {"eq", [](Wide a, Wide b, int, bool) { return Wide(a == b); }},
    {"ne", [](Wide a, Wide b, int, bool) { return Wide(a != b); }},
    {"lt", [](Wide a, Wide b, int, bool) { return Wide(a < b); }},
    {"le", [](Wide a, Wide b, int, bool) { return Wide(a <= b); }},
    {"gt", [](Wide a, Wide b, int, bool) { return Wide(a > b); }},
    {"ge", [](Wide a, Wide b, int, bool) { return Wide(a >= b); }},
    {"logical_and", [](Wide a, Wide b, int, bool) { return Wide(a && b); }},
    {"logical_xor", [](Wide a, Wide b, int, bool) { return Wide(!a != !b); }},
    {"logical_not", [](Wide a, Wide, int, bool) { return Wide(!a); }},
};

template <class T>
static void check_integers(const Named& op, Lane lane) {
    auto reference = integer_references.find(op.name);
    if (reference == integer_references.end()) return;
    const PointwiseKernels& k = op.set->of(Isa::baseline);
    CHECK(k.forward[int(lane)] != nullptr);
    constexpr size_t n = 5000;
    std::vector<T> x(n), y(n);
    for (size_t i = 0; i < n; i++) x[i] = random_value<T>(), y[i] = random_value<T>();
    const void* in[2] = {x.data(), y.data()};
    double p[param_slots] = {};
    set_param(p, 0, 1, 1);
    std::vector<T> out(n);
    std::vector<char> answer(n);
    k.forward[int(lane)](n, k.boolean_result ? static_cast<void*>(answer.data()) : out.data(), in, p);
    for (size_t i = 0; i < n; i++) {
        if (k.integer_divisor_check && y[i] == 0) continue;       // the caller refuses it: it must not trap, no more
        Wide exact = reference->second(x[i], y[i], 8 * sizeof(T), std::is_signed_v<T>);
        bool good = k.boolean_result ? answer[i] == char(exact) : out[i] == static_cast<T>(exact);
        if (good) continue;
        failures++;
        std::fprintf(stderr, "%s (lane dtype %d): wrong for %lld, %lld\n", op.name, int(lane),
                     static_cast<long long>(x[i]), static_cast<long long>(y[i]));
        break;
    }
}

using FloatReference = long double (*)(long double, long double);
struct FloatCheck {
    const char* name;
    FloatReference exact;
    double limit;          // in units of the last place
};
static long double remainder_of(long double a, long double b) {
    long double r = fmodl(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static long double larger_of(long double a, long double b) {
    return std::isnan(a) || std::isnan(b) ? NAN : a > b ? a : b;
}
static const FloatCheck float_checks[] = {
    {"add", [](long double a, long double b) { return a + b; }, 0.51},
    {"sub", [](long double a, long double b) { return a - b; }, 0.51},
    {"mul", [](long double a, long double b) { return a * b; }, 0.51},
    {"div", [](long double a, long double b) { return a / b; }, 0.51},
    {"fmod", [](long double a, long double b) { return fmodl(a, b); }, 0},
    {"remainder", remainder_of, 0.51},
    {"pow", [](long double a, long double b) { return powl(a, b); }, 2},
    {"atan2", [](long double a, long double b) { return atan2l(a, b); }, 2},
    {"hypot", [](long double a, long double b) { return hypotl(a, b); }, 2},
    {"maximum", larger_of, 0},
    {"minimum", [](long double a, long double b) { return -larger_of(-a, -b); }, 0},
    {"fmax", [](long double a, long double b) { return std::isnan(a) ? b : std::isnan(b) ? a : larger_of(a, b); }, 0},
    {"copysign", [](long double a, long double b) { return copysignl(a, b); }, 0},
};

template <class T>
static void check_floats(const Named& op, Lane lane) {
    for (const FloatCheck& check : float_checks) {
        if (std::string(check.name) != op.name) continue;
        constexpr size_t n = 40000;
        std::vector<T> x(n), y(n), out(n);
        // The second half in runs of one value, as a number that is broadcast gives them.
        for (size_t i = 0; i < n; i++)
            x[i] = random_value<T>(), y[i] = i > n / 2 && i % 64 ? y[i - 1] : random_value<T>();
        const void* in[2] = {x.data(), y.data()};
        double p[param_slots] = {};
    set_param(p, 0, 1, 1);
        for (int s = 0; s < isa_count; s++) {
            if (!isa_available(Isa(s))) continue;
            op.set->of(Isa(s)).forward[int(lane)](n, out.data(), in, p);
            for (size_t i = 0; i < n; i++) {
                long double exact = check.exact(x[i], y[i]);
                double error = out[i] == 0 && exact == 0 ? 0 : ulp_distance(out[i], exact);
                if (error <= check.limit) continue;
                failures++;
                std::fprintf(stderr,
                             "%s (lane dtype %d) on %s: off by %g units in the last place for %.17g, %.17g: %.17g\n",
                             op.name, int(lane), isa_name(Isa(s)), error, double(x[i]), double(y[i]), double(out[i]));
                break;
            }
        }
    }
}

static void results_match_scalar_references() {
    for (const Named& op : operators) {
        check_integers<uint8_t>(op, Lane::uint8);
        check_integers<int8_t>(op, Lane::int8);
        check_integers<int16_t>(op, Lane::int16);
        check_integers<int32_t>(op, Lane::int32);
        check_integers<int64_t>(op, Lane::int64);
        check_floats<float>(op, Lane::float32);
        check_floats<double>(op, Lane::float64);
    }
}

// Slopes against central differences in float64.
static void slopes_match_differences() {
    for (const Named& op : operators) {
        const PointwiseKernels& k = op.set->active();
        if (!k.backward[1]) continue;
        double p[param_slots] = {};
        params_of(op.name, p);
        const bool inside_one = std::string(op.name).find("erfinv") == 0 || op.name[0] == 'a' ||
                                op.name == std::string("logit");
        for (int i = 0; i < 200; i++) {
            // Away from the kinks, which lie at multiples of a quarter.
            double x = double(random_bits() % 12 + (inside_one ? 0 : 12 * (random_bits() % 2))) / 16 + 0.03 +
                       0.001 * double(i % 20);
            if (op.name == std::string("acosh")) x += 1.1;
            if (op.name == std::string("polygamma") || op.name == std::string("lgamma")) x += 0.5;
            constexpr double h = 1e-6;
            double points[3] = {x, x + h, x - h}, y[3], one = 1, slope;
            const void* at[1] = {points};
            k.forward[int(Lane::float64)](3, y, at, p);
            const void* in[3] = {&one, &x, y};
            k.backward[1](1, &slope, in, p);
            double difference = (y[1] - y[2]) / (2 * h);
            if (std::isnan(difference)) continue;
            if (std::fabs(slope - difference) <= 1e-4 * std::fmax(1, std::fabs(difference))) continue;
            failures++;
            std::fprintf(stderr, "%s: slope %.10g at %.10g, differences give %.10g\n", op.name, slope, x, difference);
            break;
        }
    }
}

}  // namespace rushlight

int main() {
    rushlight::instruction_sets_agree();
    rushlight::results_match_scalar_references();
    rushlight::slopes_match_differences();
    return checks_failed();
}
