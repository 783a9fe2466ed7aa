// Reductions: over all dimensions, some, or one.
#include "kernels/generic/reduce.h"

#include <cmath>
#include <limits>

#include "ops/algebra.h"
#include "ops/complex_parts.h"
#include "ops/shape_rules.h"
#include "ops/extent_of.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

using kernels::Extent;
using kernels::Reduction;

// ---- rules ----------------------------------------------------------------------------------------------------------

// Arguments of every reduction here: 0 input, 1 dim, 2 keepdim; `dtype` where the signature has it.
uint64_t mask_of(const Call& c) { return rules::dim_mask(c, c[1], c.tensor(0).sizes); }

bool keeps(const Value& v) { return v.to_bool(); }

DType wanted_dtype(const Call& c, DType otherwise) {
    int at = c.op.parsed.find("dtype");
    return at >= 0 && c.has(at) ? c[at].dtype_ : otherwise;
}

void infer_reduction(Call& c, DType out) { c.result(reduced_sizes(c.tensor(0).sizes, mask_of(c), keeps(c[2])), out); }

void infer_sum(Call& c) {
    DType t = c.tensor(0).dtype;
    infer_reduction(c, wanted_dtype(c, is_differentiable(t) ? t : DType::int64));
}

void infer_mean(Call& c) {
    DType t = wanted_dtype(c, c.tensor(0).dtype);
    require(is_differentiable(t), ErrorKind::runtime, c.name(), ": input has dtype ", name_of(t),
            "; expected a floating or complex dtype (pass dtype= to convert)");
    infer_reduction(c, t);
}

void infer_inexact_reduction(Call& c) {
    if (!is_complex(c.tensor(0).dtype)) rules::require_floating(c, 0);
    infer_reduction(c, c.tensor(0).dtype);
}

// Integers and truth values are taken as real numbers.
void infer_logsumexp(Call& c) {
    DType t = c.tensor(0).dtype;
    infer_reduction(c, is_differentiable(t) ? t : default_dtype());
}

// Of complex numbers a real result.
void infer_moment(Call& c) {
    infer_inexact_reduction(c);
    c.geometry[0].dtype = to_real(c.tensor(0).dtype);
}

void require_elements(const Call& c, uint64_t mask) {
    const Dims& sizes = c.tensor(0).sizes;
    if (c.tensor(0).numel == 0) {
        int dim = c.op.parsed.find("dim");
        bool all = dim >= 0 && (c[dim].is_none() || (c[dim].tag == Tag::ints && c[dim].to_ints().empty()));
        require(!all, ErrorKind::runtime, c.name(), ": input of shape ", sizes,
                " is empty; expected dim, as the reduction has no identity");
    }
    for (int i = 0; i < sizes.size(); ++i)
        require(!(mask >> i & 1) || sizes[i] > 0, ErrorKind::index, c.name(), ": dimension ", i, " of input of shape ",
                sizes, " is empty; expected at least one element, as the reduction has no identity");
}

void infer_extreme(Call& c) {
    rules::require_not_complex(c, 0);
    require_elements(c, mask_of(c));
    infer_reduction(c, c.tensor(0).dtype);
}

void infer_bool(Call& c) {
    infer_reduction(c, c.tensor(0).dtype == DType::uint8 ? DType::uint8 : DType::boolean);
}

void infer_count(Call& c) {
    c.result(reduced_sizes(c.tensor(0).sizes, mask_of(c), false), DType::int64);
}

// ---- running --------------------------------------------------------------------------------------------------------

