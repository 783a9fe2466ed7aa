// Views: other sizes, strides and offsets over the same memory. A view's derivative brings the gradient back into the
// shape of the input: by the inverse view where one exists, by `place` where the view left elements out.
#include "ops/shape_rules.h"

namespace rushlight {

Dims complete_sizes(const Call& c, std::span<const int64_t> wanted, const TensorImpl& t, const char* param) {
    Dims sizes(wanted);
    int hole = -1;
    for (int i = 0; i < sizes.size(); ++i) {
        if (sizes[i] != -1) continue;
        if (hole >= 0) [[unlikely]]
            fail(ErrorKind::runtime, c.name(), ": ", param, "=", Dims(wanted),
                 " leaves two sizes open; expected at most one -1");
        hole = i;
        sizes[i] = 1;
    }
    int64_t known = checked_numel(sizes, c.name());
    if (hole >= 0) {
        if (known == 0) [[unlikely]]
            fail(ErrorKind::runtime, c.name(), ": ", param, "=", Dims(wanted), " is ambiguous for an input of shape ",
                 t.sizes, ": with a size of 0, -1 can stand for any size");
        sizes[hole] = t.numel / known;
        known *= sizes[hole];
    }
    if (known != t.numel) [[unlikely]]
        fail(ErrorKind::runtime, c.name(), ": ", param, "=", Dims(wanted), " does not fit an input of shape ", t.sizes,
             " with ", t.numel, " elements");
    return sizes;
}

namespace {

// ---- view, reshape -----------------------------------------------------------------------------------------------

// The same bytes read as another dtype: the last dimension shrinks or grows by the ratio of the sizes.
void view_as_dtype(Call& c) {
    TensorImpl& t = c.tensor(0);
    DType dtype = c[1].dtype_;
    int64_t from = size_of(t.dtype), to = size_of(dtype);
    Dims sizes = t.sizes, strides = t.strides;
    int64_t offset = t.offset;
    if (from != to) {
        int last = t.rank() - 1;
        require(last >= 0, ErrorKind::runtime, c.name(), ": a zero-dimensional ", name_of(t.dtype),
                " can't be viewed as ", name_of(dtype), ", whose elements have another size");
        require(strides[last] == 1 || sizes[last] <= 1, ErrorKind::runtime, c.name(),
                ": the last dimension has stride ", strides[last], "; expected 1 to view ", name_of(t.dtype), " as ",
                name_of(dtype));
        int64_t ratio = std::max(from, to) / std::min(from, to);
        bool wider = to > from;
        require(!wider || sizes[last] % ratio == 0, ErrorKind::runtime, c.name(), ": the last size ", sizes[last],
                " is not a multiple of ", ratio, ", as viewing ", name_of(t.dtype), " as ", name_of(dtype), " needs");
        sizes[last] = wider ? sizes[last] / ratio : checked_mul(sizes[last], ratio, c.name());
        bool fits = !wider || offset % ratio == 0;
        offset = wider ? offset / ratio : checked_mul(offset, ratio, c.name());
        strides[last] = 1;
        for (int i = 0; i < last; ++i) {
            fits = fits && (!wider || strides[i] % ratio == 0);
            strides[i] = wider ? strides[i] / ratio : checked_mul(strides[i], ratio, c.name());
        }
        require(fits, ErrorKind::runtime, c.name(), ": stride ", t.strides, " and offset ", t.offset,
                " are not multiples of ", ratio, ", as viewing ", name_of(t.dtype), " as ", name_of(dtype), " needs");
    }
    Tensor view = alias(Tensor(&t), sizes, strides, offset);
    view->dtype = dtype;
    c.out[0] = std::move(view);
    c.passes_view = true;                 // bits have no derivative: the tape does not see this view
}

void infer_view(Call& c) {
    TensorImpl& t = c.tensor(0);
    if (c[1].tag == Tag::dtype) return view_as_dtype(c);
    Dims sizes = complete_sizes(c, c[1].to_ints(), t, "size");
    if (t.contiguous) {
        c.view(sizes, contiguous_strides(sizes), t.offset);
        return;
    }
    Dims strides;
    require(view_strides(t.sizes, t.strides, sizes, &strides), ErrorKind::runtime, c.name(), ": input of shape ",
            t.sizes, " and stride ", t.strides, " has no view of shape ", sizes, "; use reshape");
    c.view(sizes, strides, t.offset);
}

void back_to_shape(Vjp& d) { d.to(0, invoke(op_reshape, d.grad(), d.sizes(0))); }

Tensor reshaped(const Call& c, const Tensor& t, const Dims& sizes) {
    Dims strides;
    bool is_view = t.contiguous() || view_strides(t.sizes(), t.strides(), sizes, &strides);
    return invoke(op_view, is_view ? t : invoke(op_contiguous, t), sizes);
}

void compose_reshape(Call& c) {
    TensorImpl& t = c.tensor(0);
    give(c, reshaped(c, Tensor(&t), complete_sizes(c, c[1].to_ints(), t, "shape")));
}

void compose_view_as(Call& c) { give(c, invoke(op_view, tensor_at(c, 0), c.tensor(1).sizes)); }
void compose_reshape_as(Call& c) { give(c, invoke(op_reshape, tensor_at(c, 0), c.tensor(1).sizes)); }

void compose_flatten(Call& c) {
    TensorImpl& t = c.tensor(0);
    int first = rules::dim(c, c[1].to_int(), t.sizes, "start_dim"),
        last = rules::dim(c, c[2].to_int(), t.sizes, "end_dim");
    require(first <= last, ErrorKind::runtime, c.name(), ": start_dim=", c[1].to_int(),
            " comes after end_dim=", c[2].to_int(), " in input of shape ", t.sizes);
    if (t.rank() > 0 && first == last) return give(c, Tensor(&t));
    Dims sizes;
    int64_t merged = 1;
    for (int i = 0; i < t.rank(); ++i) {
        if (i < first || i > last) sizes.push_back(t.sizes[i]);
        else merged = checked_mul(merged, t.sizes[i], c.name());
        if (i == last) sizes.push_back(merged);
    }
    if (t.rank() == 0) sizes = {1};
    give(c, reshaped(c, Tensor(&t), sizes));
}

void compose_ravel(Call& c) { give(c, reshaped(c, tensor_at(c, 0), {c.tensor(0).numel})); }

void compose_unflatten(Call& c) {
    TensorImpl& t = c.tensor(0);
    int dim = rules::dim(c, c[1].to_int(), t.sizes);
    std::span<const int64_t> parts = c[2].to_ints();
    require(!parts.empty(), ErrorKind::runtime, c.name(), ": sizes is empty; expected at least one size");
    require(t.rank() > 0, ErrorKind::runtime, c.name(), ": a zero-dimensional input has no dimension to divide");
    TensorImpl& one = *TensorImpl::make();                 // stands for the divided dimension in complete_sizes
    Tensor keep(&one);
    one.sizes = {t.sizes[dim]};
    one.numel = t.sizes[dim];
    Dims inner = complete_sizes(c, parts, one, "sizes"), sizes;
    for (int i = 0; i < t.rank(); ++i) {
        if (i != dim) sizes.push_back(t.sizes[i]);
        else for (int64_t s : inner) sizes.push_back(s);
    }
    give(c, invoke(op_view, Tensor(&t), sizes));
}

// ---- permutations ------------------------------------------------------------------------------------------------

void infer_transpose(Call& c) {
    TensorImpl& t = c.tensor(0);
    int a = rules::dim(c, c[1].to_int(), t.sizes, "dim0"), b = rules::dim(c, c[2].to_int(), t.sizes, "dim1");
    Geometry& g = c.view(t.sizes, t.strides, t.offset);
    if (a == b) return;
    std::swap(g.sizes[a], g.sizes[b]);
    std::swap(g.strides[a], g.strides[b]);
}

void infer_permute(Call& c) {
    TensorImpl& t = c.tensor(0);
    std::span<const int64_t> order = c[1].to_ints();
    if (int(order.size()) != t.rank()) [[unlikely]]
        fail(ErrorKind::runtime, c.name(), ": dims=", Dims(order), " has ", order.size(),
            " entries; expected ", t.rank(), ", one for each dimension of input of shape ", t.sizes);
    Dims sizes(t.rank(), 0), strides(t.rank(), 0);
    uint64_t seen = 0;
    for (int i = 0; i < t.rank(); ++i) {
        int d = rules::dim(c, order[size_t(i)], t.sizes, "dims");
        if (seen >> d & 1) [[unlikely]]
            fail(ErrorKind::runtime, c.name(), ": dims=", Dims(order), " names dimension ", d, " twice");
        seen |= uint64_t(1) << d;
        sizes[i] = t.sizes[d];
        strides[i] = t.strides[d];
    }
    c.view(sizes, strides, t.offset);
}

void vjp_permute(Vjp& d) {
    std::span<const int64_t> order = d[1].to_ints();
    int rank = int(order.size());
    Dims inverse(rank, 0);
    for (int i = 0; i < rank; ++i) inverse[int(order[size_t(i)] < 0 ? order[size_t(i)] + rank : order[size_t(i)])] = i;
    d.to(0, invoke(op_permute, d.grad(), inverse));
}

void compose_t(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() <= 2, ErrorKind::runtime, c.name(), ": input has shape ", t.sizes,
            "; expected at most 2 dimensions");
    give(c, t.rank() < 2 ? Tensor(&t) : invoke(op_transpose, Tensor(&t), 0, 1));
}

void compose_swap(Call& c) { give(c, invoke(op_transpose, tensor_at(c, 0), c[1].to_int(), c[2].to_int())); }

void compose_movedim(Call& c) {
    TensorImpl& t = c.tensor(0);
    std::span<const int64_t> from = c[1].to_ints(), to = c[2].to_ints();
    require(from.size() == to.size(), ErrorKind::runtime, c.name(), ": source=", Dims(from),
            " and destination=", Dims(to), " differ in length");
    Dims order(t.rank(), -1);
    uint64_t moved = 0;
    for (size_t i = 0; i < from.size(); ++i) {
        int s = rules::dim(c, from[i], t.sizes, "source"), d = rules::dim(c, to[i], t.sizes, "destination");
        if (t.rank() == 0) continue;
        require(!(moved >> s & 1), ErrorKind::runtime, c.name(), ": source=", Dims(from), " names dimension ", s,
                " twice");
        require(order[d] < 0, ErrorKind::runtime, c.name(), ": destination=", Dims(to), " names dimension ", d,
                " twice");
        order[d] = s;
        moved |= uint64_t(1) << s;
    }
    int next = 0;
    for (int i = 0; i < t.rank(); ++i) {
        if (order[i] >= 0) continue;
        while (moved >> next & 1) ++next;
        order[i] = next++;
    }
    give(c, invoke(op_permute, Tensor(&t), order));
}

// ---- expand, squeeze, unsqueeze ----------------------------------------------------------------------------------

void infer_expand(Call& c) {
    TensorImpl& t = c.tensor(0);
    Dims sizes(c[1].to_ints());
    int shift = sizes.size() - t.rank();
    require_room(c, sizes.size());
    require(shift >= 0, ErrorKind::runtime, c.name(), ": size=", sizes, " has ", sizes.size(),
            " dimensions; expected at least ", t.rank(), ", as many as input of shape ", t.sizes);
    Dims strides(sizes.size(), 0);
    bool scalar = t.rank() == 0;
    for (int i = 0; i < sizes.size(); ++i) {
        int64_t own = i < shift ? 1 : t.sizes[i - shift];
        if (sizes[i] == -1 && i >= shift) sizes[i] = own;
        if (sizes[i] < 0) [[unlikely]]
            fail(ErrorKind::runtime, c.name(), ": size=", Dims(c[1].to_ints()), " has ", sizes[i], " at dimension ", i,
                i < shift ? ", which input does not have" : "; expected a size or -1");
        if (own != sizes[i] && own != 1) [[unlikely]]
            fail(ErrorKind::runtime, c.name(), ": input of shape ", t.sizes, " can't be expanded to size=",
                Dims(c[1].to_ints()), "; at dimension ", i, " size ", own, " is neither 1 nor ", sizes[i]);
        if (i >= shift) strides[i] = own == sizes[i] ? t.strides[i - shift] : 0;
        else if (sizes[i] == 1 && !scalar) strides[i] = i + 1 < sizes.size() ? -1 : 1;
    }
    for (int i = sizes.size() - 1; i >= 0; --i)            // a new dimension of one element: any stride serves
        if (strides[i] < 0) strides[i] = i + 1 < sizes.size() ? sizes[i + 1] * strides[i + 1] : 1;
    checked_numel(sizes, c.name());
    c.view(sizes, strides, t.offset);
}

void vjp_expand(Vjp& d) { d.to(0, d.grad()); }              // the tape sums to the input's shape

void compose_expand_as(Call& c) { give(c, invoke(op_expand, tensor_at(c, 0), c.tensor(1).sizes)); }

// Broadcasting undone: what an expanded dimension repeated is added up.
void compose_sum_to(Call& c) {
    Tensor t = tensor_at(c, 0);
    Dims sizes(c[1].to_ints()), summed;
    int extra = t.rank() - sizes.size();
    bool fits = extra >= 0;
    for (int i = 0; i < extra; ++i) summed.push_back(i);
    for (int i = 0; fits && i < sizes.size(); ++i) {
        fits = sizes[i] == t.size(i + extra) || sizes[i] == 1;
        if (fits && sizes[i] != t.size(i + extra)) summed.push_back(i + extra);
    }
    require(fits, ErrorKind::runtime, c.name(), ": size=", sizes, " does not broadcast to the shape ", t.sizes(),
            " of input");
    if (!summed.empty() || (sizes.empty() && t.dtype() == DType::boolean)) t = invoke(op_sum, t, summed, true);
    give(c, extra > 0 ? invoke(op_reshape, t, sizes) : t);
}

void infer_squeeze(Call& c) {
    TensorImpl& t = c.tensor(0);
    uint64_t mask = c[1].is_none() ? ~uint64_t(0) : c[1].to_ints().empty() ? 0 : rules::dim_mask(c, c[1], t.sizes);
    Dims sizes, strides;
    for (int i = 0; i < t.rank(); ++i) {
        if ((mask >> i & 1) && t.sizes[i] == 1) continue;
        sizes.push_back(t.sizes[i]);
        strides.push_back(t.strides[i]);
    }
    c.view(sizes, strides, t.offset);
}

void infer_unsqueeze(Call& c) {
    TensorImpl& t = c.tensor(0);
    require_room(c, t.rank() + 1);
    int dim = rules::dim(c, c[1].to_int(), t.rank() + 1, t.sizes, "dim");
    Geometry& g = c.view(t.sizes, t.strides, t.offset);
    int64_t stride = dim < t.rank() ? t.sizes[dim] * t.strides[dim] : 1;
    g.sizes.insert(dim, 1);
    g.strides.insert(dim, stride);
}

// ---- parts -------------------------------------------------------------------------------------------------------

// The gradient of a view that left elements out: zeros with it in the view's place. `dims` tells the view's strides
// over a contiguous tensor of the input's shape.
void place_gradient(Vjp& d, const Dims& strides, int64_t offset) {
    d.to(0, invoke(op_place, d.grad(), d.sizes(0), strides, offset));
}

struct SliceBounds {
    int64_t start, length, step;
};

SliceBounds slice_bounds(const Value& start, const Value& stop, int64_t step, int64_t size) {
    auto inside = [&](const Value& v, int64_t missing) {
        int64_t at = v.is_none() ? missing : v.to_int();
        if (at < 0) at += size;
        return std::clamp<int64_t>(at, 0, size);
    };
    int64_t first = inside(start, 0), last = inside(stop, size);
    return {first, last <= first ? 0 : (last - first - 1) / step + 1, step};
}

void infer_slice(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() > 0, ErrorKind::index, c.name(), ": a zero-dimensional input can't be sliced");
    int dim = rules::dim(c, c[1].to_int(), t.sizes);
    int64_t step = c[4].to_int();
    require(step > 0, ErrorKind::value, c.name(), ": step=", step,
            " is not positive; expected step >= 1 (use flip to reverse)");
    SliceBounds b = slice_bounds(c[2], c[3], step, t.sizes[dim]);
    Geometry& g = c.view(t.sizes, t.strides, t.offset + b.start * t.strides[dim]);
    g.sizes[dim] = b.length;
    if (b.length > 1 && step > 1) g.strides[dim] = t.strides[dim] * step;
}

