#include "ops/pointwise_record.h"

#include <cctype>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <optional>
#include <sstream>

#include "kernels/generic/loop.h"
#include "ops/activation.h"
#include "ops/put_off.h"
#include "registry/rules.h"
#include "registry/tile.h"

namespace rushlight {

namespace {

// ---- the family's rules ---------------------------------------------------------------------------------------------

// The tables of every instruction set with the complex kernels in their places. Which one holds is asked at the first
// call: before main, nobody could hear that RUSHLIGHT_ISA is wrong.
struct Tables {
    PointwiseKernels of[isa_count] = {};
    Tables(const PointwiseSet& real, const ComplexKernels& complex) {
        for (int isa = 0; isa < isa_count; ++isa) {
            if (!real.tables[isa]) continue;
            of[isa] = *real.tables[isa];
            of[isa].forward[int(DType::complex64)] = complex.forward[0];
            of[isa].forward[int(DType::complex128)] = complex.forward[1];
        }
    }
    const PointwiseKernels& active() const { return of[int(active_isa())]; }
};

struct Definition {
    family::Family family;
    int inputs;
    Tables kernels;
    Slopes slopes;
    bool finite_limits, attributes_promote, natural_exponent, numbers_alone;
    void (*complex_vjp)(Vjp&);
    void (*check)(const Call&);
    Op* gradient = nullptr;              // the fused g * slope(x, y) of a unary operator
};

std::deque<Definition>& definitions() {
    static std::deque<Definition> all;
    return all;
}

const Definition& definition_of(const Op& op) { return *static_cast<const Definition*>(op.family); }

// The narrower unsigned integers compute in int64, which holds all their values and wraps as they do once cut off.
DType compute_dtype(DType t) {
    if (t == DType::uint16 || t == DType::uint32) return DType::int64;
    return is_reduced(t) ? DType::float32 : t;
}

[[noreturn]] void refuse_dtype(const Call& c, int inputs, DType t) {
    std::string given;
    bool seen = false;
    for (int i = 0; i < inputs; ++i) {
        if (!c.args[i].is_tensor()) continue;
        DType own = c.tensor(i).dtype;
        given += (given.empty() ? "" : ", ") + std::string(rules::param_name(c, i)) +
                 (given.empty() ? " has dtype " : " ") + name_of(own);
        seen = seen || own == t;
    }
    if (!seen)
        given += (given.empty() ? "the arguments have dtype " : ", with the other arguments ") +
                 std::string(name_of(t));
    fail(is_complex(t) ? ErrorKind::not_implemented : ErrorKind::runtime, c.name(), ": ", given, "; expected ",
         c.op.dtypes);
}

void infer_pointwise(Call& c) {
    const Definition& d = definition_of(c.op);
    if (d.check) d.check(c);
    int first = d.family == family::select ? 1 : 0;
    DType t = rules::result_type(c, first, d.inputs);
    bool real = d.family == family::float_result || d.family == family::analytic || d.family == family::argument;
    for (int i = d.inputs; d.attributes_promote && i < int(c.op.parsed.params.size()); ++i)
        real = real || c.args[i].tag == Tag::real;
    if (real && !is_differentiable(t)) t = default_dtype();
    c.compute = compute_dtype(t);
    const PointwiseKernels& k = d.kernels.active();
    if (!k.forward[int(c.compute)]) refuse_dtype(c, d.inputs, t);
    if (is_integral(c.compute) && c.compute != DType::uint64) rules::require_small_numbers(c, t);
    if (k.boolean_first_input && c.args[0].is_tensor() && c.tensor(0).dtype != DType::boolean &&
        c.tensor(0).dtype != DType::uint8)
        fail(ErrorKind::runtime, c.name(), ": ", rules::param_name(c, 0), " has dtype ", name_of(c.tensor(0).dtype),
             "; expected bool");
    Dims sizes;
    bool any = false;
    for (int i = 0; i < d.inputs; ++i) {
        if (!c.args[i].is_tensor()) continue;
        const Dims& mine = c.tensor(i).sizes;
        if (!any) sizes = mine;
        else if (!(mine == sizes)) sizes = rules::broadcast(c, sizes, mine);
        any = true;
    }
    if (!any && !d.numbers_alone)
        fail(ErrorKind::type, c.name(), ": ", rules::param_name(c, 0), " and ", rules::param_name(c, 1),
             " are numbers; expected at least one Tensor");
    Geometry& g = c.result(sizes, k.boolean_result ? DType::boolean : t);
    // A dense input with permuted dimensions passes its order on, as PyTorch's results do.
    for (int i = 0; i < d.inputs; ++i) {
        if (!c.args[i].is_tensor() || c.tensor(i).contiguous || !(c.tensor(i).sizes == sizes)) continue;
        if (overlaps_itself(c.tensor(i))) continue;
        g.strides = dense_strides(c.tensor(i));
        g.strided = true;
        break;
    }
}

void infer_real_valued(Call& c) {
    infer_pointwise(c);
    c.geometry[0].dtype = to_real(c.geometry[0].dtype);
}

// ---- running --------------------------------------------------------------------------------------------------------

// Strides that let `t` be walked as a tensor of shape `sizes`.
void broadcast_strides(const TensorImpl& t, const Dims& sizes, int64_t* strides) {
    int shift = sizes.size() - t.rank();
    for (int i = 0; i < sizes.size(); ++i) {
        int own = i - shift;
        strides[i] = own < 0 || t.sizes[own] == 1 ? 0 : t.strides[own];
    }
}

struct Cell {
    alignas(16) char bytes[16];
};

std::complex<double> to_complex_number(const Value& v) {
    return {v.to_double(), v.tag == Tag::complex ? v.complex_.im : 0};
}

void number_to_cell(const Value& v, DType compute, Cell* cell) {
    visit_dtype(compute, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_same_v<T, bool>) *reinterpret_cast<bool*>(cell->bytes) = v.to_bool();
        else if constexpr (std::is_integral_v<T>) *reinterpret_cast<T*>(cell->bytes) = static_cast<T>(v.to_int());
        else if constexpr (std::is_floating_point_v<T>)
            *reinterpret_cast<T*>(cell->bytes) = static_cast<T>(v.to_double());
        else if constexpr (requires { zero.imag(); })
            *reinterpret_cast<T*>(cell->bytes) = T(to_complex_number(v));
    });
}

