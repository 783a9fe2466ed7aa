// Masks, non-zeros and index arrays: x[mask], x[i, j].
#include "base/scratch.h"
#include "kernels/generic/index.h"
#include "ops/algebra.h"
#include "ops/index_rules.h"
#include "ops/shape_rules.h"

namespace rushlight {

namespace {

// ---- masks -------------------------------------------------------------------------------------------------------

void require_mask(const Call& c, int param) {
    require(c.tensor(param).dtype == DType::boolean, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param),
            " has dtype ", name_of(c.tensor(param).dtype), "; expected bool");
}

// A number as `where` takes it without changing the dtype of the other operand.
Value number_for(const Value& v, DType t, const char* op) {
    Element e = as_element(v, t, op);                      // raises when it does not fit
    if (t == DType::boolean) return Value(e.bytes[0] != 0);
    if (is_integral(t))
        return v.tag == Tag::natural ? v : Value(v.to_int());
    return v;
}

// In place and unrecorded, `where` writes straight into the tensor.
void fill_where(Call& c, const Tensor& mask, const Value& value) {
    static const Op& op = *find_op("where");
    Value values[max_params] = {Value(mask), value, Value(c.destination)};
    Call into(op, values);
    into.destination = c.destination;
    const Dims &sizes = c.destination->sizes, &strides = c.destination->strides;
    require(rules::broadcast(c, mask.sizes(), sizes) == sizes, ErrorKind::runtime, c.name(), ": mask of shape ",
            mask.sizes(), " can't be broadcast to the shape ", sizes, " of the tensor that is written");
    // An expanded tensor has one element for many places: it is written where the mask holds in one of them.
    Tensor target(c.destination), wide = mask;
    Dims shared;
    for (int i = 0; i < sizes.size(); ++i)
        if (strides[i] == 0 && sizes[i] > 1) shared.push_back(i);
    if (shared.size()) {
        wide = invoke(*find_op("any"), invoke(op_expand, mask, sizes), shared, true);
        for (int64_t i : shared) target = invoke(op_narrow, target, i, 0, 1);
        values[0] = Value(wide);
        values[2] = Value(target);
        into.destination = target.impl();
    }
    dispatch(into);
    give(c, Tensor(c.destination));
}

// A tensor of one value, which `t` can hold.
void require_storable(const Call& c, TensorImpl& value, DType t) {
    require(value.rank() == 0, ErrorKind::runtime, c.name(), ": value has shape ", value.sizes,
            "; expected a number or a zero-dimensional tensor");
    if (!(is_complex(value.dtype) && !is_complex(t)) && !(is_floating(value.dtype) && is_integral(t))) return;
    GradMode off(false);
    Tensor wide = cast(Tensor(&value), DType::complex128);
    as_element(Value(*wide.data_as<std::complex<double>>()), t, c.name());
}

void compose_masked_fill(Call& c) {
    Tensor t = tensor_at(c, 0), mask = tensor_at(c, 1);
    require_mask(c, 1);
    if (c[2].is_tensor()) require_storable(c, c.tensor(2), t.dtype());
    Tensor held = c[2].is_tensor() ? invoke(op_to_dtype, tensor_at(c, 2), t.dtype()) : Tensor();
    Value value = held.defined() ? Value(held) : number_for(c[2], t.dtype(), c.name());
    bool recorded = mode.grad && (t->tracked() || (c[2].is_tensor() && c.tensor(2).tracked()));
    if (c.in_place && !recorded) return fill_where(c, mask, value);
    give(c, where(mask, value, t));
}

Tensor expanded(const Tensor& t, const Dims& sizes) { return t.sizes() == sizes ? t : invoke(op_expand, t, sizes); }

void infer_masked_select(Call& c) {
    require_mask(c, 1);
    rules::broadcast(c, c.tensor(0).sizes, c.tensor(1).sizes);
}

Tensor spread_plain(const Tensor& t, const Dims& sizes) {
    GradMode off(false);
    return contiguous(expanded(t, sizes));
}

void run_masked_select(Call& c) {
    Dims sizes = rules::broadcast(c, c.tensor(0).sizes, c.tensor(1).sizes);
    Tensor in = spread_plain(tensor_at(c, 0), sizes), mask = spread_plain(tensor_at(c, 1), sizes);
    int64_t count = kernels::count_true(mask.data(), mask.numel());
    c.out[0] = empty_tensor({count}, in.dtype());
    c.out[0]->inference = mode.inference;
    c.results = 1;
    kernels::masked_select(in.data(), in.dtype(), mask.data(), in.numel(), c.out[0].data());
}

void vjp_masked_select(Vjp& d) {
    Tensor mask = d.input(1);
    Dims sizes = d.sizes(0);                                // of both together
    int shift = mask.rank() - sizes.size();
    for (int i = 0; i < shift; ++i) sizes.insert(0, 1);
    for (int i = 0; i < mask.rank(); ++i) {
        int at = i + sizes.size() - mask.rank();
        if (sizes[at] == 1) sizes[at] = mask.size(i);
    }
    d.to(0, invoke(op_masked_scatter, zeros_of(sizes, d.dtype(0)), mask, d.grad()));
}

void infer_masked_scatter(Call& c) {
    TensorImpl& t = c.tensor(0);
    require_mask(c, 1);
    rules::require_same_dtype(c, 0, 2);
    Dims sizes = rules::broadcast(c, t.sizes, c.tensor(1).sizes);
    c.result(sizes, t.dtype);
}

void run_masked_scatter(Call& c) {
    Dims sizes = c.out[0].sizes();
    Tensor mask = spread_plain(tensor_at(c, 1), sizes), source = contiguous(tensor_at(c, 2));
    int64_t count = kernels::count_true(mask.data(), mask.numel());
    require(source.numel() >= count, ErrorKind::runtime, c.name(), ": source has ", source.numel(),
            " elements; expected at least ", count, ", one for each true element of mask");
    update_contiguous(
        c, [&](void* out) { kernels::masked_scatter(out, source.dtype(), mask.data(), mask.numel(), source.data()); });
}

void vjp_masked_scatter(Vjp& d) {
    Tensor mask = d.input(1), g = d.grad();
    if (d.needs(0)) d.to(0, where(mask, 0, g));
    if (!d.needs(2)) return;
    const Dims& sizes = d.sizes(2);
    int64_t n = 1;
    for (int64_t s : sizes) n *= s;
    Tensor used = invoke(op_masked_select, g, mask);
    d.to(2, invoke(op_reshape, invoke(op_place, used, Dims{n}, Dims{1}, 0), sizes));
}

void run_nonzero(Call& c) {
    Tensor in = contiguous(tensor_at(c, 0));
    int64_t count = kernels::count_nonzeros(in.data(), in.dtype(), in.numel());
    c.out[0] = empty_tensor({count, in.rank()}, DType::int64);
    c.results = 1;
    kernels::nonzero(in.data(), in.dtype(), in.sizes().data(), in.rank(), c.out[0].data_as<int64_t>());
}

// ---- index arrays ------------------------------------------------------------------------------------------------

struct IndexPlan {
    Dims points;                             // the shape that the index arrays broadcast to
    Dims outer, outer_strides, inner, inner_strides, indexed, indexed_strides;
    Dims result;
};

// As rules::broadcast, but index arrays that do not fit are an IndexError.
Dims broadcast_points(const Call& c, const Dims& a, const Dims& b) {
    try {
        return rules::broadcast(c, a, b);
    } catch (const Error& e) {
        throw Error(ErrorKind::index, e.text());
    }
}

// Index arrays for adjacent dimensions put their own dimensions in those dimensions' place, others in front.
IndexPlan plan_index(const Call& c, const TensorImpl& t, const Value& indices, const Value& dims) {
    std::span<TensorImpl* const> arrays = indices.to_tensors();
    std::span<const int64_t> at = dims.to_ints();
    require(!arrays.empty() && arrays.size() == at.size(), ErrorKind::runtime, c.name(), ": ", arrays.size(),
            " index arrays for ", at.size(), " dimensions; expected one each");
    IndexPlan p;
    for (size_t i = 0; i < arrays.size(); ++i) {
        require(arrays[i]->dtype == DType::int64 || arrays[i]->dtype == DType::int32, ErrorKind::index, c.name(),
                ": indices[", i, "] has dtype ", name_of(arrays[i]->dtype), "; expected int64 or int32");
        require(at[i] >= 0 && at[i] < t.rank() && (i == 0 || at[i] > at[i - 1]), ErrorKind::index, c.name(),
                ": too many indices for input of shape ", t.sizes);
        if (i == 0) p.points = arrays[i]->sizes;
        else if (!(p.points == arrays[i]->sizes)) p.points = broadcast_points(c, p.points, arrays[i]->sizes);
    }
    bool adjacent = at.back() - at.front() == int64_t(at.size()) - 1;
    size_t next = 0;
    for (int d = 0; d < t.rank(); ++d) {
        bool is_indexed = next < at.size() && at[next] == d;
        bool is_outer = !is_indexed && adjacent && next == 0;
        (is_indexed ? p.indexed : is_outer ? p.outer : p.inner).push_back(t.sizes[d]);
        (is_indexed ? p.indexed_strides : is_outer ? p.outer_strides : p.inner_strides).push_back(t.strides[d]);
        next += is_indexed;
    }
    p.result = p.outer;
    for (const Dims* part : {&p.points, &p.inner})
        for (int64_t s : *part) p.result.push_back(s);
    require_room(c, p.result.size());
    checked_numel(p.result, c.name());
    return p;
}

// Calls `run(list, offsets)`, which returns the first bad index.
template <class F>
void with_index_list(const Call& c, const IndexPlan& p, const Value& indices, const Value& dims, F&& run) {
    std::vector<Tensor> arrays;
    std::vector<const int64_t*> pointers;
    GradMode off(false);
    for (TensorImpl* t : indices.to_tensors()) {
        arrays.push_back(cast(expanded(Tensor(t), p.points), DType::int64));
        pointers.push_back(arrays.back().data_as<int64_t>());
    }
    int64_t points = arrays[0].numel();
    kernels::IndexList list{int(arrays.size()), pointers.data(), p.indexed.data(), p.indexed_strides.data(), points};
    list.outer_rank = p.outer.size();
    list.inner_rank = p.inner.size();
    list.outer_sizes = p.outer.data();
    list.outer_strides = p.outer_strides.data();
    list.inner_sizes = p.inner.data();
    list.inner_strides = p.inner_strides.data();
    Scratch offsets(size_t(points) * sizeof(int64_t));
    if (auto fault = run(list, offsets.as<int64_t>())) {
        int64_t size = p.indexed[fault.which];
        fail_at(c, ErrorKind::index, fault, p.points, "index", int(dims.to_ints()[size_t(fault.which)]), -size, size);
    }
}

void infer_index(Call& c) { c.result(plan_index(c, c.tensor(0), c[1], c[2]).result, c.tensor(0).dtype); }

[[noreturn]] void fail_single(const Call& c, const kernels::IndexFault& fault, const Dims& points, int dim) {
    int64_t size = c.tensor(0).sizes[dim];
    fail_at(c, ErrorKind::index, fault, points, "index", dim, -size, size);
}

// One array over contiguous memory: whole runs behind the indexed dimension move at once.
bool is_single(const Value& indices, const TensorImpl& t) { return indices.to_tensors().size() == 1 && t.contiguous; }

void run_index(Call& c) {
    TensorImpl& t = c.tensor(0);
    if (is_single(c[1], t)) {
        Tensor index = cast(Tensor(c[1].to_tensors()[0]), DType::int64);
        int dim = int(c[2].to_ints()[0]);
        auto fault = kernels::index_select(t.data(), t.dtype, index.data_as<int64_t>(), index.numel(), c.out[0].data(),
                                           extent_of(t.sizes, dim), true);
        if (fault) fail_single(c, fault, index.sizes(), dim);
        return;
    }
    IndexPlan p = plan_index(c, t, c[1], c[2]);
    with_index_list(c, p, c[1], c[2], [&](const kernels::IndexList& list, int64_t* offsets) {
        return kernels::index_get(t.data(), t.dtype, c.out[0].data(), list, offsets);
    });
}

void vjp_index(Vjp& d) {
    d.to(0,
         invoke(op_index_write, zeros_of(d.sizes(0), d.dtype(0)), d[1].to_tensors(), d.grad(), d[2].to_ints(), true));
}

void infer_index_write(Call& c) {
    TensorImpl& t = c.tensor(0);
    rules::require_same_dtype(c, 0, 2);
    IndexPlan p = plan_index(c, t, c[1], c[3]);
    const Dims& values = c.tensor(2).sizes;
    int shift = p.result.size() - values.size();
    bool fits = shift >= 0;
    for (int i = 0; fits && i < values.size(); ++i) fits = values[i] == 1 || values[i] == p.result[i + shift];
    require(fits, ErrorKind::runtime, c.name(), ": values of shape ", values,
            " can't be broadcast to the indexed shape ", p.result);
    c.result(t.sizes, t.dtype);
}

void write_single(const Call& c, TensorImpl& out, const Tensor& values, bool add) {
    Tensor index = cast(Tensor(c[1].to_tensors()[0]), DType::int64);
    int dim = int(c[3].to_ints()[0]);
    kernels::Extent e = extent_of(out.sizes, dim);
    auto fault = add ? kernels::index_add(out.data(), out.dtype, index.data_as<int64_t>(), index.numel(), values.data(),
                                          1, e, true)
                     : kernels::index_copy(out.data(), out.dtype, index.data_as<int64_t>(), index.numel(),
                                           values.data(), e, true);
    if (fault) fail_single(c, fault, index.sizes(), dim);
}

void run_index_write(Call& c) {
    bool one = c.tensor(2).numel == 1;
    Tensor values = tensor_at(c, 2);
    if (!one) values = spread_plain(values, plan_index(c, c.tensor(0), c[1], c[3]).result);
    update(c, [&](TensorImpl& out) {
        bool add = c[4].to_bool();
        if (!one && is_single(c[1], out) && !(add && is_complex(out.dtype))) return write_single(c, out, values, add);
        IndexPlan p = plan_index(c, out, c[1], c[3]);       // the result's own strides
        with_index_list(c, p, c[1], c[3], [&](const kernels::IndexList& list, int64_t* offsets) {
            return kernels::index_put(out.data(), out.dtype, values.data(), one, list, c[4].to_bool(), offsets);
        });
    });
}

void vjp_index_write(Vjp& d) {
    std::span<TensorImpl* const> indices = d[1].to_tensors();
    Tensor g = d.grad();
    if (d.needs(0))
        d.to(0,
             d[4].to_bool() ? g : invoke(op_index_write, g, indices, zeros_of({}, d.dtype(0)), d[3].to_ints(), false));
    if (d.needs(2)) d.to(2, invoke(op_index, g, indices, d[3].to_ints()));
}

// index_put(x, (i, j), v): each index array takes the next dimension, a mask as many as it has.
void compose_index_put(Call& c) {
    Tensor t = tensor_at(c, 0);
    std::vector<Tensor> arrays;
    Dims dims;
    int next = 0;
    for (TensorImpl* i : c[1].to_tensors()) {
        if (i->dtype != DType::boolean) {
            arrays.push_back(Tensor(i));
            dims.push_back(next++);
            continue;
        }
        for (int d = 0; d < i->rank(); ++d)
            require(next + d < t.rank() && i->sizes[d] == t.size(next + d), ErrorKind::index, c.name(),
                    ": the mask of shape ", i->sizes, " does not match input of shape ", t.sizes(), " from dimension ",
                    next, " on");
        require(i->rank() > 0, ErrorKind::index, c.name(), ": a zero-dimensional mask is not an index array");
        Tensor found = invoke(op_nonzero, Tensor(i));
        for (int d = 0; d < i->rank(); ++d) {
            arrays.push_back(invoke(op_select, found, 1, d));
            dims.push_back(next++);
        }
    }
    std::vector<TensorImpl*> list;
    for (Tensor& a : arrays) list.push_back(a.impl());
    std::span<TensorImpl* const> indices(list);
    if (c.in_place) {
        invoke_in_place(op_index_write, t, indices, tensor_at(c, 2), dims, c[3].to_bool());
        return give(c, t);
    }
    give(c, invoke(op_index_write, t, indices, tensor_at(c, 2), dims, c[3].to_bool()));
}

// ---- flat indices ------------------------------------------------------------------------------------------------

void compose_take(Call& c) {
    TensorImpl* index = c.args[1].tensor_;
    Tensor flat = invoke(op_reshape, tensor_at(c, 0), Dims{c.tensor(0).numel});
    give(c, invoke(op_index, flat, std::span<TensorImpl* const>(&index, 1), Dims{0}));
}

void compose_put(Call& c) {
    Tensor t = tensor_at(c, 0);
    TensorImpl* index = c.args[1].tensor_;
    require(index->numel == c.tensor(2).numel, ErrorKind::index, c.name(), ": source has ", c.tensor(2).numel,
            " elements and index ", index->numel, "; expected as many");
    Tensor flat = invoke(op_reshape, t, Dims{t.numel()}), source = invoke(op_reshape, tensor_at(c, 2), index->sizes);
    Tensor written = invoke(op_index_write, flat, std::span<TensorImpl* const>(&index, 1), source, Dims{0},
                            c[3].to_bool());
    give(c, invoke(op_view, written, t.sizes()));
}

// Indices that may count from the end, as PyTorch's do here, of a dimension of n entries.
Tensor from_the_start(const Tensor& index, int64_t n) {
    if (index.dtype() != DType::int64) return index;
    Tensor given = contiguous(index);
    const int64_t* from = given.data_as<int64_t>();
    if (!kernels::check_indices(from, given.numel(), 0, std::numeric_limits<int64_t>::max())) return index;
    Tensor wrapped = empty_tensor(given.sizes(), DType::int64);
    int64_t* to = wrapped.data_as<int64_t>();
    for (int64_t i = 0; i < given.numel(); ++i) to[i] = from[i] < 0 ? from[i] + n : from[i];
    return wrapped;
}

void compose_take_along_dim(Call& c) {
    Tensor t = tensor_at(c, 0), index = tensor_at(c, 1);
    if (c[2].is_none())
        return give(c, invoke(op_gather, invoke(op_reshape, t, Dims{t.numel()}), 0,
                              invoke(op_reshape, index, Dims{index.numel()})));
    require(t.rank() == index.rank(), ErrorKind::runtime, c.name(), ": indices has shape ", index.sizes(),
            " and input ", t.sizes(), "; expected the same number of dimensions");
    int dim = rules::dim(c, c[2].to_int(), t.sizes());
    index = from_the_start(index, t.rank() ? t.size(dim) : 1);
    if (t.rank() == 0) return give(c, invoke(op_gather, t, 0, index));
    Dims a = t.sizes(), b = index.sizes();
    a[dim] = b[dim] = 1;
    Dims both = rules::broadcast(c, a, b), wide = both, picked = both;
    wide[dim] = t.size(dim);
    picked[dim] = index.size(dim);
    give(c, invoke(op_gather, expanded(t, wide), dim, expanded(index, picked)));
}

// ---- a copy with a view of it overwritten ------------------------------------------------------------------------

void overwrite(Call& c, Tensor (*view)(const Call&, const Tensor&)) {
    Tensor copy = invoke(op_clone, tensor_at(c, 0)), window = view(c, copy);
    require(window.sizes() == c.tensor(1).sizes, ErrorKind::runtime, c.name(), ": src has shape ", c.tensor(1).sizes,
            "; expected ", window.sizes(), ", the shape of what it replaces");
    invoke_in_place(op_copy_, window, tensor_at(c, 1));
    give(c, copy);
}

Op overwriting_op(const char* signature, const char* names, void (*compose)(Call&), const char* calls,
                  const char* doc) {
    return {
        .signature = signature,
        .names = names,
        .dtypes = "all",
        .compose = compose,
        .samples = {.calls = calls},
        .doc = doc};
}

}  // namespace

