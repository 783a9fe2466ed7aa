// Updates of lists of tensors in place: the optimizers' steps, and what clips or averages parameters and gradients. One
// call changes all tensors of a group. Lists come first in a signature: the parameters, then what has the shape of its
// parameter, then, from `steps` on, tensors of one element, as PyTorch's state dicts hold them.
#include "kernels/generic/optim.h"

#include <cmath>
#include <vector>

#include "ops/shape_rules.h"
#include "registry/rules.h"

namespace rushlight {

namespace {

// ---- the lists ------------------------------------------------------------------------------------------------------

int lists_of(const Call& c) {
    int n = 0;
    while (n < int(c.op.parsed.params.size()) && (c.op.parsed.params[size_t(n)].types & type_tensors)) ++n;
    return n;
}

int shaped_lists_of(const Call& c) {
    int steps = c.op.parsed.find("steps");
    return steps < 0 ? lists_of(c) : steps;
}

void check_shaped(const Call& c, int list, int64_t i, const TensorImpl& t, const TensorImpl& param) {
    const char* name = rules::param_name(c, list);
    require(t.sizes == param.sizes, ErrorKind::runtime, c.name(), ": ", name, "[", i, "] has shape ", t.sizes,
            "; expected ", param.sizes, ", the shape of its parameter");
    require(t.dtype == param.dtype, ErrorKind::runtime, c.name(), ": ", name, "[", i, "] has dtype ", name_of(t.dtype),
            "; expected ", name_of(param.dtype), ", the dtype of its parameter");
}

void infer_update(Call& c) {
    auto params = c[0].to_tensors();
    int lists = lists_of(c), shaped = shaped_lists_of(c);
    bool complex = std::string_view(c.op.dtypes).find("complex") != std::string_view::npos;
    for (size_t i = 0; i < params.size(); ++i) {
        DType t = params[i]->dtype;
        require(is_floating(t) || (complex && is_complex(t)), ErrorKind::runtime, c.name(), ": ",
                rules::param_name(c, 0), "[", i, "] has dtype ", name_of(t), "; expected a floating ",
                complex ? "or complex dtype" : "dtype");
    }
    for (int k = 1; k < lists; ++k) {
        if (!c.has(k)) continue;
        auto list = c[k].to_tensors();
        const char* name = rules::param_name(c, k);
        require(list.size() == params.size(), ErrorKind::runtime, c.name(), ": ", name, " has ", list.size(),
                " tensors; expected ", params.size(), ", one for each parameter");
        for (size_t i = 0; i < list.size(); ++i) {
            const TensorImpl& t = *list[i];
            if (k < shaped) check_shaped(c, k, int64_t(i), t, *params[i]);
            else
                require(t.numel == 1 && is_floating(t.dtype), ErrorKind::runtime, c.name(), ": ", name, "[", i,
                        "] has shape ", t.sizes, " and dtype ", name_of(t.dtype), "; expected one floating number");
        }
    }
}

// A number that is kept in a tensor of one element.
double number_in(const Call& c, int list, size_t i) {
    TensorImpl& t = *c[list].to_tensors()[i];
    if (t.dtype == DType::float32) return *t.data_as<float>();
    return *cast(Tensor(&t), DType::float64).data_as<double>();
}
void keep_number(const Call& c, int list, size_t i, double x) {
    TensorImpl& t = *c[list].to_tensors()[i];
    if (t.dtype == DType::float32) *t.data_as<float>() = float(x);
    else copy_values(t, *scalar_tensor(x, t.dtype).impl());
}
// Counts one step more, and returns the new count.
double advance(const Call& c, size_t i) {
    int steps = c.op.parsed.find("steps");
    double step = number_in(c, steps, i) + 1;
    keep_number(c, steps, i, step);
    return step;
}

bool lies_as(const TensorImpl& t, const TensorImpl& param) {
    if (t.contiguous && param.contiguous) return true;
    return t.strides == param.strides && param.strides == dense_strides(param);
}

// The tensors of a call's lists as the kernels want them: without gaps, each laid out as its parameter. Others are
// copied, and what was overwritten of them is copied back.
class Items {
public:
    explicit Items(const Call& c) : items_(c[0].to_tensors().size()) {
        for (int k = 0, shaped = shaped_lists_of(c); k < shaped; ++k) {
            auto list = c[k].to_tensors();
            for (size_t i = 0; i < list.size(); ++i) {
                TensorImpl& t = *list[i];
                bool written = c.op.overwritten_params >> k & 1;
                items_[i].arrays[k] = laid_out(t, *c[0].to_tensors()[i], written);
                bool pairs = is_complex(t.dtype);
                items_[i].n = pairs ? 2 * t.numel : t.numel;
                items_[i].dtype = pairs ? to_real(t.dtype) : t.dtype;
            }
        }
    }

