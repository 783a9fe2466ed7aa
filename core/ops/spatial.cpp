// Padding, resizing, and images as columns.
#include "kernels/generic/spatial.h"

#include "ops/algebra.h"
#include "ops/complex_parts.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

// ---- pad ------------------------------------------------------------------------------------------------------------

kernels::PadMode mode_of(const Call& c, const Value& v) {
    std::string_view m = v.to_string();
    if (m == "constant") return kernels::PadMode::constant;
    if (m == "reflect") return kernels::PadMode::reflect;
    if (m == "replicate") return kernels::PadMode::replicate;
    require(m == "circular", ErrorKind::not_implemented, c.name(), ": mode='", m,
            "'; expected 'constant', 'reflect', 'replicate' or 'circular'");
    return kernels::PadMode::circular;
}

// Amounts are given for the last dimension first, two each. Dimensions that are not padded join into the first one.
kernels::Pad geometry_of(const Dims& x, std::span<const int64_t> amounts, kernels::PadMode mode) {
    int padded = int(amounts.size()) / 2, rank = x.size();
    kernels::Pad p;
    p.mode = mode;
    p.rank = padded + 1;
    p.in[0] = 1;
    for (int i = 0; i < rank - padded; ++i) p.in[0] *= x[i];
    p.before[0] = p.after[0] = 0;
    for (int k = 0; k < padded; ++k) {
        int at = padded - k;
        p.in[at] = x[rank - 1 - k];
        p.before[at] = amounts[size_t(2 * k)];
        p.after[at] = amounts[size_t(2 * k + 1)];
    }
    return p;
}

Dims padded_sizes(const Call& c, const Dims& x, std::span<const int64_t> amounts, kernels::PadMode mode) {
    int padded = int(amounts.size()) / 2;
    require(amounts.size() % 2 == 0, ErrorKind::runtime, c.name(), ": pad=", to_text(amounts), " has ", amounts.size(),
            " values; expected an even number");
    require(padded <= x.size() && padded < kernels::Pad::max_rank, ErrorKind::runtime, c.name(),
            ": pad=", to_text(amounts), " is for ", padded, " dimensions; input has shape ", x);
    Dims out = x;
    for (int k = 0; k < padded; ++k) {
        int d = x.size() - 1 - k;
        int64_t before = amounts[size_t(2 * k)], after = amounts[size_t(2 * k + 1)];
        int64_t total = checked_add(checked_add(x[d], before, c.name()), after, c.name());
        require(total >= 0, ErrorKind::runtime, c.name(), ": pad=", to_text(amounts), " leaves ", total,
                " elements at dimension ", d, " of input of shape ", x);
        if (mode == kernels::PadMode::reflect)
            require(before < x[d] && after < x[d], ErrorKind::runtime, c.name(), ": pad=", to_text(amounts),
                    " in mode 'reflect' must be smaller than dimension ", d, " of input of shape ", x);
        if (mode == kernels::PadMode::circular) {
            int64_t left = x[d] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0);
            require(std::max(before, after) <= std::max<int64_t>(left, 0), ErrorKind::runtime, c.name(),
                    ": pad=", to_text(amounts), " in mode 'circular' may not exceed what is left of dimension ", d,
                    " of input of shape ", x);
        }
        if (mode == kernels::PadMode::replicate)
            require(x[d] > 0 || total == 0, ErrorKind::runtime, c.name(), ": dimension ", d, " of input of shape ", x,
                    " is empty and can't be replicated");
        out[d] = total;
    }
    return out;
}

void infer_pad(Call& c) {
    kernels::PadMode mode = mode_of(c, c[2]);
    require(mode == kernels::PadMode::constant || !c.has(3) || c[3].to_double() == 0, ErrorKind::value, c.name(),
            ": value is for mode 'constant' only");
    c.result(padded_sizes(c, c.tensor(0).sizes, c[1].to_ints(), mode), c.tensor(0).dtype);
}

