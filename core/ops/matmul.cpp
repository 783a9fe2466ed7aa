// Matrix products: matmul and its special cases, linear.
#include "kernels/compute/compute.h"
#include "ops/algebra.h"
#include "ops/complex_parts.h"
#include "ops/epilogue.h"
#include "ops/weights.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

// ---- one product over matrices with strides -------------------------------------------------------------------------

struct Matrix {                        // the last two dimensions of a tensor, or a vector seen as one
    const void* data;
    int64_t rows, columns, row_stride, column_stride;
    Dims batch, batch_strides;
};

// A matrix a product can read in place: one of its strides is 1.
Tensor readable(const Tensor& t) {
    int r = t.rank();
    if (t.numel() == 0 || r < 1) return t;
    if (r == 1) return t.strides()[0] == 1 || t.size(0) == 1 ? t : contiguous(t);
    bool rows = t.strides()[r - 1] == 1 || t.size(r - 1) == 1, columns = t.strides()[r - 2] == 1 || t.size(r - 2) == 1;
    bool gaps = (rows && (t.strides()[r - 2] >= t.size(r - 1) || t.size(r - 2) == 1)) ||
                (columns && (t.strides()[r - 1] >= t.size(r - 2) || t.size(r - 1) == 1));
    return gaps ? t : contiguous(t);
}

Matrix matrix_of(const Tensor& t, bool vector_is_row) {
    Matrix m;
    m.data = t.data();
    int r = t.rank();
    if (r == 1) {
        int64_t n = t.size(0), s = t.strides()[0];
        m.rows = vector_is_row ? 1 : n;
        m.columns = vector_is_row ? n : 1;
        m.row_stride = vector_is_row ? n : s;
        m.column_stride = vector_is_row ? s : 1;
        return m;
    }
    m.rows = t.size(r - 2);
    m.columns = t.size(r - 1);
    m.row_stride = t.strides()[r - 2];
    m.column_stride = t.strides()[r - 1];
    for (int i = 0; i < r - 2; ++i) {
        m.batch.push_back(t.size(i));
        m.batch_strides.push_back(t.strides()[i]);
    }
    return m;
}

Dims batch_of(const TensorImpl& t) {
    Dims out;
    for (int i = 0; i < t.rank() - 2; ++i) out.push_back(t.sizes[i]);
    return out;
}

Dims align(const Matrix& m, const Dims& batch) {           // batch strides of `m` along the broadcast batch
    Dims out(batch.size(), 0);
    int shift = batch.size() - m.batch.size();
    for (int i = 0; i < m.batch.size(); ++i) out[i + shift] = m.batch[i] == 1 ? 0 : m.batch_strides[i];
    return out;
}

DType compute_dtype(DType t) { return t == DType::boolean ? DType::uint8 : t; }

struct Epilogue {
    bool accumulate = false;           // to what the result's memory holds
    Follows activation = Follows::nothing;
};

// Whether a wish for gelu was granted.
bool product(const Tensor& a_in, const Tensor& b_in, const void* bias, const Tensor& out, const Dims& batch,
             Epilogue epilogue = {}, compute::PackedWeights* packed = nullptr) {
    if (out.numel() == 0) return true;
    Tensor a = readable(a_in), b = readable(b_in);
    Matrix ma = matrix_of(a, true), mb = matrix_of(b, false);
    Dims a_batch = align(ma, batch), b_batch = align(mb, batch), c_batch(batch.size(), 0);
    int64_t step = ma.rows * mb.columns;
    for (int i = batch.size() - 1; i >= 0; --i) {
        c_batch[i] = step;
        step *= batch[i];
    }
    compute::Matmul p;
    p.dtype = compute_dtype(a.dtype());
    p.wide = a.dtype() != out.dtype();
    p.accumulate = epilogue.accumulate;
    p.relu = epilogue.activation == Follows::relu;
    p.gelu = epilogue.activation == Follows::gelu;
    p.m = ma.rows;
    p.n = mb.columns;
    p.k = ma.columns;
    p.a = ma.data;
    p.a_row = ma.row_stride;
    p.a_column = ma.column_stride;
    p.b = mb.data;
    p.b_row = mb.row_stride;
    p.b_column = mb.column_stride;
    p.c = out.data();
    p.c_row = mb.columns;
    p.bias = bias;
    p.batch_rank = batch.size();
    p.batch = batch.data();
    p.a_batch = a_batch.data();
    p.b_batch = b_batch.data();
    p.c_batch = c_batch.data();
    // A broadcast right side lets the rows of all batches form one tall matrix.
    bool tall = !batch.empty() && a.contiguous() && mb.batch.empty() && a.rank() == batch.size() + 2;
    if (tall) {
        p.m = step / mb.columns;                   // rows of all batches
        p.a_row = ma.columns, p.a_column = 1;      // those of dimensions of size 1 may be anything
        p.batch_rank = 0;
    }
    return compute::matmul(p, packed);
}