// Reduces runs of adjacent dimensions from the last to the first, so that no input needs to be copied into another
// order. Between the runs 16-bit floats stay float32: the result is rounded once. Integers are added up in int64.
void run_blocks(Call& c, Reduction op) {
    Tensor x(&c.tensor(0));
    Tensor out = c.out[0];
    uint64_t mask = mask_of(c);
    if (!kernels::reduce_supports(op, x.dtype(), out.dtype()))
        x = cast(x, op == Reduction::sum || op == Reduction::prod || op == Reduction::mean ? out.dtype() : x.dtype());
    x = contiguous(x);
    Dims sizes = x.sizes();
    if (sizes.empty()) sizes.push_back(1), mask = 1;
    bool rounds = op == Reduction::sum || op == Reduction::mean || op == Reduction::prod;
    bool half = out.dtype() == DType::float16 || out.dtype() == DType::bfloat16;
    bool exact = is_integral(out.dtype()) || out.dtype() == DType::boolean;
    DType between = rounds && half ? DType::float32 : rounds && exact ? DType::int64 : out.dtype();
    int last = sizes.size();
    while (true) {
        while (last > 0 && !(mask >> (last - 1) & 1)) --last;
        int first = last;
        while (first > 0 && (mask >> (first - 1) & 1)) --first;
        Extent e = extent_of(sizes, first, last);
        bool final = (mask & ((uint64_t(1) << first) - 1)) == 0;
        for (int i = first; i < last; ++i) sizes[i] = 1;
        bool direct = final && kernels::reduce_supports(op, x.dtype(), out.dtype());
        Tensor target = direct ? out : empty_tensor(final ? out.sizes() : sizes, between);
        kernels::reduce(op, x.data(), x.dtype(), target.data(), target.dtype(), e);
        if (final && !direct) copy_values(*out.impl(), *target.impl());
        if (final) return;
        x = target;
        last = first;
        if (op == Reduction::count_nonzero) op = Reduction::sum;
    }
}

template <Reduction op>
void run(Call& c) { run_blocks(c, op); }

// Of complex numbers only whether they are zero counts.
template <Reduction op>
void run_logical(Call& c) {
    if (!is_complex(c.tensor(0).dtype)) return run_blocks(c, op);
    Tensor zero_or_not = ne(detach(Tensor(&c.tensor(0))), 0);
    Value args[3] = {Value(zero_or_not), c.args[1], c.args[2]};
    Call real(c.op, args);
    real.out[0] = c.out[0];
    run_blocks(real, op);
}

// The reduced dims at the end and everything contiguous, for reductions that need all their elements at once.
Tensor gathered(const Tensor& x, uint64_t mask, Extent* e) {
    int rank = x.rank(), first = 0, last = 0;
    for (int i = 0; i < rank; ++i)
        if (mask >> i & 1) {
            if (last == 0) first = i;
            last = i + 1;
        }
    bool adjacent = true;
    for (int i = first; i < last; ++i) adjacent = adjacent && (mask >> i & 1);
    if (adjacent) {
        *e = rank ? extent_of(x.sizes(), first, last) : Extent{1, 1, 1};
        return contiguous(x);
    }
    Dims sizes, strides;
    *e = {1, 1, 1};
    for (int pass = 0; pass < 2; ++pass)
        for (int i = 0; i < rank; ++i)
            if (int(mask >> i & 1) == pass) {
                sizes.push_back(x.size(i));
                strides.push_back(x.strides()[i]);
                (pass ? e->n : e->outer) *= x.size(i);
            }
    return contiguous(alias(x, sizes, strides, x->offset));
}

// ---- derivatives ----------------------------------------------------------------------------------------------------

uint64_t mask_of(const Vjp& d) {
    const Dims& sizes = d.sizes(0);
    std::span<const int64_t> dims = d[1].to_ints();
    if (d[1].is_none() || dims.empty()) return ~uint64_t(0) >> (64 - std::max(sizes.size(), 1));
    uint64_t mask = 0;
    for (int64_t i : dims) mask |= uint64_t(1) << (i < 0 ? i + std::max(sizes.size(), 1) : i);
    return mask;
}

int64_t count_of(const Vjp& d) {
    int64_t n = 1;
    uint64_t mask = mask_of(d);
    for (int i = 0; i < d.sizes(0).size(); ++i) n *= mask >> i & 1 ? d.sizes(0)[i] : 1;
    return n;
}

// A result (or its gradient) with the reduced dimensions back as ones.
Tensor keep_dims(const Vjp& d, const Tensor& y, bool keepdim) {
    return keepdim || d.sizes(0).empty() ? y : reshape(y, reduced_sizes(d.sizes(0), mask_of(d), true));
}
Tensor keep_dims(const Vjp& d, const Tensor& y) { return keep_dims(d, y, keeps(d[2])); }

void vjp_sum(Vjp& d) { d.to(0, expand(keep_dims(d, d.grad()), d.sizes(0))); }

