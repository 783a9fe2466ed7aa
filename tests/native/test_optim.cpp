// Updates of lists of tensors against the algorithms for one number, over several steps.
#include "kernels/generic/optim.h"
#include "kernels/reference/optim.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::UpdateItem;
using reference::Number;

namespace {

constexpr int64_t sizes[] = {1, 0, 7, 64, 1000, 40001};
constexpr size_t count = 6;
constexpr int states = 3;

// Every rule with its numbers at each step, against its reference; `used` says which states the rule is given.
template <class Numbers, class One>
void check_rule(DType t, kernels::UpdateRule rule, One one, std::vector<Numbers> steps, int used, const char* name) {
    std::vector<Array> params, grads, kept[states];
    std::vector<std::vector<Number>> exact;
    for (int64_t n : sizes) {
        params.push_back(random_array(t, n));
        grads.push_back(random_array(t, n));
        for (auto& list : kept) {
            list.emplace_back(t, n);
            for (int64_t i = 0; i < n; ++i) list.back().set(i, 0);
        }
        exact.emplace_back(size_t(n) * states, Number(0));
    }
    std::vector<Array> wanted = params;
    // The reference keeps its state exact: 16-bit state is compared by the step that it was made in.
    if (is_reduced(t)) steps.resize(1);
    for (const Numbers& h : steps) {
        std::vector<UpdateItem> items(count);
        for (size_t k = 0; k < count; ++k) {
            items[k] = {{params[k].data(), grads[k].data()}, sizes[k], t, &h};
            for (int s = 0; s < states; ++s) items[k].arrays[2 + s] = used >> s & 1 ? kept[s][k].data() : nullptr;
            for (int64_t i = 0; i < sizes[k]; ++i)
                wanted[k].set(i, one(wanted[k][i], grads[k][i], &exact[k][size_t(i * states)], h));
        }
        kernels::update_tensors(rule, items);
    }
    for (size_t k = 0; k < count; ++k) CHECK(close(params[k], wanted[k], 1, is_reduced(t) ? 2 : 20, name));
}

void check_gradient_steps(DType t) {
    for (int variant = 0; variant < 6; ++variant) {
        SgdNumbers s{{variant == 5 ? -1.0 : 1.0, variant >= 4 ? 0.01 : 0}, 0.1, variant ? 0.9 : 0,
                     variant == 2 ? 0.7 : 1, variant > 0, variant == 3};
        check_rule(t, &OptimTable::sgd, reference::sgd, std::vector(3, s), variant > 0, "sgd");
    }
    AsgdNumbers a{{1, 0.1}, 0.1, 0.999, 1};
    check_rule(t, &OptimTable::asgd, reference::asgd, std::vector<AsgdNumbers>{a, {{1, 0.1}, 0.08, 0.99, 0.5}}, 1,
               "asgd");
    RpropNumbers r{1, 0.5, 1.2, 0.01, 50};
    check_rule(t, &OptimTable::rprop, reference::rprop, std::vector<RpropNumbers>{r, {-1, 0.5, 1.2, 0.01, 50}, r}, 3,
               "rprop");
}

void check_adam_family(DType t) {
    for (int variant = 0; variant < 4; ++variant) {
        Direction d{variant == 3 ? -1.0 : 1.0, variant ? 0.1 : 0};
        double decay = variant == 2 ? 0.99 : 1;
        bool amsgrad = variant >= 2;
        check_rule(t, &OptimTable::adam, reference::adam,
                   std::vector<AdamNumbers>{{d, 0.1, decay, 0.9, 0.999, 1e-8, 31.6, amsgrad},
                                            {d, 0.05, decay, 0.9, 0.999, 1e-8, 22.4, amsgrad}},
                   amsgrad ? 7 : 3, "adam");
        check_rule(t, &OptimTable::nadam, reference::nadam,
                   std::vector<NadamNumbers>{{d, 0.01, 0.02, decay, 0.9, 0.999, 1e-8, 31.6},
                                             {d, 0.01, 0.03, decay, 0.9, 0.999, 1e-8, 22.4}},
                   3, "nadam");
        check_rule(t, &OptimTable::radam, reference::radam,
                   std::vector<RadamNumbers>{{d, 0.1, decay, 0.9, 0.999, 1e-8, false},
                                             {d, 0.001, decay, 0.9, 0.999, 1e-8, true}},
                   3, "radam");
        check_rule(t, &OptimTable::adamax, reference::adamax,
                   std::vector<AdamaxNumbers>{{d, 0.1, 0.9, 0.999, 1e-8}, {d, 0.05, 0.9, 0.999, 1e-8}}, 3, "adamax");
    }
}

void check_scaled(DType t) {
    for (int variant = 0; variant < 4; ++variant) {
        // A centred first step divides by the small difference of two near numbers: 16 bits do not hold it.
        bool centered = variant >= 2 && !is_reduced(t);
        RmspropNumbers s{{1, variant == 3 ? 0.1 : 0}, 0.01, centered ? 0.5 : 0.99, 1e-8, variant ? 0.9 : 0, centered};
        int used = 1 | centered << 1 | (variant > 0) << 2;
        check_rule(t, &OptimTable::rmsprop, reference::rmsprop, std::vector(3, s), used, "rmsprop");
    }
    // The step has the size of the rate however small the gradient is; so that one that the decay nearly cancels keeps
    // its sign in float32, the decay is a power of two.
    check_rule(t, &OptimTable::adagrad, reference::adagrad,
               std::vector<AdagradNumbers>{{{1, 1.0 / 128}, 0.1, 1e-10}, {{1, 1.0 / 128}, 0.09, 1e-10}}, 1, "adagrad");
    check_rule(t, &OptimTable::adadelta, reference::adadelta,
               std::vector<AdadeltaNumbers>(3, {{1, 0.01}, 1, 0.9, 1e-6}), 3, "adadelta");
}

void check_others(DType t) {
    for (double weight : {0.1, 0.9, 1.0})
        check_rule(t, &OptimTable::lerp, reference::lerp, std::vector<LerpNumbers>{{weight}}, 0, "lerp");
    check_rule(t, &OptimTable::scale, reference::scale, std::vector<ScaleNumbers>{{0.3}}, 0, "scale");
    check_rule(t, &OptimTable::clamp, reference::clamp, std::vector<ClampNumbers>{{-0.5, 0.25}}, 0, "clamp");
    for (double p : {1.0, 2.0, double(INFINITY)}) {
        std::vector<Array> arrays;
        std::vector<UpdateItem> items;
        for (int64_t n : sizes) arrays.push_back(random_array(t, n));
        Number wanted = 0;
        for (Array& a : arrays) {
            items.push_back({{a.data()}, a.size(), t});
            for (int64_t i = 0; i < a.size(); ++i) {
                Number x = std::fabs(a[i]);
                wanted = p == 1 ? wanted + x : p == 2 ? wanted + x * x : std::max(wanted, x);
            }
        }
        if (p == 2) wanted = std::sqrt(wanted);
        CHECK(std::fabs(kernels::total_norm(items, p) / wanted - 1) < 1e-6L);
        if (arrays[3].dtype() == DType::float32) arrays[3].set(5, NAN);
        if (t == DType::float32) CHECK(std::isnan(kernels::total_norm(items, p)));
    }
    CHECK(kernels::total_norm({}, 2) == 0);
}

void body() {
    set_num_threads(3);
    for (DType t : floating_dtypes) {
        check_gradient_steps(t);
        check_adam_family(t);
        check_scaled(t);
        check_others(t);
    }
}

}  // namespace

int main() { return run_per_isa(body); }