// ---- matmul ---------------------------------------------------------------------------------------------------------

void check_operands(const Call& c) {
    rules::require_same_dtype(c, 0, 1);
}

void check_inner(const Call& c) {
    const Dims &a = c.tensor(0).sizes, &b = c.tensor(1).sizes;
    int64_t inner = a.back(), other = b.size() == 1 ? b[0] : b[b.size() - 2];
    require(inner == other, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, 0), " of shape ", a, " and ",
            rules::param_name(c, 1), " of shape ", b, " can't be multiplied; expected ", rules::param_name(c, 0),
            ".shape[-1] == ", rules::param_name(c, 1), b.size() == 1 ? ".shape[0]" : ".shape[-2]", ", got ", inner,
            " and ", other);
}

void infer_matmul(Call& c) {
    check_operands(c);
    const Dims &a = c.tensor(0).sizes, &b = c.tensor(1).sizes;
    require(!a.empty() && !b.empty(), ErrorKind::runtime, c.name(), ": shapes ", a, " and ", b,
            "; expected at least one dimension in both");
    check_inner(c);
    Dims out = rules::broadcast(c, batch_of(c.tensor(0)), batch_of(c.tensor(1)));
    if (a.size() > 1) out.push_back(a[a.size() - 2]);
    if (b.size() > 1) out.push_back(b.back());
    c.result(out, c.tensor(0).dtype);
}

void run_matmul(Call& c) {
    if (has_complex_result(c)) return run_bilinear(c, 0, 1);
    Tensor a(&c.tensor(0)), b(&c.tensor(1));
    Dims batch = rules::broadcast(c, batch_of(*a.impl()), batch_of(*b.impl()));
    product(a, b, nullptr, c.out[0], batch);
}

Tensor transposed(const Tensor& t) { return transpose(t, -2, -1); }

// A saved factor as gradients are multiplied by it.
Tensor factor(const Vjp& d, int param) { return d.needs(1 - param) ? conj(d.input(param)) : Tensor(); }

void matmul_gradients(Vjp& d, const Tensor& g) {
    Tensor a = factor(d, 0), b = factor(d, 1);
    int ra = d.sizes(0).size(), rb = d.sizes(1).size();
    if (ra == 1 && rb == 1) {
        if (d.needs(0)) d.to(0, mul(g, b));
        if (d.needs(1)) d.to(1, mul(g, a));
        return;
    }
    // Vectors become matrices for the time of the derivative.
    Tensor full_g = ra == 1 ? unsqueeze(g, -2) : rb == 1 ? unsqueeze(g, -1) : g;
    if (d.needs(0)) {
        Tensor right = rb == 1 ? unsqueeze(b, -1) : b;
        Tensor ga = matmul(full_g, transposed(right));
        d.to(0, ra == 1 ? squeeze(sum_to(ga, Dims{1, d.sizes(0)[0]}), 0) : ga);
    }
    if (d.needs(1)) {
        Tensor left = ra == 1 ? unsqueeze(a, 0) : a;
        if (rb == 2 && ra > 2) {       // sum over the batch by one tall product
            int64_t rows = 1;
            for (int i = 0; i + 1 < ra; ++i) rows *= d.sizes(0)[i];
            left = reshape(left, {rows, left.size(ra - 1)});
            full_g = reshape(full_g, {rows, d.sizes(1)[1]});
        }
        Tensor gb = matmul(transposed(left), full_g);
        d.to(1, rb == 1 ? squeeze(sum_to(gb, Dims{d.sizes(1)[0], 1}), 1) : gb);
    }
}

void vjp_matmul(Vjp& d) { matmul_gradients(d, d.grad()); }

