// Max and average pooling, by windows and adaptive, in one to three dimensions.
#include "kernels/generic/pool.h"

#include <cmath>

#include "ops/activation.h"
#include "ops/algebra.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

using compute::Layout;
using kernels::Pool;

constexpr int64_t largest = int64_t(1) << 40;

// ---- arguments ------------------------------------------------------------------------------------------------------

// A list with one value per pooled dimension; an empty one means `otherwise`.
Dims per_dimension(const Call& c, std::string_view param, int rank, int64_t least, const Dims& otherwise) {
    std::span<const int64_t> given = c[param].to_ints();
    if (c[param].is_none() || given.empty()) return otherwise;
    require(given.size() == 1 || int(given.size()) == rank, ErrorKind::runtime, c.name(), ": ", param, "=",
            to_text(given), " has ", given.size(), " values; expected one or ", rank);
    Dims out(rank, 0);
    for (int i = 0; i < rank; ++i) {
        out[i] = given[given.size() == 1 ? 0 : size_t(i)];
        require(out[i] >= least && out[i] < largest, ErrorKind::runtime, c.name(), ": ", param, "=", to_text(given),
                " is out of range; expected ", least, " <= ", param, " < 2**40");
    }
    return out;
}

// Dimensions before the pooled ones: (N, C) or (C).
struct Leading {
    int64_t batch = 1, channels = 1;
    int count;
    Leading(const Call& c, const Dims& x, int rank) : count(x.size() - rank) {
        // Adaptive pooling raises ValueError, the others RuntimeError.
        ErrorKind kind = std::string_view(c.name()).starts_with("adaptive") ? ErrorKind::value : ErrorKind::runtime;
        require(count == 1 || count == 2, kind, c.name(), ": input has shape ", x, "; expected ",
                rank + 1, " (one example) or ", rank + 2, " (a batch) dimensions");
        channels = x[count - 1];
        if (count == 2) batch = x[0];
    }
};

Pool empty_pool(const Dims& x, const Dims& y, int rank) {
    Pool p;
    int lead = x.size() - rank;
    p.batch = lead == 2 ? x[0] : 1;
    p.channels = x[lead - 1];
    for (int i = 0; i < 3; ++i) {
        int own = i - (3 - rank);
        p.in[i] = own < 0 ? 1 : x[lead + own];
        p.out[i] = own < 0 ? 1 : y[lead + own];
        p.kernel[i] = p.stride[i] = p.dilation[i] = 1;
        p.pad[i] = 0;
    }
    return p;
}

struct Window {
    Dims kernel, stride, padding, dilation;
};

void apply(Pool& p, const Window& w, int rank) {
    for (int own = 0; own < rank; ++own) {
        int i = own + 3 - rank;
        p.kernel[i] = w.kernel[own];
        p.stride[i] = w.stride[own];
        p.pad[i] = w.padding[own];
        p.dilation[i] = w.dilation[own];
    }
}

Window window_of(const Call& c, int rank, bool dilated) {
    Window w;
    w.kernel = per_dimension(c, "kernel_size", rank, 1, Dims());
    require(!w.kernel.empty(), ErrorKind::runtime, c.name(), ": kernel_size is empty; expected one value or ", rank);
    w.stride = per_dimension(c, "stride", rank, 1, w.kernel);
    w.padding = per_dimension(c, "padding", rank, 0, Dims(rank, 0));
    w.dilation = dilated ? per_dimension(c, "dilation", rank, 1, Dims(rank, 1)) : Dims(rank, 1);
    for (int i = 0; i < rank; ++i)
        require(2 * w.padding[i] <= w.dilation[i] * (w.kernel[i] - 1) + 1, ErrorKind::runtime, c.name(),
                ": padding=", w.padding[i], " is more than half of the kernel's ",
                w.dilation[i] * (w.kernel[i] - 1) + 1, " elements");
    return w;
}

Dims pooled_sizes(const Call& c, const Dims& x, const Window& w, int rank, bool ceil_mode) {
    Leading lead(c, x, rank);
    Dims out;
    for (int i = 0; i < lead.count; ++i) out.push_back(x[i]);
    for (int i = 0; i < rank; ++i) {
        int64_t in = x[lead.count + i], span = w.dilation[i] * (w.kernel[i] - 1) + 1;
        require(in > 0 && in + 2 * w.padding[i] >= span, ErrorKind::runtime, c.name(), ": the window spans ", span,
                " elements at dimension ", lead.count + i, " and the padded input of shape ", x, " has ",
                in + 2 * w.padding[i], "; expected no more than that");
        out.push_back(kernels::pooled_size(in, w.kernel[i], w.stride[i], w.padding[i], w.dilation[i], ceil_mode));
    }
    return out;
}