void vjp_slice(Vjp& d) {
    const Dims& sizes = d.sizes(0);
    int dim = int(d[1].to_int() < 0 ? d[1].to_int() + sizes.size() : d[1].to_int());
    SliceBounds b = slice_bounds(d[2], d[3], d[4].to_int(), sizes[dim]);
    Dims strides = contiguous_strides(sizes);
    int64_t offset = b.length ? b.start * strides[dim] : 0;
    if (b.length > 1) strides[dim] *= b.step;
    place_gradient(d, strides, offset);
}

void compose_narrow(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() > 0, ErrorKind::runtime, c.name(), ": input has shape (); expected a dimension to narrow");
    int dim = rules::dim(c, c[1].to_int(), t.sizes);
    int64_t start = c[2].is_tensor() ? -1 : c[2].to_int(), length = c[3].to_int(), size = t.sizes[dim];
    require(length >= 0, ErrorKind::runtime, c.name(), ": length=", length, " is negative");
    require(start >= -size && start <= size, ErrorKind::index, c.name(), ": start=", start,
            " is out of range for dimension ", dim, " of input of shape ", t.sizes, "; expected ", -size,
            " <= start <= ", size);
    if (start < 0) start += size;
    require(length <= size - start, ErrorKind::runtime, c.name(), ": start=", c[2].to_int(), " and length=", length,
            " reach beyond dimension ", dim, " of input of shape ", t.sizes);
    give(c, invoke(op_slice, Tensor(&t), dim, start, start + length, 1));
}

