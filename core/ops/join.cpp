// Joining, repeating and reordering.
#include "kernels/generic/arrange.h"
#include "ops/shape_rules.h"

namespace rushlight {

namespace {

std::span<TensorImpl* const> parts_of(const Call& c) { return c.args[0].to_tensors(); }

DType promoted(std::span<TensorImpl* const> parts) {
    DType t = parts[0]->dtype;
    for (TensorImpl* p : parts) t = promote(t, p->dtype);
    return t;
}

// PyTorch's exception for old programs: a one-dimensional tensor without elements joins anything.
bool is_skipped(const Dims& sizes) { return sizes.size() == 1 && sizes[0] == 0; }

void require_parts(const Call& c, ErrorKind kind = ErrorKind::runtime) {
    require(!parts_of(c).empty(), kind, c.name(), ": tensors is empty; expected at least one Tensor");
}

void infer_cat(Call& c) {
    require_parts(c, ErrorKind::value);
    auto parts = parts_of(c);
    TensorImpl* first = nullptr;
    for (size_t i = 0; i < parts.size(); ++i) {
        require(parts[i]->rank() > 0, ErrorKind::runtime, c.name(), ": tensors[", i,
                "] is zero-dimensional; expected at least 1 dimension (use stack)");
        if (!first && !is_skipped(parts[i]->sizes)) first = parts[i];
    }
    if (!first) {
        rules::dim(c, c[1].to_int(), parts[0]->sizes);
        c.result({0}, promoted(parts));
        return;
    }
    int dim = rules::dim(c, c[1].to_int(), first->sizes);
    Dims sizes = first->sizes;
    int64_t total = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
        const Dims& own = parts[i]->sizes;
        if (is_skipped(own)) continue;
        bool fits = own.size() == sizes.size();
        for (int d = 0; fits && d < own.size(); ++d) fits = d == dim || own[d] == sizes[d];
        require(fits, ErrorKind::runtime, c.name(), ": tensors[", i, "] has shape ", own, "; expected the shape ",
                first->sizes, " of the first one in all dimensions but dim=", dim);
        total = checked_add(total, own[dim], c.name());
    }
    sizes[dim] = total;
    c.result(sizes, promoted(parts));
}

// Joins along `dim` of the result; `unit` tells that each part is one entry of a dimension that it does not have yet.
void join(Call& c, int dim, bool unit) {
    Tensor& out = c.out[0];
    auto parts = parts_of(c);
    if (out.numel() == 0) return;
    int64_t rows = 1, inner = size_of(out.dtype());
    for (int d = 0; d < out.rank(); ++d) (d < dim ? rows : inner) *= d == dim ? 1 : out.size(d);
    bool plain = true;
    std::vector<kernels::Part> pieces;
    pieces.reserve(parts.size());
    for (TensorImpl* p : parts) {
        if (p->numel == 0) continue;
        plain = plain && p->contiguous && p->dtype == out.dtype();
        pieces.push_back({plain ? p->data() : nullptr, (unit ? 1 : p->sizes[dim]) * inner});
    }
    if (plain) return kernels::join_rows(out.data(), rows, pieces);
    int64_t offset = 0;
    for (TensorImpl* p : parts) {
        if (p->numel == 0) continue;
        Dims strides = out.strides();
        if (unit) strides.erase(dim);
        Tensor window = alias(out, p->sizes, strides, offset);
        copy_values(*window.impl(), *p);
        offset += (unit ? 1 : p->sizes[dim]) * out.strides()[dim];
    }
}

int joined_dim(const Call& c) {
    int64_t given = c[1].to_int();
    return int(given < 0 ? given + c.out[0].rank() : given);
}

void run_cat(Call& c) { join(c, joined_dim(c), false); }
void run_stack(Call& c) { join(c, joined_dim(c), true); }

void vjp_cat(Vjp& d) {
    int rank = d.grad().rank();
    int dim = int(d[1].to_int() < 0 ? d[1].to_int() + rank : d[1].to_int());
    int64_t start = 0;
    for (size_t i = 0; i < d.list_meta.size(); ++i) {
        const Dims& own = d.list_meta[i].sizes;
        if (is_skipped(own) && rank != 1) {
            (*d.into_list)[i] = zeros_of(own, d.list_meta[i].dtype);
            continue;
        }
        (*d.into_list)[i] = invoke(op_slice, d.grad(), dim, start, start + own[dim], 1);
        start += own[dim];
    }
}

void infer_stack(Call& c) {
    require_parts(c);
    auto parts = parts_of(c);
    Dims sizes = parts[0]->sizes;
    require_room(c, sizes.size() + 1);
    int dim = rules::dim(c, c[1].to_int(), sizes.size() + 1, sizes, "dim");
    for (size_t i = 1; i < parts.size(); ++i)
        require(parts[i]->sizes == sizes, ErrorKind::runtime, c.name(), ": tensors[", i, "] has shape ",
                parts[i]->sizes, "; expected ", sizes, ", the shape of the first one");
    sizes.insert(dim, int64_t(parts.size()));
    checked_numel(sizes, c.name());
    c.result(sizes, promoted(parts));
}

void vjp_stack(Vjp& d) {
    for (size_t i = 0; i < d.list_meta.size(); ++i)
        (*d.into_list)[i] = invoke(op_select, d.grad(), d[1].to_int(), int64_t(i));
}

// ---- stacks of at least so many dimensions -----------------------------------------------------------------------

Tensor at_least(const Tensor& t, int rank) {
    if (t.rank() >= rank) return t;
    Dims sizes = t.sizes();
    if (sizes.empty()) sizes = {1};
    if (rank >= 2 && sizes.size() == 1) sizes.insert(0, 1);
    if (rank >= 3 && sizes.size() == 2) sizes.push_back(1);
    return invoke(op_reshape, t, sizes);
}

void cat_raised(Call& c, int rank, int dim) {
    require_parts(c);
    std::vector<Tensor> raised;
    std::vector<TensorImpl*> list;
    for (TensorImpl* p : parts_of(c)) raised.push_back(at_least(Tensor(p), rank));
    for (Tensor& t : raised) list.push_back(t.impl());
    give(c, invoke(op_cat, std::span<TensorImpl* const>(list), dim));
}

void compose_hstack(Call& c) {
    require_parts(c);
    cat_raised(c, 1, parts_of(c)[0]->rank() <= 1 ? 0 : 1);
}

void compose_column_stack(Call& c) {
    require_parts(c);
    std::vector<Tensor> columns;
    std::vector<TensorImpl*> list;
    for (TensorImpl* p : parts_of(c))
        columns.push_back(p->rank() <= 1 ? invoke(op_reshape, Tensor(p), Dims{p->numel, 1}) : Tensor(p));
    for (Tensor& t : columns) list.push_back(t.impl());
    give(c, invoke(op_cat, std::span<TensorImpl* const>(list), 1));
}

// ---- repetition --------------------------------------------------------------------------------------------------

Tensor repeated(const Call& c, const Tensor& t, const Dims& repeats) {
    Dims source, wide, sizes;
    int shift = repeats.size() - t.rank();
    for (int i = 0; i < repeats.size(); ++i) {
        int64_t own = i < shift ? 1 : t.size(i - shift), times = repeats[i];
        require(times >= 0, ErrorKind::runtime, c.name(), ": ", c.op.parsed.params[1].name, "=", repeats,
                " has a negative entry");
        sizes.push_back(checked_mul(own, times, c.name()));
        if (times != 1) {
            source.push_back(1);
            wide.push_back(times);
        }
        source.push_back(own);
        wide.push_back(own);
    }
    checked_numel(sizes, c.name());
    if (wide.size() > max_rank) {  // one dimension after another, where all at once would be too many
        Tensor out = invoke(op_reshape, t, sizes.size() == t.rank() ? t.sizes() : source);
        for (int i = 0; i < repeats.size(); ++i) {
            std::vector<TensorImpl*> copies(size_t(repeats[i]), out.impl());
            if (repeats[i] != 1 && repeats[i] > 0) out = invoke(op_cat, std::span<TensorImpl* const>(copies), i);
        }
        return invoke(op_reshape, out, sizes);
    }
    Tensor spread = invoke(op_expand, invoke(op_view, t, source), wide);
    return invoke(op_reshape, invoke(op_clone, spread), sizes);
}

void compose_repeat(Call& c) {
    Dims repeats(c[1].to_ints());
    require(repeats.size() >= c.tensor(0).rank(), ErrorKind::runtime, c.name(), ": repeats=", repeats, " has ",
            repeats.size(), " entries; expected at least ", c.tensor(0).rank(),
            ", one for each dimension of input of shape ", c.tensor(0).sizes);
    require_room(c, repeats.size());
    give(c, repeated(c, tensor_at(c, 0), repeats));
}

void compose_tile(Call& c) {
    Dims repeats(c[1].to_ints());
    while (repeats.size() < c.tensor(0).rank()) repeats.insert(0, 1);
    require_room(c, repeats.size());
    give(c, repeated(c, tensor_at(c, 0), repeats));
}

void infer_repeat_indices(Call& c) {
    rules::require_index(c, 0);
    rules::require_rank(c, 0, 1);
}

void run_repeat_indices(Call& c) {
    Tensor repeats = cast(tensor_at(c, 0), DType::int64);
    const int64_t* times = repeats.data_as<int64_t>();
    int64_t total = 0;
    for (int64_t i = 0; i < repeats.numel(); ++i) {
        require(times[i] >= 0, ErrorKind::runtime, c.name(), ": repeats[", i, "] is ", times[i],
                "; expected repeats >= 0");
        total = checked_add(total, times[i], c.name());
    }
    c.out[0] = empty_tensor({total}, DType::int64);
    c.results = 1;
    kernels::repeat_indices(times, repeats.numel(), c.out[0].data_as<int64_t>());
}

void compose_repeat_interleave(Call& c) {
    static const Op& indices = *find_op("repeat_indices");
    Tensor t = tensor_at(c, 0);
    if (c[1].is_none()) return give(c, invoke(indices, t));               // repeat_interleave(repeats)
    if (c[2].is_none()) t = invoke(op_reshape, t, Dims{t.numel()});
    if (t.rank() == 0) t = invoke(op_reshape, t, Dims{1});
    int dim = c[2].is_none() ? 0 : rules::dim(c, c[2].to_int(), t.sizes());
    Tensor repeats = c[1].is_tensor() ? tensor_at(c, 1) : Tensor();
    if (repeats.defined() && repeats.numel() != 1) {
        require(repeats.rank() == 1 && repeats.numel() == t.size(dim), ErrorKind::runtime, c.name(),
                ": repeats has shape ", repeats.sizes(), "; expected (", t.size(dim), ",), the size of dimension ",
                dim);
        return give(c, invoke(op_index_select, t, dim, invoke(indices, repeats)));
    }
    int64_t times = repeats.defined() ? cast(repeats, DType::int64).data_as<int64_t>()[0] : c[1].to_int();
    require(times >= 0, ErrorKind::runtime, c.name(), ": repeats=", times, " is negative");
    Dims wide = t.sizes(), sizes = t.sizes();
    wide.insert(dim + 1, times);
    sizes[dim] = checked_mul(sizes[dim], times, c.name());
    give(c, invoke(op_reshape, invoke(op_clone, invoke(op_expand, invoke(op_unsqueeze, t, dim + 1), wide)), sizes));
}

// ---- order -------------------------------------------------------------------------------------------------------

void infer_flip(Call& c) {
    TensorImpl& t = c.tensor(0);
    if (!c[1].to_ints().empty()) rules::dim_mask(c, c[1], t.sizes, "dims");
    c.result(t.sizes, t.dtype);
}

void run_flip(Call& c) {
    Tensor in = contiguous(tensor_at(c, 0));
    uint64_t mask = c[1].to_ints().empty() || in.rank() == 0 ? 0 : rules::dim_mask(c, c[1], in.sizes(), "dims");
    kernels::flip(in.data(), c.out[0].data(), size_of(in.dtype()), in.sizes(), mask);
}

Tensor rolled(const Tensor& t, int64_t shift, int dim) {
    int64_t size = t.size(dim);
    if (size == 0) return t;
    int64_t cut = (size - shift % size) % size;            // -shift may not exist
    if (cut == 0) return t;
    Tensor tail = invoke(op_slice, t, dim, cut, size, 1), head = invoke(op_slice, t, dim, 0, cut, 1);
    TensorImpl* list[] = {tail.impl(), head.impl()};
    return invoke(op_cat, std::span<TensorImpl* const>(list), dim);
}

template <int dim>
void compose_flipped(Call& c) {
    require(c.tensor(0).rank() > dim, ErrorKind::runtime, c.name(), ": input has shape ", c.tensor(0).sizes,
            "; expected at least ", dim + 1, dim ? " dimensions" : " dimension");
    give(c, invoke(op_flip, tensor_at(c, 0), Dims{dim}));
}

void compose_roll(Call& c) {
    Tensor t = tensor_at(c, 0);
    std::span<const int64_t> shifts = c[1].to_ints(), dims = c[2].to_ints();
    if (c[2].is_none() || dims.empty()) {
        require(shifts.size() == 1, ErrorKind::runtime, c.name(), ": shifts=", Dims(shifts), " has ", shifts.size(),
                " entries and dims none; ", "expected one shift, or one dim for each");
        Tensor flat = invoke(op_reshape, t, Dims{t.numel()});
        Tensor out = invoke(op_reshape, rolled(flat, shifts[0], 0), t.sizes());
        return give(c, may_share_memory(*out.impl(), *t.impl()) ? invoke(op_clone, out) : out);
    }
    require(shifts.size() == dims.size(), ErrorKind::runtime, c.name(), ": shifts=", Dims(shifts),
            " and dims=", Dims(dims), " differ in length");
    require(t.rank() > 0, ErrorKind::index, c.name(), ": dims=", Dims(dims),
            " for input of shape (); expected at least one dimension");
    Tensor out = t;
    for (size_t i = 0; i < dims.size(); ++i)
        out = rolled(out, shifts[i], rules::dim(c, dims[i], t.sizes(), "dims"));
    give(c, out.same(t) ? invoke(op_clone, t) : out);
}

void compose_rot90(Call& c) {
    Tensor t = tensor_at(c, 0);
    std::span<const int64_t> dims = c[2].to_ints();
    require(dims.size() == 2, ErrorKind::runtime, c.name(), ": dims=", Dims(dims), "; expected two dimensions");
    require(t.rank() >= 2, ErrorKind::runtime, c.name(), ": input has shape ", t.sizes(),
            "; expected at least 2 dimensions");
    int64_t a = rules::dim(c, dims[0], t.sizes(), "dims"), b = rules::dim(c, dims[1], t.sizes(), "dims");
    require(a != b, ErrorKind::runtime, c.name(), ": dims=", Dims(dims), " names one dimension twice");
    int64_t turns = ((c[1].to_int() % 4) + 4) % 4;
    if (turns == 0) return give(c, invoke(op_clone, t));
    if (turns == 2) return give(c, invoke(op_flip, t, Dims{a, b}));
    give(c, invoke(op_transpose, invoke(op_flip, t, Dims{turns == 1 ? b : a}), a, b));
}

}  // namespace