void vjp_mean(Vjp& d) {
    Tensor g = div(keep_dims(d, d.grad()), double(count_of(d)));
    d.to(0, expand(g, d.sizes(0)));
}

// The gradient goes to all elements equal to the result, in equal parts.
void vjp_extreme(Vjp& d) {
    Tensor x = d.input(0), mask = to_dtype(eq(x, keep_dims(d, d.result())), d.dtype(0));
    Tensor share = div(keep_dims(d, d.grad()), keep_dims(d, sum(mask, d[1], keeps(d[2]))));
    d.to(0, mul(mask, share));
}

// The product of all other elements along `dim`: from the left and from the right, which zeros do not disturb.
Tensor product_of_others(const Tensor& x, int64_t dim) {
    static const Op& cumprod = required_op("cumprod");
    int64_t n = x.size(int(dim));
    if (n == 1) return full(x.sizes(), 1, x.dtype());
    Dims edge = x.sizes();
    edge[int(dim)] = 1;
    Tensor one = full(edge, 1, x.dtype());
    Tensor left_parts[2] = {one, invoke(cumprod, narrow(x, dim, 0, n - 1), dim)};
    Tensor from_right = flip(invoke(cumprod, flip(narrow(x, dim, 1, n - 1), {dim}), dim), {dim});
    Tensor right_parts[2] = {from_right, one};
    return mul(cat(left_parts, dim), cat(right_parts, dim));
}

void vjp_prod(Vjp& d) {
    Tensor x = conj(d.input(0));
    if (x.numel() == 0) return d.to(0, zeros(d.sizes(0), d.grad().dtype()));
    if (d[1].is_none()) {
        Tensor flat = reshape(x, {x.numel()});
        return d.to(0, mul(d.grad(), reshape(product_of_others(flat, 0), d.sizes(0))));
    }
    if (x.rank() == 0) return d.to(0, d.grad());
    int64_t dim = d[1].to_int() < 0 ? d[1].to_int() + x.rank() : d[1].to_int();
    d.to(0, mul(keep_dims(d, d.grad()), product_of_others(x, dim)));
}

#define REDUCTION_SIGNATURE(NAME, REST) \
    NAME "(input: Tensor, dim: int | int[] | None = None, keepdim: bool = False" REST ") -> Tensor"

}  // namespace

OP(sum) = {
    .signature = REDUCTION_SIGNATURE("sum", ", *, dtype: dtype | None = None"),
    .names = "sum Tensor.sum out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool complex",
    .infer = infer_sum,
    .kernel = {"generic", run<Reduction::sum>},
    .derivative = {vjp_sum, ""},
    .onnx = {"ReduceSum", 13},
    .samples = {.calls = "sum(T(3, 4)); sum(T(3, 4, 2), 1); sum(T(3, 4, 2), (0, 2), True); sum(T()); sum(T(0, 3), 0)"},
    .doc = "The sum of all elements, or along the dimensions `dim`. Integers and bools are added as int64."};

OP(mean) = {
    .signature = REDUCTION_SIGNATURE("mean", ", *, dtype: dtype | None = None"),
    .names = "mean Tensor.mean out",
    .kind = Kind::reduction,
    .dtypes = "floating complex",
    .infer = infer_mean,
    .kernel = {"generic", run<Reduction::mean>},
    .derivative = {vjp_mean, ""},
    .onnx = {"ReduceMean", 13},
    .samples = {.calls = "mean(T(3, 4)); mean(T(3, 4, 2), 1); mean(T(3, 4, 2), (0, 2), True); mean(T())"},
    .doc = "The mean of all elements, or along the dimensions `dim`. NaN where there are none."};

OP(prod) = {
    .signature = "prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, "
                 "dtype: dtype | None = None) -> Tensor",
    .names = "prod Tensor.prod out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool complex",
    .infer = infer_sum,
    .kernel = {"generic", run<Reduction::prod>},
    .derivative = {vjp_prod, "input"},
    .onnx = {"ReduceProd", 13},
    .samples = {.calls = "prod(T(3, 2)); prod(T(3, 4), 1); prod(T(2, 3, 2), 1, True); prod(T())"},
    .doc = "The product of all elements, or along the dimension `dim`. Integers and bools are multiplied as int64.",
    .autocast = Autocast::widen};

