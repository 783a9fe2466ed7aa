// Scalar functions that the C library lacks, for the lanes of vectors. Compiled once, for the baseline.
#pragma once

namespace rushlight::scalar {

double erfinv(double x);
double digamma(double x);
double polygamma(int order, double x);      // digamma's derivative of that order
double lgamma(double x);      // unlike the C library's, it writes no global sign

}  // namespace rushlight::scalar
