// Factories: tensors from sizes and numbers.
#include <cmath>
#include <cstring>

#include "kernels/generic/arrange.h"
#include "kernels/generic/loop.h"
#include "ops/activation.h"
#include "ops/algebra.h"
#include "ops/complex_parts.h"
#include "ops/shape_rules.h"

namespace rushlight {

namespace {

// ---- one value everywhere ----------------------------------------------------------------------------------------

DType dtype_or(const Call& c, const char* param, DType otherwise) {
    const Value& v = c[param];
    return v.tag == Tag::dtype ? v.dtype_ : otherwise;
}

void infer_sized(Call& c) {
    Dims sizes(c["size"].to_ints());
    checked_numel(sizes, c.name());
    c.result(sizes, dtype_or(c, "dtype", default_dtype()));
}

void infer_full(Call& c) {
    Dims sizes(c["size"].to_ints());
    checked_numel(sizes, c.name());
    c.result(sizes, dtype_or(c, "dtype", rules::number_dtype(c["fill_value"])));
}

void infer_like(Call& c) {
    TensorImpl& t = c.tensor(0);
    Geometry& g = c.result(t.sizes, dtype_or(c, "dtype", t.dtype));
    if (t.contiguous) return;
    g.strides = dense_strides(t);
    g.strided = true;
}

void infer_new(Call& c) {
    Dims sizes(c["size"].to_ints());
    checked_numel(sizes, c.name());
    c.result(sizes, dtype_or(c, "dtype", c.tensor(0).dtype));
}

void run_empty(Call&) {}

void run_zeros(Call& c) {
    TensorImpl& t = *c.out[0].impl();                      // new memory without gaps
    int64_t bytes = t.numel * size_of(t.dtype);
    if (bytes > 1 << 16) fill_raw(t, Element{});
    else if (bytes) std::memset(t.data(), 0, size_t(bytes));
}

void run_ones(Call& c) { fill_raw(*c.out[0].impl(), as_element(Value(1), c.out[0].dtype(), c.name())); }
void run_full(Call& c) { fill_raw(*c.out[0].impl(), as_element(c["fill_value"], c.out[0].dtype(), c.name())); }

Op constant_op(const char* signature, const char* names, void (*infer)(Call&), void (*run)(Call&), const char* calls,
               const char* doc) {
    return {.signature = signature, .names = names, .dtypes = "all", .infer = infer, .kernel = {"fill", run},
            .derivative = not_differentiable("the result does not depend on a tensor's values"),
    .onnx = {"ConstantOfShape", 9},
            .samples = {.calls = calls}, .doc = doc};
}

void infer_empty_strided(Call& c) {
    Dims sizes(c[0].to_ints()), strides(c[1].to_ints());
    bytes_needed(sizes, strides, 0, size_of(DType::complex128), c.name());
    for (int64_t s : strides)
        require(s >= 0, ErrorKind::runtime, c.name(), ": stride=", strides,
                " has a negative entry; expected strides >= 0");
    Geometry& g = c.result(sizes, dtype_or(c, "dtype", default_dtype()));
    g.strides = strides;
    g.strided = true;
}

void infer_scalar(Call& c) { c.result({}, dtype_or(c, "dtype", default_dtype())); }
void run_scalar(Call& c) { fill_raw(*c.out[0].impl(), as_element(c[0], c.out[0].dtype(), c.name())); }

// ---- sequences ---------------------------------------------------------------------------------------------------

struct Range {
    Value start, end, step;
    bool whole;                            // int64 arithmetic, as PyTorch does for an int64 result
    DType dtype;
};

Range range_of(const Call& c) {
    Range r = {c[0], c[1], c[2], false, DType::int64};
    require(!r.start.is_none() || !r.end.is_none(), ErrorKind::type, c.name(),
            ": missing argument 'end'; the signature is ", c.op.parsed.text);
    if (r.end.is_none()) {
        r.end = r.start;
        r.start = Value(0);
    } else if (r.start.is_none()) {
        r.start = Value(0);
    }
    bool fraction = false;
    for (const Value* v : {&r.start, &r.end, &r.step}) {
        require(v->tag != Tag::complex, ErrorKind::runtime, c.name(),
                ": complex numbers have no order; expected real numbers");
        fraction = fraction || v->tag == Tag::real;
    }
    r.dtype = dtype_or(c, "dtype", fraction ? default_dtype() : DType::int64);
    r.whole = !fraction || r.dtype == DType::int64;
    return r;
}

int64_t range_length(const Call& c, const Range& r) {
    double start = r.start.to_double(), end = r.end.to_double(), step = r.step.to_double();
    require(step != 0, ErrorKind::runtime, c.name(), ": step=0; expected another step");
    require(std::isfinite(start) && std::isfinite(end), ErrorKind::runtime, c.name(), ": start=", start,
            " and end=", end, " are not finite; expected finite numbers");
    require(step > 0 ? end >= start : end <= start, ErrorKind::runtime, c.name(), ": step=", step,
            " does not lead from start=", start, " to end=", end);
    if (r.whole && size_of(r.dtype) == 8 && is_integral(r.dtype)) {
        int64_t a = r.start.to_int(), b = r.end.to_int(), s = r.step.to_int();
        require(s != 0, ErrorKind::value, c.name(), ": step=", step, " is 0 as an integer; expected another step");
        uint64_t distance = s > 0 ? uint64_t(b) - uint64_t(a) : uint64_t(a) - uint64_t(b);
        uint64_t pace = s > 0 ? uint64_t(s) : uint64_t(0) - uint64_t(s);
        uint64_t n = distance / pace + (distance % pace != 0);
        require(n < uint64_t(1) << 62, ErrorKind::runtime, c.name(), ": the range has ", n,
                " elements, more than memory can hold");
        return int64_t(n);
    }
    double n = std::ceil((end - start) / step);
    require(n >= 0 && n < 4.6e18, ErrorKind::runtime, c.name(), ": the range has ", n,
            " elements, more than memory can hold");
    return int64_t(n);
}

void infer_arange(Call& c) {
    Range r = range_of(c);
    c.result({range_length(c, r)}, r.dtype);
}

void run_arange(Call& c) {
    Range r = range_of(c);
    Tensor& out = c.out[0];
    if (r.whole) kernels::arange(out.data(), out.dtype(), out.numel(), r.start.to_int(), r.step.to_int());
    else kernels::arange(out.data(), out.dtype(), out.numel(), r.start.to_double(), r.step.to_double());
}

// start and end of a sequence: a tensor stands for its one element.
Value limit_of(const Call& c, int param) {
    if (!c[param].is_tensor()) return c[param];
    Tensor wide = cast(tensor_at(c, param), DType::complex128);
    std::complex<double> x = *wide.data_as<std::complex<double>>();
    return is_complex(c.tensor(param).dtype) ? Value(x) : Value(x.real());
}

bool is_complex_limit(const Call& c, int param) {
    return c[param].is_tensor() ? is_complex(c.tensor(param).dtype) : c[param].tag == Tag::complex;
}

void infer_linspace(Call& c) {
    for (int i : {0, 1})
        require(!c[i].is_tensor() || c.tensor(i).rank() == 0, ErrorKind::runtime, c.name(), ": ",
                rules::param_name(c, i), " has shape ", c[i].is_tensor() ? c.tensor(i).sizes : Dims{},
                "; expected a number or a zero-dimensional tensor");
    int64_t steps = c["steps"].to_int();
    require(steps >= 0, ErrorKind::runtime, c.name(), ": steps=", steps, " is negative; expected steps >= 0");
    bool complex = is_complex_limit(c, 0) || is_complex_limit(c, 1);
    DType otherwise = complex ? to_complex(default_dtype()) : default_dtype(), t = dtype_or(c, "dtype", otherwise);
    require(is_complex(t) || !complex, ErrorKind::runtime, c.name(), ": dtype=", name_of(t), " and complex ",
            is_complex_limit(c, 0) ? "start" : "end", "; expected a complex dtype");
    c.result({steps}, t);
}

// Both parts are sequences of their own.
void run_complex_linspace(Call& c, bool powers) {
    Tensor& out = c.out[0];
    auto part = [&](int param, bool imaginary) {
        Value v = limit_of(c, param);
        return imaginary ? v.tag == Tag::complex ? v.complex_.im : 0 : v.to_double();
    };
    Tensor values = empty_tensor(out.sizes(), DType::complex128), row = empty_tensor(out.sizes(), DType::float64);
    for (bool imaginary : {false, true}) {
        kernels::linspace(row.data(), DType::float64, out.numel(), part(0, imaginary), part(1, imaginary), false, 0);
        copy_values(*(imaginary ? imaginary_part(values) : real_part(values)).impl(), *row.impl());
    }
    if (powers) values = pow(c["base"], values);
    copy_values(*out.impl(), *values.impl());
}

void run_linspace(Call& c) {
    bool powers = c.op.parsed.find("base") >= 0;
    Tensor& out = c.out[0];
    if (is_complex(out.dtype())) return run_complex_linspace(c, powers);
    double start = limit_of(c, 0).to_double(), end = limit_of(c, 1).to_double();
    if (!is_floating(out.dtype())) {                           // as PyTorch: integers of the ends, then the steps
        start = std::trunc(start);
        end = std::trunc(end);
    }
    kernels::linspace(out.data(), out.dtype(), out.numel(), start, end, powers,
                      powers ? c["base"].to_double() : 0);
}

void infer_eye(Call& c) {
    int64_t n = c[0].to_int(), m = c[1].is_none() ? n : c[1].to_int();
    require(n >= 0 && m >= 0, ErrorKind::runtime, c.name(), ": n=", n, " and m=", m, "; expected sizes >= 0");
    checked_numel({n, m}, c.name());
    c.result({n, m}, dtype_or(c, "dtype", default_dtype()));
}

void run_eye(Call& c) { kernels::eye(c.out[0].data(), c.out[0].dtype(), c.out[0].size(0), c.out[0].size(1)); }

bool is_lower(const Call& c) { return c.op.parsed.name.starts_with("tril"); }

void infer_triangle_indices(Call& c) {
    int64_t rows = c[0].to_int(), columns = c[1].to_int();
    require(rows >= 0 && columns >= 0, ErrorKind::runtime, c.name(), ": row=", rows, " and col=", columns,
            "; expected sizes >= 0");
    checked_numel({rows, columns, 2}, c.name());
    c.result({2, kernels::count_triangle(rows, columns, c[2].to_int(), is_lower(c))},
             dtype_or(c, "dtype", DType::int64));
}

void run_triangle_indices(Call& c) {
    Tensor& out = c.out[0];
    kernels::triangle_indices(out.data(), out.dtype(), c[0].to_int(), c[1].to_int(), c[2].to_int(), is_lower(c),
                              out.size(1));
}

Op sequence_op(const char* signature, const char* names, void (*infer)(Call&), void (*run)(Call&), Onnx onnx,
               const char* calls, const char* doc) {
    return {.signature = signature, .names = names, .dtypes = "all", .infer = infer, .kernel = {"generic", run},
            .derivative = not_differentiable("its arguments count as numbers"), .onnx = onnx,
    .samples = {.calls = calls}, .doc = doc};
}

// ---- triangles and diagonals -------------------------------------------------------------------------------------

void infer_triangle(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() >= 2, ErrorKind::runtime, c.name(), ": input has shape ", t.sizes,
            "; expected at least 2 dimensions");
    c.result(t.sizes, t.dtype);
}

void run_triangle(Call& c) {
    Tensor in = contiguous(tensor_at(c, 0));
    int rank = in.rank();
    int64_t rows = in.size(rank - 2), columns = in.size(rank - 1),
            batch = in.numel() ? in.numel() / (rows * columns) : 0;
    kernels::triangle(in.data(), c.out[0].data(), size_of(in.dtype()), batch, rows, columns, c[1].to_int(),
                      is_lower(c));
}

Op triangle_op(const char* signature, const char* names, Derivative derivative, const char* calls, const char* doc) {
    return {
        .signature = signature,
        .names = names,
        .dtypes = "all",
        .infer = infer_triangle,
        .kernel = {"generic", run_triangle},
        .derivative = derivative,
        .onnx = {"Trilu", 14},
        .samples = {.calls = calls},
        .doc = doc};
}

// Zeros with the input's elements added where a view of these strides has its elements: the adjoint of taking such a
// view.
void infer_place(Call& c) {
    TensorImpl& t = c.tensor(0);
    Dims sizes(c[1].to_ints()), strides(c[2].to_ints());
    int64_t room = checked_numel(sizes, c.name()), element = size_of(t.dtype);
    require(c[3].to_int() >= 0 && bytes_needed(t.sizes, strides, c[3].to_int(), element, c.name()) <=
                                      checked_mul(room, element, c.name()),
            ErrorKind::runtime, c.name(), ": stride=", strides, " and offset=", c[3].to_int(), " lead input of shape ",
            t.sizes, " outside size=", sizes);
    c.result(sizes, t.dtype);
}

// An activation that keeps its channels last, put into one that does.
bool place_channels_last(const Tensor& in, const Tensor& out, const Dims& strides, int64_t offset) {
    if (out.rank() < 3 || in.rank() != out.rank() || in->storage->arrangement() == Arrangement::plain) return false;
    int64_t items = out.size(0), channels = out.size(1), positions = out.numel() / (items * channels);
    auto part = activation_part(in.sizes(), strides, offset, items, channels, positions);
    if (!part || !part_of_channels_last(*in.impl())) return false;
    Activation from(in, compute::Layout::channels_last);
    int64_t sizes[] = {in.size(0), in.numel() / (in.size(0) * in.size(1)), in.size(1)};
    Dims dense = contiguous_strides({sizes[0], sizes[1], sizes[2]});
    auto* to = static_cast<char*>(result_memory(out, compute::Layout::channels_last));
    copy_strided(3, sizes, {to + part->offset() * size_of(out.dtype()), out.dtype(), part->strides().data()},
                 {const_cast<void*>(from.data()), in.dtype(), dense.data()});
    return true;
}

void run_place(Call& c) {
    Dims strides(c[2].to_ints());
    Tensor in = tensor_at(c, 0);
    run_zeros(c);
    if (in.numel() == 0 || place_channels_last(in, c.out[0], strides, c[3].to_int())) return;
    Tensor window = alias(c.out[0], in.sizes(), strides, c[3].to_int());
    if (!overlaps_itself(*window.impl())) return copy_values(*window.impl(), *in.impl());
    Tensor source = contiguous(in);
    kernels::add_strided(window.data(), in.dtype(), strides, source.data(), in.sizes());
}

void vjp_place(Vjp& d) {
    Tensor g = invoke(op_contiguous, d.grad());
    d.to(0, invoke(op_restride, g, d.sizes(0), d[2].to_ints(), d[3].to_int(), g.strides()));
}

void compose_diag_embed(Call& c) {
    TensorImpl& t = c.tensor(0);
    int64_t shift = c[1].to_int(), n = (t.rank() ? t.sizes.back() : 1);
    require(t.rank() > 0, ErrorKind::runtime, c.name(), ": a zero-dimensional input has no diagonal");
    require_room(c, t.rank() + 1);
    int a = rules::dim(c, c[2].to_int(), t.rank() + 1, t.sizes, "dim1"),
        b = rules::dim(c, c[3].to_int(), t.rank() + 1, t.sizes, "dim2");
    require(a != b, ErrorKind::runtime, c.name(), ": dim1=", c[2].to_int(), " and dim2=", c[3].to_int(),
            " name one dimension");
    require(shift > -(int64_t(1) << 40) && shift < int64_t(1) << 40, ErrorKind::runtime, c.name(), ": offset=", shift,
            " is too large");
    int64_t side = checked_add(n, shift < 0 ? -shift : shift, c.name());
    Dims sizes = t.sizes;
    sizes.erase(t.rank() - 1);
    sizes.insert(std::min(a, b), side);
    sizes.insert(std::max(a, b), side);
    checked_numel(sizes, c.name());
    Dims strides = contiguous_strides(sizes);
    int64_t stride = strides[a] + strides[b], start = shift >= 0 ? shift * strides[b] : -shift * strides[a];
    for (int i : {std::max(a, b), std::min(a, b)}) strides.erase(i);
    strides.push_back(stride);
    give(c, invoke(op_place, Tensor(&t), sizes, strides, t.numel ? start : 0));
}

void compose_diag(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() == 1 || t.rank() == 2, ErrorKind::runtime, c.name(), ": input has shape ", t.sizes,
            "; expected 1 or 2 dimensions");
    static const Op& embed = *find_op("diag_embed");
    give(c, t.rank() == 1 ? invoke(embed, Tensor(&t), c[1].to_int())
                          : invoke(op_clone, invoke(op_diagonal, Tensor(&t), c[1].to_int())));
}

}  // namespace