// A real number in an integer computation saturates, as everywhere; an integer stays exact.
int64_t exact_param(const Value& v) {
    constexpr double end = 0x1p63;
    double x = v.to_double();
    if (v.tag != Tag::real) return v.to_int();
    return x >= end   ? std::numeric_limits<int64_t>::max()
           : x < -end ? std::numeric_limits<int64_t>::min()
           : x == x   ? int64_t(x)
                      : 0;
}

void params_of(const Call& c, int from, double* p) {
    int n = int(c.op.parsed.params.size());
    for (int i = from; i < n && i - from < param_count; ++i) {
        if (c.args[i].is_none()) set_param(p, i - from, std::numeric_limits<double>::quiet_NaN(), 0);
        else set_param(p, i - from, c.args[i].to_double(), exact_param(c.args[i]));
    }
}

void complex_params(const Call& c, int from, double* p) {
    int n = int(c.op.parsed.params.size());
    for (int i = from; i < n && i - from < param_count; ++i)
        p[param_count + i - from] = to_complex_number(c.args[i]).imag();
}

// float16 and bfloat16 compute in float32, whose largest number is not theirs.
void limits_of(DType t, double* p) {
    double largest = t == DType::float16 ? 65504.0 : t == DType::bfloat16 ? 0x1.fep127 : 0;
    if (largest == 0) return;
    if (std::isnan(p[1])) p[1] = largest;
    if (std::isnan(p[2])) p[2] = -largest;
}

bool has_zero(const Value& v) {
    if (!v.is_tensor()) return v.to_double() == 0;
    const TensorImpl& t = *v.tensor_;
    return any_zero(t.rank(), t.sizes.data(), {t.data(), t.dtype, t.strides.data()});
}

// Whether this becomes part of work on an operand that is put off.
bool joins(const Call& c, int inputs, const double* p) {
    auto put_off = [&](int i) { return i < inputs && c.args[i].is_tensor() && c.tensor(i).storage->entangled(); };
    if (!put_off(0) && !put_off(1)) return false;
    static const Op &relu = required_op("relu"), &add = required_op("add");
    if (&c.op == &relu) return relu_joins(Tensor(&c.tensor(0)), c.out[0]);
    if (&c.op != &add || p[0] != 1 || !c.args[0].is_tensor() || !c.args[1].is_tensor()) return false;
    Tensor a(&c.tensor(0)), b(&c.tensor(1));
    return add_joins(a, b, c.out[0]) || add_joins(b, a, c.out[0]);
}

