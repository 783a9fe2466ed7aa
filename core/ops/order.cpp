// Running reductions, sorting, and what rests on order.
#include "kernels/generic/sort.h"

#include "kernels/generic/reduce.h"
#include "kernels/generic/scan.h"
#include "ops/algebra.h"
#include "ops/extent_of.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

using kernels::Extent;

int dim_of(const Call& c) { return rules::dim(c, c["dim"].to_int(), c.tensor(0).sizes); }
int64_t dim_of(const Vjp& d) {
    int64_t dim = d["dim"].to_int();
    return dim < 0 ? dim + std::max(d.sizes(0).size(), 1) : dim;
}
Extent extent_along(const Call& c) { return extent_of(c.tensor(0).sizes, dim_of(c)); }

// ---- scans ----------------------------------------------------------------------------------------------------------

void infer_scan(Call& c) {
    dim_of(c);
    DType t = c.has(2) ? c[2].dtype_ : is_differentiable(c.tensor(0).dtype) ? c.tensor(0).dtype : DType::int64;
    c.result(c.tensor(0).sizes, t);
}

template <void (*scan)(const void*, DType, void*, DType, Extent)>
void run_scan(Call& c) {
    Tensor x(&c.tensor(0));
    DType out = c.out[0].dtype();
    bool direct = x.dtype() == out || (out == DType::int64 && !is_differentiable(x.dtype()));
    x = direct ? contiguous(x) : cast(x, out);
    scan(x.data(), x.dtype(), c.out[0].data(), out, extent_along(c));
}

Tensor reverse_cumsum(const Tensor& x, int64_t dim) { return flip(cumsum(flip(x, {dim}), dim), {dim}); }

void vjp_cumsum(Vjp& d) { d.to(0, reverse_cumsum(d.grad(), dim_of(d))); }

// dL/dx_k = sum over i >= k of g_i * (product of the others up to i). Without zeros that is reverse_cumsum(g * y) / x.
// From the first zero on the quotient fails; there the sum is formed with that zero taken as one, and only the first
// zero receives it.
void vjp_cumprod(Vjp& d) {
    static const Op& cumprod = required_op("cumprod");
    int64_t dim = dim_of(d);
    Tensor x = conj(d.input(0)), y = conj(d.result()), g = d.grad();
    Tensor zero = eq(x, 0);
    Tensor zeros_so_far = cumsum(to_dtype(zero, DType::int64), dim);
    Tensor before = eq(zeros_so_far, 0), after_first = eq(zeros_so_far, 1);
    Tensor first_zero = logical_and(zero, after_first);
    Tensor safe = masked_fill(x, zero, 1);
    Tensor plain = div(reverse_cumsum(mul(g, y), dim), safe);
    Tensor past = mul(invoke(cumprod, safe, dim), to_dtype(after_first, g.dtype()));
    Tensor at_zero = reverse_cumsum(mul(g, past), dim);
    d.to(0, add(mul(plain, to_dtype(before, g.dtype())), mul(at_zero, to_dtype(first_zero, g.dtype()))));
}

void infer_running_extreme(Call& c) {
    rules::require_not_complex(c, 0);
    dim_of(c);
    c.result(c.tensor(0).sizes, c.tensor(0).dtype);
    c.result(c.tensor(0).sizes, DType::int64);
}

template <void (*scan)(const void*, DType, void*, int64_t*, Extent)>
void run_running_extreme(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    scan(x.data(), x.dtype(), c.out[0].data(), c.out[1].data_as<int64_t>(), extent_along(c));
}

// Each gradient goes to the element that its index names.
void vjp_by_index(Vjp& d) {
    Tensor g = d.grad();
    if (d.sizes(0).empty()) return d.to(0, g);
    d.to(0, scatter_add(zeros(d.sizes(0), g.dtype()), dim_of(d), d.result(1), g));
}

void infer_inexact_along(Call& c) {
    if (!is_complex(c.tensor(0).dtype)) rules::require_floating(c, 0);
    dim_of(c);
    rules::same_as_first(c);
}

void run_logcumsumexp(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    kernels::logcumsumexp(x.data(), x.dtype(), c.out[0].data(), extent_along(c));
}

// dL/dx_k = exp(x_k - y_k) r_k, where r_k = g_k + exp(y_k - y_{k+1}) r_{k+1}. As y grows, no exponential overflows. The
// sum doubles the span that each r covers, step by step, so it is linear in g and its derivatives follow by themselves.
void vjp_logcumsumexp(Vjp& d) {
    int64_t dim = dim_of(d), n = d.sizes(0).empty() ? 1 : d.sizes(0)[int(dim)];
    Tensor x = conj(d.input(0)), y = conj(d.result()), r = d.grad();
    // Where y is -inf, so is every x before it, and nothing flows.
    Tensor below = masked_fill(y, eq(real(y), -std::numeric_limits<double>::infinity()), 0);
    for (int64_t span = 1; span < n; span *= 2) {
        int64_t rest = n - span;
        Tensor decay = exp(sub(narrow(y, dim, 0, rest), narrow(below, dim, span, rest)));
        Tensor parts[] = {add(narrow(r, dim, 0, rest), mul(decay, narrow(r, dim, span, rest))),
                          narrow(r, dim, rest, span)};
        r = cat(parts, dim);
    }
    d.to(0, mul(exp(sub(x, below)), r));
}

