#include "kernels/generic/quantize.h"

#include "base/parallel.h"
#include "kernels/generic/quantize_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain = 1 << 15;                   // elements that are worth another thread

}  // namespace

void quantize(const float* src, void* dst, DType t, int64_t n, float scale, int32_t zero) {
    auto* run = quantize_table.active().quantize[t == DType::int8];
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
        run(src + begin, static_cast<char*>(dst) + begin, end - begin, scale, zero);
    });
}

void dequantize(const void* src, DType t, float* dst, int64_t n, float scale, int32_t zero) {
    auto* run = quantize_table.active().dequantize[t == DType::int8];
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
        run(static_cast<const char*>(src) + begin, dst + begin, end - begin, scale, zero);
    });
}

void quantize_rows(const float* src, int8_t* dst, float* scales, int64_t rows, int64_t n) {
    auto* run = quantize_table.active().quantize_row;
    parallel_for(rows, grain / (n + 1) + 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) scales[r] = run(src + r * n, dst + r * n, n);
    });
}

void scale_rows(float* dst, const float* scales, const float* bias, bool relu, int64_t rows, int64_t n) {
    auto* run = quantize_table.active().scale_row;
    parallel_for(rows, grain / (n + 1) + 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) run(dst + r * n, n, scales[r], bias, relu);
    });
}

}  // namespace rushlight::kernels