OP(cat) = {.signature = "cat(tensors: Tensor[], dim: int = 0) -> Tensor", .names = "cat concat concatenate out",
    .dtypes = "all",
    .infer = infer_cat, .kernel = {"rows", run_cat}, .derivative = {.vjp = vjp_cat}, .onnx = {"Concat", 13},
    .samples = {.calls = "cat([T(2, 3), T(1, 3)]); cat([T(2, 3), T(2, 2)], 1); cat([T(2), T(0), T(1)], -1); "
                         "cat([T(3, 2).t(), T(2, 3)], 0)"},
    .doc = R"(The tensors joined along a dimension; the other sizes must agree.

The result has the promoted dtype. Raises RuntimeError when the shapes differ, ValueError for an empty list.

Example:
    >>> rushlight.cat([rushlight.tensor([1, 2]), rushlight.tensor([3])])
    tensor([1, 2, 3]))"};

OP(stack) = {.signature = "stack(tensors: Tensor[], dim: int = 0) -> Tensor", .names = "stack out", .dtypes = "all",
    .infer = infer_stack,
    .kernel = {"rows", run_stack}, .derivative = {.vjp = vjp_stack}, .onnx = no_onnx("exports as Unsqueeze and Concat"),
    .samples = {.calls = "stack([T(2, 3), T(2, 3)]); stack([T(2, 3), T(2, 3)], -1); stack([T(), T()])"},
    .doc = R"(Tensors of one shape joined along a new dimension.

Example:
    >>> rushlight.stack([rushlight.tensor([1, 2]), rushlight.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]]))"};