OP(masked_fill) = {.signature = "masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor",
    .names = "masked_fill Tensor.masked_fill Tensor.masked_fill_", .dtypes = "all", .compose = compose_masked_fill,
    .samples = {.calls = "masked_fill(T(2, 3), tensor([True, False, True]), 1.5); "
                         "masked_fill(T(2, 3), tensor([[True], [False]]), T())"},
    .doc = R"(A copy with one value where the mask, which is bool and broadcasts, is true.

Example:
    >>> rushlight.zeros(3).masked_fill(rushlight.tensor([True, False, True]), 2.0)
    tensor([2., 0., 2.]))"};

OP(masked_select) = {.signature = "masked_select(input: Tensor, mask: Tensor) -> Tensor",
    .names = "masked_select Tensor.masked_select out",
    .dtypes = "all", .infer = infer_masked_select, .kernel = {"generic", run_masked_select},
    .derivative = {.vjp = vjp_masked_select, .saves = "mask"}, .onnx = {"Compress", 11},
    .samples = {.calls = "masked_select(T(2, 3), tensor([[True, False, True], [False, False, True]])); "
                         "masked_select(T(2, 3), tensor([True, False, True]));"
                         "masked_select(T(3), tensor([[True], [False]]))"},
    .doc = R"(The elements where the mask is true, in one dimension; input and mask are broadcast together.

Example:
    >>> rushlight.tensor([1, 2, 3]).masked_select(rushlight.tensor([True, False, True]))
    tensor([1, 3]))"};