// Products whose sums are not rounded to 16 bits.
void infer_wide_product(Call& c) {
    infer_matmul(c);
    if (is_reduced(c.geometry[0].dtype)) c.geometry[0].dtype = DType::float32;
}

void vjp_wide_product(Vjp& d) {
    Tensor saved = factor(d, d.needs(0) ? 1 : 0);
    matmul_gradients(d, to_dtype(d.grad(), saved.dtype()));
}

template <int rank_a, int rank_b>
void infer_exact(Call& c) {
    rules::require_rank(c, 0, rank_a);
    rules::require_rank(c, 1, rank_b);
    check_operands(c);
    check_inner(c);
    const Dims &a = c.tensor(0).sizes, &b = c.tensor(1).sizes;
    if constexpr (rank_a == 3)
        require(a[0] == b[0], ErrorKind::runtime, c.name(), ": input of shape ", a, " and mat2 of shape ", b,
                "; expected the same batch size");
    Dims out;
    for (int i = 0; i + 1 < rank_a; ++i) out.push_back(a[i]);
    if constexpr (rank_b > 1) out.push_back(b.back());
    c.result(out, c.tensor(0).dtype);
}

// ---- linear ---------------------------------------------------------------------------------------------------------

void infer_linear(Call& c) {
    check_operands(c);
    const Dims &x = c.tensor(0).sizes, &w = c.tensor(1).sizes;
    require(w.size() == 1 || w.size() == 2, ErrorKind::runtime, c.name(), ": weight has shape ", w,
            "; expected (out_features, in_features)");
    require(!x.empty() && x.back() == w.back(), ErrorKind::runtime, c.name(), ": input of shape ", x,
            " does not fit weight of shape ", w, "; expected input.shape[-1] == ", w.back());
    Dims out = x;
    if (w.size() == 1) out.erase(out.size() - 1);
    else out[out.size() - 1] = w[0];
    if (c.has(2)) {
        const Dims& b = c.tensor(2).sizes;
        rules::require_same_dtype(c, 0, 2);
        require(w.size() == 2 ? b.size() == 1 && b[0] == w[0] : b.empty(), ErrorKind::runtime, c.name(),
                ": bias has shape ", b, "; expected ", w.size() == 2 ? Dims{w[0]} : Dims{});
    }
    c.result(out, c.tensor(0).dtype);
}

bool multiply_linear(Call& c, Epilogue epilogue) {
    Tensor x(&c.tensor(0)), w(&c.tensor(1));
    const void* bias = nullptr;
    Tensor plain_bias;
    if (c.has(2)) {
        plain_bias = contiguous(Tensor(&c.tensor(2)));
        bias = plain_bias.data();
    }
    if (w.rank() == 1) w = alias(w, {1, w.size(0)}, {w.size(0), w.strides()[0]}, w->offset);
    Tensor columns = alias(w, {w.size(1), w.size(0)}, {w.strides()[1], w.strides()[0]}, w->offset);
    Dims batch;
    for (int i = 0; i < x.rank() - 2; ++i) batch.push_back(x.size(i));
    constexpr int64_t worth_packing = 1 << 14;
    auto packed = w.numel() >= worth_packing ? packed_weights(w) : nullptr;
    return product(x.rank() > 2 ? contiguous(x) : x, columns, bias, c.out[0], batch, epilogue, packed.get());
}

void run_linear(Call& c) {
    if (has_complex_result(c)) return run_bilinear(c, 0, 1, 2);
    multiply_linear(c, {});
}

void infer_fused_linear(Call& c) {
    rules::require_floating(c, 0);
    activation_of(c);
    infer_linear(c);
    check_addend(c, 3);
}

void run_fused_linear(Call& c) {
    Tensor y = c.out[0];
    if (y.numel() == 0) return;
    if (c.has(3)) ResultMemory(y, Tensor(&c.tensor(3)), compute::Layout::plain);
    Follows activation = activation_of(c);
    bool done = multiply_linear(c, {c.has(3), activation});
    if (activation == Follows::gelu && !done) invoke_in_place(required_op("gelu"), detach(y));
}