OP(empty) = constant_op("empty(size: int[], *, dtype: dtype | None = None) -> Tensor", "empty out", infer_sized,
                        run_empty,
                        "empty(2, 0)",
                        R"(A tensor of the given shape whose values are whatever the memory held.

Example:
    >>> rushlight.empty(2, 3).shape
    rushlight.Size([2, 3]))");
OP(zeros) = constant_op("zeros(size: int[], *, dtype: dtype | None = None) -> Tensor", "zeros out", infer_sized,
                        run_zeros,
                        "zeros(2, 3); zeros((0,))",
                        R"(A tensor of the given shape, filled with zeros. Raises RuntimeError for negative sizes.

Example:
    >>> rushlight.zeros(2)
    tensor([0., 0.]))");
OP(ones) = constant_op("ones(size: int[], *, dtype: dtype | None = None) -> Tensor", "ones out", infer_sized, run_ones,
                       "ones(2, 3); ones(())",
                       R"(A tensor of the given shape, filled with ones.

Example:
    >>> rushlight.ones(2)
    tensor([1., 1.]))");
OP(full) =
    constant_op("full(size: int[], fill_value: Number, *, dtype: dtype | None = None) -> Tensor", "full out",
                infer_full, run_full, "full((2, 3), 1.5); full((2,), 3); full((), True)",
                R"(A tensor of the given shape, filled with one number; the dtype follows from the number unless given.

Example:
    >>> rushlight.full((2,), 7)
    tensor([7, 7]))");
