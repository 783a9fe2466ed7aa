#include "ops/complex_slopes.h"

#include "ops/algebra.h"

namespace rushlight::complex_slope {

namespace {

// a / b, and 0 where b is 0; b is kept away from 0 so that no NaN reaches second derivatives.
Tensor ratio(const Tensor& a, const Tensor& b) {
    Tensor zero = eq(b, 0);
    return masked_fill(div(a, masked_fill(b, zero, 1)), zero, 0);
}

}  // namespace

void abs(Vjp& d) { d.to(0, mul(d.grad(), rushlight::sgn(d.input(0)))); }

// The roots are taken apart: the root of x^2 - 1 has another sign in the left half of the plane.
void acosh(Vjp& d) {
    Tensor x = d.input(0);
    d.to(0, mul(d.grad(), rushlight::conj(mul(rsqrt(sub(x, 1)), rsqrt(add(x, 1))))));
}

// The angle grows at right angles to the number, by the reciprocal of its length.
void angle(Vjp& d) {
    Tensor turned = mul(d.input(0), std::complex<double>(0, 1));
    d.to(0, mul(d.grad(), ratio(turned, square(rushlight::abs(d.input(0))))));
}

void conj(Vjp& d) { d.to(0, rushlight::conj(d.grad())); }

// What is left of the gradient without its part along the number, over the number's length.
void sgn(Vjp& d) {
    Tensor s = d.result(0), g = d.grad();
    Tensor along = mul(s, real(mul(rushlight::conj(s), g)));
    d.to(0, ratio(sub(g, along), rushlight::abs(d.input(0))));
}

// x / a with a = 1 + |x|, whose gradient lies along x.
void softsign(Vjp& d) {
    Tensor x = d.input(0), g = d.grad(), a = add(rushlight::abs(x), 1);
    Tensor along = mul(rushlight::sgn(x), div(real(mul(rushlight::conj(x), g)), square(a)));
    d.to(0, sub(div(g, a), along));
}

void absolute_error(Vjp& d) {
    Tensor g = mul(d.grad(), rushlight::sgn(sub(d.input(0), d.input(1))));
    if (d.needs(0)) d.to(0, g);
    if (d.needs(1)) d.to(1, neg(g));
}

}  // namespace rushlight::complex_slope
