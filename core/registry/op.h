// What an operator is. One record states everything; functions, methods, stubs, pages, tape entries, graph nodes, tests
// and benchmarks derive from it.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "registry/signature.h"

namespace rushlight {

struct Call;
struct Vjp;

// What the fuser and the planner need to know of an operator. An update overwrites tensors of lists that it is given,
// as optimizers do, outside of the tape; it has no result.
enum class Kind : uint8_t { pointwise, reduction, view, opaque, random, update };
const char* name_of(Kind kind);

// What runs a call. Where several implementations could, as of products and convolutions, the function chooses among
// them.
struct Kernel {
    const char* name = nullptr;      // as the logs show it
    void (*run)(Call&) = nullptr;
};

// The derivative, written in primitives; or why there is none. There is no default: the completeness test wants one of
// both. `saves` names what the derivative reads of the call's tensors: "input", "result"; "input:other" keeps `input`
// only when `other` needs a gradient, "input:!flag" only when the argument `flag` is false.
struct Derivative {
    void (*vjp)(Vjp&) = nullptr;
    const char* saves = "";
    const char* why_not = nullptr;
    bool reads_geometry = false;     // the derivative reads strides and offsets of the inputs
    int results = 4;                 // how many carry gradients, from the first on: others serve the derivative
};
inline constexpr Derivative not_differentiable(const char* why) { return {.why_not = why}; }
// Of operators that compute a gradient in one pass. Derivatives use them only where no graph of the gradient is wanted;
// with create_graph they compose it of differentiable operators.
inline constexpr Derivative fused_gradient = not_differentiable(
    "a fused gradient: differentiating again takes the composed form");

struct Onnx {
    const char* type = nullptr;      // ONNX operator, or null
    int opset = 0;
    const char* why_not = nullptr;
};
inline constexpr Onnx no_onnx(const char* why) { return {nullptr, 0, why}; }

// What autocast does to floating arguments other than float64: nothing, the lower dtype that the user chose, float32.
enum class Autocast : uint8_t { keep, lower, widen };

// How the tests make inputs: the open interval values are drawn from, and the dtypes beyond the floating ones that are
// taken.
struct Samples {
    double low = -3, high = 3;
    const char* calls = nullptr;     // Python expressions separated by ';', for operators that need shaped arguments
};

struct Op {
    const char* signature = nullptr;
    const char* names = "";          // public paths, by spaces: "add Tensor.add Tensor.add_ out"
    int version = 1;
    Kind kind = Kind::opaque;
    const char* dtypes = "";         // accepted: "floating", "real", "all", "integral bool"...
    void (*compose)(Call&) = nullptr;  // of a composite: fills the results by calling other operators; needs no kernel
    void (*infer)(Call&) = nullptr;  // shape and dtype rule: argument errors, result geometry
    Kernel kernel;
    Derivative derivative;
    Onnx onnx;
    Samples samples;
    const char* doc = nullptr;
    bool writes_first = false;       // the natural form overwrites its first argument: copy_, normal_
    bool updates_first = false;      // the result is the first argument, changed in places: only those are written
    bool writes_one_value = false;   // every element comes out equal: the destination may have several in one place
    const char* overwrites = "";     // of an update: the parameters whose tensors it overwrites, by spaces
    Autocast autocast = Autocast::keep;
    const void* family = nullptr;    // what the family's rules need to know of this member

    // Filled when the registry is closed.
    const char* id = nullptr;
    Signature parsed;
    std::vector<std::string> paths;
    bool has_in_place = false, has_out = false;
    uint64_t saved_inputs = 0;                                // parameters that are saved whatever needs a gradient
    std::vector<std::pair<int, int>> saved_if;                // (saved parameter, one that needs a gradient, or ~flag)
    bool saves_result[4] = {};
    uint64_t tensor_params = 0;                               // parameters that may be a tensor or a list of tensors
    uint64_t overwritten_params = 0;
};

class Registrar {
public:
    Registrar(Op* op, const char* id);
};

// OP(name) = { .signature = ..., ... };   defines and registers `op_name`.
#define OP(id_)                                                             \
    extern ::rushlight::Op op_##id_;                                        \
    static const ::rushlight::Registrar registrar_##id_(&op_##id_, #id_);   \
    ::rushlight::Op op_##id_

const std::vector<Op*>& all_ops();               // closes the registry at the first call
Op* find_op(std::string_view id);                // null when unknown

// The error in the name of `speaker` instead of the operator's that it begins with: of those that a composite calls,
// users know nothing.
Error spoken_by(const char* speaker, const Error& e);

}  // namespace rushlight