int rank_of(const Op& op) { return op.parsed.name[op.parsed.name.size() - 2] - '0'; }      // "max_pool2d"

// Pools keep the channels innermost where their input has them so.
struct Layouts {
    Activation in;
    bool channels_last;
    Layouts(const Tensor& x, int rank) : in(x), channels_last(in.channels_last() && x.rank() == rank + 2) {}
    Layout layout() const { return channels_last ? Layout::channels_last : Layout::plain; }
};

// ---- max ------------------------------------------------------------------------------------------------------------

void infer_max_pool(Call& c) {
    rules::require_not_complex(c, 0);
    int rank = rank_of(c.op);
    Window w = window_of(c, rank, true);
    Dims out = pooled_sizes(c, c.tensor(0).sizes, w, rank, c["ceil_mode"].to_bool());
    c.result(out, c.tensor(0).dtype);
    c.result(out, DType::int64);
}

void run_max_pool(Call& c) {
    int rank = rank_of(c.op);
    Tensor x(&c.tensor(0));
    if (c.out[0].numel() == 0) return;
    Layouts l(x, rank);
    Pool p = empty_pool(x.sizes(), c.out[0].sizes(), rank);
    apply(p, window_of(c, rank, true), rank);
    p.channels_last = l.channels_last;
    kernels::max_pool(l.in.data(), x.dtype(), result_memory(c.out[0], l.layout()),
                      static_cast<int64_t*>(result_memory(c.out[1], l.layout())), p);
}

void vjp_max_pool(Vjp& d) {
    static const Op& op = required_op("max_pool_grad");
    d.to(0, invoke(op, d.grad(), d.result(1), d.sizes(0), int64_t(rank_of(d.op))));
}

// The shapes of a pooling's gradient: grad over the pooled sizes, the result over `input_size`.
void infer_pool_grad(Call& c) {
    rules::require_floating(c, 0);
    Dims input(c["input_size"].to_ints());
    const Dims& g = c.tensor(0).sizes;
    int64_t rank = c["rank"].to_int();
    require(rank >= 1 && rank <= 3, ErrorKind::runtime, c.name(), ": rank=", rank, "; expected 1 <= rank <= 3");
    bool fits = input.size() == g.size() && (g.size() == rank + 1 || g.size() == rank + 2);
    for (int i = 0; fits && i < g.size() - rank; ++i) fits = input[i] == g[i];
    require(fits, ErrorKind::runtime, c.name(), ": grad of shape ", g, " is not the pooling of input_size=", input,
            " over rank=", rank, " dimensions");
    c.result(input, c.tensor(0).dtype);
}

void infer_max_pool_grad(Call& c) {
    infer_pool_grad(c);
    require(c.tensor(1).sizes == c.tensor(0).sizes && c.tensor(1).dtype == DType::int64, ErrorKind::runtime, c.name(),
            ": indices of shape ", c.tensor(1).sizes, " and dtype ", name_of(c.tensor(1).dtype),
            "; expected int64 of shape ", c.tensor(0).sizes);
}

void check_indices(const Call& c, const int64_t* indices, int64_t n, const Dims& input, int rank) {
    int64_t places = 1;
    for (int i = input.size() - rank; i < input.size(); ++i) places *= input[i];
    for (int64_t i = 0; i < n; ++i)
        require(indices[i] >= 0 && indices[i] < places, ErrorKind::index, c.name(), ": indices holds ", indices[i],
                "; expected 0 <= index < ", places);
}

void run_max_pool_grad(Call& c) {
    int rank = int(c[3].to_int());
    Tensor g(&c.tensor(0)), indices(&c.tensor(1)), x = c.out[0];
    if (x.numel() == 0) return;
    Activation index(indices), grad(g, index.layout());
    check_indices(c, static_cast<const int64_t*>(index.data()), indices.numel(), x.sizes(), rank);
    Pool p = empty_pool(x.sizes(), g.sizes(), rank);
    for (int64_t& k : p.kernel) k = 0;               // the windows are not known here: go by the indices alone
    p.channels_last = index.channels_last();
    kernels::max_pool_backward(grad.data(), static_cast<const int64_t*>(index.data()), g.dtype(),
                               result_memory(x, index.layout()), p);
}