// The scalar attributes as the tile functions read them.
void forward_params(const Call& c, const Definition& d, DType result, double* p) {
    params_of(c, d.inputs, p);
    if (d.finite_limits) limits_of(result, p);
    if (is_complex(c.compute)) complex_params(c, d.inputs, p);
}

void run_forward(Call& c) {
    const Definition& d = definition_of(c.op);
    const PointwiseKernels& k = d.kernels.active();
    double p[param_slots] = {};
    forward_params(c, d, c.out[0].dtype(), p);
    if (k.integer_divisor_check && !is_floating(c.compute) && c.out[0].numel() > 0 && has_zero(c.args[1]))
        fail(ErrorKind::zero_division, c.name(), ": argument '", rules::param_name(c, 1),
             "' contains 0; expected integers other than 0");
    if (d.natural_exponent && !is_differentiable(c.compute) && c.args[1].is_number())
        require(c.args[1].tag == Tag::natural || c.args[1].to_int() >= 0, ErrorKind::runtime, c.name(), ": other=",
                c.args[1].to_int(), " and input has dtype ", name_of(c.compute),
                "; expected other >= 0, or a floating dtype: integers have no negative powers");
    if (c.compute == DType::float32 && joins(c, d.inputs, p)) return;
    run_tiles(k.forward[int(c.compute)], c.out[0], c.args, d.inputs, c.compute,
              k.boolean_result ? DType::boolean : c.compute, p, k.boolean_first_input);
}

void run_real_valued(Call& c) {
    if (!is_complex(c.compute)) return run_forward(c);
    const PointwiseKernels& k = definition_of(c.op).kernels.active();
    run_tiles(k.forward[int(c.compute)], c.out[0], c.args, k.inputs, c.compute, to_real(c.compute), nullptr);
}

const char* keep(std::string text) {
    static std::deque<std::string> kept;
    return kept.emplace_back(std::move(text)).c_str();
}

// ---- derivatives ----------------------------------------------------------------------------------------------------

bool mentions(const char* text, char name) {
    for (const char* at = std::strchr(text, name); at; at = std::strchr(at + 1, name)) {
        auto in_word = [](char x) { return std::isalnum(static_cast<unsigned char>(x)) || x == '_'; };
        if ((at == text || !in_word(at[-1])) && !in_word(at[1])) return true;
    }
    return false;
}

// One pass over memory when nobody differentiates again: an operator of its own, so that captured graphs see it.
void infer_gradient(Call& c) {
    rules::require_floating(c, 0);
    for (int i : {1, 2})
        if (c.has(i)) rules::require_same_dtype(c, 0, i);
    for (int i : {1, 2})
        require(!c.has(i) || c.tensor(i).sizes == c.tensor(0).sizes, ErrorKind::runtime, c.name(), ": ",
                rules::param_name(c, i), " does not have shape ", c.tensor(0).sizes, ", the shape of grad");
    c.compute = compute_dtype(c.tensor(0).dtype);
    c.result(c.tensor(0).sizes, c.tensor(0).dtype);
}

void run_gradient(Call& c) {
    const Definition& d = definition_of(c.op);
    double p[param_slots] = {};
    params_of(c, 3, p);
    Value inputs[3] = {c[0], c.has(1) ? c[1] : c[0], c.has(2) ? c[2] : c[0]};
    TileFn fn = d.kernels.active().backward[c.compute == DType::float64];
    run_tiles(fn, c.out[0], inputs, 3, c.compute, c.compute, p);
}

const char* describe(const Call& c, DType result, TileCall& tile) {
    const Definition& d = definition_of(c.op);
    const PointwiseKernels& k = d.kernels.active();
    bool gradient = c.op.kernel.run == run_gradient;
    tile.inputs = gradient ? 3 : d.inputs;
    tile.fn = gradient ? k.backward[c.compute == DType::float64] : k.forward[int(c.compute)];
    if (!gradient && k.integer_divisor_check && !is_floating(c.compute))
        return "the divisor of an integer division is looked at before each call";
    tile.gives = c.compute;
    if (!gradient && k.boolean_result) tile.gives = DType::boolean;
    else if (c.op.kernel.run == run_real_valued && is_complex(c.compute)) tile.gives = to_real(c.compute);
    if (gradient) params_of(c, 3, tile.params);
    else forward_params(c, d, result, tile.params);
    for (int i = 0; i < tile.inputs; ++i) {
        TileCall::Input& in = tile.in[i];
        in.argument = gradient && !c.has(i) ? 0 : i;
        in.dtype = !gradient && i == 0 && k.boolean_first_input ? DType::boolean : c.compute;
        Cell cell;
        if (!c.args[in.argument].is_tensor()) {
            number_to_cell(c.args[in.argument], in.dtype, &cell);
            std::memcpy(in.number, cell.bytes, sizeof(in.number));
        }
    }
    return nullptr;
}

