// The text of a graph whose sizes may vary: expressions of sizes stand where a graph has numbers.
//
//     graph forward(%input: float32[<N>, 3, <H>, 224]) {
//       %1: float32[<N>, <672*H>] = view(%input, [<N>, <672*H>])
//       %2: float32[] = mul(%sum, <0.5/N>)
//
// An expression is a sum of integers times products of names, or a real number over a name. `instantiate` puts numbers
// in their place; the result is an ordinary graph. So nothing but this file knows of sizes that vary.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace rushlight::graph {

using Sizes = std::map<std::string, int64_t, std::less<>>;      // a number for each name

// The names in the text, in the order of their letters. Raises a value error where an expression is malformed.
std::vector<std::string> symbols_of(std::string_view text);

// The text with the value of each expression in its place. Raises a value error where a name has no number or one below
// 1, or a size comes out too large.
std::string instantiate(std::string_view text, const Sizes& sizes);

// What the names must be for inputs of these shapes. False where no numbers from 1 on fit.
bool solve(std::string_view text, const std::vector<Dims>& shapes, Sizes& sizes);

// The shapes of the inputs that are tensors of known rank, as the text's first line tells them; -1 where a size varies.
std::vector<Dims> input_shapes(std::string_view text);

}  // namespace rushlight::graph
