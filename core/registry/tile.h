// What a call of an element-wise operator comes to on elements that lie side by side: for the runtime, which takes
// several such calls over the same few elements before it goes on to the next.
#pragma once

#include "registry/call.h"

namespace rushlight {

struct TileCall {
    // Computes n elements; `out` may be one of the inputs.
    void (*fn)(int64_t n, void* out, const void* const* in, const double* params) = nullptr;
    int inputs = 0;
    struct Input {
        int argument = 0;                // of the call
        DType dtype = DType::float32;    // what fn reads, whatever the argument has
        alignas(16) char number[16];     // of an argument that is no tensor: its value in that dtype
    } in[4];
    DType gives = DType::float32;        // what fn writes; the result may have another dtype
    double params[8] = {};
};

// Describes a call whose shape rule has run. Returns null, or why that can't be done.
using DescribeTile = const char* (*)(const Call& c, DType result, TileCall& tile);
extern DescribeTile describe_tile;       // the family of element-wise operators brings it

}  // namespace rushlight