OP(masked_scatter) = {.signature = "masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor",
    .names = "masked_scatter Tensor.masked_scatter Tensor.masked_scatter_", .dtypes = "all",
    .infer = infer_masked_scatter,
    .kernel = {"generic", run_masked_scatter}, .derivative = {.vjp = vjp_masked_scatter, .saves = "mask"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "masked_scatter(T(2, 3), tensor([[True, False, True], [False, False, True]]), T(4)); "
                         "masked_scatter(T(2, 3), tensor([True, False, True]), T(2, 2))"},
    .doc = R"(A copy whose elements where the mask is true are those of source, in their order.

Raises RuntimeError when source has too few.

Example:
    >>> rushlight.zeros(3).masked_scatter(rushlight.tensor([True, False, True]), rushlight.tensor([7.0, 8.0]))
    tensor([7., 0., 8.]))", .updates_first = true};

OP(nonzero) = {.signature = "nonzero(input: Tensor) -> Tensor", .names = "argwhere Tensor.argwhere out",
    .dtypes = "all", .infer = [](Call&) {},
    .kernel = {"generic", run_nonzero}, .derivative = not_differentiable("indices are whole numbers"),
    .onnx = {"NonZero", 13},
    .samples = {.calls = "argwhere(tensor([[1, 0], [0, 2]])); argwhere(tensor(3))"},
    .doc = R"(The indices of the elements that are not zero, one row each.

Example:
    >>> rushlight.argwhere(rushlight.tensor([0, 5, 6]))
    tensor([[1],
            [2]]))"};

