// Copies, casts and fills.
#include <cmath>
#include <cstring>
#include <limits>

#include "base/parallel.h"
#include "kernels/compute/widen.h"
#include "kernels/generic/arrange.h"
#include "kernels/generic/loop.h"
#include "ops/activation.h"
#include "ops/algebra.h"
#include "ops/shape_rules.h"

namespace rushlight {

namespace {

template <class T>
bool fits_integer(const Value& v) {
    constexpr double limit = double(std::numeric_limits<T>::max()) + 1;  // a negative number may wrap, as PyTorch's
    if (v.tag == Tag::natural) return std::is_same_v<T, uint64_t>;
    if (v.tag == Tag::integer) return sizeof(T) == 8 || (double(v.integer_) < limit && double(v.integer_) >= -limit);
    double x = v.to_double();
    return x < limit && x >= -limit;
}

// Of a real number that fits; uint64 goes beyond int64.
template <class T>
auto whole_number(double x) {
    if constexpr (std::is_same_v<T, uint64_t>) return x < 0 ? uint64_t(int64_t(x)) : uint64_t(x);
    else return int64_t(x);
}

void copy_same_layout(void* to, const void* from, int64_t bytes) {
    if (bytes <= 4096) {
        std::memmove(to, from, size_t(bytes));
        return;
    }
    parallel_for(bytes, 1 << 19, [&](int64_t begin, int64_t end) {
        std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, size_t(end - begin));
    });
}

Dims broadcast_strides(const TensorImpl& t, const Dims& sizes) {
    Dims strides(sizes.size(), 0);
    int shift = sizes.size() - t.rank();
    for (int i = 0; i < t.rank(); ++i)
        if (t.sizes[i] != 1) strides[i + shift] = t.strides[i];
    return strides;
}

}  // namespace

Element as_element(const Value& v, DType t, const char* op) {
    Element e;
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        auto& to = *reinterpret_cast<T*>(e.bytes);
        if constexpr (std::is_same_v<T, bool>) {
            to = v.to_double() != 0 || (v.tag == Tag::complex && v.complex_.im != 0);
        } else if constexpr (std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>) {
            using Part = typename T::value_type;
            to = T(Part(v.to_double()), Part(v.tag == Tag::complex ? v.complex_.im : 0));
        } else {
            if (v.tag == Tag::complex && v.complex_.im != 0)
                fail(ErrorKind::runtime, op, ": the value ", v.complex_.re, v.complex_.im < 0 ? "" : "+", v.complex_.im,
                     "j can't be stored as ", name_of(t), "; expected a real number");
            if constexpr (std::is_integral_v<T>) {
                require(fits_integer<T>(v), ErrorKind::runtime, op, ": the value ", v.to_double(),
                        " can't be stored as ", name_of(t), " without overflow");
                to = static_cast<T>(v.tag == Tag::real ? whole_number<T>(v.real_) : v.to_int());
            } else if constexpr (std::is_same_v<T, double>) {
                to = v.to_double();
            } else {
                to = T(float(v.to_double()));
            }
        }
    });
    return e;
}

void fill_raw(TensorImpl& t, const Element& value) {
    if (t.numel == 0) return;
    fill_strided(t.rank(), t.sizes.data(), {t.data(), t.dtype, t.strides.data()}, value.bytes);
}

void copy_raw(void* to, DType to_dtype, const int64_t* to_strides, const void* from, DType from_dtype,
              const int64_t* from_strides, const Dims& sizes) {
    copy_strided(sizes.size(), sizes.data(), {to, to_dtype, to_strides},
                 {const_cast<void*>(from), from_dtype, from_strides});
}

void copy_values(TensorImpl& to, TensorImpl& from) {
    if (to.numel == 0) return;
    bool same_shape = to.sizes == from.sizes;
    if (same_shape && to.dtype == from.dtype && to.strides == from.strides) {
        if (to.storage.get() == from.storage.get() && to.offset == from.offset) return;
        if (to.contiguous && !may_share_memory(to, from))
            return copy_same_layout(to.data(), from.data(), to.numel * size_of(to.dtype));
    }
    if (may_share_memory(to, from)) {                      // read everything before the first write
        Tensor apart = empty_tensor(from.sizes, from.dtype);
        copy_raw(apart.data(), from.dtype, apart.strides().data(), from.data(), from.dtype, from.strides.data(),
                 from.sizes);
        return copy_values(to, *apart.impl());
    }
    if (same_shape)
        return copy_raw(to.data(), to.dtype, to.strides.data(), from.data(), from.dtype, from.strides.data(), to.sizes);
    Dims strides = broadcast_strides(from, to.sizes);
    copy_raw(to.data(), to.dtype, to.strides.data(), from.data(), from.dtype, strides.data(), to.sizes);
}

