#include "kernels/reference/recurrent.h"

#include <cmath>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

using kernels::Recurrent;

namespace {

Number sigmoid(Number x) { return 1 / (1 + std::exp(-x)); }

// One element's gates, from what the input gives and what the state gives.
Number new_state(const Recurrent& p, const std::vector<Number>& x, const std::vector<Number>& h, Number old,
                 Number* cell) {
    switch (p.mode) {
        case Recurrent::tanh: return std::tanh(x[0] + h[0]);
        case Recurrent::relu: return std::max<Number>(x[0] + h[0], 0);
        case Recurrent::lstm:
            *cell = sigmoid(x[1] + h[1]) * *cell + sigmoid(x[0] + h[0]) * std::tanh(x[2] + h[2]);
            return sigmoid(x[3] + h[3]) * std::tanh(*cell);
        default: {
            Number z = sigmoid(x[1] + h[1]), n = std::tanh(x[2] + sigmoid(x[0] + h[0]) * h[2]);
            return (1 - z) * n + z * old;
        }
    }
}

}  // namespace

void recurrent(const Recurrent& p, const void* gates, void* state, void* cell, void* out) {
    int64_t n = p.hidden, count = kernels::gate_count(p.mode);
    MutableValues h{state, p.dtype}, c{cell, p.dtype}, y{out, p.dtype};
    Values x{gates, p.dtype}, w{p.weight, p.dtype}, bias{p.bias, p.dtype};
    for (int64_t i = 0; i < p.steps; ++i) {
        int64_t t = p.reverse ? p.steps - 1 - i : i;
        for (int64_t entry = 0; entry < p.size[t]; ++entry) {
            int64_t row = p.first[t] + entry * p.between;
            std::vector<Number> fresh;
            for (int64_t j = 0; j < n; ++j) {
                std::vector<Number> of_input, of_state;
                for (int64_t g = 0; g < count; ++g) {
                    Number sum = p.bias ? bias[g * n + j] : 0;
                    for (int64_t k = 0; k < n; ++k) sum += h[entry * n + k] * w[(g * n + j) * n + k];
                    of_state.push_back(sum);
                    of_input.push_back(x[(row * count + g) * n + j]);
                }
                Number now = p.mode == Recurrent::lstm ? c[entry * n + j] : 0;
                fresh.push_back(new_state(p, of_input, of_state, h[entry * n + j], &now));
                if (p.mode == Recurrent::lstm) c.set(entry * n + j, now);
            }
            for (int64_t j = 0; j < n; ++j) {
                h.set(entry * n + j, fresh[size_t(j)]);
                y.set(row * n + j, fresh[size_t(j)]);
            }
        }
    }
}

}  // namespace rushlight::reference