void infer_select(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() > 0, ErrorKind::index, c.name(), ": input has shape (), and no index=",
            c[2].to_int(), "; expected at least one dimension");
    int dim = rules::dim(c, c[1].to_int(), t.sizes);
    int64_t index = c[2].to_int(), size = t.sizes[dim];
    require(index >= -size && index < size, ErrorKind::index, c.name(), ": index=", index,
            " is out of range for dimension ", dim, " of input of shape ", t.sizes, "; ",
            rules::expected_between(-size, "index", size));
    if (index < 0) index += size;
    Geometry& g = c.view(t.sizes, t.strides, t.offset + index * t.strides[dim]);
    g.sizes.erase(dim);
    g.strides.erase(dim);
}

void vjp_select(Vjp& d) {
    const Dims& sizes = d.sizes(0);
    int dim = int(d[1].to_int() < 0 ? d[1].to_int() + sizes.size() : d[1].to_int());
    int64_t index = d[2].to_int() < 0 ? d[2].to_int() + sizes[dim] : d[2].to_int();
    Dims strides = contiguous_strides(sizes);
    int64_t offset = index * strides[dim];
    strides.erase(dim);
    place_gradient(d, strides, offset);
}

void infer_unbind(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() > 0, ErrorKind::index, c.name(), ": input has shape (); expected a dimension to take apart");
    int dim = rules::dim(c, c[1].to_int(), t.sizes);
    Dims sizes = t.sizes, strides = t.strides;
    sizes.erase(dim);
    strides.erase(dim);
    c.list.reserve(size_t(t.sizes[dim]));
    for (int64_t i = 0; i < t.sizes[dim]; ++i)
        c.list.push_back(view_of(t, sizes, strides, t.offset + i * t.strides[dim]));
}