// The gradient of the gradient is picked where the maxima were.
void vjp_max_pool_grad(Vjp& d) {
    int rank = int(d[3].to_int());
    Dims flat = d.sizes(0), source = d.sizes(0);
    int lead = flat.size() - rank;
    flat.resize(lead + 1);
    flat[lead] = -1;
    if (d.grad().numel() == 0) return d.to(0, zeros(source, d.grad().dtype()));
    Dims whole = d.grad().sizes();
    whole.resize(lead + 1);
    whole[lead] = -1;
    Tensor picked = gather(reshape(d.grad(), whole), lead, reshape(d.input(1), flat));
    d.to(0, reshape(picked, source));
}

#define POOL_MAX(N)                                                                                            \
    "max_pool" N "d(input: Tensor, kernel_size: int[" N "], stride: int[" N "] | None = None, padding: int[" N \
    "] = 0, "                                                                                                  \
    "dilation: int[" N "] = 1, ceil_mode: bool = False) -> (output: Tensor, indices: Tensor)"

}  // namespace

#define DEFINE_MAX_POOL(N, SHAPES)                                                                                \
    OP(max_pool##N##d) = {                                                                                        \
        .signature = POOL_MAX(#N),                                                                                \
        .names = "_ops.max_pool" #N "d",                                                                          \
        .dtypes = "floating integral",                                                                            \
        .infer = infer_max_pool,                                                                                  \
        .kernel = {"generic", run_max_pool},                                                    \
        .derivative = {vjp_max_pool, "indices"},                                                                  \
        .onnx = {"MaxPool", 12},                                                                                  \
        .samples = {.calls = SHAPES},                                                                             \
        .doc = "The maxima of windows over the last dimensions, and their flat indices in them; NaN wins.",       \
        .autocast = N == 3 ? Autocast::widen : Autocast::keep}

DEFINE_MAX_POOL(1, "max_pool1d(T(2, 3, 8), 2)[0]; max_pool1d(T(3, 7), 3, 2, 1, 1, True)[0]");
DEFINE_MAX_POOL(2, "max_pool2d(T(2, 3, 6, 6), 2)[0]; max_pool2d(T(1, 2, 7, 5), (3, 2), 2, 1, 1, True)[0]; "
                   "max_pool2d(T(1, 2, 7, 7), 2, 1, 0, 2)[0]");
DEFINE_MAX_POOL(3, "max_pool3d(T(1, 2, 4, 4, 4), 2)[0]");

OP(max_pool_grad) = {
    .signature = "max_pool_grad(grad: Tensor, indices: Tensor, input_size: int[], rank: int) -> Tensor",
    .names = "_ops.max_pool_grad",
    .dtypes = "floating",
    .infer = infer_max_pool_grad,
    .kernel = {"generic", run_max_pool_grad},
    .derivative = {vjp_max_pool_grad, "indices"},
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "max_pool_grad(T(2, 3, 2), I(2, 3, 2, high=5), (2, 3, 5), 1)"},
    .doc = "The gradient of max pooling: each value goes where its maximum was found."};

// ---- average --------------------------------------------------------------------------------------------------------