OP(amax) = {
    .signature = REDUCTION_SIGNATURE("amax", ""),
    .names = "amax Tensor.amax out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool",
    .infer = infer_extreme,
    .kernel = {"generic", run<Reduction::amax>},
    .derivative = {vjp_extreme, "input result"},
    .onnx = {"ReduceMax", 13},
    .samples = {.calls = "amax(T(3, 4)); amax(T(3, 4, 2), 1); amax(T(3, 4, 2), (0, 2), True); amax(T())"},
    .doc = "The largest element of all, or along the dimensions `dim`. NaN wins; equal elements share the gradient."};

OP(amin) = {
    .signature = REDUCTION_SIGNATURE("amin", ""),
    .names = "amin Tensor.amin out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool",
    .infer = infer_extreme,
    .kernel = {"generic", run<Reduction::amin>},
    .derivative = {vjp_extreme, "input result"},
    .onnx = {"ReduceMin", 13},
    .samples = {.calls = "amin(T(3, 4)); amin(T(3, 4, 2), 1); amin(T(3, 4, 2), (0, 2), True); amin(T())"},
    .doc = "The smallest element of all, or along the dimensions `dim`. NaN wins; equal elements share the gradient."};

OP(all) = {
    .signature = REDUCTION_SIGNATURE("all", ""),
    .names = "all Tensor.all out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool complex",
    .infer = infer_bool,
    .kernel = {"generic", run_logical<Reduction::all>},
    .derivative = not_differentiable("the result is bool"),
    .onnx = no_onnx("ReduceMin over a cast input; written by the exporter"),
    .samples = {.calls = "all(T(3, 4)); all(T(3, 4), 1); all(T(0))"},
    .doc = "True where every element, of all or along `dim`, is not zero."};

OP(any) = {
    .signature = REDUCTION_SIGNATURE("any", ""),
    .names = "any Tensor.any out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool complex",
    .infer = infer_bool,
    .kernel = {"generic", run_logical<Reduction::any>},
    .derivative = not_differentiable("the result is bool"),
    .onnx = no_onnx("ReduceMax over a cast input; written by the exporter"),
    .samples = {.calls = "any(T(3, 4)); any(T(3, 4), 1); any(T(0))"},
    .doc = "True where at least one element, of all or along `dim`, is not zero."};

OP(count_nonzero) = {
    .signature = "count_nonzero(input: Tensor, dim: int | int[] | None = None) -> Tensor",
    .names = "count_nonzero Tensor.count_nonzero",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool complex",
    .infer = infer_count,
    .kernel = {"generic", run_logical<Reduction::count_nonzero>},
    .derivative = not_differentiable("the result is a count"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "count_nonzero(T(3, 4)); count_nonzero(T(3, 4), 1); count_nonzero(T(3, 4, 2), (0, 2))"},
    .doc = "How many elements, of all or along `dim`, are not zero."};

// ---- one dimension, with indices ------------------------------------------------------------------------------------

