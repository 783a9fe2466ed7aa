// The table through which the core reaches oneDNN. Plain C++ types: this header includes nothing of oneDNN,
// and the shared object behind the table is opened at the first product or convolution that needs it.
#pragma once

#include "kernels/compute/packed.h"
#include "kernels/compute/problem.h"

namespace rushlight::onednn {

using compute::Convolution;
using compute::Matmul;
using compute::PackedWeights;
using compute::QuantizedConvolution;

struct CacheStatistics {
    int64_t primitives, hits, misses, evicted;
};

// Functions throw rushlight::Error, also when oneDNN has no implementation for the problem. All are
// thread-safe.
struct Table {
    int abi;                                   // table_abi of the file that was compiled
    const char* version;                       // "3.2.0"
    const char* isa;                           // the widest instruction set oneDNN uses here
    bool own_team;                             // its loops run on the threads of base/parallel.h, not on OpenMP's

    bool (*supports)(DType dtype);             // natively fast on this processor
    void (*matmul)(const Matmul& p, PackedWeights* packed);
    void (*convolution_forward)(const Convolution& p, const void* input, const void* weights, const void* bias,
                                void* output, PackedWeights* packed);
    void (*convolution_backward_input)(const Convolution& p, const void* grad_output, const void* weights,
                                       void* grad_input, PackedWeights* packed);
    void (*convolution_backward_weights)(const Convolution& p, const void* input, const void* grad_output,
                                         void* grad_weights, void* grad_bias);
    void (*quantized_convolution)(const QuantizedConvolution& p, const void* input, const int8_t* weights,
                                  void* output, PackedWeights* packed);
    CacheStatistics (*cache_statistics)();
};

inline constexpr int table_abi = 2;

// The table, or null with a reason when the shared object cannot be opened; the answer never changes in a
// process. Lives in librushlight (loader.cpp).
const Table* table();
const char* why_missing();

}  // namespace rushlight::onednn