void vjp_unbind(Vjp& d) {
    const Dims& sizes = d.sizes(0);
    int dim = int(d[1].to_int() < 0 ? d[1].to_int() + sizes.size() : d[1].to_int());
    Dims part = sizes;
    part.erase(dim);
    std::vector<Tensor> parts(d.grads.begin(), d.grads.end());
    std::vector<TensorImpl*> list;
    for (Tensor& g : parts) {
        if (!g.defined()) g = zeros_of(part, d.dtype(0));
        list.push_back(g.impl());
    }
    if (!list.empty()) d.to(0, invoke(op_stack, std::span<TensorImpl* const>(list), dim));
}

void infer_split_with_sizes(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() > 0, ErrorKind::runtime, c.name(), ": a zero-dimensional input can't be split");
    int dim = rules::dim(c, c[2].to_int(), t.sizes);
    std::span<const int64_t> parts = c[1].to_ints();
    int64_t sum = 0;
    for (int64_t p : parts) {
        if (p < 0) [[unlikely]]
            fail(ErrorKind::runtime, c.name(), ": split_sizes=", Dims(parts), " has a negative entry");
        sum = checked_add(sum, p, c.name());
    }
    if (sum != t.sizes[dim]) [[unlikely]]
        fail(ErrorKind::runtime, c.name(), ": split_sizes=", Dims(parts), " add up to ", sum, "; expected ",
             t.sizes[dim], ", the size of dimension ", dim, " of input of shape ", t.sizes);
    Dims sizes = t.sizes;
    int64_t offset = t.offset;
    c.list.reserve(parts.size());
    for (int64_t p : parts) {
        sizes[dim] = p;
        c.list.push_back(view_of(t, sizes, t.strides, offset));
        offset += p * t.strides[dim];
    }
}

void vjp_split_with_sizes(Vjp& d) {
    Dims sizes = d.sizes(0);
    int dim = int(d[2].to_int() < 0 ? d[2].to_int() + sizes.size() : d[2].to_int());
    std::vector<Tensor> parts(d.grads.begin(), d.grads.end());
    std::vector<TensorImpl*> list;
    for (size_t i = 0; i < parts.size(); ++i) {
        sizes[dim] = d[1].to_ints()[i];
        if (!parts[i].defined()) parts[i] = zeros_of(sizes, d.dtype(0));
        list.push_back(parts[i].impl());
    }
    if (!list.empty()) d.to(0, invoke(op_cat, std::span<TensorImpl* const>(list), dim));
}

void give_parts(Call& c, int dim, const Dims& parts) {
    c.list = std::move(invoke_call(op_split_with_sizes, tensor_at(c, 0), parts, dim).list);
}

Dims equal_parts(const Call& c, int64_t size, int64_t each) {
    Dims parts;
    each = std::min(each, std::max<int64_t>(size, 1));
    int64_t count = each == 0 ? 1 : std::max<int64_t>((size + each - 1) / each, 1);
    for (int64_t i = 0; i < count; ++i) parts.push_back(std::min(each, size - i * each));
    return parts;
}

void compose_split(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() > 0, ErrorKind::runtime, c.name(), ": a zero-dimensional input can't be split");
    int dim = rules::dim(c, c[2].to_int(), t.sizes);
    if (c[1].tag == Tag::ints) return give_parts(c, dim, Dims(c[1].to_ints()));
    int64_t each = c[1].to_int(), size = t.sizes[dim];
    require(each > 0 || (each == 0 && size == 0), ErrorKind::runtime, c.name(), ": split_size=", each,
            " for dimension ", dim, " of input of shape ", t.sizes, "; expected split_size >= 1");
    give_parts(c, dim, equal_parts(c, size, each));
}

void compose_chunk(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() > 0, ErrorKind::runtime, c.name(), ": a zero-dimensional input can't be cut into chunks");
    int dim = rules::dim(c, c[2].to_int(), t.sizes);
    int64_t chunks = c[1].to_int(), size = t.sizes[dim];
    require(chunks > 0, ErrorKind::runtime, c.name(), ": chunks=", chunks, "; expected chunks >= 1");
    if (size == 0) {
        require(chunks <= 1 << 24, ErrorKind::runtime, c.name(), ": chunks=", chunks,
                " is more than a program can hold");
        return give_parts(c, dim, Dims(int(chunks), 0));
    }
    give_parts(c, dim, equal_parts(c, size, (size - 1) / chunks + 1));
}

// ---- overlapping and diagonal views ------------------------------------------------------------------------------

void infer_unfold(Call& c) {
    TensorImpl& t = c.tensor(0);
    int dim = rules::dim(c, c[1].to_int(), t.sizes, "dimension");
    int64_t width = c[2].to_int(), step = c[3].to_int(), size = t.rank() ? t.sizes[dim] : 1;
    require(width >= 0 && width <= size, ErrorKind::runtime, c.name(), ": size=", width,
            " is out of range for dimension ", dim, " of input of shape ", t.sizes, "; expected 0 <= size <= ", size);
    require(step > 0, ErrorKind::runtime, c.name(), ": step=", step, " is not positive; expected step >= 1");
    require_room(c, t.rank() + 1);
    Dims sizes = t.sizes, strides = t.strides;
    sizes.push_back(width);
    strides.push_back(t.rank() ? t.strides[dim] : 1);
    if (t.rank()) {
        sizes[dim] = (size - width) / step + 1;
        if (sizes[dim] > 1) strides[dim] = checked_mul(t.strides[dim], step, c.name());
    }
    checked_numel(sizes, c.name());
    c.view(sizes, strides, t.offset);
}

void vjp_unfold(Vjp& d) {
    const Dims& sizes = d.sizes(0);
    Dims strides = contiguous_strides(sizes);
    if (sizes.empty()) {
        strides.push_back(1);
    } else {
        int dim = int(d[1].to_int() < 0 ? d[1].to_int() + sizes.size() : d[1].to_int());
        strides.push_back(strides[dim]);
        if ((sizes[dim] - d[2].to_int()) / d[3].to_int() > 0) strides[dim] *= d[3].to_int();
    }
    place_gradient(d, strides, 0);
}

void infer_diagonal(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.rank() >= 2, ErrorKind::runtime, c.name(), ": input has shape ", t.sizes,
            "; expected at least 2 dimensions");
    int64_t offset = c[1].to_int();
    int a = rules::dim(c, c[2].to_int(), t.sizes, "dim1"), b = rules::dim(c, c[3].to_int(), t.sizes, "dim2");
    require(a != b, ErrorKind::runtime, c.name(), ": dim1=", c[2].to_int(), " and dim2=", c[3].to_int(),
            " name one dimension");
    bool right = offset >= 0;
    int64_t room = right ? (offset > t.sizes[b] ? 0 : t.sizes[b] - offset)
                         : (offset < -t.sizes[a] ? 0 : t.sizes[a] + offset);
    int64_t length = std::max<int64_t>(std::min(right ? t.sizes[a] : t.sizes[b], room), 0);
    int64_t start = length ? (right ? offset * t.strides[b] : -offset * t.strides[a]) : 0;
    Geometry& g = c.view(t.sizes, t.strides, t.offset + start);
    int64_t stride = t.strides[a] + t.strides[b];
    for (int i : {std::max(a, b), std::min(a, b)}) {
        g.sizes.erase(i);
        g.strides.erase(i);
    }
    g.sizes.push_back(length);
    g.strides.push_back(stride);
}

