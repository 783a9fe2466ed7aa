// Convolutions with a few output channels over plain images: a register holds neighbours of one row, so that no lane
// is spent on channels that are not there, and a tap is the same row read one element further.
#include "kernels/generic/narrow_kernels.h"

#include "kernels/generic/tile.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

using V = Vec<float>;
constexpr int registers = vector_bytes == 64 ? 32 : 16;

// ---- values ---------------------------------------------------------------------------------------------------------

// `height` rows of one register's columns, for all outputs.
template <int outputs, int height>
RUSHLIGHT_INLINE void forward_tile(const NarrowRows& a, int64_t y, int64_t x, int64_t count) {
    V sum[height][outputs];
    #pragma GCC unroll 32
    for (int h = 0; h < height; ++h)
        #pragma GCC unroll 32
        for (int o = 0; o < outputs; ++o) {
            const float* out = a.out + o * a.out_plane + (y + h) * a.width + x;
            sum[h][o] = V(a.bias ? a.bias[o] : 0);
            if (a.accumulate) sum[h][o] += count == V::width ? V::load(out) : V::load(out, count);
        }
    const float* w = a.weights;
    for (int64_t c = 0; c < a.channels; ++c)
        for (int64_t r = 0; r < a.kernel_height; ++r) {
            if (y + r >= a.last_row || y + r + height <= a.first_row) {
                w += a.kernel_width * outputs;
                continue;
            }
            const float* p = a.rows + c * a.plane + (y + r) * a.row + x;
            for (int64_t s = 0; s < a.kernel_width; ++s, w += outputs) {
                V at[height];
                #pragma GCC unroll 32
                for (int h = 0; h < height; ++h) at[h] = V::load(p + h * a.row + s);
                #pragma GCC unroll 32
                for (int o = 0; o < outputs; ++o) {
                    const V tap(w[o]);
                    #pragma GCC unroll 32
                    for (int h = 0; h < height; ++h) sum[h][o] = multiply_add(at[h], tap, sum[h][o]);
                }
            }
        }
    #pragma GCC unroll 32
    for (int h = 0; h < height; ++h)
        #pragma GCC unroll 32
        for (int o = 0; o < outputs; ++o) {
            float* out = a.out + o * a.out_plane + (y + h) * a.width + x;
            V value = a.relu ? maximum(sum[h][o], V(0)) : sum[h][o];
            if (count == V::width) value.store(out);
            else value.store(out, count);
        }
}

template <int outputs, int height> RUSHLIGHT_INLINE void forward_rows(const NarrowRows& a, int64_t y) {
    for_each_tile<V::width>(
        a.width, [&](int64_t x) { forward_tile<outputs, height>(a, y, x, V::width); },
        [&](int64_t x, int64_t count) { forward_tile<outputs, height>(a, y, x, count); });
}

// Two rows share each tap's weight where there are registers for both.
template <int outputs> void forward(const NarrowRows& a) {
    constexpr int both = 2 * outputs + 4 <= registers ? 2 : 1;
    int64_t y = 0;
    for (; y + both <= a.height; y += both) forward_rows<outputs, both>(a, y);
    for (; y < a.height; ++y) forward_rows<outputs, 1>(a, y);
}

// ---- gradients of the weights ---------------------------------------------------------------------------------------

// As many as there are registers for; more than 10 would be another 200 kB of code, for kernels of one or two columns.
template <int taps> constexpr int outputs_that_fit = (registers - 2) / taps;
template <int taps>
constexpr int outputs_for = outputs_that_fit<taps> < 1 ? 1 : outputs_that_fit<taps> > 10 ? 10 : outputs_that_fit<taps>;

template <int taps, int outputs> RUSHLIGHT_INLINE void weights_row(const NarrowWeights& a, int64_t r) {
    V sum[outputs][taps];
    #pragma GCC unroll 32
    for (int o = 0; o < outputs; ++o)
        #pragma GCC unroll 32
        for (int s = 0; s < taps; ++s) sum[o][s] = V(0);
    for (int64_t y = 0; y < a.height; ++y) {
        if (y + r < a.first_row || y + r >= a.last_row) continue;
        const float* p = a.rows + (y + r) * a.row;
        const float* g = a.grad + y * a.width;
        for_each_tile<V::width>(
            a.width,
            [&](int64_t x) {
                #pragma GCC unroll 32
                for (int o = 0; o < outputs; ++o) {
                    const V grad = V::load(g + o * a.grad_plane + x);
                    #pragma GCC unroll 32
                    for (int s = 0; s < taps; ++s) sum[o][s] = multiply_add(grad, V::load(p + x + s), sum[o][s]);
                }
            },
            [&](int64_t x, int64_t count) {
                // What lies beyond the row's end counts for nothing, whatever it is.
                const Mask<float> inside = first_lanes<float>(count);
                #pragma GCC unroll 32
                for (int o = 0; o < outputs; ++o) {
                    const V grad = V::load(g + o * a.grad_plane + x, count);
                    #pragma GCC unroll 32
                    for (int s = 0; s < taps; ++s)
                        sum[o][s] = multiply_add(grad, where(inside, V::load(p + x + s), V(0)), sum[o][s]);
                }
            });
    }
    #pragma GCC unroll 32
    for (int o = 0; o < outputs; ++o)
        #pragma GCC unroll 32
        for (int s = 0; s < taps; ++s) a.weights[o * a.weights_plane + r * taps + s] += reduce_sum(sum[o][s]);
}

template <int taps, int most> RUSHLIGHT_INLINE void weights_of(const NarrowWeights& a, int outputs) {
    if (outputs == most) {
        for (int64_t r = 0; r < a.kernel_height; ++r) weights_row<taps, most>(a, r);
        return;
    }
    if constexpr (most > 1) weights_of<taps, most - 1>(a, outputs);
}
template <int taps> void weights(const NarrowWeights& a, int outputs) {
    weights_of<taps, outputs_for<taps>>(a, outputs);
}

float sum(const float* p, int64_t count) {
    return lane_sum(sum_tiles<float>(
        count, [&](int64_t i) { return load_tile(p + i); }, [&](int64_t i, int64_t c) { return load_tile(p + i, c); }));
}

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(NarrowTable, narrow_table) = {
    {nullptr, forward<1>, forward<2>, forward<3>, forward<4>, forward<5>, forward<6>},
    {0, outputs_for<1>, outputs_for<2>, outputs_for<3>, outputs_for<4>, outputs_for<5>, outputs_for<6>, outputs_for<7>},
    {nullptr, weights<1>, weights<2>, weights<3>, weights<4>, weights<5>, weights<6>, weights<7>},
    sum,
};

}  // namespace rushlight