void run_pad(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    Tensor value = c[3].tag == Tag::complex ? full({}, c[3], x.dtype())
                                            : scalar_tensor(c.has(3) ? c[3].to_double() : 0.0, x.dtype());
    kernels::pad(x.data(), x.dtype(), c.out[0].data(), geometry_of(x.sizes(), c[1].to_ints(), mode_of(c, c[2])),
                 value.data());
}

void vjp_pad(Vjp& d) {
    static const Op& op = required_op("pad_grad");
    d.to(0, invoke(op, d.grad(), d.sizes(0), d[1], d[2]));
}

void infer_pad_grad(Call& c) {
    if (!is_complex(c.tensor(0).dtype)) rules::require_floating(c, 0);
    Dims x(c[1].to_ints()), expected = padded_sizes(c, x, c[2].to_ints(), mode_of(c, c[3]));
    require(c.tensor(0).sizes == expected, ErrorKind::runtime, c.name(), ": grad has shape ", c.tensor(0).sizes,
            "; expected ", expected, " for input_size=", x);
    c.result(x, c.tensor(0).dtype);
}

void run_pad_grad(Call& c) {
    if (has_complex_result(c)) return run_by_parts(c, 0);
    Tensor g = contiguous(Tensor(&c.tensor(0)));
    kernels::pad_backward(g.data(), g.dtype(), c.out[0].data(),
                          geometry_of(c.out[0].sizes(), c[2].to_ints(), mode_of(c, c[3])));
}

// ---- interpolate ----------------------------------------------------------------------------------------------------

kernels::ResizeMode resize_mode(const Call& c, std::string_view m, int rank, bool antialias) {
    if (antialias) {
        require(rank == 2 && (m == "bilinear" || m == "bicubic" || m == "lanczos"), ErrorKind::value, c.name(),
                ": antialias=True with mode='", m, "' for input with ", rank,
                " spatial dimensions; expected 2 and bilinear, bicubic or lanczos");
        if (m == "lanczos") return kernels::ResizeMode::lanczos;
    }
    if (m == "nearest") return kernels::ResizeMode::nearest;
    if (m == "nearest-exact") return kernels::ResizeMode::nearest_exact;
    if ((m == "linear" && rank == 1) || (m == "bilinear" && rank == 2) || (m == "trilinear" && rank == 3))
        return kernels::ResizeMode::linear;
    require(m == "bicubic" && rank == 2, ErrorKind::not_implemented, c.name(), ": mode='", m, "' for input with ", rank,
            " spatial dimensions; expected nearest, nearest-exact, or linear (1), bilinear or bicubic (2), "
            "trilinear (3)");
    return kernels::ResizeMode::cubic;
}

kernels::Resize resize_of(const Call& c, const Dims& x, const Dims& y, std::span<const double> scales,
                          std::string_view mode, bool align, bool antialias) {
    int rank = x.size() - 2;
    kernels::Resize r;
    r.planes = x[0] * x[1];
    r.mode = resize_mode(c, mode, rank, antialias);
    r.align_corners = align;
    r.antialias = antialias;
    for (int i = 0; i < 3; ++i) {
        int own = i - (3 - rank);
        r.in[i] = own < 0 ? 1 : x[own + 2];
        r.out[i] = own < 0 ? 1 : y[own + 2];
        r.scale[i] = own < 0 || scales.empty() || scales[size_t(own)] == 0 ? 0 : 1 / scales[size_t(own)];
    }
    return r;
}

void check_scales(const Call& c, int rank) {
    size_t given = c[2].to_reals().size();
    require(given == 0 || int(given) == rank, ErrorKind::value, c.name(), ": scales has ", given,
            " values; expected none or ", rank);
}