void vjp_diagonal(Vjp& d) {
    const Dims& sizes = d.sizes(0);
    int rank = sizes.size();
    int a = int(d[2].to_int() < 0 ? d[2].to_int() + rank : d[2].to_int()),
        b = int(d[3].to_int() < 0 ? d[3].to_int() + rank : d[3].to_int());
    int64_t shift = d[1].to_int();
    Dims strides = contiguous_strides(sizes);
    int64_t stride = strides[a] + strides[b], start = 0;
    if (d.grad().numel() > 0) start = shift >= 0 ? shift * strides[b] : -shift * strides[a];
    for (int i : {std::max(a, b), std::min(a, b)}) strides.erase(i);
    strides.push_back(stride);
    place_gradient(d, strides, start);
}

void check_bounds(const Call& c, const TensorImpl& t, const Dims& sizes, const Dims& strides, int64_t offset) {
    require(offset >= 0, ErrorKind::runtime, c.name(), ": storage_offset=", offset,
            " is negative; expected storage_offset >= 0");
    int64_t needed = bytes_needed(sizes, strides, offset, size_of(t.dtype), c.name()),
            held = int64_t(t.storage->bytes());
    require(needed <= held, ErrorKind::runtime, c.name(), ": size=", sizes, ", stride=", strides,
            " and storage_offset=", offset, " need ", needed, " bytes of a storage of ", held);
    for (int64_t s : strides)
        require(s >= 0, ErrorKind::runtime, c.name(), ": stride=", strides,
                " has a negative entry; expected strides >= 0");
}

// `restride` counts its offset from the input's first element, so that the same call means the same for another input
// of this shape and these strides.
void infer_restride(Call& c) {
    TensorImpl& t = c.tensor(0);
    Dims sizes(c[1].to_ints()), strides(c[2].to_ints());
    int64_t offset = checked_add(t.offset, c[3].to_int(), c.name());
    require_room(c, sizes.size());
    check_bounds(c, t, sizes, strides, offset);
    c.view(sizes, strides, offset);
}

// The gradient in the input's memory, read back in the input's own geometry.
void vjp_restride(Vjp& d) {
    Dims own_strides(d[4].to_ints());
    int64_t low = std::min<int64_t>(d[3].to_int(), 0);             // the view may begin before the input does
    auto reach = [&](const Dims& sizes, const Dims& strides, int64_t from) {
        for (int i = 0; i < sizes.size(); ++i) from += sizes[i] ? (sizes[i] - 1) * strides[i] : 0;
        return from + 1;
    };
    Dims sizes(d[1].to_ints()), strides(d[2].to_ints());
    int64_t length = std::max(reach(sizes, strides, d[3].to_int() - low), reach(d.sizes(0), own_strides, -low));
    Tensor memory = invoke(op_place, d.grad(), Dims{length}, strides, d[3].to_int() - low);
    d.to(0, invoke(op_restride, memory, d.sizes(0), own_strides, -low, Dims{1}));
}

void compose_as_strided(Call& c) {
    TensorImpl& t = c.tensor(0);
    Dims sizes(c[1].to_ints()), strides(c[2].to_ints());
    int64_t offset = c[3].is_none() ? t.offset : c[3].to_int();
    check_bounds(c, t, sizes, strides, offset);
    bool recording = mode.grad && t.requires_grad;
    require(!recording || !overlaps_itself(t), ErrorKind::runtime, c.name(), ": input of shape ", t.sizes,
            " and stride ", t.strides, " has several elements in one place, and so no gradient; clone() it first");
    give(c, invoke(op_restride, Tensor(&t), sizes, strides, offset - t.offset, t.strides));
}

// ---- complex numbers ---------------------------------------------------------------------------------------------

void infer_view_as_real(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(is_complex(t.dtype), ErrorKind::runtime, c.name(), ": input has dtype ", name_of(t.dtype),
            "; expected a complex dtype");
    require_room(c, t.rank() + 1);
    Geometry& g = c.view(t.sizes, t.strides, t.offset * 2);
    for (int64_t& s : g.strides) s *= 2;
    g.sizes.push_back(2);
    g.strides.push_back(1);
    g.dtype = to_real(t.dtype);
}

// A pair must not begin in the middle of a complex number.
void vjp_view_as_real(Vjp& d) {
    Tensor pairs = invoke(op_contiguous, d.grad());
    if (pairs->offset % 2) pairs = invoke(op_clone, pairs);
    d.to(0, invoke(op_view_as_complex, pairs));
}

void infer_view_as_complex(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(t.dtype == DType::float32 || t.dtype == DType::float64, ErrorKind::runtime, c.name(), ": input has dtype ",
            name_of(t.dtype), "; expected float32 or float64");
    require(t.rank() > 0 && t.sizes.back() == 2, ErrorKind::runtime, c.name(), ": input has shape ", t.sizes,
            "; expected a last size of 2");
    bool even = t.strides.back() == 1 && t.offset % 2 == 0;
    for (int i = 0; i + 1 < t.rank(); ++i) even = even && t.strides[i] % 2 == 0;
    require(even, ErrorKind::runtime, c.name(), ": input has stride ", t.strides, " and offset ", t.offset,
            "; expected a last stride of 1 and the others even");
    Geometry& g = c.view(t.sizes, t.strides, t.offset / 2);
    g.sizes.erase(t.rank() - 1);
    g.strides.erase(t.rank() - 1);
    for (int64_t& s : g.strides) s /= 2;
    g.dtype = to_complex(t.dtype);
}

void compose_real(Call& c) {
    TensorImpl& t = c.tensor(0);
    give(c, is_complex(t.dtype) ? invoke(op_select, invoke(op_view_as_real, Tensor(&t)), -1, 0) : Tensor(&t));
}

void compose_imag(Call& c) {
    TensorImpl& t = c.tensor(0);
    require(is_complex(t.dtype), ErrorKind::runtime, c.name(), ": input has dtype ", name_of(t.dtype),
            "; expected a complex dtype");
    give(c, invoke(op_select, invoke(op_view_as_real, Tensor(&t)), -1, 1));
}

