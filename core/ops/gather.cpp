// Reading and writing along one dimension by index: gather, scatter and the index_* family.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/generic/index.h"
#include "ops/algebra.h"
#include "ops/index_rules.h"
#include "ops/shape_rules.h"

namespace rushlight {

using kernels::Combine;

void fail_at(const Call& c, ErrorKind kind, const kernels::IndexFault& fault, const Dims& index_sizes,
             const char* param, int dim, int64_t low, int64_t high) {
    Dims at(index_sizes.size(), 0);
    int64_t rest = fault.position;
    for (int i = index_sizes.size() - 1; i >= 0; --i) {
        at[i] = rest % std::max<int64_t>(index_sizes[i], 1);
        rest /= std::max<int64_t>(index_sizes[i], 1);
    }
    fail(kind, c.name(), ": ", param, " holds ", fault.value, " at position ", at,
         ", which is out of range for dimension ", dim, " of input of shape ", c.tensor(0).sizes, "; ",
         rules::expected_between(low, param, high));
}

Tensor int64_index(const Call& c, int param) {
    rules::require_index(c, param);
    Tensor index = tensor_at(c, param);
    return index.dtype() == DType::int64 ? index : cast(index, DType::int64);
}

namespace {

// A zero-dimensional tensor counts as one dimension of one element.
Dims raised(const Dims& d, int64_t value) { return d.empty() ? Dims{value} : d; }

int dim_of(const Call& c) { return rules::dim(c, c[1].to_int(), c.tensor(0).sizes); }

// ---- gather and scatter ------------------------------------------------------------------------------------------

// Owns what a kernels::AlongDim points to.
struct Walk {
    Dims sizes, data, index, other;
    int dim;
    int64_t dim_size;
    Walk(const TensorImpl& d, const TensorImpl& i, const Dims& o, int along)
        : sizes(raised(i.sizes, 1)), data(raised(d.strides, 1)), index(raised(i.strides, 1)), other(raised(o, 1)),
          dim(along), dim_size(d.rank() ? d.sizes[along] : 1) {}
    kernels::AlongDim get() const {
        return {sizes.size(), dim, dim_size, sizes.data(), data.data(), index.data(), other.data()};
    }
};

void require_index_fits(const Call& c, const Dims& sizes, const Dims& index, int dim, const char* what, bool all) {
    int64_t n = 1;
    for (int64_t s : index) n *= s;
    if (n == 0) return;                                        // what picks nothing may have any shape
    bool fits = std::max(sizes.size(), 1) == std::max(index.size(), 1);
    for (int i = 0; fits && i < index.size(); ++i)
        fits = (i == dim && !all) || index[i] <= (i < sizes.size() ? sizes[i] : 1);
    require(fits, ErrorKind::runtime, c.name(), ": index has shape ", index, " and ", what, " shape ", sizes,
            "; expected the same number of dimensions and index sizes up to those of ", what,
            all ? "" : ", but for dim=", all ? "" : std::to_string(dim));
}

void infer_gather(Call& c) {
    int dim = dim_of(c);
    rules::require_index(c, 2);
    require_index_fits(c, c.tensor(0).sizes, c.tensor(2).sizes, dim, "input", false);
    c.result(c.tensor(2).sizes, c.tensor(0).dtype);
}

void run_gather(Call& c) {
    if (c.tensor(2).numel == 0) return;
    Tensor index = int64_index(c, 2);
    TensorImpl& data = c.tensor(0);
    Walk walk(data, *index.impl(), c.out[0].strides(), dim_of(c));
    if (auto fault = kernels::gather(data.data(), data.dtype, index.data_as<int64_t>(), c.out[0].data(), walk.get()))
        fail_at(c, ErrorKind::runtime, fault, index.sizes(), "index", walk.dim, 0, walk.dim_size);
}

void vjp_gather(Vjp& d) {
    d.to(0, invoke(op_scatter_add, zeros_of(d.sizes(0), d.dtype(0)), d[1].to_int(), d.input(2), d.grad()));
}

void infer_scatter(Call& c) {
    int dim = dim_of(c);
    rules::require_index(c, 2);
    TensorImpl& t = c.tensor(0);
    require_index_fits(c, t.sizes, c.tensor(2).sizes, dim, "input", false);
    if (c[3].is_tensor()) {
        require_index_fits(c, c.tensor(3).sizes, c.tensor(2).sizes, dim, "src", true);
        rules::require_same_dtype(c, 0, 3);
    }
    c.result(t.sizes, t.dtype);
}

const Value& scatter_value_of(const Call& c) { return c[3].is_none() ? c["value"] : c[3]; }

void infer_scatter_set(Call& c) {
    const Value& v = scatter_value_of(c);
    require(!v.is_none(), ErrorKind::type, c.name(), ": missing argument 'src' or 'value'; the signature is ",
            c.op.parsed.text);
    const Value& reduce = c["reduce"];
    require(reduce.is_none() || reduce.to_string() == "add" || reduce.to_string() == "multiply", ErrorKind::runtime,
            c.name(), ": reduce='", reduce.is_none() ? "" : reduce.to_string(), "'; expected 'add' or 'multiply'");
    infer_scatter(c);
}

void scatter_tensor(Call& c, const Tensor& src, Combine combine) {
    Tensor index = int64_index(c, 2);
    update(c, [&](TensorImpl& out) {
        if (index.numel() == 0) return;
        Walk walk(out, *index.impl(), src.strides(), dim_of(c));
        if (auto fault = kernels::scatter(out.data(), out.dtype, index.data_as<int64_t>(), src.data(), walk.get(),
                                          combine))
            fail_at(c, ErrorKind::runtime, fault, index.sizes(), "index", walk.dim, 0, walk.dim_size);
    });
}

void run_scatter(Call& c) {
    const Value& v = scatter_value_of(c);
    const Value& reduce = c["reduce"];
    Combine combine = reduce.is_none() ? Combine::set : reduce.to_string() == "add" ? Combine::add : Combine::prod;
    if (v.is_tensor()) return scatter_tensor(c, Tensor(v.tensor_), combine);
    Tensor index = int64_index(c, 2);
    Element value = as_element(v, c.tensor(0).dtype, c.name());
    update(c, [&](TensorImpl& out) {
        if (index.numel() == 0) return;
        Walk walk(out, *index.impl(), index.strides(), dim_of(c));
        if (auto fault = kernels::scatter_value(out.data(), out.dtype, index.data_as<int64_t>(), value.bytes,
                                                walk.get(), combine))
            fail_at(c, ErrorKind::runtime, fault, index.sizes(), "index", walk.dim, 0, walk.dim_size);
    });
}

// src may be larger than index: the rest of it had no part in the result. An empty index may have any rank.
Tensor source_gradient(Vjp& d, const Tensor& gathered) {
    if (gathered.sizes() == d.sizes(3)) return gathered;
    if (gathered.numel() == 0) return zeros_of(d.sizes(3), gathered.dtype());
    return invoke(op_place, gathered, d.sizes(3), contiguous_strides(d.sizes(3)), 0);
}

void vjp_scatter(Vjp& d) {
    const Value& reduce = d["reduce"];
    bool add = !reduce.is_none() && reduce.to_string() == "add";
    require(reduce.is_none() || add, ErrorKind::not_implemented,
            "scatter: reduce='multiply' has no derivative; use scatter_reduce with 'prod'");
    Tensor index = d.input(2), g = d.grad();
    if (d.needs(0)) d.to(0, add ? g : invoke(op_scatter, g, d[1].to_int(), index, 0));
    if (d.needs(3)) d.to(3, source_gradient(d, invoke(op_gather, g, d[1].to_int(), index)));
}

void run_scatter_add(Call& c) { scatter_tensor(c, tensor_at(c, 3), Combine::add); }

Tensor leading_part(const Tensor& src, const Dims& sizes) {
    Tensor out = src;
    for (int i = 0; i < sizes.size(); ++i)
        if (out.size(i) != sizes[i]) out = invoke(op_slice, out, i, 0, sizes[i], 1);
    return out;
}

void vjp_scatter_add(Vjp& d) {
    if (d.needs(0)) d.to(0, d.grad());
    if (d.needs(3)) d.to(3, source_gradient(d, invoke(op_gather, d.grad(), d[1].to_int(), d.input(2))));
}

Combine combine_of(std::string_view reduce) {
    return reduce == "sum"    ? Combine::add
           : reduce == "prod" ? Combine::prod
           : reduce == "amax" ? Combine::amax
                              : Combine::amin;
}

void run_scatter_combine(Call& c) { scatter_tensor(c, tensor_at(c, 3), combine_of(c["reduce"].to_string())); }

// The product of a slot without one of its factors: what is left of the non-zero factors when no other factor is zero.
void vjp_scatter_product(Vjp& d, const Tensor& input, const Tensor& src, const Tensor& index) {
    int64_t dim = d[1].to_int();
    auto count = [&](const Tensor& is_zero) { return invoke(op_to_dtype, is_zero, input.dtype()); };
    Tensor input_zero = input == 0.0, src_zero = src == 0.0;
    Tensor zeros_in_slot = invoke(op_scatter_add, count(input_zero), dim, index, count(src_zero));
    Tensor factors = where(input_zero, 1, input), src_factors = where(src_zero, 1, src);
    Tensor product = invoke(op_scatter_combine, factors, dim, index, src_factors, "prod");
    auto without = [&](const Tensor& is_zero, const Tensor& factor, const Tensor& zeros, const Tensor& all) {
        return where(is_zero, where(zeros == 1.0, all, 0), where(zeros == 0.0, all / factor, 0));
    };
    Tensor g = d.grad();
    if (d.needs(0)) d.to(0, g * without(input_zero, factors, zeros_in_slot, product));
    if (!d.needs(3)) return;
    auto at = [&](const Tensor& t) { return invoke(op_gather, t, dim, index); };
    d.to(3, source_gradient(d, at(g) * without(src_zero, src_factors, at(zeros_in_slot), at(product))));
}

// Ties share the gradient evenly.
void vjp_scatter_extreme(Vjp& d, const Tensor& input, const Tensor& src, const Tensor& index) {
    int64_t dim = d[1].to_int();
    Tensor result = d.result();
    Tensor input_wins = invoke(op_to_dtype, input == result, input.dtype());
    Tensor src_wins = invoke(op_to_dtype, src == invoke(op_gather, result, dim, index), input.dtype());
    Tensor share = d.grad() / invoke(op_scatter_add, input_wins, dim, index, src_wins);
    if (d.needs(0)) d.to(0, share * input_wins);
    if (d.needs(3)) d.to(3, source_gradient(d, invoke(op_gather, share, dim, index) * src_wins));
}

void vjp_scatter_combine(Vjp& d) {
    Tensor index = d.input(2);
    if (index.numel() == 0) {
        if (d.needs(0)) d.to(0, d.grad());
        if (d.needs(3)) d.to(3, zeros_of(d.sizes(3), d.dtype(3)));
        return;
    }
    Tensor src = leading_part(d.input(3), index.sizes());
    if (d["reduce"].to_string() == "prod") vjp_scatter_product(d, d.input(0), src, index);
    else vjp_scatter_extreme(d, d.input(0), src, index);
}

// What leaves a slot as if the tensor's own value had not been there.
Value neutral_of(std::string_view reduce, DType t) {
    if (reduce == "sum" || reduce == "mean") return Value(0);
    if (reduce == "prod") return Value(1);
    bool largest = reduce == "amax";
    if (is_floating(t))
        return Value(largest ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity());
    if (t == DType::boolean) return Value(!largest);
    return visit_dtype(t, [&](auto zero) -> Value {
        using T = decltype(zero);
        if constexpr (std::is_integral_v<T>)
            return Value(std::conditional_t<std::is_unsigned_v<T>, uint64_t, int64_t>(
                largest ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max()));
        else return Value(0);
    });
}

void compose_scatter_reduce(Call& c) {
    std::string_view reduce = c[4].to_string();
    bool known = reduce == "sum" || reduce == "prod" || reduce == "mean" || reduce == "amax" || reduce == "amin";
    require(known, ErrorKind::runtime, c.name(), ": reduce='", reduce,
            "'; expected 'sum', 'prod', 'mean', 'amax' or 'amin'");
    bool ordered = reduce == "amax" || reduce == "amin";
    require(!ordered || !is_complex(c.tensor(0).dtype), ErrorKind::runtime, c.name(), ": reduce='", reduce,
            "' and input has dtype ", name_of(c.tensor(0).dtype), "; expected 'sum', 'prod' or 'mean': complex numbers "
            "have no order");
    Tensor t = tensor_at(c, 0), index = tensor_at(c, 2), src = tensor_at(c, 3);
    int64_t dim = c[1].to_int();
    bool include_self = c[5].to_bool();
    bool widen = reduce == "mean" && (t.dtype() == DType::float16 || t.dtype() == DType::bfloat16);
    if (widen) {                         // counts above 256 have no place in bfloat16; rounded once, at the end
        t = invoke(op_to_dtype, t, DType::float32);
        src = invoke(op_to_dtype, src, DType::float32);
    }
    Tensor start = include_self ? t : invoke(op_scatter, t, dim, index, neutral_of(reduce, t.dtype()));
    if (reduce == "prod" || ordered)
        return give(c, invoke(op_scatter_combine, start, dim, index, src, reduce));
    Tensor sums = invoke(op_scatter_add, start, dim, index, src);
    if (reduce == "sum") return give(c, sums);
    DType counting = is_differentiable(t.dtype()) ? to_real(t.dtype()) : DType::int64;
    Tensor ones_here = ones(t.sizes(), counting), ones_there = ones(src.sizes(), counting);
    if (!include_self) ones_here = invoke(op_scatter, ones_here, dim, index, 0);
    Tensor counts = maximum(invoke(op_scatter_add, ones_here, dim, index, ones_there), ones(t.sizes(), counting));
    Tensor means = is_differentiable(t.dtype()) ? sums / counts : floor_divide(sums, counts);
    give(c, invoke(op_to_dtype, means, c.tensor(0).dtype));
}

// ---- index_select, index_add, index_copy, index_fill -------------------------------------------------------------

Tensor vector_index(const Call& c, int param) {
    Tensor index = int64_index(c, param);
    require(index.rank() <= 1, ErrorKind::index, c.name(), ": index has shape ", index.sizes(),
            "; expected at most 1 dimension");
    return contiguous(index);
}

void infer_index_select(Call& c) {
    TensorImpl& t = c.tensor(0);
    int dim = dim_of(c);
    rules::require_index(c, 2);
    require(c.tensor(2).rank() <= 1, ErrorKind::index, c.name(), ": index has shape ", c.tensor(2).sizes,
            "; expected at most 1 dimension");
    Dims sizes = t.sizes;
    if (t.rank()) sizes[dim] = c.tensor(2).numel;
    else
        require(c.tensor(2).numel == 1, ErrorKind::runtime, c.name(), ": index has ", c.tensor(2).numel,
                " entries; expected 1 for a zero-dimensional input");
    checked_numel(sizes, c.name());
    c.result(sizes, t.dtype);
}

[[noreturn]] void fail_vector(const Call& c, const kernels::IndexFault& fault, const Tensor& index, int dim,
                              int64_t low, int64_t high) {
    fail_at(c, ErrorKind::index, fault, index.sizes(), "index", dim, low, high);
}

void run_index_select(Call& c) {
    Tensor in = contiguous(tensor_at(c, 0)), index = vector_index(c, 2);
    kernels::Extent e = extent_of(in.sizes(), dim_of(c));
    if (auto fault = kernels::index_select(in.data(), in.dtype(), index.data_as<int64_t>(), index.numel(),
                                           c.out[0].data(), e, false))
        fail_vector(c, fault, index, dim_of(c), 0, e.n);
}

void vjp_index_select(Vjp& d) {
    d.to(0, invoke(op_index_add, zeros_of(d.sizes(0), d.dtype(0)), d[1].to_int(), d.input(2), d.grad()));
}

// source must have the shape of input, but for index.numel() entries along dim.
void infer_index_update(Call& c) {
    TensorImpl &t = c.tensor(0), &src = c.tensor(3);
    int dim = dim_of(c);
    rules::require_index(c, 2);
    rules::require_same_dtype(c, 0, 3);
    bool complex_number = int(c.op.parsed.params.size()) > 4 && c[4].tag == Tag::complex;
    require(!complex_number || is_complex(t.dtype), ErrorKind::runtime, c.name(),
            ": alpha is complex and input has dtype ", name_of(t.dtype), "; expected a real number");
    int64_t n = c.tensor(2).numel;
    bool fits = c.tensor(2).rank() <= 1 && std::max(src.rank(), 1) == std::max(t.rank(), 1);
    for (int i = 0; fits && i < src.rank(); ++i) fits = src.sizes[i] == (i == dim ? n : t.rank() ? t.sizes[i] : 1);
    if (src.rank() == 0) fits = fits && n == 1;
    require(fits, ErrorKind::runtime, c.name(), ": source has shape ", src.sizes, " and index ", c.tensor(2).sizes,
            "; expected a vector of indices, and a source like input of shape ", t.sizes,
            " with as many entries along dim=", dim);
    c.result(t.sizes, t.dtype);
}

void run_index_add(Call& c) {
    Tensor index = vector_index(c, 2), src = contiguous(tensor_at(c, 3));
    bool complex_alpha = c[4].tag == Tag::complex;
    if (complex_alpha) src = mul(detach(src), c[4]);
    kernels::Extent e = extent_of(c.tensor(0).sizes, dim_of(c));
    update_contiguous(c, [&](void* out) {
        if (auto fault = kernels::index_add(out, src.dtype(), index.data_as<int64_t>(), index.numel(), src.data(),
                                            complex_alpha ? 1 : c[4].to_double(), e, false))
            fail_at(c, ErrorKind::runtime, fault, index.sizes(), "index", dim_of(c), 0, e.n);
    });
}

void vjp_index_add(Vjp& d) {
    if (d.needs(0)) d.to(0, d.grad());
    if (!d.needs(3)) return;
    Tensor g = invoke(op_index_select, d.grad(), d[1].to_int(), d.input(2));
    if (d[4].tag == Tag::complex) g = mul(g, std::complex<double>(d[4].complex_.re, -d[4].complex_.im));
    else if (d[4].to_double() != 1) g = mul(g, d[4]);
    d.to(3, invoke(op_reshape, g, d.sizes(3)));
}

void run_index_copy(Call& c) {
    Tensor index = vector_index(c, 2), src = contiguous(tensor_at(c, 3));
    kernels::Extent e = extent_of(c.tensor(0).sizes, dim_of(c));
    update_contiguous(c, [&](void* out) {
        if (auto fault = kernels::index_copy(out, src.dtype(), index.data_as<int64_t>(), index.numel(), src.data(), e,
                                             false))
            fail_vector(c, fault, index, dim_of(c), 0, e.n);
    });
}

void vjp_index_copy(Vjp& d) {
    if (d.needs(0)) d.to(0, invoke(op_index_fill, d.grad(), d[1].to_int(), d.input(2), 0));
    if (d.needs(3))
        d.to(3, invoke(op_reshape, invoke(op_index_select, d.grad(), d[1].to_int(), d.input(2)), d.sizes(3)));
}

void infer_index_fill(Call& c) {
    TensorImpl& t = c.tensor(0);
    dim_of(c);
    rules::require_index(c, 2);
    if (c[3].is_tensor())
        require(c.tensor(3).rank() == 0, ErrorKind::runtime, c.name(), ": value has shape ", c.tensor(3).sizes,
                "; expected a number or a zero-dimensional tensor");
    // An expanded tensor may be filled along another dimension than an expanded one.
    require(!c.in_place || t.rank() == 0 || t.strides[dim_of(c)] != 0 || t.sizes[dim_of(c)] < 2, ErrorKind::runtime,
            c.name(), ": the tensor of shape ", t.sizes, " and stride ", t.strides,
            " has several elements in one place along dim=", dim_of(c), "; clone() it before writing");
    c.result(t.sizes, t.dtype);
}

void run_index_fill(Call& c) {
    Tensor index = vector_index(c, 2);
    DType t = c.tensor(0).dtype;
    Element value;
    if (c[3].is_tensor()) {
        Tensor v = cast(tensor_at(c, 3), t);
        std::memcpy(value.bytes, v.data(), size_t(size_of(t)));
    } else {
        value = as_element(c[3], t, c.name());
    }
    kernels::Extent e = extent_of(c.tensor(0).sizes, dim_of(c));
    update_contiguous(c, [&](void* out) {
        if (auto fault = kernels::index_fill(out, t, index.data_as<int64_t>(), index.numel(), value.bytes, e, true))
            fail_vector(c, fault, index, dim_of(c), -e.n, e.n);
    });
}

void vjp_index_fill(Vjp& d) {
    if (d.needs(0)) d.to(0, invoke(op_index_fill, d.grad(), d[1].to_int(), d.input(2), 0));
    if (!d.needs(3)) return;
    // An entry counts once, however often the index names it; the tape sums. Others must not be read: they may be
    // infinite.
    Dims sizes(d.sizes(0).size(), 1);
    if (!sizes.empty()) {
        int64_t dim = d[1].to_int();
        if (dim < 0) dim += sizes.size();
        sizes[int(dim)] = d.sizes(0)[int(dim)];
    }
    Tensor filled = invoke(op_index_fill, zeros_of(sizes, DType::boolean), d[1].to_int(), d.input(2), true);
    d.to(3, where(filled, d.grad(), 0));
}

// ---- embedding ---------------------------------------------------------------------------------------------------

void infer_embedding(Call& c) {
    TensorImpl& table = c.tensor(0);
    rules::require_index(c, 1);
    rules::require_rank(c, 0, 2);
    Dims sizes = c.tensor(1).sizes;
    require_room(c, sizes.size() + 1);
    sizes.push_back(table.sizes[1]);
    checked_numel(sizes, c.name());
    c.result(sizes, table.dtype);
}

void run_embedding(Call& c) {
    Tensor table = contiguous(tensor_at(c, 0)), index = contiguous(int64_index(c, 1));
    if (auto fault = kernels::embedding(table.data(), table.dtype(), table.size(0), table.size(1),
                                        index.data_as<int64_t>(), index.numel(), c.out[0].data()))
        fail_at(c, ErrorKind::index, fault, index.sizes(), "indices", 0, 0, table.size(0));
}

void vjp_embedding(Vjp& d) {
    require(!d[4].to_bool(), ErrorKind::not_implemented,
            "embedding: sparse=True asks for a sparse gradient; only dense ones exist");
    d.to(0, invoke(op_embedding_backward, d.grad(), d.input(1), d.sizes(0)[0], d[2].to_int(), d[3].to_bool()));
}

void infer_embedding_backward(Call& c) {
    rules::require_index(c, 1);
    TensorImpl &g = c.tensor(0), &index = c.tensor(1);
    require(is_floating(g.dtype) || is_complex(g.dtype), ErrorKind::runtime, c.name(), ": input has dtype ",
            name_of(g.dtype), "; expected a floating or complex dtype");
    require(g.rank() == index.rank() + 1 && std::equal(index.sizes.begin(), index.sizes.end(), g.sizes.begin()),
            ErrorKind::runtime, c.name(), ": input has shape ", g.sizes, " and indices ", index.sizes,
            "; expected the shape of indices and one dimension more");
    require(c[2].to_int() >= 0, ErrorKind::runtime, c.name(), ": num_weights=", c[2].to_int(), " is negative");
    checked_numel({c[2].to_int(), g.sizes.back()}, c.name());
    c.result({c[2].to_int(), g.sizes.back()}, g.dtype);
}

void run_embedding_backward(Call& c) {
    Tensor g = contiguous(tensor_at(c, 0)), index = contiguous(int64_index(c, 1));
    if (auto fault = kernels::embedding_backward(g.data(), g.dtype(), index.data_as<int64_t>(), index.numel(),
                                                 c.out[0].data(), c[2].to_int(), g.sizes().back(), c[3].to_int(),
                                                 c[4].to_bool()))
        fail_at(c, ErrorKind::index, fault, index.sizes(), "indices", 0, 0, c[2].to_int());
}

void vjp_embedding_backward(Vjp& d) {
    Tensor index = d.input(1), rows = invoke(op_embedding, d.grad(), index);
    int64_t padding = d[3].to_int();
    if (padding >= 0) rows = where(invoke(op_unsqueeze, eq(index, padding), -1), 0, rows);
    if (d[4].to_bool()) {
        Tensor flat = invoke(op_reshape, index, Dims{-1});
        Tensor counts = invoke(op_index_add, zeros_of({d[2].to_int()}, d.dtype(0)), 0, flat,
                               ones(flat.sizes(), d.dtype(0)));
        Tensor here = invoke(op_reshape, invoke(op_index_select, counts, 0, flat), index.sizes());
        rows = rows / invoke(op_unsqueeze, here, -1);
    }
    d.to(0, rows);
}

}  // namespace

OP(gather) = {.signature = "gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor",
    .names = "gather Tensor.gather out", .dtypes = "all", .infer = infer_gather, .kernel = {"generic", run_gather},
    .derivative = {.vjp = vjp_gather, .saves = "index"}, .onnx = {"GatherElements", 13},
    .samples = {.calls = "gather(T(3, 4), 1, tensor([[0, 3], [1, 1], [2, 0]])); "
                         "gather(T(3, 4), 0, tensor([[2, 0, 1, 1]])); gather(T(), 0, tensor(0))"},
    .doc = R"(Values picked along a dimension: out[i][j] = input[i][index[i][j]] for dim=1.

The result has the shape of index, whose dtype is int64 or int32. Raises RuntimeError for an index out of range.

Example:
    >>> rushlight.tensor([[1, 2], [3, 4]]).gather(1, rushlight.tensor([[1], [0]]))
    tensor([[2],
            [3]]))"};

OP(scatter) = {
    .signature = "scatter(input: Tensor, dim: int, index: Tensor, src: Tensor | Number | None = None, *, "
                 "value: Number | None = None, reduce: str | None = None) -> Tensor",
    .names = "scatter Tensor.scatter Tensor.scatter_ out", .dtypes = "all", .infer = infer_scatter_set,
    .kernel = {"generic", run_scatter},
    .derivative = {.vjp = vjp_scatter, .saves = "index"}, .onnx = {"ScatterElements", 18},
    .samples = {.calls = "scatter(T(3, 4), 1, tensor([[0, 3], [1, 2], [2, 0]]), T(3, 2)); "
                         "scatter(T(3, 4), 0, tensor([[2, 0, 1, 1]]), 1.5)"},
    .doc = R"(A copy with values written along a dimension: out[i][index[i][j]] = src[i][j] for dim=1.

src is a tensor with at least the sizes of index, or one number. Where indices coincide, the last one counts.
Raises RuntimeError for an index out of range.

Example:
    >>> rushlight.zeros(3).scatter(0, rushlight.tensor([2, 0]), rushlight.tensor([1.0, 5.0]))
    tensor([5., 0., 1.]))", .updates_first = true};

OP(scatter_add) = {.signature = "scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor",
    .names = "scatter_add Tensor.scatter_add Tensor.scatter_add_ out",
    .dtypes = "floating integral bool complex", .infer = infer_scatter,
    .kernel = {"generic", run_scatter_add}, .derivative = {.vjp = vjp_scatter_add, .saves = "index"},
    .onnx = {"ScatterElements", 18},
    .samples = {.calls = "scatter_add(T(3, 4), 1, tensor([[0, 0], [1, 2], [2, 0]]), T(3, 2)); "
                         "scatter_add(T(3), 0, tensor([2, 2, 0]), T(4))"},
    .doc = R"(A copy with values added along a dimension: out[i][index[i][j]] += src[i][j] for dim=1.

Example:
    >>> rushlight.zeros(3).scatter_add(0, rushlight.tensor([2, 2]), rushlight.tensor([1.0, 5.0]))
    tensor([0., 0., 6.]))", .updates_first = true};

OP(scatter_combine) = {
    .signature = "scatter_combine(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str) -> Tensor",
    .dtypes = "real bool",
    .infer = infer_scatter,
    .kernel = {"generic", run_scatter_combine},
    .derivative = {.vjp = vjp_scatter_combine, .saves = "input index src result"},
    .onnx = {"ScatterElements", 18},
    .samples = {.calls = "scatter_reduce(T(3), 0, tensor([2, 2, 0]), T(3), 'prod'); "
                  "scatter_reduce(T(3), 0, tensor([2, 2, 0]), T(3), 'amax')"},
    .doc = "A copy in which each place holds the product, "
        "maximum or minimum of its value and of what src brings there.",
    .updates_first = true};

OP(scatter_reduce) = {
    .signature = "scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, "
                 "include_self: bool = True) -> Tensor",
    .names = "scatter_reduce Tensor.scatter_reduce Tensor.scatter_reduce_ out",
    .dtypes = "floating integral bool complex",
    .compose = compose_scatter_reduce,
    .samples = {.calls = "scatter_reduce(T(3), 0, tensor([2, 2, 0]), T(3), 'sum'); "
                         "scatter_reduce(T(3), 0, tensor([2, 2, 0]), T(3), 'mean');"
                         "scatter_reduce(T(3), 0, tensor([2, 2, 0]), T(3), 'amin', include_self=False);"
                         "scatter_reduce(T(3), 0, tensor([2, 2, 0]), T(3), 'mean', include_self=False)"},
    .doc = R"(A copy in which each place holds the 'sum', 'prod', 'mean', 'amax' or 'amin' of what src brings there.

The place's own value takes part unless include_self is False; places that nothing goes to keep theirs.

Example:
    >>> rushlight.zeros(2).scatter_reduce(0, rushlight.tensor([1, 1]), rushlight.tensor([3.0, 5.0]), 'amax')
    tensor([0., 5.]))"};

OP(index_select) = {.signature = "index_select(input: Tensor, dim: int, index: Tensor) -> Tensor",
    .names = "index_select Tensor.index_select out",
    .dtypes = "all", .infer = infer_index_select, .kernel = {"generic", run_index_select},
    .derivative = {.vjp = vjp_index_select, .saves = "index"}, .onnx = {"Gather", 13},
    .samples = {.calls = "index_select(T(4, 3), 0, tensor([2, 0, 2])); index_select(T(2, 3), -1, tensor([1])); "
                         "index_select(T(2, 3), 0, tensor([0, 1, 1]).int())"},
    .doc = R"(The entries of a dimension that a vector of indices names, in its order.

Raises IndexError for an index out of range.

Example:
    >>> rushlight.tensor([5, 6, 7]).index_select(0, rushlight.tensor([2, 0]))
    tensor([7, 5]))"};

OP(index_add) = {.signature = "index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, "
                              "alpha: Number = 1) -> Tensor",
    .names = "index_add Tensor.index_add Tensor.index_add_ out",
    .dtypes = "floating integral bool complex", .infer = infer_index_update,
    .kernel = {"generic", run_index_add}, .derivative = {.vjp = vjp_index_add, .saves = "index"},
    .onnx = {"ScatterElements", 18},
    .samples = {.calls = "index_add(T(4, 3), 0, tensor([2, 0, 2]), T(3, 3)); "
                         "index_add(T(2, 3), 1, tensor([1]), T(2, 1), alpha=2.0)"},
    .doc = R"(A copy to which alpha * source is added at the entries of a dimension that the indices name.

Example:
    >>> rushlight.zeros(3).index_add(0, rushlight.tensor([2, 2]), rushlight.tensor([1.0, 5.0]))
    tensor([0., 0., 6.]))", .updates_first = true};

OP(index_copy) = {.signature = "index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor",
    .names = "index_copy Tensor.index_copy Tensor.index_copy_ out", .dtypes = "all", .infer = infer_index_update,
    .kernel = {"generic", run_index_copy}, .derivative = {.vjp = vjp_index_copy, .saves = "index"},
    .onnx = {"ScatterElements", 18},
    .samples = {.calls = "index_copy(T(4, 3), 0, tensor([2, 0]), T(2, 3)); "
                         "index_copy(T(2, 3), 1, tensor([1]), T(2, 1))"},
    .doc = "A copy whose entries of a dimension that the indices name are those of source.", .updates_first = true};

OP(index_fill) = {.signature = "index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor",
    .names = "index_fill Tensor.index_fill Tensor.index_fill_ out", .dtypes = "all", .infer = infer_index_fill,
    .kernel = {"generic", run_index_fill}, .derivative = {.vjp = vjp_index_fill, .saves = "index"},
    .onnx = {"ScatterElements", 18},
    .samples = {.calls = "index_fill(T(4, 3), 0, tensor([2, 0]), 1.5); index_fill(T(2, 3), 1, tensor([1]), T())"},
    .doc = R"(A copy whose entries of a dimension that the indices name all hold one value.

Example:
    >>> rushlight.zeros(3).index_fill(0, rushlight.tensor([2]), 7.0)
    tensor([0., 0., 7.]))", .updates_first = true, .writes_one_value = true};

OP(embedding) = {
    .signature = "embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, "
        "sparse: bool = False) -> Tensor",
    .names = "embedding",
    .dtypes = "all",
    .infer = infer_embedding,
    .kernel = {"generic", run_embedding},
    .derivative = {.vjp = vjp_embedding, .saves = "indices"},
    .onnx = {"Gather", 13},
    .samples = {.calls = "embedding(T(4, 3), tensor([[2, 0], [2, 3]])); "
                         "embedding(T(4, 3), tensor([2, 0, 1]), 3, True)"},
    .doc = R"(Rows of a table: out[i] = weight[indices[i]].

The row padding_idx, if not -1, gets no gradient; with scale_grad_by_freq each row's gradient is divided by how often it
was read. Raises IndexError for an index out of range.

Example:
    >>> rushlight.embedding(rushlight.eye(3), rushlight.tensor([2, 0]))
    tensor([[0., 0., 1.],
            [1., 0., 0.]]))"};

OP(embedding_backward) = {
    .signature = "embedding_backward(input: Tensor, indices: Tensor, num_weights: int, padding_idx: int, "
                 "scale_grad_by_freq: bool) -> Tensor",
    .dtypes = "floating", .infer = infer_embedding_backward, .kernel = {"generic", run_embedding_backward},
    .derivative = {.vjp = vjp_embedding_backward, .saves = "indices"}, .onnx = no_onnx("a derivative"),
    .samples = {.calls = "embedding(T(4, 3), tensor([[2, 0], [2, 3]]))"},
    .doc = "The gradient of embedding with respect to its table."};

}  // namespace rushlight
