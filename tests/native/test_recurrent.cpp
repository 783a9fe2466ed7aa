// Recurrent layers against the reference, and their gradients against differences of it.
#include "kernels/generic/recurrent.h"
#include "kernels/reference/recurrent.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::Recurrent;

namespace {

struct Layer {
    Recurrent p;
    std::vector<int64_t> first, size;
    int64_t rows = 0, width;
    Array weight, bias;

    Layer(Recurrent::Mode mode, DType t, int64_t hidden, std::vector<int64_t> sizes, bool reverse, bool batch_first)
        : size(std::move(sizes)), width(kernels::gate_count(mode) * hidden),
          weight(random_array(t, width * hidden, 0.3)),
          bias(random_array(t, width)) {
        int64_t steps = int64_t(size.size());
        for (int64_t n : size) {
            first.push_back(batch_first ? int64_t(first.size()) : rows);
            rows += n;
        }
        p.mode = mode, p.dtype = t, p.reverse = reverse, p.hidden = hidden, p.batch = size[0], p.steps = steps;
        p.first = first.data(), p.size = size.data(), p.between = batch_first ? steps : 1;
        p.weight = weight.data(), p.bias = mode == Recurrent::gru ? bias.data() : nullptr;
    }
};

// The sum of the outputs times `slope`, and of the last states.
long double loss(const Layer& l, const Array& gates, Array state, Array cell, const Array& slope) {
    Array out(l.p.dtype, l.rows * l.p.hidden);
    reference::recurrent(l.p, gates.data(), state.data(), cell.data(), out.data());
    long double sum = 0;
    for (int64_t i = 0; i < out.size(); ++i) sum += out[i] * slope[i];
    for (int64_t i = 0; i < state.size(); ++i) sum += state[i];
    return sum;
}

void check_layer(const Layer& l) {
    DType t = l.p.dtype;
    int64_t n = l.p.hidden, batch = l.p.batch, saved_width = kernels::saved_width(l.p);
    Array gates = random_array(t, l.rows * l.width);
    Array state = random_array(t, batch * n), cell = random_array(t, batch * n);
    Array got_state = state, got_cell = cell, wanted_state = state, wanted_cell = cell;
    Array got(t, l.rows * n), wanted(t, l.rows * n), saved(t, l.rows * saved_width), plain(t, l.rows * n);
    kernels::recurrent(l.p, gates.data(), got_state.data(), got_cell.data(), got.data(), saved.data());
    reference::recurrent(l.p, gates.data(), wanted_state.data(), wanted_cell.data(), wanted.data());
    CHECK(close(got, wanted, 4, 4, "outputs"));
    CHECK(close(got_state, wanted_state, 4, 4, "last states"));
    CHECK(close(got_cell, wanted_cell, 4, 4, "last cells"));
    CHECK(saved.ends_intact());
    Array again = state, cells = cell;
    kernels::recurrent(l.p, gates.data(), again.data(), cells.data(), plain.data(), nullptr);
    CHECK(plain.same_bytes(got));
    if (t != DType::float64 || l.p.mode == Recurrent::relu) return;

    Array slope = random_array(t, l.rows * n), grad_state(t, batch * n), grad_cell(t, batch * n);
    for (int64_t i = 0; i < batch * n; ++i) {
        grad_state.set(i, 1);
        grad_cell.set(i, 0);
    }
    Array grad_gates(t, l.rows * l.width), grad_products(t, l.rows * l.width);
    kernels::recurrent_backward(l.p, slope.data(), got.data(), saved.data(), grad_state.data(), grad_cell.data(),
                                grad_gates.data(), l.p.mode == Recurrent::gru ? grad_products.data() : nullptr);
    CHECK(grad_gates.ends_intact() && grad_state.ends_intact() && grad_products.ends_intact());
    auto slopes_of = [&](Array& x, const Array& found, const char* what) {
        const long double step = 1e-5L;
        for (int64_t i = 0; i < x.size(); i += 1 + x.size() / 7) {
            long double before = x[i];
            x.set(i, before + step);
            long double above = loss(l, gates, state, cell, slope);
            x.set(i, before - step);
            long double expected = (above - loss(l, gates, state, cell, slope)) / (2 * step);
            x.set(i, before);
            bool fine = std::abs(found[i] - expected) < 1e-5L * std::max(1.0L, std::abs(expected));
            if (!fine) std::fprintf(stderr, "%s[%lld]: %Lg, wanted %Lg\n", what, (long long)i, found[i], expected);
            CHECK(fine);
        }
    };
    slopes_of(gates, grad_gates, "the gates' gradient");
    slopes_of(state, grad_state, "the first states' gradient");
    if (l.p.mode == Recurrent::lstm) slopes_of(cell, grad_cell, "the first cells' gradient");
}

void body() {
    for (DType t : {DType::float32, DType::float64})
        for (Recurrent::Mode mode : {Recurrent::tanh, Recurrent::relu, Recurrent::lstm, Recurrent::gru})
            for (bool reverse : {false, true})
                for (int64_t hidden : {1, 5, 16, 33}) {
                    check_layer(Layer(mode, t, hidden, {3, 3, 3, 3}, reverse, false));
                    check_layer(Layer(mode, t, hidden, {9, 9, 9}, reverse, true));
                    check_layer(Layer(mode, t, hidden, {7, 7, 4, 1}, reverse, false));
                    check_layer(Layer(mode, t, hidden, {1}, reverse, false));
                }
}

}  // namespace

int main() { return run_per_isa(body); }
