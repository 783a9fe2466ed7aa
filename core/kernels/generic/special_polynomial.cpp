// Orthogonal polynomials by their recurrences (DLMF 18.9); Chebyshev's of high degree by angles (DLMF 18.5).
#include <math.h>

#include <cstdint>
#include <limits>

#include "kernels/generic/special.h"

namespace rushlight::scalar {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t few = 16;         // up to this degree the recurrence is the more exact way

// A degree as a whole number; what is too large is cut, NaN was refused before.
int64_t whole(double n) { return n >= 0x1p62 ? int64_t(1) << 62 : n <= -1 ? -1 : int64_t(n); }
double odd_sign(double x, int64_t n) { return x < 0 && n % 2 ? -1.0 : 1.0; }

// Degrees 0 and 1 are `one` and `first`; next(k, this, last) is degree k + 1. It ends where numbers do.
template <class Next>
double recurrence(int64_t n, double first, Next next) {
    if (n == 0) return 1;
    double last = 1, now = first;
    for (int64_t k = 1; k < n && fabs(now) < infinity; ++k) {
        double after = next(double(k), now, last);
        last = now;
        now = after;
    }
    return now;
}

double chebyshev_step(double x, int64_t n, double first) {
    return recurrence(n, first, [x](double, double now, double last) { return 2 * x * now - last; });
}

// The third kind for x >= 0, which is the fourth with another sign for x <= 0.
double third_right(double x, int64_t n) {
    if (x == 1) return 1;
    if (n <= few) return chebyshev_step(x, n, 2 * x - 1);
    double degree = double(n) + 0.5;
    return x < 1 ? cos(degree * acos(x)) / sqrt((1 + x) / 2) : cosh(degree * acosh(x)) / sqrt((1 + x) / 2);
}
double fourth_right(double x, int64_t n) {
    if (x == 1) return double(n) * 2 + 1;
    if (n <= few) return chebyshev_step(x, n, 2 * x + 1);
    double degree = double(n) + 0.5;
    return x < 1 ? sin(degree * acos(x)) / sqrt((1 - x) / 2) : sinh(degree * acosh(x)) / sqrt((x - 1) / 2);
}

}  // namespace

double chebyshev_t(double x, double n_) {
    if (x != x || n_ != n_) return nan;
    int64_t n = whole(n_);
    if (n < 0 || (x == 0 && n % 2)) return 0;
    double a = fabs(x);
    double value = n <= few ? chebyshev_step(a, n, a) : a <= 1 ? cos(double(n) * acos(a)) : cosh(double(n) * acosh(a));
    return odd_sign(x, n) * value;
}

double chebyshev_u(double x, double n_) {
    if (x != x || n_ != n_) return nan;
    int64_t n = whole(n_);
    if (n < 0 || (x == 0 && n % 2)) return 0;
    double a = fabs(x), degree = double(n) + 1;
    double value = a == 1     ? degree
                   : n <= few ? chebyshev_step(a, n, 2 * a)
                   : a < 1    ? sin(degree * acos(a)) / sqrt((1 - a) * (1 + a))
                              : sinh(degree * acosh(a)) / sqrt((a - 1) * (a + 1));
    return odd_sign(x, n) * value;
}

double chebyshev_v(double x, double n_) {
    if (x != x || n_ != n_) return nan;
    int64_t n = whole(n_);
    if (n < 0) return 0;
    return x >= 0 ? third_right(x, n) : odd_sign(x, n) * fourth_right(-x, n);
}

double chebyshev_w(double x, double n_) {
    if (x != x || n_ != n_) return nan;
    int64_t n = whole(n_);
    if (n < 0) return 0;
    return x >= 0 ? fourth_right(x, n) : odd_sign(x, n) * third_right(-x, n);
}

// Where the numbers end: infinite right of the zeros, unknown between them.
static double beyond(double value, double x, double last_zero) {
    return fabs(value) < infinity ? value : fabs(x) > last_zero ? infinity : nan;
}

double hermite_h(double x, double n_) {
    if (x != x || n_ != n_) return nan;
    int64_t n = whole(n_);
    if (n < 0 || (x == 0 && n % 2)) return 0;
    double a = fabs(x);
    double value = recurrence(n, 2 * a, [a](double k, double now, double last) { return 2 * (a * now - k * last); });
    return odd_sign(x, n) * beyond(value, x, sqrt(2 * double(n) + 1));
}

double hermite_he(double x, double n_) {
    if (x != x || n_ != n_) return nan;
    int64_t n = whole(n_);
    if (n < 0 || (x == 0 && n % 2)) return 0;
    double a = fabs(x);
    double value = recurrence(n, a, [a](double k, double now, double last) { return a * now - k * last; });
    return odd_sign(x, n) * beyond(value, x, sqrt(4 * double(n) + 2));
}

// Degrees whose recurrence would take a second and more: the result is nan.
constexpr int64_t too_many_steps = int64_t(1) << 27;

double laguerre_l(double x, double n_) {
    if (x != x || n_ != n_) return nan;
    int64_t n = whole(n_);
    if (n > too_many_steps) return nan;
    if (n < 0) return 0;
    if (x == 0) return 1;
    return recurrence(n, 1 - x, [x](double k, double now, double last) {
        return ((2 * k + 1 - x) * now - k * last) / (k + 1);
    });
}

double legendre_p(double x, double n_) {
    if (x != x || n_ != n_) return nan;
    int64_t n = whole(n_);
    if (n > too_many_steps) return nan;
    if (n < 0) return 0;
    double a = fabs(x);
    if (a == 1) return odd_sign(x, n);
    return odd_sign(x, n) * recurrence(n, a, [a](double k, double now, double last) {
        return ((2 * k + 1) * a * now - k * last) / (k + 1);
    });
}

}  // namespace rushlight::scalar