// The tape neither records this view nor counts it as one: writes reach the memory, and its version, only.
void infer_detach(Call& c) {
    TensorImpl& t = c.tensor(0);
    c.out[0] = alias(Tensor(&t), t.sizes, t.strides, t.offset);
    c.passes_view = true;
}

}  // namespace

OP(view) = {.signature = "view(input: Tensor, size: int[] | dtype) -> Tensor", .names = "Tensor.view",
    .kind = Kind::view, .dtypes = "all",
    .infer = infer_view, .derivative = {.vjp = back_to_shape}, .onnx = {"Reshape", 14},
    .samples = {.calls = "T(2, 6).view(3, 4); T(2, 6).view(-1); T(4, 3).t().view(3, 2, 2); T(0, 3).view(3, 0); "
                         "T().view(1, 1)"},
    .doc = R"(The same elements in another shape, sharing memory.

One size may be -1: it follows from the others. With a dtype instead of sizes, the same bytes are read as that dtype.
Raises RuntimeError when the shape does not fit, or when the strides admit no such view (then use reshape).

Example:
    >>> rushlight.arange(6).view(2, 3).shape
    rushlight.Size([2, 3]))"};

OP(reshape) = {
    .signature = "reshape(input: Tensor, shape: int[]) -> Tensor",
    .names = "reshape Tensor.reshape",
    .dtypes = "all",
    .compose = compose_reshape,
    .samples = {.calls = "reshape(T(2, 6), (3, 4)); reshape(T(2, 6), (-1,)); "
                         "T(4, 3).t().reshape(2, 6); T().reshape(1)"},
    .doc = R"(The same elements in another shape: a view where the strides admit it, else a copy.

One size may be -1: it follows from the others. Raises RuntimeError when the shape does not fit.

Example:
    >>> rushlight.arange(6).reshape(3, -1).shape
    rushlight.Size([3, 2]))"};

OP(view_as) = {.signature = "view_as(input: Tensor, other: Tensor) -> Tensor", .names = "Tensor.view_as",
    .dtypes = "all",
    .compose = compose_view_as, .samples = {.calls = "T(2, 6).view_as(T(3, 4))"},
    .doc = "A view with the shape of `other`; see view."};

OP(reshape_as) = {.signature = "reshape_as(input: Tensor, other: Tensor) -> Tensor", .names = "Tensor.reshape_as",
    .dtypes = "all",
    .compose = compose_reshape_as, .samples = {.calls = "T(2, 6).reshape_as(T(3, 4))"},
    .doc = "The elements in the shape of `other`; see reshape."};

OP(flatten) = {.signature = "flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor",
    .names = "flatten Tensor.flatten",
    .dtypes = "all", .compose = compose_flatten,
    .samples = {.calls = "flatten(T(2, 3, 4)); flatten(T(2, 3, 4), 1); flatten(T(2, 3, 4), 0, 1); flatten(T())"},
    .doc = R"(The dimensions from start_dim to end_dim as one; a view where the strides admit it.

Example:
    >>> rushlight.zeros(2, 3, 4).flatten(1).shape
    rushlight.Size([2, 12]))"};

OP(ravel) = {.signature = "ravel(input: Tensor) -> Tensor", .names = "ravel Tensor.ravel", .dtypes = "all",
    .compose = compose_ravel,
    .samples = {.calls = "ravel(T(2, 3)); ravel(T(2, 3).t())"},
    .doc = "All elements in one dimension; a view where the strides admit it."};

OP(unflatten) = {.signature = "unflatten(input: Tensor, dim: int, sizes: int[]) -> Tensor",
    .names = "unflatten Tensor.unflatten",
    .dtypes = "all", .compose = compose_unflatten,
    .samples = {.calls = "unflatten(T(2, 12), 1, (3, 4)); unflatten(T(2, 12), -1, (-1, 6))"},
    .doc = R"(A view in which dimension `dim` is divided into `sizes`; one of them may be -1.

Example:
    >>> rushlight.zeros(2, 12).unflatten(1, (3, 4)).shape
    rushlight.Size([2, 3, 4]))"};

OP(transpose) = {.signature = "transpose(input: Tensor, dim0: int, dim1: int) -> Tensor",
    .names = "transpose Tensor.transpose",
    .kind = Kind::view, .dtypes = "all", .infer = infer_transpose,
    .derivative = {.vjp = [](Vjp& d) { d.to(0, invoke(op_transpose, d.grad(), d[1].to_int(), d[2].to_int())); }},
    .onnx = {"Transpose", 13},
    .samples = {.calls = "transpose(T(2, 3), 0, 1); transpose(T(2, 3, 4), -1, 0); transpose(T(), 0, 0)"},
    .doc = R"(A view with two dimensions exchanged.

Example:
    >>> rushlight.zeros(2, 3).transpose(0, 1).shape
    rushlight.Size([3, 2]))"};

OP(swapaxes) = {.signature = "swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor",
    .names = "swapaxes Tensor.swapaxes", .dtypes = "all",
    .compose = compose_swap, .samples = {.calls = "swapaxes(T(2, 3), 0, 1)"},
    .doc = "A view with two dimensions exchanged; NumPy's name for transpose."};

OP(swapdims) = {.signature = "swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor",
    .names = "swapdims Tensor.swapdims", .dtypes = "all",
    .compose = compose_swap, .samples = {.calls = "swapdims(T(2, 3), 0, 1)"},
    .doc = "A view with two dimensions exchanged; the same as transpose."};

OP(t) = {.signature = "t(input: Tensor) -> Tensor", .names = "t Tensor.t", .dtypes = "all", .compose = compose_t,
    .samples = {.calls = "t(T(2, 3)); t(T(3)); t(T())"},
    .doc = R"(A matrix transposed; tensors with fewer dimensions as they are.

Example:
    >>> rushlight.zeros(2, 3).t().shape
    rushlight.Size([3, 2]))"};

OP(permute) = {.signature = "permute(input: Tensor, dims: int[]) -> Tensor", .names = "permute Tensor.permute",
    .kind = Kind::view,
    .dtypes = "all", .infer = infer_permute, .derivative = {.vjp = vjp_permute}, .onnx = {"Transpose", 13},
    .samples = {.calls = "permute(T(2, 3, 4), (2, 0, 1)); permute(T(2, 3), (-1, 0)); permute(T(), ())"},
    .doc = R"(A view with the dimensions in the order of `dims`.

Example:
    >>> rushlight.zeros(2, 3, 4).permute(2, 0, 1).shape
    rushlight.Size([4, 2, 3]))"};