// Arguments: 0 input, 1 size, 2 scales (may be empty), 3 mode, 4 align_corners, 5 antialias.
void infer_resize(Call& c) {
    const Dims& x = c.tensor(0).sizes;
    require(x.size() >= 3 && x.size() <= 5, ErrorKind::value, c.name(), ": input has shape ", x,
            "; expected 3 to 5 dimensions, (N, C, spatial...)");
    std::string_view mode = c[3].to_string();
    bool nearest = mode == "nearest" || mode == "nearest-exact";
    require(is_floating(c.tensor(0).dtype) || (nearest && c.tensor(0).dtype == DType::uint8), ErrorKind::runtime,
            c.name(), ": input has dtype ", name_of(c.tensor(0).dtype), "; expected a floating dtype");
    resize_mode(c, mode, x.size() - 2, c[5].to_bool());
    std::span<const int64_t> size = c[1].to_ints();
    require(int(size.size()) == x.size() - 2, ErrorKind::value, c.name(), ": size=", to_text(size),
            " does not fit input of shape ", x, "; expected ", x.size() - 2, " values");
    check_scales(c, x.size() - 2);
    Dims out = {x[0], x[1]};
    for (size_t i = 0; i < size.size(); ++i) {
        require(size[i] > 0 && x[int(i) + 2] > 0, ErrorKind::runtime, c.name(), ": input of shape ", x,
                " and size=", to_text(size), "; expected sizes greater than 0");
        out.push_back(size[i]);
    }
    c.result(out, c.tensor(0).dtype);
}

void run_resize(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    kernels::resize(x.data(), x.dtype(), c.out[0].data(),
                    resize_of(c, x.sizes(), c.out[0].sizes(), c[2].to_reals(), c[3].to_string(), c[4].to_bool(),
                              c[5].to_bool()));
}

void vjp_resize(Vjp& d) {
    static const Op& op = required_op("resize_grad");
    d.to(0, invoke(op, d.grad(), d.sizes(0), d[2], d[3], d[4], d[5]));
}

void infer_resize_grad(Call& c) {
    rules::require_floating(c, 0);
    Dims x(c[1].to_ints());
    const Dims& g = c.tensor(0).sizes;
    bool fits = x.size() >= 3 && x.size() <= 5 && g.size() == x.size() && x[0] == g[0] && x[1] == g[1];
    for (int i = 2; fits && i < x.size(); ++i) fits = x[i] > 0 && g[i] > 0;
    require(fits, ErrorKind::runtime, c.name(), ": grad has shape ", g, " and input_size=", x,
            "; expected (N, C, spatial...) with equal N and C and no empty dimension");
    resize_mode(c, c[3].to_string(), x.size() - 2, c[5].to_bool());
    check_scales(c, x.size() - 2);
    c.result(x, c.tensor(0).dtype);
}

void run_resize_grad(Call& c) {
    Tensor g = contiguous(Tensor(&c.tensor(0)));
    kernels::resize_backward(
        g.data(), g.dtype(), c.out[0].data(),
        resize_of(c, c.out[0].sizes(), g.sizes(), c[2].to_reals(), c[3].to_string(), c[4].to_bool(), c[5].to_bool()));
}

void vjp_resize_grad(Vjp& d) {
    static const Op& op = required_op("resize");
    Dims size;
    for (int i = 2; i < d.sizes(0).size(); ++i) size.push_back(d.sizes(0)[i]);
    d.to(0, invoke(op, d.grad(), size, d[2], d[3], d[4], d[5]));
}

// ---- unfold, fold ---------------------------------------------------------------------------------------------------

Dims pair(const Call& c, std::string_view name, int64_t least) {
    std::span<const int64_t> v = c[name].to_ints();
    require(v.size() == 1 || v.size() == 2, ErrorKind::runtime, c.name(), ": ", name, "=", to_text(v),
            "; expected one value or 2");
    Dims out = {v[0], v[v.size() - 1]};
    for (int64_t x : out)
        require(x >= least && x < (int64_t(1) << 40), ErrorKind::runtime, c.name(), ": ", name, "=", to_text(v),
                " is out of range; expected ", least, " <= ", name, " < 2**40");
    return out;
}

