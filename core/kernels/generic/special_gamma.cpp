// The normal distribution, the incomplete gamma function and Hurwitz' zeta function.
#include <math.h>

#include <cstddef>
#include <limits>

#include "kernels/generic/scalar_math.h"
#include "kernels/generic/special.h"
#include "kernels/generic/special_tables.h"

namespace rushlight::scalar {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double sqrt_half = 0.70710678118654752440;

// exp(scale x^2), with what the square's rounding lost.
double exp_of_square(double scale, double x) {
    double square = x * x;
    if (square > 1e4) return scale > 0 ? infinity : 0;
    return exp(scale * square) * (1 + scale * fma(x, x, -square));
}

}  // namespace

double erfcx(double x) {
    if (x < -27) return infinity;
    if (x < 25) return exp_of_square(1, x) * erfc(x);
    double half = 0.5 / (x * x), sum = 1;                // DLMF 7.12.1
    for (int k = 13; k > 0; k -= 2) sum = 1 - k * half * sum;
    return 0.56418958354775628695 / x * sum;
}

double ndtr(double x) {
    return x < -1 ? 0.5 * exp_of_square(-0.5, x) * erfcx(-x * sqrt_half) : 0.5 * erfc(-x * sqrt_half);
}

double log_ndtr(double x) {
    if (x >= -1) return log1p(-ndtr(-x));
    return log(0.5 * erfcx(-x * sqrt_half)) - 0.5 * x * x;
}

double ndtri(double p) {
    if (!(p > 0 && p < 1)) return p == 0 ? -infinity : p == 1 ? infinity : nan;
    if (p > 0.75) return -ndtri(1 - p);
    if (p >= 0.25) return erfinv(2 * p - 1) / sqrt_half;
    // Abramowitz and Stegun 26.2.23 (error 5e-4), then Halley's cubic steps on the logarithm.
    double goal = log(p), t = sqrt(-2 * goal);
    double y = (2.515517 + t * (0.802853 + t * 0.010328)) /
                   (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    for (int i = 0; i < 2; ++i) {
        double slope = 0.79788456080286535588 / erfcx(-y * sqrt_half), step = (log_ndtr(y) - goal) / slope;
        y -= step / (1 + 0.5 * step * (slope + y));
    }
    return y;
}

// ---- Hurwitz' zeta function -----------------------------------------------------------------------------------------

// For s > 1 and x > 0, by Euler and Maclaurin (DLMF 25.11.5).
static double zeta_right(double s, double x) {
    if (x == infinity) return 0;
    if (s == infinity) return x < 1 ? infinity : x == 1;
    double sum = 0;
    for (double end = s + 12; x < end; x += 1) {
        double term = pow(x, -s);
        sum += term;
        if (term * (1 + x / (s - 1)) <= 0.1 * epsilon * sum) return sum;
    }
    // Bernoulli numbers over factorials: B2/2!, B4/4!, ...
    constexpr double b[] = {1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160,
                            -691.0 / 1307674368000.0, 1.0 / 74724249600.0, -3617.0 / 10670622842880000.0,
                            43867.0 / 5109094217170944000.0, -174611.0 / 802857662698291200000.0};
    double rising = s / x, tail = 0;
    for (int k = 0; k < 10; ++k) {
        tail += b[k] * rising;
        rising *= (s + 2 * k + 1) / x * ((s + 2 * k + 2) / x);
    }
    double power = pow(x, -s);
    return power == 0 ? sum : sum + power * (x / (s - 1) + 0.5 + tail);
}

double zeta(double s, double q) {
    if (s == 1) return infinity;
    if (!(s > 1) || q != q) return nan;
    if (q > 0) return zeta_right(s, q);
    if (q == floor(q)) return infinity;
    if (s != floor(s)) return nan;
    // The terms right of 0, and those left of it as the difference of two series.
    double fraction = q - floor(q), left = zeta_right(s, 1 - fraction) - zeta_right(s, 1 - q);
    return zeta_right(s, fraction) + (fmod(s, 2) == 0 ? left : -left);
}

// ---- the incomplete gamma function ----------------------------------------------------------------------------------

namespace {

// a log(a / x) + x - a, exact where a and x are close (Loader, Fast and accurate computation of binomial probabilities,
// 2000).
double deviance(double a, double x) {
    if (fabs(a - x) >= 0.3 * (a + x)) return a * log(a / x) + x - a;
    double v = (a - x) / (a + x), sum = (a - x) * v, term = 2 * a * v;
    for (int k = 3; k < 1000; k += 2) {
        term *= v * v;
        double next = sum + term / k;
        if (next == sum) break;
        sum = next;
    }
    return sum;
}

// x^a exp(-x) / gamma(a + 1).
double gamma_density(double a, double x) {
    if (a < 16) {
        double half = exp(-x / 2);
        return pow(x, a) * half / tgamma(a + 1) * half;
    }
    double z = 1 / (a * a);                              // Stirling's series, DLMF 5.11.1
    double stirling = (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z * (1.0 / 1188 -
                      z * 691.0 / 360360))))) / a;
    return exp(-stirling - deviance(a, x)) / sqrt(6.28318530717958647693 * a);
}

