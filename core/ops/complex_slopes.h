// Gradients for complex inputs of the functions that have no complex derivative, or another one than the real formula.
#pragma once

#include "registry/vjp.h"

namespace rushlight::complex_slope {

void abs(Vjp& d);
void acosh(Vjp& d);
void angle(Vjp& d);
void conj(Vjp& d);
void sgn(Vjp& d);
void softsign(Vjp& d);
void absolute_error(Vjp& d);

}  // namespace rushlight::complex_slope
