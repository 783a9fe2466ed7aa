// 8-bit integers for float32 numbers: a quantized number q stands for (q - zero_point) * scale. Tensors of them are
// ordinary uint8 and int8 tensors; scales and zero points are arguments.
#include "kernels/compute/compute.h"
#include "kernels/generic/quantize.h"
#include "ops/activation.h"
#include "ops/weights.h"
#include "registry/rules.h"

#include <cmath>
#include <cstring>

#include "base/parallel.h"

namespace rushlight {

namespace {

using compute::Layout;
using compute::QuantizedConvolution;

// ---- arguments ------------------------------------------------------------------------------------------------------

bool is_8_bit(DType t) { return t == DType::uint8 || t == DType::int8; }

float scale_of(const Call& c, std::string_view param) {
    double scale = c[param].to_double();
    require(scale >= 1e-30 && scale <= 1e30, ErrorKind::runtime, c.name(), ": ", param, "=", scale,
            "; expected a scale from 1e-30 to 1e30");
    return float(scale);
}

int32_t zero_of(const Call& c, std::string_view param, DType t) {
    int64_t zero = c[param].to_int(), low = t == DType::uint8 ? 0 : -128;
    require(zero >= low && zero <= low + 255, ErrorKind::runtime, c.name(), ": ", param, "=", zero, " for ", name_of(t),
            "; expected ", low, " <= ", param, " <= ", low + 255);
    return int32_t(zero);
}

void require_8_bit(const Call& c, std::string_view param, DType t, bool or_float) {
    require(is_8_bit(t) || (or_float && t == DType::float32), ErrorKind::type, c.name(), ": ", param, " is ",
            name_of(t), "; expected uint8", or_float ? ", int8 or float32" : " or int8");
}

// weight (int8), weight_scale and bias (float32), one of each per output.
void check_weights(const Call& c, int weight, int scale, int bias) {
    const TensorImpl& w = c.tensor(weight);
    require(w.dtype == DType::int8, ErrorKind::type, c.name(), ": weight is ", name_of(w.dtype), "; expected int8");
    int64_t outputs = w.sizes[0];
    for (int i : {scale, bias}) {
        if (!c.has(i)) continue;
        const TensorImpl& t = c.tensor(i);
        require(t.dtype == DType::float32 && t.sizes == Dims{outputs}, ErrorKind::runtime, c.name(), ": ",
                rules::param_name(c, i), " is ", name_of(t.dtype), " of shape ", t.sizes,
                "; expected float32 of shape ", Dims{outputs});
    }
}

// Float32 tensors in row-major memory, kept for the length of a call.
struct Numbers {
    Tensor tensor;
    Numbers(const Call& c, int i) : tensor(c.has(i) ? contiguous(Tensor(&c.tensor(i))) : Tensor()) {}
    const float* data() const { return tensor.defined() ? static_cast<const float*>(tensor.data()) : nullptr; }
};

// ---- quantize, dequantize -------------------------------------------------------------------------------------------

void infer_quantize(Call& c) {
    rules::require_floating(c, 0);
    DType t = c["dtype"].dtype_;
    require_8_bit(c, "dtype", t, false);
    scale_of(c, "scale");
    zero_of(c, "zero_point", t);
    c.result(c.tensor(0).sizes, t);
}

void run_quantize(Call& c) {
    Tensor x(&c.tensor(0));
    if (x.dtype() != DType::float32) x = cast(x, DType::float32);
    Activation from(x);
    DType t = c.out[0].dtype();
    kernels::quantize(static_cast<const float*>(from.data()), result_memory(c.out[0], from.layout()), t, x.numel(),
                      scale_of(c, "scale"), zero_of(c, "zero_point", t));
}

void infer_dequantize(Call& c) {
    require_8_bit(c, "input", c.tensor(0).dtype, false);
    scale_of(c, "scale");
    zero_of(c, "zero_point", c.tensor(0).dtype);
    c.result(c.tensor(0).sizes, DType::float32);
}

void run_dequantize(Call& c) {
    Tensor x(&c.tensor(0));
    Activation from(x);
    kernels::dequantize(from.data(), x.dtype(), static_cast<float*>(result_memory(c.out[0], from.layout())), x.numel(),
                        scale_of(c, "scale"), zero_of(c, "zero_point", x.dtype()));
}

// ---- products -------------------------------------------------------------------------------------------------------

// A product of `rows` rows is a convolution over so many positions.
QuantizedConvolution rows_of(int64_t rows, const TensorImpl& weight) {
    QuantizedConvolution p;
    p.rank = 1;
    p.batch = 1;
    p.input[0] = p.output[0] = rows;
    p.out_channels = weight.sizes[0];
    p.in_channels = weight.sizes[1];
    return p;
}

int64_t row_count(const TensorImpl& t) {
    int64_t rows = 1;
    for (int i = 0; i + 1 < t.rank(); ++i) rows *= t.sizes[i];
    return rows;
}

Dims product_sizes(const Call& c) {
    const Dims &x = c.tensor(0).sizes, &w = c.tensor(1).sizes;
    require(w.size() == 2, ErrorKind::runtime, c.name(), ": weight has shape ", w,
            "; expected (out_features, in_features)");
    require(!x.empty() && x.back() == w[1], ErrorKind::runtime, c.name(), ": input of shape ", x,
            " does not fit weight of shape ", w, "; expected input.shape[-1] == ", w[1]);
    check_weights(c, 1, 2, 3);
    Dims out = x;
    out[out.size() - 1] = w[0];
    return out;
}

void take_scales(const Call& c, QuantizedConvolution& p) {
    p.input_scale = scale_of(c, "input_scale");
    p.input_zero = zero_of(c, "input_zero_point", p.input_dtype);
    p.relu = c["relu"].to_bool();
    if (p.dtype == DType::float32) return;
    p.output_scale = scale_of(c, "output_scale");
    p.output_zero = zero_of(c, "output_zero_point", p.dtype);
}

void infer_result(Call& c, const Dims& sizes) {
    DType t = c["dtype"].dtype_;
    require_8_bit(c, "input", c.tensor(0).dtype, false);
    require_8_bit(c, "dtype", t, true);
    QuantizedConvolution p;
    p.input_dtype = c.tensor(0).dtype;
    p.dtype = t;
    take_scales(c, p);
    c.result(sizes, t);
}

void infer_linear(Call& c) { infer_result(c, product_sizes(c)); }

void run_linear(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0))), w = contiguous(Tensor(&c.tensor(1)));
    Numbers scales(c, 2), bias(c, 3);
    QuantizedConvolution p = rows_of(row_count(*x.impl()), *w.impl());
    p.input_dtype = x.dtype();
    p.dtype = c.out[0].dtype();
    p.weight_scales = scales.data();
    p.bias = bias.data();
    take_scales(c, p);
    compute::quantized_convolution(p, x.data(), static_cast<const int8_t*>(w.data()), c.out[0].data(),
                                   packed_weights(w).get());
}