OP(index) = {.signature = "index(input: Tensor, indices: Tensor[], dims: int[]) -> Tensor", .dtypes = "all",
    .infer = infer_index,
    .kernel = {"generic", run_index}, .derivative = {.vjp = vjp_index, .saves = "indices"}, .onnx = {"GatherND", 13},
    .samples = {.calls = "T(4, 3)[tensor([2, 0, 2])]; T(4, 3)[tensor([2, 0]), tensor([1, -1])]; "
                         "T(4, 3, 2)[tensor([[2], [0]]), :, tensor([1, 0])];"
                         "T(2, 3, 4)[:, tensor([0, 2, 2])]; T(4, 3)[tensor([], dtype=int64)]"},
    .doc = "The elements at the places that integer arrays, broadcast together, name in some dimensions; "
           "negative indices count from the end."};

OP(index_write) = {.signature = "index_write(input: Tensor, indices: Tensor[], values: Tensor, dims: int[], "
                                "accumulate: bool) -> Tensor",
    .dtypes = "all", .infer = infer_index_write, .kernel = {"generic", run_index_write},
    .derivative = {.vjp = vjp_index_write, .saves = "indices"}, .onnx = {"ScatterND", 18},
    .samples = {.calls = "index_put(T(4, 3), (tensor([2, 0]),), T(2, 3)); "
                         "index_put(T(4, 3), (tensor([2, 0]), tensor([1, 1])), T(2), True);"
                         "index_put(T(4, 3), (tensor([2, 2]),), T(3), True); "
                         "index_put(T(4, 3), (tensor([1, 3]),), T())"},
    .doc = "A copy with values written, or added, at the places that integer arrays name in some dimensions.",
    .updates_first = true};

