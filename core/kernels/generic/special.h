// Special functions of single numbers, for element-wise operators. Compiled once, for the baseline. Outside a
// function's domain the result is NaN.
#pragma once

namespace rushlight::scalar {

double erfcx(double x);               // exp(x^2) erfc(x)
double ndtr(double x);                // the normal distribution's integral up to x,
double log_ndtr(double x);            // its logarithm
double ndtri(double p);               // and its inverse

double i0(double x);                  // modified Bessel functions; those ending in e are scaled by exp(-|x|), of the
double i0e(double x);                 // second kind by exp(x)
double i1(double x);
double i1e(double x);
double k0(double x);
double k0e(double x);
double k1(double x);
double k1e(double x);
double bessel_j0(double x);
double bessel_j1(double x);
double bessel_y0(double x);
double bessel_y1(double x);
double spherical_bessel_j0(double x);
double airy_ai(double x);

double zeta(double s, double q);      // Hurwitz'
double igamma(double a, double x);    // the regularised incomplete gamma function from 0 to x
double igammac(double a, double x);   // and from x on

// Orthogonal polynomials of degree n, which is cut to a whole number; 0 where that is negative.
double chebyshev_t(double x, double n);
double chebyshev_u(double x, double n);
double chebyshev_v(double x, double n);
double chebyshev_w(double x, double n);
double hermite_h(double x, double n);
double hermite_he(double x, double n);
double laguerre_l(double x, double n);
double legendre_p(double x, double n);

}  // namespace rushlight::scalar
