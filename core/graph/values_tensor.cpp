// What programs ask of tensors, and tensors out of numbers.
#include "graph/capture.h"
#include "graph/values.h"
#include "registry/call.h"

namespace rushlight::graph {

namespace {

const TensorImpl& asked(PrimitiveCall& c) {
    const TensorImpl& t = *c[0].tensor();
    if (watched(watch_capture)) Capture::note_shape(t);
    return t;
}

size_t dimension(PrimitiveCall& c, const TensorImpl& t) {
    int64_t d = c[1].as_integer(), rank = t.rank();
    require(d >= -rank && d < rank, ErrorKind::index, c.name, ": dim=", d, " is out of range for input of shape ",
            t.sizes, "; expected ", -rank, " <= dim <= ", rank - 1);
    return size_t(d < 0 ? d + rank : d);
}

void size(PrimitiveCall& c) {
    const TensorImpl& t = asked(c);
    c.gives(Item(t.sizes[int(dimension(c, t))]));
}

void stride(PrimitiveCall& c) {
    const TensorImpl& t = asked(c);
    c.gives(Item(t.strides[int(dimension(c, t))]));
}

void shape(PrimitiveCall& c) {
    std::vector<Item> out;
    for (int64_t s : asked(c).sizes) out.emplace_back(s);
    c.gives(Item::list(std::move(out)));
}

void dim(PrimitiveCall& c) { c.gives(Item(int64_t(c[0].tensor()->rank()))); }
void numel(PrimitiveCall& c) { c.gives(Item(asked(c).numel)); }

void len(PrimitiveCall& c) {
    const TensorImpl& t = asked(c);
    require(t.rank() > 0, ErrorKind::type, "len() of a 0-d tensor");
    c.gives(Item(t.sizes[0]));
}

void dtype(PrimitiveCall& c) { c.gives(Item(c[0].tensor()->dtype)); }
void item(PrimitiveCall& c) { c.gives(element(*c[0].tensor(), "item")); }
void is_contiguous(PrimitiveCall& c) { c.gives(Item(c[0].tensor()->contiguous)); }
void is_floating_point(PrimitiveCall& c) { c.gives(Item(is_floating(c[0].tensor()->dtype))); }
void has_complex_dtype(PrimitiveCall& c) { c.gives(Item(is_complex(c[0].tensor()->dtype))); }
void is_same(PrimitiveCall& c) { c.gives(Item(c[0].tensor() == c[1].tensor())); }
void grad_enabled(PrimitiveCall& c) { c.gives(Item(mode.grad)); }
void may_join(PrimitiveCall&) {}             // it is there for who plans the graph
void requires_grad(PrimitiveCall& c) { c.gives(Item(c[0].tensor()->tracked())); }

// The numbers of a tensor from dimension `d` on, as nested lists of what `type` says.
Item listed(const TensorImpl& t, int d, int64_t offset, const Type& type, const PrimitiveCall& c) {
    if (d < t.rank()) {
        require(type.is(TypeKind::list), ErrorKind::type, c.name, ": input has shape ", t.sizes, "; expected ",
                to_text(c.types[0]));
        std::vector<Item> out;
        for (int64_t i = 0; i < t.sizes[d]; ++i)
            out.push_back(listed(t, d + 1, offset + i * t.strides[d], type.items[0], c));
        return Item::list(std::move(out));
    }
    Tensor one = alias(Tensor(const_cast<TensorImpl*>(&t)), {}, {}, offset);
    Item x = element(*one.impl(), "tolist");
    bool right = x.kind() == type.kind || type.is(TypeKind::number);
    require(right, ErrorKind::type, c.name, ": input has shape ", t.sizes, " and dtype ", rushlight::name_of(t.dtype),
            "; expected ", to_text(c.types[0]));
    return x;
}

void tensor_list(PrimitiveCall& c) {
    const TensorImpl& t = *c[0].tensor();
    c.gives(listed(t, 0, t.offset, c.types[0], c));
}

// The shape of nested lists, and all numbers in them.
void flatten(const Item& x, size_t depth, Dims& sizes, std::vector<Item>& numbers) {
    if (!x.is(TypeKind::list) && !x.is(TypeKind::tuple)) {
        require(x.is_number(), ErrorKind::type, "tensor: data has an item of type ", name_of(x.kind()),
                "; expected numbers");
        require(int(depth) == sizes.size(), ErrorKind::value, "tensor: data has lists and numbers side by side; ",
                "expected lists of equal length");
        numbers.push_back(x);
        return;
    }
    int64_t n = int64_t(x.items().size());
    if (numbers.empty() && int(depth) == sizes.size()) sizes.push_back(n);
    require(int(depth) < sizes.size() && sizes[int(depth)] == n, ErrorKind::value, "tensor: data has a list of length ",
            n, " at dim=", depth, "; expected lists of equal length");
    for (const Item& y : x.items()) flatten(y, depth + 1, sizes, numbers);
}

template <class T, class F>
Tensor filled(const Dims& sizes, const std::vector<Item>& numbers, F&& value) {
    Tensor out = empty_tensor(sizes, DTypeOf<T>::value);
    T* p = out.data_as<T>();
    for (size_t i = 0; i < numbers.size(); ++i) p[i] = T(value(numbers[i]));
    return out;
}

void tensor_make(PrimitiveCall& c) {
    if (c[0].is(TypeKind::tensor)) {
        Tensor t(c[0].tensor());
        Tensor out = empty_tensor(t.sizes(), c[1].is_none() ? t.dtype() : c[1].dtype());
        copy_values(*out.impl(), *t.impl());
        return c.gives(Item(out));
    }
    Dims sizes;
    std::vector<Item> numbers;
    flatten(c[0], 0, sizes, numbers);
    bool real = numbers.empty(), integer = false;
    for (const Item& x : numbers) {
        real = real || x.is(TypeKind::real);
        integer = integer || x.is(TypeKind::integer);
    }
    Tensor out = real      ? filled<double>(sizes, numbers, [](const Item& x) { return x.as_real(); })
                 : integer ? filled<int64_t>(sizes, numbers, [](const Item& x) { return x.as_integer(); })
                           : filled<bool>(sizes, numbers, [](const Item& x) { return x.boolean(); });
    DType wanted = !c[1].is_none() ? c[1].dtype() : real ? default_dtype() : out.dtype();
    c.gives(Item(cast(out, wanted)));
}

const Primitive table[] = {
    {"tensor_size", "(tensor, int) -> int", size, effect},
    {"tensor_shape", "(tensor) -> list[int]", shape, effect},
    {"tensor_stride", "(tensor, int) -> int", stride, effect},
    {"tensor_dim", "(tensor) -> int", dim, effect},
    {"tensor_numel", "(tensor) -> int", numel, effect},
    {"tensor_len", "(tensor) -> int", len, effect},
    {"tensor_dtype", "(tensor) -> dtype", dtype, effect},
    {"tensor_item", "(tensor) -> number", item, effect},
    {"tensor_list", "(tensor) -> T", tensor_list, effect},
    {"tensor_make", "(any, optional[dtype]) -> tensor", tensor_make, effect},
    {"tensor_is_contiguous", "(tensor) -> bool", is_contiguous, effect},
    {"tensor_is_floating_point", "(tensor) -> bool", is_floating_point, effect},
    {"tensor_is_complex", "(tensor) -> bool", has_complex_dtype, effect},
    {"tensor_is", "(tensor, tensor) -> bool", is_same, effect},
    {"grad_enabled", "() -> bool", grad_enabled, effect},
    {"tensor_requires_grad", "(tensor) -> bool", requires_grad, effect},
    {"may_join", "()", may_join, effect},
};

}  // namespace

std::span<const Primitive> tensor_primitives() { return table; }

}  // namespace rushlight::graph