namespace {

// dim may be None: then all elements, flattened.
Extent extent_along(const Call& c) {
    const Dims& sizes = c.tensor(0).sizes;
    return c.has(1) && !sizes.empty() ? extent_of(sizes, rules::dim(c, c[1].to_int(), sizes))
                                      : Extent{1, c.tensor(0).numel, 1};
}

uint64_t single_mask(const Call& c) {
    const Dims& sizes = c.tensor(0).sizes;
    return c.has(1) ? uint64_t(1) << rules::dim(c, c[1].to_int(), sizes) : ~uint64_t(0);
}

void infer_arg(Call& c) {
    rules::require_not_complex(c, 0);
    const Dims& sizes = c.tensor(0).sizes;
    require(c.has(1) || c.tensor(0).numel > 0, ErrorKind::index, c.name(), ": input of shape ", sizes,
            " is empty; expected at least one element");
    if (c.has(1) && !sizes.empty()) require_elements(c, single_mask(c));
    c.result(reduced_sizes(sizes, single_mask(c), keeps(c[2])), DType::int64);
}

template <bool largest>
void run_arg(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    kernels::arg_reduce(largest, x.data(), x.dtype(), c.out[0].data_as<int64_t>(), nullptr, extent_along(c));
}

void infer_indexed(Call& c) {
    rules::require_not_complex(c, 0);
    const Dims& sizes = c.tensor(0).sizes;
    if (!sizes.empty()) require_elements(c, single_mask(c));
    Dims out = reduced_sizes(sizes, single_mask(c), keeps(c["keepdim"]));
    c.result(out, c.tensor(0).dtype);
    c.result(out, DType::int64);
}

template <bool largest>
void run_indexed(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    kernels::arg_reduce(largest, x.data(), x.dtype(), c.out[1].data_as<int64_t>(), c.out[0].data(), extent_along(c));
}

// The gradient of a picked value goes where it was picked.
void vjp_picked(Vjp& d) {
    Tensor g = d.grad(), index = d.result(1);
    if (d.sizes(0).empty()) return d.to(0, g);
    int64_t dim = d["dim"].to_int() < 0 ? d["dim"].to_int() + d.sizes(0).size() : d["dim"].to_int();
    if (!keeps(d["keepdim"])) {
        g = unsqueeze(g, dim);
        index = unsqueeze(index, dim);
    }
    d.to(0, scatter_add(zeros(d.sizes(0), g.dtype()), dim, index, g));
}

#define INDEXED(NAME) NAME "(input: Tensor, dim: int, keepdim: bool = False) -> (values: Tensor, indices: Tensor)"

}  // namespace

OP(argmax) = {
    .signature = "argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor",
    .names = "argmax Tensor.argmax out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool",
    .infer = infer_arg,
    .kernel = {"generic", run_arg<true>},
    .derivative = not_differentiable("the result is an index"),
    .onnx = {"ArgMax", 13},
    .samples = {.calls = "argmax(T(3, 4)); argmax(T(3, 4), 1); argmax(T(3, 4), 0, True); argmax(T())"},
    .doc = "The index of the largest element of all (flattened), or along `dim`: the first of equals; NaN wins."};

OP(argmin) = {
    .signature = "argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor",
    .names = "argmin Tensor.argmin out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool",
    .infer = infer_arg,
    .kernel = {"generic", run_arg<false>},
    .derivative = not_differentiable("the result is an index"),
    .onnx = {"ArgMin", 13},
    .samples = {.calls = "argmin(T(3, 4)); argmin(T(3, 4), 1); argmin(T(3, 4), 0, True); argmin(T())"},
    .doc = "The index of the smallest element of all (flattened), or along `dim`: the first of equals; NaN wins."};

OP(max_dim) = {
    .signature = INDEXED("max"),
    .names = "_ops.max_dim",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool",
    .infer = infer_indexed,
    .kernel = {"generic", run_indexed<true>},
    .derivative = {vjp_picked, "indices"},
    .onnx = no_onnx("TopK with k = 1; written by the exporter"),
    .samples = {.calls = "max_dim(T(3, 4), 1); max_dim(T(3, 4, 2), 1, True)"},
    .doc = "The largest elements along `dim` and their indices: the first of equals; NaN wins."};

OP(min_dim) = {
    .signature = INDEXED("min"),
    .names = "_ops.min_dim",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool",
    .infer = infer_indexed,
    .kernel = {"generic", run_indexed<false>},
    .derivative = {vjp_picked, "indices"},
    .onnx = no_onnx("TopK with k = 1; written by the exporter"),
    .samples = {.calls = "min_dim(T(3, 4), 1); min_dim(T(3, 4, 2), 1, True)"},
    .doc = "The smallest elements along `dim` and their indices: the first of equals; NaN wins."};

// ---- statistics -----------------------------------------------------------------------------------------------------