const bool describes = [] {
    describe_tile = describe;
    return true;
}();

Op* gradient_op(const std::string& name, const PointwiseFields& fields, const Definition* definition) {
    static std::deque<Op> made;
    Op* op = &made.emplace_back();
    op->signature = keep(name + "_grad(grad: Tensor, input: Tensor | None, result: Tensor | None" +
                         (*fields.attributes ? std::string(", ") + fields.attributes : "") + ") -> Tensor");
    op->names = keep("_ops." + name + "_grad");
    op->kind = Kind::pointwise;
    op->dtypes = "floating";
    op->infer = infer_gradient;
    op->kernel = {"generic", run_gradient};
    op->derivative = fused_gradient;
    op->onnx = no_onnx("a gradient");
    op->doc = keep("The gradient of " + name + ": grad times the slope, in one pass.");
    op->family = definition;
    Registrar{op, keep(name + "_grad")};
    return op;
}

// The form of an activation that takes `inplace`: it calls the operator itself, whose address is its family.
void compose_activation(Call& c) {
    const Op& plain = *static_cast<const Op*>(c.op.family);
    Call inner(plain, c.args);
    inner.in_place = c.args[plain.parsed.params.size()].to_bool();
    if (inner.in_place) inner.destination = &c.tensor(0);
    dispatch(inner);
    c.out[0] = std::move(inner.out[0]);
}

void add_activation_form(const Op& plain, const std::string& name, const std::string& attributes, const Op& record,
                         const PointwiseFields& fields) {
    static std::deque<Op> made;
    Op* op = &made.emplace_back();
    std::string id = name + "_or_in_place";
    op->signature = keep(name + "(input: Tensor" + attributes + ", inplace: bool = False) -> Tensor");
    op->names = keep("nn.functional." + name);
    op->dtypes = record.dtypes;
    op->compose = compose_activation;
    op->family = &plain;
    op->samples = {
        fields.domain.low, fields.domain.high, keep(id + "(T(3, 4)" + (fields.samples ? fields.samples + 2 : ")"))};
    op->doc = fields.doc;
    Registrar{op, keep(id)};
}

Tensor fused_slope(const Vjp& d, const Op& op, int attributes_from) {
    Value values[max_params] = {Value(d.grad()), Value(d.input(0)), Value(d.result(0))};
    int n = 3;
    for (int i = attributes_from; i < int(d.op.parsed.params.size()); ++i) values[n++] = d.args[i];
    Call c(op, values);
    invoke_raw(c, values, n);
    return c.out[0];
}

// Of a complex result, real operands count as complex: powers of negative numbers have a logarithm then.
Tensor operand(const Vjp& d, int param, DType of_result) {
    const Value& v = d.args[param];
    if (v.tag == Tag::complex) return full({}, v, DType::complex128);
    if (v.is_number()) return scalar_tensor(v.to_double(), DType::float64);
    Tensor x = d.input(param);
    return is_complex(of_result) && x.defined() && is_floating(x.dtype()) ? to_dtype(x, of_result) : x;
}

void vjp_pointwise(Vjp& d) {
    const Definition& def = definition_of(d.op);
    Attribute p[param_count] = {};
    for (int i = def.inputs, n = int(d.op.parsed.params.size()); i < n && i - def.inputs < param_count; ++i)
        p[i - def.inputs].value =
            d.args[i].is_none() ? std::numeric_limits<double>::quiet_NaN() : to_complex_number(d.args[i]);
    Tensor g = d.grad();
    if (def.complex_vjp && (is_complex(d.dtype(0)) || (def.inputs == 2 && is_complex(d.dtype(1)))))
        return def.complex_vjp(d);
    if (def.inputs == 1) {
        if (!d.create_graph && def.gradient && d.dtype(0) == g.dtype() && is_floating(g.dtype()))
            return d.to(0, fused_slope(d, *def.gradient, 1));
        return d.to(0, def.slopes.of[0](d.input(0), d.result(0), Tensor(), p).times(g));
    }
    // Of select (where), the condition is no operand of the slopes' but is passed as x.
    Tensor x = operand(d, 0, g.dtype()), y = operand(d, 1, g.dtype()),
           z = def.inputs == 3 ? operand(d, 2, g.dtype()) : Tensor();
    for (int i = 0; i < def.inputs; ++i)
        if (d.needs(i)) d.to(i, def.slopes.of[i](x, y, z, p).times(g));
}