#define SCAN(NAME) NAME "(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor"
#define RUNNING(NAME) NAME "(input: Tensor, dim: int) -> (values: Tensor, indices: Tensor)"

}  // namespace

OP(cumsum) = {
    .signature = SCAN("cumsum"),
    .names = "cumsum Tensor.cumsum Tensor.cumsum_ out",
    .dtypes = "floating integral bool complex",
    .infer = infer_scan,
    .kernel = {"generic", run_scan<kernels::cumsum>},
    .derivative = {vjp_cumsum, ""},
    .onnx = {"CumSum", 14},
    .samples = {.calls = "cumsum(T(3, 4), 0); cumsum(T(3, 4, 2), 1); cumsum(T(), 0)"},
    .doc = "Running sums along `dim`."};

OP(cumprod) = {
    .signature = SCAN("cumprod"),
    .names = "cumprod Tensor.cumprod Tensor.cumprod_ out",
    .dtypes = "floating integral bool complex",
    .infer = infer_scan,
    .kernel = {"generic", run_scan<kernels::cumprod>},
    .derivative = {vjp_cumprod, "input result"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "cumprod(T(3, 4), 0); cumprod(T(3, 4, 2), 1)"},
    .doc = "Running products along `dim`."};

OP(cummax) = {
    .signature = RUNNING("cummax"),
    .names = "cummax Tensor.cummax out",
    .dtypes = "floating integral bool",
    .infer = infer_running_extreme,
    .kernel = {"generic", run_running_extreme<kernels::cummax>},
    .derivative = {vjp_by_index, "indices"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "cummax(T(3, 4), 0); cummax(T(3, 4, 2), 1)"},
    .doc = "Running maxima along `dim` and their indices: of equals the latest; NaN wins from where it stands."};

OP(cummin) = {
    .signature = RUNNING("cummin"),
    .names = "cummin Tensor.cummin out",
    .dtypes = "floating integral bool",
    .infer = infer_running_extreme,
    .kernel = {"generic", run_running_extreme<kernels::cummin>},
    .derivative = {vjp_by_index, "indices"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "cummin(T(3, 4), 0); cummin(T(3, 4, 2), 1)"},
    .doc = "Running minima along `dim` and their indices: of equals the latest; NaN wins from where it stands."};

OP(logcumsumexp) = {
    .signature = "logcumsumexp(input: Tensor, dim: int) -> Tensor",
    .names = "logcumsumexp Tensor.logcumsumexp out",
    .dtypes = "floating complex",
    .infer = infer_inexact_along,
    .kernel = {"generic", run_logcumsumexp},
    .derivative = {vjp_logcumsumexp, "input result"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "logcumsumexp(T(3, 4), 0); logcumsumexp(T(3, 4, 2), 1)"},
    .doc = "The logarithm of running sums of exponentials along `dim`, without overflow."};

// ---- sorting --------------------------------------------------------------------------------------------------------

namespace {

// Scratch memory for a kernel, from the one allocator.
Tensor scratch(size_t bytes) { return empty_tensor({int64_t(bytes)}, DType::uint8); }

void infer_sort(Call& c) {
    rules::require_not_complex(c, 0);
    int dim = dim_of(c);
    const Dims& sizes = c.tensor(0).sizes;
    require(sizes.empty() || sizes[dim] < (int64_t(1) << 32), ErrorKind::runtime, c.name(), ": input of shape ", sizes,
            " is too long along dim=", dim);
    c.result(sizes, c.tensor(0).dtype);
    c.result(sizes, DType::int64);
}

void run_sort(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    Extent e = extent_along(c);
    Tensor work = scratch(kernels::sort_workspace(x.dtype(), e));
    kernels::sort(x.data(), x.dtype(), c.out[0].data(), c.out[1].data_as<int64_t>(), e, c["descending"].to_bool(),
                  work.data());
}

void infer_topk(Call& c) {
    rules::require_not_complex(c, 0);
    int dim = dim_of(c);
    Dims sizes = c.tensor(0).sizes;
    int64_t k = c["k"].to_int(), n = sizes.empty() ? 1 : sizes[dim];
    require(k >= 0 && k <= n, ErrorKind::runtime, c.name(), ": k=", k, " is out of range for dim=", dim,
            " of input of shape ", sizes, "; expected 0 <= k <= ", n);
    if (!sizes.empty()) sizes[dim] = k;
    c.result(sizes, c.tensor(0).dtype);
    c.result(sizes, DType::int64);
}

void run_topk(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    Extent e = extent_along(c);
    int64_t k = c["k"].to_int();
    Tensor work = scratch(kernels::topk_workspace(x.dtype(), e, k));
    kernels::topk(x.data(), x.dtype(), c.out[0].data(), c.out[1].data_as<int64_t>(), e, k, c["largest"].to_bool(),
                  work.data());
}

void infer_selected(Call& c) {
    rules::require_not_complex(c, 0);
    int dim = dim_of(c);
    const Dims& sizes = c.tensor(0).sizes;
    int64_t n = sizes.empty() ? 1 : sizes[dim];
    require(n > 0, ErrorKind::index, c.name(), ": dimension ", dim, " of input of shape ", sizes,
            " is empty; expected at least one element");
    int k_at = c.op.parsed.find("k");
    if (k_at >= 0) {
        int64_t k = c[k_at].to_int();
        require(k >= 1 && k <= n, ErrorKind::runtime, c.name(), ": k=", k, " is out of range for dim=", dim,
                " of input of shape ", sizes, "; expected 1 <= k <= ", n);
    }
    Dims out = reduced_sizes(sizes, uint64_t(1) << dim, c["keepdim"].to_bool());
    c.result(out, c.tensor(0).dtype);
    c.result(out, DType::int64);
}

void run_kthvalue(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    kernels::kthvalue(x.data(), x.dtype(), c.out[0].data(), c.out[1].data_as<int64_t>(), extent_along(c),
                      c["k"].to_int());
}

template <bool ignore_nan>
void run_median(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0)));
    kernels::median(x.data(), x.dtype(), c.out[0].data(), c.out[1].data_as<int64_t>(), extent_along(c), ignore_nan);
}