namespace {

Pool average_pool_of(const Call& c, const Dims& x, const Dims& y, int rank) {
    Pool p = empty_pool(x, y, rank);
    apply(p, window_of(c, rank, false), rank);
    p.count_include_pad = c["count_include_pad"].to_bool();
    int at = c.op.parsed.find("divisor_override");
    p.divisor_override = at >= 0 && c.has(at) ? c[at].to_int() : 0;
    return p;
}

void infer_avg_pool(Call& c) {
    if (c.tensor(0).dtype != DType::int64) rules::require_floating(c, 0);
    int rank = rank_of(c.op), divisor = c.op.parsed.find("divisor_override");
    require(divisor < 0 || !c.has(divisor) || c[divisor].to_int() != 0, ErrorKind::runtime, c.name(),
            ": divisor_override=0; expected a number other than 0");
    c.result(pooled_sizes(c, c.tensor(0).sizes, window_of(c, rank, false), rank, c["ceil_mode"].to_bool()),
             c.tensor(0).dtype);
}

// Integers: the sums of the windows, divided as integers.
struct IntegerWindow {
    int64_t begin[3], end[3], divisor = 1;
    IntegerWindow(const Pool& p, const int64_t (&o)[3]) {
        for (int d = 0; d < 3; ++d) {
            int64_t first = o[d] * p.stride[d] - p.pad[d], last = std::min(first + p.kernel[d], p.in[d] + p.pad[d]);
            begin[d] = std::max<int64_t>(first, 0), end[d] = std::min(last, p.in[d]);
            divisor *= p.count_include_pad ? last - first : end[d] - begin[d];
        }
        if (p.divisor_override) divisor = p.divisor_override;
    }
    int64_t average(const Pool& p, const int64_t* plane) const {
        uint64_t sum = 0;                                      // wraps around, as sums of int64 do
        for (int64_t i = begin[0]; i < end[0]; ++i)
            for (int64_t j = begin[1]; j < end[1]; ++j)
                for (int64_t k = begin[2]; k < end[2]; ++k) sum += uint64_t(plane[(i * p.in[1] + j) * p.in[2] + k]);
        return divisor == -1 ? int64_t(0 - sum) : int64_t(sum) / divisor;
    }
};

void run_integer_avg_pool(Call& c, const Tensor& x, int rank) {
    Pool p = average_pool_of(c, x.sizes(), c.out[0].sizes(), rank);
    Tensor in = contiguous(x);
    const int64_t* plane = in.data_as<int64_t>();
    auto* to = static_cast<int64_t*>(c.out[0].data());
    for (int64_t n = p.batch * p.channels; n > 0; --n, plane += p.in[0] * p.in[1] * p.in[2])
        for (int64_t i = 0; i < p.out[0]; ++i)
            for (int64_t j = 0; j < p.out[1]; ++j)
                for (int64_t k = 0; k < p.out[2]; ++k) *to++ = IntegerWindow(p, {i, j, k}).average(p, plane);
}

void run_avg_pool(Call& c) {
    int rank = rank_of(c.op);
    Tensor x(&c.tensor(0));
    if (c.out[0].numel() == 0) return;
    if (x.dtype() == DType::int64) return run_integer_avg_pool(c, x, rank);
    Layouts l(x, rank);
    Pool p = average_pool_of(c, x.sizes(), c.out[0].sizes(), rank);
    p.channels_last = l.channels_last;
    kernels::avg_pool(l.in.data(), x.dtype(), result_memory(c.out[0], l.layout()), p);
}

void vjp_avg_pool(Vjp& d) {
    static const Op& op = required_op("avg_pool_grad");
    int rank = rank_of(d.op), divisor = d.op.parsed.find("divisor_override");
    d.to(0, invoke(op, d.grad(), d.sizes(0), int64_t(rank), d["kernel_size"], d["stride"], d["padding"], d["ceil_mode"],
                   d["count_include_pad"], divisor < 0 ? Value() : d[divisor]));
}

void infer_avg_pool_grad(Call& c) {
    infer_pool_grad(c);
    int rank = int(c["rank"].to_int());
    Dims expected = pooled_sizes(c, c.geometry[0].sizes, window_of(c, rank, false), rank, c["ceil_mode"].to_bool());
    require(expected == c.tensor(0).sizes, ErrorKind::runtime, c.name(), ": grad has shape ", c.tensor(0).sizes,
            "; expected ", expected);
}

void run_avg_pool_grad(Call& c) {
    int rank = int(c["rank"].to_int());
    Tensor g(&c.tensor(0)), x = c.out[0];
    if (x.numel() == 0) return;
    Layouts l(g, rank);
    Pool p = average_pool_of(c, x.sizes(), g.sizes(), rank);
    p.channels_last = l.channels_last;
    kernels::avg_pool_backward(l.in.data(), g.dtype(), result_memory(x, l.layout()), p);
}

// Average pooling is linear: the gradient of its gradient is the pooling itself.
void vjp_avg_pool_grad(Vjp& d) {
    const char* const ids[] = {"avg_pool1d", "avg_pool2d", "avg_pool3d"};
    int rank = int(d["rank"].to_int());
    const Op& op = required_op(ids[rank - 1]);
    Value values[max_params] = {Value(d.grad()), d["kernel_size"],       d["stride"],          d["padding"],
                                d["ceil_mode"],  d["count_include_pad"], d["divisor_override"]};
    Call pooled(op, values);
    invoke_raw(pooled, values, rank == 1 ? 6 : 7);
    d.to(0, pooled.out[0]);
}

#define POOL_AVG(N, MORE)                                                                                      \
    "avg_pool" N "d(input: Tensor, kernel_size: int[" N "], stride: int[" N "] | None = None, padding: int[" N \
    "] = 0, "                                                                                                  \
    "ceil_mode: bool = False, count_include_pad: bool = True" MORE ") -> Tensor"

}  // namespace