OP(hstack) = {.signature = "hstack(tensors: Tensor[]) -> Tensor", .names = "hstack out", .dtypes = "all",
    .compose = compose_hstack,
    .samples = {.calls = "hstack([T(2), T(3)]); hstack([T(2, 1), T(2, 3)])"},
    .doc = "The tensors side by side: along dimension 1, vectors along their only one."};
OP(vstack) = {.signature = "vstack(tensors: Tensor[]) -> Tensor", .names = "vstack row_stack out", .dtypes = "all",
    .compose = [](Call& c) { cat_raised(c, 2, 0); },
    .samples = {.calls = "vstack([T(2), T(2)]); vstack([T(1, 2), T(2)])"},
    .doc = "The tensors below each other: along dimension 0, vectors as rows."};
OP(dstack) = {.signature = "dstack(tensors: Tensor[]) -> Tensor", .names = "dstack out", .dtypes = "all",
    .compose = [](Call& c) { cat_raised(c, 3, 2); },
    .samples = {.calls = "dstack([T(2), T(2)]); dstack([T(1, 2), T(1, 2)])"},
    .doc = "The tensors behind each other: along dimension 2, which vectors and matrices get."};
OP(column_stack) = {.signature = "column_stack(tensors: Tensor[]) -> Tensor", .names = "column_stack out",
    .dtypes = "all", .compose = compose_column_stack, .samples = {.calls = "column_stack([T(2), T(2, 3)])"},
    .doc = "The tensors side by side, vectors as columns."};