void copy_into_new(TensorImpl& to, TensorImpl& from) {
    bool alike = to.sizes == from.sizes && to.dtype == from.dtype && keeps_channels_last(from) && is_whole_storage(to);
    void* values = alike ? from.storage->hold_arranged() : nullptr;
    if (!values) return copy_values(to, from);
    copy_same_layout(result_memory(Tensor(&to), compute::Layout::channels_last), values, to.numel * size_of(to.dtype));
    from.storage->release_arranged();
}

namespace {

void require_fits(const Call& c, const Dims& from, const Dims& to, const char* param) {
    int shift = to.size() - from.size();
    bool fits = shift >= 0;
    for (int i = 0; fits && i < from.size(); ++i) fits = from[i] == 1 || from[i] == to[i + shift];
    require(fits, ErrorKind::runtime, c.name(), ": ", param, " of shape ", from, " can't be broadcast to the shape ",
            to, " of the tensor that is written");
}

void infer_copy(Call& c) {
    TensorImpl& to = c.tensor(0);
    require_fits(c, c.tensor(1).sizes, to.sizes, "src");
    c.result(to.sizes, to.dtype);
}

void run_copy(Call& c) { copy_values(*c.out[0].impl(), c.tensor(1)); }

void vjp_copy(Vjp& d) {
    if (d.needs(0)) d.to(0, zeros_of(d.sizes(0), d.dtype(0)));
    if (d.needs(1)) d.to(1, d.grad());                     // the tape sums and casts
}

void infer_fill(Call& c) {
    TensorImpl& to = c.tensor(0);
    if (c[1].is_tensor())
        require(c.tensor(1).rank() == 0, ErrorKind::runtime, c.name(), ": value has shape ", c.tensor(1).sizes,
                "; expected a number or a ", "zero-dimensional tensor");
    c.result(to.sizes, to.dtype);
}

void run_fill(Call& c) {
    if (c[1].is_tensor()) return copy_values(*c.out[0].impl(), c.tensor(1));
    fill_raw(*c.out[0].impl(), as_element(c[1], c.out[0].dtype(), c.name()));
}

void vjp_fill(Vjp& d) {
    if (d.needs(0)) d.to(0, zeros_of(d.sizes(0), d.dtype(0)));
    if (d.needs(1)) d.to(1, d.grad());
}

void infer_zero(Call& c) { c.result(c.tensor(0).sizes, c.tensor(0).dtype); }
void run_zero(Call& c) {
    TensorImpl& to = *c.out[0].impl();
    if (to.numel == 0) return;
    if (to.contiguous && to.numel * size_of(to.dtype) <= 1 << 16)
        std::memset(to.data(), 0, size_t(to.numel * size_of(to.dtype)));
    else fill_raw(to, Element{});
}

// A new tensor with the argument's values; an operator that has nothing to do hands the argument on.
void infer_clone(Call& c) {
    TensorImpl& t = c.tensor(0);
    Geometry& g = c.result(t.sizes, t.dtype);
    if (t.contiguous) return;
    g.strides = dense_strides(t);
    g.strided = true;
}

void hand_on(Call& c) {
    c.out[0] = Tensor(&c.tensor(0));
    c.passes_view = true;
}

// Whether the elements are to be laid out with the channels last. Users see row-major strides all the same.
bool wants_channels_last(const Call& c) {
    if (!c.has(1)) return false;
    std::string_view format = c[1].to_string();
    require(format == "contiguous_format" || format == "preserve_format" || format == "channels_last" ||
                format == "channels_last_3d",
            ErrorKind::runtime, c.name(), ": memory_format='", format,
            "'; expected contiguous_format, preserve_format, channels_last or channels_last_3d");
    if (!format.starts_with("channels_last")) return false;
    int rank = format == "channels_last" ? 4 : 5;
    require(c.tensor(0).rank() == rank, ErrorKind::runtime, c.name(), ": memory_format='", format,
            "' with input of shape ", c.tensor(0).sizes, "; expected ", rank, " dimensions");
    return is_floating(c.tensor(0).dtype) && c.tensor(0).numel > 0;
}

void infer_contiguous(Call& c) {
    TensorImpl& t = c.tensor(0);
    bool last = wants_channels_last(c);
    if (last ? keeps_channels_last(t) : t.contiguous) return hand_on(c);
    c.result(t.sizes, t.dtype);
}

void run_contiguous(Call& c) {
    if (c.passes_view) return;
    if (!wants_channels_last(c)) return copy_values(*c.out[0].impl(), c.tensor(0));
    Tensor from = contiguous(Tensor(&c.tensor(0)));
    int64_t channels = from.size(1), rows = from.size(0);
    compute::change_layout(result_memory(c.out[0], compute::Layout::channels_last), compute::Layout::channels_last,
                           from.data(), from.dtype(), rows, channels, from.numel() / (rows * channels));
}

void infer_to_dtype(Call& c) {
    TensorImpl& t = c.tensor(0);
    if (t.dtype == c[1].dtype_) return hand_on(c);
    infer_clone(c);
    c.geometry[0].dtype = c[1].dtype_;
}

void run_clone(Call& c) {
    if (!c.passes_view) copy_into_new(*c.out[0].impl(), c.tensor(0));
}

void vjp_clone(Vjp& d) { d.to(0, d.grad()); }

template <DType T>
void compose_cast(Call& c) { give(c, invoke(op_to_dtype, tensor_at(c, 0), T)); }

void compose_type_as(Call& c) { give(c, invoke(op_to_dtype, tensor_at(c, 0), c.tensor(1).dtype)); }

// A method such as x.float().
Op cast_method(const char* signature, const char* name, void (*compose)(Call&), const char* doc) {
    return {
        .signature = signature,
        .names = name,
        .dtypes = "all",
        .compose = compose,
        .samples = {.calls = "T(2, 3).double()"},
        .doc = doc};
}

}  // namespace