void infer_dynamic(Call& c) {
    rules::require_floating(c, 0);
    c.result(product_sizes(c), c.tensor(0).dtype);
}

void run_dynamic(Call& c) {
    Tensor x = cast(contiguous(Tensor(&c.tensor(0))), DType::float32), w = contiguous(Tensor(&c.tensor(1)));
    Numbers scales(c, 2), bias(c, 3);
    QuantizedConvolution p = rows_of(row_count(*x.impl()), *w.impl());
    int64_t rows = p.input[0];
    Tensor y = c.out[0].dtype() == DType::float32 ? c.out[0] : empty_tensor(c.out[0].sizes(), DType::float32);
    Scratch integers(size_t(rows * p.in_channels)), row_scales(size_t(rows) * sizeof(float));
    kernels::quantize_rows(static_cast<const float*>(x.data()), integers.as<int8_t>(), row_scales.as<float>(), rows,
                           p.in_channels);
    p.input_dtype = DType::int8;
    p.dtype = DType::float32;
    p.weight_scales = scales.data();
    auto* to = static_cast<float*>(y.data());
    compute::quantized_convolution(p, integers.data(), static_cast<const int8_t*>(w.data()), to,
                                   packed_weights(w).get());
    kernels::scale_rows(to, row_scales.as<float>(), bias.data(), c["relu"].to_bool(), rows, p.out_channels);
    if (y.impl() != c.out[0].impl()) copy_values(*c.out[0].impl(), *y.impl());
}

// ---- convolutions ---------------------------------------------------------------------------------------------------

// A list with one number for each dimension.
void read_list(const Call& c, std::string_view param, int rank, int64_t least, int64_t* to) {
    std::span<const int64_t> given = c[param].to_ints();
    require(int(given.size()) == rank, ErrorKind::runtime, c.name(), ": ", param, "=", to_text(given), " has ",
            given.size(), " values; expected ", rank);
    for (int i = 0; i < rank; ++i) {
        require(given[size_t(i)] >= least && given[size_t(i)] < int64_t(1) << 31, ErrorKind::runtime, c.name(), ": ",
                param, "=", to_text(given), " is out of range; expected ", least, " <= ", param, " < 2**31");
        to[i] = given[size_t(i)];
    }
}