// Which inputs a slope reads tells what the tape must save.
std::string saves_of(const Slopes& s, int inputs, const std::vector<std::string>& params) {
    std::string out;
    if (inputs == 1)
        return (mentions(s.text[0], 'x') ? params[0] + " " : "") + (mentions(s.text[0], 'y') ? "result" : "");
    for (int i = 0; i < inputs; ++i)
        for (int k = 0; k < inputs; ++k)
            if (mentions(s.text[i], "xyz"[k])) out += params[size_t(k)] + ":" + params[size_t(i)] + " ";
    return out;
}

const char* dtypes_of(family::Family f) {
    switch (f) {
        case family::inexact: return "floating complex";
        case family::magnitude: case family::numeric: return "floating integral complex";
        case family::analytic: case family::argument: case family::numeric_or_bool: case family::equality:
        case family::logical: case family::finiteness: case family::select: return "floating integral bool complex";
        case family::floating_only: return "floating";
        case family::float_result: return "floating integral bool";
        case family::same: case family::divide: return "floating integral";
        case family::integer_only: return "integral";
        case family::integer_or_bool: return "integral bool";
        default: return "floating integral bool";
    }
}

// Of a unary operator, every method in place is a function too: "Tensor.exp_" brings "exp_".
std::string functions_in_place(const std::string& names) {
    std::string found;
    std::istringstream words(names);
    for (std::string word; words >> word;)
        if (word.starts_with("Tensor.") && word.back() == '_' && (" " + names).find(" " + word.substr(7)) == names.npos)
            found += " " + word.substr(7);
    return found;
}

}  // namespace

Tensor Factor::times(const Tensor& g) const {
    if (tensor.defined() && tensor.dtype() == DType::boolean) return where(tensor, g, 0);
    if (tensor.defined()) return mul(g, conj(tensor));
    if (number == 1.0) return g;
    return number.imag() == 0 ? mul(g, number.real()) : mul(g, std::conj(number));
}

namespace {

bool any_channels_last(const Value* inputs, int count) {
    for (int i = 0; i < count; ++i)
        if (inputs[i].is_tensor() && inputs[i].tensor_->storage->arrangement() != Arrangement::plain) return true;
    return false;
}

// Inputs that keep their channels last are walked as they lie, and the result is left so: no element moves. Inputs of
// the same shape in plain order are brought into that order for the call. False when the shapes do not allow it.
bool run_tiles_channels_last(TileFn fn, const Tensor& out, const Value* inputs, int count, DType compute, DType result,
                             const double* params, bool boolean_first) {
    bool found = false, in_place = false;
    for (int i = 0; i < count; ++i) {
        if (!inputs[i].is_tensor()) continue;
        const TensorImpl& t = *inputs[i].tensor_;
        if (t.numel == 1) continue;
        bool kept = keeps_channels_last(t) || part_of_channels_last(t);
        if (!(t.sizes == out.sizes()) || (!t.contiguous && !kept)) return false;
        found = found || kept;
        if (t.storage.get() == out->storage.get()) {
            in_place = true;
            if (&t != out.impl() || !keeps_channels_last(t)) return false;
        }
    }
    if (!found || !is_whole_storage(*out.impl()) || out.rank() < 3 || size_of(out.dtype()) == 1) return false;
    const int64_t one = 1, none = 0, numel = out.numel();
    std::optional<Activation> held[4];
    Cell cells[4];
    PointwiseLoop loop;
    loop.ndim = 1;
    loop.sizes = &numel;
    loop.inputs = count;
    loop.compute = compute;
    loop.result = result;
    loop.params = params;
    loop.boolean_first_input = boolean_first;
    for (int i = 0; i < count; ++i) {
        const Value& v = inputs[i];
        if (v.is_tensor() && v.tensor_->numel != 1) {
            held[i].emplace(Tensor(v.tensor_), compute::Layout::channels_last);
            loop.in[i] = {const_cast<void*>(held[i]->data()), v.tensor_->dtype, &one};
            if (v.tensor_ == out.impl()) loop.out = {loop.in[i].data, out.dtype(), &one};
        } else if (v.is_tensor()) {
            loop.in[i] = {v.tensor_->data(), v.tensor_->dtype, &none};
        } else {
            DType own = boolean_first && i == 0 ? DType::boolean : compute;
            number_to_cell(v, own, &cells[i]);
            loop.in[i] = {cells[i].bytes, own, &none};
        }
    }
    if (!in_place) loop.out = {result_memory(out, compute::Layout::channels_last), out.dtype(), &one};
    run_pointwise(loop, fn);
    return true;
}

}  // namespace