OP(empty_like) = constant_op("empty_like(input: Tensor, *, dtype: dtype | None = None) -> Tensor", "empty_like",
                             infer_like, run_empty, "empty_like(T(2, 0))",
                             "An uninitialised tensor with the shape, dtype and order of strides of `input`.");
OP(zeros_like) = constant_op("zeros_like(input: Tensor, *, dtype: dtype | None = None) -> Tensor", "zeros_like",
                             infer_like, run_zeros, "zeros_like(T(2, 3))",
                             "Zeros with the shape, dtype and order of strides of `input`.");
OP(ones_like) = constant_op("ones_like(input: Tensor, *, dtype: dtype | None = None) -> Tensor", "ones_like",
                            infer_like, run_ones, "ones_like(T(2, 3).t())",
                            "Ones with the shape, dtype and order of strides of `input`.");
OP(full_like) = constant_op("full_like(input: Tensor, fill_value: Number, *, dtype: dtype | None = None) -> Tensor",
                            "full_like", infer_like, run_full, "full_like(T(2, 3), 1.5)",
                            "One number everywhere, with the shape, dtype and order of strides of `input`.");
OP(new_empty) = constant_op("new_empty(input: Tensor, size: int[], *, dtype: dtype | None = None) -> Tensor",
                            "Tensor.new_empty", infer_new, run_empty, "T(2).new_empty(3, 0)",
                            "An uninitialised tensor of the given shape, with the dtype of this one unless given.");
