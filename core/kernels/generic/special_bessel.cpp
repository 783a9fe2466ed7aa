// Bessel functions and Airy's, from Chebyshev series (special_tables.h). DLMF chapters 9 and 10.
#include <math.h>

#include <cstddef>
#include <limits>

#include "kernels/generic/special.h"
#include "kernels/generic/special_tables.h"

namespace rushlight::scalar {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Clenshaw's sum of c[k] T_k(t), -1 <= t <= 1.
template <size_t n>
double chebyshev(const double (&c)[n], double t) {
    double b = 0, after = 0;
    for (size_t k = n - 1; k > 0; --k) {
        double before = 2 * t * b - after + c[k];
        after = b;
        b = before;
    }
    return t * b - after + c[0];
}

}  // namespace

double i0e(double x) {
    double a = fabs(x);
    return a <= 8 ? chebyshev(tables::i0_near, a / 4 - 1) : chebyshev(tables::i0_far, 16 / a - 1) / sqrt(a);
}

double i1e(double x) {
    double a = fabs(x);
    if (a <= 8) return x * chebyshev(tables::i1_near, a / 4 - 1);
    return copysign(chebyshev(tables::i1_far, 16 / a - 1) / sqrt(a), x);
}

// In two factors: the exponential overflows before the function does.
static double unscaled(double scaled, double a) {
    double half = exp(a / 2);
    return half == infinity ? copysign(half, scaled) : half * scaled * half;
}
double i0(double x) { return unscaled(i0e(x), fabs(x)); }
double i1(double x) { return unscaled(i1e(x), fabs(x)); }

static double k0_near(double x) { return chebyshev(tables::k0_near, x * x / 2 - 1) - log(x / 2) * i0(x); }
static double k1_near(double x) { return chebyshev(tables::k1_near, x * x / 2 - 1) / x + log(x / 2) * i1(x); }
static double k0_far(double x) { return chebyshev(tables::k0_far, 4 / x - 1) / sqrt(x); }
static double k1_far(double x) { return chebyshev(tables::k1_far, 4 / x - 1) / sqrt(x); }

double k0(double x) {
    if (x <= 0) return x == 0 ? infinity : nan;
    return x <= 2 ? k0_near(x) : exp(-x) * k0_far(x);
}
double k0e(double x) {
    if (x <= 0) return x == 0 ? infinity : nan;
    return x <= 2 ? exp(x) * k0_near(x) : k0_far(x);
}
double k1(double x) {
    if (x <= 0) return x == 0 ? infinity : nan;
    return x <= 2 ? k1_near(x) : exp(-x) * k1_far(x);
}
double k1e(double x) {
    if (x <= 0) return x == 0 ? infinity : nan;
    return x <= 2 ? exp(x) * k1_near(x) : k1_far(x);
}

// The C library of every POSIX system has these.
double bessel_j0(double x) { return ::j0(x); }
double bessel_j1(double x) { return ::j1(x); }
double bessel_y0(double x) { return x < 0 ? nan : ::y0(x); }
double bessel_y1(double x) { return x < 0 ? nan : ::y1(x); }

double spherical_bessel_j0(double x) {
    if (x == 0) return 1;
    return fabs(x) == infinity ? 0 : sin(x) / x;
}

double airy_ai(double x) {
    if (x >= -4 && x <= 0) return chebyshev(tables::airy_below, x / 2 + 1);
    if (x > 0 && x <= 2) return exp(-x) * chebyshev(tables::airy_above, x - 1);
    if (fabs(x) > 1e100) return 0;
    // zeta = 2/3 |x|^(3/2) in two parts: its last digit moves the result by zeta digits.
    double a = fabs(x), s = sqrt(a), s_rest = fma(-s, s, a) / (2 * s);
    double cube = a * s, cube_rest = fma(a, s, -cube) + a * s_rest;
    double zeta = 2 * cube / 3, rest = (fma(-3, zeta, 2 * cube) + 2 * cube_rest) / 3;
    double quarter_power = sqrt(s);
    constexpr double sqrt_pi = 1.77245385090551602730, sqrt_half = 0.70710678118654752440;
    if (x > 0) {
        double farthest = 0.75 * sqrt_half;              // 1 / zeta at x = 2
        return exp(-zeta) * (1 - rest) * chebyshev(tables::airy_far, 2 / (zeta * farthest) - 1) /
               (2 * sqrt_pi * quarter_power);
    }
    double sine = sin(zeta), cosine = cos(zeta);
    double s1 = sine + rest * cosine, c1 = cosine - rest * sine;
    double t = 512.0 / 9 / (zeta * zeta) - 1;            // zeta^2 is 256/9 at x = -4
    return sqrt_half * ((s1 + c1) * chebyshev(tables::airy_sine, t) -
                        (c1 - s1) * chebyshev(tables::airy_cosine, t) / zeta) / (sqrt_pi * quarter_power);
}

}  // namespace rushlight::scalar