void run_tiles(TileFn fn, const Tensor& out, const Value* inputs, int count, DType compute, DType result,
               const double* params, bool boolean_first) {
    if (any_channels_last(inputs, count) &&
        run_tiles_channels_last(fn, out, inputs, count, compute, result, params, boolean_first))
        return;
    int64_t strides[4][max_rank + 1];
    Cell cells[4];
    PointwiseLoop loop;
    loop.ndim = out.rank();
    loop.sizes = out.sizes().data();
    loop.inputs = count;
    loop.compute = compute;
    loop.result = result;
    loop.params = params;
    loop.out = {out.data(), out.dtype(), out.strides().data()};
    for (int i = 0; i < count; ++i) {
        const Value& v = inputs[i];
        if (v.is_tensor()) {
            const TensorImpl& t = *v.tensor_;
            if (t.sizes == out.sizes()) {
                loop.in[i] = {t.data(), t.dtype, t.strides.data()};
                continue;
            }
            broadcast_strides(t, out.sizes(), strides[i]);
            loop.in[i] = {t.data(), t.dtype, strides[i]};
        } else {
            DType own = boolean_first && i == 0 ? DType::boolean : compute;
            number_to_cell(v, own, &cells[i]);
            std::fill_n(strides[i], out.rank(), 0);
            loop.in[i] = {cells[i].bytes, own, strides[i]};
        }
    }
    loop.boolean_first_input = boolean_first;
    run_pointwise(loop, fn);
}

Op pointwise_op(const Op& self, const char* name, family::Family family, int inputs, const PointwiseSet& kernels,
                const ComplexKernels& complex_kernels, const Slopes& slopes, const PointwiseFields& fields) {
    definitions().push_back({family, inputs, Tables(kernels, complex_kernels), slopes, fields.finite_limits,
                             fields.attributes_promote, fields.natural_exponent, fields.numbers_alone,
                             fields.complex_vjp, fields.check});
    Op op;
    std::string n = name, attributes = *fields.attributes ? std::string(", ") + fields.attributes : "";
    op.signature = fields.signature
                       ? fields.signature
                       : keep(n + "(input: Tensor" + (fields.number_first ? " | Number" : "") +
                              (inputs == 1 ? "" : ", other: Tensor | Number") + attributes + ") -> Tensor");
    std::string names = fields.names ? fields.names : n + " Tensor." + n + " Tensor." + n + "_ out";
    names += std::string(" ") + fields.aliases;
    op.names = keep(names + (inputs == 1 ? functions_in_place(names) : ""));
    op.version = fields.version;
    op.kind = Kind::pointwise;
    op.dtypes = dtypes_of(family);
    op.infer = infer_pointwise;
    op.kernel = {"generic", run_forward};
    if (family == family::magnitude || family == family::argument) {
        op.infer = infer_real_valued;
        op.kernel.run = run_real_valued;
    }
    if (slopes.of[0]) {
        Signature parsed = parse_signature(op.signature);
        std::vector<std::string> params;
        for (const Param& p : parsed.params) params.push_back(p.name);
        op.derivative = {vjp_pointwise, fields.saves ? fields.saves : keep(saves_of(slopes, inputs, params)), nullptr};
    } else {
        op.derivative = not_differentiable(slopes.why_not);
    }
    op.onnx = fields.onnx;
    op.samples = {fields.domain.low, fields.domain.high, fields.samples};
    op.doc = fields.doc;
    op.family = &definitions().back();
    if (inputs == 1 && kernels.of(Isa::baseline).backward[0])
        definitions().back().gradient = gradient_op(n, fields, &definitions().back());
    if (fields.inplace) add_activation_form(self, n, attributes, op, fields);
    return op;
}

}  // namespace rushlight
