// How a draw moves with its distribution's parameter when the probability below it is held (implicit
// reparametrisation, Figurnov et al., 2018): -(dF/dparameter) / density, by series and continued fractions that are
// differentiated term by term.
#pragma once

namespace rushlight::kernels {

// A gamma draw x of scale 1 as its shape parameter a moves.
double gamma_slope(double a, double x);

// A beta draw x as its first parameter a moves, divided by 1 - x; the second parameter is b.
double beta_slope(double x, double a, double b);

}  // namespace rushlight::kernels