void vjp_linear(Vjp& d) {
    Tensor g = d.grad();
    if (d.sizes(1).size() == 1) {
        if (d.needs(0)) d.to(0, mul(unsqueeze(g, -1), factor(d, 1)));
        if (d.needs(1)) d.to(1, sum_to(mul(unsqueeze(g, -1), factor(d, 0)), d.sizes(1)));
        if (d.needs(2)) d.to(2, sum_to(g, d.sizes(2)));
        return;
    }
    int64_t out_features = d.sizes(1)[0], in_features = d.sizes(1)[1];
    Tensor rows = g.rank() == 2 ? g : reshape(g, {g.numel() / std::max<int64_t>(out_features, 1), out_features});
    if (d.needs(0)) {
        Tensor gx = matmul(rows, factor(d, 1));
        d.to(0, g.rank() == 2 ? gx : reshape(gx, d.sizes(0)));
    }
    if (d.needs(1)) {
        Tensor x = factor(d, 0);
        if (x.rank() != 2) x = reshape(x, {x.numel() / std::max<int64_t>(in_features, 1), in_features});
        d.to(1, matmul(transposed(rows), x));
    }
    if (d.needs(2)) d.to(2, sum_to(rows, d.sizes(2)));
}

// ---- products that add ----------------------------------------------------------------------------------------------

void infer_outer(Call& c) {
    rules::require_rank(c, 0, 1);
    rules::require_rank(c, 1, 1);
    c.result({c.tensor(0).sizes[0], c.tensor(1).sizes[0]}, promote(c.tensor(0).dtype, c.tensor(1).dtype));
}

// Not as a product of matrices, whose sums begin at 0 and lose the sign of -0.
void run_outer(Call& c) {
    static const Op& multiply = required_op("mul");
    Tensor a = detach(Tensor(&c.tensor(0))), b = detach(Tensor(&c.tensor(1)));
    Tensor column = unsqueeze(a, 1), row = unsqueeze(b, 0);
    Value values[max_params] = {Value(column), Value(row)};
    Call into(multiply, values);
    into.destination = c.out[0].impl();
    dispatch(into);
}

}  // namespace

OP(matmul) = {
    .signature = "matmul(input: Tensor, other: Tensor) -> Tensor",
    .names = "matmul Tensor.matmul linalg.matmul out",
    .dtypes = "floating integral bool complex",
    .infer = infer_matmul,
    .kernel = {"compute", run_matmul},
    .derivative = {vjp_matmul, "input:other other:input"},
    .onnx = {"MatMul", 13},
    .samples = {.calls = "matmul(T(3, 4), T(4, 2)); matmul(T(4), T(4)); matmul(T(4), T(4, 2)); matmul(T(3, 4), T(4)); "
                         "matmul(T(2, 3, 4), T(4, 2)); matmul(T(2, 1, 3, 4), T(5, 4, 2)); matmul(T(3, 4), T(2, 4, 2)); "
                         "matmul(T(4), T(2, 4, 3)); "
                         "matmul(T(2, 3, 4), T(4)); matmul(T(3, 0), T(0, 4))"},
    .doc = "The matrix product of the last two dimensions; "
           "leading dimensions are broadcast, vectors count as a row or a column.",
    .autocast = Autocast::lower};

OP(wide_product) = {
    .signature = "wide_product(input: Tensor, other: Tensor) -> Tensor",
    .names = "_ops.wide_product",
    .dtypes = "floating integral bool complex",
    .infer = infer_wide_product,
    .kernel = {"compute", run_matmul},
    .derivative = {vjp_wide_product, "input:other other:input"},
    .onnx = no_onnx("MatMul of widened factors; written by the exporter"),
    .samples = {.calls = "wide_product(T(3, 4), T(4, 2)); wide_product(T(3, 4), T(4)); "
                         "wide_product(T(2, 3, 4), T(2, 4, 3))"},
    .doc = "`matmul`, whose sums over 16-bit floats come as float32: for sums that are rounded once."};

OP(mm) = {
    .signature = "mm(input: Tensor, mat2: Tensor) -> Tensor",
    .names = "mm Tensor.mm spmm dsmm out",
    .dtypes = "floating integral bool complex",
    .infer = infer_exact<2, 2>,
    .kernel = {"compute", run_matmul},
    .derivative = {vjp_matmul, "input:mat2 mat2:input"},
    .onnx = {"MatMul", 13},
    .samples = {.calls = "mm(T(3, 4), T(4, 2))"},
    .doc = "The product of two matrices.",
    .autocast = Autocast::lower};