OP(copy_) = {.signature = "copy_(input: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor",
    .names = "Tensor.copy_", .dtypes = "all",
    .infer = infer_copy, .kernel = {"strided", run_copy}, .derivative = {.vjp = vjp_copy}, .onnx = {"Expand", 13},
    .samples = {.calls = "T(2, 3).clone().copy_(T(2, 3)); T(2, 3).clone().copy_(T(3)); "
                         "T(2, 3).clone().t().copy_(T(3, 1))"},
    .doc = R"(Overwrites the tensor with the values of `src`, broadcast and cast to its dtype; returns the tensor.

Example:
    >>> rushlight.zeros(2, 2).copy_(rushlight.tensor([1.0, 2.0]))
    tensor([[1., 2.],
            [1., 2.]]))", .writes_first = true};

OP(fill_) = {.signature = "fill_(input: Tensor, value: Tensor | Number) -> Tensor", .names = "Tensor.fill_ fill_",
    .dtypes = "all",
    .infer = infer_fill, .kernel = {"strided", run_fill}, .derivative = {.vjp = vjp_fill}, .onnx = {"Expand", 13},
    .samples = {.calls = "T(2, 3).clone().fill_(2.5); T(2, 3).clone().fill_(T())"},
    .doc = R"(Overwrites every element with a number or the value of a zero-dimensional tensor; returns the tensor.

Raises RuntimeError when the number does not fit the dtype.

Example:
    >>> rushlight.empty(2).fill_(3)
    tensor([3., 3.]))", .writes_first = true, .writes_one_value = true};

OP(zero_) = {.signature = "zero_(input: Tensor) -> Tensor", .names = "Tensor.zero_ zero_", .dtypes = "all",
    .infer = infer_zero,
    .kernel = {"strided", run_zero}, .derivative = {.vjp = [](Vjp& d) { d.to(0, zeros_of(d.sizes(0), d.dtype(0))); }},
    .onnx = {"ConstantOfShape", 9}, .samples = {.calls = "T(2, 3).clone().zero_()"},
    .doc = "Overwrites every element with zero; returns the tensor.",
    .writes_first = true, .writes_one_value = true};

