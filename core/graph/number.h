// Python's arithmetic of ints (here of 64 bits: what does not fit raises an overflow error) and floats.
#pragma once

#include <compare>

#include "graph/item.h"

namespace rushlight::graph {

// Exact, also between an int and a float. Unordered where one is nan.
std::partial_ordering order(const Item& a, const Item& b);

// The whole number that a float is; `who` begins the error where it is nan, infinite or too large.
int64_t whole(double x, const char* who);
double rounded(double x, int64_t digits);            // round(x, digits)
int64_t rounded(int64_t x, int64_t digits);
double divided(int64_t a, int64_t b);                // a / b, rounded once
double power(double a, double b, const char* who);
std::string represented(double x);                   // repr: the shortest digits that give x again

}  // namespace rushlight::graph
