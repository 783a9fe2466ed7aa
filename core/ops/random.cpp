// Random numbers: tensors filled from a generator's stream, and dropout.
#include "tensor/random.h"

#include "ops/algebra.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

Generator& generator_of(const Call& c) {
    int at = c.op.parsed.find("generator");
    return at >= 0 && c.has(at) ? *c[at].generator_ : *default_generator();
}

// ---- filling in place -----------------------------------------------------------------------------------------------

void infer_fill(Call& c) { c.result(c.tensor(0).sizes, c.tensor(0).dtype); }

using FillFn = void (*)(Call& c, Generator& g, void* data, int64_t n, DType t, bool contiguous);

template <FillFn fill>
void run_fill(Call& c) {
    random::fill_tensor(c.out[0], [&](void* data, bool dense) {
        fill(c, generator_of(c), data, c.out[0].numel(), c.out[0].dtype(), dense);
    });
}

void fill_uniform(Call& c, Generator& g, void* data, int64_t n, DType t, bool) {
    random::uniform(g, data, n, t, c[1].to_double(), c[2].to_double(), c.name());
}
void fill_normal(Call& c, Generator& g, void* data, int64_t n, DType t, bool dense) {
    random::normal(g, data, n, t, c[1].to_double(), c[2].to_double(), dense, c.name());
}
void fill_exponential(Call& c, Generator& g, void* data, int64_t n, DType t, bool) {
    random::exponential(g, data, n, t, c[1].to_double(), c.name());
}
void fill_geometric(Call& c, Generator& g, void* data, int64_t n, DType t, bool) {
    random::geometric(g, data, n, t, c[1].to_double(), c.name());
}
void fill_cauchy(Call& c, Generator& g, void* data, int64_t n, DType t, bool) {
    random::cauchy(g, data, n, t, c[1].to_double(), c[2].to_double(), c.name());
}
void fill_log_normal(Call& c, Generator& g, void* data, int64_t n, DType t, bool) {
    random::log_normal(g, data, n, t, c[1].to_double(), c[2].to_double(), c.name());
}
// random_(), random_(to), random_(from, to)
void fill_integers(Call& c, Generator& g, void* data, int64_t n, DType t, bool) {
    if (!c.has(1)) random::integers(g, data, n, t);
    else if (!c.has(2)) random::integers(g, data, n, t, 0, c[1].to_int(), c.name());
    else random::integers(g, data, n, t, c[1].to_int(), c[2].to_int(), c.name());
}

void vjp_overwritten(Vjp& d) { d.to(0, zeros(d.sizes(0), d.grad().dtype())); }

#define FILL(NAME, PARAMETERS) NAME "(input: Tensor" PARAMETERS ", *, generator: Generator | None = None) -> Tensor"

}  // namespace

