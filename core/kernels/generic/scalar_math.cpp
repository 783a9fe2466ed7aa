#include "kernels/generic/scalar_math.h"

#include <math.h>

#include <limits>

namespace rushlight::scalar {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double pi = 3.14159265358979323846;

// One step of Halley's method on erf(y) = x for 0 <= x < 1; near 1 on erfc, where 1 - x is exact.
static double improve_erfinv(double y, double x) {
    double residual = x < 0.5 ? erf(y) - x : (1 - x) - erfc(y);
    double slope = 1.12837916709551257390 * exp(-y * y);
    double step = residual / slope;
    return y - step / (1 + y * step);
}

double erfinv(double x) {
    double a = fabs(x);
    if (!(a < 1)) return a == 1 ? copysign(infinity, x) : nan;
    if (a < 1e-8) return x * 0.88622692545275801365;          // the next term is below the last digit
    // Winitzki's approximation (relative error 2e-3), then Halley's cubic convergence.
    double l = log1p(-a * a), t = 2 / (pi * 0.147) + l / 2;
    double y = sqrt(sqrt(t * t - l / 0.147) - t);
    for (int i = 0; i < 3; i++) y = improve_erfinv(y, a);
    return copysign(y, x);
}

double digamma(double x) {
    if (x == 0) return copysign(infinity, -x);
    double result = 0;
    if (x < 0) {
        if (x == trunc(x)) return nan;
        // Reflection; the tangent's argument is reduced first, which keeps it exact.
        double fraction = x - floor(x);
        result = -pi / tan(pi * fraction);
        x = 1 - x;
    }
    if (x == infinity) return infinity;
    for (; x < 12; x += 1) result -= 1 / x;
    double z = 1 / (x * x);
    double series = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 -
                    z * (691.0 / 32760 - z / 12))))));
    return result + log(x) - 0.5 / x - series;
}

// The sum over k >= 0 of 1 / (x + k)^s, for s > 1 and x > 0 (Euler and Maclaurin).
static double hurwitz_zeta(double s, double x) {
    double sum = 0;
    for (; x < 20; x += 1) sum += pow(x, -s);
    // Bernoulli numbers over factorials: B2/2!, B4/4!, ...
    constexpr double b[] = {1.0 / 12,       -1.0 / 720,     1.0 / 30240,
                            -1.0 / 1209600, 1.0 / 47900160, -691.0 / 1307674368000.0};
    double power = pow(x, -s), rising = s / x, tail = 0;
    for (int k = 0; k < 6; k++) {
        tail += b[k] * rising;
        rising *= (s + 2 * k + 1) * (s + 2 * k + 2) / (x * x);
    }
    return sum + power * (x / (s - 1) + 0.5 + tail);
}

// The derivative of that order of cot, by the polynomial in cot that it is.
static double cot_derivative(int order, double angle) {
    constexpr int most = 64;
    if (order >= most) return nan;
    double c[most + 2] = {0, 1}, next[most + 2];
    for (int step = 0; step < order; step++) {           // cot' = -(1 + cot^2)
        for (double& v : next) v = 0;
        for (int i = 1; i <= step + 1; i++) {
            next[i - 1] -= i * c[i];
            next[i + 1] -= i * c[i];
        }
        for (int i = 0; i < most + 2; i++) c[i] = next[i];
    }
    double cot = 1 / tan(angle), value = 0;
    for (int i = order + 1; i >= 0; i--) value = value * cot + c[i];
    return value;
}

double polygamma(int order, double x) {
    if (order < 0 || x != x) return nan;
    if (order == 0) return digamma(x);
    double sign = order % 2 ? 1 : -1;
    if (x > 0) return x == infinity ? 0 : sign * tgamma(order + 1.0) * hurwitz_zeta(order + 1, x);
    if (x == trunc(x)) return sign * infinity;
    // Reflection: polygamma(n, x) = (-1)^n polygamma(n, 1 - x) - pi^(n + 1) cot^(n)(pi x).
    double fraction = x - floor(x);
    return -sign * polygamma(order, 1 - x) - pow(pi, order + 1) * cot_derivative(order, pi * fraction);
}

double lgamma(double x) {
    int sign;
    return ::lgamma_r(x, &sign);
}

}  // namespace rushlight::scalar