OP(new_zeros) = constant_op("new_zeros(input: Tensor, size: int[], *, dtype: dtype | None = None) -> Tensor",
                            "Tensor.new_zeros", infer_new, run_zeros, "T(2).new_zeros(3, 2)",
                            "Zeros of the given shape, with the dtype of this tensor unless given.");
OP(new_ones) = constant_op("new_ones(input: Tensor, size: int[], *, dtype: dtype | None = None) -> Tensor",
                           "Tensor.new_ones", infer_new, run_ones, "T(2).new_ones(3, 2)",
                           "Ones of the given shape, with the dtype of this tensor unless given.");
OP(new_full) = constant_op(
    "new_full(input: Tensor, size: int[], fill_value: Number, *, "
    "dtype: dtype | None = None) -> Tensor",
    "Tensor.new_full", infer_new, run_full, "T(2).new_full((3, 2), 1.5)",
    "One number everywhere, of the given shape, with the dtype of this tensor unless given.");
OP(empty_strided) = constant_op("empty_strided(size: int[], stride: int[], *, dtype: dtype | None = None) -> Tensor",
                                "empty_strided", infer_empty_strided, run_empty, "empty_strided((2, 0), (1, 2))",
                                "An uninitialised tensor of the given shape and strides.");
OP(scalar_tensor) = constant_op("scalar_tensor(s: Number, *, dtype: dtype | None = None) -> Tensor", "scalar_tensor",
                                infer_scalar, run_scalar, "scalar_tensor(2.5)",
                                "A zero-dimensional tensor, of the default floating dtype unless given.");