kernels::Unfold unfold_of(const Call& c, int64_t batch, int64_t channels, const Dims& image) {
    Dims kernel = pair(c, "kernel_size", 1), dilation = pair(c, "dilation", 1), padding = pair(c, "padding", 0),
         stride = pair(c, "stride", 1);
    kernels::Unfold u;
    u.batch = batch;
    u.channels = channels;
    for (int i = 0; i < 2; ++i) {
        u.in[i] = image[i];
        u.kernel[i] = kernel[i];
        u.stride[i] = stride[i];
        u.pad[i] = padding[i];
        u.dilation[i] = dilation[i];
        u.blocks[i] = kernels::block_count(image[i], kernel[i], stride[i], padding[i], dilation[i]);
        require(u.blocks[i] > 0, ErrorKind::runtime, c.name(), ": a kernel of ", kernel, " with dilation ", dilation,
                " and padding ", padding, " does not fit into an image of ", image);
    }
    return u;
}

void infer_im2col(Call& c) {
    const Dims& x = c.tensor(0).sizes;
    require(x.size() == 4, ErrorKind::runtime, c.name(), ": input has shape ", x, "; expected (N, C, H, W)");
    kernels::Unfold u = unfold_of(c, x[0], x[1], {x[2], x[3]});
    int64_t elements = checked_mul(u.kernel[0], u.kernel[1], c.name());
    c.result({x[0], checked_mul(x[1], elements, c.name()), checked_mul(u.blocks[0], u.blocks[1], c.name())},
             c.tensor(0).dtype);
}

void run_im2col(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    kernels::im2col(x.data(), x.dtype(), c.out[0].data(), unfold_of(c, x.size(0), x.size(1), {x.size(2), x.size(3)}));
}

void infer_col2im(Call& c) {
    if (!is_complex(c.tensor(0).dtype)) rules::require_floating(c, 0);
    rules::require_rank(c, 0, 3);
    const Dims& x = c.tensor(0).sizes;
    Dims image = pair(c, "output_size", 1), kernel = pair(c, "kernel_size", 1);
    int64_t elements = checked_mul(kernel[0], kernel[1], c.name());
    require(x[1] % elements == 0, ErrorKind::runtime, c.name(), ": input of shape ", x, " has ", x[1],
            " rows; expected a multiple of ", elements, ", the kernel's elements");
    kernels::Unfold u = unfold_of(c, x[0], x[1] / elements, image);
    int64_t blocks = checked_mul(u.blocks[0], u.blocks[1], c.name());
    require(blocks == x[2], ErrorKind::runtime, c.name(), ": input of shape ", x, " has ", x[2], " blocks; expected ",
            blocks, " for output_size=", image);
    c.result({x[0], u.channels, image[0], image[1]}, c.tensor(0).dtype);
}

void run_col2im(Call& c) {
    if (has_complex_result(c)) return run_by_parts(c, 0);
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    const Dims& y = c.out[0].sizes();
    kernels::col2im(x.data(), x.dtype(), c.out[0].data(), unfold_of(c, y[0], y[1], {y[2], y[3]}));
}

#define BLOCKS "kernel_size: int[2], dilation: int[2] = 1, padding: int[2] = 0, stride: int[2] = 1"

}  // namespace

OP(pad) = {
    .signature = "pad(input: Tensor, pad: int[], mode: str = 'constant', value: Number | None = None) -> Tensor",
    .names = "_ops.pad",
    .dtypes = "all",
    .infer = infer_pad,
    .kernel = {"generic", run_pad},
    .derivative = {vjp_pad, ""},
    .onnx = {"Pad", 13},
    .samples = {.calls = "pad(T(3, 4), (1, 2)); pad(T(2, 3, 4), (1, 1, 2, 0), 'constant', 2.0); "
                         "pad(T(2, 3, 4), (1, 2), 'reflect'); "
                         "pad(T(2, 3, 4), (2, 1), 'replicate'); pad(T(2, 3, 4), (2, 1), 'circular'); "
                         "pad(T(3, 4), (-1, 1))"},
    .doc = "pad() in the dtype of its input."};