OP(movedim) = {.signature = "movedim(input: Tensor, source: int | int[], destination: int | int[]) -> Tensor",
    .names = "movedim Tensor.movedim moveaxis Tensor.moveaxis", .dtypes = "all", .compose = compose_movedim,
    .samples = {.calls = "movedim(T(2, 3, 4), 0, 2); movedim(T(2, 3, 4), (0, 1), (-1, 0))"},
    .doc = R"(A view with the dimensions `source` moved to `destination`; the others keep their order.

Example:
    >>> rushlight.zeros(2, 3, 4).movedim(0, -1).shape
    rushlight.Size([3, 4, 2]))"};

OP(expand) = {.signature = "expand(input: Tensor, size: int[]) -> Tensor", .names = "Tensor.expand", .kind = Kind::view,
    .dtypes = "all",
    .infer = infer_expand, .derivative = {.vjp = vjp_expand}, .onnx = {"Expand", 13},
    .samples = {.calls = "T(3, 1).expand(3, 4); T(1).expand(2, 3); T(3).expand(2, -1); T().expand(2, 2)"},
    .doc = R"(A view in which dimensions of size 1 are repeated without being copied; -1 keeps a size.

New dimensions come first. Raises RuntimeError when a size other than 1 would change.

Example:
    >>> rushlight.zeros(3, 1).expand(-1, 4).shape
    rushlight.Size([3, 4]))"};

OP(broadcast_to) = {.signature = "broadcast_to(input: Tensor, size: int[]) -> Tensor",
    .names = "broadcast_to Tensor.broadcast_to", .dtypes = "all",
    .compose = [](Call& c) { give(c, invoke(op_expand, tensor_at(c, 0), c[1].to_ints())); },
    .samples = {.calls = "broadcast_to(T(3, 1), (3, 4))"},
    .doc = "A view of the shape `size`, with dimensions of size 1 repeated; see Tensor.expand."};

OP(expand_as) = {.signature = "expand_as(input: Tensor, other: Tensor) -> Tensor", .names = "Tensor.expand_as",
    .dtypes = "all",
    .compose = compose_expand_as, .samples = {.calls = "T(3, 1).expand_as(T(3, 4))"},
    .doc = "A view expanded to the shape of `other`; see expand."};

OP(sum_to) = {
    .signature = "sum_to_size(input: Tensor, size: int[]) -> Tensor",
    .names = "Tensor.sum_to_size",
    .dtypes = "floating integral bool complex",
    .compose = compose_sum_to,
    .samples = {.calls = "T(2, 3, 4).sum_to_size(3, 1); T(2, 3).sum_to_size(2, 3); T(2).sum_to_size(())"},
    .doc = R"(The sum over the dimensions in which `size` would be expanded to the shape of the input.

Example:
    >>> rushlight.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]]))"};

OP(squeeze) = {.signature = "squeeze(input: Tensor, dim: int | int[] | None = None) -> Tensor",
    .names = "squeeze Tensor.squeeze",
    .kind = Kind::view, .dtypes = "all", .infer = infer_squeeze, .derivative = {.vjp = back_to_shape},
    .onnx = {"Squeeze", 13},
    .samples = {.calls = "squeeze(T(2, 1, 3, 1)); squeeze(T(2, 1), 1); squeeze(T(2, 1), 0); "
                         "squeeze(T(1, 2, 1), (0, 2)); squeeze(T(), 0)"},
    .doc = R"(A view without the dimensions of size 1: all of them, or those of `dim` that have size 1.

Example:
    >>> rushlight.zeros(2, 1, 3).squeeze().shape
    rushlight.Size([2, 3]))"};

OP(unsqueeze) = {.signature = "unsqueeze(input: Tensor, dim: int) -> Tensor", .names = "unsqueeze Tensor.unsqueeze",
    .kind = Kind::view,
    .dtypes = "all", .infer = infer_unsqueeze, .derivative = {.vjp = back_to_shape}, .onnx = {"Unsqueeze", 13},
    .samples = {.calls = "unsqueeze(T(2, 3), 0); unsqueeze(T(2, 3), -1); unsqueeze(T(), 0)"},
    .doc = R"(A view with a new dimension of size 1 at `dim`.

Example:
    >>> rushlight.zeros(2, 3).unsqueeze(1).shape
    rushlight.Size([2, 1, 3]))"};

OP(slice) = {.signature = "slice(input: Tensor, dim: int = 0, start: int | None = None, stop: int | None = None, "
                          "step: int = 1) -> Tensor",
    .kind = Kind::view, .dtypes = "all", .infer = infer_slice, .derivative = {.vjp = vjp_slice}, .onnx = {"Slice", 13},
    .samples = {.calls = "T(5, 3)[1:4]; T(5, 3)[:, ::2]; T(5)[-3:-1]; T(5)[3:1]; T(5, 4)[::3]"},
    .doc = "The view x[start:stop:step] along one dimension; out-of-range bounds are clamped, as Python does."};

OP(narrow) = {
    .signature = "narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor",
    .names = "narrow Tensor.narrow",
    .dtypes = "all",
    .compose = compose_narrow,
    .samples = {.calls = "narrow(T(5, 3), 0, 1, 2); narrow(T(5, 3), -1, 0, 3); "
                         "narrow(T(5), 0, -2, 1); narrow(T(5), 0, 5, 0)"},
    .doc = R"(The view of `length` entries of dimension `dim` from `start` on.

Raises IndexError for a start outside the dimension, RuntimeError for a length beyond its end.

Example:
    >>> rushlight.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3]))"};

OP(select) = {.signature = "select(input: Tensor, dim: int, index: int) -> Tensor", .names = "select Tensor.select",
    .kind = Kind::view,
    .dtypes = "all", .infer = infer_select, .derivative = {.vjp = vjp_select}, .onnx = {"Gather", 13},
    .samples = {.calls = "select(T(5, 3), 0, 1); select(T(5, 3), 1, -1); select(T(4), 0, 2)"},
    .doc = R"(The view of one entry of dimension `dim`, which disappears.

Raises IndexError when the index is outside the dimension.

Example:
    >>> rushlight.tensor([[1, 2], [3, 4]]).select(1, 0)
    tensor([1, 3]))"};

OP(unbind) = {.signature = "unbind(input: Tensor, dim: int = 0) -> Tensor[]", .names = "unbind Tensor.unbind",
    .kind = Kind::view,
    .dtypes = "all", .infer = infer_unbind, .derivative = {.vjp = vjp_unbind},
    .onnx = no_onnx("a sequence; each entry exports as Gather"),
    .samples = {.calls = "unbind(T(3, 2)); unbind(T(3, 2), 1)"},
    .doc = R"(The entries along a dimension, as a tuple of views without it.

Example:
    >>> rushlight.tensor([[1, 2], [3, 4]]).unbind()
    (tensor([1, 2]), tensor([3, 4])))"};

