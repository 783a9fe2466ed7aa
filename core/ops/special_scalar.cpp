// Special functions that few programs call: element-wise operators whose kernels work on single numbers.
#include "kernels/generic/scalar_tile.h"
#include "kernels/generic/special.h"
#include "ops/pointwise_record.h"

namespace rushlight {

#define SCALAR_OP(NAME, INPUTS, FUNCTION, SLOPES_, ...)                                                           \
    OP(NAME) = ::rushlight::pointwise_op(::rushlight::op_##NAME, #NAME, ::rushlight::family::float_result, INPUTS, \
                                         scalar_set<FUNCTION, INPUTS>(), ComplexKernels{}, SLOPES_,               \
                                         ::rushlight::PointwiseFields{__VA_ARGS__})
#define SCALAR_UNARY(NAME, FUNCTION, SLOPES_, ...) SCALAR_OP(NAME, 1, scalar::FUNCTION, SLOPES_, __VA_ARGS__)
#define SCALAR_BINARY(NAME, FUNCTION, SLOPES_, ...) SCALAR_OP(NAME, 2, scalar::FUNCTION, SLOPES_, __VA_ARGS__)

namespace {

// The operators that slopes name, as functions of tensors.
#define FUNCTION(NAME)                                     \
    template <class... Args>                               \
    Tensor NAME(const Args&... args) {                     \
        static const Op& op = required_op(#NAME);          \
        return invoke(op, args...);                        \
    }
FUNCTION(erfcx)
FUNCTION(i0)
FUNCTION(i0e)
FUNCTION(i1)
FUNCTION(i1e)
FUNCTION(bessel_j0)
FUNCTION(bessel_j1)
FUNCTION(bessel_y0)
FUNCTION(bessel_y1)
FUNCTION(modified_bessel_k0)
FUNCTION(modified_bessel_k1)
FUNCTION(scaled_modified_bessel_k0)
FUNCTION(scaled_modified_bessel_k1)
FUNCTION(lgamma)
FUNCTION(zeta)
#undef FUNCTION

// The derivative that neither PyTorch nor the books have in closed form.
[[noreturn]] Tensor no_derivative(const char* op, const char* argument) {
    fail(ErrorKind::not_implemented, op, ": the derivative for '", argument, "' is not implemented; expected ",
         argument, " without requires_grad");
}

// x^(a - 1) exp(-x) / gamma(a), the slope of the incomplete gamma function.
Tensor gamma_slope(const Tensor& a, const Tensor& x) { return exp((a - 1) * log(x) - x - lgamma(a)); }

}  // namespace

SCALAR_UNARY(erfcx, erfcx, SLOPE(2 * x * y - 1.12837916709551257390), .names = "special.erfcx out",
             .doc = "exp(x^2) erfc(x) of each element, exact where the factors would overflow or vanish (DLMF 7.2.3).",
             .domain = {-3, 20});
SCALAR_UNARY(ndtr, ndtr, SLOPE(0.39894228040143267794 * exp(-0.5 * x * x)), .names = "special.ndtr out",
             .doc = "The integral of the standard normal density from -inf to each element.", .domain = {-5, 3});
SCALAR_UNARY(log_ndtr, log_ndtr, SLOPE(0.79788456080286535588 / erfcx(-0.70710678118654752440 * x)),
             .names = "special.log_ndtr out",
             .doc = "The logarithm of ndtr of each element, exact where that vanishes.", .domain = {-20, 3});
SCALAR_UNARY(ndtri, ndtri, SLOPE(2.50662827463100050242 * exp(0.5 * y * y)), .names = "special.ndtri out",
             .doc = "The inverse of ndtr of each element, by Halley's method on its logarithm.",
             .domain = {0.02, 0.98});

SCALAR_UNARY(i0, i0, SLOPE(i1(x)), .aliases = "special.i0 special.modified_bessel_i0",
             .doc = "The modified Bessel function of the first kind of order 0 of each element (DLMF 10.25).",
             .domain = {-12, 12});
SCALAR_UNARY(i0e, i0e, SLOPE(i1e(x) - sign(x) * y), .names = "special.i0e out",
             .doc = "exp(-|x|) i0(x) of each element.", .domain = {0.1, 20});
SCALAR_UNARY(i1, i1, SLOPE(i0(x) - where(x == 0, 0.5, y / x)), .names = "special.i1 special.modified_bessel_i1 out",
             .doc = "The modified Bessel function of the first kind of order 1 of each element (DLMF 10.25).",
             .domain = {0.1, 12});
SCALAR_UNARY(i1e, i1e, SLOPE(i0e(x) - where(x == 0, 0.5, y * (sign(x) + 1 / x))), .names = "special.i1e out",
             .doc = "exp(-|x|) i1(x) of each element.", .domain = {0.1, 20});
SCALAR_UNARY(modified_bessel_k0, k0, SLOPE(-modified_bessel_k1(x)), .names = "special.modified_bessel_k0 out",
             .doc = "The modified Bessel function of the second kind of order 0 of each element (DLMF 10.25); inf at "
                    "0, NaN below.",
             .domain = {0.1, 20});
SCALAR_UNARY(modified_bessel_k1, k1, SLOPE(-modified_bessel_k0(x) - y / x), .names = "special.modified_bessel_k1 out",
             .doc = "The modified Bessel function of the second kind of order 1 of each element (DLMF 10.25); inf at "
                    "0, NaN below.",
             .domain = {0.1, 20});
SCALAR_UNARY(scaled_modified_bessel_k0, k0e, SLOPE(y - scaled_modified_bessel_k1(x)),
             .signature = "scaled_modified_bessel_k0(x: Tensor) -> Tensor",
             .names = "special.scaled_modified_bessel_k0 out",
             .doc = "exp(x) modified_bessel_k0(x) of each element.", .domain = {0.1, 20});
SCALAR_UNARY(scaled_modified_bessel_k1, k1e, SLOPE(y - scaled_modified_bessel_k0(x) - y / x),
             .signature = "scaled_modified_bessel_k1(x: Tensor) -> Tensor",
             .names = "special.scaled_modified_bessel_k1 out",
             .doc = "exp(x) modified_bessel_k1(x) of each element.", .domain = {0.1, 20});

SCALAR_UNARY(bessel_j0, bessel_j0, SLOPE(-bessel_j1(x)), .names = "special.bessel_j0 out",
             .doc = "The Bessel function of the first kind of order 0 of each element (DLMF 10.2), by the C library.",
             .domain = {-20, 20});
SCALAR_UNARY(bessel_j1, bessel_j1, SLOPE(bessel_j0(x) - where(x == 0, 0.5, y / x)), .names = "special.bessel_j1 out",
             .doc = "The Bessel function of the first kind of order 1 of each element (DLMF 10.2), by the C library.",
             .domain = {0.1, 20});
SCALAR_UNARY(bessel_y0, bessel_y0, SLOPE(-bessel_y1(x)), .names = "special.bessel_y0 out",
             .doc = "The Bessel function of the second kind of order 0 of each element (DLMF 10.2), by the C library; "
                    "-inf at 0, NaN below.",
             .domain = {0.1, 20});
SCALAR_UNARY(bessel_y1, bessel_y1, SLOPE(bessel_y0(x) - y / x), .names = "special.bessel_y1 out",
             .doc = "The Bessel function of the second kind of order 1 of each element (DLMF 10.2), by the C library; "
                    "-inf at 0, NaN below.",
             .domain = {0.1, 20});
SCALAR_UNARY(spherical_bessel_j0, spherical_bessel_j0, SLOPE(where(x == 0, 0, (cos(x) - y) / x)),
             .signature = "spherical_bessel_j0(x: Tensor) -> Tensor", .names = "special.spherical_bessel_j0 out",
             .doc = "sin(x) / x of each element, and 1 at 0: the spherical Bessel function of order 0 (DLMF 10.49).",
             .domain = {0.1, 20});
SCALAR_UNARY(airy_ai, airy_ai, NO_SLOPE("the derivative of Airy's function is no operator"),
             .signature = "airy_ai(x: Tensor) -> Tensor", .names = "special.airy_ai out",
             .doc = "Airy's function Ai of each element (DLMF 9.2).", .domain = {-12, 6});

SCALAR_BINARY(zeta, zeta, SLOPES(no_derivative("zeta", "input"), -x * zeta(x + 1, y)),
              .signature = "zeta(input: Tensor | Number, other: Tensor | Number) -> Tensor",
              .names = "special.zeta out",
              .doc = "Hurwitz' zeta function: the sum of (other + k)^-input over k >= 0, by Euler and Maclaurin's "
                     "formula (DLMF 25.11). inf where input is 1 or a term is, NaN where input is smaller.",
              .domain = {1.5, 9}, .samples = "(2.5, x); (3, x)");
SCALAR_BINARY(igamma, igamma, SLOPES(no_derivative("igamma", "input"), gamma_slope(x, y)),
              .signature = "igamma(input: Tensor, other: Tensor) -> Tensor", .aliases = "special.gammainc",
              .doc = "The regularised lower incomplete gamma function P(input, other) (DLMF 8.2): by its series, its "
                     "continued fraction, or Temme's expansion for large arguments.",
              .domain = {0.5, 9}, .samples = "igamma(T(3, 4).detach(), T(4))");
SCALAR_BINARY(igammac, igammac, SLOPES(no_derivative("igammac", "input"), -gamma_slope(x, y)),
              .signature = "igammac(input: Tensor, other: Tensor) -> Tensor", .aliases = "special.gammaincc",
              .doc = "The regularised upper incomplete gamma function Q(input, other) (DLMF 8.2), 1 - igamma, exact "
                     "where that is tiny.",
              .domain = {0.5, 9}, .samples = "igammac(T(3, 4).detach(), T(4))");

#define POLYNOMIAL(NAME, FUNCTION, DOC)                                                                             \
    SCALAR_BINARY(NAME, FUNCTION, NO_SLOPE("PyTorch has no derivative of it"),                                      \
                  .signature = #NAME "(x: Tensor | Number, n: Tensor | Number) -> Tensor",                          \
                  .names = "special." #NAME " out", .doc = DOC " of degree n, which is cut to a whole number, at x; " \
                  "0 where n is negative.", .domain = {-1.5, 1.5}, .samples = "(x, 3); (x, 11)")
POLYNOMIAL(chebyshev_polynomial_t, chebyshev_t, "Chebyshev's polynomial of the first kind (DLMF 18.3)");
POLYNOMIAL(chebyshev_polynomial_u, chebyshev_u, "Chebyshev's polynomial of the second kind (DLMF 18.3)");
POLYNOMIAL(chebyshev_polynomial_v, chebyshev_v, "Chebyshev's polynomial of the third kind (DLMF 18.3)");
POLYNOMIAL(chebyshev_polynomial_w, chebyshev_w, "Chebyshev's polynomial of the fourth kind (DLMF 18.3)");
POLYNOMIAL(hermite_polynomial_h, hermite_h, "Hermite's polynomial of the physicists (DLMF 18.3)");
POLYNOMIAL(hermite_polynomial_he, hermite_he, "Hermite's polynomial of the probabilists (DLMF 18.3)");
POLYNOMIAL(laguerre_polynomial_l, laguerre_l, "Laguerre's polynomial (DLMF 18.3), by n steps,");
POLYNOMIAL(legendre_polynomial_p, legendre_p, "Legendre's polynomial (DLMF 18.3), by n steps,");

namespace {

template <double (*function)(double, double)>
double shifted(double x, double n) { return function(2 * x - 1, n); }

}  // namespace

#define SHIFTED(NAME, FUNCTION, DOC)                                                                                \
    SCALAR_OP(NAME, 2, shifted<scalar::FUNCTION>, NO_SLOPE("PyTorch has no derivative of it"),                      \
              .signature = #NAME "(x: Tensor | Number, n: Tensor | Number) -> Tensor",                              \
              .names = "special." #NAME " out",                                                                     \
              .doc = DOC " of degree n, which is cut to a whole number, at 2 x - 1 (DLMF 18.3).",                   \
              .domain = {0.0, 1.2}, .samples = "(x, 3); (x, 11)")
SHIFTED(shifted_chebyshev_polynomial_t, chebyshev_t, "Chebyshev's polynomial of the first kind");
SHIFTED(shifted_chebyshev_polynomial_u, chebyshev_u, "Chebyshev's polynomial of the second kind");
SHIFTED(shifted_chebyshev_polynomial_v, chebyshev_v, "Chebyshev's polynomial of the third kind");
SHIFTED(shifted_chebyshev_polynomial_w, chebyshev_w, "Chebyshev's polynomial of the fourth kind");

}  // namespace rushlight