OP(pad_grad) = {
    .signature = "pad_grad(grad: Tensor, input_size: int[], pad: int[], mode: str) -> Tensor",
    .names = "_ops.pad_grad",
    .dtypes = "floating",
    .infer = infer_pad_grad,
    .kernel = {"generic", run_pad_grad},
    .derivative = {[](Vjp& d) {
                       static const Op& op = required_op("pad");
                       d.to(0, invoke(op, d.grad(), d[2], d[3]));
                   }, ""},
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "pad_grad(T(3, 7), (3, 4), (1, 2), 'reflect')"},
    .doc = "The gradient of pad."};

OP(resize) = {
    .signature = "resize(input: Tensor, size: int[], scales: float[], mode: str, align_corners: bool, "
                 "antialias: bool = False) -> Tensor",
    .names = "_ops.resize",
    .dtypes = "floating",
    .infer = infer_resize,
    .kernel = {"generic", run_resize},
    .derivative = {vjp_resize, ""},
    .onnx = {"Resize", 13},
    .samples = {.calls = "resize(T(1, 2, 4), (7,), (), 'linear', False); "
                         "resize(T(1, 2, 3, 4), (5, 6), (), 'bilinear', True); "
                         "resize(T(1, 2, 3, 4), (5, 6), (), 'nearest', False); "
                         "resize(T(1, 2, 4, 4), (5, 6), (), 'bicubic', False); "
                         "resize(T(1, 2, 7, 5), (3, 6), (), 'bilinear', False, True)"},
    .doc = "Images of another size, interpolated."};

OP(resize_grad) = {
    .signature = "resize_grad(grad: Tensor, input_size: int[], scales: float[], mode: str, "
                 "align_corners: bool, antialias: bool = False) -> Tensor",
    .names = "_ops.resize_grad",
    .dtypes = "floating",
    .infer = infer_resize_grad,
    .kernel = {"generic", run_resize_grad},
    .derivative = {vjp_resize_grad, ""},
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "resize_grad(T(1, 2, 7), (1, 2, 4), (), 'linear', False)"},
    .doc = "The gradient of resize."};

OP(im2col) = {
    .signature = "im2col(input: Tensor, " BLOCKS ") -> Tensor",
    .names = "_ops.im2col",
    .dtypes = "all",
    .infer = infer_im2col,
    .kernel = {"generic", run_im2col},
    .derivative = {[](Vjp& d) {
                       static const Op& op = required_op("col2im");
                       d.to(0, invoke(op, d.grad(), Dims{d.sizes(0)[2], d.sizes(0)[3]}, d[1], d[2], d[3], d[4]));
                   }, ""},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "im2col(T(2, 3, 5, 4), (2, 3)); im2col(T(1, 2, 6, 6), (3, 2), 1, 1, 2)"},
    .doc = "The sliding blocks of images as columns."};

OP(col2im) = {
    .signature = "col2im(input: Tensor, output_size: int[2], " BLOCKS ") -> Tensor",
    .names = "_ops.col2im",
    .dtypes = "floating",
    .infer = infer_col2im,
    .kernel = {"generic", run_col2im},
    .derivative = {[](Vjp& d) {
                       static const Op& op = required_op("im2col");
                       d.to(0, invoke(op, d.grad(), d[2], d[3], d[4], d[5]));
                   }, ""},
    .onnx = {"Col2Im", 18},
    .samples = {.calls = "col2im(T(2, 12, 12), (4, 5), (2, 2))"},
    .doc = "Columns added up into images, the reverse of im2col."};

}  // namespace rushlight
