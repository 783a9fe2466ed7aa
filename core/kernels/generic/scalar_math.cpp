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

double lgamma(double x) {
    int sign;
    return ::lgamma_r(x, &sign);
}

}  // namespace rushlight::scalar