#define DEFINE_AVG_POOL(N, BEFORE, AFTER, MORE, SHAPES)                                                           \
    OP(avg_pool##N##d) = {                                                                                        \
        .signature = POOL_AVG(#N, MORE),                                                                          \
        .names = BEFORE "nn.functional.avg_pool" #N "d" AFTER,                                                    \
        .dtypes = "floating int64",                                                                               \
        .infer = infer_avg_pool,                                                                                  \
        .kernel = {"generic", run_avg_pool},                                                    \
        .derivative = {vjp_avg_pool, ""},                                                                         \
        .onnx = {"AveragePool", 11},                                                                              \
        .samples = {.calls = SHAPES},                                                                             \
        .doc = "The means of windows over the last dimensions.",                                                  \
        .autocast = N == 3 ? Autocast::widen : Autocast::keep}

DEFINE_AVG_POOL(1, "avg_pool1d ", "", "", "avg_pool1d(T(2, 3, 8), 2); avg_pool1d(T(3, 7), 3, 2, 1, True, False)");
DEFINE_AVG_POOL(2, "", " out", ", divisor_override: int | None = None",
                "avg_pool2d(T(2, 3, 6, 6), 2); avg_pool2d(T(1, 2, 7, 5), (3, 2), 2, 1, True, False)");
DEFINE_AVG_POOL(3, "", " out", ", divisor_override: int | None = None",
                "avg_pool3d(T(1, 2, 4, 4, 4), 2, divisor_override=3)");

OP(avg_pool_grad) = {
    .signature = "avg_pool_grad(grad: Tensor, input_size: int[], rank: int, kernel_size: int[], stride: int[] | None, "
                 "padding: int[], ceil_mode: bool, "
                 "count_include_pad: bool, divisor_override: int | None) -> Tensor",
    .names = "_ops.avg_pool_grad",
    .dtypes = "floating",
    .infer = infer_avg_pool_grad,
    .kernel = {"generic", run_avg_pool_grad},
    .derivative = {vjp_avg_pool_grad, ""},
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "avg_pool_grad(T(2, 3, 4), (2, 3, 8), 1, (2,), (2,), (0,), False, True, None)"},
    .doc = "The gradient of average pooling."};

// ---- adaptive -------------------------------------------------------------------------------------------------------