OP(bmm) = {
    .signature = "bmm(input: Tensor, mat2: Tensor) -> Tensor",
    .names = "bmm Tensor.bmm out",
    .dtypes = "floating integral bool complex",
    .infer = infer_exact<3, 3>,
    .kernel = {"compute", run_matmul},
    .derivative = {vjp_matmul, "input:mat2 mat2:input"},
    .onnx = {"MatMul", 13},
    .samples = {.calls = "bmm(T(2, 3, 4), T(2, 4, 2))"},
    .doc = "The products of two batches of matrices.",
    .autocast = Autocast::lower};

OP(mv) = {
    .signature = "mv(input: Tensor, vec: Tensor) -> Tensor",
    .names = "mv Tensor.mv out",
    .dtypes = "floating integral bool complex",
    .infer = infer_exact<2, 1>,
    .kernel = {"compute", run_matmul},
    .derivative = {vjp_matmul, "input:vec vec:input"},
    .onnx = {"MatMul", 13},
    .samples = {.calls = "mv(T(3, 4), T(4))"},
    .doc = "The product of a matrix and a vector."};

OP(dot) = {
    .signature = "dot(input: Tensor, tensor: Tensor) -> Tensor",
    .names = "dot Tensor.dot out",
    .dtypes = "floating integral bool complex",
    .infer = infer_exact<1, 1>,
    .kernel = {"compute", run_matmul},
    .derivative = {vjp_matmul, "input:tensor tensor:input"},
    .onnx = {"MatMul", 13},
    .samples = {.calls = "dot(T(4), T(4))"},
    .doc = "The sum of products of two vectors."};

OP(outer) = {
    .signature = "outer(input: Tensor, vec2: Tensor) -> Tensor",
    .names = "outer Tensor.outer ger Tensor.ger out",
    .dtypes = "floating integral bool complex",
    .infer = infer_outer,
    .kernel = {"compute", run_outer},
    .derivative = {[](Vjp& d) {
                       DType t = d.grad().dtype();
                       if (d.needs(0)) d.to(0, matmul(d.grad(), to_dtype(factor(d, 1), t)));
                       if (d.needs(1)) d.to(1, matmul(transposed(d.grad()), to_dtype(factor(d, 0), t)));
                   }, "input:vec2 vec2:input"},
    .onnx = no_onnx("Mul of reshaped vectors; written by the exporter"),
    .samples = {.calls = "outer(T(3), T(4))"},
    .doc = "The products of every element of one vector with every element of another."};

OP(linear) = {
    .signature = "linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor",
    .names = "nn.functional.linear out",
    .dtypes = "floating integral bool complex",
    .infer = infer_linear,
    .kernel = {"compute", run_linear},
    .derivative = {vjp_linear, "input:weight weight:input"},
    .onnx = {"Gemm", 13},
    .samples = {.calls = "linear(T(3, 4), T(2, 4), T(2)); linear(T(3, 4), T(2, 4)); linear(T(4), T(2, 4), T(2)); "
                         "linear(T(2, 3, 4), T(5, 4), T(5))"},
    .doc = "input @ weight.T + bias, over the last dimension of `input`; `weight` is (out_features, in_features).",
    .autocast = Autocast::lower};

OP(linear_fused) = {
    .signature = "linear_fused(input: Tensor, weight: Tensor, bias: Tensor | None, addend: Tensor | None, "
                 "activation: str) -> Tensor",
    .names = "_ops.linear_fused",
    .dtypes = "floating",
    .infer = infer_fused_linear,
    .kernel = {"compute", run_fused_linear},
    .derivative = fused_for_inference,
    .onnx = no_onnx("Gemm, Add and an activation; export the program before optimize_for_inference"),
    .samples = {.calls = "linear_fused(T(3, 4), T(2, 4), T(2), T(3, 2), 'relu'); "
                         "linear_fused(T(2, 3, 4), T(5, 4), None, T(2, 3, 5), 'none'); "
                         "linear_fused(T(4), T(2, 4), T(2), None, 'gelu')"},
    .doc = "activation(linear + addend), of 'none', 'relu' and 'gelu', in one pass.",
    .overwrites = "addend"};

}  // namespace rushlight