OP(split_with_sizes) = {.signature = "split_with_sizes(input: Tensor, split_sizes: int[], dim: int = 0) -> Tensor[]",
    .names = "split_with_sizes Tensor.split_with_sizes unsafe_split_with_sizes Tensor.unsafe_split_with_sizes",
    .kind = Kind::view, .dtypes = "all",
    .infer = infer_split_with_sizes,
    .derivative = {.vjp = vjp_split_with_sizes}, .onnx = {"Split", 13},
    .samples = {.calls = "split_with_sizes(T(5, 2), (2, 3)); split_with_sizes(T(2, 4), (1, 0, 3), 1)"},
    .doc = "Views of the given sizes along a dimension, as a tuple; the sizes must add up to the dimension's."};

OP(split) = {.signature = "split(tensor: Tensor, split_size_or_sections: int | int[], dim: int = 0) -> Tensor[]",
    .names = "split Tensor.split unsafe_split Tensor.unsafe_split",
    .dtypes = "all", .compose = compose_split,
    .samples = {.calls = "split(T(5, 2), 2); split(T(5, 2), (1, 4)); split(T(2, 4), 2, 1)"},
    .doc = R"(Views along a dimension, as a tuple: of one size (the last may be smaller), or of the sizes in a list.

Example:
    >>> rushlight.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4])))"};

OP(chunk) = {.signature = "chunk(input: Tensor, chunks: int, dim: int = 0) -> Tensor[]",
    .names = "chunk Tensor.chunk unsafe_chunk Tensor.unsafe_chunk", .dtypes = "all", .compose = compose_chunk,
    .samples = {.calls = "chunk(T(6, 2), 3); chunk(T(5, 2), 2); chunk(T(2, 3), 5, 1)"},
    .doc = R"(At most `chunks` views along a dimension, as a tuple; all but the last have one size.

Example:
    >>> rushlight.arange(5).chunk(2)
    (tensor([0, 1, 2]), tensor([3, 4])))"};


OP(unfold) = {.signature = "unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor",
    .names = "Tensor.unfold", .kind = Kind::view,
    .dtypes = "all", .infer = infer_unfold, .derivative = {.vjp = vjp_unfold},
    .onnx = no_onnx("ONNX has no overlapping views"),
    .samples = {.calls = "T(7).unfold(0, 3, 2); T(2, 5).unfold(1, 2, 1); T(5).unfold(0, 5, 1); T().unfold(0, 1, 1)"},
    .doc = R"(The view of all windows of `size` entries along a dimension, `step` apart; the windows' entries come last.

Example:
    >>> rushlight.arange(5).unfold(0, 3, 1)
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]]))"};

OP(diagonal) = {.signature = "diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor",
    .names = "diagonal Tensor.diagonal",
    .kind = Kind::view, .dtypes = "all", .infer = infer_diagonal, .derivative = {.vjp = vjp_diagonal},
    .onnx = no_onnx("ONNX has no diagonal view"),
    .samples = {.calls = "diagonal(T(3, 4)); diagonal(T(3, 4), 1); diagonal(T(3, 4), -2); "
                         "diagonal(T(2, 3, 3), 0, 1, 2); diagonal(T(2, 2), 5)"},
    .doc = R"(The view of the diagonal of two dimensions, which disappear; it becomes the last dimension.

Example:
    >>> rushlight.tensor([[1, 2], [3, 4]]).diagonal()
    tensor([1, 4]))"};

OP(restride) = {.signature = "restride(input: Tensor, size: int[], stride: int[], offset: int, "
                             "input_stride: int[]) -> Tensor", .kind = Kind::view,
    .dtypes = "all", .infer = infer_restride, .derivative = {.vjp = vjp_restride},
    .onnx = no_onnx("ONNX has no strides"),
    .samples = {.calls = "T(3, 4).as_strided((2, 2), (4, 1), 1); T(6).as_strided((3, 3), (1, 1)); "
                         "T(3, 4).t().as_strided((4,), (2,), 2)"},
    .doc = "The view with these sizes and strides, from `offset` elements behind the first; "
           "input_stride repeats the input's strides."};

OP(as_strided) = {.signature = "as_strided(input: Tensor, size: int[], stride: int[], "
                               "storage_offset: int | None = None) -> Tensor",
    .names = "as_strided Tensor.as_strided", .dtypes = "all", .compose = compose_as_strided,
    .samples = {.calls = "as_strided(T(3, 4), (2, 2), (4, 1), 1); as_strided(T(6), (3, 3), (1, 1))"},
    .doc = R"(The view of the storage with these sizes, strides and offset, all counted in elements.

Raises RuntimeError when it would reach beyond the storage.

Example:
    >>> rushlight.arange(5).as_strided((3, 3), (1, 1))
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]]))"};

OP(view_as_real) = {.signature = "view_as_real(input: Tensor) -> Tensor", .names = "view_as_real", .kind = Kind::view,
    .dtypes = "complex",
    .infer = infer_view_as_real,
    .derivative = {.vjp = vjp_view_as_real},
    .onnx = no_onnx("ONNX has no complex views"), .samples = {.calls = "view_as_real(view_as_complex(T(3, 2)))"},
    .doc = "A view of complex numbers as pairs of real ones, in a new last dimension."};

OP(view_as_complex) = {.signature = "view_as_complex(input: Tensor) -> Tensor", .names = "view_as_complex",
    .kind = Kind::view,
    .dtypes = "float32 float64", .infer = infer_view_as_complex,
    .derivative = {.vjp = [](Vjp& d) { d.to(0, invoke(op_view_as_real, d.grad())); }},
    .onnx = no_onnx("ONNX has no complex views"),
    .samples = {.calls = "view_as_real(view_as_complex(T(3, 2)))"},
    .doc = "A view of pairs of real numbers, along the last dimension, as complex ones."};

OP(real) = {.signature = "real(input: Tensor) -> Tensor", .names = "real", .dtypes = "all", .compose = compose_real,
    .samples = {.calls = "real(T(3)); real(view_as_complex(T(3, 2)))"},
    .doc = "The real parts: a view of complex numbers, real tensors as they are."};

OP(imag) = {.signature = "imag(input: Tensor) -> Tensor", .names = "imag", .dtypes = "complex", .compose = compose_imag,
    .samples = {.calls = "imag(view_as_complex(T(3, 2)))"},
    .doc = "The imaginary parts of complex numbers, as a view."};

OP(detach) = {.signature = "detach(input: Tensor) -> Tensor", .names = "detach Tensor.detach", .kind = Kind::view,
    .dtypes = "all",
    .infer = infer_detach, .derivative = not_differentiable("it exists to end the tape"), .onnx = {"Identity", 13},
    .samples = {.calls = "detach(T(3))"},
    .doc = "A view of the same memory without its history: gradients do not flow through it."};

}  // namespace rushlight
