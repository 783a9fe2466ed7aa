// Which values there are, how many of each, and where others would go among them.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/generic/index.h"
#include "kernels/generic/sort.h"
#include "ops/algebra.h"
#include "ops/shape_rules.h"

namespace rushlight {

namespace {

// ---- distinct values ---------------------------------------------------------------------------------------------

void infer_unique(Call& c) {
    rules::require_not_complex(c, 0);
    require(c.tensor(0).numel < (int64_t(1) << 32), ErrorKind::runtime, c.name(), ": input of shape ",
            c.tensor(0).sizes, " has ", c.tensor(0).numel, " elements; expected fewer than 2**32");
}

Tensor first_of(const Tensor& all, int64_t count) {
    Tensor out = empty_tensor({count}, all.dtype());
    if (count) std::memcpy(out.data(), all.data(), size_t(count * size_of(all.dtype())));
    return out;
}

// The results beside the values: `inverse` and `counts` with room for n, undefined (and null) where not wanted.
struct Places {
    Tensor inverse, counts;
    Places(const Call& c, const Dims& shape, int64_t n) {
        if (c["return_inverse"].to_bool()) inverse = empty_tensor(shape, DType::int64);
        if (c["return_counts"].to_bool()) counts = empty_tensor({n}, DType::int64);
    }
    int64_t* inverse_data() const { return inverse.defined() ? inverse.data_as<int64_t>() : nullptr; }
    int64_t* counts_data() const { return counts.defined() ? counts.data_as<int64_t>() : nullptr; }
    void give(Call& c, Tensor values, int64_t found) {
        c.out[0] = first_of(values, found);
        c.out[1] = std::move(inverse);
        if (counts.defined()) c.out[2] = first_of(counts, found);
    }
};

void run_unique_values(Call& c) {
    Tensor in = contiguous(tensor_at(c, 0));
    int64_t n = in.numel(), found;
    Places places(c, in.sizes(), n);
    Tensor values = empty_tensor({n}, in.dtype());
    if (c["consecutive"].to_bool()) {
        found = kernels::unique_consecutive(in.data(), in.dtype(), n, values.data(), places.inverse_data(),
                                            places.counts_data());
    } else {
        Tensor work = empty_tensor({int64_t(kernels::unique_workspace(in.dtype(), n))}, DType::uint8);
        found = kernels::unique(in.data(), in.dtype(), n, values.data(), places.inverse_data(), places.counts_data(),
                                work.data());
    }
    places.give(c, values, found);
}

void infer_unique_rows(Call& c) {
    infer_unique(c);
    rules::require_rank(c, 0, 2);
}

void run_unique_rows(Call& c) {
    Tensor in = contiguous(tensor_at(c, 0));
    int64_t rows = in.size(0);
    Places places(c, {rows}, rows);
    Tensor first = empty_tensor({rows}, DType::int64);
    int64_t found = kernels::unique_rows(in.data(), in.dtype(), rows, in.size(1), c["consecutive"].to_bool(),
                                         first.data_as<int64_t>(), places.inverse_data(), places.counts_data());
    places.give(c, first, found);
}

// ---- counts ------------------------------------------------------------------------------------------------------

void infer_bincount(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(is_integral(t.dtype), ErrorKind::runtime, c.name(), ": input has dtype ", name_of(t.dtype),
            "; expected an integer dtype");
    rules::require_rank(c, 0, 1);
    int64_t minlength = c[2].to_int();
    require(minlength >= 0, ErrorKind::runtime, c.name(), ": minlength=", minlength, "; expected minlength >= 0");
    if (!c.has(1)) return;
    rules::require_not_complex(c, 1);
    require(c.tensor(1).sizes == t.sizes, ErrorKind::runtime, c.name(), ": weights has shape ", c.tensor(1).sizes,
            "; expected ", t.sizes, ", the shape of input");
}

void run_bincount(Call& c) {
    Tensor in = contiguous(tensor_at(c, 0)), weights = tensor_at(c, 1);
    int64_t n = in.numel(), minlength = c[2].to_int();
    if (n == 0) {
        c.out[0] = invoke(op_zeros, Dims{minlength}, DType::int64);
        return;
    }
    auto [low, high] = kernels::integer_range(in.data(), in.dtype(), n);
    require(low >= 0, ErrorKind::runtime, c.name(), ": input contains ", low, "; expected no negative integers");
    require(high < std::numeric_limits<int64_t>::max(), ErrorKind::runtime, c.name(), ": input contains ", high,
            ", and a count for each integer up to it does not fit into memory");
    DType w = !weights.defined() ? DType::int64
              : weights.dtype() == DType::float32 ? DType::float32 : DType::float64;
    if (weights.defined()) weights = cast(weights, w);
    int64_t bins = std::max(minlength, high + 1);
    checked_numel({bins, 8}, c.name());
    c.out[0] = empty_tensor({bins}, w);
    kernels::bincount(in.data(), in.dtype(), n, weights.defined() ? weights.data() : nullptr, w, c.out[0].data(), bins);
}

void infer_histc(Call& c) {
    rules::require_floating(c, 0);
    int64_t bins = c[1].to_int();
    require(bins > 0, ErrorKind::runtime, c.name(), ": bins=", bins, "; expected bins > 0");
    double low = c[2].to_double(), high = c[3].to_double();
    require(low <= high, ErrorKind::runtime, c.name(), ": min=", low, " and max=", high, "; expected min <= max");
    require(std::isfinite(low) && std::isfinite(high), ErrorKind::runtime, c.name(), ": min=", low, " and max=", high,
            "; expected finite bounds");
    checked_numel({bins, 8}, c.name());
    c.result({bins}, c.tensor(0).dtype);
}

double extreme(const char* op, const Tensor& x) {
    return *cast(invoke(required_op(op), x, Dims()), DType::float64).data_as<double>();
}

void run_histc(Call& c) {
    GradMode off(false);
    Tensor in = contiguous(tensor_at(c, 0));
    double low = c[2].to_double(), high = c[3].to_double();
    if (in.dtype() != DType::float64) {                        // bounds that only float64 tells apart are equal
        low = float(low);
        high = float(high);
    }
    if (low == high && in.numel() > 0) {
        low = extreme("amin", in);
        high = extreme("amax", in);
        require(std::isfinite(low) && std::isfinite(high), ErrorKind::runtime, c.name(), ": input reaches from ", low,
                " to ", high, "; expected finite elements, or min and max");
    }
    if (low == high) {
        low -= 1;
        high += 1;
    }
    kernels::histc(in.data(), in.dtype(), in.numel(), c.out[0].data(), c[1].to_int(), low, high);
}

void infer_one_hot(Call& c) {
    DType t = c.tensor(0).dtype;
    require(t == DType::int64, ErrorKind::runtime, c.name(), ": tensor has dtype ", name_of(t), "; expected int64");
    require_room(c, c.tensor(0).rank() + 1);
}

void run_one_hot(Call& c) {
    Tensor in = contiguous(tensor_at(c, 0));
    int64_t classes = c[1].to_int();
    auto [low, high] = kernels::integer_range(in.data(), in.dtype(), in.numel());
    if (in.numel() == 0) {
        require(classes > 0, ErrorKind::runtime, c.name(), ": tensor of shape ", in.sizes(),
                " has no elements to infer num_classes from; expected num_classes > 0");
    } else {
        require(low >= 0, ErrorKind::runtime, c.name(), ": tensor contains class ", low, "; expected classes >= 0");
        if (classes == -1) classes = high < std::numeric_limits<int64_t>::max() ? high + 1 : high;
        require(high < classes, ErrorKind::runtime, c.name(), ": tensor contains class ", high,
                "; expected classes below num_classes=", classes);
    }
    Dims sizes = in.sizes();
    sizes.push_back(classes);
    checked_numel(sizes, c.name());
    c.out[0] = empty_tensor(sizes, DType::int64);
    kernels::one_hot(in.data_as<int64_t>(), in.numel(), classes, c.out[0].data_as<int64_t>());
}

// ---- places in a sorted row --------------------------------------------------------------------------------------

void check_sorter(const Call& c, const TensorImpl& sorted, const TensorImpl& sorter) {
    require(sorter.dtype == DType::int64, ErrorKind::runtime, c.name(), ": sorter has dtype ", name_of(sorter.dtype),
            "; expected int64");
    require(sorter.sizes == sorted.sizes, ErrorKind::runtime, c.name(), ": sorter has shape ", sorter.sizes,
            "; expected ", sorted.sizes, ", the shape of sorted_sequence");
}

bool goes_right(const Call& c) {
    if (c["side"].is_none()) return c["right"].to_bool();
    std::string_view side = c["side"].to_string();
    require(side == "left" || side == "right", ErrorKind::runtime, c.name(), ": side='", side,
            "'; expected 'left' or 'right'");
    require(side == "right" || !c["right"].to_bool(), ErrorKind::runtime, c.name(),
            ": side='left' contradicts right=True; expected one of them");
    return side == "right";
}

void infer_searchsorted(Call& c) {
    TensorImpl& sorted = c.tensor(0);
    Dims sizes = c[1].is_tensor() ? c.tensor(1).sizes : Dims();
    rules::require_not_complex(c, 0);
    if (c[1].is_tensor()) rules::require_not_complex(c, 1);
    require(c[1].tag != Tag::complex, ErrorKind::runtime, c.name(), ": input is complex; expected a real number");
    require(sorted.rank() > 0, ErrorKind::runtime, c.name(),
            ": sorted_sequence has no dimensions; expected at least one");
    bool fits = sorted.rank() == 1 || sorted.rank() == sizes.size();
    for (int i = 0; fits && sorted.rank() > 1 && i < sizes.size() - 1; ++i) fits = sizes[i] == sorted.sizes[i];
    require(fits, ErrorKind::runtime, c.name(), ": input has shape ", sizes, " and sorted_sequence ", sorted.sizes,
            "; expected one row, or one for each row of input");
    if (c.has(5)) check_sorter(c, sorted, c.tensor(5));
    goes_right(c);
    c.result(sizes, c["out_int32"].to_bool() ? DType::int32 : DType::int64);
}

void run_searchsorted(Call& c) {
    DType t = rules::result_type(c, 0, 2);
    Tensor sorted = cast(tensor_at(c, 0), t), sorter = c.has(5) ? contiguous(tensor_at(c, 5)) : Tensor();
    Tensor values = c[1].is_tensor() ? cast(tensor_at(c, 1), t) : invoke(op_full, Dims(), c[1], t);
    int64_t n = sorted.size(sorted.rank() - 1), m = values.rank() ? values.size(values.rank() - 1) : 1;
    if (values.numel() == 0) return;
    if (sorter.defined() && sorter.numel()) {
        auto [low, high] = kernels::integer_range(sorter.data(), DType::int64, sorter.numel());
        require(low >= 0 && high < n, ErrorKind::runtime, c.name(), ": sorter contains ", low < 0 ? low : high,
                "; expected 0 <= index < ", n);
    }
    Tensor places = c.out[0].dtype() == DType::int64 ? c.out[0] : empty_tensor(values.sizes(), DType::int64);
    kernels::searchsorted(sorted.data(), values.data(), t, places.data_as<int64_t>(), values.numel() / m, n, m,
                          sorted.rank() == 1, goes_right(c), sorter.defined() ? sorter.data_as<int64_t>() : nullptr);
    if (!places.same(c.out[0])) copy_values(*c.out[0].impl(), *places.impl());
}

void compose_bucketize(Call& c) {
    rules::require_rank(c, 1, 1);
    give(c, invoke(required_op("searchsorted"), tensor_at(c, 1), c[0], c[2], c[3]));
}

constexpr Derivative places_are_integers = not_differentiable("the results are whole numbers");

}  // namespace

OP(unique_values) = {
    .signature = "unique(input: Tensor, return_inverse: bool, return_counts: bool, consecutive: bool)"
                 " -> (output: Tensor, inverse_indices: Tensor, counts: Tensor)",
    .names = "_ops.unique_values",
    .dtypes = "floating integral bool",
    .infer = infer_unique,
    .kernel = {"generic", run_unique_values},
    .derivative = not_differentiable("which values are equal changes abruptly"),
    .onnx = {"Unique", 11},
    .samples = {.calls = "unique_values(I(12, high=5), True, True, False);"
                         "unique_values(I(3, 4, high=4), True, True, False)"},
    .doc = "The distinct elements in ascending order (or the first of each run of equal ones), for each element its "
           "place among them, and how often each occurs."};

OP(unique_rows) = {
    .signature = "unique(input: Tensor, return_inverse: bool, return_counts: bool, consecutive: bool)"
                 " -> (first: Tensor, inverse_indices: Tensor, counts: Tensor)",
    .names = "_ops.unique_rows",
    .dtypes = "floating integral bool",
    .infer = infer_unique_rows,
    .kernel = {"generic", run_unique_rows},
    .derivative = not_differentiable("which rows are equal changes abruptly"),
    .onnx = no_onnx("Unique along an axis gives the rows; written by the exporter"),
    .samples = {.calls = "unique_rows(I(8, 2, high=2), True, True, False); "
                         "unique_rows(I(5, 1, high=3), True, True, False)"},
    .doc = "Which row stands for each distinct row, in lexicographic order (or in order of appearance), "
           "for each row its "
           "place among them, and how often each occurs."};

OP(bincount) = {
    .signature = "bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor",
    .names = "bincount Tensor.bincount",
    .dtypes = "integral",
    .infer = infer_bincount,
    .kernel = {"generic", run_bincount},
    .derivative = places_are_integers,
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "bincount(I(20, high=6)); bincount(I(6, high=4), T(6)); bincount(I(5, high=3), None, 8)"},
    .doc = R"(How often each integer from 0 to the largest occurs in a vector; with `weights`, the sum of theirs.

At least `minlength` counts. Sums are float32 for float32 weights, else float64.

Example:
    >>> rushlight.bincount(rushlight.tensor([1, 3, 1]))
    tensor([0, 2, 0, 1]))"};