OP(index_put) = {.signature = "index_put(input: Tensor, indices: Tensor[], values: Tensor, "
                              "accumulate: bool = False) -> Tensor",
    .names = "index_put Tensor.index_put Tensor.index_put_", .dtypes = "all", .compose = compose_index_put,
    .samples = {.calls = "index_put(T(4, 3), (tensor([2, 0]),), T(2, 3)); "
                         "index_put(T(3), (tensor([True, False, True]),), T())"},
    .doc = R"(A copy with values at the places that a tuple of index arrays names; accumulate adds them instead.

Example:
    >>> rushlight.zeros(3).index_put((rushlight.tensor([2, 0]),), rushlight.tensor([5.0, 6.0]))
    tensor([6., 0., 5.]))"};

OP(take) = {.signature = "take(input: Tensor, index: Tensor) -> Tensor", .names = "take Tensor.take out",
    .dtypes = "all", .compose = compose_take,
    .samples = {.calls = "take(T(3, 4), tensor([[0, 11], [-1, 5]]))"},
    .doc = R"(The elements at flat indices, in the shape of index.

Example:
    >>> rushlight.tensor([[1, 2], [3, 4]]).take(rushlight.tensor([0, 3]))
    tensor([1, 4]))"};

OP(put) = {.signature = "put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor",
    .names = "put Tensor.put Tensor.put_", .dtypes = "all", .compose = compose_put,
    .samples = {.calls = "put(T(3, 4), tensor([0, 11, 5]), T(3)); put(T(3, 4), tensor([0, 0]), T(2), True)"},
    .doc = "A copy with the elements of source written, or added, at flat indices."};

