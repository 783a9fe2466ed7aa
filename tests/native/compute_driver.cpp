// A C face on the compute room for tests that drive it through ctypes; compiled by them, no part of the
// library. Every function returns 0, or 1 with the error's text in last_error().
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/compute/compute.h"
#include "kernels/generic/gemm.h"
#include "kernels/onednn/api.h"
#include "kernels/reference/matmul.h"

using namespace rushlight;
using namespace rushlight::compute;

namespace {

thread_local std::string error_text;

template <class F>
int guarded(F&& f) {
    try {
        f();
        return 0;
    } catch (const Error& e) {
        error_text = e.what();
        return 1;
    }
}

// dtype, batch, m, n, k, a: batch row column, b: batch row column, c: batch row, accumulate, relu
Matmul matmul_from(const int64_t* v, int64_t* strides) {
    Matmul p;
    p.dtype = DType(v[0]);
    p.m = v[2], p.n = v[3], p.k = v[4];
    p.a_row = v[6], p.a_column = v[7], p.b_row = v[9], p.b_column = v[10], p.c_row = v[12];
    p.accumulate = v[13], p.relu = v[14];
    strides[0] = v[1], strides[1] = v[5], strides[2] = v[8], strides[3] = v[11];
    p.batch_rank = v[1] != 1;
    p.batch = strides, p.a_batch = strides + 1, p.b_batch = strides + 2, p.c_batch = strides + 3;
    return p;
}

// dtype, rank, layouts (input, output, weights), relu, accumulate, batch, in, out, groups, then input,
// kernel, output, stride, dilation, padding with three numbers each
Convolution convolution_from(const int64_t* v) {
    Convolution p;
    p.dtype = DType(v[0]);
    p.rank = int(v[1]);
    p.input_layout = Layout(v[2]), p.output_layout = Layout(v[3]), p.weights_layout = Layout(v[4]);
    p.relu = v[5], p.accumulate = v[6];
    p.batch = v[7], p.in_channels = v[8], p.out_channels = v[9], p.groups = v[10];
    int64_t* lists[] = {p.input, p.kernel, p.output, p.stride, p.dilation, p.padding};
    for (int i = 0; i < 6; ++i) std::memcpy(lists[i], v + 11 + 3 * i, 3 * sizeof(int64_t));
    return p;
}

}  // namespace

extern "C" {

const char* last_error() { return error_text.c_str(); }
const char* onednn_missing() { return onednn::table() ? "" : onednn::why_missing(); }
int onednn_own_team() { return onednn::table() && onednn::table()->own_team; }
int onednn_supports(int dtype) { return onednn::table() && onednn::table()->supports(DType(dtype)); }
void set_threads(int n) { set_num_threads(n); }
int get_threads() { return get_num_threads(); }
void cache_counts(int64_t* out) {
    auto s = onednn::table()->cache_statistics();
    out[0] = s.primitives, out[1] = s.hits, out[2] = s.misses, out[3] = s.evicted;
}

void* packed_new() { return new PackedWeights; }
void packed_delete(void* p) { delete static_cast<PackedWeights*>(p); }

// way: 0 the room's choice, 1 reference, 2 oneDNN, 3 our own kernel (one matrix)
int run_matmul(int way, const int64_t* v, const void* a, const void* b, const void* bias, void* c, void* packed) {
    return guarded([&] {
        int64_t strides[4];
        Matmul p = matmul_from(v, strides);
        p.a = a, p.b = b, p.bias = bias, p.c = c;
        auto* weights = static_cast<PackedWeights*>(packed);
        if (way == 0) matmul(p, weights);
        else if (way == 1) reference::matmul(p);
        else if (way == 3)
            generic::gemm(
                {p.dtype, p.m, p.n, p.k, p.a, p.a_row, p.a_column, p.b, p.b_row, p.b_column, p.c, p.c_row, p.bias,
                 p.accumulate, p.relu});
        else onednn::table()->matmul(p, weights);
    });
}

int run_forward(int way, const int64_t* v, const void* x, const void* w, const void* bias, void* y, void* packed) {
    return guarded([&] {
        Convolution p = convolution_from(v);
        auto* weights = static_cast<PackedWeights*>(packed);
        if (way == 0) convolution_forward(p, x, w, bias, y, weights);
        else if (way == 1) reference::convolution_forward(p, x, w, bias, y);
        else onednn::table()->convolution_forward(p, x, w, bias, y, weights);
    });
}

int run_backward_input(int way, const int64_t* v, const void* g, const void* w, const void* bias, void* gx,
                       void* packed) {
    return guarded([&] {
        Convolution p = convolution_from(v);
        auto* weights = static_cast<PackedWeights*>(packed);
        if (way == 0) convolution_backward_input(p, g, w, bias, gx, weights);
        else if (way == 1) reference::convolution_backward_input(p, g, w, gx);
        else onednn::table()->convolution_backward_input(p, g, w, gx, weights);
    });
}

int run_backward_weights(int way, const int64_t* v, const void* x, const void* g, void* gw, void* gb) {
    return guarded([&] {
        Convolution p = convolution_from(v);
        if (way == 0) convolution_backward_weights(p, x, g, gw, gb);
        else if (way == 1) reference::convolution_backward_weights(p, x, g, gw, gb);
        else onednn::table()->convolution_backward_weights(p, x, g, gw, gb);
    });
}

}  // extern "C"