namespace {

double correction_of(const Value& v) { return v.is_none() ? 1.0 : v.to_double(); }

// The variances of both parts, which lie side by side, are added.
template <bool root>
void run_complex_var(Call& c, const Tensor& x, Extent e) {
    DType t = c.out[0].dtype();
    Tensor parts = empty_tensor({c.out[0].numel(), 2}, t);
    Extent both = {e.outer, e.n, 2 * e.inner};
    kernels::var(x.data(), t, parts.data(), nullptr, both, correction_of(c["correction"]), false);
    Tensor total = sum(parts, Value(1));
    if (root) total = sqrt(total);
    copy_values(*c.out[0].impl(), *reshape(total, c.out[0].sizes()).impl());
}

template <bool root>
void run_var(Call& c) {
    Extent e;
    Tensor x = gathered(Tensor(&c.tensor(0)), mask_of(c), &e);
    if (is_complex(x.dtype())) return run_complex_var<root>(c, x, e);
    kernels::var(x.data(), x.dtype(), c.out[0].data(), nullptr, e, correction_of(c["correction"]), root);
}

Tensor centred(const Vjp& d) { return sub(d.input(0), mean(d.input(0), d[1], true)); }

double freedom(const Vjp& d) { return std::max(0.0, double(count_of(d)) - correction_of(d["correction"])); }

void vjp_var(Vjp& d) {
    Tensor x = d.input(0);
    Tensor centre = d.sizes(0).empty() ? sub(x, x) : centred(d);
    d.to(0, mul(mul(keep_dims(d, d.grad()), 2.0 / freedom(d)), centre));
}

void vjp_std(Vjp& d) {
    Tensor x = d.input(0);
    Tensor centre = d.sizes(0).empty() ? sub(x, x) : centred(d);
    Tensor scale = div(keep_dims(d, d.grad()), mul(keep_dims(d, d.result()), freedom(d)));
    d.to(0, mul(masked_fill(scale, eq(keep_dims(d, d.result()), 0), 0), centre));
}

// Around the largest real part, which alone decides how large the exponentials are.
void run_complex_logsumexp(Call& c) {
    Tensor x = detach(Tensor(&c.tensor(0)));
    if (x.numel() == 0) return fill_raw(*c.out[0].impl(), as_element(-HUGE_VAL, c.out[0].dtype(), c.name()));
    Tensor high = invoke(required_op("amax"), real_part(x), c[1], true);
    high = masked_fill(high, ne(sub(high, high), 0), 0);
    // Infinities are left to exp and log.
    Tensor total = add(log(sum(exp(sub(x, high)), c[1], true)), high);
    copy_values(*c.out[0].impl(), *reshape(total, c.out[0].sizes()).impl());
}

void run_logsumexp(Call& c) {
    if (has_complex_result(c)) return run_complex_logsumexp(c);
    Extent e;
    Tensor x = gathered(cast(Tensor(&c.tensor(0)), c.out[0].dtype()), mask_of(c), &e);
    kernels::logsumexp(x.data(), x.dtype(), c.out[0].data(), e);
}

void vjp_logsumexp(Vjp& d) {
    d.to(0, mul(keep_dims(d, d.grad()), conj(exp(sub(d.input(0), keep_dims(d, d.result()))))));
}

void infer_norm(Call& c) {
    DType own = c.tensor(0).dtype, t = wanted_dtype(c, own);
    require(is_differentiable(t), ErrorKind::runtime, c.name(), ": input has dtype ", name_of(t),
            "; expected a floating or complex dtype");
    require(is_complex(t) || !is_complex(own), ErrorKind::runtime, c.name(), ": input has dtype ", name_of(own),
            " and dtype=", name_of(t), "; expected a complex dtype");
    if (c["ord"].to_double() < 0) require_elements(c, rules::dim_mask(c, c["dim"], c.tensor(0).sizes));
    c.result(reduced_sizes(c.tensor(0).sizes, rules::dim_mask(c, c["dim"], c.tensor(0).sizes), keeps(c["keepdim"])),
             to_real(t));
}

void run_norm(Call& c) {
    Extent e;
    Tensor own(&c.tensor(0));
    if (is_complex(own.dtype())) own = abs(detach(own));
    Tensor x = gathered(cast(own, c.out[0].dtype()), rules::dim_mask(c, c["dim"], c.tensor(0).sizes),
                        &e);
    kernels::norm(x.data(), x.dtype(), c.out[0].data(), e, c["ord"].to_double());
}

Tensor safe_ratio(const Tensor& a, const Tensor& b) {      // a / b, and 0 where b is 0
    return masked_fill(div(a, b), eq(b, 0), 0);
}

// dim and keepdim come after `ord` here: the shared helpers read them by position, so this rebuilds what it needs.
void vjp_norm(Vjp& d) {
    Tensor x = d.input(0), y = d.result(), g = d.grad();
    const Value dims = d["dim"];
    if (!d["keepdim"].to_bool() && !d.sizes(0).empty()) {
        uint64_t mask = 0;
        for (int64_t i : dims.to_ints()) mask |= uint64_t(1) << (i < 0 ? i + d.sizes(0).size() : i);
        if (!mask) mask = ~uint64_t(0);
        Dims kept = reduced_sizes(d.sizes(0), mask, true);
        y = reshape(y, kept);
        g = reshape(g, kept);
    }
    double p = d["ord"].to_double();
    if (p == 0) return d.to(0, zeros(d.sizes(0), g.dtype()));
    if (p == 1) return d.to(0, mul(sgn(x), g));
    if (p == 2) return d.to(0, mul(x, safe_ratio(g, y)));
    if (std::isinf(p)) {
        Tensor mask = to_dtype(eq(abs(x), y), y.dtype());
        return d.to(0, mul(mul(sgn(x), mask), div(g, sum(mask, dims, true))));
    }
    Tensor magnitude = pow(abs(x), p - 1);
    if (p < 1) magnitude = masked_fill(magnitude, eq(x, 0), 0);        // the subgradient that is a number
    d.to(0, mul(mul(sgn(x), magnitude), safe_ratio(g, pow(y, p - 1))));
}

}  // namespace