    size_t size() const { return items_.size(); }
    kernels::UpdateItem& operator[](size_t i) { return items_[i]; }
    std::span<const kernels::UpdateItem> all() const { return items_; }

    void write_back() {
        for (auto& [original, copy] : copies_)
            if (original) copy_values(*original, *copy.impl());
    }

private:
    void* laid_out(TensorImpl& t, const TensorImpl& param, bool written) {
        if (lies_as(t, param)) return t.data();
        Tensor copy = empty_strided_tensor(param.sizes, dense_strides(param), param.dtype);
        copy_values(*copy.impl(), t);
        copies_.emplace_back(written ? &t : nullptr, copy);
        return copy.data();
    }

    std::vector<kernels::UpdateItem> items_;
    std::vector<std::pair<TensorImpl*, Tensor>> copies_;
};

// Runs a rule on all parameters; make(i) gives the numbers of parameter i.
template <class Make>
void update(Call& c, kernels::UpdateRule rule, Make&& make) {
    using Numbers = decltype(make(size_t(0)));
    Items items(c);
    std::vector<Numbers> numbers;
    numbers.reserve(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
        numbers.push_back(make(i));
        items[i].numbers = &numbers.back();
    }
    kernels::update_tensors(rule, items.all());
    items.write_back();
}
// The same with one set of numbers for all.
template <class Numbers>
void update_all(Call& c, kernels::UpdateRule rule, const Numbers& numbers) {
    Items items(c);
    for (size_t i = 0; i < items.size(); ++i) items[i].numbers = &numbers;
    kernels::update_tensors(rule, items.all());
    items.write_back();
}

double number(const Call& c, const char* name) { return c[name].to_double(); }
bool flag(const Call& c, const char* name) { return c[name].to_bool(); }
bool given(const Call& c, const char* name) { return !c[name].is_none(); }

// With `decoupled` decay the direction is the gradient's alone, and the parameter shrinks by itself.
Direction direction_of(const Call& c, bool decoupled = false) {
    return {flag(c, "maximize") ? -1.0 : 1.0, decoupled ? 0.0 : number(c, "weight_decay")};
}
double decay_of(const Call& c, bool decoupled) {
    return decoupled ? 1 - number(c, "lr") * number(c, "weight_decay") : 1;
}

// ---- the optimizers -------------------------------------------------------------------------------------------------

void run_sgd(Call& c) {
    update_all(c, &OptimTable::sgd,
               SgdNumbers{direction_of(c), number(c, "lr"), number(c, "momentum"), 1 - number(c, "dampening"),
                          given(c, "momentum_buffers"), flag(c, "nesterov")});
}

void run_adam(Call& c) {
    double lr = number(c, "lr"), beta1 = number(c, "beta1"), beta2 = number(c, "beta2"), eps = number(c, "eps");
    bool decoupled = flag(c, "decoupled"), amsgrad = given(c, "max_exp_avg_sqs");
    Direction direction = direction_of(c, decoupled);
    double decay = decay_of(c, decoupled);
    update(c, &OptimTable::adam, [&](size_t i) {
        double step = advance(c, i);
        return AdamNumbers{direction, lr / (1 - std::pow(beta1, step)), decay, beta1, beta2, eps,
                           1 / std::sqrt(1 - std::pow(beta2, step)), amsgrad};
    });
}

void run_nadam(Call& c) {
    double lr = number(c, "lr"), beta1 = number(c, "beta1"), beta2 = number(c, "beta2"), eps = number(c, "eps"),
           momentum_decay = number(c, "momentum_decay");
    bool decoupled = flag(c, "decoupled");
    Direction direction = direction_of(c, decoupled);
    double decay = decay_of(c, decoupled);
    int products = c.op.parsed.find("mu_products");
    update(c, &OptimTable::nadam, [&](size_t i) {
        double step = advance(c, i);
        double mu = beta1 * (1 - 0.5 * std::pow(0.96, step * momentum_decay)),
               next = beta1 * (1 - 0.5 * std::pow(0.96, (step + 1) * momentum_decay));
        keep_number(c, products, i, number_in(c, products, i) * double(float(mu)));
        double product = number_in(c, products, i);
        return NadamNumbers{direction, lr * (1 - mu) / (1 - product), lr * next / (1 - product * next), decay, beta1,
                            beta2, eps, 1 / std::sqrt(1 - std::pow(beta2, step))};
    });
}

void run_radam(Call& c) {
    double lr = number(c, "lr"), beta1 = number(c, "beta1"), beta2 = number(c, "beta2"), eps = number(c, "eps");
    bool decoupled = flag(c, "decoupled");
    Direction direction = direction_of(c, decoupled);
    double decay = decay_of(c, decoupled), longest = 2 / (1 - beta2) - 1;
    update(c, &OptimTable::radam, [&](size_t i) {
        double step = advance(c, i), left = std::pow(beta2, step), correction = 1 - left,
               length = longest - 2 * step * left / correction, rate = lr / (1 - std::pow(beta1, step));
        bool rectified = length > 5;
        if (rectified)
            rate *= std::sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) *
                    std::sqrt(correction);
        return RadamNumbers{direction, rate, decay, beta1, beta2, eps, rectified};
    });
}

void run_adamax(Call& c) {
    double lr = number(c, "lr"), beta1 = number(c, "beta1"), beta2 = number(c, "beta2"), eps = number(c, "eps");
    Direction direction = direction_of(c);
    update(c, &OptimTable::adamax, [&](size_t i) {
        return AdamaxNumbers{direction, lr / (1 - std::pow(beta1, advance(c, i))), beta1, beta2, eps};
    });
}

void run_rmsprop(Call& c) {
    RmspropNumbers numbers{direction_of(c), number(c, "lr"), number(c, "alpha"), number(c, "eps"),
                           given(c, "momentum_buffers") ? number(c, "momentum") : 0, given(c, "grad_avgs")};
    update(c, &OptimTable::rmsprop, [&](size_t i) {
        advance(c, i);
        return numbers;
    });
}

void run_adagrad(Call& c) {
    double lr = number(c, "lr"), lr_decay = number(c, "lr_decay"), eps = number(c, "eps");
    Direction direction = direction_of(c);
    update(c, &OptimTable::adagrad, [&](size_t i) {
        return AdagradNumbers{direction, lr / (1 + (advance(c, i) - 1) * lr_decay), eps};
    });
}

void run_adadelta(Call& c) {
    AdadeltaNumbers numbers{direction_of(c), number(c, "lr"), number(c, "rho"), number(c, "eps")};
    update(c, &OptimTable::adadelta, [&](size_t i) {
        advance(c, i);
        return numbers;
    });
}

void run_asgd(Call& c) {
    double lr = number(c, "lr"), lambd = number(c, "lambd"), alpha = number(c, "alpha"), t0 = number(c, "t0");
    Direction direction = direction_of(c);
    int etas = c.op.parsed.find("etas"), mus = c.op.parsed.find("mus");
    update(c, &OptimTable::asgd, [&](size_t i) {
        double eta = number_in(c, etas, i), mu = number_in(c, mus, i), step = advance(c, i);
        keep_number(c, etas, i, lr / std::pow(1 + lambd * lr * step, alpha));
        keep_number(c, mus, i, 1 / std::max(1.0, step - t0));
        return AsgdNumbers{direction, eta, 1 - lambd * eta, mu};
    });
}

void run_rprop(Call& c) {
    RpropNumbers numbers{flag(c, "maximize") ? -1.0 : 1.0, number(c, "eta_minus"), number(c, "eta_plus"),
                         number(c, "step_size_min"), number(c, "step_size_max")};
    update(c, &OptimTable::rprop, [&](size_t i) {
        advance(c, i);
        return numbers;
    });
}

// A parameter of two dimensions or more has factors of its mean squares, over its last two; others have them whole.
void infer_adafactor(Call& c) {
    auto params = c[0].to_tensors();
    auto check = [&](int list, size_t i, const Dims& sizes) {
        const TensorImpl& t = *c[list].to_tensors()[i];
        require(t.sizes == sizes && t.dtype == params[i]->dtype && t.contiguous, ErrorKind::runtime, c.name(), ": ",
                rules::param_name(c, list), "[", i, "] has shape ", t.sizes, " and dtype ", name_of(t.dtype),
                "; expected contiguous ", sizes, " of ", name_of(params[i]->dtype));
    };
    for (int k = 1; k <= 4; ++k)
        require(c[k].to_tensors().size() == params.size(), ErrorKind::runtime, c.name(), ": ", rules::param_name(c, k),
                " has ", c[k].to_tensors().size(), " tensors; expected ", params.size(), ", one for each parameter");
    for (size_t i = 0; i < params.size(); ++i) {
        const TensorImpl& p = *params[i];
        require(is_floating(p.dtype), ErrorKind::runtime, c.name(), ": params[", i, "] has dtype ", name_of(p.dtype),
                "; expected a floating dtype");
        check_shaped(c, 1, int64_t(i), *c[1].to_tensors()[i], p);
        Dims rows = p.sizes, columns = p.sizes;
        if (p.rank() > 1) {
            rows[p.rank() - 1] = 1;
            columns[p.rank() - 2] = 1;
            check(2, i, rows);
        }
        check(3, i, columns);
        const TensorImpl& step = *c[4].to_tensors()[i];
        require(step.numel == 1 && is_floating(step.dtype), ErrorKind::runtime, c.name(), ": steps[", i, "] has shape ",
                step.sizes, " and dtype ", name_of(step.dtype), "; expected one floating number");
    }
}

void run_adafactor(Call& c) {
    double lr = number(c, "lr"), sign = flag(c, "maximize") ? -1 : 1;
    auto params = c[0].to_tensors();
    for (size_t i = 0; i < params.size(); ++i) {
        TensorImpl& p = *params[i];
        Tensor param = contiguous(Tensor(&p)), grad = contiguous(Tensor(c[1].to_tensors()[i]));
        bool factored = p.rank() > 1;
        int64_t columns = factored ? p.sizes[p.rank() - 1] : p.numel, rows = factored ? p.sizes[p.rank() - 2] : 1;
        double step = advance(c, i);
        kernels::adafactor_step({param.data(), grad.data(), factored ? c[2].to_tensors()[i]->data() : nullptr,
                                 c[3].to_tensors()[i]->data(), p.numel ? p.numel / (rows * columns) : 0, rows, columns,
                                 p.dtype, std::pow(step, number(c, "beta2_decay")),
                                 sign * std::min(lr, 1 / std::sqrt(step)), 1 - lr * number(c, "weight_decay"),
                                 number(c, "eps1"), number(c, "eps2"), number(c, "d")});
        if (!param.same(Tensor(&p))) copy_values(p, *param.impl());
    }
}

// ---- clipping and averaging -----------------------------------------------------------------------------------------

void run_lerp(Call& c) { update_all(c, &OptimTable::lerp, LerpNumbers{number(c, "weight")}); }

void run_scale(Call& c) {
    TensorImpl& factor = c.tensor(1);
    ScaleNumbers numbers{*cast(Tensor(&factor), DType::float64).data_as<double>()};
    if (!(numbers.factor == 1)) update_all(c, &OptimTable::scale, numbers);
}

void run_clamp(Call& c) { update_all(c, &OptimTable::clamp, ClampNumbers{number(c, "low"), number(c, "high")}); }

void infer_scale(Call& c) {
    infer_update(c);
    const TensorImpl& factor = c.tensor(1);
    require(factor.numel == 1 && is_floating(factor.dtype), ErrorKind::runtime, c.name(), ": factor has shape ",
            factor.sizes, " and dtype ", name_of(factor.dtype), "; expected one floating number");
}

void infer_total_norm(Call& c) {
    auto tensors = c[0].to_tensors();
    require(!tensors.empty(), ErrorKind::runtime, c.name(), ": tensors is empty; expected at least one tensor");
    for (size_t i = 0; i < tensors.size(); ++i)
        require(is_floating(tensors[i]->dtype) && tensors[i]->dtype == tensors[0]->dtype, ErrorKind::runtime, c.name(),
                ": tensors[", i, "] has dtype ", name_of(tensors[i]->dtype), "; expected one floating dtype for all");
    double p = c[1].to_double();
    require(p == 1 || p == 2 || p == INFINITY, ErrorKind::runtime, c.name(), ": p=", p, " is not 1, 2 or infinity");
    c.result({}, tensors[0]->dtype);
}

void run_total_norm(Call& c) {
    auto tensors = c[0].to_tensors();
    std::vector<Tensor> held;
    std::vector<kernels::UpdateItem> items(tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
        TensorImpl& t = *tensors[i];
        bool dense = t.contiguous || t.strides == dense_strides(t);
        held.push_back(dense ? Tensor(&t) : contiguous(Tensor(&t)));
        items[i].arrays[0] = held.back().data();
        items[i].n = t.numel;
        items[i].dtype = t.dtype;
    }
    Tensor norm = scalar_tensor(kernels::total_norm(items, c[1].to_double()), c.out[0].dtype());
    copy_values(*c.out[0].impl(), *norm.impl());
}

constexpr Derivative outside_the_tape = not_differentiable("a step of an optimizer, outside of the tape");

}  // namespace