OP(arange) = sequence_op(
    "arange(start: Number | None = None, end: Number | None = None, step: Number = 1, *, "
    "dtype: dtype | None = None) -> Tensor",
    "arange out", infer_arange, run_arange, {"Range", 11},
    "arange(5); arange(1, 7, 2); arange(1.0, 2.0, 0.25); arange(5, 0, -2)",
    R"(The numbers from start (0 unless given) up to end, which is left out, `step` apart.

int64 when all arguments are integers, else the default floating dtype, unless given.
Raises RuntimeError when the step is 0 or leads away from the end.

Example:
    >>> rushlight.arange(1, 6, 2)
    tensor([1, 3, 5]))");
OP(linspace) = sequence_op("linspace(start: Tensor | Number, end: Tensor | Number, steps: int, *, "
                           "dtype: dtype | None = None) -> Tensor",
                           "linspace out", infer_linspace, run_linspace, no_onnx("exports as a constant"),
                           "linspace(0, 1, 5); linspace(3.0, -3.0, 1)",
                           R"(`steps` equally spaced numbers from start to end, both included.

Example:
    >>> rushlight.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000]))");
OP(logspace) = sequence_op(
    "logspace(start: Tensor | Number, end: Tensor | Number, steps: int, base: float = 10.0, *, "
    "dtype: dtype | None = None) -> Tensor",
    "logspace out", infer_linspace, run_linspace, no_onnx("exports as a constant"),
    "logspace(0, 2, 3); logspace(0, 3, 4, 2.0)",
    R"(`steps` powers of `base`, their exponents equally spaced from start to end.

Example:
    >>> rushlight.logspace(0, 2, 3)
    tensor([  1.,  10., 100.]))");