// The lower function by its series, DLMF 8.11.4, added up from its end.
double lower_series(double a, double x) {
    int last = 1;
    for (double term = 1; term > 0.01 * epsilon; ++last) term *= x / (a + last);
    double sum = 1;
    for (int k = last; k > 0; --k) sum = 1 + sum * (x / (a + k));
    return gamma_density(a, x) * sum;
}

// The upper function by its continued fraction, DLMF 8.9.2. Lentz' method finds how far it has to go; from there back
// to the front, no error grows.
double upper_fraction(double a, double x) {
    double b = x + 1 - a, c = infinity, d = 1 / b;
    int last = 1;
    for (; last < 10000; ++last) {
        double numerator = last * (a - last);
        b += 2;
        d = 1 / (numerator * d + b);
        c = b + numerator / c;
        if (fabs(c * d - 1) < epsilon) break;
    }
    double value = b;
    for (int k = last; k > 0; --k) value = x + 2 * k - 1 - a + k * (a - k) / value;
    return gamma_density(a, x) * a / value;
}

// log(gamma(1 + a)), exact for small a (DLMF 5.7.3).
double log_gamma_one_plus(double a) {
    if (a > 0.5) return lgamma(1 + a);
    constexpr double one_less_euler = 0.42278433509846713939;
    double sum = 0;
    for (int k = int(sizeof(tables::zeta_less_one) / sizeof(double)) - 1; k >= 0; --k)
        sum = tables::zeta_less_one[k] - a * sum;
    return a * (one_less_euler + a * sum) - log1p(a);
}

// The upper function for a < 1 and x near 0, where the lower one is close to 1 (DLMF 8.7.1).
double upper_small(double a, double x) {
    double power = a * log(x) - log_gamma_one_plus(a), sum = 0, term = 1;
    for (int n = 1; n < 100; ++n) {
        term *= -x / n;
        double next = sum + term / (a + n);
        if (next == sum) break;
        sum = next;
    }
    return -expm1(power) - exp(power) * a * sum;
}

template <size_t n>
double polynomial(const double (&c)[n], double x) {
    double sum = 0;
    for (size_t k = n; k-- > 0;) sum = sum * x + c[k];
    return sum;
}

// The smaller of both functions for large a and x near it: Temme's expansion, DLMF 8.12.3 to 8.12.7.
double uniform_tail(double a, double x) {
    double half_square = deviance(a, x), eta = copysign(sqrt(2 * half_square / a), x - a);
    double sum = polynomial(tables::temme4, eta);
    sum = polynomial(tables::temme3, eta) + sum / a;
    sum = polynomial(tables::temme2, eta) + sum / a;
    sum = polynomial(tables::temme1, eta) + sum / a;
    sum = (polynomial(tables::temme0, eta) + sum / a) / sqrt(6.28318530717958647693 * a);
    return exp(-half_square) * (0.5 * erfcx(sqrt(half_square)) + (x < a ? -sum : sum));
}

// For a > 0 and x > 0, both finite.
double incomplete_gamma(double a, double x, bool upper) {
    if (a >= 500 && fabs(x - a) < 0.3 * a) {
        double tail = uniform_tail(a, x);
        return upper == (x >= a) ? tail : 1 - tail;
    }
    if (x < 1.1 && a < 1) return upper ? upper_small(a, x) : lower_series(a, x);
    if (x < a) {
        double lower = lower_series(a, x);
        return upper ? 1 - lower : lower;
    }
    double value = upper_fraction(a, x);
    return upper ? value : 1 - value;
}

// From 0 to x (`upper` false) or on; the limits as PyTorch has them.
double regularised_gamma(double a, double x, bool upper) {
    if (!(a >= 0 && x >= 0)) return nan;
    if ((a == 0 && x == 0) || (a == infinity && x == infinity)) return nan;
    if (a == 0 || x == infinity) return upper ? 0 : 1;
    if (x == 0 || a == infinity) return upper ? 1 : 0;
    return incomplete_gamma(a, x, upper);
}

}  // namespace

double igamma(double a, double x) { return regularised_gamma(a, x, false); }
double igammac(double a, double x) { return regularised_gamma(a, x, true); }

}  // namespace rushlight::scalar
