// Fourier transforms over several dimensions. The functions of rushlight.fft are composites of these three, whose
// derivatives are each other.
#include "kernels/generic/fft.h"

#include "ops/algebra.h"
#include "ops/extent_of.h"
#include "ops/shape_rules.h"

namespace rushlight {

extern Op op_fft_c2c, op_fft_r2c, op_fft_c2r;

namespace {

using kernels::Fourier;

// The dimensions in the order they are given; each at most once, none of them empty.
Dims transformed(const Call& c) {
    const Dims& sizes = c.tensor(0).sizes;
    Dims dims(c[1].to_ints());
    uint64_t seen = 0;
    for (int64_t& d : dims) {
        d = rules::dim(c, d, sizes);
        require(!(seen >> d & 1), ErrorKind::runtime, c.name(), ": dim=", Dims(c[1].to_ints()),
                " names a dimension twice; expected different dims");
        require(!sizes.empty() && sizes[int(d)] > 0, ErrorKind::runtime, c.name(), ": dim=", d,
                " has no elements in an input of shape ", sizes, "; expected at least one");
        seen |= uint64_t(1) << d;
    }
    require(!dims.empty(), ErrorKind::runtime, c.name(), ": dim=() is empty; expected at least one dimension");
    return dims;
}

void transform(Fourier form, const Tensor& from, Tensor& to, const Dims& sizes, int64_t dim, bool forward,
               double scale) {
    kernels::fft(form, from.data(), to.data(), to_real(to.dtype()), extent_of(sizes, int(dim)), forward, scale);
}

// The first `count` of dims, complex, within `to`; the first of these reads `from`.
void transform_in_place(Tensor from, Tensor& to, const Dims& dims, int count, bool forward, double& scale) {
    for (int i = count; i-- > 0;) {
        transform(Fourier::complex_to_complex, from, to, to.sizes(), dims[i], forward, scale);
        from = to;
        scale = 1;
    }
}

// ---- complex to complex ---------------------------------------------------------------------------------------------

void require_complex(const Call& c) {
    require(is_complex(c.tensor(0).dtype), ErrorKind::type, c.name(), ": input has dtype ", name_of(c.tensor(0).dtype),
            "; expected complex64 or complex128");
}

void infer_c2c(Call& c) {
    require_complex(c);
    transformed(c);
    rules::same_as_first(c);
}

void run_c2c(Call& c) {
    Dims dims = transformed(c);
    double scale = c["scale"].to_double();
    transform_in_place(contiguous(Tensor(&c.tensor(0))), c.out[0], dims, dims.size(), c["forward"].to_bool(), scale);
}

void vjp_c2c(Vjp& d) { d.to(0, invoke(op_fft_c2c, d.grad(), d[1], d["scale"], !d["forward"].to_bool())); }

// ---- real to complex ------------------------------------------------------------------------------------------------

void infer_r2c(Call& c) {
    DType t = c.tensor(0).dtype;
    require(t == DType::float32 || t == DType::float64, ErrorKind::type, c.name(), ": input has dtype ", name_of(t),
            "; expected float32 or float64");
    Dims dims = transformed(c), sizes = c.tensor(0).sizes;
    int last = int(dims.back());
    if (c["onesided"].to_bool()) sizes[last] = sizes[last] / 2 + 1;
    c.result(sizes, to_complex(c.tensor(0).dtype));
}

void run_r2c(Call& c) {
    Dims dims = transformed(c);
    double scale = c["scale"].to_double();
    bool forward = c["forward"].to_bool();
    Fourier form = c["onesided"].to_bool() ? Fourier::real_to_half : Fourier::real_to_full;
    transform(form, contiguous(Tensor(&c.tensor(0))), c.out[0], c.tensor(0).sizes, dims.back(), forward, scale);
    scale = 1;
    transform_in_place(c.out[0], c.out[0], dims, dims.size() - 1, forward, scale);
}

// Coefficients of a half spectrum that stand for two, along the dimension of n points, times `factor`.
Tensor weigh_pairs(const Tensor& half, int64_t dim, int64_t n, double factor) {
    int64_t pairs = (n - 1) / 2;
    if (pairs == 0) return half;
    Tensor parts = invoke(op_view_as_real, half);
    Dims shape(parts.sizes().size(), 1);
    shape[int(dim)] = n / 2 + 1;
    Tensor weight = invoke(op_ones, shape, parts.dtype());
    invoke_in_place(op_fill_, invoke(op_narrow, weight, dim, int64_t(1), pairs), factor);
    return invoke(op_view_as_complex, mul(parts, weight));
}

int64_t last_of(const Vjp& d, const Dims& sizes) {
    int64_t dim = d[1].to_ints().back();
    return dim < 0 ? dim + sizes.size() : dim;
}

void vjp_r2c(Vjp& d) {
    bool back = !d["forward"].to_bool();
    if (!d["onesided"].to_bool()) return d.to(0, invoke(op_fft_c2c, d.grad(), d[1], d["scale"], back));
    int64_t dim = last_of(d, d.sizes(0)), n = d.sizes(0)[int(dim)];
    d.to(0, invoke(op_fft_c2r, weigh_pairs(d.grad(), dim, n, 0.5), d[1], n, d["scale"], back));
}

// ---- complex to real ------------------------------------------------------------------------------------------------

void infer_c2r(Call& c) {
    require_complex(c);
    Dims dims = transformed(c), sizes = c.tensor(0).sizes;
    int last = int(dims.back());
    int64_t n = c["last_size"].to_int();
    require(n >= 1 && n / 2 + 1 == sizes[last], ErrorKind::runtime, c.name(), ": last_size=", n,
            " does not fit an input of shape ", sizes, "; expected ", 2 * sizes[last] - 2, " or ", 2 * sizes[last] - 1);
    sizes[last] = n;
    c.result(sizes, to_real(c.tensor(0).dtype));
}

void run_c2r(Call& c) {
    Dims dims = transformed(c);
    double scale = c["scale"].to_double();
    bool forward = c["forward"].to_bool();
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    if (dims.size() > 1) {
        Tensor work = empty_tensor(x.sizes(), x.dtype());
        transform_in_place(x, work, dims, dims.size() - 1, forward, scale);
        x = work;
    }
    transform(Fourier::half_to_real, x, c.out[0], c.out[0].sizes(), dims.back(), forward, scale);
}

void vjp_c2r(Vjp& d) {
    Tensor g = invoke(op_fft_r2c, d.grad(), d[1], d["scale"], !d["forward"].to_bool(), true);
    d.to(0, weigh_pairs(g, last_of(d, d.sizes(0)), d["last_size"].to_int(), 2));
}

}  // namespace

OP(fft_c2c) = {
    .signature = "fft_c2c(input: Tensor, dim: int[], scale: float, forward: bool) -> Tensor",
    .names = "_ops.fft_c2c",
    .dtypes = "complex",
    .infer = infer_c2c,
    .kernel = {"generic", run_c2c},
    .derivative = {.vjp = vjp_c2c},
    .onnx = no_onnx("ONNX's DFT takes one dimension, of pairs"),
    .samples = {.calls = "view_as_real(fft_c2c(fft_r2c(T(3, 5), (1,), 1.0, True, False), (0,), 1.0, True)); "
                         "view_as_real(fft_c2c(fft_r2c(T(2, 3, 5), (1,), 1.0, True, True), (2, 0), 0.5, False))"},
    .doc = "The discrete Fourier transform along dims, forward or, with the other sign, backward; scaled."};

OP(fft_r2c) = {
    .signature = "fft_r2c(input: Tensor, dim: int[], scale: float, forward: bool, onesided: bool) -> Tensor",
    .names = "_ops.fft_r2c",
    .dtypes = "float32 float64",
    .infer = infer_r2c,
    .kernel = {"generic", run_r2c},
    .derivative = {.vjp = vjp_r2c},
    .onnx = no_onnx("ONNX's DFT takes one dimension, of pairs"),
    .samples = {.calls = "view_as_real(fft_r2c(T(3, 4), (1,), 1.0, True, True)); "
                         "view_as_real(fft_r2c(T(5, 3), (1, 0), 0.5, False, True)); "
                         "view_as_real(fft_r2c(T(2, 6), (0, 1), 1.0, True, False))"},
    .doc = "The discrete Fourier transform of real numbers along dims; of the last one only the first half where "
           "`onesided`, since the other half is its mirror image."};

OP(fft_c2r) = {
    .signature = "fft_c2r(input: Tensor, dim: int[], last_size: int, scale: float, forward: bool) -> Tensor",
    .names = "_ops.fft_c2r",
    .dtypes = "complex",
    .infer = infer_c2r,
    .kernel = {"generic", run_c2r},
    .derivative = {.vjp = vjp_c2r},
    .onnx = no_onnx("ONNX's DFT takes one dimension, of pairs"),
    .samples = {.calls = "fft_c2r(fft_r2c(T(6, 3), (0,), 1.0, True, True), (0,), 6, 1.0, False); "
                         "fft_c2r(fft_r2c(T(5, 3), (1,), 1.0, True, True), (1, 0), 8, 0.5, True); "
                         "fft_c2r(fft_r2c(T(3, 4), (0,), 1.0, True, False), (0, 1), 7, 0.5, False)"},
    .doc = "The real numbers, `last_size` of them along the last of dims, whose transform has the input as its first "
           "half."};

}  // namespace rushlight
