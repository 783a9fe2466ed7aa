// Losses between tensors of one shape: an element-wise term, then a reduction.
#include "base/interpreter.h"
#include "ops/algebra.h"
#include "registry/rules.h"

namespace rushlight {

namespace {

// The older flags: size_average and reduce, which name the same thing in two booleans.
std::string_view reduction_of(const Call& c) {
    bool average = c["size_average"].is_none() || c["size_average"].to_bool(),
         reduced = c["reduce"].is_none() || c["reduce"].to_bool();
    if (!c["size_average"].is_none() || !c["reduce"].is_none()) return !reduced ? "none" : average ? "mean" : "sum";
    std::string_view name = c["reduction"].to_string();
    require(name == "mean" || name == "sum" || name == "none", ErrorKind::value, c.name(), ": reduction='", name,
            "'; expected 'none', 'mean' or 'sum'");
    return name;
}

Tensor reduced(const Call& c, const Tensor& terms) {
    std::string_view how = reduction_of(c);
    return how == "none" ? terms : how == "mean" ? mean(terms, Value()) : sum(terms, Value());
}

Tensor weighted(const Call& c, const Tensor& terms) {
    return c["weight"].is_tensor() ? mul(terms, c["weight"]) : terms;
}

// Pairs of different shapes are computed, as in PyTorch, but an (N,) beside an (N, 1) is a mistake more often than not.
void warn_of_shapes(const Call& c) {
    const Dims &x = c.tensor(0).sizes, &y = c.tensor(1).sizes;
    if (x == y) return;
    std::ostringstream text;
    text << c.name() << ": target has shape " << y << " and input " << x
         << ": each is repeated to fit the other, which is seldom meant; expected the same shape";
    warn(text.str());
}

template <const char* id>
void compose_plain(Call& c) {
    warn_of_shapes(c);
    static const Op& op = required_op(id);
    c.out[0] = reduced(c, weighted(c, invoke(op, c[0], c[1])));
}

template <const char* id, const char* width>
void compose_wide(Call& c) {
    warn_of_shapes(c);
    static const Op& op = required_op(id);
    double w = c[width].to_double();
    std::string_view name = width;
    require(name == "beta" ? w >= 0 : w > 0, ErrorKind::runtime, c.name(), ": ", name, "=", w,
            "; expected a positive number");
    static const Op& absolute = required_op("absolute_error");
    Tensor terms = w == 0 ? invoke(absolute, c[0], c[1]) : invoke(op, c[0], c[1], w);
    int at = c.op.parsed.find("weight");
    c.out[0] = reduced(c, at >= 0 && c[at].is_tensor() ? mul(terms, c[at]) : terms);
}

void require_same_shape(const Call& c) {
    const Dims &x = c.tensor(0).sizes, &y = c.tensor(1).sizes;
    require(x == y, ErrorKind::value, c.name(), ": target has shape ", y, " and input ", x,
            "; expected the same shape");
}

void compose_bce(Call& c) {
    require_same_shape(c);
    Tensor x(&c.tensor(0));
    if (x.numel() > 0) {
        Tensor plain = cast(x, DType::float64);
        for (int64_t i = 0; i < plain.numel(); ++i) {
            double p = plain.data_as<double>()[i];
            require(p >= 0 && p <= 1, ErrorKind::runtime, c.name(), ": input holds ", p, " at position ", i,
                    "; expected probabilities between 0 and 1");
        }
    }
    static const Op& op = required_op("bce_term");
    c.out[0] = reduced(c, weighted(c, invoke(op, c[0], c[1])));
}

void compose_bce_logits(Call& c) {
    require_same_shape(c);
    static const Op& op = required_op("bce_logits_term");
    static const Op& logsigmoid = required_op("logsigmoid");
    Tensor terms;
    if (c["pos_weight"].is_tensor()) {
        // -(w * y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x)))
        Tensor x(&c.tensor(0)), y(&c.tensor(1));
        Tensor positive = mul(mul(c["pos_weight"], y), invoke(logsigmoid, x)),
               negative = mul(sub(1.0, y), invoke(logsigmoid, neg(x)));
        terms = neg(add(positive, negative));
    } else {
        terms = invoke(op, c[0], c[1]);
    }
    c.out[0] = reduced(c, weighted(c, terms));
}

constexpr char squared_error[] = "squared_error", absolute_error[] = "absolute_error",
               smooth_l1_term[] = "smooth_l1_term", huber_term[] = "huber_term";
constexpr char beta[] = "beta", delta[] = "delta";

#define LOSS(NAME, MIDDLE, END)                                             \
    NAME "(input: Tensor, target: Tensor" MIDDLE                            \
         ", size_average: bool | None = None, reduce: bool | None = None, " \
         "reduction: str = 'mean'" END ") -> Tensor"
#define WEIGHT ", weight: Tensor | None = None"

}  // namespace

OP(mse_loss) = {
    .signature = LOSS("mse_loss", "", WEIGHT),
    .names = "nn.functional.mse_loss",
    .dtypes = "floating",
    .compose = compose_plain<squared_error>,
    .samples = {.calls = "mse_loss(T(3, 4), T(3, 4)); mse_loss(T(3), T(3), reduction='none')"},
    .doc = "The mean (or sum) of squared differences.",
    .autocast = Autocast::widen};

OP(l1_loss) = {
    .signature = LOSS("l1_loss", "", WEIGHT),
    .names = "nn.functional.l1_loss",
    .dtypes = "floating complex",
    .compose = compose_plain<absolute_error>,
    .samples = {.calls = "l1_loss(T(3, 4), T(3, 4)); l1_loss(T(3), T(3), reduction='sum')"},
    .doc = "The mean (or sum) of absolute differences.",
    .autocast = Autocast::widen};

OP(smooth_l1_loss) = {
    .signature = LOSS("smooth_l1_loss", "", ", beta: float = 1.0"),
    .names = "nn.functional.smooth_l1_loss",
    .dtypes = "floating",
    .compose = compose_wide<smooth_l1_term, beta>,
    .samples = {.calls = "smooth_l1_loss(T(3, 4), T(3, 4)); smooth_l1_loss(T(3), T(3), reduction='sum', beta=0.5)"},
    .doc = "Squared differences below `beta` (halved and divided by it), absolute ones above, reduced.",
    .autocast = Autocast::widen};

OP(huber_loss) = {
    .signature = "huber_loss(input: Tensor, target: Tensor, reduction: str = 'mean', delta: float = 1.0, "
                 "weight: Tensor | None = None, *, "
                 "size_average: bool | None = None, reduce: bool | None = None) -> Tensor",
    .names = "nn.functional.huber_loss",
    .dtypes = "floating",
    .compose = compose_wide<huber_term, delta>,
    .samples = {.calls = "huber_loss(T(3, 4), T(3, 4)); huber_loss(T(3), T(3), 'sum', 0.5)"},
    .doc = "Half of squared differences below `delta`, delta times absolute ones above, reduced.",
    .autocast = Autocast::widen};

OP(binary_cross_entropy) = {
    .signature = LOSS("binary_cross_entropy", WEIGHT, ""),
    .names = "nn.functional.binary_cross_entropy",
    .dtypes = "floating",
    .compose = compose_bce,
    .samples = {.calls = "binary_cross_entropy(sigmoid(T(3, 4)), sigmoid(T(3, 4)))"},
    .doc = "The cross-entropy of probabilities `input` and `target`, each between 0 and 1.",
    .autocast = Autocast::widen};

OP(binary_cross_entropy_with_logits) = {
    .signature = LOSS("binary_cross_entropy_with_logits", WEIGHT, ", pos_weight: Tensor | None = None"),
    .names = "nn.functional.binary_cross_entropy_with_logits",
    .dtypes = "floating",
    .compose = compose_bce_logits,
    .samples = {.calls = "binary_cross_entropy_with_logits(T(3, 4), sigmoid(T(3, 4)))"},
    .doc = "The cross-entropy of sigmoid(input) and `target`, computed without overflow.",
    .autocast = Autocast::widen};

// ---- activations with a choice or a weight --------------------------------------------------------------------------

namespace {

void compose_gelu(Call& c) {
    static const Op& exact = required_op("gelu");
    static const Op& by_tanh = required_op("gelu_tanh");
    std::string_view how = c[1].to_string();
    require(how == "none" || how == "tanh", ErrorKind::runtime, c.name(), ": approximate='", how,
            "'; expected 'none' or 'tanh'");
    c.out[0] = invoke(how == "none" ? exact : by_tanh, c[0]);
}

// weight: one number, or one per channel (dimension 1).
void compose_prelu(Call& c) {
    Tensor x(&c.tensor(0)), w(&c.tensor(1));
    rules::require_floating(c, 0);
    rules::require_same_dtype(c, 0, 1);
    if (w.numel() != 1) {
        int64_t channels = x.rank() > 1 ? x.size(1) : x.rank() == 1 ? x.size(0) : 1;
        require(w.rank() == 1 && w.numel() == channels, ErrorKind::runtime, c.name(), ": weight has shape ", w.sizes(),
                " and input ", x.sizes(), "; expected ", channels, " weights, one per channel, or one");
        Dims shape(std::max(x.rank(), 1), 1);
        shape[x.rank() > 1 ? 1 : 0] = channels;
        w = reshape(w, shape);
    } else if (w.rank() > 0) {
        w = reshape(w, Dims(x.rank(), 1));
    }
    c.out[0] = where(gt(x, 0), x, mul(x, w));
}

}  // namespace

OP(gelu_of_kind) = {
    .signature = "gelu(input: Tensor, *, approximate: str = 'none') -> Tensor",
    .names = "nn.functional.gelu out",
    .dtypes = "floating",
    .compose = compose_gelu,
    .samples = {.calls = "gelu_of_kind(T(3, 4)); gelu_of_kind(T(3, 4), approximate='tanh')"},
    .doc = "Each element times the normal distribution function of it, exactly or by tanh (Hendrycks and Gimpel, "
           "2016)."};

OP(prelu) = {
    .signature = "prelu(input: Tensor, weight: Tensor) -> Tensor",
    .names = "prelu Tensor.prelu nn.functional.prelu",
    .dtypes = "floating",
    .compose = compose_prelu,
    .samples = {.calls = "prelu(T(3, 4), T(1)); prelu(T(2, 3, 4), T(3))"},
    .doc = "The element where it is positive, else the element times `weight`, one or one per channel.",
    .autocast = Autocast::lower};

}  // namespace rushlight
