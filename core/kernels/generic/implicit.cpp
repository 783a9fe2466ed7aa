#include "kernels/generic/implicit.h"

#include <math.h>

#include "kernels/generic/scalar_math.h"

namespace rushlight::kernels {

namespace {

constexpr double tiny = 1e-300;
constexpr int most_terms = 200000;

// A number and its derivative by the parameter.
struct Dual {
    double v, d;
};
Dual operator+(Dual x, Dual y) { return {x.v + y.v, x.d + y.d}; }
Dual operator*(Dual x, Dual y) { return {x.v * y.v, x.d * y.v + x.v * y.d}; }
Dual operator/(Dual x, Dual y) {
    double q = x.v / y.v;
    return {q, (x.d - q * y.d) / y.v};
}
Dual constant(double v) { return {v, 0}; }
Dual apart_from_zero(Dual x) { return fabs(x.v) < tiny ? Dual{tiny, x.d} : x; }

// One step of Lentz's method: f times the ratio of successive convergents, for the partial numerator and denominator.
struct Fraction {
    Dual f, c, d;
    // Whether the step changed anything.
    bool step(Dual numerator, Dual denominator) {
        d = constant(1) / apart_from_zero(denominator + numerator * d);
        c = apart_from_zero(denominator + numerator / c);
        Dual ratio = c * d;
        f = f * ratio;
        return fabs(ratio.v - 1) > 1e-16 || fabs(ratio.d) > 1e-16 * (1 + fabs(f.d / f.v));
    }
};

// The quantile's expansion in powers of a^-1/2 around a normal quantile n (Cornish and Fisher), for large a.
double large_gamma_slope(double a, double x) {
    double root = sqrt(a), n = (x - a) / root;
    for (int i = 0; i < 4; i++) {
        double value = a + root * n + (n * n - 1) / 3 + (n * n * n - 7 * n) / (36 * root);
        n -= (value - x) / (root + 2 * n / 3 + (3 * n * n - 7) / (36 * root));
    }
    return 1 + n / (2 * root) - (n * n * n - 7 * n) / (72 * a * root)
        + (3 * n * n * n * n + 7 * n * n - 16) / (810 * a * a);
}

// I_x(a, b) a / (x^a (1 - x)^b / B(a, b)) as a continued fraction, with its derivative by a or by b.
Dual beta_fraction(Dual a, Dual b, double x) {
    Fraction f{constant(1), constant(1), constant(1) / apart_from_zero(constant(1) + Dual{-x, 0} * (a + b)
                                                                     / (a + constant(1)))};
    f.f = f.d;
    for (int m = 1; m < most_terms; m++) {
        Dual twice = a + constant(2 * m);
        Dual even = constant(m * x) * (b + constant(-m)) / ((twice + constant(-1)) * twice);
        Dual odd = constant(-x) * (a + constant(m)) * (a + b + constant(m)) / (twice * (twice + constant(1)));
        bool moved = f.step(even, constant(1));
        moved = f.step(odd, constant(1)) || moved;
        if (!moved) break;
    }
    return f.f;
}

}  // namespace

double gamma_slope(double a, double x) {
    if (!(a > 0) || !(x > 0)) return x == 0 && a > 0 ? 0 : NAN;
    if (a > 2e4) return large_gamma_slope(a, x);
    if (x < a + 1 || x < 1) {                           // the lower incomplete gamma function's series
        Dual term = constant(1), sum = term;
        for (int n = 1; n < most_terms; n++) {          // term x / (a + n), with one division
            double inverse = 1 / (a + n), ratio = x * inverse;
            term.v *= ratio;
            term.d = term.d * ratio - term.v * inverse;
            sum = sum + term;
            if (term.v < 1e-17 * sum.v && fabs(term.d) < 1e-17 * fabs(sum.d)) break;
        }
        return -x / a * (sum.v * (log(x) - scalar::digamma(a + 1)) + sum.d);
    }
    // The upper one's continued fraction (Legendre).
    Dual b{x + 1 - a, -1};
    Fraction f{constant(1) / b, constant(1 / tiny), constant(1) / b};
    for (int n = 1; n < most_terms; n++) {
        b.v += 2;
        if (!f.step(Dual{n * (a - n), double(n)}, b)) break;
    }
    return x * (f.f.v * (log(x) - scalar::digamma(a)) + f.f.d);
}

double beta_slope(double x, double a, double b) {
    if (!(a > 0) || !(b > 0) || !(x >= 0) || !(x <= 1)) return NAN;
    if (x == 0 || x == 1) return 0;
    double both = scalar::digamma(a + b);
    if (x <= (a + 1) / (a + b + 2)) {
        Dual cf = beta_fraction({a, 1}, constant(b), x);
        return -x / a * (cf.v * (log(x) + both - scalar::digamma(a) - 1 / a) + cf.d);
    }
    // The other tail: a is its second parameter.
    Dual cf = beta_fraction(constant(b), {a, 1}, 1 - x);
    return x / b * (cf.v * (log(x) + both - scalar::digamma(a)) + cf.d);
}

}  // namespace rushlight::kernels