OP(repeat) = {.signature = "repeat(input: Tensor, repeats: int[]) -> Tensor", .names = "Tensor.repeat", .dtypes = "all",
    .compose = compose_repeat,
    .samples = {.calls = "T(3).repeat(2, 2); T(2, 3).repeat(1, 2); T(2, 3).repeat(2, 0); T().repeat(3)"},
    .doc = R"(The tensor, repeated along each dimension so many times; further dimensions come first.

Example:
    >>> rushlight.tensor([1, 2]).repeat(2)
    tensor([1, 2, 1, 2]))"};
OP(tile) = {.signature = "tile(input: Tensor, dims: int[]) -> Tensor", .names = "tile Tensor.tile", .dtypes = "all",
    .compose = compose_tile,
    .samples = {.calls = "tile(T(2, 3), (2,)); tile(T(2), (2, 2))"},
    .doc = "The tensor, repeated; where `dims` has fewer entries than the tensor dimensions, the last ones are meant."};

OP(repeat_indices) = {.signature = "repeat_indices(repeats: Tensor) -> Tensor", .dtypes = "int32 int64",
    .infer = infer_repeat_indices,
    .kernel = {"generic", run_repeat_indices}, .derivative = not_differentiable("indices are whole numbers"),
    .onnx = no_onnx("ONNX has no operator for it"), .samples = {.calls = "repeat_interleave(tensor([1, 0, 2]))"},
    .doc = "Each index i, repeats[i] times."};