OP(eye) = sequence_op("eye(n: int, m: int | None = None, *, dtype: dtype | None = None) -> Tensor", "eye out",
                      infer_eye, run_eye, {"EyeLike", 9}, "eye(3); eye(2, 4)",
                      R"(Ones on the main diagonal of an n by m matrix (n by n unless given), zeros elsewhere.

Example:
    >>> rushlight.eye(2)
    tensor([[1., 0.],
            [0., 1.]]))");
OP(tril_indices) = sequence_op(
    "tril_indices(row: int, col: int, offset: int = 0, *, "
    "dtype: dtype | None = None) -> Tensor",
    "tril_indices", infer_triangle_indices, run_triangle_indices, no_onnx("exports as a constant"),
    "tril_indices(3, 3); tril_indices(3, 4, -1)",
    "Row and column numbers of the entries on and below a diagonal of a row by col matrix, as a tensor of two rows.");
OP(triu_indices) = sequence_op(
    "triu_indices(row: int, col: int, offset: int = 0, *, "
    "dtype: dtype | None = None) -> Tensor",
    "triu_indices", infer_triangle_indices, run_triangle_indices, no_onnx("exports as a constant"),
    "triu_indices(3, 3); triu_indices(3, 4, 1)",
    "Row and column numbers of the entries on and above a diagonal of a row by col matrix, as a tensor of two rows.");