OP(clone) = {.signature = "clone(input: Tensor) -> Tensor", .names = "clone Tensor.clone", .dtypes = "all",
    .infer = infer_clone,
    .kernel = {"strided", run_clone}, .derivative = {.vjp = vjp_clone}, .onnx = {"Identity", 13},
    .samples = {.calls = "clone(T(2, 3)); clone(T(2, 3).t()); clone(T(3, 1).expand(3, 2))"},
    .doc = R"(A copy in memory of its own, with the order of strides kept. Gradients flow through it.

Example:
    >>> rushlight.tensor([1, 2]).clone()
    tensor([1, 2]))"};

OP(contiguous) = {.signature = "contiguous(input: Tensor, memory_format: str | None = None) -> Tensor",
    .names = "Tensor.contiguous",
    .dtypes = "all", .infer = infer_contiguous, .kernel = {"strided", run_contiguous}, .derivative = {.vjp = vjp_clone},
    .onnx = {"Identity", 13},
    .samples = {.calls = "T(2, 3).contiguous(); T(2, 3).t().contiguous(); "
                         "T(2, 3, 4, 5).contiguous(memory_format='channels_last')"},
    .doc = R"(The tensor itself when its elements lie in row-major order, else a copy where they do.

With memory_format=rushlight.channels_last (4 dimensions) or channels_last_3d (5), the channels lie innermost in memory,
as convolutions like them best. The sizes and strides that the tensor shows stay those of row-major order.

Example:
    >>> rushlight.zeros(2, 3).t().contiguous().stride()
    (2, 1))"};

OP(to_dtype) = {.signature = "to_dtype(input: Tensor, dtype: dtype) -> Tensor", .dtypes = "all",
    .infer = infer_to_dtype,
    .kernel = {"strided", run_clone}, .derivative = {.vjp = vjp_clone}, .onnx = {"Cast", 13},
    .samples = {.calls = "T(2, 3).double()"},
    .doc = "The values in another dtype; the tensor itself when it has that dtype."};

OP(float) = cast_method("float(input: Tensor) -> Tensor", "Tensor.float", compose_cast<DType::float32>,
                        "The values as float32.");
OP(double) = cast_method("double(input: Tensor) -> Tensor", "Tensor.double", compose_cast<DType::float64>,
                         "The values as float64.");
OP(half) = cast_method("half(input: Tensor) -> Tensor", "Tensor.half", compose_cast<DType::float16>,
                       "The values as float16.");
OP(bfloat16) = cast_method("bfloat16(input: Tensor) -> Tensor", "Tensor.bfloat16", compose_cast<DType::bfloat16>,
                           "The values as bfloat16.");
OP(int) = cast_method("int(input: Tensor) -> Tensor", "Tensor.int", compose_cast<DType::int32>, "The values as int32.");
OP(long) = cast_method("long(input: Tensor) -> Tensor", "Tensor.long", compose_cast<DType::int64>,
                       "The values as int64.");
OP(short) = cast_method("short(input: Tensor) -> Tensor", "Tensor.short", compose_cast<DType::int16>,
                        "The values as int16.");
OP(char) = cast_method("char(input: Tensor) -> Tensor", "Tensor.char", compose_cast<DType::int8>,
                       "The values as int8.");
OP(byte) = cast_method("byte(input: Tensor) -> Tensor", "Tensor.byte", compose_cast<DType::uint8>,
                       "The values as uint8.");
OP(bool) = cast_method("bool(input: Tensor) -> Tensor", "Tensor.bool", compose_cast<DType::boolean>,
                       "The values as bool: true where not zero.");
OP(cfloat) = cast_method("cfloat(input: Tensor) -> Tensor", "Tensor.cfloat", compose_cast<DType::complex64>,
                         "The values as complex64.");
OP(cdouble) = cast_method("cdouble(input: Tensor) -> Tensor", "Tensor.cdouble", compose_cast<DType::complex128>,
                          "The values as complex128.");
OP(type_as) = {.signature = "type_as(input: Tensor, other: Tensor) -> Tensor", .names = "Tensor.type_as",
    .dtypes = "all",
    .compose = compose_type_as, .samples = {.calls = "T(2).type_as(T(3))"},
    .doc = "The values in the dtype of `other`."};

}  // namespace rushlight
