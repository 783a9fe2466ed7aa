// 8-bit convolutions, and numbers to 8 bits and back, against their definitions.
#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/compute/compute.h"
#include "kernels/generic/quantize.h"
#include "kernels/reference/matmul.h"
#include "tests/native/check.h"

using namespace rushlight;
using compute::QuantizedConvolution;

namespace {

std::mt19937 random_bits(1);

std::vector<uint8_t> bytes(int64_t n) {
    std::vector<uint8_t> out(static_cast<size_t>(n));
    for (auto& b : out) b = uint8_t(random_bits());
    return out;
}

double number(const std::vector<uint8_t>& data, DType t, size_t i) {
    if (t == DType::float32) return reinterpret_cast<const float*>(data.data())[i];
    return t == DType::int8 ? double(int8_t(data[i])) : data[i];
}

void check_convolution(QuantizedConvolution p) {
    auto x = bytes(p.batch * p.in_channels * p.input[0] * p.input[1]);
    auto w = bytes(p.out_channels * (p.in_channels / p.groups) * p.kernel[0] * p.kernel[1]);
    std::vector<float> scales(size_t(p.out_channels), 0.004f), bias(size_t(p.out_channels), 0.3f);
    p.weight_scales = scales.data();
    p.bias = bias.data();
    int64_t outputs = p.batch * p.out_channels * p.output[0] * p.output[1];
    std::vector<uint8_t> got = bytes(outputs * size_of(p.dtype));
    if (p.dtype == DType::float32)
        for (int64_t i = 0; i < outputs; ++i) reinterpret_cast<float*>(got.data())[i] = float(i % 7) - 3;
    std::vector<uint8_t> wanted = got;
    auto* weights = reinterpret_cast<const int8_t*>(w.data());
    compute::quantized_convolution(p, x.data(), weights, got.data());
    reference::quantized_convolution(p, x.data(), weights, wanted.data());
    for (size_t i = 0; i < size_t(outputs); ++i) {
        double a = number(got, p.dtype, i), b = number(wanted, p.dtype, i);
        CHECK(std::abs(a - b) <= (p.dtype == DType::float32 ? 1e-4 * std::max(1.0, std::abs(b)) : 1));
    }
}

void check_convolutions() {
    for (DType in : {DType::uint8, DType::int8})
        for (DType out : {DType::float32, DType::uint8, DType::int8})
            for (int zero : {0, 9})
                for (bool extras : {false, true}) {
                    QuantizedConvolution p;
                    p.batch = 2, p.in_channels = 6, p.out_channels = 4, p.groups = 2;
                    p.input[0] = 5, p.input[1] = 7, p.kernel[0] = 3, p.kernel[1] = 2;
                    p.padding[0] = 1, p.stride[1] = 2, p.dilation[0] = 2;
                    p.output[0] = 3, p.output[1] = 3;
                    p.input_dtype = in, p.dtype = out;
                    p.input_scale = 0.02f, p.output_scale = 0.05f, p.addend_scale = extras ? 0.03f : 1.0f;
                    p.input_zero = zero, p.output_zero = out == DType::float32 ? 0 : zero;
                    p.addend_zero = extras && out != DType::float32 ? 5 : 0;
                    p.relu = p.accumulate = extras;
                    check_convolution(p);
                }
}

void check_numbers() {
    std::vector<float> x(1000), back(1000);
    for (auto& v : x) v = std::normal_distribution<float>(0, 3)(random_bits);
    std::vector<uint8_t> q(1000);
    for (DType t : {DType::uint8, DType::int8}) {
        kernels::quantize(x.data(), q.data(), t, 1000, 0.05f, 17);
        kernels::dequantize(q.data(), t, back.data(), 1000, 0.05f, 17);
        double low = t == DType::int8 ? -128 : 0;
        for (size_t i = 0; i < x.size(); ++i) {
            double wanted = std::clamp(std::nearbyint(x[i] * (1 / 0.05f)) + 17.0, low, low + 255);
            CHECK(number(q, t, i) == wanted);
            CHECK(back[i] == float(wanted - 17) * 0.05f);
        }
    }
    std::vector<int8_t> rows(1000);
    std::vector<float> scales(10);
    kernels::quantize_rows(x.data(), rows.data(), scales.data(), 10, 100);
    for (size_t r = 0; r < 10; ++r) {
        float largest = 0;
        for (size_t i = 0; i < 100; ++i) largest = std::max(largest, std::abs(x[r * 100 + i]));
        CHECK(scales[r] == largest / 127);
        for (size_t i = 0; i < 100; ++i)
            CHECK(std::abs(float(rows[r * 100 + i]) * scales[r] - x[r * 100 + i]) <= scales[r] * 0.5001f);
    }
}

}  // namespace

int main() {
    check_convolutions();
    check_numbers();
    return checks_failed();
}