OP(histc) = {
    .signature = "histc(input: Tensor, bins: int = 100, min: Number = 0, max: Number = 0) -> Tensor",
    .names = "histc Tensor.histc out",
    .dtypes = "floating",
    .infer = infer_histc,
    .kernel = {"generic", run_histc},
    .derivative = not_differentiable("counts change abruptly"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "histc(T(4, 5), 4); histc(T(20), 5, -1, 2); histc(T(3, 2, 2), 3, -4, 4)"},
    .doc = R"(How many elements lie in each of `bins` equal cells of [min, max].

Where both bounds are equal, the cells span the input's range. Elements outside, and NaN, are left out. The counts have
the input's dtype.

Example:
    >>> rushlight.histc(rushlight.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.]))"};

OP(one_hot) = {
    .signature = "one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor",
    .names = "nn.functional.one_hot",
    .dtypes = "integral",
    .infer = infer_one_hot,
    .kernel = {"generic", run_one_hot},
    .derivative = places_are_integers,
    .onnx = {"OneHot", 11},
    .samples = {.calls = "one_hot(I(5, high=4)); one_hot(I(2, 3, high=3), 5)"},
    .doc = R"(A new last dimension that is 1 at the class and 0 elsewhere; int64.

`num_classes` is its size: one more than the largest class where it is -1.

Example:
    >>> rushlight.nn.functional.one_hot(rushlight.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]]))"};