namespace {

Dims adaptive_sizes(const Call& c, int rank) {
    const Dims& x = c.tensor(0).sizes;
    Leading lead(c, x, rank);
    std::span<const int64_t> wanted = c[1].to_ints();
    require(wanted.size() == 1 || int(wanted.size()) == rank, ErrorKind::runtime, c.name(),
            ": output_size=", to_text(wanted), "; expected one value or ", rank);
    Dims out;
    for (int i = 0; i < lead.count; ++i) out.push_back(x[i]);
    for (int i = 0; i < rank; ++i) {
        int64_t n = wanted[wanted.size() == 1 ? 0 : size_t(i)];
        require(n >= 0 && n < largest, ErrorKind::runtime, c.name(), ": output_size=", to_text(wanted),
                " is out of range; expected 0 <= output_size < 2**40");
        require(x[lead.count + i] > 0, ErrorKind::runtime, c.name(), ": input of shape ", x, " is empty at dimension ",
                lead.count + i, "; expected at least one element");
        out.push_back(n);
    }
    return out;
}

void infer_adaptive_avg(Call& c) {
    rules::require_floating(c, 0);
    c.result(adaptive_sizes(c, rank_of(c.op)), c.tensor(0).dtype);
}

void run_adaptive_avg(Call& c) {
    int rank = rank_of(c.op);
    Tensor x(&c.tensor(0));
    if (c.out[0].numel() == 0) return;
    Layouts l(x, rank);
    Pool p = empty_pool(x.sizes(), c.out[0].sizes(), rank);
    p.channels_last = l.channels_last;
    kernels::adaptive_avg_pool(l.in.data(), x.dtype(), result_memory(c.out[0], l.layout()), p);
}

void vjp_adaptive_avg(Vjp& d) {
    static const Op& op = required_op("adaptive_avg_pool_grad");
    d.to(0, invoke(op, d.grad(), d.sizes(0), int64_t(rank_of(d.op))));
}

void run_adaptive_avg_grad(Call& c) {
    int rank = int(c["rank"].to_int());
    Tensor g(&c.tensor(0)), x = c.out[0];
    if (x.numel() == 0) return;
    Layouts l(g, rank);
    Pool p = empty_pool(x.sizes(), g.sizes(), rank);
    p.channels_last = l.channels_last;
    kernels::adaptive_avg_pool_backward(l.in.data(), g.dtype(), result_memory(x, l.layout()), p);
}

void vjp_adaptive_avg_grad(Vjp& d) {
    const char* const ids[] = {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"};
    int rank = int(d["rank"].to_int());
    Dims sizes;
    for (int i = d.sizes(0).size() - rank; i < d.sizes(0).size(); ++i) sizes.push_back(d.sizes(0)[i]);
    d.to(0, invoke(required_op(ids[rank - 1]), d.grad(), sizes));
}

void infer_adaptive_max(Call& c) {
    rules::require_not_complex(c, 0);
    Dims out = adaptive_sizes(c, rank_of(c.op));
    c.result(out, c.tensor(0).dtype);
    c.result(out, DType::int64);
}

void run_adaptive_max(Call& c) {
    int rank = rank_of(c.op);
    Tensor x(&c.tensor(0));
    if (c.out[0].numel() == 0) return;
    Layouts l(x, rank);
    Pool p = empty_pool(x.sizes(), c.out[0].sizes(), rank);
    p.channels_last = l.channels_last;
    kernels::adaptive_max_pool(l.in.data(), x.dtype(), result_memory(c.out[0], l.layout()),
                               static_cast<int64_t*>(result_memory(c.out[1], l.layout())), p);
}

}  // namespace

#define DEFINE_ADAPTIVE(N, SIZE)                                                                                      \
    OP(adaptive_avg_pool##N##d) = {                                                                                   \
        .signature = "adaptive_avg_pool" #N "d(input: Tensor, output_size: int[" #N "]) -> Tensor",                   \
        .names = "_ops.adaptive_avg_pool" #N "d",                                                                     \
        .dtypes = "floating",                                                                                         \
        .infer = infer_adaptive_avg,                                                                                  \
        .kernel = {"generic", run_adaptive_avg},                                                                      \
        .derivative = {vjp_adaptive_avg, ""},                                                                         \
        .onnx = no_onnx("GlobalAveragePool where the output size is 1, else none"),                                   \
        .samples = {.calls = "adaptive_avg_pool" #N "d(T" SIZE ", 1); adaptive_avg_pool" #N "d(T" SIZE ", 3)"},       \
        .doc = "The means of as many windows as `output_size` says, which cover the input evenly."};                  \
    OP(adaptive_max_pool##N##d) = {                                                                                   \
        .signature = "adaptive_max_pool" #N "d(input: Tensor, output_size: int[" #N                                   \
                     "]) -> (output: Tensor, indices: Tensor)",                                                       \
        .names = "_ops.adaptive_max_pool" #N "d",                                                                     \
        .dtypes = "floating integral",                                                                                \
        .infer = infer_adaptive_max,                                                                                  \
        .kernel = {"generic", run_adaptive_max},                                                                      \
        .derivative = {vjp_max_pool, "indices"},                                                                      \
        .onnx = no_onnx("GlobalMaxPool where the output size is 1, else none"),                                       \
        .samples = {.calls = "adaptive_max_pool" #N "d(T" SIZE ", 1)[0]; adaptive_max_pool" #N "d(T" SIZE ", 3)[0]"}, \
        .doc = "The maxima of as many windows as `output_size` says, which cover the input evenly, and their "        \
               "indices."}

DEFINE_ADAPTIVE(1, "(2, 3, 7)");
DEFINE_ADAPTIVE(2, "(2, 2, 5, 7)");
DEFINE_ADAPTIVE(3, "(1, 2, 4, 5, 4)");

OP(adaptive_avg_pool_grad) = {
    .signature = "adaptive_avg_pool_grad(grad: Tensor, input_size: int[], rank: int) -> Tensor",
    .names = "_ops.adaptive_avg_pool_grad",
    .dtypes = "floating",
    .infer = infer_pool_grad,
    .kernel = {"generic", run_adaptive_avg_grad},
    .derivative = {vjp_adaptive_avg_grad, ""},
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "adaptive_avg_pool_grad(T(2, 3, 2), (2, 3, 7), 1)"},
    .doc = "The gradient of adaptive average pooling."};

}  // namespace rushlight