OP(repeat_interleave) = {
    .signature = "repeat_interleave(input: Tensor, repeats: int | Tensor | None = None, dim: int | None = None, *, "
                 "output_size: int | None = None) -> Tensor",
    .names = "repeat_interleave Tensor.repeat_interleave", .dtypes = "all", .compose = compose_repeat_interleave,
    .samples = {.calls = "repeat_interleave(T(2, 3), 2); repeat_interleave(T(2, 3), 2, 1); "
                         "repeat_interleave(T(2, 3), tensor([1, 2]), 0)"},
    .doc = R"(Each entry of a dimension repeated so many times; of all elements when no dimension is given.

Example:
    >>> rushlight.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2]))"};

OP(flip) = {.signature = "flip(input: Tensor, dims: int[]) -> Tensor", .names = "flip Tensor.flip", .dtypes = "all",
    .infer = infer_flip,
    .kernel = {"generic", run_flip},
    .derivative = {.vjp = [](Vjp& d) { d.to(0, invoke(op_flip, d.grad(), d[1].to_ints())); }},
    .onnx = no_onnx("exports as Slice with step -1"),
    .samples = {.calls = "flip(T(2, 3), (0,)); flip(T(2, 3), (0, -1)); flip(T(2, 3, 2), (1,)); flip(T(2), ())"},
    .doc = R"(A copy with the order of some dimensions reversed.

Example:
    >>> rushlight.tensor([1, 2, 3]).flip(0)
    tensor([3, 2, 1]))"};