OP(searchsorted) = {
    .signature = "searchsorted(sorted_sequence: Tensor, input: Tensor | Number, *, out_int32: bool = False, "
                 "right: bool = False, "
                 "side: str | None = None, sorter: Tensor | None = None) -> Tensor",
    .names = "searchsorted out",
    .dtypes = "floating integral bool",
    .infer = infer_searchsorted,
    .kernel = {"generic", run_searchsorted},
    .derivative = places_are_integers,
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "searchsorted(sort(T(5))[0], T(2, 3)); searchsorted(sort(T(2, 4))[0], T(2, 3), right=True)"},
    .doc = R"(Where each element of `input` would go in a sorted row so that it stays sorted.

That is before its equals, or behind them where `right`. `sorted_sequence` is one row, or has a row for
each row of `input`. `side` is 'left' or 'right', NumPy's way to say `right`. `sorter` holds the indices that sort it,
where it is not sorted. The result is int64, or int32 with `out_int32`.

Example:
    >>> rushlight.searchsorted(rushlight.tensor([1, 3, 5]), rushlight.tensor([3, 6]))
    tensor([1, 3]))"};

OP(bucketize) = {
    .signature = "bucketize(input: Tensor | Number, boundaries: Tensor, *, out_int32: bool = False, "
                 "right: bool = False) -> Tensor",
    .names = "bucketize out",
    .dtypes = "floating integral bool",
    .compose = compose_bucketize,
    .samples = {.calls = "bucketize(T(2, 3), sort(T(5))[0]); bucketize(0.5, sort(T(5))[0], right=True)"},
    .doc = R"(Which of the cells between ascending `boundaries` each element lies in.

On a boundary that is the cell below it, or above it where `right`.

Example:
    >>> rushlight.bucketize(rushlight.tensor([0.5, 2.0, 9.0]), rushlight.tensor([1.0, 2.0, 3.0]))
    tensor([0, 1, 3]))"};

}  // namespace rushlight