void vjp_selected(Vjp& d) {
    Tensor g = d.grad(), index = d.result(1);
    if (d.sizes(0).empty()) return d.to(0, g);
    if (!d["keepdim"].to_bool()) {
        g = unsqueeze(g, dim_of(d));
        index = unsqueeze(index, dim_of(d));
    }
    d.to(0, scatter_add(zeros(d.sizes(0), g.dtype()), dim_of(d), index, g));
}

}  // namespace

OP(sort) = {
    .signature = "sort(input: Tensor, dim: int = -1, descending: bool = False, "
                 "stable: bool | None = None) -> (values: Tensor, indices: Tensor)",
    .names = "sort Tensor.sort out",
    .dtypes = "floating integral bool",
    .infer = infer_sort,
    .kernel = {"generic", run_sort},
    .derivative = {vjp_by_index, "indices"},
    .onnx = no_onnx("TopK over the whole dimension; written by the exporter"),
    .samples = {.calls = "sort(T(3, 4)); sort(T(3, 4, 2), 1, True); sort(T())"},
    .doc = "The elements along `dim` in ascending (or descending) order, and their indices. Always stable; "
           "NaN counts as the largest."};

OP(topk) = {
    .signature = "topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, "
                 "sorted: bool = True) -> (values: Tensor, indices: Tensor)",
    .names = "topk Tensor.topk out",
    .dtypes = "floating integral bool",
    .infer = infer_topk,
    .kernel = {"generic", run_topk},
    .derivative = {vjp_by_index, "indices"},
    .onnx = {"TopK", 11},
    .samples = {.calls = "topk(T(3, 4), 2); topk(T(3, 4, 2), 3, 1, False)"},
    .doc = "The `k` largest (or smallest) elements along `dim`, in order, and their indices; "
           "of equals the lowest index first."};

OP(kthvalue) = {
    .signature = "kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> (values: Tensor, "
                 "indices: Tensor)",
    .names = "kthvalue Tensor.kthvalue out",
    .dtypes = "floating integral bool",
    .infer = infer_selected,
    .kernel = {"generic", run_kthvalue},
    .derivative = {vjp_selected, "indices"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "kthvalue(T(3, 4), 2); kthvalue(T(3, 4, 2), 1, 1, True)"},
    .doc = "The `k`-th smallest element along `dim`, counted from 1, and its index."};

OP(median_dim) = {
    .signature = "median(input: Tensor, dim: int, keepdim: bool = False) -> (values: Tensor, indices: Tensor)",
    .names = "_ops.median_dim",
    .dtypes = "floating integral bool",
    .infer = infer_selected,
    .kernel = {"generic", run_median<false>},
    .derivative = {vjp_selected, "indices"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "median_dim(T(3, 5), 1); median_dim(T(3, 4, 2), 1, True)"},
    .doc = "The lower median along `dim` and its index. NaN where one is among the elements."};

OP(nanmedian_dim) = {
    .signature = "nanmedian(input: Tensor, dim: int, keepdim: bool = False) -> (values: Tensor, indices: Tensor)",
    .names = "_ops.nanmedian_dim",
    .dtypes = "floating integral bool",
    .infer = infer_selected,
    .kernel = {"generic", run_median<true>},
    .derivative = {vjp_selected, "indices"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "nanmedian_dim(T(3, 5), 1); nanmedian_dim(T(3, 4, 2), 1, True)"},
    .doc = "The lower median along `dim` of the elements that are not NaN, and its index."};

}  // namespace rushlight