OP(fliplr) = {.signature = "fliplr(input: Tensor) -> Tensor", .names = "fliplr Tensor.fliplr", .dtypes = "all",
    .compose = compose_flipped<1>,
    .samples = {.calls = "fliplr(T(2, 3))"},
    .doc = "A copy with the order of dimension 1 reversed."};
OP(flipud) = {.signature = "flipud(input: Tensor) -> Tensor", .names = "flipud Tensor.flipud", .dtypes = "all",
    .compose = compose_flipped<0>,
    .samples = {.calls = "flipud(T(2, 3))"},
    .doc = "A copy with the order of dimension 0 reversed."};
OP(roll) = {.signature = "roll(input: Tensor, shifts: int | int[], dims: int | int[] | None = None) -> Tensor",
    .names = "roll Tensor.roll",
    .dtypes = "all", .compose = compose_roll,
    .samples = {.calls = "roll(T(2, 3), 1); roll(T(2, 3), (1, -1), (0, 1)); roll(T(3), 3, 0)"},
    .doc = R"(The entries moved along dimensions; those that leave at one end come in at the other.

Example:
    >>> rushlight.tensor([1, 2, 3]).roll(1)
    tensor([3, 1, 2]))"};
OP(rot90) = {.signature = "rot90(input: Tensor, k: int = 1, dims: int[] = (0, 1)) -> Tensor",
    .names = "rot90 Tensor.rot90", .dtypes = "all",
    .compose = compose_rot90, .samples = {.calls = "rot90(T(2, 3)); rot90(T(2, 3), 2); rot90(T(2, 3, 2), -1, (1, 2))"},
    .doc = R"(Rotated by k quarter turns in the plane of two dimensions.

Example:
    >>> rushlight.tensor([[1, 2], [3, 4]]).rot90()
    tensor([[2, 4],
            [1, 3]]))"};

}  // namespace rushlight
