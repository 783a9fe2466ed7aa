// Optimizer updates against the algorithms for one number, over several steps.
#include "kernels/generic/optim.h"
#include "kernels/reference/optim.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using reference::OptimState;

namespace {

constexpr int64_t sizes[] = {1, 0, 7, 64, 1000, 40001};
constexpr int count = 6;

// Parameters, gradients and up to three state arrays per tensor.
struct Model {
    std::vector<Array> params, grads, first, second, third;
    explicit Model(DType t) {
        for (int64_t n : sizes) {
            params.push_back(random_array(t, n));
            grads.push_back(random_array(t, n));
            for (auto* list : {&first, &second, &third}) {
                list->emplace_back(t, n);
                for (int64_t i = 0; i < n; ++i) list->back().set(i, 0);
            }
        }
    }
};
std::vector<void*> pointers(std::vector<Array>& list) {
    std::vector<void*> p;
    for (Array& a : list) p.push_back(a.data());
    return p;
}

// native(list, params, grads, three states, step) against one(param, grad, state, step).
template <class Native, class One>
void check_steps(DType t, Native native, One one, const char* name) {
    Model m(t);
    std::vector<Array> wanted = m.params;
    std::vector<std::vector<OptimState>> states;
    for (int64_t n : sizes) states.emplace_back(static_cast<size_t>(n));
    auto p = pointers(m.params), a = pointers(m.first), b = pointers(m.second), c = pointers(m.third);
    std::vector<void*> grads = pointers(m.grads);
    std::vector<const void*> g(grads.begin(), grads.end());
    kernels::TensorList list{count, sizes, t};
    // The reference keeps its state exact: 16-bit state is compared by the step that it was made in.
    for (int step = 1; step <= (is_reduced(t) ? 1 : 3); ++step) {
        native(list, p.data(), g.data(), a.data(), b.data(), c.data(), step);
        for (size_t k = 0; k < count; ++k)
            for (int64_t i = 0; i < sizes[k]; ++i)
                wanted[k].set(i, one(wanted[k][i], m.grads[k][i], states[k][size_t(i)], step));
    }
    for (size_t k = 0; k < count; ++k) CHECK(close(m.params[k], wanted[k], 1, is_reduced(t) ? 2 : 10, name));
}

void check_sgd(DType t) {
    for (int variant = 0; variant < 6; ++variant) {
        kernels::SgdStep s{0.1};
        s.momentum = variant >= 1 ? 0.9 : 0;
        s.dampening = variant == 2 ? 0.3 : 0;
        s.nesterov = variant == 3;
        s.weight_decay = variant >= 4 ? 0.01 : 0;
        s.maximize = variant == 5;
        auto at = [&](int step) {
            s.first = step == 1;
            return s;
        };
        check_steps(
            t,
            [&](auto& l, auto p, auto g, auto a, auto, auto, int step) {
                kernels::sgd_step(l, p, g, s.momentum != 0 ? a : nullptr, at(step));
            },
            [&](auto p, auto g, auto& state, int step) { return reference::sgd(p, g, state, at(step)); },
            "sgd");
    }
}

void check_adam(DType t) {
    for (int variant = 0; variant < 5; ++variant) {
        kernels::AdamStep s{0.01};
        s.weight_decay = variant >= 1 ? 0.1 : 0;
        s.decoupled = variant == 2;
        s.amsgrad = variant >= 3;
        s.maximize = variant == 4;
        auto at = [&](int step) {
            s.step = step;
            return s;
        };
        check_steps(
            t,
            [&](auto& l, auto p, auto g, auto a, auto b, auto c, int step) {
                kernels::adam_step(l, p, g, a, b, s.amsgrad ? c : nullptr, at(step));
            },
            [&](auto p, auto g, auto& state, int step) { return reference::adam(p, g, state, at(step)); },
            "adam");
    }
}

void check_scaled(DType t) {
    for (int variant = 0; variant < 4; ++variant) {
        kernels::RmspropStep s{0.01};
        s.momentum = variant >= 1 ? 0.9 : 0;
        // A centred first step divides by the small difference of two near numbers: 16 bits do not hold it.
        s.centered = variant >= 2 && !is_reduced(t);
        s.alpha = s.centered ? 0.5 : 0.99;
        s.weight_decay = variant == 3 ? 0.1 : 0;
        check_steps(
            t, [&](auto& l, auto p, auto g, auto a, auto b, auto c, int) {
                kernels::rmsprop_step(l, p, g, a, s.centered ? b : nullptr, s.momentum != 0 ? c : nullptr, s);
            },
            [&](auto p, auto g, auto& state, int) { return reference::rmsprop(p, g, state, s); }, "rmsprop");
    }
    // The step has the size of the rate however small the gradient is; so that one that the decay nearly cancels keeps
    // its sign in float32, the decay is a power of two.
    kernels::AdagradStep s{0.1, 0.05, 1.0 / 128};
    auto at = [&](int step) {
        s.step = step;
        return s;
    };
    check_steps(
        t,
        [&](auto& l, auto p, auto g, auto a, auto, auto, int step) {
            kernels::adagrad_step(l, p, g, a, at(step));
        },
        [&](auto p, auto g, auto& state, int step) { return reference::adagrad(p, g, state, at(step)); },
        "adagrad");
}

void body() {
    set_num_threads(3);
    for (DType t : floating_dtypes) {
        check_sgd(t);
        check_adam(t);
        check_scaled(t);
    }
}

}  // namespace

int main() { return run_per_isa(body); }