QuantizedConvolution convolution_of(const Call& c) {
    const Dims &x = c.tensor(0).sizes, &w = c.tensor(1).sizes;
    require(x.size() == w.size() && x.size() >= 3 && x.size() <= 5, ErrorKind::runtime, c.name(), ": input of shape ",
            x, " and weight of shape ", w, "; expected both with the same 3 to 5 dimensions");
    QuantizedConvolution p;
    p.input_dtype = c.tensor(0).dtype;
    p.dtype = c["dtype"].dtype_;
    p.rank = x.size() - 2;
    p.batch = x[0];
    p.in_channels = x[1];
    p.out_channels = w[0];
    p.groups = c["groups"].to_int();
    require(p.groups >= 1 && w[0] % p.groups == 0 && x[1] == w[1] * p.groups, ErrorKind::runtime, c.name(),
            ": input of shape ", x, " and weight of shape ", w, " with groups=", p.groups, " do not fit; expected ",
            "input.shape[1] == weight.shape[1] * groups and weight.shape[0] a multiple of groups");
    read_list(c, "stride", p.rank, 1, p.stride);
    read_list(c, "padding", p.rank, 0, p.padding);
    read_list(c, "dilation", p.rank, 1, p.dilation);
    for (int i = 0; i < p.rank; ++i) {
        p.input[i] = x[i + 2];
        p.kernel[i] = w[i + 2];
        int64_t spans = p.dilation[i] * (p.kernel[i] - 1) + 1, padded = p.input[i] + 2 * p.padding[i];
        require(p.kernel[i] > 0 && padded >= spans, ErrorKind::runtime, c.name(), ": the kernel spans ", spans,
                " elements at dimension ", i + 2, " and the padded input of shape ", x, " has ", padded,
                "; expected no more than that");
        p.output[i] = (padded - spans) / p.stride[i] + 1;
    }
    take_scales(c, p);
    if (c.has(4)) {
        p.accumulate = true;
        p.addend_scale = scale_of(c, "addend_scale");
        if (p.dtype != DType::float32) p.addend_zero = zero_of(c, "addend_zero_point", p.dtype);
    }
    return p;
}

void infer_convolution(Call& c) {
    require_8_bit(c, "input", c.tensor(0).dtype, false);
    require_8_bit(c, "dtype", c["dtype"].dtype_, true);
    QuantizedConvolution p = convolution_of(c);
    check_weights(c, 1, 2, 3);
    Dims out = {p.batch, p.out_channels};
    for (int i = 0; i < p.rank; ++i) out.push_back(p.output[i]);
    if (c.has(4))
        require(c.tensor(4).sizes == out && c.tensor(4).dtype == p.dtype, ErrorKind::runtime, c.name(), ": addend is ",
                name_of(c.tensor(4).dtype), " of shape ", c.tensor(4).sizes, "; expected ", name_of(p.dtype),
                " of shape ", out);
    c.result(out, p.dtype);
}

void run_convolution(Call& c) {
    QuantizedConvolution p = convolution_of(c);
    Tensor w = contiguous(Tensor(&c.tensor(1)));
    Numbers scales(c, 2), bias(c, 3);
    p.weight_scales = scales.data();
    p.bias = bias.data();
    Activation x(Tensor(&c.tensor(0)), Layout::channels_last);
    auto* to = static_cast<char*>(result_memory(c.out[0], Layout::channels_last));
    if (p.accumulate) {
        Activation addend(Tensor(&c.tensor(4)), Layout::channels_last);
        auto* from = static_cast<const char*>(addend.data());
        parallel_for(c.out[0].numel() * size_of(p.dtype), 1 << 17, [&](int64_t begin, int64_t end) {
            std::memcpy(to + begin, from + begin, size_t(end - begin));
        });
    }
    compute::quantized_convolution(p, x.data(), static_cast<const int8_t*>(w.data()), to, packed_weights(w).get());
}

constexpr Derivative of_integers = not_differentiable("its results are made of integers");
constexpr Onnx by_exporter = no_onnx("scales and zero points are tensors there; written by the exporter");

#define OUTPUT "input_scale: float, input_zero_point: int, dtype: dtype, output_scale: float = 1.0, " \
               "output_zero_point: int = 0, relu: bool = False"

}  // namespace