OP(take_along_dim) = {.signature = "take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor",
    .names = "take_along_dim Tensor.take_along_dim out", .dtypes = "all", .compose = compose_take_along_dim,
    .samples = {.calls = "take_along_dim(T(3, 4), tensor([[0], [3], [1]]), 1); "
                         "take_along_dim(T(3, 4), tensor([[0, 1]]), 1); take_along_dim(T(3, 4), tensor([5]))"},
    .doc = "Values picked along a dimension as gather does, with the other dimensions broadcast; "
           "along the flat input when no dimension is given."};

OP(select_scatter) = overwriting_op(
    "select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor",
    "select_scatter Tensor.select_scatter",
    [](Call& c) {
        overwrite(c, [](const Call& k, const Tensor& t) { return invoke(op_select, t, k[2].to_int(), k[3].to_int()); });
    },
    "select_scatter(T(3, 4), T(4), 0, 1)", "A copy whose entry `index` of a dimension is src.");
OP(slice_scatter) = overwriting_op(
    "slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, "
    "step: int = 1) -> Tensor",
    "slice_scatter Tensor.slice_scatter out",
    [](Call& c) {
        overwrite(c,
                  [](const Call& k, const Tensor& t) { return invoke(op_slice, t, k[2].to_int(), k[3], k[4], k[5]); });
    },
    "slice_scatter(T(5, 2), T(2, 2), 0, 1, 5, 2)", "A copy whose slice start:end:step of a dimension is src.");
OP(diagonal_scatter) = overwriting_op(
    "diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor",
    "diagonal_scatter Tensor.diagonal_scatter",
    [](Call& c) {
        overwrite(c, [](const Call& k, const Tensor& t) {
            return invoke(op_diagonal, t, k[2].to_int(), k[3].to_int(), k[4].to_int());
        });
    },
    "diagonal_scatter(T(3, 3), T(3))", "A copy whose diagonal is src.");

}  // namespace rushlight