#define DEFINE_FILL(NAME, PARAMETERS, DTYPES, FILL_FN, DOC)                       \
    OP(NAME##_) = {                                                               \
        .signature = FILL(#NAME "_", PARAMETERS),                                 \
        .names = "Tensor." #NAME "_",                                             \
        .kind = Kind::random,                                                     \
        .dtypes = DTYPES,                                                         \
        .infer = infer_fill,                                                      \
        .kernel = {"generic", run_fill<FILL_FN>},               \
        .derivative = {vjp_overwritten, ""},                                      \
        .onnx = no_onnx("random numbers in place"),                               \
        .samples = {},                                                            \
        .doc = DOC,                                                               \
        .writes_first = true}

DEFINE_FILL(uniform, ", from: float = 0, to: float = 1", "floating", fill_uniform,
            "Fills the tensor with uniform numbers of [from, to).");
DEFINE_FILL(normal, ", mean: float = 0, std: float = 1", "floating", fill_normal,
            "Fills the tensor with normal numbers.");
DEFINE_FILL(exponential, ", lambd: float = 1", "floating", fill_exponential,
            "Fills the tensor with exponential numbers of rate `lambd`.");
DEFINE_FILL(geometric, ", p: float", "floating integral", fill_geometric,
            "Fills the tensor with the number of trials until a success of probability `p`.");
DEFINE_FILL(cauchy, ", median: float = 0, sigma: float = 1", "floating", fill_cauchy,
            "Fills the tensor with Cauchy numbers.");
DEFINE_FILL(log_normal, ", mean: float = 1, std: float = 2", "floating", fill_log_normal,
            "Fills the tensor with numbers whose logarithm is normal with `mean` and `std`.");
DEFINE_FILL(random, ", from_: int | None = None, to: int | None = None", "floating integral bool", fill_integers,
            "Fills the tensor with integers: of [0, from_) with one limit, of [from_, to) with two, "
            "of the dtype's whole range without.");

// ---- factories ------------------------------------------------------------------------------------------------------

namespace {

DType dtype_or(const Call& c, DType otherwise) { return c["dtype"].is_none() ? otherwise : c["dtype"].dtype_; }

void infer_sized(Call& c) {
    Dims size(c["size"].to_ints());
    DType t = dtype_or(c, default_dtype());
    require(is_differentiable(t), ErrorKind::not_implemented, c.name(), ": dtype ", name_of(t),
            " is not supported; expected a floating or complex dtype");
    c.result(size, t);
}

void infer_like(Call& c) {
    DType t = dtype_or(c, c.tensor(0).dtype);
    require(is_differentiable(t), ErrorKind::not_implemented, c.name(), ": dtype ", name_of(t),
            " is not supported; expected a floating or complex dtype");
    c.result(c.tensor(0).sizes, t);
}

void run_rand(Call& c) {
    random::uniform(generator_of(c), c.out[0].data(), c.out[0].numel(), c.out[0].dtype(), 0, 1, c.name());
}
void run_randn(Call& c) {
    random::normal(generator_of(c), c.out[0].data(), c.out[0].numel(), c.out[0].dtype(), 0, 1, true, c.name());
}

void infer_randint(Call& c) { c.result(Dims(c["size"].to_ints()), dtype_or(c, DType::int64)); }
void infer_randint_like(Call& c) { c.result(c.tensor(0).sizes, dtype_or(c, c.tensor(0).dtype)); }

void run_randint(Call& c) {
    random::integers(generator_of(c), c.out[0].data(), c.out[0].numel(), c.out[0].dtype(), c["low"].to_int(),
                     c["high"].to_int(), c.name());
}

void infer_randperm(Call& c) {
    int64_t n = c[0].to_int();
    require(n >= 0, ErrorKind::runtime, c.name(), ": n=", n, " is negative; expected n >= 0");
    c.result({n}, dtype_or(c, DType::int64));
}

void run_randperm(Call& c) {
    random::permutation(generator_of(c), c.out[0].data(), c.out[0].numel(), c.out[0].dtype());
}

#define GENERATOR_AND_DTYPE "*, generator: Generator | None = None, dtype: dtype | None = None"

}  // namespace

OP(rand) = {
    .signature = "rand(size: int[], " GENERATOR_AND_DTYPE ") -> Tensor",
    .names = "rand out",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = infer_sized,
    .kernel = {"generic", run_rand},
    .derivative = not_differentiable("a factory"),
    .onnx = {"RandomUniform", 1},
    .samples = {},
    .doc = "A tensor of uniform numbers of [0, 1)."};

OP(randn) = {
    .signature = "randn(size: int[], " GENERATOR_AND_DTYPE ") -> Tensor",
    .names = "randn out",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = infer_sized,
    .kernel = {"generic", run_randn},
    .derivative = not_differentiable("a factory"),
    .onnx = {"RandomNormal", 1},
    .samples = {},
    .doc = "A tensor of normal numbers with mean 0 and variance 1."};

OP(rand_like) = {
    .signature = "rand_like(input: Tensor, *, dtype: dtype | None = None) -> Tensor",
    .names = "rand_like",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = infer_like,
    .kernel = {"generic", run_rand},
    .derivative = not_differentiable("a factory"),
    .onnx = {"RandomUniformLike", 1},
    .samples = {},
    .doc = "A tensor of uniform numbers of [0, 1), with the shape and dtype of `input`."};

OP(randn_like) = {
    .signature = "randn_like(input: Tensor, *, dtype: dtype | None = None) -> Tensor",
    .names = "randn_like",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = infer_like,
    .kernel = {"generic", run_randn},
    .derivative = not_differentiable("a factory"),
    .onnx = {"RandomNormalLike", 1},
    .samples = {},
    .doc = "A tensor of normal numbers with mean 0 and variance 1, with the shape and dtype of `input`."};

OP(randint) = {
    .signature = "randint(low: int, high: int, size: int[], " GENERATOR_AND_DTYPE ") -> Tensor",
    .names = "_ops.randint",
    .kind = Kind::random,
    .dtypes = "floating integral",
    .infer = infer_randint,
    .kernel = {"generic", run_randint},
    .derivative = not_differentiable("a factory"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {},
    .doc = "A tensor of integers of [low, high)."};

OP(randint_like) = {
    .signature = "randint_like(input: Tensor, low: int, high: int, *, dtype: dtype | None = None) -> Tensor",
    .names = "_ops.randint_like",
    .kind = Kind::random,
    .dtypes = "floating integral",
    .infer = infer_randint_like,
    .kernel = {"generic", run_randint},
    .derivative = not_differentiable("a factory"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {},
    .doc = "A tensor of integers of [low, high), with the shape and dtype of `input`."};

OP(randperm) = {
    .signature = "randperm(n: int, " GENERATOR_AND_DTYPE ") -> Tensor",
    .names = "randperm out",
    .kind = Kind::random,
    .dtypes = "floating integral",
    .infer = infer_randperm,
    .kernel = {"generic", run_randperm},
    .derivative = not_differentiable("a factory"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {},
    .doc = "The integers of [0, n) in random order."};

// ---- draws that depend on a tensor ----------------------------------------------------------------------------------

namespace {

void run_bernoulli_in_place(Call& c) {
    if (c[1].is_tensor()) {
        Tensor p = contiguous(invoke(required_op("expand"), Tensor(&c.tensor(1)), c.out[0].sizes()));
        random::fill_tensor(c.out[0], [&](void* data, bool) {
            random::bernoulli(generator_of(c), data, c.out[0].numel(), c.out[0].dtype(), p.data(), p.dtype(), c.name());
        });
        return;
    }
    random::fill_tensor(c.out[0], [&](void* data, bool) {
        random::bernoulli(generator_of(c), data, c.out[0].numel(), c.out[0].dtype(), c[1].to_double(), c.name());
    });
}

void run_bernoulli(Call& c) {
    if (c.has(1))
        return random::bernoulli(generator_of(c), c.out[0].data(), c.out[0].numel(), c.out[0].dtype(), c[1].to_double(),
                                 c.name());
    Tensor p = contiguous(Tensor(&c.tensor(0)));
    random::bernoulli(generator_of(c), c.out[0].data(), p.numel(), p.dtype(), p.data(), p.dtype(), c.name());
}

void vjp_constant(Vjp& d) { d.to(0, zeros(d.sizes(0), d.grad().dtype())); }

void run_poisson(Call& c) {
    Tensor rate = contiguous(Tensor(&c.tensor(0)));
    random::poisson(generator_of(c), c.out[0].data(), rate.data(), rate.numel(), rate.dtype(), c.name());
}

// Arguments: 0 input, 1 num_samples, 2 replacement.
void infer_multinomial(Call& c) {
    rules::require_floating(c, 0);
    const Dims& x = c.tensor(0).sizes;
    int64_t samples = c[1].to_int();
    require(x.size() == 1 || x.size() == 2, ErrorKind::runtime, c.name(), ": input has shape ", x,
            "; expected one or two dimensions");
    require(samples > 0, ErrorKind::runtime, c.name(), ": num_samples=", samples, "; expected num_samples > 0");
    require(c[2].to_bool() || samples <= x.back(), ErrorKind::runtime, c.name(), ": num_samples=", samples,
            " without replacement; expected at most ", x.back(), ", the number of categories");
    require(x.back() > 0 || (x.size() == 2 && x[0] == 0), ErrorKind::runtime, c.name(), ": input has shape ", x,
            "; expected at least one category");
    require(x.back() <= (int64_t(1) << 24), ErrorKind::runtime, c.name(), ": input has ", x.back(),
            " categories; expected at most 2**24");
    Dims out = x;
    out[out.size() - 1] = samples;
    c.result(out, DType::int64);
}

void check_weights(const Call& c, const Tensor& w) {
    Tensor wide = cast(w, DType::float64);
    int64_t categories = w.sizes().back(), rows = w.numel() / std::max<int64_t>(categories, 1);
    for (int64_t r = 0; r < rows; ++r) {
        double total = 0;
        for (int64_t k = 0; k < categories; ++k) {
            double x = wide.data_as<double>()[r * categories + k];
            require(x >= 0 && x - x == 0, ErrorKind::runtime, c.name(), ": input holds ", x, " at position ",
                    r * categories + k, "; expected finite weights >= 0");
            total += x;
        }
        require(total > 0, ErrorKind::runtime, c.name(), ": row ", r, " of input sums to ", total,
                "; expected a positive sum");
    }
}

void run_multinomial(Call& c) {
    GradMode off(false);
    Tensor w = contiguous(Tensor(&c.tensor(0))), out = c.out[0];
    if (out.numel() == 0) return;
    check_weights(c, w);
    int64_t samples = c[1].to_int(), categories = w.sizes().back();
    Generator& g = generator_of(c);
    if (c[2].to_bool() && samples > 1) {
        random::multinomial_with_replacement(g, out.data_as<int64_t>(), w.numel() / categories, samples, w.data(),
                                             categories, w.dtype());
        return;
    }
    // The samples are the largest of weight / exponential (Efraimidis and Spirakis, 2006).
    Tensor q = empty_tensor(w.sizes(), w.dtype());
    random::exponential(g, q.data(), q.numel(), q.dtype(), 1, c.name());
    Tensor keys = div(w, q);
    Tensor picked = samples == 1 ? invoke(required_op("argmax"), keys, int64_t(-1), true)
                                 : invoke_call(required_op("topk"), keys, samples).out[1];
    copy_values(*out.impl(), *picked.impl());
}

}  // namespace

OP(bernoulli_) = {
    .signature = "bernoulli_(input: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor",
    .names = "Tensor.bernoulli_",
    .kind = Kind::random,
    .dtypes = "floating integral bool",
    .infer = infer_fill,
    .kernel = {"generic", run_bernoulli_in_place},
    .derivative = {vjp_overwritten, ""},
    .onnx = no_onnx("random numbers in place"),
    .samples = {},
    .doc = "Fills the tensor with ones, each with probability `p`, and zeros.",
    .writes_first = true};

OP(bernoulli) = {
    .signature = "bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor",
    .names = "bernoulli Tensor.bernoulli out",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = rules::same_as_first,
    .kernel = {"generic", run_bernoulli},
    .derivative = {vjp_constant, ""},
    .onnx = {"Bernoulli", 15},
    .samples = {},
    .doc = "Ones, each with the probability at its place in `input`, and zeros."};

OP(poisson) = {
    .signature = "poisson(input: Tensor, generator: Generator | None = None) -> Tensor",
    .names = "poisson",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = rules::same_as_first_floating,
    .kernel = {"generic", run_poisson},
    .derivative = {vjp_constant, ""},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {},
    .doc = "Poisson numbers, each with the rate at its place in `input`."};

OP(multinomial) = {
    .signature = "multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, "
                 "generator: Generator | None = None) -> Tensor",
    .names = "multinomial Tensor.multinomial out",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = infer_multinomial,
    .kernel = {"generic", run_multinomial},
    .derivative = not_differentiable("the result is an index"),
    .onnx = {"Multinomial", 7},
    .samples = {},
    .doc = "`num_samples` category indices per row of weights `input`."};

// ---- dropout --------------------------------------------------------------------------------------------------------

namespace {

void check_probability(const Call& c) {
    double p = c["p"].to_double();
    require(p >= 0 && p <= 1, ErrorKind::value, c.name(), ": p=", p, "; expected 0 <= p <= 1");
}

void infer_dropout_mask(Call& c) {
    check_probability(c);
    Geometry& g = c.result(c.tensor(0).sizes, c.tensor(0).dtype);
    g.strides = dense_strides(c.tensor(0));
    g.strided = true;
}

void run_dropout_mask(Call& c) {
    Tensor mask = c.out[0];
    double p = c[1].to_double();
    random::fill_tensor(mask, [&](void* data, bool) {
        random::bernoulli(*default_generator(), data, mask.numel(), mask.dtype(), 1 - p, "dropout");
    });
    if (p == 1 || p == 0) return;
    GradMode off(false);
    invoke_in_place(required_op("div"), mask, 1 - p);
}

}  // namespace

OP(dropout_mask) = {
    .signature = "dropout_mask(input: Tensor, p: float) -> Tensor",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = infer_dropout_mask,
    .kernel = {"generic", run_dropout_mask},
    .derivative = not_differentiable("random numbers do not depend on the input"),
    .onnx = no_onnx("ONNX drops elements by one operator"),
    .samples = {},
    .doc = "What dropout multiplies with: 0 with probability `p`, else 1 / (1 - p), of the shape of `input`."};

namespace {

// PyTorch's order of the arguments of nn.functional.dropout; torch.dropout takes (input, p, train).
void compose_dropout(Call& c) {
    check_probability(c);
    Tensor x(&c.tensor(0));
    double p = c[1].to_double();
    bool in_place = c.op.parsed.find("inplace") >= 0 && c["inplace"].to_bool();
    if (!c[2].to_bool() || p == 0 || x.numel() == 0) {
        c.out[0] = x;
        return;
    }
    require(is_floating(x.dtype()), ErrorKind::runtime, c.name(), ": input has dtype ", name_of(x.dtype()),
            "; expected a floating dtype");
    Tensor mask = invoke(op_dropout_mask, x, p);
    c.out[0] = in_place ? invoke_in_place(required_op("mul"), x, mask) : mul(x, mask);
}

}  // namespace

OP(dropout) = {
    .signature = "dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor",
    .names = "dropout nn.functional.dropout",
    .kind = Kind::random,
    .dtypes = "floating",
    .compose = compose_dropout,
    .samples = {},
    .doc = "Each element zeroed with probability `p`, the others divided by 1 - p; `input` itself when not training."};

}  // namespace rushlight