OP(quantize) = {
    .signature = "quantize(input: Tensor, scale: float, zero_point: int, dtype: dtype) -> Tensor",
    .names = "_ops.quantize",
    .dtypes = "floating",
    .infer = infer_quantize,
    .kernel = {"generic", run_quantize},
    .derivative = of_integers,
    .onnx = by_exporter,
    .samples = {.calls = "quantize(T(3, 4), 0.02, 100, uint8); quantize(T(2, 3, 4, 5), 0.05, 0, int8)"},
    .doc = "The integers (uint8 or int8) nearest to input / scale + zero_point, ties to even, within the dtype's "
           "range."};

OP(dequantize) = {
    .signature = "dequantize(input: Tensor, scale: float, zero_point: int) -> Tensor",
    .names = "_ops.dequantize",
    .dtypes = "uint8 int8",
    .infer = infer_dequantize,
    .kernel = {"generic", run_dequantize},
    .derivative = of_integers,
    .onnx = by_exporter,
    .samples = {.calls = "dequantize(I(3, 4, high=255).to(uint8), 0.02, 100)"},
    .doc = "(input - zero_point) * scale, in float32."};

OP(quantized_linear) = {
    .signature = "quantized_linear(input: Tensor, weight: Tensor, weight_scale: Tensor, bias: Tensor | None, " OUTPUT
                 ") -> Tensor",
    .names = "_ops.quantized_linear",
    .dtypes = "uint8 int8",
    .infer = infer_linear,
    .kernel = {"compute", run_linear},
    .derivative = of_integers,
    .onnx = by_exporter,
    .samples = {.calls = "quantized_linear(I(3, 4, high=255).to(uint8), (I(2, 4, high=255) - 127).to(int8), "
                         "tensor([0.01, 0.02]), tensor([0.5, -0.5]), 0.02, 100, float32); "
                         "quantized_linear((I(2, 3, 4, high=255) - 127).to(int8), (I(5, 4, high=255) - 127).to(int8), "
                         "tensor([0.01, 0.02, 0.01, 0.02, 0.03]), None, 0.02, 0, uint8, 0.5, 3, True)"},
    .doc = "linear of 8-bit integers with one scale per row of `weight` (int8); the result is float32, or quantized "
           "with output_scale and output_zero_point to `dtype`."};

OP(dynamic_linear) = {
    .signature = "dynamic_linear(input: Tensor, weight: Tensor, weight_scale: Tensor, bias: Tensor | None = None, "
                 "relu: bool = False) -> Tensor",
    .names = "_ops.dynamic_linear",
    .dtypes = "floating",
    .infer = infer_dynamic,
    .kernel = {"compute", run_dynamic},
    .derivative = of_integers,
    .onnx = by_exporter,
    .samples = {.calls = "dynamic_linear(T(3, 4), (I(2, 4, high=255) - 127).to(int8), tensor([0.01, 0.02]), "
                         "tensor([0.5, -0.5]))"},
    .doc = "linear with an int8 `weight` and one scale per row of it; each row of `input` is quantized to int8 by its "
           "own largest magnitude."};

OP(quantized_convolution) = {
    .signature = "quantized_convolution(input: Tensor, weight: Tensor, weight_scale: Tensor, bias: Tensor | None, "
                 "addend: Tensor | None, stride: int[], padding: int[], dilation: int[], groups: int, " OUTPUT
                 ", addend_scale: float = 1.0, addend_zero_point: int = 0) -> Tensor",
    .names = "_ops.quantized_convolution",
    .dtypes = "uint8 int8",
    .infer = infer_convolution,
    .kernel = {"compute", run_convolution},
    .derivative = of_integers,
    .onnx = by_exporter,
    .samples = {.calls = "quantized_convolution(I(2, 3, 6, 5, high=255).to(uint8), (I(4, 3, 3, 3, high=255) - 127)"
                         ".to(int8), tensor([0.01, 0.02, 0.01, 0.02]), None, None, (1, 1), (1, 1), (1, 1), 1, 0.02, "
                         "7, float32); "
                         "quantized_convolution(I(1, 4, 7, high=255).to(uint8), (I(4, 1, 3, high=255) - 127)"
                         ".to(int8), tensor([0.01, 0.02, 0.01, 0.02]), None, I(1, 4, 7, high=255).to(uint8), (1,), "
                         "(1,), (1,), 4, 0.02, 0, uint8, 0.5, 3, True, 0.5, 3)"},
    .doc = "A convolution of 8-bit integers with one scale per channel of `weight` (int8), plus `addend`; padding "
           "stands for 0. The result is float32, or quantized with output_scale and output_zero_point to `dtype`."};

}  // namespace rushlight