OP(tril) = triangle_op("tril(input: Tensor, diagonal: int = 0) -> Tensor", "tril Tensor.tril Tensor.tril_ out",
                       {.vjp = [](Vjp& d) { d.to(0, invoke(op_tril, d.grad(), d[1].to_int())); }},
                       "tril(T(3, 3)); tril(T(2, 3, 4), 1); tril(T(3, 3), -1)",
                       R"(The entries on and below a diagonal of the last two dimensions; the others become 0.

Example:
    >>> rushlight.ones(2, 2).tril()
    tensor([[1., 0.],
            [1., 1.]]))");
OP(triu) = triangle_op("triu(input: Tensor, diagonal: int = 0) -> Tensor", "triu Tensor.triu Tensor.triu_ out",
                       {.vjp = [](Vjp& d) { d.to(0, invoke(op_triu, d.grad(), d[1].to_int())); }},
                       "triu(T(3, 3)); triu(T(2, 3, 4), 1); triu(T(3, 3), -1)",
                       R"(The entries on and above a diagonal of the last two dimensions; the others become 0.

Example:
    >>> rushlight.ones(2, 2).triu()
    tensor([[1., 1.],
            [0., 1.]]))");

OP(place) = {.signature = "place(input: Tensor, size: int[], stride: int[], offset: int) -> Tensor", .dtypes = "all",
    .infer = infer_place,
    .kernel = {"generic", run_place}, .derivative = {.vjp = vjp_place}, .onnx = no_onnx("ONNX has no strides"),
    .samples = {.calls = "diag_embed(T(3)); diag_embed(T(2, 3), 1)"},
    .doc = "Zeros of shape `size`, to which the input is added where a view with these strides and offset has its "
           "elements."};

OP(diag_embed) = {.signature = "diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor",
    .names = "diag_embed Tensor.diag_embed", .dtypes = "all", .compose = compose_diag_embed,
    .samples = {.calls = "diag_embed(T(3)); diag_embed(T(2, 3), 1); diag_embed(T(2, 3), -1, 0, 2)"},
    .doc = R"(Matrices, zero but for a diagonal that the last dimension of the input gives.

Example:
    >>> rushlight.diag_embed(rushlight.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]]))"};

OP(diag) = {.signature = "diag(input: Tensor, diagonal: int = 0) -> Tensor", .names = "diag Tensor.diag out",
    .dtypes = "all", .compose = compose_diag,
    .samples = {.calls = "diag(T(3)); diag(T(3, 4), 1); diag(T(2), -1)"},
    .doc = R"(Of a vector, the matrix with it on a diagonal; of a matrix, a copy of a diagonal.

Example:
    >>> rushlight.diag(rushlight.tensor([[1, 2], [3, 4]]))
    tensor([1, 4]))"};

}  // namespace rushlight