// An optimizer's update: LISTS and NUMBERS are its parameters between the usual ones.
#define OPTIMIZER(NAME, LISTS, NUMBERS, OVERWRITES, DOC)                                                             \
    OP(NAME##_update) = {.signature = #NAME "_update(params: Tensor[], grads: Tensor[], " LISTS NUMBERS              \
                                            "maximize: bool) -> None",                                               \
                         .names = "_ops." #NAME "_update",                                                           \
                         .kind = Kind::update,                                                                       \
                         .dtypes = "floating complex",                                                               \
                         .infer = infer_update,                                                                      \
                         .kernel = {"generic", run_##NAME},                                                          \
                         .derivative = outside_the_tape,                                                             \
                         .onnx = no_onnx("a step of an optimizer"),                                                  \
                         .doc = DOC,                                                                                 \
                         .overwrites = "params " OVERWRITES}

OPTIMIZER(sgd, "momentum_buffers: Tensor[] | None, ",
          "lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool, ", "momentum_buffers",
          "One step of stochastic gradient descent; the buffers hold the momentum.");
OPTIMIZER(adam, "exp_avgs: Tensor[], exp_avg_sqs: Tensor[], max_exp_avg_sqs: Tensor[] | None, steps: Tensor[], ",
          "lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, decoupled: bool, ",
          "exp_avgs exp_avg_sqs max_exp_avg_sqs steps", "One step of Adam, or of AdamW with `decoupled` decay.");
OPTIMIZER(nadam, "exp_avgs: Tensor[], exp_avg_sqs: Tensor[], steps: Tensor[], mu_products: Tensor[], ",
          "lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, momentum_decay: float, "
          "decoupled: bool, ",
          "exp_avgs exp_avg_sqs steps mu_products", "One step of NAdam.");
OPTIMIZER(radam, "exp_avgs: Tensor[], exp_avg_sqs: Tensor[], steps: Tensor[], ",
          "lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, decoupled: bool, ",
          "exp_avgs exp_avg_sqs steps", "One step of RAdam.");
OPTIMIZER(adamax, "exp_avgs: Tensor[], exp_infs: Tensor[], steps: Tensor[], ",
          "lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, ", "exp_avgs exp_infs steps",
          "One step of Adamax.");
OPTIMIZER(rmsprop,
          "square_avgs: Tensor[], grad_avgs: Tensor[] | None, momentum_buffers: Tensor[] | None, steps: Tensor[], ",
          "lr: float, alpha: float, eps: float, weight_decay: float, momentum: float, ",
          "square_avgs grad_avgs momentum_buffers steps", "One step of RMSprop; with grad_avgs it is centred.");
OPTIMIZER(adagrad, "sums: Tensor[], steps: Tensor[], ",
          "lr: float, lr_decay: float, weight_decay: float, eps: float, ", "sums steps", "One step of Adagrad.");
OPTIMIZER(adadelta, "square_avgs: Tensor[], acc_deltas: Tensor[], steps: Tensor[], ",
          "lr: float, rho: float, eps: float, weight_decay: float, ", "square_avgs acc_deltas steps",
          "One step of Adadelta.");
OPTIMIZER(asgd, "axs: Tensor[], steps: Tensor[], etas: Tensor[], mus: Tensor[], ",
          "lr: float, lambd: float, alpha: float, t0: float, weight_decay: float, ", "axs steps etas mus",
          "One step of averaged stochastic gradient descent; axs hold the averages.");
OPTIMIZER(rprop, "prevs: Tensor[], step_sizes: Tensor[], steps: Tensor[], ",
          "eta_minus: float, eta_plus: float, step_size_min: float, step_size_max: float, ", "prevs step_sizes steps",
          "One step of resilient propagation.");

OP(adafactor_update) = {
    .signature = "adafactor_update(params: Tensor[], grads: Tensor[], row_vars: Tensor[], col_vars: Tensor[], "
                 "steps: Tensor[], lr: float, beta2_decay: float, eps1: float, eps2: float, d: float, "
                 "weight_decay: float, maximize: bool) -> None",
    .names = "_ops.adafactor_update",
    .kind = Kind::update,
    .dtypes = "floating",
    .infer = infer_adafactor,
    .kernel = {"generic", run_adafactor},
    .derivative = outside_the_tape,
    .onnx = no_onnx("a step of an optimizer"),
    .doc = "One step of Adafactor; where a parameter has fewer than two dimensions, col_vars hold its mean squares.",
    .overwrites = "params row_vars col_vars steps"};

OP(lerp_tensors) = {.signature = "lerp_tensors(params: Tensor[], others: Tensor[], weight: float) -> None",
                    .names = "_ops.lerp_tensors",
                    .kind = Kind::update,
                    .dtypes = "floating complex",
                    .infer = infer_update,
                    .kernel = {"generic", run_lerp},
                    .derivative = outside_the_tape,
                    .onnx = no_onnx("a step of an optimizer"),
                    .doc = "Moves every tensor towards its partner, by `weight` of the way.",
                    .overwrites = "params"};

OP(scale_tensors) = {.signature = "scale_tensors(tensors: Tensor[], factor: Tensor) -> None",
                     .names = "_ops.scale_tensors",
                     .kind = Kind::update,
                     .dtypes = "floating complex",
                     .infer = infer_scale,
                     .kernel = {"generic", run_scale},
                     .derivative = outside_the_tape,
                     .onnx = no_onnx("a step of an optimizer"),
                     .doc = "Multiplies every tensor by one number.",
                     .overwrites = "tensors"};

OP(clamp_tensors) = {.signature = "clamp_tensors(tensors: Tensor[], low: float, high: float) -> None",
                     .names = "_ops.clamp_tensors",
                     .kind = Kind::update,
                     .dtypes = "floating",
                     .infer = infer_update,
                     .kernel = {"generic", run_clamp},
                     .derivative = outside_the_tape,
                     .onnx = no_onnx("a step of an optimizer"),
                     .doc = "Limits every element of every tensor to [low, high].",
                     .overwrites = "tensors"};

OP(total_norm) = {.signature = "total_norm(tensors: Tensor[], p: float) -> Tensor",
                  .names = "_ops.total_norm",
                  .kind = Kind::reduction,
                  .dtypes = "floating",
                  .infer = infer_total_norm,
                  .kernel = {"generic", run_total_norm},
                  .derivative = not_differentiable("it serves to clip gradients"),
                  .onnx = no_onnx("a step of an optimizer"),
                  .samples = {.calls = "total_norm([T(3, 4), T(2)], 2.0); total_norm([T(3, 4), T(2)], 1.0)"},
                  .doc = "The norm of order 1, 2 or infinity of the elements of all tensors together."};

}  // namespace rushlight
