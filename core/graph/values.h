// Value primitives: what a scripted program does with numbers, texts, lists, tuples and dicts. They mean what Python
// means. One table says of each its name and what it takes and gives.
#pragma once

#include <span>

#include "graph/type.h"

namespace rushlight::graph {

// One way of calling a primitive. Where a float is wanted an int will do, and where an int is wanted a bool: they are
// converted. A last parameter that repeats may be given any number of times.
struct Overload {
    std::vector<Type> params;
    std::vector<Type> results;           // none: the call gives nothing
    bool repeats = false;                // the last parameters, `period` of them
    size_t period = 1;
    bool any_results = false;            // as many results as the program wants, each of type results[0]
};

struct Primitive {
    const char* name = nullptr;
    const char* signature = nullptr;     // "(int, int) -> int; (float, float) -> float"
    bool pure = true;                    // the same arguments give the same results, and nothing else happens
    std::vector<Overload> overloads;
};

const std::vector<Primitive>& all_primitives();
const Primitive* find_primitive(std::string_view name);        // null when unknown

// The overload that takes these arguments and gives these results; null where none does.
const Overload* overload_for(const Primitive& p, std::span<const Type> args, std::span<const Type> results);

}  // namespace rushlight::graph