OP(var) = {
    .signature = REDUCTION_SIGNATURE("var", ", *, correction: Number | None = 1"),
    .names = "_ops.var",
    .kind = Kind::reduction,
    .dtypes = "floating complex",
    .infer = infer_moment,
    .kernel = {"generic", run_var<false>},
    .derivative = {vjp_var, "input"},
    .onnx = no_onnx("composed of ReduceMean; written by the exporter"),
    .samples = {.calls = "var(T(3, 4)); var(T(3, 4, 2), 1); var(T(3, 4, 2), (0, 2), True, correction=0)"},
    .doc = "The variance of all elements, or along `dim`, with divisor n - correction."};

OP(std) = {
    .signature = REDUCTION_SIGNATURE("std", ", *, correction: Number | None = 1"),
    .names = "_ops.std",
    .kind = Kind::reduction,
    .dtypes = "floating complex",
    .infer = infer_moment,
    .kernel = {"generic", run_var<true>},
    .derivative = {vjp_std, "input result"},
    .onnx = no_onnx("composed of ReduceMean; written by the exporter"),
    .samples = {.calls = "std(T(3, 4)); std(T(3, 4, 2), 1); std(T(3, 4, 2), (0, 2), True, correction=0)"},
    .doc = "The standard deviation of all elements, or along `dim`: the square root of the variance."};

OP(logsumexp) = {
    .signature = "logsumexp(input: Tensor, dim: int | int[], keepdim: bool = False) -> Tensor",
    .names = "logsumexp Tensor.logsumexp special.logsumexp out",
    .kind = Kind::reduction,
    .dtypes = "floating integral bool complex",
    .infer = infer_logsumexp,
    .kernel = {"generic", run_logsumexp},
    .derivative = {vjp_logsumexp, "input result"},
    .onnx = {"ReduceLogSumExp", 13},
    .samples = {.calls = "logsumexp(T(3, 4), 1); logsumexp(T(3, 4, 2), (0, 2), True)"},
    .doc = "The logarithm of the sum of exponentials along `dim`, without overflow."};

OP(vector_norm) = {
    .signature = "vector_norm(input: Tensor, ord: Number = 2, dim: int | int[] | None = None, keepdim: bool = False, "
                 "*, "
                 "dtype: dtype | None = None) -> Tensor",
    .names = "linalg.vector_norm out",
    .kind = Kind::reduction,
    .dtypes = "floating complex",
    .infer = infer_norm,
    .kernel = {"generic", run_norm},
    .derivative = {vjp_norm, "input result"},
    .onnx = no_onnx("ReduceL1 or ReduceL2 by `ord`; written by the exporter"),
    .samples = {.calls = "vector_norm(T(3, 4)); vector_norm(T(3, 4), 1, 1); vector_norm(T(3, 4), 3, 0, True); "
                         "vector_norm(T(5), inf)"},
    .doc = "The p-norm of the elements, all or along `dim`; `ord` may be 0, inf and -inf."};

}  // namespace rushlight
